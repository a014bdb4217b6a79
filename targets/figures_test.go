package targets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/pool"
)

// TestWhatWaitsBeforeThePoolIsAddedToItsFigures, to each target's and to those of
// all.
func TestWhatWaitsBeforeThePoolIsAddedToItsFigures(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	rt := runtimeWith(t, func(*conf.Options) {})
	waited := []waits{
		{count: 3, time: 2 * time.Second, timeouts: 1},
		{count: 40, time: 30 * time.Second, timeouts: 20},
		{},
	}
	byName := make(map[string]waits)
	for i, w := range waited {
		target := rt.targetAt(t, "tcp://"+s.Addr+"/"+string(rune('0'+i)))
		require.Equal(t, []string{"PONG"}, texts(t, target, cmd("PING")))
		target.batch.mu.Lock()
		target.batch.waits = w
		for range i {
			target.batch.queue = append(target.batch.queue, &call{asking: 2}, &call{asking: 3})
		}
		target.batch.mu.Unlock()
		w.waiting = 5 * i
		byName[target.public.Name] = w
	}
	pools := rt.pool.Stats()
	own := make(map[string]pool.Counters)
	for _, of := range pools.Targets {
		own[of.Name] = of.Counters
	}
	stats := rt.stats()
	require.Len(t, stats.Targets, 3)
	added := func(g pool.Gauges, c, own pool.Counters) waits {
		return waits{g.Waiting, c.Waits - own.Waits, c.WaitTime - own.WaitTime, c.WaitTimeouts - own.WaitTimeouts}
	}
	for _, of := range stats.Targets {
		w := byName[of.Name]
		if w.count == 0 {
			w.waiting = 0 // nobody waits where nobody has begun to
		}
		require.Equal(t, w, added(of.Gauges, of.Counters, own[of.Name]), of.Name)
	}
	require.Equal(t, waits{5, 43, 32 * time.Second, 21}, added(stats.Gauges, stats.Counters, pools.Counters))
}
