package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// Reuse.

func TestNewestIdleConnectionIsReusedFirst(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		s := w.proven("a", 3) // given back in this order
		x := w.do("a")
		x.wantConn(s[2])
		y := w.do("a")
		y.wantConn(s[1])
		y.finish(nil)
		x.finish(nil)
		z := w.do("a")
		z.wantConn(s[2])
		z.finish(nil)
		w.wantNoDial()
		require.EqualValues(t, 3, w.stats("a").Reuses)
	})
}

func TestAnErrorOfTheConversationLeavesItsConnectionInUse(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		s := w.wantDial("a").finish()
		x.wantConn(s)
		no := errors.New("wrong type")
		x.finish(no)
		x.wantDone(no, 0)
		y := w.do("a")
		y.wantConn(s)
		y.finish(nil)
	})
}

func TestABrokenConnectionIsNeverLentAgain(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x := w.do("a")
		s := w.wantDial("a").finish()
		y := w.do("a")
		x.breaks(errBroken)
		x.wantDone(errBroken, 0)
		s.wantClosed()
		require.Equal(t, 1, w.closed("a", pool.ClosedBroken))
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
	})
}

func TestAConnectionBrokenUnderASilentCallerIsClosedToo(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		s := w.wantDial("a").finish()
		x.ends(func(s *sock) error { s.w.mu.Lock(); s.err = errBroken; s.w.mu.Unlock(); return nil })
		x.wantDone(nil, 0)
		s.wantClosed()
		require.Nil(t, w.failing("a"))
	})
}

// Waiting.

func TestWaitersAreServedInTheOrderOfTheirArrival(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x := w.do("a")
		s := w.wantDial("a").finish()
		one, two, three := w.do("a"), w.do("a"), w.do("a")
		two.givesUp() // from the middle
		two.wantWaitError(0)
		x.finish(nil)
		one.wantConn(s)
		three.wantWaiting()
		four := w.do("a")
		one.finish(nil)
		three.wantConn(s)
		three.finish(nil)
		four.wantConn(s)
		four.finish(nil)
		w.wantNoDial()
	})
}

func TestAWaitEndsWithItsContextAndSaysWhy(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		x, y := w.do("a"), w.do("a")
		w.wantDial("a").finish()
		hanging := w.wantDial("a")
		late := w.doWithin("a", 300*time.Millisecond)
		w.advance(100 * time.Millisecond)
		w.do("a").wantWaiting()
		w.do("a").wantWaiting()
		w.advance(199 * time.Millisecond)
		late.wantWaiting()
		w.advance(time.Millisecond)
		err := late.wantWaitError(300 * time.Millisecond)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "no connection to a became free within 300ms: "+
			"limit 2 for this target, 1 in use, 1 being dialed, 3 others waiting")
		require.Equal(t, pool.WaitError{
			Target: "a", Waited: 300 * time.Millisecond, MaxPerTarget: 2,
			Gauges: pool.Gauges{InUse: 1, Dialing: 1, Waiting: 3}, Err: context.DeadlineExceeded,
		}, *err)
		var failing *pool.FailingError
		require.False(t, errors.As(err, &failing))
		st := w.stats("a")
		require.EqualValues(t, 5, st.Waits)
		require.EqualValues(t, 1, st.WaitTimeouts)
		require.Equal(t, 300*time.Millisecond, st.WaitTime)
		hanging.finish()
		x.finish(nil)
		y.finish(nil)
	})
}

func TestAWaitForTheTotalLimitSaysSo(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 1}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").finish()
		y := w.doWithin("b", 1500*time.Millisecond)
		w.advance(1500 * time.Millisecond)
		err := y.wantWaitError(1500 * time.Millisecond)
		require.EqualError(t, err, "no connection to b became free within 1.5s: "+
			"limit 1 in all, 0 in use, 0 being dialed, 0 others waiting")
		require.True(t, err.TotalFull)
		x.finish(nil)
		require.Equal(t, 1, w.stats("a").Idle, "nobody waits for its place any more")
	})
}

func TestAContextThatIsOverGetsNothing(t *testing.T) {
	story(t, config{}, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.doContext(ctx, cancel)("a").wantDone(context.Canceled, 0)
		w.wantNoDial()
	})
}
