package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

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
