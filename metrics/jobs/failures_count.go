package jobs

// failureCounter is a counter of a system, or of a queue, that grows with each
// failure.
type failureCounter struct {
	name  string
	count float64
}

// compareCounters compares the counters with the failures that were found, once all
// are: what was counted since the last poll and not found is missed. One that was
// found before it was counted, as Sidekiq's workers count each ten seconds, is not
// missed at the next poll for that.
func (f *failures) compareCounters() {
	found := float64(len(f.found) + f.unreadable)
	counted, before, ok := 0.0, 0.0, len(f.counters) > 0 && !f.uncounted
	for _, c := range f.counters {
		l, known := f.list(c.name)
		grown := c.count - l.mark
		if !known || grown < 0 { // it was reset
			ok = false
			grown = 0
		}
		counted += grown
		before += l.least
	}
	surplus := 0.0
	if ok && !f.first {
		missing := counted - found - before
		f.missed, f.missedKnown = max(0, missing), true
		surplus = min(max(0, -missing), found)
	}
	for i, c := range f.counters {
		if i > 0 {
			surplus = 0 // it is one number for all of them
		}
		f.remember(c.name, c.count, surplus)
	}
}
