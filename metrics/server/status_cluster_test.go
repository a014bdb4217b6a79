package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestStatusOfANodeOfAClusterHasItsState: it answers PING and refuses each key, until all slots have a node.
func TestStatusOfANodeOfAClusterHasItsState(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{ClusterBus: true, Args: []string{"--cluster-enabled", "yes"}})
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	status := func() map[string]any {
		return metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Status, target)))
	}
	_, err := s.TryDo("SET", "k", "v")
	require.ErrorContains(t, err, "CLUSTERDOWN")
	for poll := range 2 {
		d.Calls = 0
		doc := status()
		require.Equal(t, []any{1.0, "cluster", "fail"}, []any{doc["up"], doc["mode"], doc["cluster_state"]})
		require.Equal(t, 2-poll, d.Calls)
	}
	s.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	require.Eventually(t, func() bool { return status()["cluster_state"] == "ok" }, time.Minute, 50*time.Millisecond)
	s.Do(t, "SET", "k", "v")
}

func TestStatusAsksNoOtherServerForAStateOfItsCluster(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": "+PONG\r\n", "CLUSTER INFO": "-ERR This instance has cluster support disabled\r\n"}}
	target := metrictest.NewTarget(d)
	status := func(mode string) map[string]any {
		d.Replies["INFO replication"], d.Replies["INFO persistence"] = metrictest.Bulk("# Replication\r\n"), metrictest.Bulk("# Persistence\r\n")
		d.Replies["INFO server"] = metrictest.Bulk("# Server\r\nredis_version:7.2.4\r\nredis_mode:" + mode + "\r\n")
		return metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Status, target)))
	}
	asked := func() int {
		return len(slices.DeleteFunc(slices.Clone(d.Sent), func(c redisclient.Command) bool { return strings.Join(c, " ") != "CLUSTER INFO" }))
	}
	require.NotContains(t, status("standalone"), "cluster_state")
	require.Zero(t, asked())
	d.Replies["CLUSTER INFO"] = metrictest.Bulk("cluster_state:ok\r\ncluster_size:3\r\n")
	require.Equal(t, "ok", status("cluster")["cluster_state"])

	d.Replies["CLUSTER INFO"] = "-ERR This instance has cluster support disabled\r\n" // another server has got the address
	require.Equal(t, map[string]any{}, status("standalone")["unavailable"])
	d.Replies["CLUSTER INFO"] = "-LOADING Redis is loading the dataset in memory\r\n"
	d.Replies["PING"] = d.Replies["CLUSTER INFO"]
	doc := status("cluster")
	require.Equal(t, []any{0.0, "loading", map[string]any{}}, []any{doc["up"], doc["reason"], doc["unavailable"]})

	d.Replies["PING"], d.Replies["CLUSTER INFO"] = "+PONG\r\n", "-NOPERM no permissions to run the 'cluster|info' command\r\n"
	before := asked()
	for range 3 {
		doc = status("cluster")
		require.Equal(t, 1.0, doc["up"])
		require.Contains(t, doc["unavailable"], "cluster_info")
		require.NotContains(t, doc, "cluster_state")
	}
	require.Equal(t, 1, asked()-before, "refusals are remembered")
}
