package pool_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/pool"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this one seed of the pool's simulation, and log its steps")
	simSeeds = flag.Int("sim.seeds", 0, "run that many seeds; default 300, with -short or -race fewer")
)

const simSteps = 300

// TestSimulation does random things to a pool, one at a time, and lets
// world.check compare it with the world after each: places within the limits,
// one holder per connection, nothing dead lent, nobody overtaken within a
// target nor by another one, no waiter lost, figures that agree.
func TestSimulation(t *testing.T) {
	t.Parallel()
	if *simSeed != 0 {
		simulate(t, *simSeed, true)
		return
	}
	seeds := *simSeeds
	if seeds == 0 {
		seeds = 300
		if testing.Short() || redistest.RaceEnabled {
			seeds = 40
		}
	}
	for seed := range uint64(seeds) {
		if simulate(t, seed+1, false); t.Failed() {
			return
		}
	}
}

func simulate(t *testing.T, seed uint64, verbose bool) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, seed, verbose)
		defer func() {
			if t.Failed() {
				t.Logf("at step %d, %s; again with: go test ./pool -run TestSimulation -sim.seed=%d", s.step, s.doing, seed)
			}
		}()
		for s.step = range simSteps {
			s.one()
			s.w.check()
		}
		s.finish()
	})
}

// sim is a world in which dice are thrown.
type sim struct {
	t       *testing.T
	w       *world
	rnd     *rand.Rand
	keys    []string
	step    int
	doing   string
	verbose bool
	// down are the targets whose dials mostly fail at the moment.
	down map[string]bool
}

func newSim(t *testing.T, seed uint64, verbose bool) *sim {
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := &sim{t: t, rnd: rnd, verbose: verbose, down: map[string]bool{}}
	for i := range 1 + rnd.IntN(5) {
		s.keys = append(s.keys, string(rune('a'+i)))
	}
	cfg := config{
		MaxPerTarget: 1 + rnd.IntN(4),
		MaxTotal:     rnd.IntN(6),
		IdleTimeout:  time.Duration(1+rnd.IntN(60)) * time.Second,
		DialTimeout:  time.Duration(1+rnd.IntN(5)) * time.Second,
		BackoffMin:   time.Duration(1+rnd.IntN(2000)) * time.Millisecond,
		BackoffMax:   time.Duration(1+rnd.IntN(10)) * time.Second,
	}
	if rnd.IntN(2) == 0 {
		cfg.MaxLifetime = time.Duration(1+rnd.IntN(120)) * time.Second
	}
	s.w = newWorld(t, cfg)
	s.sayf("%d targets, %d connections each, %d in all", len(s.keys), cfg.MaxPerTarget, cfg.MaxTotal)
	return s
}

func (s *sim) sayf(format string, args ...any) {
	s.doing = fmt.Sprintf(format, args...)
	if s.verbose {
		s.t.Logf("%4d %v %s", s.step, time.Now().Format("04:05.000"), s.doing)
	}
}

func pick[T any](s *sim, from []T, fits func(T) bool) (one T, ok bool) {
	n := 0
	for _, x := range from {
		if fits(x) {
			if n++; s.rnd.IntN(n) == 0 {
				one, ok = x, true
			}
		}
	}
	return one, ok
}

func (s *sim) key() string { return s.keys[s.rnd.IntN(len(s.keys))] }

func holds(c *call) bool   { return c.sock != nil }
func waits(c *call) bool   { return c.sock == nil && c.returned == 0 }
func pending(d *dial) bool { return !d.ended }
func idle(x *sock) bool    { return !x.closed && x.holder == nil }

// one does one thing. What cannot be done at the moment is left undone.
func (s *sim) one() {
	w := s.w
	switch n := s.rnd.IntN(100); {
	case n < 22:
		key := s.key()
		if s.rnd.IntN(3) == 0 {
			d := time.Duration(s.rnd.IntN(3000)) * time.Millisecond
			s.sayf("arrive at %s, within %s", key, d)
			w.doWithin(key, d)
		} else {
			s.sayf("arrive at %s", key)
			w.do(key)
		}
	case n < 52:
		if c, ok := pick(s, w.calls, holds); ok {
			s.endCall(c)
		}
	case n < 72:
		if d, ok := pick(s, w.dials, pending); ok {
			s.endDial(d)
		}
	case n < 76:
		if c, ok := pick(s, w.calls, waits); ok {
			s.sayf("cancel a waiter for %s", c.key)
			c.givesUp()
		}
	case n < 80:
		if x, ok := pick(s, w.socks, idle); ok {
			s.sayf("kill %s", x)
			x.dies()
		}
	case n < 81:
		key := s.key()
		s.sayf("renew %s", key)
		w.renew(key)
	case n < 83:
		key := s.key()
		s.down[key] = !s.down[key]
	case n < 96:
		d := time.Duration(s.rnd.IntN(400)) * time.Millisecond
		s.sayf("advance %s", d)
		w.advance(d)
	default:
		d := time.Duration(s.rnd.IntN(30_000)) * time.Millisecond
		s.sayf("advance %s", d)
		w.advance(d)
	}
}

// endCall ends a conversation one way or another and checks what became of
// the connection.
func (s *sim) endCall(c *call) {
	x, proven, tries := c.sock, c.sock.proven, c.tries
	before := s.w.stats(c.key)
	closed := func(r pool.CloseReason) {
		s.t.Helper()
		require.True(s.t, x.closed, "%s is open after a conversation that broke it", x)
		// Stale ones take the idle ones with them.
		require.Greater(s.t, s.w.closed(c.key, r), int(before.Closed[r]), r.String())
	}
	told := func(cause error) {
		s.t.Helper()
		if tries == 2 && errors.Is(c.err, errRefused) {
			return // the first try's, which says more
		}
		require.ErrorIs(s.t, c.err, cause)
	}
	switch n := s.rnd.IntN(20); {
	case n < 2:
		s.sayf("finish %s as a waiter gives up", x)
		c.ends(func(*sock) error {
			if other, ok := pick(s, s.w.calls, func(o *call) bool { return o.key == c.key && waits(o) }); ok {
				other.cancel()
			}
			return nil
		})
	case n < 12:
		s.sayf("finish %s", x)
		c.finish(nil)
		require.NoError(s.t, c.err)
	case n < 14:
		s.sayf("finish %s with an error", x)
		c.finish(errOver)
		require.ErrorIs(s.t, c.err, errOver)
		require.False(s.t, x.closed && s.w.closed(c.key, pool.ClosedBroken) > int(before.Closed[pool.ClosedBroken]))
	case n < 16:
		s.sayf("break %s", x)
		c.breaks(errBroken)
		closed(pool.ClosedBroken)
	case n < 18:
		s.sayf("find %s stale", x)
		c.breaks(errStale)
		if !proven {
			closed(pool.ClosedBroken)
			told(errStale)
			return
		}
		closed(pool.ClosedStale)
		again := c.returned == 0 // or it was answered for at once
		if tries == 2 {
			told(errStale)
			require.False(s.t, again)
		}
		require.Equal(s.t, tries == 1, s.w.stats(c.key).Retries > before.Retries)
	case n < 19:
		s.sayf("be refused on %s", x)
		c.breaks(errRefused)
		closed(pool.ClosedBroken)
		if again := c.returned == 0; !again {
			require.ErrorIs(s.t, c.err, errRefused)
		} else {
			require.False(s.t, proven || tries == 2, "tried again")
		}
		require.Equal(s.t, !proven, s.w.stats(c.key).Refusals > before.Refusals)
	default:
		s.sayf("panic with %s", x)
		c.panics()
		closed(pool.ClosedBroken)
		require.NotNil(s.t, c.panicked)
	}
}

func (s *sim) endDial(d *dial) {
	often := 2
	if s.down[d.key] {
		often = 14
	}
	switch n := s.rnd.IntN(16); {
	case n == 0:
		s.sayf("panic in a dial to %s", d.key)
		d.end(answer{panic: "dial"})
	case n < often:
		s.sayf("fail a dial to %s", d.key)
		d.fail(errDown)
	default:
		s.sayf("finish a dial to %s", d.key)
		d.finish()
	}
}

// finish ends the simulation: every second time all callers are served first,
// and nobody may be left; else the pool is closed in the middle of things.
func (s *sim) finish() {
	w := s.w
	if s.rnd.IntN(2) == 0 {
		for range 10 * len(w.calls) {
			s.step++
			if c, ok := pick(s, w.calls, holds); ok {
				s.sayf("at last, finish %s", c.sock)
				c.finish(nil)
			} else if d, ok := pick(s, w.dials, pending); ok {
				s.sayf("at last, finish a dial to %s", d.key)
				d.finish()
			} else {
				break
			}
		}
		for _, c := range w.calls {
			require.Equal(s.t, 1, c.returned, "a caller of %s is left, and nothing is under way", c.key)
		}
		if s.rnd.IntN(2) == 0 {
			s.sayf("leave it alone for an hour")
			w.advance(time.Hour)
			require.Zero(s.t, w.pool.Stats().Open())
		}
		w.end()
		return
	}
	grace := time.Duration(s.rnd.IntN(3)) * time.Second
	s.sayf("close within %s", grace)
	w.mu.Lock()
	w.forced = grace == 0
	w.mu.Unlock()
	c := w.close(grace)
	for range s.rnd.IntN(10) {
		s.step++
		if c, ok := pick(s, w.calls, holds); ok {
			s.endCallAfterClose(c)
		}
	}
	w.mu.Lock()
	w.forced = true
	w.mu.Unlock()
	w.advance(grace)
	require.True(s.t, c.done, "Close has not returned in its time")
	require.Zero(s.t, w.pool.Stats().Waiting)
	for _, x := range w.socks {
		require.True(s.t, x.closed, "%s is open after Close", x)
	}
	w.end()
}

func (s *sim) endCallAfterClose(c *call) {
	x := c.sock
	if s.rnd.IntN(2) == 0 {
		s.sayf("after Close, finish %s", x)
		c.finish(nil)
	} else {
		s.sayf("after Close, break %s", x)
		c.breaks(errStale)
		require.Equal(s.t, 1, c.returned)
	}
	require.True(s.t, x.closed)
}
