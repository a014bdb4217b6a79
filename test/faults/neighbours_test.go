//go:build e2e && linux

package faults

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// Fifty targets that refuse, hang or do not even answer a connect are polled all the time, and a healthy one notices
// nothing. By how much it is slower is measured in bench/.
func TestDeadNeighboursCostTheOthersNothing(t *testing.T) {
	t.Parallel()
	const dead, rounds, pause = 50, 12, 250 * time.Millisecond
	healthy := redis(t, redistest.Config{})
	hole, _ := blackHole(t)
	mute := redistest.NewFake(t, redistest.Script{})
	refusing := ports.FreeAddr(t)
	paused := redis(t, redistest.Config{})
	for name, limit := range map[string]struct {
		total  string
		within time.Duration
	}{
		"places for all": {"20000", time.Second},
		// An idle connection may have to make place for a dial, and its target to wait for another's to end.
		"places for a few of them": {"20", 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var conns []string
			options := []string{"MaxConnectionsTotal=" + limit.total, "Sessions.Healthy.Uri=tcp://" + healthy.Addr}
			for i := range dead {
				addr := []string{hole, mute.Addr, refusing, paused.Addr, "[::1]:1"}[i%5]
				session := fmt.Sprintf("Dead%02d", i) // a target of its own by its database
				options = append(options, fmt.Sprintf("Sessions.%s.Uri=tcp://%s/%d", session, addr, i))
				conns = append(conns, session)
			}
			p := start(t, options...)
			want(t, p, "Healthy", healthy, key(0))
			before := p.Resources(t)
			opened := connections(t, healthy)
			paused.Pause(t)
			t.Cleanup(func() { paused.Resume(t) })

			stop := watch(t, p, "Healthy", healthy, limit.within)
			var polls sync.WaitGroup
			failures := make(chan string, dead*rounds)
			pace := time.NewTicker(pause)
			for range rounds {
				for _, conn := range conns {
					c := p.Ask(2, "redis.server.slowlog.count", conn)
					polls.Go(func() {
						got, err := c.Answer()
						if _, ok := err.(*driver.Refused); !ok || c.TookAwake() > 3*time.Second {
							failures <- fmt.Sprintf("%s after %v: %q, %v", conn, c.Took(), got, err)
						}
					})
				}
				<-pace.C
			}
			pace.Stop()
			polls.Wait()
			stop()
			require.Empty(t, failures)
			paused.Resume(t)

			pool := awaitCalm(t, p, before)
			row := pool.Target(t, "Healthy (")
			require.Zero(t, row.Counters.WaitTimeouts)
			require.Zero(t, row.Counters.FastFails)
			require.Zero(t, row.Counters.Closed.Broken)
			require.Equal(t, 1, row.Up)
			require.LessOrEqual(t, connections(t, healthy)-opened, row.Counters.Closed.Evicted, "no new one but for an evicted one")
			require.LessOrEqual(t, pool.Open, number(t, limit.total))
			if limit.total == "20000" {
				require.Zero(t, row.Counters.Closed.Evicted)
			}
			for _, conn := range conns[:5] {
				require.Equal(t, 0, pool.Target(t, conn+" (").Up, conn)
			}
			// Most of the polls were answered without a try.
			require.Greater(t, pool.Counters.FastFails, dead*rounds/2)
			require.Less(t, pool.Counters.Dials, dead*rounds/2)
		})
	}
}
