package pool

import (
	"context"
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

// queueLocked puts w in t's queue behind those who came before it. That is the
// end of the queue, but for a caller who tries again.
func (t *target[K, C]) queueLocked(w *waiter[K, C]) {
	w.queued = true
	before := t.waiters.back
	for before != nil && before.member.arrival > w.arrival {
		before = before.prev
	}
	t.waiters.insertAfter(before, &w.link)
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
func (p *Pool[K, C]) waitUnlock(ctx context.Context, t *target[K, C], arrival uint64) (*entry[K, C], error) {
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
	w := p.newWaiter(began, arrival)
	t.queueLocked(w)
	t.Waits++
	p.pumpLocked(t, began)
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
			if err := p.stopWaiting(t, w); err != nil {
				return nil, err
			}
		}
	}
}

// newWaiter makes a waiter, from one that was used before where there is one.
func (p *Pool[K, C]) newWaiter(began instant, arrival uint64) *waiter[K, C] {
	w, _ := p.waiters.Get().(*waiter[K, C])
	if w == nil {
		w = &waiter[K, C]{ready: make(chan delivery[K, C], 1)}
		w.link.member = w
	}
	w.began, w.arrival = began, arrival
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
		p.claimLocked(t, now)
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

// stopWaiting ends the wait for a failing target, unless it has come back or
// the delivery is there.
func (p *Pool[K, C]) stopWaiting(t *target[K, C], w *waiter[K, C]) error {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.queued || t.failure == nil || t.proven > 0 {
		return nil
	}
	t.WaitTime += now.sub(w.began)
	t.unqueueLocked(w)
	p.claimLocked(t, now)
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
		TotalFull:    t.claim != 0,
		Doing:        t.doing(),
		Err:          cause,
	}
}
