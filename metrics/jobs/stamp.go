package jobs

import "cmp"

// A job that tells since when it waits tells it by the clock of its writer. Where that is
// ahead of the server's, the time lies in the future, and the job would be of age 0 for as
// long. It has waited at least since it was seen here first, for all systems alike.

// stamp is a job and the time that it tells.
type stamp struct {
	id string
	at float64
	// seen is when it was seen first among the jobs that wait.
	seen float64
}

// waits notes that the job that is the queue's oldest, or may be, waits since then; the
// latency is that of the oldest one.
func (q *queue) waits(p *poll, at float64) {
	if q.stamped.at == 0 || at < q.stamped.at {
		q.stamped.at = at
	}
	if age, _ := q.Get(figLatency); p.Age(at) >= age {
		q.Set(figLatency, p.Age(at))
	}
}

// seen makes the latency no less than the time since the job was seen first with the time
// that it tells. old is what is remembered of the queue, nil for nothing.
func (q *queue) seen(p *poll, old *sample) {
	q.stamped.id = cmp.Or(q.oldestID, q.Head)
	if waiting, known := q.Get(figWaiting); !known || waiting == 0 || q.stamped.at == 0 || q.stamped.id == "" {
		q.stamped = stamp{}
		return
	}
	q.stamped.seen = p.Now()
	if old != nil && old.stamped.id == q.stamped.id && old.stamped.at == q.stamped.at {
		q.stamped.seen = min(old.stamped.seen, p.Now())
	}
	if age, known := q.Get(figLatency); known && p.Age(q.stamped.seen) > age {
		q.Set(figLatency, p.Age(q.stamped.seen))
	}
}

// remember takes over what a poll saw. A job whose time could not be read this once is
// still the same.
func (old *stamp) remember(q *queue) {
	if waiting, known := q.Get(figWaiting); known && waiting == 0 || q.stamped.at != 0 {
		*old = q.stamped
	}
}
