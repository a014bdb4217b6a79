package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// Failing targets.

func TestAFailedDialIsToldToAllWhoWait(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		w.proven("b", 1)
		x, y, z := w.do("a"), w.do("a"), w.do("a")
		w.advance(200 * time.Millisecond)
		w.wantDial("a").fail(errDown)
		for _, c := range []*call{x, y, z} {
			f := c.wantFailing(errDown, 200*time.Millisecond)
			require.Equal(t, 1, f.InARow)
			require.Zero(t, f.Ago)
			require.Equal(t, "a", f.Target)
		}
		w.wantNoDial()
		require.EqualValues(t, 1, w.stats("a").DialErrors)
		w.do("b").finish(nil) // notices nothing
	})
}

func TestWaitersAreToldTheEndOfTheLastDialOfABurst(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		x, y := w.do("a"), w.do("a")
		refused := w.wantDial("a")
		w.wantDial("a") // hangs until its time limit
		w.advance(100 * time.Millisecond)
		refused.fail(errDown)
		x.wantWaiting() // for the other one
		w.advance(2900 * time.Millisecond)
		f := x.wantFailing(context.DeadlineExceeded, 3*time.Second)
		require.Equal(t, 1, f.InARow, "they were under way together")
		y.wantFailing(context.DeadlineExceeded, 3*time.Second)
		w.wantNoDial()
		w.do("a").wantFailing(context.DeadlineExceeded, 0)
	})
}

func TestAFailingTargetIsAnsweredForAtOnce(t *testing.T) {
	story(t, config{BackoffMin: time.Second}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").fail(errDown)
		x.wantFailing(errDown, 0)
		w.advance(400 * time.Millisecond)
		y := w.do("a")
		f := y.wantFailing(errDown, 0)
		require.Equal(t, 400*time.Millisecond, f.Ago)
		require.Equal(t, time.Until(w.failing("a").RetryAt), f.RetryIn)
		require.EqualError(t, f, fmt.Sprintf(
			"connection refused (last tried 400ms ago, failure 1 in a row, next try in %s)",
			f.RetryIn.Round(time.Millisecond)))
		require.EqualValues(t, 2, w.stats("a").FastFails)
		require.EqualValues(t, 1, w.stats("a").Waits, "the second did not have to queue")
		w.wantNoDial()
	})
}

func TestBackoffGrowsWithJitterUpToItsCapAndStartsAnew(t *testing.T) {
	story(t, config{BackoffMin: time.Second, BackoffMax: 10 * time.Second}, func(w *world) {
		fail := func(n int, most time.Duration) {
			x := w.do("a")
			w.wantDial("a").fail(errDown)
			require.Equal(t, n, x.wantFailing(errDown, 0).InARow)
			f := w.failing("a")
			wait := f.RetryAt.Sub(f.At)
			require.LessOrEqual(t, wait, most)
			require.GreaterOrEqual(t, wait, most*9/10)
			w.advance(wait - 1)
			w.do("a").wantFailing(errDown, 0)
			w.wantNoDial()
			w.advance(1)
		}
		for i, s := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
			fail(i+1, s*time.Second)
		}
		x := w.do("a")
		s := w.wantDial("a").finish()
		require.NotNil(t, w.failing("a"), "a connection that nobody has used proves nothing")
		x.wantConn(s)
		x.finish(nil)
		require.Nil(t, w.failing("a"))
		s.dies()
		fail(1, time.Second)
	})
}

func TestTheCapHoldsForTheFirstBackoffToo(t *testing.T) {
	story(t, config{BackoffMin: time.Minute, BackoffMax: 5 * time.Second}, func(w *world) {
		w.refuse("a", errDown)
		w.do("a").wantFailing(errDown, 0)
		w.advance(5 * time.Second)
		w.do("a").wantFailing(errDown, 0)
		require.EqualValues(t, 2, w.stats("a").Dials)
	})
}

func TestBackoffsDiffer(t *testing.T) {
	story(t, config{BackoffMin: time.Minute, BackoffMax: time.Hour}, func(w *world) {
		seen := map[time.Duration]bool{}
		for i := range 20 {
			key := fmt.Sprint("t", i)
			w.refuse(key, errDown)
			w.do(key).wantFailing(errDown, 0)
			seen[w.failing(key).RetryAt.Sub(w.failing(key).At)] = true
		}
		require.Greater(t, len(seen), 10)
	})
}

func TestOneProbeAtATimeAndOthersWaitHalfASecond(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").fail(errDown)
		x.wantFailing(errDown, 0)
		w.advance(time.Second)

		one, two := w.do("a"), w.do("a")
		probe := w.wantDial("a")
		w.wantNoDial()
		w.advance(200 * time.Millisecond)
		three := w.do("a")
		w.advance(300 * time.Millisecond)
		f := one.wantFailing(errDown, 500*time.Millisecond)
		require.EqualError(t, f, "connection refused (last tried 1.5s ago, failure 1 in a row, being tried now)")
		two.wantFailing(errDown, 500*time.Millisecond)
		three.wantWaiting()
		w.advance(100 * time.Millisecond)

		// It came back: whoever is there is served, the rest by more dials once
		// the first conversation has proved it.
		four := w.do("a")
		s := probe.finish()
		three.wantConn(s)
		four.wantWaiting()
		w.wantNoDial()
		five := w.do("a")
		three.finish(nil)
		four.wantConn(s)
		five.wantConn(w.wantDial("a").finish())
		require.Nil(t, w.failing("a"))
		four.finish(nil)
		five.finish(nil)
	})
}

func TestAProbeThatFailsIsToldAtOnce(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").fail(errDown)
		x.wantFailing(errDown, 0)
		w.advance(time.Second)
		one, two := w.do("a"), w.do("a")
		w.advance(100 * time.Millisecond)
		other := errors.New("no route to host")
		w.wantDial("a").fail(other)
		require.Equal(t, 2, one.wantFailing(other, 100*time.Millisecond).InARow)
		two.wantFailing(other, 100*time.Millisecond)
	})
}

func TestAWaiterForAProvenConnectionKeepsItsPatience(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.do("a")
		x.wantConn(s)
		y := w.do("a")
		w.wantDial("a").fail(errDown)
		y.wantWaiting() // for the connection that works
		z := w.do("a")
		w.advance(5 * time.Second)
		y.wantWaiting()
		x.finish(nil)
		y.wantConn(s)
		y.finish(nil)
		z.wantConn(s)
		z.finish(nil)
	})
}

func TestARefusedFirstUseCountsAsFailing(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x, y := w.do("a"), w.do("a")
		s := w.wantDial("a").finish()
		x.wantConn(s)
		w.advance(10 * time.Millisecond)
		x.breaks(errRefused)
		x.wantDone(errRefused, 10*time.Millisecond)
		s.wantClosed()
		y.wantFailing(errRefused, 10*time.Millisecond)
		w.do("a").wantFailing(errRefused, 0)
		w.wantNoDial()
		st := w.stats("a")
		require.EqualValues(t, 1, st.Refusals)
		require.Zero(t, st.DialErrors)
		require.EqualValues(t, 1, st.Closed[pool.ClosedBroken])
		w.advance(time.Second)
		z := w.do("a")
		z.wantConn(w.wantDial("a").finish())
		z.breaks(errRefused)
		require.Equal(t, 2, w.failing("a").InARow)
	})
}

func TestARefusalOnAProvenConnectionIsNotTheTargets(t *testing.T) {
	story(t, config{}, func(w *world) {
		w.proven("a", 1)
		x := w.do("a")
		x.breaks(errRefused)
		require.Nil(t, w.failing("a"))
		require.Zero(t, w.stats("a").Refusals)
	})
}

func TestAServerWithoutRoomForAnotherClientKeepsServingWithTheOneItHas(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.do("a")
		y := w.do("a")
		y.wantConn(w.wantDial("a").finish())
		y.breaks(errRefused)
		y.wantWaiting() // for the one that the server did let in
		w.wantNoDial()
		x.finish(nil)
		y.wantConn(s)
		require.EqualValues(t, 1, w.stats("a").Retries)
		x = y
		failedAt := w.failing("a").At
		retry := w.failing("a").RetryAt.Sub(failedAt)

		// Until the backoff is over nobody is told a failure and nothing is
		// dialed, however often the good connection serves two at a time.
		for time.Since(failedAt)+100*time.Millisecond < retry {
			z := w.do("a")
			z.wantWaiting()
			w.advance(100 * time.Millisecond)
			x.finish(nil)
			z.wantConn(s)
			x = z
		}
		w.wantNoDial()
		w.advance(200 * time.Millisecond)
		z := w.do("a")
		z.wantConn(w.wantDial("a").finish())
		z.finish(nil)
		require.Nil(t, w.failing("a"))
		x.finish(nil)
		require.Zero(t, w.stats("a").FastFails)
	})
}

func TestARefusalIsToldWhenNoConnectionIsLeft(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		s := w.proven("a", 1)[0]
		x, y := w.do("a"), w.do("a")
		y.wantConn(w.wantDial("a").finish())
		y.breaks(errRefused)
		x.breaks(errBroken)
		s.wantClosed()
		y.wantDone(errRefused, 0)
	})
}

func TestARefusalIsToldWhenTheConnectionLeftIsStale(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		s := w.proven("a", 1)[0]
		x, y := w.do("a"), w.do("a")
		y.wantConn(w.wantDial("a").finish())
		x.finish(nil)
		y.breaks(errRefused)
		y.wantConn(s)
		y.breaks(errStale)
		y.wantDone(errRefused, 0)
		require.Equal(t, 2, y.tries)
	})
}

func TestWaitersLearnTheCauseWhenTheLastGoodConnectionBreaks(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		w.proven("a", 1)
		x, y := w.do("a"), w.do("a")
		w.wantDial("a").fail(errDown)
		y.wantWaiting()
		x.breaks(errBroken)
		y.wantFailing(errDown, 0)
	})
}

func TestAFailingTargetWaitsForTheTotalLimitLikeAnyOther(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 1}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").fail(errDown)
		x.wantFailing(errDown, 0)
		y := w.do("b")
		w.wantDial("b").finish()
		w.advance(time.Second)
		z := w.do("a")
		z.wantWaiting()
		w.advance(100 * time.Millisecond)
		y.finish(nil)
		s := w.wantDial("a").finish()
		z.wantConn(s)
		z.finish(nil)
	})
}

func TestATargetThatNobodyWaitsForAnyMoreTakesNoPlace(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 1}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").fail(errDown)
		x.wantFailing(errDown, 0)
		y := w.do("b")
		s := w.wantDial("b").finish()
		w.advance(time.Second)
		z := w.do("a")
		w.advance(500 * time.Millisecond)
		z.wantFailing(errDown, 500*time.Millisecond)
		y.finish(nil)
		s.wantOpen()
	})
}

func TestATargetThatMayNotBeTriedNowTakesNoPlace(t *testing.T) {
	story(t, config{MaxPerTarget: 3, MaxTotal: 3}, func(w *world) {
		works := w.proven("a", 1)[0]
		x := w.do("a")
		b := w.do("b")
		kept := w.wantDial("b").finish()
		y := w.do("a")
		d := w.wantDial("a")
		c := w.do("c")
		z := w.do("a") // behind c
		d.fail(errDown)
		y.wantWaiting() // for the connection that works
		e := w.wantDial("c")
		b.finish(nil)
		kept.wantOpen() // a could not use its place
		c.wantConn(e.finish())
		c.finish(nil)
		x.finish(nil)
		y.wantConn(works)
		y.finish(nil)
		z.wantConn(works)
		z.finish(nil)
	})
}

// A duration in an error has the precision that a person can use.
func TestErrorsTellTimesShortly(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		1234 * time.Microsecond:             "1ms",
		999 * time.Millisecond:              "999ms",
		1049 * time.Millisecond:             "1s",
		1050 * time.Millisecond:             "1.1s",
		time.Minute + 2345*time.Millisecond: "1m2.3s",
	} {
		err := &pool.WaitError{Target: "a", Waited: d, MaxPerTarget: 2, Err: context.DeadlineExceeded}
		require.ErrorContains(t, err, "no connection to a became free within "+want+": ")
	}
}

// Half a minute is not a power of two times a second: the delay stops at its cap and
// does not jump over it.
func TestBackoffNeverPassesItsCap(t *testing.T) {
	story(t, config{BackoffMin: time.Second, BackoffMax: 30 * time.Second}, func(w *world) {
		w.refuse("a", errDown)
		steps := append([]time.Duration{1, 2, 4, 8, 16}, slices.Repeat([]time.Duration{30}, 75)...)
		for _, most := range steps { // after 64 doublings nothing would be left of it
			w.do("a").wantFailing(errDown, 0)
			f := w.failing("a")
			wait := f.RetryAt.Sub(f.At)
			require.LessOrEqual(t, wait, most*time.Second)
			require.GreaterOrEqual(t, wait, most*time.Second*9/10)
			w.advance(wait)
		}
	})
}

// A connection that had served before the failure ends the failing state once the
// backoff is over, at that very moment, and not before.
func TestAnOldConnectionEndsTheFailingStateOnlyAfterTheBackoff(t *testing.T) {
	story(t, config{MaxPerTarget: 2, BackoffMin: time.Second}, func(w *world) {
		w.proven("a", 1)
		x := w.do("a")
		y := w.do("a")
		w.wantDial("a").fail(errDown)
		retry := time.Until(w.failing("a").RetryAt)
		y.givesUp()
		w.advance(retry - 1)
		x.finish(nil)
		require.NotNil(t, w.failing("a"), "it proves nothing about new ones")
		z := w.do("a")
		w.advance(1)
		z.finish(nil)
		require.Nil(t, w.failing("a"))
	})
}

// As long as one connection is in use and one dial of the burst is under way there is
// something to wait for.
func TestACallerOfAFailingTargetWaitsWhileSomethingIsUnderWay(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.do("a")
		y, z := w.do("a"), w.do("a")
		w.wantDial("a").fail(errDown)
		late := w.wantDial("a")
		v := w.do("a")
		v.wantWaiting()
		x.finish(nil)
		y.wantConn(s)
		z.wantConn(late.finish())
		y.finish(nil)
		v.wantConn(s)
		v.finish(nil)
		z.finish(nil)
	})
}
