package slow

import (
	"cmp"
	"slices"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
)

// entryKey tells an entry of the slow log from the others where each thread of the
// server counts its own ids.
type entryKey struct{ time, id int64 }

func keyOf(e ask.SlowEntry) entryKey { return entryKey{e.Time, e.ID} }

func (k entryKey) compare(o entryKey) int {
	return cmp.Or(cmp.Compare(k.time, o.time), cmp.Compare(k.id, o.id))
}

// maxSeen bounds what is remembered: as much as two polls read, so that the late
// answer to an earlier poll has nothing new.
const maxSeen = 2 * slowlogEntries

// threadRead is what was read of a slow log with ids by thread: the newest entries.
type threadRead struct {
	info.Life
	seen []entryKey // in their order
}

// next tells which entries are new to a reader who has read r, and sorts entries by
// their times. polled is false when nobody has. How many the log had dropped before
// they were read is not known.
func (r threadRead) next(entries []ask.SlowEntry, polled bool, runID string, uptime info.Reading) (slowlogNews, threadRead) {
	now := time.Now()
	slices.SortFunc(entries, func(a, b ask.SlowEntry) int { return keyOf(a).compare(keyOf(b)) })
	n := slowlogNews{byThread: true}
	n.First = !polled
	if polled {
		change := r.Next(runID, uptime, now)
		n.Restarted, n.First = change == info.Restarted, change == info.Replaced
	}
	if n.First || n.Restarted {
		r = threadRead{}
	}
	seen := slices.Clone(r.seen)
	for _, e := range entries {
		if _, found := slices.BinarySearchFunc(r.seen, keyOf(e), entryKey.compare); !found {
			n.entries = append(n.entries, e)
			seen = append(seen, keyOf(e))
		}
	}
	slices.SortFunc(seen, entryKey.compare)
	seen = seen[max(0, len(seen)-maxSeen):]
	if runID == "" {
		runID = r.RunID
	}
	return n, threadRead{info.Life{RunID: runID, At: now, Uptime: uptime}, slices.Clip(seen)}
}
