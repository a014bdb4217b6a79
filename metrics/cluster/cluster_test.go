package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// scriptCluster is the six nodes of the recorded replies, by port.
type script map[string]*item.Target

func (c script) peer(addr string) (*item.Target, error) {
	addr, _, _ = strings.Cut(addr, ",")
	_, port, _ := strings.Cut(addr, ":")
	if t := c[port]; t != nil {
		return t, nil
	}
	return nil, &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
}

// newScriptCluster gives every node the same view and figures of its own.
func newScript(t testing.TB, view string) script {
	c := script{}
	replicas := map[string]string{"17001": "17004", "17002": "17005", "17003": "17006"}
	for port := 17001; port <= 17006; port++ {
		name := fmt.Sprint(port)
		info := fmt.Sprintf("# Server\r\nredis_version:7.0.15\r\n# Clients\r\nconnected_clients:%d\r\n# Memory\r\nused_memory:%d000\r\nmaxmemory:0\r\n"+
			"# Stats\r\ninstantaneous_ops_per_sec:%d\r\ntotal_commands_processed:100\r\n# Replication\r\n", port-17000, port, 10*(port-17000))
		if replica := replicas[name]; replica != "" {
			info += "role:master\r\nslave0:ip=127.0.0.1,port=" + replica + ",state=online,offset=90,lag=1\r\nmaster_repl_offset:100\r\n"
		} else {
			info += "role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:95\r\n"
		}
		info += "# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n"
		if port%3 == 0 { // 17001 and its replica
			info += "db0:keys=7,expires=0,avg_ttl=0\r\n"
		}
		target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
			"INFO":          metrictest.Bulk(info),
			"CLUSTER NODES": viewOf(t, name, view),
			"CLUSTER INFO":  metrictest.Bulk(clusterReply(t, "info")),
		}})
		target.Name, target.Peer = "tcp://127.0.0.1:"+name, c.peer
		c[name] = target
	}
	return c
}

// viewOf is a recorded reply as the node on port would give it.
func viewOf(t testing.TB, port, recorded string) string {
	lines := strings.SplitAfter(strings.ReplaceAll(clusterReply(t, recorded), "myself,", ""), "\n")
	for i, line := range lines {
		if strings.Contains(line, ":"+port+"@") {
			role, _, _ := strings.Cut(strings.Fields(line)[2], ",")
			lines[i] = strings.Replace(line, " "+role, " myself,"+role, 1)
		}
	}
	return metrictest.Bulk(strings.Join(lines, ""))
}

func (c script) doer(port string) *metrictest.ScriptDoer {
	return c[port].Doer.(*metrictest.ScriptDoer)
}

func TestClusterOfSixNodes(t *testing.T) {
	t.Parallel()
	c := newScript(t, "healthy")
	text, err := metrictest.CollectFrom(t, Get, c["17001"])
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1.0, doc["up"])
	require.Equal(t, 1.0, doc["cluster_enabled"])
	require.Equal(t, "ok", doc["state"])
	require.Equal(t, 6.0, doc["known_nodes"])
	require.Equal(t, map[string]any{"assigned": 16384.0, "ok": 16384.0, "pfail": 0.0, "fail": 0.0, "uncovered": 0.0, "uncovered_ranges": ""}, doc["slots"])
	require.Equal(t, false, doc["partial"])
	require.Equal(t, []any{}, doc["unanswered"])
	require.Equal(t, map[string]any{"asked": 6.0, "distinct": 1.0, "of": "127.0.0.1:17001"}, doc["views"])
	require.Equal(t, 0.0, doc["refusing"])
	require.Equal(t, []any{}, doc["refusing_nodes"])
	require.Equal(t, 0.0, doc["views_disagree"])
	require.Equal(t, 0.0, doc["masters_without_replica"])
	require.Len(t, doc["shards"], 3)
	require.Equal(t, map[string]any{
		"shard": "0", "slots": "0-5460", "slot_count": 5461.0, "state": "ok", "has_replica": 1.0, "takes_over": 1.0,
		"master":   map[string]any{"id": recorded1, "addr": "127.0.0.1:17001"},
		"replicas": []any{map[string]any{"id": "744f80795128be35dba0d66e484e9ada53feeadd", "addr": "127.0.0.1:17004"}},
		"keys":     7.0, "memory": 17001000.0,
	}, doc["shards"].([]any)[0])
	require.Equal(t, map[string]any{
		"id": "744f80795128be35dba0d66e484e9ada53feeadd", "addr": "127.0.0.1:17004", "ip": "127.0.0.1", "role": "replica", "shard": "0", "master": recorded1,
		"flags": "slave", "link": "connected", "epoch": 1.0, "slot_count": 0.0, "state": "ok", "seen_failing": 0.0, "seen_failing_by": []any{}, "failing": 0.0,
		"up": 1.0, "reason": "", "error": "", "keys": 7.0, "used_memory": 17004000.0, "maxmemory": 0.0, "clients": 4.0,
		"link_up": 1.0, "lag_bytes": 10.0, "lag": 1.0,
	}, metrictest.Row(t, doc["nodes"], "addr", "127.0.0.1:17004"))
	skew := doc["skew"].(map[string]any)
	require.InDelta(t, 1.0, skew["slots"], 0.001)
	require.InDelta(t, 3.0, skew["keys"], 0.001, "one of three shards has all keys")
	require.NotContains(t, skew, "ops", "one poll knows no rate")
	for port := range c {
		require.Equal(t, 1, c.doer(port).Calls, "one round trip to %s", port)
	}
}

func TestClusterWithAFailedMaster(t *testing.T) {
	t.Parallel()
	c := newScript(t, "failed")
	c.doer("17002").Err = &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
	c.doer("17006").Replies["CLUSTER NODES"] = viewOf(t, "17006", "healthy")
	text, err := metrictest.CollectFrom(t, Get, c["17001"])
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1.0, doc["up"])
	require.Equal(t, true, doc["partial"])
	require.Len(t, doc["unanswered"], 1)
	gone := metrictest.Row(t, doc["unanswered"], "addr", "127.0.0.1:17002")
	require.Equal(t, "tcp", gone["reason"])
	node := metrictest.Row(t, doc["nodes"], "addr", "127.0.0.1:17002")
	require.Equal(t, 0.0, node["up"])
	require.Equal(t, "master,fail", node["flags"])
	require.Equal(t, "node-2.example.com", node["hostname"])
	require.Equal(t, 4.0, node["seen_failing"])
	require.Equal(t, []any{"127.0.0.1:17001", "127.0.0.1:17003", "127.0.0.1:17004", "127.0.0.1:17005"}, node["seen_failing_by"])
	require.NotContains(t, node, "keys", "unknown is not 0")
	failed := metrictest.Row(t, doc["shards"], "state", "fail")
	require.Equal(t, "5461-10922", failed["slots"])
	require.NotContains(t, failed, "memory")
	slots := doc["slots"].(map[string]any)
	require.Equal(t, 5462.0, slots["uncovered"])
	require.Equal(t, "5461-10922", slots["uncovered_ranges"])
	require.Equal(t, 1.0, doc["failing"])
	require.Equal(t, 1.0, doc["views_disagree"], "one node has not heard of it")
	require.Equal(t, map[string]any{"slots": 5462.0 * 3 / 16384}, doc["skew"], "with a shard unknown only the slots are known")
}

// TestAShardWhoseReplicaNeverTakesOver: the flag is that of a node with
// cluster-replica-no-failover, in CLUSTER NODES of Valkey 9.1.
func TestAShardWhoseReplicaNeverTakesOver(t *testing.T) {
	t.Parallel()
	for flags, has := range map[string]float64{"slave": 1, "slave,nofailover": 0, "slave,fail?": 0, "slave,fail": 0, "slave,fail,nofailover": 0} {
		view := "a1 10.0.0.1:6379@16379 myself,master,nofailover - 0 0 1 connected 0-16383\na2 10.0.0.2:6379@16379 " + flags + " a1 0 0 1 connected\n"
		target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
			"CLUSTER NODES": metrictest.Bulk(view), "CLUSTER INFO": metrictest.Bulk("cluster_state:ok\r\n"),
			"INFO": metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:1\r\n"),
		}})
		target.Peer = func(string) (*item.Target, error) { return nil, errors.New("not reached") }
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
		require.Equal(t, has, metrictest.Rows(t, doc["shards"])[0]["takes_over"], flags)
		if strings.Contains(flags, "fail,") || strings.HasSuffix(flags, "fail") || strings.HasSuffix(flags, "fail?") {
			require.Equal(t, 1.0, doc["masters_without_replica"], flags)
		} else {
			require.Equal(t, 0.0, doc["masters_without_replica"], flags)
		}
	}
}

func TestClusterAfterAFailoverAndWithMovingSlots(t *testing.T) {
	t.Parallel()
	c := newScript(t, "failed-over")
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, c["17001"])))
	require.Len(t, doc["shards"], 3, "the old master has no slots any more")
	require.Equal(t, 1.0, doc["masters_without_replica"])
	require.Equal(t, "5461", metrictest.Row(t, doc["nodes"], "addr", "127.0.0.1:17005")["shard"], "the shard keeps its name")
	require.NotContains(t, metrictest.Row(t, doc["nodes"], "addr", "127.0.0.1:17002"), "shard")
	require.Equal(t, 0.0, doc["slots"].(map[string]any)["uncovered"])

	c = newScript(t, "migrating")
	for port := range c {
		c.doer(port).Replies["CLUSTER NODES"] = viewOf(t, port, "healthy")
	}
	c.doer("17001").Replies["CLUSTER NODES"] = metrictest.Bulk(clusterReply(t, "migrating"))
	c.doer("17002").Replies["CLUSTER NODES"] = metrictest.Bulk(clusterReply(t, "importing"))
	_, replica, _ := strings.Cut(viewOf(t, "17004", "healthy"), "\r\n")
	lines := strings.Split(replica, "\n")
	for i, line := range lines {
		if strings.Contains(line, "myself") { // as a replica of Valkey 8 says
			lines[i] += " [5000->-" + recorded2 + "] [5001->-" + recorded2 + "]"
		}
	}
	c.doer("17004").Replies["CLUSTER NODES"] = metrictest.Bulk(strings.Join(lines, "\n"))
	doc = metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, c["17003"])))
	require.Equal(t, []any{
		map[string]any{"slot": 5000.0, "state": "migrating", "node": recorded1, "other": recorded2},
		map[string]any{"slot": 5001.0, "state": "migrating", "node": recorded1, "other": recorded2},
		map[string]any{"slot": 5000.0, "state": "importing", "node": recorded2, "other": recorded1},
	}, doc["moving"])
	require.Equal(t, 0.0, doc["views_disagree"])
}

func TestClusterAnswersBeforeItsDeadlineAndWhateverOneNodeDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newScript(t, "healthy")
		c["17002"].Doer, c["17003"].Doer, c["17006"].Doer = metrictest.StalledDoer{}, metrictest.StalledDoer{}, metrictest.PanickingDoer{}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		args, err := Get.ParseArgs(nil)
		require.NoError(t, err)
		began := time.Now()
		text, err := Get.Answer(ctx, &item.Request{Target: c["17001"], Args: args, Env: &item.Env{}})
		require.NoError(t, err)
		require.Equal(t, 1800*time.Millisecond, time.Since(began), "side by side, with a tenth left over")
		doc := metrictest.Decode(t, text)
		require.Len(t, doc["unanswered"], 3)
		require.Equal(t, "timeout", metrictest.Row(t, doc["unanswered"], "addr", "127.0.0.1:17002")["reason"])
		require.Contains(t, metrictest.Row(t, doc["unanswered"], "addr", "127.0.0.1:17006")["error"], "internal error: of the test")
	})
}

func TestClusterOff(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for range 3 {
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
		require.Equal(t, map[string]any{
			"schema_version": 1.0, "up": 1.0, "reason": "", "error": "", "target": target.Name, "cluster_enabled": 0.0,
			"unavailable": map[string]any{},
		}, doc)
	}
	require.Equal(t, 3, d.Calls)
	require.Equal(t, "count=2", s.InfoField(t, "errorstats", "errorstat_ERR"), "it is not asked for errors again")
}

func TestClusterNodeWithoutAPermission(t *testing.T) {
	t.Parallel()
	c := newScript(t, "healthy")
	refused := "-NOPERM this user has no permissions to run the command\r\n"
	c.doer("17001").Replies["CLUSTER INFO"] = refused
	c.doer("17003").Replies["CLUSTER NODES"] = refused
	for range 2 {
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, c["17001"])))
		require.NotContains(t, doc, "state")
		require.Contains(t, doc["unavailable"], "cluster_info")
		require.Equal(t, map[string]any{"uncovered": 0.0, "uncovered_ranges": ""}, doc["slots"])
		require.Equal(t, 5.0, doc["views"].(map[string]any)["asked"])
		require.Equal(t, false, doc["partial"])
	}
	require.Equal(t, 1, count(c.doer("17001").Sent, "CLUSTER INFO"), "refusals are remembered")

	c.doer("17001").Replies["CLUSTER NODES"] = refused
	for range 2 {
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, c["17001"])))
		require.Equal(t, []any{1.0, "", 1.0}, []any{doc["up"], doc["reason"], doc["cluster_enabled"]}, "a permission that is missing is no outage")
		require.Contains(t, doc["unavailable"], "cluster_nodes")
		require.NotContains(t, doc, "nodes")
	}
	require.Equal(t, 3, count(c.doer("17001").Sent, "CLUSTER NODES"), "two that were answered, and one refusal that is remembered")
}

// TestARefusalOfAServerThatWasNoCluster, which other keys remember as well, is not that of a node
// which has got its address.
func TestARefusalOfAServerThatWasNoCluster(t *testing.T) {
	t.Parallel()
	c := newScript(t, "healthy")
	nodes := redisclient.Command{"CLUSTER", "NODES"}
	alone := &resp.ServerError{Code: "ERR", Message: "ERR This instance has cluster support disabled"}
	ask.RefusalsOf(c["17001"].Memory).Note(nodes, "", alone)
	require.Error(t, ask.RefusalsOf(c["17001"].Memory).Of(nodes, ""))
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, c["17001"])))
	require.Len(t, doc["nodes"], 6)
}

func count(sent []redisclient.Command, cmd string) int {
	n := 0
	for _, c := range sent {
		n += ask.Number(strings.Join(c, " ") == cmd)
	}
	return n
}

func FuzzClusterDocument(f *testing.F) {
	f.Add(clusterReply(f, "failed"), clusterReply(f, "info"), "# Keyspace\ndb0:keys=1\n")
	f.Add("a :1@2 myself,master - 0 0 1 connected 0-16383 [1->-b]\nb h:1@1 slave a 0 0 1 connected", "cluster_state:ok", "# Replication\nslave0:ip=h,port=1,state=online,offset=-1,lag=x\n")
	f.Fuzz(func(t *testing.T, nodes, state, info string) {
		target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
			"INFO": metrictest.Bulk(info), "CLUSTER INFO": metrictest.Bulk(state), "CLUSTER NODES": metrictest.Bulk(nodes),
		}})
		target.Peer = func(string) (*item.Target, error) { return target, nil }
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		require.True(t, json.Valid([]byte(text)))
	})
}

// A replica that copies its master has no offset: Redis prints 1 until then, and its master 0 until it confirms
// anything.
func TestNoLagOfAReplicaWithoutAnOffset(t *testing.T) {
	t.Parallel()
	member := func(addr, info string) *member {
		host, port, _ := net.SplitHostPort(addr)
		m := &member{node: node{addr: addr, ip: host, port: port}}
		require.NoError(t, m.read(&ask.Part{Value: resp.Value{Kind: resp.BulkString, Str: []byte("# Server\r\nredis_version:7.0.15\r\n# Replication\r\n" + info)}}))
		return m
	}
	const up, down = "role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:", "role:slave\r\nmaster_link_status:down\r\nslave_repl_offset:"
	const listed = "role:master\r\nmaster_repl_offset:1000\r\nslave0:ip=10.0.0.2,port=6379,state=online,lag=1,offset="
	for _, c := range []struct {
		name, master, replica string
		want                  info.Reading
	}{
		{"in step", listed + "990\r\n", up + "980\r\n", info.Known(10)},
		{"it copies", "role:master\r\nmaster_repl_offset:1000\r\n", down + "1\r\n", info.Reading{}},
		{"it has lost its master", "role:master\r\nmaster_repl_offset:1000\r\n", down + "900\r\n", info.Known(100)},
		{"it has just come", listed + "0\r\n", up + "970\r\n", info.Known(30)},
		{"it has just come, and loads", listed + "0\r\n", down + "1\r\n", info.Reading{}},
		{"its figures are without an offset", listed + "0\r\n", up + "0\r\n", info.Reading{}},
		{"nothing was ever written", "role:master\r\nmaster_repl_offset:0\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=0\r\n", up + "0\r\n", info.Known(0)},
		{"it has the history of another master", "role:master\r\nmaster_repl_offset:1000\r\nmaster_replid:aa\r\n", down + "900\r\nmaster_replid:bb\r\n", info.Reading{}},
		{"it was asked later", "role:master\r\nmaster_repl_offset:1000\r\n", up + "1010\r\n", info.Known(0)},
	} {
		got, _ := replicaLag(member("10.0.0.2:6379", c.replica), member("10.0.0.1:6379", c.master))
		require.Equal(t, c.want, got, c.name)
	}
}
