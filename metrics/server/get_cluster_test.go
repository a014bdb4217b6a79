package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

func TestGetOfANodeOfAClusterHasItsStateInOneRoundTrip(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	s.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "5460")
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for poll := range 3 {
		d.Calls = 0
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		cluster := metrictest.Section(t, metrictest.Decode(t, text), "cluster")
		require.InDelta(t, 1, cluster["cluster_enabled"], 0)
		require.Equal(t, "fail", cluster["cluster_state"])
		require.InDelta(t, 5461, cluster["cluster_slots_assigned"], 0)
		if poll > 0 {
			require.Equal(t, 1, d.Calls)
		}
	}
	require.Contains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_cluster|info:calls=3,")

	alone := redistest.Borrow(t)
	target, d = metrictest.DialTarget(t, redisclient.Config{Address: alone.Addr})
	_, err := metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	require.Equal(t, 1, d.Calls)
	commands := alone.Do(t, "INFO", "commandstats")
	require.NotContains(t, commands, "cmdstat_cluster", "it is no cluster")
	require.NotContains(t, commands, "cmdstat_dbsize", "INFO has its keyspace")
}

func TestGetFollowsAServerThatIsNoClusterAnyMore(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"PING": "+PONG\r\n", "SLOWLOG LEN": ":0\r\n", "SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n", "LATENCY LATEST": "*0\r\n",
		"INFO everything": metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n"),
		"CLUSTER INFO":    metrictest.Bulk("cluster_state:ok\r\ncluster_enabled:1\r\n"),
	}}
	target := metrictest.NewTarget(d)
	ask := func() map[string]any {
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		return metrictest.Decode(t, text)
	}
	require.Equal(t, map[string]any{"cluster_enabled": 1.0, "cluster_state": "ok"}, ask()["cluster"])

	d.Replies["INFO everything"] = metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:0\r\n# Keyspace\r\n")
	d.Replies["CLUSTER INFO"] = "-ERR This instance has cluster support disabled\r\n"
	for range 2 {
		doc := ask()
		require.Equal(t, map[string]any{"cluster_enabled": 0.0}, doc["cluster"])
		require.Empty(t, doc["unavailable"], "nobody asked for the state of no cluster")
	}
	d.Replies["INFO everything"] = metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n")
	d.Replies["CLUSTER INFO"] = metrictest.Bulk("cluster_state:fail\r\n")
	require.Equal(t, "fail", metrictest.Section(t, ask(), "cluster")["cluster_state"], "the refusal was not this one's")

	d.Replies["CLUSTER INFO"] = "-NOPERM no\r\n"
	for range 2 {
		doc := ask()
		require.Equal(t, map[string]any{"cluster_enabled": 1.0}, doc["cluster"])
		require.Equal(t, map[string]any{"cluster_info": "NOPERM no"}, doc["unavailable"])
	}
	sent := 0
	for _, cmd := range d.Sent {
		if cmd[0] == "CLUSTER" {
			sent++
		}
	}
	require.Equal(t, 4, sent, "twice well, once by a mistake, once refused, and then not for an hour")
}
