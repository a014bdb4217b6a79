//go:build !race

package redistest

// RaceEnabled says that the race detector is on.
const RaceEnabled = false
