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

// A target that has no connection and somebody waiting for one is not forgotten,
// however long that takes: its caller would be served by a target that the pool no
// longer counts, and the next caller by a second one with limits of its own.
func TestATargetThatSomebodyWaitsForIsNotForgotten(t *testing.T) {
	story(t, config{MaxPerTarget: 1, MaxTotal: 1}, func(w *world) {
		held := w.do("a")
		held.wantConn(w.wantDial("a").finish())
		waiter := w.do("b")
		w.advance(time.Hour)
		for i := range 2048 { // more than the pool looks for forgotten ones at
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			err := w.pool.Do(ctx, fmt.Sprint("t", i), nil)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Equal(t, 1, w.stats("b").Waiting)
		second := w.do("b")
		held.finish(nil)
		s := w.wantDial("b").finish()
		waiter.wantConn(s)
		second.wantWaiting()
		waiter.finish(nil)
		second.wantConn(s)
		second.finish(nil)
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
	closeSoon(t, p)
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
	closeSoon(t, p)
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
		closeSoon(t, p)
	})
}
