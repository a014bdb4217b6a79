//go:build !windows

package targets

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/jsondoc"

	"redisjobs/metrics"
)

// Not parallel: the limit is the whole process's.
func TestMoreTargetsThanFilesAreServedInTurn(t *testing.T) {
	const targets, files = 150, 100
	s := redistest.Start(t, redistest.Config{Args: []string{"--databases", fmt.Sprint(targets)}})
	options, err := conf.Decode(nil, conf.Global{Timeout: 3})
	require.NoError(t, err)

	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	lower := before
	lower.Cur = files
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) }()

	rt, err := New(options)
	require.NoError(t, err)
	defer rt.Close(time.Second)
	ping, ok := metrics.Lookup("redis.server.ping")
	require.True(t, ok)
	for range 2 {
		for db := range targets {
			w := jsondoc.New(0)
			err := rt.Collect(t.Context(), ping, []string{fmt.Sprintf("tcp://%s/%d", s.Addr, db)}, w)
			require.NoError(t, err)
			require.Equal(t, "1", w.Document(), "database %d", db)
		}
	}
	stats := rt.stats()
	require.Equal(t, files-16, stats.MaxTotal)
	require.LessOrEqual(t, stats.Open(), files-16)
	require.Zero(t, stats.DialErrors)
}

func TestTheLimitOfFilesLeavesRoom(t *testing.T) {
	for _, c := range []struct {
		configured int
		files      uint64
		want       int
	}{
		{20000, 0, 20000},
		{20000, 1 << 20, 20000},
		{20000, math.MaxUint64, 20000},
		{20000, 1024, 896},
		{100, 1024, 100},
		{20000, 64, 48},
		{20000, 16, 1},
		{20000, 3, 1},
	} {
		require.Equal(t, c.want, maxConnections(c.configured, c.files), "%d of %d files", c.configured, c.files)
	}
	require.Equal(t, "100 in all", SayConnections(100, 1024))
	require.Equal(t, "896 in all (not 20000: the process may have 1024 files open, see LimitNOFILE of the agent's service)",
		SayConnections(20000, 1024))
}
