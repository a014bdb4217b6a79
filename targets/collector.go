package targets

import "runtime/debug"

// collectorPercent is the garbage collector's GOGC for so many targets. With a
// few, the heap is a few megabytes and nearly all of it garbage of checks:
// collecting less often saves time and costs 2 MB. With thousands, it is
// mostly state of the targets, and letting it double before it is collected
// would be most of the process's memory. With the most there may be, that is
// held to a seventh: a poll of all of them each minute takes two to three seconds.
func collectorPercent(targets int) int {
	switch {
	case targets < 500:
		return 150
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
