package targets

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// collectorPercent is the garbage collector's GOGC for so many targets. With a
// few, the heap is a few megabytes and nearly all of it garbage of checks:
// Go's own setting does, and 150 would cost 2 MB. With thousands, it is mostly state of the targets, and letting it
// double before it is collected would be most of the process's memory. With the most there may be, that is
// held to a seventh: a poll of all of them each minute takes two to three seconds.
func collectorPercent(targets int) int {
	switch {
	case targets < 2000:
		return 100
	case targets < 5000:
		return 50
	case targets < 8000:
		return 25
	default:
		return 15
	}
}

// tuneCollector sets the collector for the number of targets, where it makes a
// difference to one target fewer.
func tuneCollector(targets int) {
	if percent := collectorPercent(targets); targets == 1 || percent != collectorPercent(targets-1) {
		debug.SetGCPercent(percent)
	}
}

const (
	// memoryBase is what the process may take beside the replies under way, before
	// the collector runs more often, and memoryTarget what each target adds: about
	// twice what they need.
	memoryBase   = 64 << 20
	memoryTarget = 16 << 10
)

// limitMemory has the collector hold the process to the replies that may be under
// way and what the targets need. It is a goal and no bound: the process goes on
// above it.
func limitMemory(replies, targets int) {
	debug.SetMemoryLimit(int64(replies) + memoryBase + int64(targets)*memoryTarget)
}

// reliefDelay is the time from the end of a crowd of large replies to the return
// of their memory to the system, and the least time between two.
const reliefDelay = 5 * time.Second

// relief returns memory that was used for large replies to the system. Go itself
// would keep it for minutes.
type relief struct{ due atomic.Bool }

func newRelief() *relief { return new(relief) }

func (r *relief) run() {
	if r.due.CompareAndSwap(false, true) {
		time.AfterFunc(reliefDelay, func() {
			r.due.Store(false)
			debug.FreeOSMemory()
		})
	}
}
