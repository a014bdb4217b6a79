package pool

import (
	"slices"
	"time"
)

// entry is one connection and its place in the pool. It is owned by exactly
// one of: the idle lists of its pool and target, a lease (and with it one
// caller), or the goroutine that closes it.
type entry[K comparable, C Conn] struct {
	conn   C
	target *target[K, C]
	// born is when its dial began.
	born time.Time
	// expires is when the connection is over-age; zero means never.
	expires   time.Time
	idleSince time.Time
	// proven: a conversation succeeded on it.
	proven bool
	// generation is the target's when the dial began; see Pool.Renew.
	generation uint64

	// prev and next link it into the pool's idle list.
	prev, next *entry[K, C]
}

// entryList is an intrusive list: it allocates nothing and takes a connection
// out of its middle in constant time.
type entryList[K comparable, C Conn] struct {
	front, back *entry[K, C]
	len         int
}

func (l *entryList[K, C]) pushBack(e *entry[K, C]) {
	e.prev, e.next = l.back, nil
	if l.back != nil {
		l.back.next = e
	} else {
		l.front = e
	}
	l.back = e
	l.len++
}

func (l *entryList[K, C]) remove(e *entry[K, C]) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.front = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.back = e.prev
	}
	e.prev, e.next = nil, nil
	l.len--
}

// pushIdleLocked makes e the first to be used again.
func (p *Pool[K, C]) pushIdleLocked(e *entry[K, C], now time.Time) {
	e.idleSince = now
	e.target.idle = append(e.target.idle, e)
	p.idle.pushBack(e)
	p.armReaperLocked(now, p.idleDeadline(e))
}

// popIdleLocked takes the newest idle connection of t, or nil.
func (p *Pool[K, C]) popIdleLocked(t *target[K, C]) *entry[K, C] {
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	e := t.idle[n-1]
	t.idle[n-1] = nil
	t.idle = t.idle[:n-1]
	p.idle.remove(e)
	return e
}

// removeIdleLocked takes e, wherever it is in its target's stack. The stack is
// no longer than the limit per target.
func (p *Pool[K, C]) removeIdleLocked(e *entry[K, C]) {
	i := slices.Index(e.target.idle, e)
	e.target.idle = slices.Delete(e.target.idle, i, i+1)
	p.idle.remove(e)
}
