package jobs

import (
	"math"
	"strconv"
)

// Since when a job waits is told by its record, where a queue has ids alone. A record is
// written anew when the job is added once more under its id, though the first entry still
// waits: RQ keeps both, and the time of the last one. So a later time at the head of a
// queue is no other entry by itself. It is when something shows that one was taken; and
// the first entry has waited since the time that was told when it was seen first.

// rewrite is how the time of the job at the head may change while its entry stays.
type rewrite uint8

const (
	rewriteNever rewrite = iota
	// rewriteAdds: the job is added once more, which makes the queue longer. See
	// queue.HeadTwice and worker.Done.
	rewriteAdds
	// rewriteMoves: an entry is put to another time, and one that was taken and put back
	// looks the same.
	rewriteMoves
	// rewriteUpdates: Head tells the entry by itself, and its time says nothing.
	rewriteUpdates
)

// entry is what is remembered of the job at the head of a queue.
type entry struct {
	id string
	// made counts the entries, so that one of the same id is another one.
	made int
	// at is when it was added, 0 if that is not known; seen when it was seen first.
	at, seen float64
	// told is the time that the job told last; waiting and active are the jobs of the queue
	// then.
	told, waiting, active float64
	// own are the jobs that workers have done which serve this queue alone, and shared those
	// of workers which serve others as well; hasDone: they are known.
	own, shared float64
	hasDone     bool
}

// verdict says whether the entry at the head is that of the last poll.
type verdict uint8

const (
	entryOther verdict = iota
	entrySame
	entryUnsure
)

// follow compares the entry at the head of q with that of the last poll, nil for none.
func (e *entry) follow(next entry, q *queue) verdict {
	if e == nil || e.id != next.id || next.waiting < e.waiting {
		return entryOther
	}
	rewritten := next.told != e.told && next.told != 0 && e.told != 0
	switch {
	case q.Rewrites == rewriteUpdates, !rewritten && !q.HeadTwice:
		return entrySame
	case q.Rewrites == rewriteMoves:
		return entryUnsure
	case rewritten && next.waiting == e.waiting: // one that is added makes it longer
		return entryOther
	case next.active > e.active:
		return entryOther
	case !next.hasDone || !e.hasDone:
		return entryUnsure
	case next.own != e.own:
		return entryOther
	case next.shared != e.shared:
		return entryUnsure
	}
	return entrySame
}

// sameEntries makes Head, HeadAt and the latency of queues those of the entry at the
// head, where the time of its job may be rewritten.
func (s *state) sameEntries(p *poll, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range r.Queues {
		q.HeadRepeats = q.HeadRepeats && !r.nobodyServes(q)
		waiting, known := q.Get(figWaiting)
		key := sampleKey{r.instance, q.Name}
		switch {
		case known && waiting == 0:
			delete(s.entries, key)
			continue
		case q.Rewrites == rewriteNever, !known, q.Head == "":
			continue
		}
		next := entry{id: q.Head, at: q.HeadAt, seen: p.Now(), told: q.HeadAt, waiting: waiting}
		next.active, _ = q.Get(figActive)
		next.own, next.shared, next.hasDone = r.done(q)
		e := s.entries[key]
		verdict := e.follow(next, q)
		next.resume(e, verdict, q)
		q.settleEntry(p, &next, verdict)
		if s.entries == nil || e == nil && len(s.entries) >= maxSamples {
			s.entries = make(map[sampleKey]*entry)
		}
		s.entries[key] = &next
	}
}

// resume takes over what was known of the entry at the last poll.
func (e *entry) resume(old *entry, verdict verdict, q *queue) {
	if old != nil {
		e.made = old.made
		if e.told == 0 && e.id == old.id {
			e.told = old.told
		}
	}
	switch {
	case verdict == entrySame:
		e.at, e.seen = old.at, min(old.seen, e.seen)
		return
	case old != nil:
		e.made++
	}
	if q.HeadTwice || verdict == entryUnsure && q.Rewrites == rewriteAdds {
		e.at = 0 // what it tells is the time of another entry
	}
}

// settleEntry says of a queue what follows from the entry at its head.
func (q *queue) settleEntry(p *poll, e *entry, verdict verdict) {
	q.Head = e.id + "#" + strconv.Itoa(e.made)
	moves := q.Rewrites == rewriteMoves // its time is what it says
	if !moves {
		q.HeadAt = e.at
	}
	switch verdict {
	case entryUnsure:
		const reason = "the time of the next job was rewritten, and it is not known whether it was taken in the meantime"
		q.Miss(figStalled, reason)
		q.Miss(figSaturated, reason)
		if !moves {
			q.Miss(figLatency, reason)
		}
	case entryOther:
		if q.HeadTwice {
			q.Miss(figLatency, "oldest job: its id is in the queue more than once, and its record tells the time of the last one alone")
		}
	case entrySame:
		if e.at == e.told || moves {
			return
		}
		since := e.seen
		if e.at > 0 {
			since = math.Min(e.at, since)
		}
		if known, _ := q.Get(figLatency); p.Age(since) >= known {
			q.Set(figLatency, p.Age(since))
		}
	}
}

// done counts the jobs that living workers of a queue have done.
func (r *reading) done(q *queue) (own, shared float64, known bool) {
	for i := range r.Workers {
		w := &r.Workers[i]
		for _, c := range w.capsules() {
			switch {
			case !w.Alive || !c.mayServe(q.Name):
			case len(c.Queues) == 1 && c.Queues[0] == q.Name:
				own += w.Done
			default:
				shared += w.Done
			}
		}
	}
	return own, shared, !r.cut() && !r.missed(figWorkersAlive)
}

// nobodyServes reports whether workers live, and certainly none that serves the queue: so
// none of its jobs was taken, whatever else was done.
func (r *reading) nobodyServes(q *queue) bool {
	if alive, known := r.Get(figWorkersAlive); !known || alive == 0 || r.cut() {
		return false
	}
	for i := range r.Workers {
		w := &r.Workers[i]
		for _, c := range w.capsules() {
			if w.Alive && c.mayServe(q.Name) {
				return false
			}
		}
	}
	return len(r.Workers) > 0
}
