package slow

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

func TestTheSlowestAndItsPercentiles(t *testing.T) {
	t.Parallel()
	var entries []ask.SlowEntry
	for i := range 20 {
		entries = append(entries, ask.SlowEntry{ID: int64(i), Micros: int64((i*7)%20+1) * 1000, Command: "get"})
	}
	entries = append(entries, ask.SlowEntry{ID: 20, Micros: 20000, Command: "hgetall"})
	require.EqualValues(t, 20, slowest(entries).ID, "the newest of two")
	require.Nil(t, slowest(nil))
	sums := sumByCommand(entries)
	require.Equal(t, []string{"get", "hgetall"}, []string{sums[0].command, sums[1].command})
	for percent, want := range map[int]int64{50: 10000, 95: 19000, 100: 20000, 1: 1000} {
		require.Equal(t, want, sums[0].percentile(percent), strconv.Itoa(percent))
		require.EqualValues(t, 20000, sums[1].percentile(percent))
	}
}

// TestTheSlowestOfRealServers makes a command slow, by a client with a name.
func TestTheSlowestOfRealServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--slowlog-log-slower-than", "0"}})
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			metrictest.Must(metrictest.CollectFrom(t, Log, target))
			s.Do(t, "CLIENT", "SETNAME", "worker")
			for range 3 {
				s.Do(t, "EVAL", "for i = 1, 1000000 do end; return 1", "1", "cart:7", "secret")
			}
			s.Do(t, "SET", "other", "secret")
			wire.Calls = 0
			text, err := metrictest.CollectFrom(t, Log, target)
			require.NoError(t, err)
			require.Equal(t, 1, wire.Calls)
			require.NotContains(t, text, "secret")
			doc := metrictest.Decode(t, text)
			got := metrictest.Section(t, doc, "slowest")
			require.Equal(t, []any{"eval", "cart:7", "worker"}, []any{got["command"], got["key"], got["client_name"]})
			require.Contains(t, got["client"], "127.0.0.1:")
			sum := metrictest.Row(t, doc["commands"], "command", "eval")
			require.Equal(t, 3.0, sum["count"])
			require.Equal(t, got["duration"], sum["max"])
			require.Equal(t, sum["p95"], sum["max"])
			require.Less(t, sum["median"].(float64)*2, sum["total"])
		})
	}
}
