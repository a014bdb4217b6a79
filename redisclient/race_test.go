//go:build race

package redisclient

// raceEnabled: sync.Pool drops at random under the race detector, so that
// allocations cannot be pinned.
const raceEnabled = true
