package sentinel

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// dialPeers is a target whose peers are dialed.
func dialPeers(t *testing.T, addr string) *item.Target {
	t.Helper()
	target, _ := metrictest.DialPeers(t, redisclient.Config{Address: addr})
	return target
}

// TestPingsSettingsAndVotesOfRealSentinels: one has settings of its own; then the
// master dies, and they vote.
func TestPingsSettingsAndVotesOfRealSentinels(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := redistest.NewWatched(t, redistest.Find(t, name).Bin, "", "")
			target := dialPeers(t, group.Sentinels[0].Addr)
			answer := func() (doc, master map[string]any) {
				text, err := metrictest.CollectFrom(t, Get, target)
				require.NoError(t, err)
				doc = metrictest.Decode(t, text)
				return doc, metrictest.Row(t, doc["masters"], "name", "mymaster")
			}
			doc, master := answer()
			require.Equal(t, []any{0.0, 0.0, []any{}}, []any{doc["drifts"], master["drifts"], master["drift"]})
			require.Less(t, master["last_ok_ping"], 5.0)
			require.Less(t, master["last_ping"], 5.0)
			require.Less(t, metrictest.Rows(t, master["replicas"])[0]["last_ok_ping"], 5.0)
			for _, row := range metrictest.Rows(t, master["sentinels"]) {
				require.Less(t, row["last_ok_ping"], 5.0)
				require.Less(t, row["last_hello"], 10.0)
				require.NotContains(t, row, "voted_leader", "nobody has voted")
			}

			group.Sentinels[1].Do(t, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "1000")
			group.Sentinels[2].Do(t, "SENTINEL", "SET", "mymaster", "quorum", "3")
			doc, master = answer()
			require.Equal(t, []any{2.0, 2.0}, []any{doc["drifts"], master["drifts"]})
			row := metrictest.Row(t, master["drift"], "name", "down-after-milliseconds")
			require.Equal(t, "60000", row["value"])
			require.Equal(t, []any{map[string]any{"value": "1000", "count": 1.0, "servers": []any{group.Sentinels[1].Addr}}}, row["others"])

			for _, s := range group.Sentinels {
				s.Do(t, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "1000")
				s.Do(t, "SENTINEL", "SET", "mymaster", "quorum", "2")
			}
			// A replica that must not be promoted: each election is in vain, and there
			// is another.
			group.Servers[1].Do(t, "CONFIG", "SET", "slave-priority", "0")
			group.Servers[0].Kill(t)
			ids := map[string]bool{}
			var candidates []*item.Target
			for _, s := range group.Sentinels {
				ids[s.Do(t, "SENTINEL", "MYID")] = true
				candidates = append(candidates, dialPeers(t, s.Addr))
			}
			for deadline := time.Now().Add(60 * time.Second); ; {
				require.True(t, time.Now().Before(deadline), "no vote was seen: %v", master)
				for _, target = range candidates { // the one that stands for election knows the votes
					_, master = answer()
					for _, row := range metrictest.Rows(t, master["sentinels"]) {
						if leader, ok := row["voted_leader"].(string); ok && ids[leader] && row["voted_epoch"].(float64) >= 1 {
							return
						}
					}
				}
			}
		})
	}
}

// TestOneSentinelAloneTellsOfNoDrift: unknown is never zero.
func TestOneSentinelAloneTellsOfNoDrift(t *testing.T) {
	t.Parallel()
	one := sentinelOf("id1", listReply(masterFields("10.0.0.1", "master", "2")))
	text, err := metrictest.CollectFrom(t, Get, one)
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.NotContains(t, doc, "drifts")
	require.NotContains(t, metrictest.Row(t, doc["masters"], "name", "m"), "drift")
	require.NotContains(t, metrictest.Row(t, doc["masters"], "name", "m"), "last_ok_ping")
}
