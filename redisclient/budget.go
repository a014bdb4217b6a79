package redisclient

import (
	"context"
	"fmt"
	"sync/atomic"

	"redisjobs/redisclient/resp"
)

// smallReply is what a reply may take without counting as large, in bytes. INFO
// of a usual server, a page of SCAN and a thousand clients are small.
const smallReply = 256 << 10

// freeBytesOfRequest is what the replies of one request may take also when the
// budget is spent, in bytes: that a server answers PING, and INFO of a usual one,
// does not depend on what other servers send.
const freeBytesOfRequest = 32 << 10

// Budget bounds the memory that the replies of a whole process take together,
// from the arrival of their bytes until nobody needs them any more. A reply
// that would exceed it is read past and is then a value of the kind
// [resp.TooLarge]: the request that asked for it fails, and no other.
//
// Large replies may take half of it, so that a few servers with huge replies
// leave the other half to all the others. They are read at a bounded pace for
// the same reason. The first 32 KiB of each request are granted in any case, so
// that no server is reported down for what others send. A nil Budget has no
// bound.
type Budget struct {
	limit, large    int64
	used, usedLarge atomic.Int64
	highest         atomic.Int64
	refused         atomic.Uint64
	// crowded: more than a quarter was in use since relieved was called last.
	crowded  atomic.Bool
	relieved func()
	pace     pace
}

// NewBudget returns a Budget of limit bytes. After more than a quarter of it was
// in use, relieved is called when nearly all of it is free again; it must
// return at once, and may be nil.
func NewBudget(limit int, relieved func()) *Budget {
	return &Budget{limit: int64(limit), large: int64(limit) / 2, relieved: relieved}
}

// BudgetStats are a Budget's figures, in bytes.
type BudgetStats struct {
	Limit, Used int64
	// Highest is the most that was in use at once.
	Highest int64
	// Refused counts the replies that were not kept.
	Refused uint64
}

// Stats returns the figures of this moment.
func (b *Budget) Stats() BudgetStats {
	return BudgetStats{Limit: b.limit, Used: b.used.Load(), Highest: b.highest.Load(), Refused: b.refused.Load()}
}

// take reserves n bytes, large of them for a large reply, or nothing and says
// why.
func (b *Budget) take(n, large int64) error {
	if b == nil {
		return nil
	}
	if large > 0 && b.usedLarge.Add(large) > b.large {
		b.usedLarge.Add(-large)
		b.refused.Add(1)
		return fmt.Errorf("%d of the %d bytes for large replies are in use, which is half of the option MaxMemory", b.usedLarge.Load(), b.large)
	}
	used := b.used.Add(n)
	if used > b.limit {
		b.give(n, large)
		b.refused.Add(1)
		return fmt.Errorf("%d of the %d bytes for replies are in use, which is the option MaxMemory", b.used.Load(), b.limit)
	}
	b.note(used)
	return nil
}

// grant reserves n bytes whatever is in use.
func (b *Budget) grant(n int64) {
	if b != nil {
		b.note(b.used.Add(n))
	}
}

// note keeps the highest use, and that it was much.
func (b *Budget) note(used int64) {
	if used > b.limit/4 {
		b.crowded.Store(true)
	}
	for {
		highest := b.highest.Load()
		if used <= highest || b.highest.CompareAndSwap(highest, used) {
			return
		}
	}
}

func (b *Budget) give(n, large int64) {
	if b == nil {
		return
	}
	b.usedLarge.Add(-large)
	if left := b.used.Add(-n); left <= b.limit/64 && b.relieved != nil && b.crowded.CompareAndSwap(true, false) {
		b.relieved()
	}
}

// Lease is what the conversations of one request hold of a Budget. Several may
// hold one Lease; the last to end it gives everything back.
type Lease struct {
	budget      *Budget
	holders     atomic.Int32
	held, large atomic.Int64
	adopted     atomic.Pointer[adoption]
}

// adoption is a lease whose values another lease's holder uses.
type adoption struct {
	lease *Lease
	next  *adoption
}

type leaseKey struct{}

// Begin returns a context whose conversations take their memory from b, and the
// Lease that holds it. The values of their replies must not be used after the
// Lease has ended.
func (b *Budget) Begin(ctx context.Context) (context.Context, *Lease) {
	l := &Lease{budget: b}
	l.holders.Store(1)
	return context.WithValue(ctx, leaseKey{}, l), l
}

// Scope returns a context with a Lease of its own, from the Budget of the one
// that ctx has, for replies that are not needed as long as the others of a
// request. Without a Lease in ctx it is ctx itself.
func Scope(ctx context.Context) (_ context.Context, end func()) {
	outer := leaseOf(ctx)
	if outer == nil {
		return ctx, func() {}
	}
	ctx, l := outer.budget.Begin(ctx)
	return ctx, l.End
}

func leaseOf(ctx context.Context) *Lease {
	l, _ := ctx.Value(leaseKey{}).(*Lease)
	return l
}

// Hold adds a holder, who must End the Lease too.
func (l *Lease) Hold() { l.holders.Add(1) }

// End gives the memory back when the last holder ends it.
func (l *Lease) End() {
	if l.holders.Add(-1) > 0 {
		return
	}
	l.budget.give(l.held.Swap(0), l.large.Swap(0))
	for a := l.adopted.Swap(nil); a != nil; a = a.next {
		a.lease.End()
	}
}

// Adopt has ctx's Lease end l with itself: its request uses values that l holds
// the memory of. The caller is a holder of l. Without a Lease in ctx, l ends.
func (l *Lease) Adopt(ctx context.Context) {
	outer := leaseOf(ctx)
	if outer == nil || outer == l {
		l.End()
		return
	}
	a := &adoption{lease: l}
	for {
		a.next = outer.adopted.Load()
		if outer.adopted.CompareAndSwap(a.next, a) {
			return
		}
	}
}

// Take implements [resp.Memory].
func (l *Lease) Take(before, n int) error {
	if l.held.Load()+int64(n) <= freeBytesOfRequest {
		l.budget.grant(int64(n))
		l.held.Add(int64(n))
		return nil
	}
	large := min(n, max(0, before+n-smallReply))
	if err := l.budget.take(int64(n), int64(large)); err != nil {
		return err
	}
	l.held.Add(int64(n))
	l.large.Add(int64(large))
	return nil
}

// Give implements [resp.Memory].
func (l *Lease) Give(n int) {
	large := max(0, n-smallReply)
	l.held.Add(int64(-n))
	l.large.Add(int64(-large))
	l.budget.give(int64(n), int64(large))
}

// memoryOf is where the replies of a conversation take their memory; nil for
// anywhere.
func memoryOf(ctx context.Context) resp.Memory {
	if l := leaseOf(ctx); l != nil {
		return l
	}
	return nil
}
