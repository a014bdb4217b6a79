package config

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// dial is a target whose peers are dialed.
func dial(t *testing.T, cfg redisclient.Config) *item.Target {
	t.Helper()
	target, _ := metrictest.DialPeers(t, cfg)
	return target
}

// counted counts round trips.
type counted struct {
	redisclient.Doer
	n int
}

func (c *counted) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	c.n++
	return c.Doer.DoAll(ctx, cmds...)
}

func TestConfigOfRealServers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-5.0", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Password: "s3cret", Args: []string{"--repl-diskless-sync-delay", "0"}})
			host, port, _ := net.SplitHostPort(s.Addr)
			replica := redistest.Start(t, redistest.Config{Bin: f.Bin, Password: "s3cret", Args: []string{"--masterauth", "s3cret", "--replicaof", host, port,
				"--repl-diskless-sync-delay", "0"}})
			require.Eventually(t, func() bool {
				return strings.Contains(s.Do(t, "INFO", "replication"), "state=online") && replica.InfoField(t, "replication", "master_link_status") == "up"
			}, 20*time.Second, 20*time.Millisecond)
			target := dial(t, redisclient.Config{Address: s.Addr, Password: "s3cret"})
			doc := configOf(t, target)
			require.Equal(t, true, doc["first"])
			require.Greater(t, doc["parameters"], 80.0)
			require.Equal(t, "replicas", doc["compared_with"])
			require.Equal(t, false, doc["partial"])
			rows := metrictest.Rows(t, doc["drift"])
			require.NotEmpty(t, rows)
			require.Equal(t, "masterauth", rows[0]["name"])
			require.Equal(t, "", rows[0]["value"])
			require.Equal(t, "***", metrictest.Rows(t, rows[0]["others"])[0]["value"])
			for _, row := range rows {
				require.Contains(t, []any{"masterauth", "primaryauth"}, row["name"], "%s", name)
			}

			s.Do(t, "CONFIG", "SET", "masterauth", "s3cret")
			s.Do(t, "CONFIG", "SET", "timeout", "77")
			replica.Do(t, "CONFIG", "SET", "maxmemory", "99999999")
			doc = configOf(t, target)
			require.Equal(t, false, doc["first"])
			changed := metrictest.Row(t, doc["changed"], "name", "timeout")
			require.Equal(t, map[string]any{"name": "timeout", "old": "0", "new": "77"}, changed)
			require.Equal(t, "***", metrictest.Row(t, doc["changed"], "name", "masterauth")["new"])
			require.Equal(t, 2.0, doc["drifts"])
			require.Equal(t, "99999999", metrictest.Rows(t, metrictest.Row(t, doc["drift"], "name", "maxmemory")["others"])[0]["value"])
			require.Zero(t, configOf(t, target)["changes"])

			theirs := configOf(t, dial(t, redisclient.Config{Address: replica.Addr, Password: "s3cret"}))
			require.Equal(t, "primary", theirs["compared_with"])
			require.Equal(t, 2.0, theirs["drifts"])
			require.Equal(t, metrictest.Rows(t, doc["compared"])[0]["fingerprint"], theirs["fingerprint"])
			s.Do(t, "CONFIG", "SET", "timeout", "0")
			replica.Do(t, "CONFIG", "SET", "maxmemory", "0")
			doc = configOf(t, target)
			require.Empty(t, doc["drift"])
			require.Equal(t, metrictest.Rows(t, doc["compared"])[0]["fingerprint"], doc["fingerprint"])
			require.Empty(t, doc["unavailable"])
		})
	}
}

func TestConfigOfARealCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Find(t, "valkey-9.1"), redistest.Config{})
	target := dial(t, redisclient.Config{Address: nodes[4].Addr})
	trips := &counted{Doer: target.Doer}
	target.Doer = trips
	doc := configOf(t, target, "cluster")
	require.Equal(t, 2, trips.n)
	require.Equal(t, "cluster", doc["compared_with"])
	require.Len(t, doc["compared"], 5)
	require.Empty(t, doc["drift"])
	require.Equal(t, false, doc["partial"])
	for _, row := range metrictest.Rows(t, doc["compared"]) {
		require.Equal(t, doc["fingerprint"], row["fingerprint"])
	}
	doc = configOf(t, target)
	require.Equal(t, "primary", doc["compared_with"])
	require.Len(t, doc["compared"], 1)
	require.Equal(t, nodes[1].Addr, metrictest.Rows(t, doc["compared"])[0]["addr"])
	nodes[0].Do(t, "CONFIG", "SET", "hz", "50")
	nodes[3].Do(t, "CONFIG", "SET", "hz", "50")
	nodes[1].Kill(t)
	trips.n = 0
	doc = configOf(t, target, "cluster")
	require.Equal(t, 1, trips.n, "that it is a cluster's node is remembered")
	row := metrictest.Row(t, doc["drift"], "name", "hz")
	require.Equal(t, 2.0, metrictest.Rows(t, row["others"])[0]["count"])
	require.Equal(t, true, doc["partial"])
	require.Equal(t, nodes[1].Addr, metrictest.Rows(t, doc["compared"])[0]["addr"], "who does not answer stands first")
	require.NotEmpty(t, metrictest.Rows(t, doc["compared"])[0]["error"])
}

func TestConfigOfRealSentinels(t *testing.T) {
	t.Parallel()
	group := redistest.NewWatched(t, "", "", "")
	target := dial(t, redisclient.Config{Address: group.Sentinels[0].Addr})
	trips := &counted{Doer: target.Doer}
	target.Doer = trips
	doc := configOf(t, target)
	require.Equal(t, 2, trips.n)
	require.Equal(t, "sentinel", doc["role"])
	require.Equal(t, 4.0, doc["parameters"])
	require.Equal(t, "sentinels", doc["compared_with"])
	require.Len(t, doc["compared"], 2)
	require.Empty(t, doc["drift"])
	require.Empty(t, doc["unavailable"])
	require.Equal(t, false, doc["partial"])
	group.Sentinels[1].Do(t, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "5000")
	group.Sentinels[0].Do(t, "SENTINEL", "SET", "mymaster", "quorum", "1")
	doc = configOf(t, target)
	require.Equal(t, []any{map[string]any{"name": "mymaster.quorum", "old": "2", "new": "1"}}, doc["changed"])
	require.Equal(t, 2.0, doc["drifts"])
	row := metrictest.Row(t, doc["drift"], "name", "mymaster.down-after-milliseconds")
	require.Equal(t, "60000", row["value"])
	require.Equal(t, []any{map[string]any{"value": "5000", "count": 1.0, "servers": []any{group.Sentinels[1].Addr}}}, row["others"])
	require.Equal(t, 2.0, metrictest.Rows(t, metrictest.Row(t, doc["drift"], "name", "mymaster.quorum")["others"])[0]["count"])
}
