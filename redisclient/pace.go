package redisclient

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// freeBytes is what the replies of one conversation may have before they take
	// turns, in bytes. The replies of a usual check are far below.
	freeBytes = 1 << 20
	// turnBytes is what a conversation reads in its turn.
	turnBytes = 128 << 10
	// paceRate is how many bytes per second all long conversations read together:
	// what a gigabit network carries, and a fraction of what a processor can read.
	// Without it a few servers with huge replies take all processors, and
	// everybody waits for them.
	paceRate = 125 << 20
)

// pace has the long conversations of a process read in turn, at paceRate.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next turn begins
}

// turn waits for the turn of a conversation, or until its deadline (zero: none)
// when it has none before.
func (p *pace) turn(deadline time.Time) {
	const each = turnBytes * time.Second / paceRate
	p.mu.Lock()
	now := time.Now()
	at := now
	if p.next.After(now) {
		at = p.next
	}
	if deadline.IsZero() || at.Before(deadline) {
		p.next = at.Add(each)
	} else {
		at = deadline
	}
	p.mu.Unlock()
	time.Sleep(at.Sub(now))
}

// flow is the stream of a connection, which long conversations read in turn.
type flow struct {
	src      io.Reader
	pace     *pace // nil: without turns
	deadline time.Time
	left     int // until the next turn, in bytes
}

// begin begins a conversation.
func (f *flow) begin(ctx context.Context, deadline time.Time) {
	f.pace, f.left, f.deadline = nil, freeBytes, deadline
	if l := leaseOf(ctx); l != nil && l.budget != nil {
		f.pace = &l.budget.pace
	}
}

func (f *flow) Read(p []byte) (int, error) {
	if f.left <= 0 && f.pace != nil {
		f.pace.turn(f.deadline)
		f.left = turnBytes
	}
	n, err := f.src.Read(p)
	f.left -= n
	return n, err
}
