package pool

import (
	"slices"
)

// entry is one connection and its place in the pool. It is owned by exactly
// one of: the idle lists of its pool and target, a lease (and with it one
// caller), or the goroutine that closes it.
type entry[K comparable, C Conn] struct {
	conn   C
	target *target[K, C]
	// born is when its dial began.
	born instant
	// expires is when the connection is over-age, or never.
	expires   instant
	idleSince instant
	// proven: a conversation succeeded on it.
	proven bool
	// generation is the target's when the dial began; see Pool.Renew.
	generation uint64

	// link is its place in the pool's idle list.
	link node[entry[K, C]]
}

// overAge reports whether the connection has reached its age.
func (e *entry[K, C]) overAge(now instant) bool { return e.expires != never && now >= e.expires }

// node is a member's place in a list. It is part of the member, so that lists
// allocate nothing.
type node[T any] struct {
	member     *T
	prev, next *node[T]
}

// list is first in, first out, with removal from anywhere in constant time.
type list[T any] struct {
	front, back *node[T]
	len         int
}

func (l *list[T]) pushBack(n *node[T]) { l.insertAfter(l.back, n) }

// insertAfter puts n behind prev, or in front of all when prev is nil.
func (l *list[T]) insertAfter(prev, n *node[T]) {
	next := l.front
	if prev != nil {
		next = prev.next
		prev.next = n
	} else {
		l.front = n
	}
	if next != nil {
		next.prev = n
	} else {
		l.back = n
	}
	n.prev, n.next = prev, next
	l.len++
}

func (l *list[T]) remove(n *node[T]) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		l.front = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.back = n.prev
	}
	n.prev, n.next = nil, nil
	l.len--
}

// pushIdleLocked makes e the first to be used again.
func (p *Pool[K, C]) pushIdleLocked(e *entry[K, C], now instant) {
	e.idleSince = now
	e.target.idle = append(e.target.idle, e)
	p.idle.pushBack(&e.link)
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
	p.idle.remove(&e.link)
	return e
}

// removeIdleLocked takes e, wherever it is in its target's stack. The stack is
// no longer than the limit per target.
func (p *Pool[K, C]) removeIdleLocked(e *entry[K, C]) {
	i := slices.Index(e.target.idle, e)
	e.target.idle = slices.Delete(e.target.idle, i, i+1)
	p.idle.remove(&e.link)
}
