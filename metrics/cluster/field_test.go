package cluster

import (
	"crypto/tls"
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
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

const (
	me    = "616f2f090c7adfa68262d2a5124a77e5ec889255"
	other = "4816fa4f6d56279223b54c9925d925a2e5f199fc"
)

// byName is what targets dial for an address with an announced name, where
// nothing is configured: see conf.Options.Peer.
func byName(addr string) string {
	addr, name, announced := strings.Cut(addr, ",")
	if _, port, err := net.SplitHostPort(addr); announced && err == nil {
		return net.JoinHostPort(name, port)
	}
	return addr
}

// entryOf is a node at 10.0.0.1:6379 with that view, whose peers answer as
// peers say; addresses that are not in peers are noted and refused.
func entryOf(view string, peers map[string]*item.Target) (entry *item.Target, dialed *[]string) {
	entry = nodeOf(view, 5)
	entry.Name = "tcp://10.0.0.1:6379"
	dialed = new([]string)
	entry.Peer = func(addr string) (*item.Target, error) {
		addr = byName(addr)
		*dialed = append(*dialed, addr)
		if p := peers[addr]; p != nil {
			return p, nil
		}
		d := &metrictest.ScriptDoer{Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}}
		return metrictest.NewTarget(d), nil
	}
	return entry, dialed
}

// nodeOf is a node with that view and so many keys.
func nodeOf(view string, keys int) *item.Target {
	return metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
		"INFO": metrictest.Bulk(fmt.Sprintf("# Server\r\nredis_version:7.2.4\r\nrun_id:a\r\n# Memory\r\nused_memory:1000\r\n# Stats\r\ntotal_commands_processed:10\r\n"+
			"# Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\ndb0:keys=%d,expires=0\r\n", keys)),
		"CLUSTER INFO": metrictest.Bulk("cluster_state:ok\r\n"), "CLUSTER NODES": metrictest.Bulk(view),
	}})
}

// nameless is a peer whose name does not resolve.
func nameless() *item.Target {
	return metrictest.NewTarget(&metrictest.ScriptDoer{Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonDNS, Err: errors.New("no such host")}})
}

// Views that were seen in the field; each says where.
func TestClusterViewsSeenInTheField(t *testing.T) {
	t.Parallel()
	const mine = me + " 10.0.0.1:6379@1122 myself,master - 0 1612556089000 13 connected "
	lone := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
		"INFO":          metrictest.Bulk("# Server\r\nredis_version:7.2.4\r\n# Memory\r\nused_memory:999000\r\n# Cluster\r\ncluster_enabled:0\r\n# Keyspace\r\n"),
		"CLUSTER NODES": "-ERR This instance has cluster support disabled\r\n",
	}})
	stranger := nodeOf(strings.ReplaceAll(mine, me, "ffff2f090c7adfa68262d2a5124a77e5ec889255")+"0-16383\n", 999)
	here := nodeOf(mine+"0-16383\n", 5)
	for _, tt := range []struct {
		name, origin, view string
		peers              map[string]*item.Target
		dialed             []string
		addr, reason, says string // of the other node
	}{
		{
			"servers-06 an empty address is that of the server itself alone", "spring-data-redis#1985",
			other + " :6379@1122 master,fail - 1612556082601 0 0 connected\n" + mine + "0-16383\n",
			nil, nil, "(4816fa4f)", "tcp", "no address",
		},
		{
			"servers-06 a dead node at the address of the one that took its place", "StackExchange.Redis#311, OT redis-operator#1782",
			other + " 10.0.0.1:6379@1122 master,fail - 1612556082601 0 3 disconnected\n" + mine + "0-16383\n",
			map[string]*item.Target{"10.0.0.1:6379": here}, []string{"10.0.0.1:6379"}, "10.0.0.1:6379 (4816fa4f)", "protocol", "another node answers here: the node 616f2f",
		},
		{
			"servers-06 a plain Redis of somebody else at a reused address", "bitnami/charts#8224",
			other + " 10.0.0.7:6379@1122 master - 0 1612556089560 12 connected 8192-16383\n" + mine + "0-8191\n",
			map[string]*item.Target{"10.0.0.7:6379": lone}, []string{"10.0.0.7:6379"}, "10.0.0.7:6379", "protocol", "a server that is no node of a cluster",
		},
		{
			"a node of another cluster at a reused address", "valkey#2768",
			other + " 10.0.0.7:6379@1122 master - 0 1612556089560 12 connected 8192-16383\n" + mine + "0-8191\n",
			map[string]*item.Target{"10.0.0.7:6379": stranger}, []string{"10.0.0.7:6379"}, "10.0.0.7:6379", "protocol", "another node answers here: the node ffff2f",
		},
		{
			"servers-05 the loopback address for every node, with a name", "ElastiCache Serverless; redis-rb/redis-cluster-client#515",
			other + " 127.0.0.1:6380@1123,x-abc.serverless.example.com slave " + me + " 0 1612556089000 13 connected\n" + mine + "0-16383\n",
			map[string]*item.Target{"x-abc.serverless.example.com:6380": nameless()}, []string{"x-abc.serverless.example.com:6380"},
			"x-abc.serverless.example.com:6380", "dns", "no such host",
		},
		{
			"a host that the server does not know", "Redis 7 with cluster-preferred-endpoint-type hostname and none announced",
			other + " ?:6379@1122 slave " + me + " 0 1612556089000 13 connected\n" + mine + "0-16383\n",
			nil, nil, "(4816fa4f)", "tcp", "no address",
		},
		{
			"an address without a port", "spring-data-redis#1985",
			other + " 10.0.0.9 slave " + me + " 0 1612556089000 13 connected\n" + mine + "0-16383\n",
			nil, nil, "(4816fa4f)", "tcp", "no address",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, tt.origin)
			entry, dialed := entryOf(tt.view, tt.peers)
			doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
			require.EqualValues(t, 1, doc["up"])
			require.Len(t, doc["nodes"], 2)
			require.ElementsMatch(t, tt.dialed, *dialed)
			bad := metrictest.Row(t, doc["nodes"], "id", other)
			require.Equal(t, []any{tt.addr, 0.0, tt.reason}, []any{bad["addr"], bad["up"], bad["reason"]})
			require.Contains(t, bad["error"], tt.says)
			require.NotContains(t, bad, "keys", "what another server has is not this node's")
			require.NotContains(t, bad, "used_memory")
			own := metrictest.Row(t, doc["nodes"], "id", me)
			require.Equal(t, []any{"10.0.0.1:6379", 1.0, 5.0}, []any{own["addr"], own["up"], own["keys"]})
			require.Equal(t, true, doc["partial"])
			require.Len(t, doc["unanswered"], 1)
			require.Equal(t, map[string]any{"asked": 1.0, "distinct": 1.0, "of": "10.0.0.1:6379"}, doc["views"], "a stranger is no witness")
			require.LessOrEqual(t, bad["seen_failing"], 1.0)
		})
	}
}

// Dragonfly plays a cluster of one shard: its replicas list but their master, whose
// id is missing, and themselves. Its master may give all of them one id.
// source: dragonfly issues 7771, 2726 and 2734
func TestAClusterThatDragonflyPlays(t *testing.T) {
	t.Parallel()
	const main, a, b = "10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"
	dragonfly := func(view string, role string) *item.Target {
		return metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
			"INFO": metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.39.0\r\n# Memory\r\nused_memory:1000\r\n" +
				"# Replication\r\nrole:" + role + "\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\ndb0:keys=5,expires=0\r\n"),
			"CLUSTER INFO": metrictest.Bulk("cluster_state:ok\r\n"), "CLUSTER NODES": metrictest.Bulk(view),
		}})
	}
	const idA, idB = "73b77b19df9948977a23f018db68074cf4d4e820", "b3973e4281353a4e447a675d6286095cc8e3cedc"
	masters := func(idA, idB string) string {
		return me + " " + main + "@6379 myself,master - 0 0 0 connected 0-16383\r\n" +
			idA + " " + a + "@6379 slave " + me + " 0 0 0 connected\r\n" + idB + " " + b + "@6379 slave " + me + " 0 0 0 connected\r\n"
	}
	replicas := func(id, addr string) string {
		return " 10.0.0.1:9999@9999 master - 0 0 0 connected 0-16383\r\n" + id + " " + addr + "@6379 myself,slave  0 0 0 connected\r\n"
	}
	nodeA, nodeB := dragonfly(replicas(idA, a), "slave"), dragonfly(replicas(idB, b), "slave")
	for _, tt := range []struct {
		name, entry string
		target      *item.Target
		nodes       []any // ids
		replicas    int
	}{
		{"the master", main, dragonfly(masters(idA, idB), "master"), []any{me, idA, idB}, 2},
		{"the master, all replicas under one id", main, dragonfly(masters(idA, idA), "master"), []any{me, a, b}, 2},
		{"a replica", a, nodeA, []any{"10.0.0.1:9999", idA}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.target.Peer = func(addr string) (*item.Target, error) {
				return map[string]*item.Target{"10.0.0.1:9999": dragonfly(masters(idA, idB), "master"), a: nodeA, b: nodeB}[addr], nil
			}
			doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, tt.target)))
			var ids []any
			for _, n := range metrictest.Rows(t, doc["nodes"]) {
				require.EqualValues(t, 1, n["up"], n["error"])
				ids = append(ids, n["id"])
			}
			require.ElementsMatch(t, tt.nodes, ids)
			require.NotContains(t, doc, "unreadable")
			require.EqualValues(t, 0, doc["views_disagree"])
			require.EqualValues(t, 0, doc["masters_without_replica"])
			require.Len(t, metrictest.Rows(t, doc["shards"])[0]["replicas"], tt.replicas)
		})
	}
}

func TestEveryNodeHasARowOfItsOwn(t *testing.T) {
	t.Parallel()
	const third = "77777a4f6d56279223b54c9925d925a2e5f199fc"
	entry, _ := entryOf(me+" 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-16383\n"+
		other+" :0@0 slave,noaddr "+me+" 0 0 1 disconnected\n"+third+" :0@0 slave,noaddr "+me+" 0 0 1 disconnected\n"+
		third+" :0@0 slave,noaddr "+me+" 0 0 1 disconnected\n", nil)
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
	var addrs []any
	for _, n := range metrictest.Rows(t, doc["nodes"]) {
		addrs = append(addrs, n["addr"])
	}
	require.ElementsMatch(t, []any{"10.0.0.1:6379", "(4816fa4f)", "(77777a4f)"}, addrs)
}

func TestANodeIsAskedByItsNameAndItsAddress(t *testing.T) {
	t.Parallel()
	const view = me + " 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-16383\n" + other + " 10.0.0.2:6379@1,n2.example.com slave " + me + " 0 0 1 connected\n"
	entry := nodeOf(view, 5)
	entry.Peer = func(addr string) (*item.Target, error) {
		require.Equal(t, "10.0.0.2:6379,n2.example.com", addr, "who dials chooses")
		return nodeOf(strings.NewReplacer("myself,", "", " slave", " myself,slave").Replace(view), 7), nil
	}
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
	require.Equal(t, false, doc["partial"])
	node := metrictest.Row(t, doc["nodes"], "id", other)
	require.Equal(t, []any{"10.0.0.2:6379", "10.0.0.2", "n2.example.com", 7.0}, []any{node["addr"], node["ip"], node["hostname"], node["keys"]})
}

// servers-04: certificates that have names only, on real servers.
func TestARealClusterWhoseCertificatesHaveNamesOnly(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	cert, key := ca.Issue(t, "node", time.Now().Add(time.Hour), "localhost")
	nodes := redistest.NewCluster(t, redistest.Flavour{Name: redistest.Machine}, redistest.Config{TLS: true, Args: []string{
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.File, "--tls-cluster", "yes", "--tls-replication", "yes",
		"--cluster-announce-hostname", "localhost",
	}})
	at := func(addr string) (*item.Target, error) {
		addr = byName(addr)
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr, TLS: &tls.Config{ServerName: host, RootCAs: ca.Pool}})
		return target, nil
	}
	_, port, err := net.SplitHostPort(nodes[0].TLSAddr)
	require.NoError(t, err)
	entry, err := at("localhost:" + port)
	require.NoError(t, err)
	entry.Peer = at
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
	require.Equal(t, false, doc["partial"], "%v", doc["unanswered"])
	require.Len(t, doc["nodes"], 6)
	for _, n := range metrictest.Rows(t, doc["nodes"]) {
		require.Equal(t, []any{1.0, "localhost"}, []any{n["up"], n["hostname"]})
	}
	require.Contains(t, doc["skew"], "memory")
}

// One line of CLUSTER NODES that cannot be read loses no other one, and what it
// may have told is unknown.
func TestAClusterWithALineThatCannotBeRead(t *testing.T) {
	t.Parallel()
	entry, _ := entryOf(me+" 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-8191\n"+other+" 10.0.0.2:6379@1 master - 0 0 1 connected 99999\n", nil)
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
	require.Equal(t, map[string]any{"nodes": 1.0}, doc["unreadable"])
	require.Equal(t, true, doc["partial"])
	require.Len(t, doc["nodes"], 1)
	require.NotContains(t, doc["slots"], "uncovered")
	masters, _, err := Masters(t.Context(), entry)
	require.NoError(t, err)
	require.Len(t, masters, 2)
	require.ErrorContains(t, masters[1].Err, "cannot be read")
}

// servers-28, peers-09, on the nodes of a cluster.
func TestANodeThatDoesNotShowINFOIsThere(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{
		"refused": "-NOPERM no INFO\r\n", "renamed": "-ERR unknown command 'INFO'\r\n", "without a header": metrictest.Bulk("redis_version:7.0.0\r\nrole:master\r\n"),
	} {
		const view = me + " 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-8191\n" + other + " 10.0.0.2:6379@1 master - 0 0 1 connected 8192-16383\n"
		peer := nodeOf(strings.NewReplacer(" myself,", " ", other+" 10.0.0.2:6379@1 ", other+" 10.0.0.2:6379@1 myself,").Replace(view), 7)
		entry, _ := entryOf(view, map[string]*item.Target{"10.0.0.2:6379": peer})
		peer.Doer.(*metrictest.ScriptDoer).Replies["INFO"] = reply
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
		require.Equal(t, false, doc["partial"], name)
		node := metrictest.Row(t, doc["nodes"], "id", other)
		require.Equal(t, []any{1.0, ""}, []any{node["up"], node["reason"]}, name)
		require.NotContains(t, node, "keys", name)
		require.Contains(t, doc["unavailable"], "info", name)
		require.NotContains(t, doc["skew"], "keys", name)
	}
}

func TestMastersAreThoseThatTheClusterMeans(t *testing.T) {
	t.Parallel()
	const view = me + " 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-8191\n" + other + " 10.0.0.2:6379@1 master - 0 0 1 connected 8192-16383\n"
	peer := nodeOf(view, 1)
	entry, _ := entryOf(view, map[string]*item.Target{"10.0.0.2:6379": peer})
	asOther := strings.NewReplacer(" myself,", " ", other+" 10.0.0.2:6379@1 ", other+" 10.0.0.2:6379@1 myself,").Replace(view)
	for reply, says := range map[string]string{
		metrictest.Bulk(asOther): "", metrictest.Bulk(view): "another node answers here", "-NOPERM no\r\n": "",
		"-ERR This instance has cluster support disabled\r\n": "a server that is no node",
	} {
		peer.Doer.(*metrictest.ScriptDoer).Replies["CLUSTER NODES"] = reply
		peer.Memory = &item.Memory{}
		masters, _, err := Masters(t.Context(), entry)
		require.NoError(t, err)
		require.Len(t, masters, 2)
		require.NoError(t, masters[0].Err)
		if says == "" {
			require.NoError(t, masters[1].Err)
		} else {
			require.ErrorContains(t, masters[1].Err, says)
		}
	}
}

// A cluster that does 100 commands a second and has done nothing in the last 1.6
// seconds.
func TestOperationsAreThoseSinceAnEarlierPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const view = me + " 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-8191\n" + other + " 10.0.0.2:6379@1 master - 0 0 1 connected 8192-16383\n"
		began := time.Now()
		stats := func(run string, perSecond int) string {
			return metrictest.Bulk(fmt.Sprintf("# Server\r\nredis_version:7.2.4\r\nrun_id:%s\r\n# Stats\r\ntotal_commands_processed:%d\r\ninstantaneous_ops_per_sec:0\r\n"+
				"# Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n", run, 1000+perSecond*int(time.Since(began).Seconds())))
		}
		peer := nodeOf(strings.NewReplacer(" myself,", " ", other+" 10.0.0.2:6379@1 ", other+" 10.0.0.2:6379@1 myself,").Replace(view), 0)
		entry, _ := entryOf(view, map[string]*item.Target{"10.0.0.2:6379": peer})
		poll := func(run string) map[string]any {
			entry.Doer.(*metrictest.ScriptDoer).Replies["INFO"] = stats("a", 10)
			peer.Doer.(*metrictest.ScriptDoer).Replies["INFO"] = stats(run, 90)
			doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
			require.Equal(t, false, doc["partial"])
			time.Sleep(time.Minute)
			return doc
		}
		doc := poll("b")
		require.NotContains(t, metrictest.Row(t, doc["shards"], "shard", "0"), "ops")
		doc = poll("b")
		require.InDelta(t, 10, metrictest.Row(t, doc["shards"], "shard", "0")["ops"], 0.01)
		require.InDelta(t, 90, metrictest.Row(t, doc["nodes"], "id", other)["ops"], 0.01)
		require.InDelta(t, 1.8, doc["skew"].(map[string]any)["ops"], 0.001)
		doc = poll("c")
		require.NotContains(t, metrictest.Row(t, doc["nodes"], "id", other), "ops", "it was restarted")
		require.NotContains(t, doc["skew"], "ops")
		require.InDelta(t, 90, metrictest.Row(t, poll("c")["nodes"], "id", other)["ops"], 0.01)
	})
}
