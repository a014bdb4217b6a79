package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/metrics/settings"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// failsFrom is a server whose connection breaks from the nth round trip on.
type failsFrom struct {
	redisclient.Doer
	n int
}

func (f *failsFrom) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if f.n--; f.n <= 0 {
		return nil, errors.New("gone")
	}
	return f.Doer.DoAll(ctx, cmds...)
}

const clusterInfo = "# Cluster\r\ncluster_enabled:1\r\n# Replication\r\nrole:master\r\n"

// nodesReply is the view of the node a1, with a line that cannot be read or not.
func nodesReply(odd bool) string {
	lines := []string{"a1 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-16383", "b1 10.0.0.2:6379@16379 slave a1 0 0 2 connected"}
	if odd {
		lines = append(lines, "c1 10.0.0.3:6379")
	}
	return metrictest.Bulk(strings.Join(lines, "\n") + "\n")
}

func TestTheNodesOfAScriptedCluster(t *testing.T) {
	t.Parallel()
	d := serverOf(clusterInfo, "maxmemory", "1")
	d.Replies["CLUSTER NODES"] = nodesReply(false)
	peer := serverOf(clusterInfo, "maxmemory", "2")
	peer.Replies["CLUSTER MYID"] = metrictest.Bulk("b1")
	newTarget := func() *item.Target {
		target := metrictest.NewTarget(d)
		withPeers(target, map[string]redisclient.Doer{"10.0.0.2:6379": peer})
		return target
	}
	doc := configOf(t, newTarget(), "cluster")
	require.Equal(t, []any{"cluster", false, 1.0}, []any{doc["compared_with"], doc["partial"], doc["drifts"]})

	d.Replies["CLUSTER NODES"] = nodesReply(true)
	doc = configOf(t, newTarget(), "cluster")
	require.Equal(t, true, doc["partial"], "a node is not known")
	require.Equal(t, 1.0, doc["drifts"])

	peer.Replies["CLUSTER MYID"] = metrictest.Bulk("x9")
	doc = configOf(t, newTarget(), "cluster")
	require.Equal(t, 0.0, doc["drifts"], "another node has got the address")
	require.Contains(t, metrictest.Rows(t, doc["compared"])[0]["error"], "another node answers here")

	target := newTarget()
	target.Doer = &failsFrom{d, 2}
	doc = configOf(t, target, "cluster")
	require.Equal(t, map[string]any{"cluster_nodes": "gone"}, doc["unavailable"])
	require.Equal(t, 1.0, doc["parameters"], "what was told stands")
	require.NotContains(t, doc, "drift")

	d.Replies["CLUSTER NODES"] = "-NOPERM no\r\n"
	doc = configOf(t, newTarget(), "cluster")
	require.Equal(t, map[string]any{"cluster_nodes": "NOPERM no"}, doc["unavailable"])
	require.NotContains(t, doc, "compared")

	// It is no cluster's node any more.
	target = newTarget()
	configOf(t, target, "cluster")
	target.Doer = serverOf("", "maxmemory", "1")
	doc = configOf(t, target, "cluster")
	require.Empty(t, doc["unavailable"])
	require.Equal(t, "", doc["compared_with"])
}

// TestANodeIsComparedWithItsShardAlone: else each node of a cluster would be asked
// by the items of all others.
func TestANodeIsComparedWithItsShardAlone(t *testing.T) {
	t.Parallel()
	view := func(myself string) string {
		text := "p1 10.0.0.1:1@2 master - 0 0 1 connected 0-8000\np2 10.0.0.2:1@2 master - 0 0 2 connected 8001-16383\n" +
			"r1 10.0.0.3:1@2 slave p1 0 0 1 connected\nr2 10.0.0.4:1@2 slave p1 0 0 1 connected\nr3 10.0.0.5:1@2 slave p2 0 0 2 connected\nnew 10.0.0.6:1@2 master - 0 0 0 connected\n"
		return metrictest.Bulk(markMyself(text, myself))
	}
	for myself, want := range map[string][]any{
		"p1": {"replicas", "10.0.0.3:1", "10.0.0.4:1"}, "p2": {"replicas", "10.0.0.5:1"}, "r1": {"primary", "10.0.0.1:1"}, "r3": {"primary", "10.0.0.2:1"}, "new": {""},
	} {
		d := serverOf(clusterInfo, "maxmemory", "1")
		d.Replies["CLUSTER NODES"] = view(myself)
		target := metrictest.NewTarget(d)
		peers := map[string]redisclient.Doer{}
		for i, id := range []string{"p1", "p2", "r1", "r2", "r3", "new"} {
			peer := serverOf(clusterInfo, "maxmemory", "2")
			peer.Replies["CLUSTER MYID"] = metrictest.Bulk(id)
			peers[fmt.Sprintf("10.0.0.%d:1", i+1)] = peer
		}
		withPeers(target, peers)
		doc := configOf(t, target)
		got := []any{doc["compared_with"]}
		for _, row := range metrictest.Rows(t, doc["compared"]) {
			require.Equal(t, 1.0, row["up"], "%v", row)
			got = append(got, row["addr"])
		}
		require.Equal(t, want, got, myself)
		require.Len(t, configOf(t, target, "cluster")["compared"], 5)
		require.Equal(t, true, configOf(t, target, "none")["first"], "items that compare with others have a memory of their own")
		doc = configOf(t, target, "none")
		require.Equal(t, []any{false, "", 0.0}, []any{doc["first"], doc["compared_with"], doc["drifts"]})
	}
	_, err := Get.ParseArgs([]string{"", "", "", "shard"})
	require.EqualError(t, err, "parameter 4 (Compare): must be group, cluster or none")
}

// markMyself is the view of the node with that id.
func markMyself(view, id string) string {
	lines := strings.Split(view, "\n")
	for i, line := range lines {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == id {
			fields[2] = "myself," + fields[2]
			lines[i] = strings.Join(fields, " ")
		}
	}
	return strings.Join(lines, "\n")
}

// masterOf is a master as SENTINEL MASTERS has it.
func masterOf(name, quorum string) string {
	return metrictest.WireArray("name", name, "quorum", quorum, "down-after-milliseconds", "30000", "failover-timeout", "180000", "parallel-syncs", "1")
}

func sentinelOf(masters ...string) *metrictest.ScriptDoer {
	return &metrictest.ScriptDoer{Replies: map[string]string{
		"INFO": metrictest.Bulk("# Server\r\nredis_mode:sentinel\r\nredis_version:8.2.0\r\n# Sentinel\r\nsentinel_masters:1\r\n" +
			"master0:name=m,status=ok,address=10.0.0.1:6379,slaves=1,sentinels=3\r\nmaster1:odd\r\nmaster2:status=ok,name=x\r\n"),
		"SENTINEL MASTERS": fmt.Sprintf("*%d\r\n", len(masters)) + strings.Join(masters, ""),
		"SENTINEL SENTINELS m": "*2\r\n" + metrictest.WireArray("name", "s2", "ip", "10.0.1.2", "port", "26379") +
			metrictest.WireArray("name", "s3", "ip", "10.0.1.3", "port", "26379"),
	}}
}

func TestTheSettingsOfScriptedSentinels(t *testing.T) {
	t.Parallel()
	d := sentinelOf(masterOf("m", "2"))
	target := metrictest.NewTarget(d)
	withPeers(target, map[string]redisclient.Doer{
		"10.0.1.2:26379": sentinelOf(masterOf("m", "3"), masterOf("other", "1")), "10.0.1.3:26379": sentinelOf(masterOf("m", "2"), ":1\r\n"),
	})
	doc := configOf(t, target)
	require.Equal(t, 2, d.Calls)
	require.Equal(t, []any{"sentinels", 4.0, 1.0, true}, []any{doc["compared_with"], doc["parameters"], doc["drifts"], doc["partial"]})
	require.Equal(t, 4.0, metrictest.Row(t, doc["compared"], "addr", "10.0.1.2:26379")["only_one"])
	require.Contains(t, metrictest.Row(t, doc["compared"], "addr", "10.0.1.3:26379")["error"], errUnreadable.Error())
	require.Empty(t, doc["unavailable"])
	require.NotContains(t, d.Sent[len(d.Sent)-1], "x")

	d.Replies["SENTINEL SENTINELS m"] = "-NOPERM no\r\n"
	doc = configOf(t, target)
	require.Equal(t, map[string]any{"sentinels": "NOPERM no"}, doc["unavailable"])
	require.Equal(t, []any{"sentinels", true}, []any{doc["compared_with"], doc["partial"]}, "there may be others")
	require.Equal(t, 4.0, doc["parameters"])

	many := make([]string, settings.Max/len(settings.OfSentinel)+1)
	for i := range many {
		many[i] = masterOf(fmt.Sprint("m", i), "2")
	}
	doc = configOf(t, metrictest.NewTarget(sentinelOf(many[1:]...)))
	require.EqualValues(t, settings.Max, doc["parameters"])
	doc = configOf(t, metrictest.NewTarget(sentinelOf(many...)))
	require.Equal(t, settings.ErrTooMany.Error(), metrictest.Section(t, doc, "unavailable")["masters"])
	require.NotContains(t, doc, "parameters")

	// A server has come in place of the sentinel.
	target.Doer = serverOf("", "maxmemory", "1")
	doc = configOf(t, target)
	require.Empty(t, doc["unavailable"])
	require.Equal(t, 1.0, doc["parameters"])
}

func TestAReplicaThatDoesNotTellItsHistoryIsCompared(t *testing.T) {
	t.Parallel()
	info := "# Replication\r\nrole:master\r\nmaster_replid:a\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0\r\nslave1:ip=,port=0,state=online\r\n"
	target := metrictest.NewTarget(serverOf(info, "maxmemory", "1"))
	silent := serverOf("", "maxmemory", "2")
	silent.Replies["INFO replication"] = "-NOPERM no\r\n"
	withPeers(target, map[string]redisclient.Doer{"10.0.0.2:6379": silent})
	doc := configOf(t, target)
	require.Len(t, doc["compared"], 1)
	require.Equal(t, 1.0, doc["drifts"])
	target.Doer = serverOf(strings.Replace(info, "master_replid:a\r\n", "", 1), "maxmemory", "1")
	telling := serverOf("", "maxmemory", "2")
	telling.Replies["INFO replication"] = metrictest.Bulk("# Replication\r\nmaster_replid:b\r\n")
	withPeers(target, map[string]redisclient.Doer{"10.0.0.2:6379": telling})
	require.Equal(t, 1.0, configOf(t, target)["drifts"])
	target.Peer = nil
	doc = configOf(t, target)
	require.Contains(t, metrictest.Rows(t, doc["compared"])[0]["error"], "other servers cannot be asked from here")
}
