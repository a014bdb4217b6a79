package pool

import "time"

// reapGap keeps the reaper from waking for every single connection when many
// expire one after the other.
const reapGap = time.Second

// idleDeadline is when an idle connection is to be closed.
func (p *Pool[K, C]) idleDeadline(e *entry[K, C]) time.Time {
	at := e.idleSince.Add(p.cfg.IdleTimeout)
	if !e.expires.IsZero() && e.expires.Before(at) {
		return e.expires
	}
	return at
}

// armReaperLocked sees to it that reap runs at that time, or earlier.
func (p *Pool[K, C]) armReaperLocked(now, at time.Time) {
	if p.closed || (!p.reapAt.IsZero() && !at.Before(p.reapAt)) {
		return
	}
	p.reapAt = at
	if p.reaper == nil {
		p.reaper = time.AfterFunc(at.Sub(now), p.reap)
	} else {
		p.reaper.Reset(at.Sub(now))
	}
}

// reap closes what has been idle too long or is over-age.
func (p *Pool[K, C]) reap() {
	now := time.Now()
	var due []*entry[K, C]
	var reasons []CloseReason
	var next time.Time

	p.mu.Lock()
	for n := p.idle.front; n != nil; {
		e := n.member
		n = n.next
		if at := p.idleDeadline(e); !now.Before(at) {
			reason := ClosedIdle
			if !e.expires.IsZero() && !now.Before(e.expires) {
				reason = ClosedLifetime
			}
			p.removeIdleLocked(e)
			p.leaseLocked(e)
			due, reasons = append(due, e), append(reasons, reason)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	p.reapAt = time.Time{}
	if !next.IsZero() {
		if soonest := now.Add(reapGap); next.Before(soonest) {
			next = soonest
		}
		p.armReaperLocked(now, next)
	}
	p.mu.Unlock()

	for i, e := range due {
		p.close(e, reasons[i])
	}
}
