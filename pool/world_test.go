package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

var (
	errStale   = errors.New("the connection had ended before")
	errRefused = errors.New("the server refused the login")
	errBroken  = errors.New("the reply was cut")
	errDown    = errors.New("connection refused")
	errOver    = errors.New("the story is over")
)

type config = pool.Config[string, *sock]

// world is a pool with all that surrounds it under the control of a test: the
// dials, the sockets and the callers. Its methods are the words of a story.
// Each lets everything come to rest and then compares the pool's figures with
// what the world itself has seen. Time passes only in advance.
type world struct {
	t    testing.TB
	cfg  config
	pool *pool.Pool[string, *sock]
	over chan struct{} // closed at the end: whatever hangs comes loose

	mu    sync.Mutex
	dials []*dial
	socks []*sock
	calls []*call
	auto  map[string]error // targets whose dials end at once, and how
	deaf  bool             // dials do not heed their context
	// places are the sockets and dials of this moment, in all and by target.
	places   int
	placesOf map[string]int
	// forced: connections may be closed under their users.
	forced  bool
	step    int
	arrival int
	wrong   []string

	last pool.Stats
}

// story runs tell in a bubble of its own and checks that nothing is left.
func story(t *testing.T, cfg config, tell func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg)
		tell(w)
		w.end()
	})
}

func newWorld(t testing.TB, cfg config) *world {
	w := &world{t: t, over: make(chan struct{}), auto: map[string]error{}, placesOf: map[string]int{}}
	cfg.Dial = w.dial
	cfg.Name = func(key string) string { return key }
	if cfg.Stale == nil {
		cfg.Stale = func(err error) bool { return errors.Is(err, errStale) }
	}
	if cfg.Refused == nil {
		cfg.Refused = func(err error) bool { return errors.Is(err, errRefused) }
	}
	p, err := pool.New(cfg)
	require.NoError(t, err)
	w.pool, w.cfg = p, cfg
	if w.cfg.MaxPerTarget == 0 {
		w.cfg.MaxPerTarget = 2
	}
	t.Cleanup(func() { // a story that failed must not leave goroutines hanging
		w.mu.Lock()
		w.forced = true
		w.mu.Unlock()
		select {
		case <-w.over:
		default:
			close(w.over)
		}
		_ = closeWithin(p, time.Minute)
	})
	return w
}

// end closes the pool and checks that every socket is closed and every caller
// answered. The bubble itself fails when a goroutine is left.
func (w *world) end() {
	w.t.Helper()
	w.check()
	w.mu.Lock()
	w.forced = true
	w.mu.Unlock()
	close(w.over)
	require.NoError(w.t, closeWithin(w.pool, time.Minute))
	w.check()
	for _, s := range w.socks {
		require.True(w.t, s.closed, "%s is open after the end", s)
	}
	for _, c := range w.calls {
		require.Equal(w.t, 1, c.returned, "Do for %s returned that many times", c.key)
	}
	require.Zero(w.t, w.pool.Stats().Open())
}

// closeWithin closes a pool. A pool that miscounts would let a Close without a limit
// wait until the end of the tests, and hide what is wrong.
func closeWithin[K comparable, C pool.Conn](p *pool.Pool[K, C], d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return p.Close(ctx)
}

// closeSoon closes a pool that nobody uses any more.
func closeSoon[K comparable, C pool.Conn](t testing.TB, p *pool.Pool[K, C]) {
	t.Helper()
	require.NoError(t, closeWithin(p, 10*time.Second))
}

// once makes one call that ends well and returns the connection it had. The
// target must be served at once.
func (w *world) once(key string) *sock {
	w.t.Helper()
	c := w.do(key)
	s := c.sock
	require.NotNil(w.t, s, "the caller of %s got no connection: %v", key, c.err)
	c.finish(nil)
	return s
}

// proven makes n idle connections to key that have served before.
func (w *world) proven(key string, n int) []*sock {
	w.t.Helper()
	before, known := w.auto[key]
	w.serve(key)
	var calls []*call
	var socks []*sock
	for range n {
		calls = append(calls, w.do(key))
	}
	for _, c := range calls {
		socks = append(socks, c.sock)
		c.finish(nil)
	}
	w.mu.Lock()
	delete(w.auto, key)
	if known {
		w.auto[key] = before
	}
	for _, d := range w.dials {
		d.taken = d.taken || d.ended
	}
	w.mu.Unlock()
	return socks
}

// looked tells the race detector that what the story has read at rest, without
// the lock, it read before whatever comes now.
func (w *world) looked() {
	w.mu.Lock()
	defer w.mu.Unlock()
}

// advance lets time pass.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.looked()
	time.Sleep(d)
	w.check()
}

// renew is pool.Renew, remembered.
func (w *world) renew(key string) {
	w.t.Helper()
	w.mu.Lock()
	for _, s := range w.socks {
		s.old = s.old || s.key == key
	}
	for _, d := range w.dials {
		d.old = d.old || d.key == key
	}
	w.mu.Unlock()
	w.pool.Renew(key)
	w.check()
}

func (w *world) failing(key string) *pool.Failure { return w.stats(key).Failing }

func (w *world) stats(key string) pool.TargetStats {
	for _, ts := range w.pool.Stats().Targets {
		if ts.Name == key {
			return ts
		}
	}
	return pool.TargetStats{Name: key}
}

// closed is how many connections to key were closed for that reason.
func (w *world) closed(key string, r pool.CloseReason) int { return int(w.stats(key).Closed[r]) }

func (w *world) notef(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}
