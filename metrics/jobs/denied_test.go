package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// TestKeysThatTheUserMayNotRead are named, so that a system is not missing without a word;
// what it may read is found.
func TestKeysThatTheUserMayNotRead(t *testing.T) {
	t.Parallel()
	s := seeded(t, "HSET bull:mail:meta version bullmq:6.7.0", "HSET shop:mail:meta version bullmq:6.7.0", "HSET shop:sms:meta version bullmq:6.7.0",
		"RPUSH prod-database-queues:default x")
	s.Do(t, "ACL", "SETUSER", "poor", "on", "nopass", "~bull:*", "+@all")
	d := dial(t, s, "poor", 0)
	d.at = fieldAt
	target := metrictest.NewTarget(d)
	for range 3 {
		doc := askJobs(t, get, target)
		require.Equal(t, 1.0, doc["count"])
		text := doc["unavailable"].(map[string]any)["prefixes"]
		require.Contains(t, text, `bullmq under the prefix "shop"`)
		require.Contains(t, text, `laravel under the prefix "prod-database-"`)
		require.Contains(t, text, "Jobs.Prefixes")
		require.NotContains(t, text, `"bull"`)
		s.Do(t, "HSET", "late:mail:meta", "version", "bullmq:6.7.0")
	}
	require.Contains(t, askJobs(t, get, target)["unavailable"].(map[string]any)["prefixes"], `bullmq under the prefix "late"`, "since the search")

	for i := range 20 {
		s.Do(t, "HSET", fmt.Sprintf("p%02d:mail:meta", i), "version", "bullmq:6.7.0")
	}
	require.Contains(t, askJobs(t, get, metrictest.NewTarget(d))["unavailable"].(map[string]any)["prefixes"], " others: if they are yours")

	// One who may read everything, and not send all commands, is told nothing of keys.
	s.Do(t, "ACL", "SETUSER", "mute", "on", "nopass", "~*", "+@all", "-type", "-hmget")
	d = dial(t, s, "mute", 0)
	d.at = fieldAt
	require.NotContains(t, askJobs(t, get, metrictest.NewTarget(d))["unavailable"], "prefixes")
}

// TestAServerThatRefusesEverything is asked all the same whether it answers.
func TestAServerThatRefusesEverything(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": "+PONG\r\n"}}
	target := metrictest.NewTarget(d)
	for range 3 {
		require.Equal(t, 1.0, askJobs(t, get, target)["up"])
	}
	d.Replies["PING"] = "-LOADING Redis is loading the dataset in memory\r\n"
	doc := askJobs(t, get, target)
	require.Equal(t, []any{0.0, "loading"}, []any{doc["up"], doc["reason"]})
}
