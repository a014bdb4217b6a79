package self

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/pool"
	"redisjobs/redisclient"
)

func TestPoolShowsTheFiguresByTarget(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-2 * time.Second)
	stats := pool.Stats{
		MaxPerTarget: 2, MaxTotal: 100,
		Gauges:   pool.Gauges{Idle: 1, InUse: 2, Dialing: 3, Waiting: 4},
		Counters: pool.Counters{Dials: 9, Reuses: 100, WaitTime: 1500 * time.Millisecond},
		Targets: []pool.TargetStats{
			{Name: "Prod", Gauges: pool.Gauges{Idle: 1}, LastDial: 2 * time.Millisecond, LastUsed: at},
			{Name: "tcp://10.0.0.9:6379", Failing: &pool.Failure{
				Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")},
				At:  at, InARow: 3, RetryAt: at.Add(time.Hour),
			}},
		},
	}
	stats.Closed[pool.ClosedIdle] = 5
	stats.Closed[pool.ClosedBroken] = 1
	env := &item.Env{Version: "1.2.3", Started: at, Pool: func() pool.Stats { return stats },
		Replies: func() redisclient.BudgetStats {
			return redisclient.BudgetStats{Limit: 64 << 20, Used: 1000, Highest: 5000, Refused: 7}
		}}
	got, err := Pool.Answer(context.Background(), &item.Request{Env: env})
	require.NoError(t, err)
	doc := metrictest.Decode(t, got)

	require.Equal(t, map[string]any{"limit": 67108864.0, "used": 1000.0, "highest": 5000.0, "refused": 7.0}, doc["replies"])
	require.Equal(t, map[string]any{"per_target": 2.0, "total": 100.0}, doc["limits"])
	for name, want := range map[string]float64{"open": 6, "idle": 1, "in_use": 2, "dialing": 3, "waiting": 4} {
		require.Equal(t, want, doc[name], name)
	}
	counters := metrictest.Section(t, doc, "counters")
	require.EqualValues(t, 9, counters["dials"])
	require.EqualValues(t, 1.5, counters["wait_time"])
	require.EqualValues(t, 6, counters["closed_total"])
	require.Equal(t, map[string]any{
		"idle": 5.0, "lifetime": 0.0, "broken": 1.0, "stale": 0.0, "evicted": 0.0, "shutdown": 0.0,
	}, counters["closed"])

	targets := metrictest.Rows(t, doc["targets"])
	require.Len(t, targets, 2)
	require.Equal(t, "Prod", targets[0]["target"])
	require.EqualValues(t, 1, targets[0]["up"])
	require.EqualValues(t, 0.002, targets[0]["last_dial"])
	require.NotContains(t, targets[0], "failing")
	require.NotContains(t, targets[1], "last_used")
	require.EqualValues(t, 0, targets[1]["up"])
	failing := targets[1]["failing"].(map[string]any)
	require.Equal(t, "Cannot query tcp://10.0.0.9:6379: connect: connection refused", failing["error"])
	require.Equal(t, "tcp", failing["reason"])
	require.EqualValues(t, 3, failing["in_a_row"])
	require.InDelta(t, 3600, failing["retry_in"], 60)
	require.InDelta(t, float64(at.Unix()), failing["at"], 1)

	process := metrictest.Section(t, doc, "process")
	require.Equal(t, "1.2.3", process["version"])
	require.InDelta(t, 2, process["uptime"], 30)
	require.Greater(t, process["rss"], 1e6)
	require.Greater(t, process["heap"], 1e4)
	require.Equal(t, map[string]any{}, doc["truncated"])
}

func TestPoolListsNoMoreThanAThousandTargets(t *testing.T) {
	t.Parallel()
	var stats pool.Stats
	for i := range ask.MaxRows + 7 {
		stats.Targets = append(stats.Targets, pool.TargetStats{Name: fmt.Sprintf("t%04d", i)})
	}
	got, err := Pool.Answer(context.Background(), &item.Request{Env: &item.Env{Pool: func() pool.Stats { return stats }}})
	require.NoError(t, err)
	doc := metrictest.Decode(t, got)
	require.Len(t, doc["targets"], ask.MaxRows)
	require.Equal(t, map[string]any{"targets": 7.0}, doc["truncated"])
	require.NotContains(t, metrictest.Section(t, doc, "limits"), "total")
	require.Less(t, len(got), 1<<20, "an answer stays under the plugin's default limit")
	require.Equal(t, 1, strings.Count(got, `"t0000"`))
}
