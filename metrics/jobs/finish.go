package jobs

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
)

// summed are the figures of a system that are the sums over its queues, unless
// the system tells them itself.
var summed = []figure{
	figWaiting, figActive, figScheduled, figOverdue, figRetry, figFailed, figCompleted, figProcessed, figFailedTotal, figAdded, figOrphaned,
	figDeferred, figCanceled, figPrioritized, figWaitingChildren, figAggregating, figRateLimited, figUnacked,
}

// workerFigures follow from Reading.Workers.
var workerFigures = []figure{
	figWorkers, figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation, figOldestRunning,
}

// finish makes the figures that follow from others.
func (r *reading) finish(p *poll, s *state) {
	if r.settle != nil {
		r.settle()
	}
	r.missCut()
	r.sumWorkers(p)
	r.believeJobs()
	r.missPart()
	r.sumSchedulers(p, s)
	s.sameEntries(p, r)
	s.sight(p, r)
	r.missAbsent()
	s.remember(r)
	if r.only == "" {
		r.sumQueues()
	}
	s.rates(p, r)
	r.abandon(&r.figures)
	for _, q := range r.Queues {
		r.abandon(&q.figures)
	}
	if r.only == "" {
		r.countQueues()
	}
}

// abandon says of the system or one of its queues whether jobs wait for workers and
// none lives.
func (r *reading) abandon(f *figures) {
	alive, known := r.Get(figWorkersAlive)
	if waiting, ok := f.Get(figWaiting); ok && (known || waiting == 0 || r.ownAlive) {
		f.Flag(figAbandoned, waiting > 0 && alive == 0 && !r.ownAlive)
	}
}

// missPart makes the number of workers unknown where only those of one queue were read.
func (r *reading) missPart() {
	if r.partWorkers == "" {
		return
	}
	alive, known := r.Get(figWorkersAlive)
	r.ownAlive = known && alive > 0
	for _, f := range []figure{figWorkers, figWorkersAlive} {
		if !r.spec.lacks(f, false) {
			r.Miss(f, r.partWorkers)
		}
	}
}

// settable reports whether finish may make the figure.
func (r *reading) settable(f figure) bool {
	_, known := r.Get(f)
	return !known && !r.missed(f) && !r.spec.lacks(f, false)
}

const noTelling = "a worker does not tell it"

// usable is a part of a worker with the slots that count: one that takes no more jobs has
// none but those of the jobs that it still runs.
func (w *worker) usable(c capsule) capsule {
	if w.Quiet {
		c.Slots = c.Busy
	}
	return c
}

func (r *reading) sumWorkers(p *poll) {
	r.aliveOfListeners()
	var registered, alive, busy, slots, quiet, since, uncounted float64
	cut := float64(r.CutWorkers)
	busyKnown, slotsKnown, slotsWhy := true, true, noTelling
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
		own := w.usable(capsule{Busy: w.Busy, Slots: w.Slots}).Slots
		if own < 0 && w.Slots >= 0 {
			slotsWhy = "a worker that takes no more jobs does not tell how many it still runs"
		}
		slotsKnown = slotsKnown && own >= 0
		busy += w.Busy
		slots += own
		uncounted += w.Uncounted
		if w.RunningSince > 0 && (since == 0 || w.RunningSince < since) {
			since = w.RunningSince
		}
	}
	set := func(f figure, value float64, known bool, why string) {
		switch {
		case !r.settable(f):
		case r.cut() && f != figWorkers:
			r.Miss(f, r.tooManyWorkers())
		case !known:
			r.Miss(f, why)
		default:
			r.Set(f, value)
		}
	}
	set(figWorkers, registered+cut, true, "")
	set(figWorkersAlive, alive, true, "")
	set(figWorkersDead, registered+cut-alive, true, "")
	set(figWorkersBusy, busy, busyKnown, noTelling)
	set(figWorkersSlots, slots, slotsKnown, slotsWhy)
	set(figWorkersQuiet, quiet, true, "")
	if r.settable(figUtilisation) {
		_, ok1 := r.Get(figWorkersBusy)
		_, ok2 := r.Get(figWorkersSlots)
		if fullest, ok := r.fullest(); r.cut() {
			r.Miss(figUtilisation, r.tooManyWorkers())
		} else if ok && ok1 && ok2 {
			r.Set(figUtilisation, fullest)
		} else {
			r.Miss(figUtilisation, noTelling)
		}
	}
	r.uncounted = uncounted / max(1, alive)
	r.Began(cmp.Or(since, math.Inf(1)))
	r.oldestRunning(p)
}

// oldestRunning is of the running jobs of which it is known: one that does not tell
// must not hide that another hangs.
func (r *reading) oldestRunning(p *poll) {
	if !r.settable(figOldestRunning) {
		return
	}
	unknown, why := r.runsUnknown, r.runsWhy
	if r.cut() {
		unknown += r.CutWorkers
		why = cmp.Or(why, r.tooManyWorkers())
	}
	switch {
	case r.began > 0 && !math.IsInf(r.began, 1):
		r.Set(figOldestRunning, p.Age(r.began))
	case unknown > 0:
		r.Miss(figOldestRunning, why)
	default:
		r.Set(figOldestRunning, 0)
	}
	r.Set(figRunningUnknown, float64(unknown))
}

func (r *reading) tooManyWorkers() string {
	return tooMany(len(r.Workers)+r.CutWorkers, "workers", maxWorkers).Error()
}

// sumQueues adds up what is known of all queues. A sum that lacks one is not
// shown: it would be wrong.
func (r *reading) sumQueues() {
	for _, f := range summed {
		if !r.settable(f) || r.spec.lacks(f, true) {
			continue
		}
		sum, known := 0.0, 0
		for q := range r.all() {
			if v, ok := q.Get(f); ok {
				sum += v
				known++
			}
		}
		switch all := len(r.Queues) + r.Truncated; {
		case known == 0 && !r.always(f) && !slices.ContainsFunc(r.Queues, func(q *queue) bool { return q.missed(f) }):
		case known == all:
			r.Set(f, sum)
		case known == len(r.Queues) && r.Truncated > 0:
			r.Miss(f, fmt.Sprintf("%d queues were not read", r.Truncated))
		default:
			r.Miss(f, fmt.Sprintf("it is not known of %d queues", all-known))
		}
	}
	r.greatestLatency()
}

// all are the queues of which anything was read.
func (r *reading) all() iter.Seq[*queue] {
	return func(yield func(*queue) bool) {
		for _, queues := range [][]*queue{r.Queues, r.Rest} {
			for _, q := range queues {
				if !yield(q) {
					return
				}
			}
		}
	}
}

// greatestLatency is that of the queues of which it is known: one that is not
// must not hide the others. Of those beyond the limit it is known where nothing
// waits.
func (r *reading) greatestLatency() {
	if !r.settable(figLatency) || r.spec.lacks(figLatency, true) {
		return
	}
	for _, q := range r.Rest {
		if n, ok := q.Get(figWaiting); ok && n == 0 {
			q.Set(figLatency, 0)
		}
	}
	oldest, unknown := 0.0, r.Unread
	for q := range r.all() {
		v, ok := q.Get(figLatency)
		if !ok {
			unknown++
		}
		oldest = max(oldest, v)
	}
	if unknown > 0 && oldest == 0 { // it says nothing
		r.Miss(figLatency, fmt.Sprintf("it is not known of %d queues", unknown))
	} else {
		r.Set(figLatency, oldest)
	}
	r.Set(figLatencyUnknown, float64(unknown))
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
	for _, c := range []struct{ count, of figure }{
		{figQueuesPaused, figPaused}, {figQueuesStuck, figStuck}, {figQueuesSaturated, figSaturated},
	} {
		if !r.settable(c.count) || r.spec.lacks(c.of, true) {
			continue
		}
		n, known := 0.0, 0
		for _, q := range r.Queues {
			if v, ok := q.Get(c.of); ok {
				n += v
				known++
			}
		}
		switch unknown := len(r.Queues) + r.Truncated - known; {
		case n > 0 || unknown == 0:
			r.Set(c.count, n)
		case c.count == figQueuesStuck && r.spec.lacks(figWorkersAlive, false) && !r.counted:
		case c.count != figQueuesSaturated && (known > 0 || r.tells(c.of)):
			r.Miss(c.count, fmt.Sprintf("it is not known of %d queues", unknown))
		}
	}
}

// tells reports whether it is the fault of this poll that a figure is known of no
// queue.
func (r *reading) tells(f figure) bool {
	return r.Truncated > 0 || slices.ContainsFunc(r.Queues, func(q *queue) bool { return q.missed(f) })
}
