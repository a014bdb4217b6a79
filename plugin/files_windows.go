package plugin

// openFiles is how many files and sockets the process may have open, or 0 for
// any number.
func openFiles() uint64 { return 0 }
