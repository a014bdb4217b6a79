package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// Faults of the caller.

func TestAPanicOfTheConversationClosesItsConnectionAndGivesThePlaceBack(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		s := w.proven("a", 1)[0]
		x, y := w.do("a"), w.do("a")
		x.panics()
		require.Equal(t, "a bug in the conversation", x.panicked)
		s.wantClosed()
		z := w.do("a")
		y.wantConn(w.wantDial("a").finish())
		y.exits()
		require.Equal(t, 1, y.returned)
		z.wantConn(w.wantDial("a").finish())
		z.finish(nil)
		require.Equal(t, 2, w.closed("a", pool.ClosedBroken))
		require.Nil(t, w.failing("a"))
	})
}

func TestJudgesOfErrorsMayAskThePool(t *testing.T) {
	var w *world
	ask := func(error) bool { w.pool.Stats(); return true }
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, config{Stale: ask, Refused: ask})
		s := w.proven("a", 1)[0]
		x := w.do("a")
		x.wantConn(s)
		x.breaks(errBroken)
		x.wantConn(w.wantDial("a").finish())
		x.breaks(errBroken)
		x.wantDone(errBroken, 0)
		require.NotNil(t, w.failing("a"))
		w.end()
	})
}

func TestJudgesOfErrorsAreNotAskedAboutNil(t *testing.T) {
	story(t, config{
		Stale:   func(err error) bool { return err.Error() == "" },
		Refused: func(err error) bool { return err.Error() == "" },
	}, func(w *world) {
		silent := func(s *sock) error { s.w.mu.Lock(); s.err = errBroken; s.w.mu.Unlock(); return nil }
		w.proven("a", 1)
		for range 2 { // on a proven one, and on a fresh one
			w.serve("a")
			x := w.do("a")
			x.ends(silent)
			require.Nil(t, x.panicked)
			y := w.do("a")
			y.panics()
			require.Equal(t, "a bug in the conversation", y.panicked)
		}
	})
}

// Close.

// closing is one call of Close.
type closing struct {
	w      *world
	cancel context.CancelFunc
	done   bool
	err    error
}

func (w *world) close(d time.Duration) *closing {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	c := &closing{w: w, cancel: cancel}
	go func() {
		err := w.pool.Close(ctx)
		cancel()
		w.mu.Lock()
		c.done, c.err = true, err
		w.mu.Unlock()
	}()
	w.check()
	return c
}

func (c *closing) wantDone() {
	c.w.t.Helper()
	c.w.check()
	require.True(c.w.t, c.done, "Close has not returned")
	require.NoError(c.w.t, c.err)
}

func TestCloseEndsWaitersAtOnceAndLeasesOnTheirReturn(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		idle := w.proven("b", 1)[0]
		x, y := w.do("a"), w.do("a")
		s1, s2 := w.wantDial("a").finish(), w.wantDial("a").finish()
		one, two := w.do("a"), w.do("a")
		w.advance(time.Second)
		c := w.close(time.Minute)
		one.wantDone(pool.ErrClosed, time.Second)
		two.wantDone(pool.ErrClosed, time.Second)
		idle.wantClosed()
		s1.wantOpen()
		require.False(t, c.done)
		w.do("a").wantDone(pool.ErrClosed, 0)
		w.do("b").wantDone(pool.ErrClosed, 0)
		second := w.close(time.Minute)
		x.finish(nil)
		s1.wantClosed()
		require.False(t, c.done)
		y.breaks(errBroken)
		s2.wantClosed()
		c.wantDone()
		second.wantDone()
		w.close(time.Minute).wantDone()
		require.EqualValues(t, 2, w.pool.Stats().Closed[pool.ClosedShutdown])
		w.pool.Renew("a")
	})
}

func TestCloseEndsConversationsWhenItsTimeIsOver(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		x, y := w.do("a"), w.do("a")
		s1, s2 := w.wantDial("a").finish(), w.wantDial("a").finish()
		c := w.close(2 * time.Second)
		w.advance(2*time.Second - 1)
		s1.wantOpen()
		s2.wantOpen()
		w.forced = true
		w.advance(1)
		s1.wantClosed()
		s2.wantClosed()
		require.EqualError(t, c.err, "pool: 2 connections were still in use at the end of the time to close: "+
			"context deadline exceeded")
		x.wantDone(errOver, 2*time.Second) // their connections ended under them
		y.wantDone(errOver, 2*time.Second)
		w.close(0).wantDone()
	})
}

func TestCloseCancelsDials(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		w.wantDial("a")
		w.close(time.Minute).wantDone()
		x.wantDone(pool.ErrClosed, 0)
	})
}

func TestADialThatComesAfterCloseIsClosed(t *testing.T) {
	story(t, config{}, func(w *world) {
		w.deaf = true // to its cancelled context
		x := w.do("a")
		d := w.wantDial("a")
		c := w.close(time.Second)
		x.wantDone(pool.ErrClosed, 0)
		w.advance(time.Second)
		require.EqualError(t, c.err, "pool: dials still under way at the end of the time to close: "+
			"context deadline exceeded")
		second := w.close(time.Minute)
		d.finish().wantClosed()
		second.wantDone()
		require.Equal(t, 1, w.closed("a", pool.ClosedShutdown))
	})
}

func TestCloseOfAnEmptyPoolSucceedsInNoTime(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 { // a select would toss a coin
		p, err := pool.New(config{Dial: func(context.Context, string) (*sock, error) { return nil, errDown }})
		require.NoError(t, err)
		require.NoError(t, p.Close(over))
		require.NoError(t, p.Close(over))
	}
}

// A caller must not be told that its dial was cancelled: no dial is, before
// the pool counts as closed. Name holds the lock up, to make room for the fault.
func TestCloseCancelsNoDialBeforeItsWaitersAreTold(t *testing.T) {
	dialing, cancelled := make(chan struct{}), make(chan struct{})
	naming, goOn := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	p, err := pool.New(config{
		Dial: func(ctx context.Context, key string) (*sock, error) {
			if key == "down" {
				return nil, errDown
			}
			close(dialing)
			<-ctx.Done()
			close(cancelled)
			return nil, ctx.Err()
		},
		Name: func(key string) string { // for the error of a failing target, under the lock
			if armed.Load() {
				close(naming)
				<-goOn
			}
			return key
		},
	})
	require.NoError(t, err)
	require.ErrorIs(t, p.Do(context.Background(), "down", nil), errDown)
	armed.Store(true)
	answer, closed := make(chan error, 1), make(chan error, 1)
	go func() { answer <- p.Do(context.Background(), "a", nil) }()
	<-dialing
	go func() { _ = p.Do(context.Background(), "down", nil) }()
	<-naming
	go func() { closed <- p.Close(context.Background()) }()
	select {
	case <-cancelled:
		t.Error("the dial was cancelled first")
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	require.Equal(t, pool.ErrClosed, <-answer)
	require.NoError(t, <-closed)
}
