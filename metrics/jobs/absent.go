package jobs

import (
	"fmt"
	"slices"
	"time"

	"redisjobs/nearest"
)

// An item key may name a prefix or a queue that does not exist. An empty list and
// one that never was are the same to Redis, so that all of it would read 0. A
// system that lists its queues knows better.

// missAbsent makes all figures unknown of what the item key names and the system
// does not have.
func (r *reading) missAbsent() {
	if !r.named || !r.spec.Lists {
		return
	}
	if reason := r.noSystem(); reason != "" {
		for f := range figureCount {
			if !r.spec.lacks(f, false) && (r.known&(1<<f) != 0 || r.settable(f) && slices.Contains(systemFigures, f)) {
				r.Miss(f, reason)
			}
		}
	}
	if r.only == "" {
		return
	}
	for _, q := range r.Queues {
		reason := r.noQueue(q)
		if reason == "" {
			continue
		}
		reason += r.meant(q.Name)
		q.absent = reason
		for f := range figureCount {
			if !r.spec.lacks(f, true) && (q.known&(1<<f) != 0 || slices.Contains(figuresOfQueues, f) || f == figStuck) {
				q.Miss(f, reason)
			}
		}
	}
}

// meant suggests a queue that there is in place of one that there is not.
func (r *reading) meant(name string) string {
	there := slices.DeleteFunc(slices.Concat(r.names, r.extra), func(name string) bool { return checkQueue(name) != nil })
	return nearest.Question(name, there)
}

// remember notes the queue that an item key names when there is something in it: when
// its keys are gone later, it is empty, and no mistake.
func (s *state) remember(r *reading) {
	if r.only == "" || !r.spec.EmptyIsGone {
		return
	}
	for _, q := range r.Queues {
		if q.used() {
			s.found(r.instance, q.Name)
		}
	}
}

// found notes a name that belongs to an instance.
func (s *state) found(i instance, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see(i, []string{name}, time.Now())
}

// used reports whether something is in the queue.
func (q *queue) used() bool {
	used := false
	q.Each(func(f figure, value float64) { used = used || value > 0 && f != figPaused && f != figSchedulersAlive })
	return used
}

// noSystem says why there is no such system under the prefix; "" when there is, or
// may be.
func (r *reading) noSystem() string {
	switch {
	case r.Exists || r.found || r.doubt:
		return ""
	case slices.ContainsFunc(r.Queues, func(q *queue) bool { return q.Listed || q.Exists || q.used() }):
		return ""
	case r.Marked:
		return fmt.Sprintf("there is no key of %s under the prefix %q", r.System, r.Prefix)
	case r.only == "" && len(r.Queues) == 0 && r.Truncated == 0:
		return fmt.Sprintf("no queue of %s was found under the prefix %q", r.System, r.Prefix)
	}
	return ""
}

// noQueue says why there is no such queue; "" when there is, or may be: one that is
// configured need not have been used yet.
func (r *reading) noQueue(q *queue) string {
	if q.Listed || q.Exists || slices.Contains(r.extra, q.Name) {
		return ""
	}
	switch {
	case q.used():
		return ""
	case len(r.elsewhere) > 0:
		return fmt.Sprintf("there is no such queue under the prefix %q, and under %q there are: name one of these in parameter 6 (Prefix)", r.Prefix, r.elsewhere)
	case r.spec.EmptyIsGone:
		under := ""
		if r.spec.AppPrefix {
			under = fmt.Sprintf(" under the prefix %q", r.Prefix)
		}
		return fmt.Sprintf("its key does not exist%s: it is empty, or there is no such queue; Jobs.Queues=%s:%s says that there is one",
			under, r.System, q.Name)
	case r.spec.Markers == nil:
		return "there is no such queue: none of its keys exists"
	case !r.hasList:
		return ""
	case r.partList && r.partWhy != "":
		return r.partWhy
	case r.partList:
		return fmt.Sprintf("it is not among the %d names that are read of the list of queues", maxListed)
	}
	return "there is no such queue in the list of queues"
}
