package pool

import "container/heap"

// Places are given first come, first served, over all targets. A target has one
// claim at most: the arrival number of the first of its callers that no dial is
// under way for. A place that falls free goes to the smallest claim. A
// connection that comes back, or is dialed, goes to the first caller in its
// target's queue, unless another target's claim is smaller: then it is closed
// for that one.
//
// So while a caller c waits for a place, nobody is served who came later and
// had to wait. For as long as c has no dial of its own its target's claim is at
// most c's number, and every connection that reaches a waiter does so in
// settleUnlock: within c's target to the first in the queue, in another one to
// a number below all claims of others. Who finds an idle connection does not
// wait, and nothing idles while there is a claim. The claim must be that of the
// moment, hence claimLocked at every change: by the moment in which a target
// was noted to wait, a long queue elsewhere would pass its callers.
//
// The price is a dial for each change between targets at the total limit, never
// more than one for each caller served or gone.

// claims is a heap of the targets that wait for a place, smallest claim first.
// While there is one, every place is taken and nothing idles.
type claims[K comparable, C Conn] []*target[K, C]

func (c claims[K, C]) Len() int           { return len(c) }
func (c claims[K, C]) Less(i, j int) bool { return c[i].claim < c[j].claim }

func (c claims[K, C]) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].claimAt, c[j].claimAt = i, j
}

// Push and Pop are for container/heap.
func (c *claims[K, C]) Push(t any) {
	t.(*target[K, C]).claimAt = len(*c)
	*c = append(*c, t.(*target[K, C]))
}

// Pop takes the last one.
func (c *claims[K, C]) Pop() any {
	last := len(*c) - 1
	t := (*c)[last]
	(*c)[last] = nil
	*c = (*c)[:last]
	return t
}

// pumpLocked does what t's queue calls for, after a change of t, and gives
// places to those whose turn it is. For a failing target it lets one probe at a
// time through, after the backoff, and tells the waiters the known cause when
// nothing is under way for them.
func (p *Pool[K, C]) pumpLocked(t *target[K, C], now instant) {
	p.claimLocked(t, now)
	for len(p.claims) > 0 && p.placeLocked() {
		first := p.claims[0]
		p.startDialLocked(first, now)
		p.claimLocked(first, now)
	}
}

// claimLocked brings t's claim up to date.
func (p *Pool[K, C]) claimLocked(t *target[K, C], now instant) {
	var claim uint64
	if t.wantsDial(p.cfg.MaxPerTarget) {
		switch f := t.failure; {
		case f == nil:
			claim = t.firstWithoutDial()
		case now >= f.retryAt:
			if probing := t.dialing + t.inUse - t.proven; probing == 0 {
				claim = t.firstWithoutDial()
			}
		case t.inUse+t.dialing == 0:
			p.failWaitersLocked(t, now)
		}
	}
	before := t.claim
	t.claim = claim
	switch {
	case before == claim:
	case before == 0:
		heap.Push(&p.claims, t)
	case claim == 0:
		heap.Remove(&p.claims, t.claimAt)
	default:
		heap.Fix(&p.claims, t.claimAt)
	}
}

// wantsDial reports whether t has waiters that no dial is under way for, and
// room below its own limit.
func (t *target[K, C]) wantsDial(maxPerTarget int) bool {
	return t.waiters.len > t.dialing && t.open() < maxPerTarget
}

// firstWithoutDial is the number of the first of t's waiters that no dial is
// under way for.
func (t *target[K, C]) firstWithoutDial() uint64 {
	n := t.waiters.front
	for range t.dialing {
		n = n.next
	}
	return n.member.arrival
}

// behindLocked reports whether another target's caller has waited for a place
// longer than the first in t's queue.
func (p *Pool[K, C]) behindLocked(t *target[K, C]) bool {
	return len(p.claims) > 0 &&
		(t.waiters.len == 0 || p.claims[0].claim < t.waiters.front.member.arrival)
}

// failWaitersLocked tells all who wait for t that it cannot be reached.
func (p *Pool[K, C]) failWaitersLocked(t *target[K, C], now instant) {
	for t.waiters.len > 0 {
		t.deliver(t.nextLocked(), nil, p.failFastLocked(t, now), now)
	}
}
