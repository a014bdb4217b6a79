package jobs

import (
	"slices"
	"strings"
)

// A queue of which no job was taken for a while may have nobody who serves it, or
// all who do are busy, or something keeps them from it. Only the first is what is
// called stuck: the second wants more workers, and the third is somebody's will.

// capsule is a part of a worker with slots of its own, which serve some queues
// and no others. Most workers are one.
type capsule struct {
	Queues      []string // nil when they are not known
	Busy, Slots float64  // negative when not known
}

// capsules are all of a worker.
func (w *worker) capsules() []capsule {
	if len(w.Capsules) > 0 {
		return w.Capsules
	}
	return []capsule{{w.Queues, w.Busy, w.Slots}}
}

func (c *capsule) full() (full, known bool) {
	return c.Busy >= c.Slots, c.Busy >= 0 && c.Slots >= 0
}

// hasFree reports whether a capsule has a free slot, if that is known: one that runs
// nothing has, however many it has.
func (c *capsule) hasFree() (free, known bool) {
	if c.Busy == 0 && c.Slots < 0 {
		return true, true
	}
	full, known := c.full()
	return !full, known
}

// mayServe reports whether a queue is one of the capsule's, as far as is known.
// Names may be patterns: "*" serves all in Resque.
func (c *capsule) mayServe(queue string) bool {
	return c.Queues == nil || slices.ContainsFunc(c.Queues, func(name string) bool {
		return name == queue || strings.Contains(name, "*")
	})
}

// fullest is the part of the slots that are taken among the capsules that serve
// the same queues, of those where it is greatest; of workers that take no more jobs only
// where no other takes any. It is not known when a worker does not tell what it runs, or
// could, unless none of its group runs anything, or another group is full.
func (r *reading) fullest() (part float64, known bool) {
	type group struct {
		busy, slots   float64
		takes, unsure bool
	}
	groups := make(map[string]group)
	someTake := false
	for i := range r.Workers {
		w := &r.Workers[i]
		if !w.Alive {
			continue
		}
		someTake = someTake || !w.Quiet
		for _, c := range w.capsules() {
			if c.Busy < 0 {
				return 0, false
			}
			c = w.usable(c)
			key := strings.Join(r.servedBy(&c), "\x00")
			g := groups[key]
			groups[key] = group{g.busy + c.Busy, g.slots + max(0, c.Slots), g.takes || !w.Quiet, g.unsure || c.Slots < 0}
		}
	}
	known = true
	for _, g := range groups {
		switch {
		case g.unsure:
			known = known && g.busy == 0
		case g.slots > 0 && (g.takes || !someTake):
			part = max(part, g.busy/g.slots)
		}
	}
	return part, known || part >= 1
}

// servedBy are the queues of a capsule, sorted and each once: one that serves all
// serves those that another names one by one.
func (r *reading) servedBy(c *capsule) []string {
	names := slices.Clone(c.Queues)
	if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "*") }) {
		names = nil
		for q := range r.all() {
			if c.mayServe(q.Name) {
				names = append(names, q.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hold is why the jobs of a queue wait.
type hold uint8

const (
	heldByNothing hold = iota
	heldUnknown
	heldByPause
	heldByLimit // a rate limit
	heldByWork  // all who serve it are busy, or with its own jobs
)

// holds says what keeps workers from a queue.
func (r *reading) holds(q *queue) hold {
	if paused, _ := q.Get(figPaused); paused != 0 {
		return heldByPause
	}
	if limited, _ := q.Get(figRateLimited); limited > 0 {
		return heldByLimit
	}
	if q.missed(figRateLimited) {
		return heldUnknown
	}
	active, activeKnown := q.Get(figActive)
	orphaned, _ := q.Get(figOrphaned)
	if (activeKnown && active > max(orphaned, q.Orphans) || q.Seen > q.Orphans) && !r.noneLives() {
		return heldByWork
	}
	some, free, unsure := r.serving(q, activeKnown)
	switch {
	case !free && r.cut(), some && !free && unsure: // one that was not read may be free
		return heldUnknown
	case some && !free:
		return heldByWork
	case activeKnown || !unsure && len(r.Workers) > 0 && !r.cut():
		return heldByNothing
	}
	return heldUnknown
}

// serving looks at the capsules that may serve a queue: whether there are some, whether
// one has a free slot, and whether that is not known of one. idle: none of the queue's
// jobs runs, so that a capsule that serves no other queue has one.
func (r *reading) serving(q *queue, idle bool) (some, free, unsure bool) {
	for i := range r.Workers {
		w := &r.Workers[i]
		if !w.Alive || w.Quiet {
			continue
		}
		for _, c := range w.capsules() {
			if !c.mayServe(q.Name) {
				continue
			}
			some = true
			hasFree, known := c.hasFree()
			switch {
			case known:
				free = free || hasFree
			case idle && len(c.Queues) == 1 && c.Queues[0] == q.Name:
				free = true
			default:
				unsure = true
			}
		}
	}
	return some, free, unsure
}

// someLives reports whether a worker lives, or may.
func (r *reading) someLives() bool {
	alive, known := r.Get(figWorkersAlive)
	return !known || alive > 0
}

// nobody reports whether no client is connected that may be a worker.
func (r *reading) nobody() bool { return r.counted && r.listenersErr == nil && r.listeners == 0 }

// noneLives reports whether certainly no worker lives: then nobody works on what is
// still said to run, as in arq until the time of a job is over.
func (r *reading) noneLives() bool {
	alive, known := r.Get(figWorkersAlive)
	return r.nobody() || known && alive == 0 && !r.ownAlive
}

// judge says of a queue of which no job was taken for so long whether that is
// wrong. freeFor is how long nothing has held it back.
func (r *reading) judge(q *queue, stalled, freeFor float64, why hold) {
	long := stalled >= stuckAfter.Seconds()
	if why != heldUnknown {
		q.Flag(figSaturated, long && why == heldByWork)
	}
	alive, known := r.Get(figWorkersAlive)
	if r.ownAlive {
		alive = 1 // or more
	}
	switch {
	case r.counted && !long:
		q.Set(figStuck, 0)
	case r.counted && r.listenersErr != nil:
		q.Miss(figStuck, "it is not known whether workers live: "+r.listenersErr.Error())
	case r.counted && r.listeners > 0 && why != heldUnknown && why != heldByNothing:
		q.Set(figStuck, 0)
	case r.counted && r.listeners > 0:
		q.Miss(figStuck, "workers are connected, and do not tell whether all are busy")
	case r.counted:
		q.Set(figStuck, 1)
	case q.Prompt && why == heldUnknown && long:
		q.Miss(figStuck, "it is not known whether jobs of it run")
	case q.Prompt:
		q.Flag(figStuck, long && why == heldByNothing && freeFor >= stuckAfter.Seconds())
	case r.spec.lacks(figWorkersAlive, false):
	case !known && !r.ownAlive && long:
		q.Miss(figStuck, "it is not known whether workers live: "+r.reason(figWorkersAlive))
	case why == heldUnknown && long && alive > 0:
		q.Miss(figStuck, "it is not known whether jobs of it run, nor whether all workers are busy")
	default:
		q.Flag(figStuck, long && alive > 0 && why == heldByNothing && freeFor >= stuckAfter.Seconds())
	}
}
