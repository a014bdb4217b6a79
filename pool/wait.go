package pool

import (
	"context"
	"slices"
	"time"
)

// waiter is a caller in a target's queue. Under Pool.mu it is either in the
// queue or delivered, never both: deliver and the removal after a cancel
// exclude each other.
type waiter[K comparable, C Conn] struct {
	began   instant
	arrival uint64
	queued  bool
	ready   chan delivery[K, C] // takes exactly one, never blocks the sender
	link    node[waiter[K, C]]
}

// delivery is a leased connection, or why there is none.
type delivery[K comparable, C Conn] struct {
	entry *entry[K, C]
	err   error
}

// deliver ends a wait that is no longer in the queue.
func (t *target[K, C]) deliver(w *waiter[K, C], e *entry[K, C], err error, now instant) {
	t.WaitTime += now.sub(w.began)
	w.ready <- delivery[K, C]{e, err}
}

// queueLocked puts w at the end of t's queue.
func (t *target[K, C]) queueLocked(w *waiter[K, C]) {
	w.queued = true
	t.waiters.pushBack(&w.link)
}

// unqueueLocked takes w out of t's queue, wherever it is.
func (t *target[K, C]) unqueueLocked(w *waiter[K, C]) {
	w.queued = false
	t.waiters.remove(&w.link)
}

// nextLocked takes the first waiter out of t's queue.
func (t *target[K, C]) nextLocked() *waiter[K, C] {
	w := t.waiters.front.member
	t.unqueueLocked(w)
	return w
}

// waitUnlock queues the caller for a connection to t, unlocks p.mu and waits.
// A target that is failing is answered for at once, unless it is being tried
// again or may be: then the caller waits for probeWait at most.
func (p *Pool[K, C]) waitUnlock(ctx context.Context, t *target[K, C]) (*entry[K, C], error) {
	began := p.now()
	t.lastUsed = began
	if f := t.failure; f != nil && t.inUse+t.dialing == 0 && began < f.retryAt {
		defer p.mu.Unlock()
		return nil, p.failFastLocked(t, began)
	}
	var patience <-chan time.Time
	if t.failure != nil && t.proven == 0 {
		timer := time.NewTimer(probeWait)
		defer timer.Stop()
		patience = timer.C
	}
	w := p.newWaiterLocked(began)
	t.queueLocked(w)
	t.Waits++
	p.pumpLocked(t, began, p.cfg.MaxPerTarget)
	p.mu.Unlock()
	defer p.waiters.Put(w) // out of the queue and its channel empty

	if ctx.Done() == nil && patience == nil {
		d := <-w.ready
		return d.entry, d.err
	}
	for {
		select {
		case d := <-w.ready:
			return d.entry, d.err
		case <-ctx.Done():
			return p.giveUp(t, w, ctx.Err())
		case <-patience:
			patience = nil
			if err := p.losePatience(t, w); err != nil {
				return nil, err
			}
		}
	}
}

// newWaiterLocked makes the next waiter, from one that was used before where
// there is one.
func (p *Pool[K, C]) newWaiterLocked(began instant) *waiter[K, C] {
	w, _ := p.waiters.Get().(*waiter[K, C])
	if w == nil {
		w = &waiter[K, C]{ready: make(chan delivery[K, C], 1)}
		w.link.member = w
	}
	p.arrival++
	w.began, w.arrival = began, p.arrival
	return w
}

// giveUp takes a cancelled waiter out of the queue. When a connection came at
// the same moment it goes to the next one.
func (p *Pool[K, C]) giveUp(t *target[K, C], w *waiter[K, C], cause error) (*entry[K, C], error) {
	now := p.now()
	waited := now.sub(w.began)
	p.mu.Lock()
	if w.queued {
		t.unqueueLocked(w)
		t.WaitTime += waited
		t.WaitTimeouts++
		err := p.waitErrorLocked(t, waited, cause)
		p.unstarveIdlersLocked(t)
		p.mu.Unlock()
		return nil, err
	}
	d := <-w.ready // delivered under the lock: it is there
	if d.err != nil {
		p.mu.Unlock()
		return nil, d.err
	}
	t.WaitTimeouts++
	err := p.waitErrorLocked(t, waited, cause)
	p.settleUnlock(d.entry, now)
	return nil, err
}

// losePatience ends the wait for a failing target, unless it has come back or
// the delivery is there.
func (p *Pool[K, C]) losePatience(t *target[K, C], w *waiter[K, C]) error {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.queued || t.failure == nil || t.proven > 0 {
		return nil
	}
	t.WaitTime += now.sub(w.began)
	t.unqueueLocked(w)
	p.unstarveIdlersLocked(t)
	return p.failFastLocked(t, now)
}

func (p *Pool[K, C]) failFastLocked(t *target[K, C], now instant) error {
	t.FastFails++
	f := t.failure
	return &FailingError{
		Target:  p.cfg.Name(t.key),
		Err:     f.err,
		Ago:     now.sub(f.at),
		InARow:  f.inARow,
		RetryIn: max(0, f.retryAt.sub(now)),
	}
}

func (p *Pool[K, C]) waitErrorLocked(t *target[K, C], waited time.Duration, cause error) error {
	return &WaitError{
		Target:       p.cfg.Name(t.key),
		Waited:       waited,
		MaxPerTarget: p.cfg.MaxPerTarget,
		MaxTotal:     p.cfg.MaxTotal,
		Gauges:       t.gauges(),
		TotalFull:    t.starving != 0,
		Err:          cause,
	}
}

// pumpLocked does what t's queue calls for. It begins at most limit dials,
// while there are waiters that no dial is under way for and places to be had.
// For a failing target it lets one probe at a time through, after the backoff,
// and tells the waiters the known cause when nothing is under way for them.
func (p *Pool[K, C]) pumpLocked(t *target[K, C], now instant, limit int) {
	for ; limit > 0 && t.wantsDial(p.cfg.MaxPerTarget); limit-- {
		if f := t.failure; f != nil {
			if t.inUse+t.dialing == 0 && now < f.retryAt {
				p.failWaitersLocked(t, now)
				return
			}
			if probing := t.dialing + t.inUse - t.proven; probing > 0 || now < f.retryAt {
				p.unstarveLocked(t) // a place would be of no use to it
				return
			}
		}
		if !p.startDialLocked(t, now) {
			p.starveLocked(t)
			return
		}
	}
	p.unstarveIdlersLocked(t)
}

// wantsDial reports whether t has waiters that no dial is under way for, and
// room below its own limit.
func (t *target[K, C]) wantsDial(maxPerTarget int) bool {
	return t.waiters.len > t.dialing && t.open() < maxPerTarget
}

// behindLocked reports whether another target has waited for a place longer
// than the first in t's queue.
func (p *Pool[K, C]) behindLocked(t *target[K, C]) bool {
	return len(p.starved) > 0 && p.starved[0] != t &&
		(t.waiters.len == 0 || p.starved[0].starving < t.waiters.front.member.arrival)
}

// failWaitersLocked tells all who wait for t that it cannot be reached.
func (p *Pool[K, C]) failWaitersLocked(t *target[K, C], now instant) {
	for t.waiters.len > 0 {
		t.deliver(t.nextLocked(), nil, p.failFastLocked(t, now), now)
	}
	p.unstarveIdlersLocked(t)
}

// starveLocked notes that t waits for the total limit.
func (p *Pool[K, C]) starveLocked(t *target[K, C]) {
	if t.starving == 0 {
		p.arrival++
		t.starving = p.arrival
		p.starved = append(p.starved, t)
	}
}

// unstarveIdlersLocked takes t off the list when nobody waits for it any more.
func (p *Pool[K, C]) unstarveIdlersLocked(t *target[K, C]) {
	if !t.wantsDial(p.cfg.MaxPerTarget) {
		p.unstarveLocked(t)
	}
}

// unstarveLocked takes t off the list. If it still waits it is to be put back,
// behind the others.
func (p *Pool[K, C]) unstarveLocked(t *target[K, C]) {
	if t.starving == 0 {
		return
	}
	t.starving = 0
	i := slices.Index(p.starved, t)
	p.starved = slices.Delete(p.starved, i, i+1)
}

// pumpStarvedLocked gives free places to the targets that wait for one, in
// turn: a target that wants a second one queues again behind the others.
func (p *Pool[K, C]) pumpStarvedLocked(now instant) {
	for len(p.starved) > 0 && (p.open < p.cfg.MaxTotal || p.idle.len > 0) {
		t := p.starved[0]
		p.starved = slices.Delete(p.starved, 0, 1)
		t.starving = 0
		p.pumpLocked(t, now, 1)
		if t.starving == 0 && t.failure == nil && t.wantsDial(p.cfg.MaxPerTarget) {
			p.starveLocked(t)
		}
	}
}
