package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Conn is what the pool must know of a connection. The pool calls Alive and
// Err only while nobody uses the connection; Close also, at the end of a
// bounded Close, while somebody does.
type Conn interface {
	// Alive reports, without blocking, why an idle connection must not be used
	// again; nil when nothing speaks against it.
	Alive() error
	// Err reports why the connection is broken; nil when it may be used again.
	Err() error
	// Close ends the connection. It must not block, and it may be called twice.
	Close() error
}

// Config says what a pool does. Dial is required; every other zero value means
// the default.
type Config[K comparable, C Conn] struct {
	// Dial makes a connection. It runs in a goroutine of its own, outside all
	// locks, under DialTimeout, and must honour its context.
	Dial func(ctx context.Context, key K) (C, error)
	// Name shows a key in figures and errors. Default: "target".
	Name func(key K) string
	// Stale reports that a conversation on a proven connection failed only
	// because the connection had ended before, so that it may be held once more
	// on another one. Default: never.
	Stale func(error) bool
	// Refused reports that the first conversation on a fresh connection failed
	// in a way that the next one would too, such as a refused login: the target
	// then counts as failing, as after a failed dial. It is asked only when the
	// connection is broken (Conn.Err). Default: never.
	Refused func(error) bool

	MaxPerTarget int           // connections to one target; default 2
	MaxTotal     int           // connections in all; 0 = no limit
	IdleTimeout  time.Duration // close after that much idling; default 5 min
	MaxLifetime  time.Duration // close at that age, less up to a tenth; 0 = never
	DialTimeout  time.Duration // for one dial; default 3 s
	BackoffMin   time.Duration // after a first failure; default 1 s
	BackoffMax   time.Duration // after many; default 10 s
}

// probeWait is how long a caller waits for a target that is known to fail and
// is being tried again, before it is told the known cause. It lets a target
// that came back serve all who ask at that moment, and keeps a mute one from
// holding everybody for a whole dial.
const probeWait = 500 * time.Millisecond

// Pool lends connections to targets; see the package comment for what it
// guarantees. Use New.
type Pool[K comparable, C Conn] struct {
	cfg  Config[K, C]
	made time.Time // when instants begin
	// dialCtx ends when the pool is closed.
	dialCtx    context.Context
	cancelDial context.CancelFunc

	// mu guards everything below. Nothing blocks and nothing of the caller's
	// runs while it is held, except Config.Name.
	mu      sync.Mutex
	targets map[K]*target[K, C]
	sweepAt int
	idle    list[entry[K, C]] // oldest first
	open    int               // idle + in use + dialing
	claims  claims[K, C]      // the targets that wait for the total limit
	waiters sync.Pool         // of *waiter, for those to come
	arrival uint64            // numbers callers
	retired Counters          // of forgotten targets
	reaper  *time.Timer
	reapAt  instant // never: not armed
	closed  bool
	drained chan struct{} // closed when closed is set and open falls to 0
}

// New makes an empty pool. It starts no goroutine before it has a connection.
func New[K comparable, C Conn](cfg Config[K, C]) (*Pool[K, C], error) {
	if cfg.Dial == nil {
		return nil, errors.New("pool: Config.Dial is missing")
	}
	if cfg.MaxPerTarget < 0 || cfg.MaxTotal < 0 || cfg.IdleTimeout < 0 || cfg.MaxLifetime < 0 ||
		cfg.DialTimeout < 0 || cfg.BackoffMin < 0 || cfg.BackoffMax < 0 {
		return nil, errors.New("pool: a limit or a duration is negative")
	}
	if cfg.Name == nil {
		cfg.Name = func(K) string { return "target" }
	}
	if cfg.Stale == nil {
		cfg.Stale = func(error) bool { return false }
	}
	if cfg.Refused == nil {
		cfg.Refused = func(error) bool { return false }
	}
	setDefault(&cfg.MaxPerTarget, 2)
	setDefault(&cfg.IdleTimeout, 5*time.Minute)
	setDefault(&cfg.DialTimeout, 3*time.Second)
	setDefault(&cfg.BackoffMin, time.Second)
	setDefault(&cfg.BackoffMax, max(10*time.Second, cfg.BackoffMin))
	p := &Pool[K, C]{
		cfg:     cfg,
		made:    time.Now(),
		targets: make(map[K]*target[K, C]),
		sweepAt: minSweep,
		drained: make(chan struct{}),
	}
	p.dialCtx, p.cancelDial = context.WithCancel(context.Background())
	return p, nil
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Do lends fn a connection to key for one conversation and returns fn's error.
// When no connection can be had it returns a *WaitError, a *FailingError, the
// dial's error or ErrClosed, and fn was not called.
//
// fn must not keep the connection and must not call Do for a target whose
// connections it may be holding. A nil error proves that the connection works.
// fn may be called a second time with another connection, when the first one
// turned out stale (Config.Stale), or was refused (Config.Refused) while the
// target has others.
func (p *Pool[K, C]) Do(ctx context.Context, key K, fn func(ctx context.Context, conn C) error) error {
	var arrival uint64 // who tries again does not queue again behind the others
	e, err := p.acquire(ctx, key, &arrival)
	if err != nil {
		return err
	}
	proven := e.proven
	err = p.run(ctx, e, fn)
	switch {
	case err == nil:
		return nil
	case proven && p.cfg.Stale(err):
		p.noteStale(e.target)
		if e, err = p.acquire(ctx, key, &arrival); err != nil {
			return err
		}
		return p.run(ctx, e, fn)
	case !proven && p.cfg.Refused(err):
		// The target lets no further connection in; those that it did let in may
		// still serve. If they are gone, the refusal is what there is to know.
		if e, gone := p.acquire(ctx, key, &arrival); gone == nil {
			p.noteRetry(e.target)
			if again := p.run(ctx, e, fn); !p.cfg.Stale(again) {
				return again
			}
		}
	}
	return err
}

// run holds one conversation and gives the connection back, whatever happens.
func (p *Pool[K, C]) run(ctx context.Context, e *entry[K, C], fn func(context.Context, C) error) (err error) {
	returned := false
	defer func() {
		if !returned { // fn panicked or ended its goroutine: the state is unknown
			p.release(e, nil, false)
		}
	}()
	err = fn(ctx, e.conn)
	returned = true
	p.release(e, err, true)
	return err
}

// acquire gets a connection: an idle one, or else the one that a place in the
// queue brings. It notes in arrival when the caller came, unless that is known.
func (p *Pool[K, C]) acquire(ctx context.Context, key K, arrival *uint64) (*entry[K, C], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, ErrClosed
		}
		if *arrival == 0 {
			p.arrival++
			*arrival = p.arrival
		}
		t := p.targetLocked(key)
		e := p.popIdleLocked(t)
		if e != nil {
			t.Reuses++
			p.leaseLocked(e)
			p.mu.Unlock()
		} else {
			var err error
			// A fresh connection is not judged: one that a server ends at once
			// would be dialed again and again.
			if e, err = p.waitUnlock(ctx, t, *arrival); err != nil || !e.proven {
				return e, err
			}
		}
		if e.conn.Alive() == nil {
			return e, nil
		}
		p.close(e, ClosedStale)
	}
}

// release takes a connection back after a conversation that returned err, or
// that did not return at all.
func (p *Pool[K, C]) release(e *entry[K, C], err error, returned bool) {
	broken := !returned || e.conn.Err() != nil
	reason, refused := ClosedBroken, false
	if broken {
		_ = e.conn.Close() // before its place is given back; it is gone either way
		switch {
		case err == nil:
		case !e.proven:
			refused = p.cfg.Refused(err)
		case p.cfg.Stale(err):
			reason = ClosedStale
		}
	}
	now := p.now()
	p.mu.Lock()
	t := e.target
	t.lastUsed = now
	if !broken {
		if err == nil {
			p.noteSuccessLocked(e, now)
		}
		p.settleUnlock(e, now)
		return
	}
	if refused {
		t.Refusals++
		p.noteFailureLocked(t, e.born, err, now)
	}
	p.retireLocked(e, reason, now)
	p.mu.Unlock()
}

// settleUnlock finds the next place for a healthy leased connection that its
// user is done with: an over-age or outdated one is closed, one whose place
// another target's caller has waited for longer than this target's first gives
// it up, then comes this target's queue, and last the idle stack. It unlocks
// p.mu.
func (p *Pool[K, C]) settleUnlock(e *entry[K, C], now instant) {
	t := e.target
	reason := numCloseReasons
	switch {
	case p.closed:
		reason = ClosedShutdown
	case e.generation != t.generation, e.overAge(now):
		reason = ClosedLifetime
	case p.behindLocked(t):
		reason = ClosedEvicted
	case t.waiters.len > 0:
		t.deliver(t.nextLocked(), e, nil, now)
		p.pumpLocked(t, now)
	default:
		p.unleaseLocked(e)
		p.pushIdleLocked(e, now)
	}
	p.mu.Unlock()
	if reason != numCloseReasons {
		p.close(e, reason)
	}
}

// close ends a leased connection and gives its place back, in this order: a
// place that is free has no socket any more.
func (p *Pool[K, C]) close(e *entry[K, C], reason CloseReason) {
	_ = e.conn.Close() // it is gone either way
	p.mu.Lock()
	p.retireLocked(e, reason, p.now())
	p.mu.Unlock()
}

// retireLocked gives the place of a closed connection back and lets those who
// wait for it have it.
func (p *Pool[K, C]) retireLocked(e *entry[K, C], reason CloseReason, now instant) {
	t := e.target
	p.unleaseLocked(e)
	t.forget(e)
	t.Closed[reason]++
	p.freePlaceLocked()
	p.pumpLocked(t, now)
}

// freePlaceLocked is the only place where open falls.
func (p *Pool[K, C]) freePlaceLocked() {
	p.open--
	if p.closed && p.open == 0 {
		close(p.drained)
	}
}

func (p *Pool[K, C]) leaseLocked(e *entry[K, C]) {
	e.target.inUse++
	if e.proven {
		e.target.proven++
	}
}

func (p *Pool[K, C]) unleaseLocked(e *entry[K, C]) {
	e.target.inUse--
	if e.proven {
		e.target.proven--
	}
}

// noteStale counts a second try and closes the target's idle connections:
// what ended one of them has most likely ended all.
func (p *Pool[K, C]) noteStale(t *target[K, C]) {
	p.mu.Lock()
	t.Retries++
	p.closeIdleUnlock(t, ClosedStale)
}

func (p *Pool[K, C]) noteRetry(t *target[K, C]) {
	p.mu.Lock()
	t.Retries++
	p.mu.Unlock()
}

// Renew makes the target's connections of now serve their current
// conversation only: idle ones are closed, those in use when they come back.
// It is meant for changed credentials. Closing counts as ClosedLifetime.
func (p *Pool[K, C]) Renew(key K) {
	p.mu.Lock()
	t := p.targets[key]
	if t == nil {
		p.mu.Unlock()
		return
	}
	t.generation++
	p.closeIdleUnlock(t, ClosedLifetime)
}

func (p *Pool[K, C]) closeIdleUnlock(t *target[K, C], reason CloseReason) {
	var idle []*entry[K, C]
	for e := p.popIdleLocked(t); e != nil; e = p.popIdleLocked(t) {
		p.leaseLocked(e)
		idle = append(idle, e)
	}
	p.mu.Unlock()
	for _, e := range idle {
		p.close(e, reason)
	}
}

// jittered takes up to a tenth off d, so that connections made together do
// not end together.
func jittered(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/10+1))
}
