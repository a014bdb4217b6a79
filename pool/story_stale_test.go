package pool_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

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

// noted is a connection that notes when it is closed.
type noted struct{ close func() }

func (n *noted) Alive() error { return nil }
func (n *noted) Err() error   { return nil }
func (n *noted) Close() error { n.close(); return nil }

// Looking at every idle connection for each that ends would cost a large pool its
// processor when many were left one after the other.
func TestManyThatEndOneAfterTheOtherAreClosedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, apart, idle = 500, 10 * time.Millisecond, time.Minute
		closed := make(chan time.Time, n)
		p, err := pool.New(pool.Config[int, *noted]{
			IdleTimeout: idle,
			Dial: func(context.Context, int) (*noted, error) {
				return &noted{func() { closed <- time.Now() }}, nil
			},
		})
		require.NoError(t, err)
		left := make([]time.Time, n)
		for key := range n {
			require.NoError(t, p.Do(t.Context(), key, func(context.Context, *noted) error { return nil }))
			left[key] = time.Now()
			time.Sleep(apart)
		}
		time.Sleep(2 * idle)
		synctest.Wait()
		require.Len(t, closed, n)
		moments := map[time.Time]bool{}
		for key := range n { // the oldest is closed first
			at := <-closed
			require.GreaterOrEqual(t, at.Sub(left[key]), idle)
			require.LessOrEqual(t, at.Sub(left[key]), idle+time.Second)
			moments[at] = true
		}
		require.LessOrEqual(t, len(moments), 1+int(n*apart/time.Second)+1)
		closeSoon(t, p)
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
