package jobs

import "fmt"

// summed are the figures of a system that are the sums over its queues, unless
// the system tells them itself.
var summed = []figure{
	figWaiting, figActive, figScheduled, figOverdue, figRetry, figFailed, figCompleted, figProcessed, figFailedTotal, figAdded, figOrphaned,
	figDeferred, figCanceled, figPrioritized, figWaitingChildren, figAggregating, figUnacked,
}

// workerFigures follow from Reading.Workers.
var workerFigures = []figure{
	figWorkers, figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation, figOldestRunning,
}

// finish makes the figures that follow from others.
func (r *reading) finish(p *poll, s *state) {
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
func (r *reading) settable(f figure) bool {
	_, known := r.Get(f)
	return !known && !r.missed(f) && !r.spec.lacks(f, false)
}

func (r *reading) sumWorkers(p *poll) {
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
	set := func(f figure, value float64, known bool) {
		switch {
		case !r.settable(f):
		case r.CutWorkers > 0 && f != figWorkers:
			r.Miss(f, fmt.Sprintf("there are %d workers, more than the %d that are read", len(r.Workers)+r.CutWorkers, maxWorkers))
		case !known:
			r.Miss(f, "a worker does not tell it")
		default:
			r.Set(f, value)
		}
	}
	set(figWorkers, registered+float64(r.CutWorkers), true)
	set(figWorkersAlive, alive, true)
	set(figWorkersDead, registered-alive, true)
	set(figWorkersBusy, busy, busyKnown)
	set(figWorkersSlots, slots, slotsKnown)
	set(figWorkersQuiet, quiet, true)
	if r.settable(figUtilisation) {
		busy, ok1 := r.Get(figWorkersBusy)
		slots, ok2 := r.Get(figWorkersSlots)
		switch {
		case !ok1 || !ok2:
			r.Miss(figUtilisation, "a worker does not tell it")
		case slots > 0:
			r.Set(figUtilisation, busy/slots)
		default:
			r.Set(figUtilisation, 0)
		}
	}
	if since > 0 {
		set(figOldestRunning, p.Age(since), true)
	} else {
		set(figOldestRunning, 0, true)
	}
}

func (r *reading) sumQueues() {
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
	if !r.settable(figLatency) || r.spec.lacks(figLatency, true) {
		return
	}
	oldest, unknown := 0.0, 0
	for _, q := range r.Queues {
		v, ok := q.Get(figLatency)
		if !ok {
			unknown++
		}
		oldest = max(oldest, v)
	}
	if unknown > 0 {
		r.Miss(figLatency, fmt.Sprintf("it is not known of %d queues", unknown))
	} else if r.Truncated > 0 {
		r.Miss(figLatency, fmt.Sprintf("%d queues were not read", r.Truncated))
	} else {
		r.Set(figLatency, oldest)
	}
}

// always reports whether every system tells the figure or lacks it, so that it
// is 0 when there is no queue at all.
func (r *reading) always(f figure) bool {
	for _, g := range systemFigures {
		if f == g {
			return true
		}
	}
	return false
}

func (r *reading) countQueues() {
	if r.settable(figQueueCount) {
		r.Set(figQueueCount, float64(len(r.Queues)+r.Truncated))
	}
	for _, c := range []struct{ count, of figure }{{figQueuesPaused, figPaused}, {figQueuesStuck, figStuck}} {
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
