package info

import (
	"slices"
	"strings"
)

// Promotable reports whether sentinels may make a replica the master: they reach it and
// have lately heard from it, its priority is not 0, and it has not been without its master
// for much longer than they have. row is one of SENTINEL REPLICAS, master that of
// SENTINEL MASTERS; what they do not say excludes nobody.
// Source: redis src/sentinel.c, sentinelSelectSlave and addReplySentinelRedisInstance
func Promotable(master, row map[string]string) bool {
	if OutOfReach(row) || row["slave-priority"] == "0" || above(row["last-ok-ping-reply"], maxPingAge) {
		return false
	}
	maxInfoAge, maxLinkDown := int64(maxInfoAgeMasterUp), Reading{}
	if downAfter := ParseCount([]byte(master["down-after-milliseconds"])); downAfter.Known {
		maxLinkDown = Known(downAfter.Value * 10)
	}
	if hasFlag(master, "s_down") {
		maxInfoAge = maxInfoAgeMasterDown
		down := ParseCount([]byte(master["s-down-time"]))
		maxLinkDown = Reading{Value: maxLinkDown.Value + down.Value, Known: maxLinkDown.Known && down.Known}
	}
	if runID, ok := row["runid"]; ok && runID == "" && row["info-refresh"] == "0" {
		return false // its INFO was never read
	}
	return !above(row["info-refresh"], maxInfoAge) && !(maxLinkDown.Known && above(row["master-link-down-time"], maxLinkDown.Value))
}

// What Sentinel takes of a replica that it promotes, in milliseconds: the age of its last
// good answer to PING and of its INFO, which is asked for each second while the master is
// down, else each ten seconds.
const (
	maxPingAge           = 5_000
	maxInfoAgeMasterUp   = 30_000
	maxInfoAgeMasterDown = 5_000
)

func above(text string, limit int64) bool {
	n := ParseCount([]byte(text))
	return n.Known && n.Value > limit
}

// OutOfReach reports whether the sentinel that wrote a row does not reach the server,
// so that what it says of it is what it saw last.
func OutOfReach(row map[string]string) bool {
	return hasFlag(row, "s_down") || hasFlag(row, "o_down") || hasFlag(row, "disconnected")
}

func hasFlag(row map[string]string, flag string) bool {
	return slices.Contains(strings.Split(row["flags"], ","), flag)
}

// Available is how many replicas of a master sentinels may promote, as far as they
// say, of its row, the rows of SENTINEL REPLICAS and all the replicas that they know. Those
// that are not listed (replica-announced no) count: they may be promoted, and nobody
// tells whether they are reached.
func Available(master map[string]string, rows []map[string]string, known Reading) (available, unlisted int64) {
	for _, row := range rows {
		if Promotable(master, row) {
			available++
		}
	}
	if known.Known {
		unlisted = max(0, known.Value-int64(len(rows)))
	}
	return available + unlisted, unlisted
}
