package acllog

import (
	"hash/maphash"
	"math"
	"time"

	"redisjobs/metrics/info"
)

// kept is what is remembered of an entry.
type kept struct {
	id, count int64
	kind      uint64    // a hash of reason, context, object and user
	last      time.Time // when its last refusal was
	at        int64     // see entry
}

// read is how far a target's ACL log was read.
type read struct {
	info.LogRead
	entries []kept
}

var seed = maphash.MakeSeed()

func (e *entry) kind() uint64 {
	return maphash.Comparable(seed, [4]string{e.reason, e.context, e.object, e.user})
}

// news is what a poll finds.
type news struct {
	info.LogNews
	missed int64 // entries that the log has dropped since the last poll
	next   read
}

// delta sets how much of each entry is new to who has read as far as last; polled
// is false when nobody has. Entries of Redis 7.2 and newer are known by their ids;
// older ones by what they say and when their last refusal was.
func delta(entries []entry, last read, polled bool, runID string, uptime info.Reading) news {
	now := time.Now()
	newest := int64(-1)
	for i := range entries {
		newest = max(newest, entries[i].id)
	}
	n := news{LogNews: last.Next(polled, newest, runID, uptime)}
	before := last.entries
	n.next = read{LogRead: n.Read}
	for i := range entries {
		e := &entries[i]
		n.next.entries = append(n.next.entries, kept{e.id, e.count, e.kind(), now.Add(-time.Duration(e.age * float64(time.Second))), e.at})
	}
	var listed int64
	taken := make([]bool, len(before))
	unchanged := make([]bool, len(entries))
	for i := range entries {
		if entries[i].id < 0 {
			unchanged[i] = takeSame(n.next.entries[i], before, taken)
		}
	}
	for i := range entries {
		e, k := &entries[i], n.next.entries[i]
		switch {
		case n.First || n.Restarted:
			e.fresh = e.count
		case e.id >= n.From:
			e.fresh = e.count
			listed++
		case e.id >= 0:
			for _, b := range before {
				if b.id == e.id {
					e.fresh = max(0, e.count-b.count)
				}
			}
		case !unchanged[i]:
			e.fresh = max(0, e.count-takeOlder(k, before, taken))
		}
	}
	if newest >= 0 && !n.First {
		n.missed = max(0, newest-n.From+1-listed)
		if n.Restarted {
			n.missed = max(0, newest+1-int64(len(entries)))
		}
	}
	return n
}

// takeSame finds an entry that has not changed.
func takeSame(k kept, before []kept, taken []bool) bool {
	for i, b := range before {
		if !taken[i] && b.kind == k.kind && b.count == k.count && b.at == k.at && math.Abs(k.last.Sub(b.last).Seconds()) < 1 {
			taken[i] = true
			return true
		}
	}
	return false
}

// takeOlder finds an entry that has got more refusals, and returns how many it
// had.
func takeOlder(k kept, before []kept, taken []bool) int64 {
	for i, b := range before {
		if !taken[i] && b.kind == k.kind && b.count < k.count && !b.last.After(k.last.Add(time.Second)) {
			taken[i] = true
			return b.count
		}
	}
	return 0
}
