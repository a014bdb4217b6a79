package pool

import (
	"context"
	"fmt"
)

// Close ends the pool: those who wait get ErrClosed at once, idle connections
// are closed, dials are cancelled and connections in use are closed when they
// come back. Close waits for that until ctx ends; then it closes the
// connections under their users, which ends their conversations, and returns
// an error that says how many there were. Further calls wait likewise.
func (p *Pool[K, C]) Close(ctx context.Context) error {
	var idle []*entry[K, C]
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		if p.reaper != nil {
			p.reaper.Stop()
		}
		now := p.now()
		for _, t := range p.targets {
			for t.waiters.len > 0 {
				t.deliver(t.nextLocked(), nil, ErrClosed, now)
			}
			p.claimLocked(t, now)
		}
		if p.open == 0 {
			close(p.drained)
		}
		for p.idle.len > 0 {
			e := p.idle.front.member
			p.removeIdleLocked(e)
			p.leaseLocked(e)
			idle = append(idle, e)
		}
	}
	p.mu.Unlock()
	p.cancelDial() // after closed is set: nobody is told that a dial was cancelled
	for _, e := range idle {
		p.close(e, ClosedShutdown)
	}

	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
	}
	var inUse []C
	p.mu.Lock()
	if p.open == 0 {
		p.mu.Unlock()
		return nil
	}
	for _, t := range p.targets {
		for _, e := range t.all { // none of them is idle any more
			inUse = append(inUse, e.conn)
		}
	}
	p.mu.Unlock()
	for _, c := range inUse {
		_ = c.Close()
	}
	if len(inUse) == 0 {
		return fmt.Errorf("pool: dials still under way at the end of the time to close: %w", ctx.Err())
	}
	return fmt.Errorf("pool: %d connections were still in use at the end of the time to close: %w", len(inUse), ctx.Err())
}
