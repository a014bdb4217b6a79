package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// The total limit.

func TestTheOldestIdleConnectionOfAnotherTargetIsEvictedBeforeAnybodyWaits(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 3}, func(w *world) {
		a := w.proven("a", 1)[0]
		b := w.proven("b", 2)
		w.do("a").finish(nil) // now b's first is the oldest
		x := w.do("c")
		d := w.wantDial("c")
		b[0].wantClosed()
		b[1].wantOpen()
		a.wantOpen()
		x.wantConn(d.finish())
		require.Equal(t, 1, w.closed("b", pool.ClosedEvicted))
		x.finish(nil)
	})
}

func TestAnEvictedConnectionCountsForItsTargetUntilItIsClosed(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 2}, func(w *world) {
		evicted := w.proven("a", 1)[0]
		x := w.do("b")
		w.wantDial("b").finish()
		evicted.slow = make(chan struct{})
		start := func(key string) *call {
			ctx, cancel := context.WithCancel(context.Background())
			c := w.start(ctx, cancel, key)
			synctest.Wait()
			return c
		}
		y := start("c") // the place for its dial is that of a's connection
		x.acts <- func(s *sock) error { s.w.mu.Lock(); s.err = errBroken; s.w.mu.Unlock(); return errBroken }
		synctest.Wait()
		z := start("a") // there is room in all, but not yet for a second one to a
		require.Empty(t, w.wrong)
		close(evicted.slow)
		y.wantConn(w.wantDial("c").finish())
		z.wantConn(w.wantDial("a").finish())
		y.finish(nil)
		z.finish(nil)
	})
}

func TestAReleasedConnectionGivesItsPlaceToTheTargetThatWaitedLonger(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 1}, func(w *world) {
		x := w.do("a")
		s := w.wantDial("a").finish()
		b := w.do("b")
		again := w.do("a")
		x.finish(nil)
		s.wantClosed()
		b.wantConn(w.wantDial("b").finish())
		again.wantWaiting()
		b.finish(nil)
		again.wantConn(w.wantDial("a").finish())
		again.finish(nil)
		require.Equal(t, 1, w.closed("a", pool.ClosedEvicted))
	})
}

func TestABusyTargetCannotStarveAnother(t *testing.T) {
	for _, ends := range []struct {
		how string
		end func(*call)
	}{
		{"whose connections stay well", func(c *call) { c.finish(nil) }},
		{"whose connections always break", func(c *call) { c.breaks(errBroken) }},
	} {
		t.Run(ends.how, func(t *testing.T) {
			story(t, config{MaxPerTarget: 3, MaxTotal: 2}, func(w *world) {
				w.serve("busy")
				w.serve("poor")
				held := []*call{w.do("busy"), w.do("busy")}
				var queue []*call
				for range 4 {
					queue = append(queue, w.do("busy"))
				}
				poor := w.do("poor")
				rounds := 0
				for ; poor.sock == nil; rounds++ {
					require.Less(t, rounds, 8, "poor is never served")
					queue = append(queue, w.do("busy")) // more come all the time
					ends.end(held[0])
					held = held[1:]
					for len(queue) > 0 && queue[0].sock != nil {
						held, queue = append(held, queue[0]), queue[1:]
					}
				}
				// Those who came before it were served before it, at most.
				require.LessOrEqual(t, rounds, 6)
				poor.finish(nil)
			})
		})
	}
}

func TestATargetThatWaitsForTheTotalLimitKeepsItsOwnConnections(t *testing.T) {
	story(t, config{MaxPerTarget: 3, MaxTotal: 2}, func(w *world) {
		x, y := w.do("a"), w.do("a")
		s1, s2 := w.wantDial("a").finish(), w.wantDial("a").finish()
		one, two, three := w.do("a"), w.do("a"), w.do("a")
		x.finish(nil)
		one.wantConn(s1)
		y.finish(nil)
		two.wantConn(s2) // and not: closed, to be dialed again for the same target
		one.finish(nil)
		three.wantConn(s1)
		four, five := w.do("a"), w.do("a")
		four.wantWaiting()
		four.givesUp() // who comes after it has come after the target began to wait
		two.finish(nil)
		five.wantConn(s2)
		three.finish(nil)
		five.finish(nil)
		w.wantNoDial()
		st := w.stats("a")
		require.Zero(t, st.ClosedTotal())
	})
}

func TestAFreePlaceGoesToWhoeverCameFirst(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 2}, func(w *world) {
		x, other := w.do("a"), w.do("b")
		w.wantDial("a").finish()
		w.wantDial("b").finish()
		a1, a2 := w.do("a"), w.do("a")
		c := w.do("c")
		x.breaks(errBroken)
		d1 := w.wantDial("a")
		other.finish(nil)
		d2 := w.wantDial("a") // a second one for a, whose caller came before c
		a1.wantConn(d1.finish())
		a2.wantConn(d2.finish())
		a1.finish(nil)
		c.wantConn(w.wantDial("c").finish())
		a2.finish(nil)
		c.finish(nil)
	})
}

// The schedule was found by the simulation. A target's turn used to begin when
// it was noted that it waited, and a's was noted with the end of x, after all
// of b had come: b's caller passed on b's connection to each of them.
func TestALongQueueDoesNotPassWhoCameBeforeIt(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 1}, func(w *world) {
		x, a1 := w.do("a"), w.do("a")
		b1 := w.do("b")
		a2 := w.do("a")
		var queue []*call
		for range 5 {
			queue = append(queue, w.do("b"))
		}
		s := w.wantDial("a").finish()
		x.finish(nil)
		a1.wantConn(s) // from hand to hand: it came before b1
		a1.finish(nil)
		b1.wantConn(w.wantDial("b").finish())
		b1.finish(nil)
		a2.wantConn(w.wantDial("a").finish()) // and only then b's
		a2.finish(nil)
		s = w.wantDial("b").finish()
		for _, b := range queue {
			b.wantConn(s)
			b.finish(nil)
		}
		w.wantNoDial()
	})
}

func TestAClaimLeavesOutThoseWhomADialIsUnderWayFor(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 2}, func(w *world) {
		x, y := w.do("x"), w.do("x")
		w.wantDial("x").finish()
		w.wantDial("x").finish()
		a1, c, a2 := w.do("a"), w.do("c"), w.do("a")
		x.finish(nil)
		d1 := w.wantDial("a")
		y.finish(nil)
		d2 := w.wantDial("c") // and not: a second one for a, whose second caller came after c
		c.wantConn(d2.finish())
		a1.wantConn(d1.finish())
		a1.finish(nil)
		a2.finish(nil)
		c.finish(nil)
	})
}

func TestAClaimIsThatOfTheFirstWhoStillWaits(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 1}, func(w *world) {
		x := w.do("x")
		w.wantDial("x").finish()
		a1, b, a2 := w.do("a"), w.do("b"), w.do("a")
		c := w.do("c")
		a1.givesUp() // what a asks for is now behind b
		x.finish(nil)
		b.wantConn(w.wantDial("b").finish())
		b.finish(nil)
		d := w.wantDial("a")
		a2.givesUp() // and now nobody waits for that dial, but c does for its place
		s := d.finish()
		s.wantClosed()
		c.wantConn(w.wantDial("c").finish())
		c.finish(nil)
	})
}

func TestPlacesGoToTargetsInTheOrderOfTheirCallers(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 2}, func(w *world) {
		keys := []string{"a", "b", "c", "d", "e"}
		for _, key := range keys {
			w.serve(key)
		}
		held := []*call{w.do("a"), w.do("a")}
		var queue []*call
		for i := range 40 {
			queue = append(queue, w.do(keys[i*i%7%len(keys)]))
		}
		for len(held) > 0 {
			held[0].finish(nil)
			held = held[1:]
			for len(queue) > 0 && queue[0].sock != nil {
				held, queue = append(held, queue[0]), queue[1:]
			}
			for _, c := range queue {
				require.Nil(t, c.sock, "it came after one who waits")
			}
		}
		require.Empty(t, queue)
	})
}

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

// Stale connections.

func TestAStaleConnectionIsReplacedOnce(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		s := w.proven("a", 3)
		x := w.do("a")
		x.wantConn(s[2])
		x.breaks(errStale)
		s[2].wantClosed()
		s[1].wantClosed() // what ended one has most likely ended all
		s[0].wantClosed()
		fresh := w.wantDial("a").finish()
		x.wantConn(fresh)
		x.finish(nil)
		x.wantDone(nil, 0)
		require.Equal(t, 2, x.tries)
		st := w.stats("a")
		require.EqualValues(t, 1, st.Retries)
		require.EqualValues(t, 3, st.Closed[pool.ClosedStale])
	})
}

func TestWhoTriesAgainKeepsItsPlaceInTheQueue(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 1}, func(w *world) {
		w.proven("a", 1)
		x := w.do("a")
		second, third := w.do("a"), w.do("a")
		b := w.do("b")
		x.breaks(errStale) // all of them wait, and x came first
		x.wantConn(w.wantDial("a").finish())
		x.finish(nil)
		second.finish(nil)
		third.finish(nil)
		b.wantConn(w.wantDial("b").finish())
		b.finish(nil)
	})
}

func TestAWaiterWhoIsHandedADeadConnectionKeepsItsPlace(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.do("a")
		first, second := w.do("a"), w.do("a")
		s.dies()
		x.finish(nil)
		s.wantClosed()
		first.wantConn(w.wantDial("a").finish())
		first.finish(nil)
		second.finish(nil)
	})
}

func TestTheSecondTryIsTheLast(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		s := w.proven("a", 2)
		y := w.do("a")
		x := w.do("a")
		x.breaks(errStale)
		d := w.wantDial("a")
		y.finish(nil)
		x.wantConn(s[1]) // another proven one, from hand to hand
		x.breaks(errStale)
		x.wantDone(errStale, 0)
		require.Equal(t, 2, x.tries)
		require.EqualValues(t, 1, w.stats("a").Retries)
		d.finish()
	})
}

func TestAFreshConnectionIsNeverReplaced(t *testing.T) {
	story(t, config{}, func(w *world) {
		x := w.do("a")
		w.wantDial("a").finish()
		x.breaks(errStale)
		x.wantDone(errStale, 0)
		w.wantNoDial()
		require.Equal(t, 1, w.closed("a", pool.ClosedBroken))
		require.Zero(t, w.stats("a").Retries)
	})
}

func TestAnotherErrorIsNotTriedAgain(t *testing.T) {
	story(t, config{}, func(w *world) {
		w.proven("a", 1)
		x := w.do("a")
		x.breaks(errBroken)
		x.wantDone(errBroken, 0)
		require.Equal(t, 1, x.tries)
		require.Equal(t, 1, w.closed("a", pool.ClosedBroken))
		w.wantNoDial()
	})
}

func TestADeadIdleConnectionIsFoundAtCheckout(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		s := w.proven("a", 2)
		s[1].dies()
		x := w.do("a")
		x.wantConn(s[0])
		s[1].wantClosed()
		s[0].dies()
		x.finish(nil)
		y := w.do("a")
		s[0].wantClosed()
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
		require.Equal(t, 2, w.closed("a", pool.ClosedStale))
		require.Zero(t, w.stats("a").Retries)
	})
}

func TestAConnectionThatDiedInUseIsNotHandedOn(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		s := w.proven("a", 1)[0]
		x, y := w.do("a"), w.do("a")
		s.dies() // its Err says nothing: the conversation itself went well
		x.finish(nil)
		s.wantClosed()
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
	})
}

// Renewal and age.

func TestRenewEndsTheConnectionsOfNow(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		w.pool.Renew("unknown")
		s := w.proven("a", 2)
		other := w.proven("b", 1)[0]
		x := w.do("a") // uses s[1]
		y := w.do("a") // uses s[0]
		z := w.do("a")
		hanging := w.wantDial("a")
		y.finish(nil) // z's now, the dial will come late
		z.wantConn(s[0])
		z.finish(nil)
		w.renew("a")
		s[0].wantClosed()
		s[1].wantOpen()
		x.wantConn(s[1])
		x.finish(nil)
		s[1].wantClosed()
		hanging.finish().wantClosed() // it was dialed with the old credentials
		other.wantOpen()
		require.Equal(t, 3, w.closed("a", pool.ClosedLifetime))
		v := w.do("a")
		fresh := w.wantDial("a").finish()
		v.finish(nil)
		fresh.wantOpen()
	})
}

func TestRenewDuringADialDialsAgainForItsWaiter(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		x := w.do("a")
		d := w.wantDial("a")
		w.pool.Renew("a")
		d.finish().wantClosed()
		x.wantConn(w.wantDial("a").finish())
		x.finish(nil)
	})
}

func TestIdleConnectionsAreClosedThoughNobodyAsks(t *testing.T) {
	story(t, config{MaxPerTarget: 3, IdleTimeout: 5 * time.Minute}, func(w *world) {
		s := w.proven("a", 2)
		w.advance(3 * time.Minute)
		w.do("a").finish(nil) // s[1]
		w.advance(2*time.Minute - 1)
		s[0].wantOpen()
		w.advance(1)
		s[0].wantClosed()
		s[1].wantOpen()
		w.advance(3 * time.Minute)
		s[1].wantClosed()
		require.Equal(t, 2, w.closed("a", pool.ClosedIdle))
	})
}

func TestAnHourOfSilenceLeavesNothingOpen(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		for i := range 50 {
			w.proven(fmt.Sprint("t", i), 2)
			w.advance(100 * time.Millisecond)
		}
		require.Equal(t, 100, w.pool.Stats().Idle)
		w.advance(time.Hour)
		st := w.pool.Stats()
		require.Zero(t, st.Open())
		require.EqualValues(t, 100, st.Closed[pool.ClosedIdle])
	})
}

func TestConnectionsEndAtTheirAgeButNotTogether(t *testing.T) {
	story(t, config{IdleTimeout: time.Hour, MaxLifetime: 10 * time.Minute}, func(w *world) {
		var socks []*sock
		for i := range 20 {
			socks = append(socks, w.proven(fmt.Sprint("t", i), 1)...)
		}
		w.advance(9*time.Minute - 1)
		for _, s := range socks {
			s.wantOpen()
		}
		var first, last time.Duration
		for at := 9 * time.Minute; at <= 10*time.Minute+time.Second; at += time.Second {
			w.advance(time.Second)
			switch n := w.pool.Stats().Closed[pool.ClosedLifetime]; {
			case n > 0 && first == 0:
				first = at
			case n == 20 && last == 0:
				last = at
			}
		}
		for _, s := range socks {
			s.wantClosed()
		}
		require.Greater(t, last-first, 10*time.Second)
	})
}

func TestAConnectionThatGrowsOldInUseIsClosedWhenItComesBack(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxLifetime: time.Minute}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.do("a")
		y := w.do("a")
		w.advance(time.Minute)
		s.wantOpen()
		x.finish(nil)
		s.wantClosed()
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
		require.Equal(t, 1, w.closed("a", pool.ClosedLifetime))
	})
}

func TestSurplusConnectionsAgeOutUnderSteadyUse(t *testing.T) {
	story(t, config{MaxPerTarget: 5, IdleTimeout: 5 * time.Minute}, func(w *world) {
		w.proven("a", 5)
		for range 6 {
			w.advance(time.Minute)
			w.do("a").finish(nil)
		}
		require.Equal(t, 1, w.stats("a").Idle)
		require.EqualValues(t, 5, w.stats("a").Dials)
	})
}

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

// Figures.

func TestUnusedTargetsAreForgottenAndTheirFiguresKept(t *testing.T) {
	story(t, config{MaxPerTarget: 1, IdleTimeout: time.Minute}, func(w *world) {
		const n = 1024
		// Made without a story's checks: they would take long for so many.
		for i := range n {
			key := fmt.Sprint("t", i)
			w.auto[key] = nil
			if i%2 == 1 {
				w.auto[key] = errDown
			}
			_ = w.pool.Do(context.Background(), key, func(context.Context, *sock) error { return nil })
		}
		w.advance(9*time.Minute + 59*time.Second)
		held := w.do("t0")
		w.serve("new")
		w.once("new")
		require.Len(t, w.pool.Stats().Targets, n+1, "they were used ten minutes ago, not longer")

		before := w.pool.Stats().Counters
		w.advance(10 * time.Minute)
		for i := range n {
			key := fmt.Sprint("u", i)
			w.auto[key] = nil
			_ = w.pool.Do(context.Background(), key, func(context.Context, *sock) error { return nil })
		}
		w.check()
		st := w.pool.Stats()
		require.Less(t, len(st.Targets), n+10)
		require.Equal(t, before.Dials+n, st.Dials)
		require.NotZero(t, w.stats("t0").InUse, "what is in use is not forgotten")
		held.finish(nil)

		var known pool.Counters
		for _, ts := range st.Targets {
			known.Dials += ts.Dials
		}
		require.Less(t, known.Dials, st.Dials, "the sum knows more than the targets that are left")
	})
}

func TestTargetsThatVaryWithEachCheckAreForgottenSooner(t *testing.T) {
	t.Parallel()
	const flood, most = 70_000, 1 << 15
	p, err := pool.New(pool.Config[int, *sock]{
		Dial: func(context.Context, int) (*sock, error) { return nil, errDown },
	})
	require.NoError(t, err)
	for key := range flood {
		err := p.Do(t.Context(), key, func(context.Context, *sock) error { return nil })
		require.ErrorIs(t, err, errDown)
	}
	st := p.Stats()
	require.LessOrEqual(t, len(st.Targets), most)
	require.EqualValues(t, flood, st.DialErrors, "their figures are kept")
	require.NoError(t, p.Close(t.Context()))
}

func TestATargetThatNobodyAsksForAnyMoreIsNoLongerSaidToFail(t *testing.T) {
	story(t, config{IdleTimeout: time.Minute}, func(w *world) {
		w.do("a")
		w.wantDial("a").fail(errDown)
		w.advance(59 * time.Minute)
		require.NotNil(t, w.failing("a"))
		w.advance(time.Minute)
		st := w.pool.Stats()
		require.Empty(t, st.Targets)
		require.EqualValues(t, 1, st.DialErrors, "the sum knows it")

		x := w.do("a")
		x.wantConn(w.wantDial("a").finish())
		require.EqualValues(t, 1, w.stats("a").DialErrors)
	})
}

func TestFiguresAreSortedAndNamed(t *testing.T) {
	story(t, config{MaxTotal: 7}, func(w *world) {
		for _, key := range []string{"c", "a", "b"} {
			w.proven(key, 1)
		}
		w.advance(time.Second)
		w.do("b").finish(nil)
		st := w.pool.Stats()
		require.Equal(t, 2, st.MaxPerTarget)
		require.Equal(t, 7, st.MaxTotal)
		var names []string
		for _, ts := range st.Targets {
			names = append(names, ts.Name)
		}
		require.Equal(t, []string{"a", "b", "c"}, names)
		require.Equal(t, time.Now(), st.Targets[1].LastUsed)
		require.Equal(t, time.Second, time.Since(st.Targets[0].LastUsed))
	})
}

func TestNamingTargetsInFiguresHoldsUpNobody(t *testing.T) {
	t.Parallel()
	var p *pool.Pool[string, *nothing]
	asked := func(string) string { return "" }
	p, err := pool.New(pool.Config[string, *nothing]{
		Dial: func(context.Context, string) (*nothing, error) { return new(nothing), nil },
		Name: func(key string) string { return asked(key) },
	})
	require.NoError(t, err)
	require.NoError(t, p.Do(t.Context(), "a", converse))
	asked = func(key string) string { // with the lock held this would never return
		require.NoError(t, p.Do(t.Context(), key, converse))
		return "name of " + key
	}
	require.Equal(t, "name of a", p.Stats().Targets[0].Name)
	require.NoError(t, p.Close(t.Context()))
}

func TestFailingInFiguresIsACopy(t *testing.T) {
	story(t, config{}, func(w *world) {
		w.refuse("a", errDown)
		w.do("a").wantFailing(errDown, 0)
		w.failing("a").InARow = 99
		require.Equal(t, 1, w.failing("a").InARow)
		require.Equal(t, time.Now(), w.failing("a").At)
		require.Equal(t, errDown, w.failing("a").Err)
	})
}

func TestEveryReasonHasAName(t *testing.T) {
	var names []string
	for _, r := range pool.CloseReasons() {
		names = append(names, r.String())
	}
	require.Equal(t, []string{"idle", "lifetime", "broken", "stale", "evicted", "shutdown"}, names)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	dial := func(context.Context, string) (*sock, error) { return nil, errDown }
	for name, tt := range map[string]struct {
		cfg  config
		want string
	}{
		"no dial":                 {config{}, "pool: Config.Dial is missing"},
		"a negative limit":        {config{Dial: dial, MaxPerTarget: -1}, "pool: a limit or a duration is negative"},
		"a negative total limit":  {config{Dial: dial, MaxTotal: -1}, "pool: a limit or a duration is negative"},
		"a negative idle time":    {config{Dial: dial, IdleTimeout: -1}, "pool: a limit or a duration is negative"},
		"a negative age":          {config{Dial: dial, MaxLifetime: -1}, "pool: a limit or a duration is negative"},
		"a negative dial timeout": {config{Dial: dial, DialTimeout: -1}, "pool: a limit or a duration is negative"},
		"a negative first delay":  {config{Dial: dial, BackoffMin: -1}, "pool: a limit or a duration is negative"},
		"a negative last delay":   {config{Dial: dial, BackoffMax: -1}, "pool: a limit or a duration is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pool.New(tt.cfg)
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestZeroValuesMeanTheDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limit time.Duration
		p, err := pool.New(pool.Config[int, *sock]{Dial: func(ctx context.Context, _ int) (*sock, error) {
			until, _ := ctx.Deadline()
			limit = time.Until(until)
			return nil, errDown
		}})
		require.NoError(t, err)
		require.ErrorIs(t, p.Do(context.Background(), 7, nil), errDown)
		require.Equal(t, 3*time.Second, limit)
		st := p.Stats()
		require.Equal(t, 2, st.MaxPerTarget)
		require.Zero(t, st.MaxTotal)
		require.Equal(t, "target", st.Targets[0].Name)
		require.InDelta(t, 0.95, time.Until(st.Targets[0].Failing.RetryAt).Seconds(), 0.05+1e-9)
		require.NoError(t, p.Close(context.Background()))
	})
}
