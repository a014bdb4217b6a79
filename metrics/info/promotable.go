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

// NeverSynced reports whether a replica has had no link to its master since it was
// started: it has nothing of it, or what it found on its disk. Its masters are those of
// its INFO; what that does not say makes no replica one.
func NeverSynced(id *Identity, masters []Master) bool {
	never := len(masters) > 0
	for i := range masters {
		m := &masters[i]
		noOffset := !m.downTold && m.Applied.Known && m.Applied.Value <= 1 && id.Means.Offset == UnitBytes
		never = never && m.LinkUp.Known && m.LinkUp.Value == 0 && (m.never || noOffset)
	}
	return never
}

// Validity is how long a replica of a cluster may be without its master and still take
// over by itself: cluster-node-timeout in milliseconds, repl-ping-replica-period in
// seconds, and cluster-replica-validity-factor, with 0 for any time.
type Validity struct{ NodeTimeout, PingPeriod, Factor Reading }

// longWithoutMaster is how long a replica may be without its master where its Validity is
// not known, in seconds: ten times as long as with the defaults, and more.
const longWithoutMaster = 30 * 60

// TakesOver reports whether a replica of a cluster becomes the master by itself, with
// its data, when that fails: not one that was never synchronized, nor one that has been
// without its master for too long. What is not said excludes no replica.
// Source: redis src/cluster_legacy.c, clusterHandleSlaveFailover (data_age)
func TakesOver(id *Identity, masters []Master, v Validity) bool {
	if NeverSynced(id, masters) {
		return false
	}
	if len(masters) != 1 || masters[0].LinkUp != Known(0) || !masters[0].Down.Known {
		return true
	}
	limit := float64(longWithoutMaster)
	if v.NodeTimeout.Known && v.PingPeriod.Known && v.Factor.Known {
		if v.Factor.Value == 0 {
			return true
		}
		limit = float64(v.PingPeriod.Value) + float64(v.NodeTimeout.Value)/1000*float64(v.Factor.Value)
	}
	return float64(masters[0].Down.Value) <= limit
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
