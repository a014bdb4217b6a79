package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// The ways in which pools of Redis clients have failed their users, as far as
// a pool with a fake connection can show them. Each names what other clients
// paid for it.

// A caller that is cancelled between its command and the reply leaves a
// connection on which the next caller would read somebody else's answer
// (redis-py issues 2624, 2665).
func TestStory01_ShiftedReplyAfterCancel(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.doWithin("a", 200*time.Millisecond)
		x.wantConn(s)
		y := w.do("a")
		w.advance(100 * time.Millisecond)
		x.cancel()
		x.breaks(context.Canceled) // the connection sees the cancel and says so
		x.wantDone(context.Canceled, 100*time.Millisecond)
		s.wantClosed()
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
		y.wantDone(nil, 100*time.Millisecond)
		require.Equal(t, 1, w.closed("a", pool.ClosedBroken))
		require.Zero(t, w.stats("a").Retries)
	})
}

// The reply comes 10 ms after the deadline and would answer the next command
// (go-redis issue 1113, redis-rs issue 1252). Through TLS no peek can see it:
// the broken connection must be gone by its Err alone, and surplus bytes that
// can be seen speak against an idle one.
func TestStory02_LateReplyAfterTimeout(t *testing.T) {
	story(t, config{}, func(w *world) {
		s := w.proven("a", 1)[0]
		x := w.doWithin("a", 100*time.Millisecond)
		w.advance(100 * time.Millisecond)
		x.breaks(context.DeadlineExceeded)
		s.wantClosed()
		w.advance(10 * time.Millisecond)
		y := w.do("a")
		fresh := w.wantDial("a").finish()
		y.wantConn(fresh)
		y.finish(nil)
		require.Equal(t, 1, w.closed("a", pool.ClosedBroken))

		fresh.dies() // an unread byte came
		z := w.do("a")
		fresh.wantClosed()
		z.wantConn(w.wantDial("a").finish())
		z.finish(nil)
	})
}

// A cancel in any phase must not cost a place (redis-py issue 2792).
func TestStory03_PlacesSurviveCancelInEveryPhase(t *testing.T) {
	phases := map[string]func(w *world){
		"waiting": func(w *world) {
			held := []*call{w.do("a"), w.do("a"), w.do("a")}
			for range 3 {
				d := w.wantDial("a")
				if !d.ended {
					d.finish()
				}
			}
			x := w.do("a")
			x.givesUp()
			x.wantWaitError(0)
			for _, c := range held {
				c.breaks(errBroken)
			}
		},
		"dialing": func(w *world) {
			x := w.do("a")
			d := w.wantDial("a")
			x.givesUp()
			x.wantWaitError(0)
			s := d.finish()
			y := w.do("a")
			y.wantConn(s)
			y.breaks(errBroken)
		},
		"a dial that then fails": func(w *world) {
			x := w.do("a")
			d := w.wantDial("a")
			x.givesUp()
			d.fail(errDown)
			w.advance(time.Minute) // no backoff into the next round
		},
		"the handshake": func(w *world) {
			x := w.do("a")
			w.wantDial("a").finish()
			x.cancel()
			x.breaks(context.Canceled)
			x.wantDone(context.Canceled, 0)
		},
		"a conversation": func(w *world) {
			w.proven("a", 1)
			x := w.do("a")
			x.cancel()
			x.breaks(context.Canceled)
			x.wantDone(context.Canceled, 0)
		},
		"a second try": func(w *world) {
			w.proven("a", 1)
			x := w.do("a")
			x.breaks(errStale)
			d := w.wantDial("a")
			x.givesUp()
			x.wantWaitError(0)
			d.finish()
			w.do("a").breaks(errBroken)
		},
	}
	for name, phase := range phases {
		t.Run(name, func(t *testing.T) {
			story(t, config{MaxPerTarget: 3}, func(w *world) {
				for range 200 {
					phase(w)
					require.Zero(t, w.stats("a").Open())
				}
				w.proven("a", 3)
			})
		})
	}
}

// A port that is closed for 50 checks and then opens: prefect 22478, go-redis
// issue 3289. Nothing leaks and no restart is needed.
func TestStory04_DialFailuresLeakNothing(t *testing.T) {
	story(t, config{MaxPerTarget: 2, BackoffMax: 10 * time.Second}, func(w *world) {
		w.refuse("a", errDown)
		for range 50 {
			w.do("a").wantFailing(errDown, 0)
			require.Zero(t, w.pool.Stats().Open())
			w.advance(5 * time.Second)
		}
		require.Less(t, w.stats("a").Dials, uint64(35), "one dial per backoff")
		w.serve("a")
		w.advance(5 * time.Second) // with the last one, the longest backoff
		w.once("a")
		require.Nil(t, w.failing("a"))
	})
}

// "Connection pool timeout" says nothing of the cause (redis-py issue 2517,
// go-redis issue 2996).
func TestStory05_FullPoolEndsAtTheDeadlineAndSaysWhy(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		x, y := w.do("a"), w.do("a")
		w.wantDial("a").finish()
		w.wantDial("a").finish()
		z := w.doWithin("a", 300*time.Millisecond)
		w.advance(time.Second)
		err := z.wantWaitError(300 * time.Millisecond)
		require.EqualError(t, err, "no connection to a became free within 300ms: "+
			"limit 2 for this target, 2 in use, 0 being dialed, 0 others waiting")
		w.wantNoDial()
		x.finish(nil)
		y.finish(nil)
	})
}

// A release at the very moment of the first waiter's deadline: the connection
// goes to that waiter, to the next one or to the idle stack, exactly once.
func TestStory06_HandOverAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, config{MaxPerTarget: 1})
		w.serve("a")
		hold := func(took *bool, until func()) func(context.Context, *sock) error {
			return func(_ context.Context, s *sock) error {
				s.w.mu.Lock()
				free := s.holder == nil && !s.closed
				s.holder = &call{}
				s.w.mu.Unlock()
				if !free {
					t.Error("lent twice, or closed")
				}
				if took != nil {
					*took = true
				}
				if until != nil {
					time.Sleep(10 * time.Millisecond)
				}
				s.w.mu.Lock()
				s.holder = nil
				s.w.mu.Unlock()
				if until != nil {
					until()
				}
				return nil
			}
		}
		const deadline = 10 * time.Millisecond
		served, gaveUp := 0, 0
		for i := range 10_000 {
			errs := make(chan error, 3)
			do := func(ctx context.Context, fn func(context.Context, *sock) error) {
				go func() { errs <- w.pool.Do(ctx, "a", fn) }()
				synctest.Wait()
			}
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			var first, second bool
			// Half of the rounds leave the order to the two timers; in the others
			// the cancel wins, and the connection is delivered all the same.
			last := func() {}
			if i/2%2 == 0 {
				last = cancel
			}
			do(context.Background(), hold(nil, last))
			do(ctx, hold(&first, nil))
			next := i%2 == 0
			if next {
				do(context.Background(), hold(&second, nil))
			}
			time.Sleep(2 * deadline)
			synctest.Wait()
			cancel()
			if next {
				require.True(t, second, "round %d: the wake-up was lost", i)
			}
			failed := 0
			require.Len(t, errs, map[bool]int{true: 3, false: 2}[next])
			for len(errs) > 0 {
				if err := <-errs; err != nil {
					var wait *pool.WaitError
					require.ErrorAs(t, err, &wait)
					failed++
				}
			}
			if first {
				served++
			} else {
				gaveUp++
			}
			require.Equal(t, !first, failed == 1)
			require.Equal(t, pool.Gauges{Idle: 1}, w.pool.Stats().Gauges)
		}
		t.Logf("served %d, gave up %d", served, gaveUp)
		require.EqualValues(t, 1, w.pool.Stats().Dials)
		w.end()
	})
}

// The same race with a dial that fails: the caller is told one thing or the
// other, once.
func TestStory06_FailureAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var giveUp context.CancelFunc
		p, err := pool.New(config{BackoffMax: time.Second, Dial: func(context.Context, string) (*sock, error) {
			time.Sleep(time.Millisecond)
			giveUp()
			return nil, errDown
		}})
		require.NoError(t, err)
		for range 1000 {
			ctx, cancel := context.WithCancel(context.Background())
			giveUp = cancel
			err := p.Do(ctx, "a", nil)
			cancel()
			var wait *pool.WaitError
			if !errors.As(err, &wait) {
				require.ErrorIs(t, err, errDown)
			}
			time.Sleep(time.Second)
			require.Zero(t, p.Stats().Gauges)
		}
		require.EqualValues(t, 1000, p.Stats().DialErrors)
	})
}

// The server has closed idle connections (redis-py issue 306): one redial at
// most and no error for the user, whether it is seen before or in use.
func TestStory07_DeadIdleConnection(t *testing.T) {
	story(t, config{}, func(w *world) {
		for _, s := range w.proven("a", 2) {
			s.dies()
		}
		x := w.do("a")
		x.wantConn(w.wantDial("a").finish())
		x.finish(nil)
		x.wantDone(nil, 0)
		require.Equal(t, 2, w.closed("a", pool.ClosedStale))

		y := w.do("a") // this one ends unseen, between the check and the use
		y.breaks(errStale)
		y.wantConn(w.wantDial("a").finish())
		y.finish(nil)
		y.wantDone(nil, 0)
		w.wantNoDial()
		require.EqualValues(t, 1, w.stats("a").Retries)
	})
}

// A host that swallows everything must not hold callers beyond their deadlines
// and must serve again soon after it is back (lettuce issue 2082: 15 minutes).
func TestStory08_BlackHole(t *testing.T) {
	story(t, config{MaxPerTarget: 2, DialTimeout: 3 * time.Second, BackoffMax: 10 * time.Second}, func(w *world) {
		w.proven("a", 2)
		for range 2 {
			x := w.doWithin("a", time.Second)
			s := x.sock
			w.advance(time.Second)
			x.breaks(context.DeadlineExceeded)
			x.wantDone(context.DeadlineExceeded, time.Second)
			s.wantClosed()
		}
		for range 60 { // a minute of dials that get no answer
			x := w.doWithin("a", 900*time.Millisecond)
			w.advance(time.Second)
			require.Equal(t, 1, x.returned)
			require.Error(t, x.err)
			require.LessOrEqual(t, x.ended.Sub(x.began), 900*time.Millisecond)
		}
		require.LessOrEqual(t, w.stats("a").Dials, uint64(2+10))
		w.serve("a")
		w.advance(13 * time.Second) // the last dial's limit and the longest backoff
		w.once("a")
		require.Nil(t, w.failing("a"))
	})
}

// A name that has moved: within one lifetime all connections are new ones,
// however busy they are (redis-py issue 460, go-redis issue 790).
func TestStory09_RoleChangeBehindOneName(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxLifetime: 10 * time.Minute}, func(w *world) {
		old := w.proven("a", 2)
		w.serve("a")
		for range 60 {
			w.advance(10 * time.Second)
			x, y := w.do("a"), w.do("a")
			x.finish(nil)
			y.finish(nil)
		}
		for _, s := range old {
			s.wantClosed()
		}
		require.Equal(t, 2, w.closed("a", pool.ClosedLifetime))
	})
}

// A changed password: no storm of logins, a clear cause, recovery once the
// setting is right, and old connections are not mixed with new ones.
func TestStory10_CredentialsRotate(t *testing.T) {
	story(t, config{MaxPerTarget: 2, BackoffMin: time.Second, BackoffMax: 10 * time.Second}, func(w *world) {
		old := w.proven("a", 2)
		w.serve("a")
		w.do("a").breaks(errStale) // the clients were killed: a second try, refused
		w.calls[len(w.calls)-1].breaks(errRefused)
		w.calls[len(w.calls)-1].wantDone(errRefused, 0)
		for _, s := range old {
			s.wantClosed()
		}
		for range 300 { // 30 s with ten checks a second
			x := w.do("a")
			if x.sock != nil {
				x.breaks(errRefused)
			}
			require.ErrorIs(t, x.err, errRefused)
			w.advance(100 * time.Millisecond)
		}
		require.LessOrEqual(t, w.stats("a").Refusals, uint64(7)) // after 1, 2, 4, 8, 10 s
		w.advance(10 * time.Second)
		w.once("a")

		// Changed while the clients live: Renew, and none of them serves again.
		x, y := w.do("a"), w.do("a")
		kept := []*sock{x.sock, y.sock}
		x.finish(nil)
		w.renew("a")
		kept[0].wantClosed()
		y.finish(nil)
		kept[1].wantClosed()
		require.NotContains(t, kept, w.once("a"))
	})
}

// "max number of clients reached" frees the place, backs off and recovers.
func TestStory11_ServerFull(t *testing.T) {
	story(t, config{MaxPerTarget: 2}, func(w *world) {
		w.serve("a")
		x := w.do("a")
		x.breaks(errRefused)
		x.wantDone(errRefused, 0)
		require.Zero(t, w.stats("a").Open())
		for range 5 {
			w.do("a").wantFailing(errRefused, 0)
		}
		require.EqualValues(t, 1, w.stats("a").Dials)
		w.advance(time.Second)
		w.once("a")
		require.Nil(t, w.failing("a"))
	})
}

// A server that sleeps for ten seconds under 20 checks a second: bounded, each
// caller told in time, the neighbour unharmed, no stampede afterwards (go-redis
// issue 1002).
func TestStory12_SlowServer(t *testing.T) {
	story(t, config{MaxPerTarget: 2, MaxTotal: 4}, func(w *world) {
		w.proven("slow", 2)
		w.serve("b")
		held := []*call{w.do("slow"), w.do("slow")}
		var queue []*call
		for range 200 {
			queue = append(queue, w.doWithin("slow", time.Second))
			c := w.do("b")
			c.finish(nil)
			c.wantDone(nil, 0)
			w.advance(50 * time.Millisecond)
			require.LessOrEqual(t, w.stats("slow").Waiting, 20)
		}
		for _, c := range held {
			c.finish(nil)
		}
		for _, c := range queue {
			if c.sock != nil {
				c.finish(nil)
			}
			if c.returned == 0 {
				c.finish(nil)
			}
			if c.err != nil {
				c.wantWaitError(time.Second)
			}
		}
		require.EqualValues(t, 2, w.stats("slow").Dials)
		require.EqualValues(t, 1, w.stats("b").Dials)
	})
}

// 50 checks at once on a cold pool, each with less time than a dial takes: few
// dials, and none is thrown away with its caller (go-redis issue 3497, redis-py
// issue 3800).
func TestStory13_ColdStartBurst(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		var calls []*call
		for range 50 {
			calls = append(calls, w.doWithin("a", 300*time.Millisecond))
		}
		dials := []*dial{w.wantDial("a"), w.wantDial("a"), w.wantDial("a")}
		w.wantNoDial()
		w.advance(400 * time.Millisecond)
		for _, c := range calls {
			c.wantWaitError(300 * time.Millisecond)
		}
		for _, d := range dials {
			d.finish()
		}
		for range 50 {
			w.once("a")
		}
		require.EqualValues(t, 3, w.stats("a").Dials)

		calls = nil
		for range 50 {
			calls = append(calls, w.do("b"))
		}
		w.advance(time.Millisecond)
		for range 3 {
			w.wantDial("b").fail(errDown)
		}
		for _, c := range calls {
			c.wantFailing(errDown, time.Millisecond)
		}
		w.wantNoDial()
	})
}

// Whatever odd thing a server says, the connection that saw it is gone and the
// next caller starts on a new one (go-redis issue 267).
func TestStory14_HostileReply(t *testing.T) {
	story(t, config{MaxPerTarget: 1}, func(w *world) {
		w.serve("a")
		var before *sock
		for i := range 20 {
			odd := fmt.Errorf("protocol error %d", i)
			x := w.do("a")
			require.NotSame(t, before, x.sock)
			before = x.sock
			if i%2 == 0 {
				x.finish(nil) // the odd reply may also come on a proven one
				x = w.do("a")
				x.wantConn(before)
			}
			x.breaks(odd)
			x.wantDone(odd, 0)
			before.wantClosed()
		}
		require.Equal(t, 20, w.closed("a", pool.ClosedBroken))
		require.Nil(t, w.failing("a"))
	})
}

// Stop with 2 in use, 3 waiting and 1 being dialed.
func TestStory15_StopAndReload(t *testing.T) {
	story(t, config{MaxPerTarget: 3}, func(w *world) {
		w.deaf = true
		x, y := w.do("a"), w.do("a")
		s1, s2 := w.wantDial("a").finish(), w.wantDial("a").finish()
		waiters := []*call{w.do("a"), w.do("a"), w.do("a")}
		late := w.wantDial("a")
		w.advance(time.Second)

		stop := w.close(5 * time.Second)
		for _, c := range waiters {
			c.wantDone(pool.ErrClosed, time.Second)
		}
		x.finish(nil)
		s1.wantClosed()
		late.finish().wantClosed()
		w.forced = true
		w.advance(5 * time.Second)
		s2.wantClosed()
		require.ErrorContains(t, stop.err, "1 connections were still in use")
		y.wantDone(errOver, 6*time.Second)
		w.close(0).wantDone()
		w.do("a").wantDone(pool.ErrClosed, 0)
		w.wantNoDial()
	})
}

// A pool that has grown in a burst shrinks again (redis-py issue 1406).
func TestStorySpare_IdleShrinkAfterABurst(t *testing.T) {
	story(t, config{MaxPerTarget: 20, IdleTimeout: 5 * time.Minute}, func(w *world) {
		w.serve("a")
		var burst []*call
		for range 20 {
			burst = append(burst, w.do("a"))
		}
		for _, c := range burst {
			c.finish(nil)
		}
		require.Equal(t, 20, w.stats("a").Idle)
		for range 30 {
			w.advance(10 * time.Second)
			w.once("a")
		}
		w.advance(time.Second)
		require.Equal(t, 1, w.stats("a").Idle)
	})
}

// A name server that hangs while one target is resolved holds up that target
// only, until the dial's own limit.
func TestStorySpare_DialThatHangsForALongTime(t *testing.T) {
	story(t, config{MaxPerTarget: 1, DialTimeout: 3 * time.Second}, func(w *world) {
		w.serve("b")
		x := w.do("a")
		for range 30 {
			w.once("b")
			w.advance(100 * time.Millisecond)
		}
		x.wantFailing(context.DeadlineExceeded, 3*time.Second)
		require.EqualValues(t, 1, w.stats("b").Dials)
	})
}

// The wall clock may jump: every time the pool compares is one that time.Now
// gave, which carries the monotonic reading.
func TestStorySpare_TimesAreMonotonic(t *testing.T) {
	down := errors.New("down")
	p, err := pool.New(config{Dial: func(context.Context, string) (*sock, error) { return nil, down }})
	require.NoError(t, err)
	require.ErrorIs(t, p.Do(context.Background(), "a", nil), down)
	f := p.Stats().Targets[0].Failing
	for _, at := range []time.Time{f.At, f.RetryAt, p.Stats().Targets[0].LastUsed} {
		require.Contains(t, at.String(), " m=")
	}
	closeSoon(t, p)
}
