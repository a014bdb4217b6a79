//go:build race

package redistest

// RaceEnabled says that the race detector is on: everything is slower, and
// sync.Pool drops at random, so that allocations cannot be pinned.
const RaceEnabled = true
