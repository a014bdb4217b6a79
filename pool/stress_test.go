package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// stressConn counts the connections there are, in all and to its target.
type stressConn struct {
	all, own *atomic.Int64
	inUse    atomic.Bool
	broken   atomic.Bool
	closed   atomic.Bool
	dead     bool
}

func (c *stressConn) Alive() error {
	if c.dead {
		return errStale
	}
	return nil
}

func (c *stressConn) Err() error {
	if c.broken.Load() {
		return errBroken
	}
	return nil
}

func (c *stressConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.own.Add(-1)
		c.all.Add(-1)
	}
	return nil
}

// TestStress uses a small pool from many goroutines on the real clock, with
// faults of all kinds, and is meant for the race detector.
func TestStress(t *testing.T) {
	const (
		callers      = 64
		targets      = 8
		maxPerTarget = 3
		maxTotal     = 10
	)
	rounds := 1500
	if testing.Short() {
		rounds = 150
	}
	goroutines := runtime.NumGoroutine()
	var all atomic.Int64
	var own [targets]atomic.Int64
	var lent, tooMany, shared atomic.Int64
	p, err := pool.New(pool.Config[int, *stressConn]{
		Dial: func(ctx context.Context, key int) (*stressConn, error) {
			// A place is held from here on, as in the pool.
			n, m := all.Add(1), own[key].Add(1)
			if n > maxTotal || m > maxPerTarget {
				tooMany.Add(1)
			}
			c := &stressConn{all: &all, own: &own[key], dead: rand.IntN(40) == 0}
			switch rand.IntN(16) {
			case 0:
				_ = c.Close()
				return nil, errDown
			case 1:
				_ = c.Close()
				panic("dial")
			case 2:
				runtime.Gosched()
			case 3:
				select {
				case <-ctx.Done():
					_ = c.Close()
					return nil, ctx.Err()
				case <-time.After(time.Duration(rand.IntN(1000)) * time.Microsecond):
				}
			}
			return c, nil
		},
		Name:         func(key int) string { return fmt.Sprint("t", key) },
		Stale:        func(err error) bool { return errors.Is(err, errStale) },
		Refused:      func(err error) bool { return errors.Is(err, errRefused) },
		MaxPerTarget: maxPerTarget,
		MaxTotal:     maxTotal,
		IdleTimeout:  2 * time.Millisecond,
		MaxLifetime:  5 * time.Millisecond,
		BackoffMin:   50 * time.Microsecond,
		BackoffMax:   500 * time.Microsecond,
	})
	require.NoError(t, err)

	converse := func(_ context.Context, c *stressConn) error {
		lent.Add(1)
		if c.closed.Load() || c.broken.Load() || !c.inUse.CompareAndSwap(false, true) {
			shared.Add(1)
		}
		defer c.inUse.Store(false)
		fails := func(err error) error { c.broken.Store(true); return err }
		switch rand.IntN(30) {
		case 0:
			return fails(errBroken)
		case 1:
			return fails(errStale)
		case 2:
			return fails(errRefused)
		case 3:
			return errOver
		case 4:
			panic("a bug in the conversation")
		case 5:
			runtime.Goexit()
		case 6:
			time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
		case 7, 8, 9, 10:
			runtime.Gosched()
		}
		return nil
	}
	call := func() {
		defer func() { _ = recover() }()
		ctx := context.Background()
		if rand.IntN(2) == 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
			defer cancel()
		}
		_ = p.Do(ctx, rand.IntN(targets), converse)
	}

	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() {
			for i := range rounds {
				done := make(chan struct{}) // a goroutine of its own, as it may end itself
				go func() { defer close(done); call() }()
				<-done
				if i%100 == 0 {
					p.Renew(rand.IntN(targets))
				}
				if i%50 == 0 {
					st := p.Stats()
					if st.Open() > maxTotal {
						tooMany.Add(1)
					}
				}
			}
		})
	}
	callersDone.Wait()

	require.Zero(t, tooMany.Load(), "places beyond a limit")
	require.Zero(t, shared.Load(), "connections lent twice, closed or broken")
	require.Positive(t, lent.Load())
	eventually(t, "all connections are idle", func() bool {
		g := p.Stats().Gauges
		return g.InUse == 0 && g.Dialing == 0 && g.Waiting == 0
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, p.Close(ctx))
	require.Zero(t, all.Load())
	st := p.Stats()
	require.Zero(t, st.Open())
	require.Equal(t, st.Dials, st.DialErrors+st.ClosedTotal())
	for _, r := range []pool.CloseReason{pool.ClosedBroken, pool.ClosedStale, pool.ClosedEvicted, pool.ClosedLifetime} {
		require.NotZero(t, st.Closed[r], r.String())
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	t.Logf("%d lent, %d dials, %d waits, %d gave up, %d fast fails, %d retries, closed %v",
		lent.Load(), st.Dials, st.Waits, st.WaitTimeouts, st.FastFails, st.Retries, st.Closed)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !is(); runtime.Gosched() {
		require.True(t, time.Now().Before(until), "not within 10 s: %s", what)
	}
}
