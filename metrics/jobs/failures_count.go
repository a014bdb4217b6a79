package jobs

// failureCounter is a counter of a system, or of one of its queues, that grows with
// each failure.
type failureCounter struct {
	name  string
	queue string // "" for all
	count float64
}

// compareCounters compares the counters with the failures that were found, once all
// are: what was counted since the last poll and not found is missed. One that was
// found before it was counted, as Sidekiq's workers count each ten seconds, is not
// missed at the next poll for that. Where the lists alone tell of more, that counts.
func (f *failures) compareCounters() {
	found := make(map[string]float64)
	for _, e := range f.found {
		found[e.queue]++
	}
	found[""] = float64(len(f.found) + f.unreadable)
	missed, known, unknown := 0.0, false, 0.0
	for _, c := range f.counters {
		l, ok := f.list(c.name)
		if !ok || f.first || c.count < l.mark { // it was reset
			f.remember(c.name, c.count, 0)
			continue
		}
		known = true
		if c.queue != "" { // of which they are, nobody knows
			unknown = float64(f.unreadable)
		}
		missing := c.count - l.mark - found[c.queue] - l.least
		missed += max(0, missing)
		f.remember(c.name, c.count, min(max(0, -missing), found[c.queue]))
	}
	if known {
		f.missed, f.missedKnown = max(f.missed, missed-unknown, 0), true
	}
}
