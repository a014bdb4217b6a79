package jobs

import "fmt"

// summed are the figures of a system that are the sums over its queues, unless
// the system tells them itself.
var summed = []Figure{
	Waiting, Active, Scheduled, Overdue, Retry, Failed, Completed, Processed, FailedTotal, Added, Orphaned,
	Deferred, Canceled, Prioritized, WaitingChildren, Aggregating, Unacked,
}

// workerFigures follow from Reading.Workers.
var workerFigures = []Figure{
	Workers, WorkersAlive, WorkersDead, WorkersBusy, WorkersSlots, WorkersQuiet, Utilisation, OldestRunning,
}

// finish makes the figures that follow from others.
func (r *Reading) finish(p *Poll, s *state) {
	r.sumWorkers(p)
	if r.only == "" {
		r.sumQueues()
	}
	s.rates(p, r)
	if r.only == "" {
		r.countQueues()
	}
}

// settable reports whether finish may make the figure.
func (r *Reading) settable(f Figure) bool {
	_, known := r.Get(f)
	return !known && !r.missed(f) && !r.spec.lacks(f, false)
}

func (r *Reading) sumWorkers(p *Poll) {
	var registered, alive, busy, slots, quiet, since float64
	busyKnown, slotsKnown := true, true
	for _, w := range r.Workers {
		registered++
		if !w.Alive {
			continue
		}
		alive++
		if w.Quiet {
			quiet++
		}
		busyKnown = busyKnown && w.Busy >= 0
		slotsKnown = slotsKnown && w.Slots >= 0
		busy += w.Busy
		slots += w.Slots
		if w.RunningSince > 0 && (since == 0 || w.RunningSince < since) {
			since = w.RunningSince
		}
	}
	set := func(f Figure, value float64, known bool) {
		switch {
		case !r.settable(f):
		case r.CutWorkers > 0 && f != Workers:
			r.Miss(f, fmt.Sprintf("there are %d workers, more than the %d that are read", len(r.Workers)+r.CutWorkers, MaxWorkers))
		case !known:
			r.Miss(f, "a worker does not tell it")
		default:
			r.Set(f, value)
		}
	}
	set(Workers, registered+float64(r.CutWorkers), true)
	set(WorkersAlive, alive, true)
	set(WorkersDead, registered-alive, true)
	set(WorkersBusy, busy, busyKnown)
	set(WorkersSlots, slots, slotsKnown)
	set(WorkersQuiet, quiet, true)
	if r.settable(Utilisation) {
		busy, ok1 := r.Get(WorkersBusy)
		slots, ok2 := r.Get(WorkersSlots)
		switch {
		case !ok1 || !ok2:
			r.Miss(Utilisation, "a worker does not tell it")
		case slots > 0:
			r.Set(Utilisation, busy/slots)
		default:
			r.Set(Utilisation, 0)
		}
	}
	if since > 0 {
		set(OldestRunning, p.Age(since), true)
	} else {
		set(OldestRunning, 0, true)
	}
}

func (r *Reading) sumQueues() {
	for _, f := range summed {
		if !r.settable(f) || r.spec.lacks(f, true) {
			continue
		}
		sum, known := 0.0, 0
		for _, q := range r.Queues {
			if v, ok := q.Get(f); ok {
				sum += v
				known++
			}
		}
		switch {
		case r.Truncated > 0:
			r.Miss(f, fmt.Sprintf("%d queues were not read", r.Truncated))
		case known == len(r.Queues) && (known > 0 || r.always(f)):
			r.Set(f, sum)
		case known > 0 || r.always(f):
			r.Miss(f, fmt.Sprintf("it is not known of %d queues", len(r.Queues)-known))
		}
	}
	if !r.settable(Latency) || r.spec.lacks(Latency, true) {
		return
	}
	oldest, unknown := 0.0, 0
	for _, q := range r.Queues {
		v, ok := q.Get(Latency)
		if !ok {
			unknown++
		}
		oldest = max(oldest, v)
	}
	if unknown > 0 {
		r.Miss(Latency, fmt.Sprintf("it is not known of %d queues", unknown))
	} else if r.Truncated > 0 {
		r.Miss(Latency, fmt.Sprintf("%d queues were not read", r.Truncated))
	} else {
		r.Set(Latency, oldest)
	}
}

// always reports whether every system tells the figure or lacks it, so that it
// is 0 when there is no queue at all.
func (r *Reading) always(f Figure) bool {
	for _, g := range SystemFigures {
		if f == g {
			return true
		}
	}
	return false
}

func (r *Reading) countQueues() {
	if r.settable(QueueCount) {
		r.Set(QueueCount, float64(len(r.Queues)+r.Truncated))
	}
	for _, c := range []struct{ count, of Figure }{{QueuesPaused, Paused}, {QueuesStuck, Stuck}} {
		n, known := 0.0, r.Truncated == 0
		for _, q := range r.Queues {
			v, ok := q.Get(c.of)
			known = known && ok
			n += v
		}
		if known && r.settable(c.count) && !r.spec.lacks(c.of, true) {
			r.Set(c.count, n)
		}
	}
}
