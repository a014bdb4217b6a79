package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// startDialLocked takes a place and begins a dial for t. At the total limit
// the place is that of the oldest idle connection, which is another target's:
// t has none, or nobody would wait for it. That holds for a probe of a failing
// target too: in a full pool it would else never be noticed that it came back.
// There must be a place to be had; see placeLocked.
func (p *Pool[K, C]) startDialLocked(t *target[K, C], now instant) {
	var victim *entry[K, C]
	if p.fullLocked() {
		victim = p.idle.front.member
		p.removeIdleLocked(victim)
		victim.target.forget(victim)
		victim.target.Closed[ClosedEvicted]++
		victim.target.evicting++
		p.open--
	}
	p.open++
	t.dialing++
	t.Dials++
	at := new(progress)
	t.dials = append(t.dials, at)
	go p.dial(t, t.generation, victim, now, at)
}

// progress is what a dial says that it is doing.
type progress struct{ doing atomic.Pointer[string] }

type progressKey struct{}

// Doing notes what a dial is doing from now on, such as "TLS handshake with 10.0.0.1:6379".
// ctx is that of Config.Dial, or made of it. A caller whose time ends before the
// dial does is told so in its WaitError.
func Doing(ctx context.Context, what string) {
	if at, ok := ctx.Value(progressKey{}).(*progress); ok {
		at.doing.Store(&what)
	}
}

// doing is what the oldest dial is doing, or "".
func (t *target[K, C]) doing() string {
	if len(t.dials) > 0 {
		if what := t.dials[0].doing.Load(); what != nil {
			return *what
		}
	}
	return ""
}

// fullLocked reports whether a place must be given up before another is taken.
func (p *Pool[K, C]) fullLocked() bool { return p.cfg.MaxTotal > 0 && p.open >= p.cfg.MaxTotal }

// placeLocked reports whether there is a place for another dial, be it that of
// an idle connection.
func (p *Pool[K, C]) placeLocked() bool { return !p.fullLocked() || p.idle.len > 0 }

// dial makes one connection and gives it to whoever is next. It outlives the
// caller it was begun for.
func (p *Pool[K, C]) dial(t *target[K, C], generation uint64, victim *entry[K, C], began instant, at *progress) {
	if victim != nil {
		_ = victim.conn.Close() // before the dial, so that the total limit holds
		p.evicted(victim.target)
	}
	var conn C
	err := errDialExited
	defer func() { p.dialed(t, generation, began, at, conn, err) }()
	conn, err = p.callDial(t.key, at)
}

// errDialExited stands when Config.Dial has called runtime.Goexit, as a test's
// FailNow does.
var errDialExited = errors.New("the dial ended its goroutine")

// dialed books the end of a dial.
func (p *Pool[K, C]) dialed(t *target[K, C], generation uint64, began instant, at *progress, conn C, err error) {
	now := p.now()
	p.mu.Lock()
	t.dialing--
	i := slices.Index(t.dials, at)
	t.dials = slices.Delete(t.dials, i, i+1)
	if err != nil {
		p.freePlaceLocked()
		t.DialErrors++
		p.noteFailureLocked(t, began, err, now)
		p.pumpLocked(t, now)
		p.mu.Unlock()
		return
	}
	t.lastDial = now.sub(began)
	e := &entry[K, C]{conn: conn, target: t, born: began, generation: generation}
	if p.cfg.MaxLifetime > 0 {
		e.expires = now.add(jittered(p.cfg.MaxLifetime))
	}
	e.link.member = e
	t.all = append(t.all, e)
	p.leaseLocked(e)
	p.settleUnlock(e, now)
}

// evicted lets t have another connection in place of one that is closed now.
func (p *Pool[K, C]) evicted(t *target[K, C]) {
	p.mu.Lock()
	t.evicting--
	p.pumpLocked(t, p.now())
	p.mu.Unlock()
}

// callDial runs Config.Dial under its time limit; a panic in it becomes an
// error, because it would end the process otherwise.
func (p *Pool[K, C]) callDial(key K, at *progress) (conn C, err error) {
	ctx, cancel := context.WithTimeout(context.WithValue(p.dialCtx, progressKey{}, at), p.cfg.DialTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while dialing: %v", r)
		}
	}()
	return p.cfg.Dial(ctx, key)
}

// failure is a Failure by the pool's clock.
type failure struct {
	err         error
	at, retryAt instant
	inARow      int
}

// noteFailureLocked records that a dial, or the first use of a fresh
// connection, failed. Dials that were under way together count as one failure,
// and the backoff begins with the last of them.
func (p *Pool[K, C]) noteFailureLocked(t *target[K, C], began instant, err error, now instant) {
	n := 1
	if f := t.failure; f != nil {
		n = f.inARow
		if began >= f.at {
			n++
		}
	}
	t.failure = &failure{err: err, at: now, inARow: n, retryAt: now.add(p.backoff(n))}
}

// noteSuccessLocked marks a leased connection as proven and ends its target's
// failing state. A connection from before the failure proves nothing about new
// ones: it ends the state only after the backoff, so that a server without room
// for another client is not asked for one at each checkout.
func (p *Pool[K, C]) noteSuccessLocked(e *entry[K, C], now instant) {
	t := e.target
	if t.failure != nil && (!e.proven || now >= t.failure.retryAt) {
		t.failure = nil
	}
	if !e.proven {
		e.proven = true
		t.proven++
	}
}

// backoff is the wait after the nth failure in a row: doubling from BackoffMin
// to BackoffMax, less up to a tenth.
func (p *Pool[K, C]) backoff(n int) time.Duration {
	d := p.cfg.BackoffMin
	for range n - 1 {
		if d >= p.cfg.BackoffMax/2 {
			d = p.cfg.BackoffMax
			break
		}
		d *= 2
	}
	return jittered(min(d, p.cfg.BackoffMax))
}
