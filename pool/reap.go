package pool

import "time"

// reapGap keeps the reaper from waking for every single connection when many
// expire one after the other.
const reapGap = time.Second

// idleDeadline is when an idle connection is to be closed.
func (p *Pool[K, C]) idleDeadline(e *entry[K, C]) instant {
	at := e.idleSince.add(p.cfg.IdleTimeout)
	if e.expires != never && e.expires < at {
		return e.expires
	}
	return at
}

// armReaperLocked sees to it that reap runs at that time, or earlier.
func (p *Pool[K, C]) armReaperLocked(now, at instant) {
	if p.closed || (p.reapAt != never && at >= p.reapAt) {
		return
	}
	p.reapAt = at
	if p.reaper == nil {
		p.reaper = time.AfterFunc(at.sub(now), p.reap)
	} else {
		p.reaper.Reset(at.sub(now))
	}
}

// reap closes what has been idle too long or is over-age.
func (p *Pool[K, C]) reap() {
	now := p.now()
	var due []*entry[K, C]
	var reasons []CloseReason
	var next instant

	p.mu.Lock()
	for n := p.idle.front; n != nil; {
		e := n.member
		n = n.next
		if at := p.idleDeadline(e); now >= at {
			reason := ClosedIdle
			if e.overAge(now) {
				reason = ClosedLifetime
			}
			p.removeIdleLocked(e)
			p.leaseLocked(e)
			due, reasons = append(due, e), append(reasons, reason)
		} else if next == never || at < next {
			next = at
		}
	}
	p.reapAt = never
	if next != never {
		if soonest := now.add(reapGap); next < soonest {
			next = soonest
		}
		p.armReaperLocked(now, next)
	}
	p.mu.Unlock()

	for i, e := range due {
		p.close(e, reasons[i])
	}
}
