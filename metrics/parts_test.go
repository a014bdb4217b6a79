package metrics

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/clients"
	"redisjobs/metrics/item"
	"redisjobs/metrics/slow"
	"redisjobs/redisclient"
)

// TestAServerOfWhichNothingMayBeAskedIsStillWatched: all that the item asks is refused and remembered, so that nothing
// of it is sent; whether the server lives is found out all the same.
func TestAServerOfWhichNothingMayBeAskedIsStillWatched(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"zabbix on nopass -@all +ping +client|setname"}})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
	collect := func(m *item.Metric, limit time.Duration) map[string]any {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		args, err := m.ParseArgs(nil)
		require.NoError(t, err)
		value, err := m.Answer(ctx, &item.Request{Target: target, Args: args, Env: &item.Env{}})
		require.NoError(t, err)
		return metrictest.Decode(t, value)
	}
	var first string
	for poll := range 3 {
		for _, m := range []*item.Metric{clients.Get, slow.Latency} {
			doc := collect(m, time.Minute)
			require.Equal(t, 1.0, doc["up"], m.Key)
			require.NotEmpty(t, doc["unavailable"], m.Key)
		}
		if poll == 0 {
			first = s.InfoField(t, "errorstats", "errorstat_NOPERM")
		}
	}
	require.Equal(t, first, s.InfoField(t, "errorstats", "errorstat_NOPERM"), "each command once")
	s.Pause(t)
	doc := collect(clients.Get, 200*time.Millisecond)
	require.Equal(t, 0.0, doc["up"])
	require.Equal(t, "timeout", doc["reason"])
}
