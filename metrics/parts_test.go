package metrics

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestAServerOfWhichNothingMayBeAskedIsStillWatched: all that the item asks is refused and remembered, so that nothing
// of it is sent; whether the server lives is found out all the same.
func TestAServerOfWhichNothingMayBeAskedIsStillWatched(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"zabbix on nopass -@all +ping +client|setname"}})
	target, _ := dialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
	collect := func(m *Metric, limit time.Duration) map[string]any {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		args, err := m.ParseArgs(nil)
		require.NoError(t, err)
		value, err := m.Collect(ctx, &Request{Target: target, Args: args, Env: &Env{}})
		require.NoError(t, err)
		return decode(t, value)
	}
	var first string
	for poll := range 3 {
		for _, m := range []*Metric{clientsGetMetric, latencyGetMetric} {
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
	doc := collect(clientsGetMetric, 200*time.Millisecond)
	require.Equal(t, 0.0, doc["up"])
	require.Equal(t, "timeout", doc["reason"])
}
