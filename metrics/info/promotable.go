package info

import (
	"slices"
	"strings"
)

// Promotable reports whether sentinels may make a replica the master: it is reached,
// and its priority is not 0. row is one of SENTINEL REPLICAS.
// Source: redis src/sentinel.c, sentinelSelectSlave
func Promotable(row map[string]string) bool {
	return !OutOfReach(row) && row["slave-priority"] != "0"
}

// OutOfReach reports whether the sentinel that wrote a row does not reach the server,
// so that what it says of it is what it saw last.
func OutOfReach(row map[string]string) bool {
	return slices.ContainsFunc(strings.Split(row["flags"], ","), func(flag string) bool {
		return flag == "s_down" || flag == "o_down" || flag == "disconnected"
	})
}

// Available is how many replicas of a master sentinels may promote, as far as they
// say, of the rows of SENTINEL REPLICAS and all the replicas that they know. Those
// that are not listed (replica-announced no) count: they may be promoted, and nobody
// tells whether they are reached.
func Available(rows []map[string]string, known Reading) (available, unlisted int64) {
	for _, row := range rows {
		if Promotable(row) {
			available++
		}
	}
	if known.Known {
		unlisted = max(0, known.Value-int64(len(rows)))
	}
	return available + unlisted, unlisted
}
