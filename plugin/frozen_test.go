package plugin

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestAFrozenServerLeavesRoomForTheOthers: an agent before 7.0 has 100 checks
// under way at most, and sends the next one when one is answered. 150 items of a
// server that hangs must not keep those of another one from being sent. What
// makes this a test without a clock: the healthy ones are all answered while the
// checks that wait for the frozen server still do.
func TestAFrozenServerLeavesRoomForTheOthers(t *testing.T) {
	t.Parallel()
	const atOnce, items, waiting = 100, 150, 32
	frozen, healthy := redistest.Start(t, redistest.Config{}), redistest.Start(t, redistest.Config{})
	a := startAgent(t, Server{})
	a.configure(options("Timeout=30"))
	<-a.logs
	for _, s := range []*redistest.Server{frozen, healthy} {
		require.Equal(t, "1", a.export(0, "redis.server.ping", "tcp://"+s.Addr).Value)
	}
	frozen.Pause(t)
	defer frozen.Resume(t)

	type check struct {
		healthy bool
		addr    string
	}
	var queue []check
	for i := range items {
		queue = append(queue, check{false, frozen.Addr})
		if i%3 == 0 {
			queue = append(queue, check{true, healthy.Addr})
		}
	}
	sent := map[uint32]check{}
	send := func() {
		if len(queue) > 0 {
			id := a.ask(0, "redis.key.length", "tcp://"+queue[0].addr, "", "", fmt.Sprint("k", len(queue)))
			sent[id], queue = queue[0], queue[1:]
		}
	}
	for range atOnce {
		send()
	}
	answered, refused := 0, 0
	for answered < items/3 {
		f := <-a.frames
		if sent[f.Id].healthy {
			require.Contains(t, string(f.body), `"value":"0"`)
			answered++
		} else {
			require.Contains(t, string(f.body), "checks wait for it already (option Plugins.RedisJobs.MaxWaiting)")
			refused++
		}
		send()
	}
	require.LessOrEqual(t, refused, items-waiting, "as many as may wait do")
}
