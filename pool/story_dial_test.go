package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
