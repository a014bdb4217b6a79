package targets

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestChecksThatWaitBeforeThePoolAreInItsFigures: a server that is slower than
// it is asked shows in redis.pool.get, wherever its checks wait.
func TestChecksThatWaitBeforeThePoolAreInItsFigures(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	options, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	options.MaxConnections = 1
	rt, err := New(options)
	require.NoError(t, err)
	defer rt.Close(time.Second)
	target, err := options.Resolve(conf.Ref{Conn: "tcp://" + s.Addr})
	require.NoError(t, err)
	b := &rt.target(target).batch

	var checks sync.WaitGroup
	ask := func(cmd ...string) {
		checks.Go(func() { _, _ = b.DoAll(t.Context(), redisclient.Command(cmd)) })
	}
	ask("DEBUG", "SLEEP", "0.3")
	for b.figures().waiting < 3 { // the first may still be on its way
		ask("PING")
		time.Sleep(time.Millisecond)
	}
	stats := rt.stats()
	require.GreaterOrEqual(t, stats.Waiting, 3)
	require.Len(t, stats.Targets, 1)
	require.Equal(t, stats.Waiting, stats.Targets[0].Waiting)
	checks.Wait()
	stats = rt.stats()
	require.Zero(t, stats.Waiting)
	require.GreaterOrEqual(t, stats.Waits, uint64(3))
	require.Equal(t, stats.Waits, stats.Targets[0].Waits)
	require.Positive(t, stats.Targets[0].WaitTime)
	require.Zero(t, stats.WaitTimeouts)
}
