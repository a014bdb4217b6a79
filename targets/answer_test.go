package targets

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
)

func TestParametersAreBounded(t *testing.T) {
	t.Parallel()
	rt, _ := reached(t, "127.0.0.1:1")
	for _, metric := range metrics.All() {
		for i, p := range metric.Params {
			params := make([]string, i+1)
			params[i] = strings.Repeat("é", maxParam+1)
			err := rt.Collect(t.Context(), metric, params, jsondoc.New(0))
			require.ErrorContains(t, err, p.Name, metric.Key)
			require.ErrorContains(t, err, "has 2049 characters, more than the 2048 of an item key", metric.Key)
			require.Less(t, len(err.Error()), 200)
		}
	}
	metric, ok := metrics.Lookup("redis.server.ping")
	require.True(t, ok)
	err := rt.Collect(t.Context(), metric, []string{"", strings.Repeat("é", maxParam)}, jsondoc.New(0))
	require.NotContains(t, errText(err), "characters", "as long as it may be")
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
