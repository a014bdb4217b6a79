package pool_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// Dialing.

func TestADialThatHangsDelaysNobodyElse(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		hanging := w.wantDial("a")
		y := w.do("b")
		y.wantConn(w.wantDial("b").finish())
		y.finish(nil)
		require.Equal(t, 1, w.pool.Stats().Dialing)
		x.wantWaiting()
		x.givesUp()
		hanging.finish()
	})
}

func TestALateDialServesTheNextCaller(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x := w.doWithin("a", 100*time.Millisecond)
		d := w.wantDial("a")
		w.advance(100 * time.Millisecond)
		x.wantWaitError(100 * time.Millisecond)
		y := w.do("a")
		y.wantWaiting()
		w.wantNoDial()
		w.advance(time.Second)
		y.wantConn(d.finish())
		y.finish(nil)
		require.Equal(t, 1100*time.Millisecond, w.stats("a").LastDial)
	})
}

func TestALateDialThatNobodyWaitsForIsKept(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		d := w.wantDial("a")
		x.givesUp()
		s := d.finish()
		s.wantOpen()
		y := w.do("a")
		y.wantConn(s)
		y.finish(nil)
	})
}

func TestADialIsNotBegunForAWaiterThatOneIsUnderWayFor(t *testing.T) {
	story(t, config{MaxPerTarget: 5}, func(w *world) {
		x := w.do("a")
		d := w.wantDial("a")
		x.givesUp()
		y := w.do("a")
		w.wantNoDial()
		y.wantConn(d.finish())
		y.finish(nil)
	})
}

func TestAFreshConnectionThatEndsAtOnceIsLentAndNotDialedAgain(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		d := w.wantDial("a")
		d.end(answer{dead: true})
		x.wantConn(d.sock) // its conversation will say what the server had to say
		x.breaks(errRefused)
		x.wantDone(errRefused, 0)
		w.wantNoDial()
	})
}

func TestADialHasItsOwnTimeLimit(t *testing.T) {
	story(t, config{DialTimeout: 2 * time.Second}, func(w *world) {
		x := w.do("a")
		w.wantDial("a")
		w.advance(2 * time.Second)
		f := x.wantFailing(context.DeadlineExceeded, 2*time.Second)
		require.Equal(t, 1, f.InARow)
	})
}

func TestAPanicInDialIsAFailedDial(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").end(answer{panic: "no such name"})
		require.Equal(t, 1, x.returned)
		require.ErrorContains(t, x.err, "panic while dialing: no such name")
		w.advance(time.Second)
		y := w.do("a")
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
	})
}

func TestADialThatEndsItsGoroutineIsAFailedDial(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").end(answer{exit: true})
		require.Equal(t, 1, x.returned)
		require.ErrorContains(t, x.err, "the dial ended its goroutine")
	})
}

// TestAWaitForADialSaysWhatThatDoes: of several dials the oldest, which is the next to end.
func TestAWaitForADialSaysWhatThatDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		p, err := pool.New(config{Name: func(key string) string { return key }, DialTimeout: 2 * time.Second, Dial: func(ctx context.Context, _ string) (*sock, error) {
			n := begun.Add(1)
			pool.Doing(ctx, fmt.Sprintf("connecting to %d", n))
			time.Sleep(time.Second)
			pool.Doing(context.WithoutCancel(ctx), fmt.Sprintf("TLS handshake with %d", n))
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		require.NoError(t, err)
		defer func() { require.NoError(t, closeWithin(p, time.Minute)) }()
		wait := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			return p.Do(ctx, "a", func(context.Context, *sock) error { return nil })
		}
		require.EqualError(t, wait(500*time.Millisecond), "no connection to a was made within 500ms: 1 being dialed (connecting to 1), 0 others waiting")
		done := make(chan error)
		go func() { done <- wait(1200 * time.Millisecond) }()
		synctest.Wait()
		require.EqualError(t, wait(700*time.Millisecond), "no connection to a was made within 700ms: 2 being dialed (TLS handshake with 1), 1 others waiting")
		require.EqualError(t, <-done, "no connection to a was made within 1.2s: 2 being dialed (TLS handshake with 1), 0 others waiting")
		pool.Doing(t.Context(), "no dial of a pool")
	})
}
