package plugin

// wakeParent does nothing: agents on Windows learn of a dead child without a
// signal.
func wakeParent() {}
