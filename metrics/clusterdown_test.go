package metrics

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// TestAClusterThatIsDownIsDown: a node of a cluster without all its slots answers
// PING and INFO, and refuses every key. What reads keys says so.
func TestAClusterThatIsDownIsDown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{ClusterBus: true, Args: []string{"--cluster-enabled", "yes"}})
	require.Equal(t, "cluster_state:fail", firstLine(s.Do(t, "CLUSTER", "INFO")))
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for key, params := range map[string][]string{
		"redis.key.get": {"k"}, "redis.stream.get": {"k"}, "job.get": nil, "job.queue.get": {"sidekiq", "default"},
		"storm.job.get": {"k"}, "storm.jobs.get": nil,
	} {
		m, ok := Lookup(key)
		require.True(t, ok)
		args, err := m.ParseArgs(append([]string{"", "", ""}, params...))
		require.NoError(t, err)
		for range 2 {
			text, err := m.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{
				Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs(),
			}})
			require.NoError(t, err, key)
			doc := metrictest.Decode(t, text)
			require.EqualValues(t, 0, doc["up"], "%s: %s", key, text)
			require.Contains(t, doc["error"], "CLUSTERDOWN", key)
		}
	}
}

func firstLine(text string) string {
	for i, r := range text {
		if r < ' ' {
			return text[:i]
		}
	}
	return text
}
