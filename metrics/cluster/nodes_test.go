package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/info"
	"redisjobs/redisclient"
)

func clusterReply(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "cluster", "redis-7.0.15-"+name+".txt"))
	require.NoError(t, err)
	return string(text)
}

// recordedNode is the node with that port in a recorded reply.
func recordedNode(t testing.TB, reply, port string) node {
	t.Helper()
	nodes, _, err := parseNodes(clusterReply(t, reply))
	require.NoError(t, err)
	for _, n := range nodes {
		if strings.HasSuffix(n.addr, ":"+port) {
			return n
		}
	}
	require.Fail(t, "no such node", "%s in %s", port, reply)
	return node{}
}

const (
	recorded1 = "5c95df1f1a9f7586e16ac25ae061524d80ee8118"
	recorded2 = "e36b1daca47273847e1f180ce335f0e90ea3ec45"
)

func TestRecordedClusterNodes(t *testing.T) {
	t.Parallel()
	healthy, _, err := parseNodes(clusterReply(t, "healthy"))
	require.NoError(t, err)
	require.Len(t, healthy, 6)
	require.Equal(t, node{
		id: recorded2, addr: "127.0.0.1:17002", ip: "127.0.0.1", port: "17002", flags: []string{"master"}, epoch: info.Known(2), connected: true,
		slots: []slotRange{{5461, 10922}},
	}, healthy[0])
	me := healthy[1]
	require.True(t, me.is("myself"))
	require.Equal(t, 5461, me.slotCount())
	require.Equal(t, "0-5460", me.slotText())
	replica := recordedNode(t, "healthy", "17005")
	require.True(t, replica.is("slave"))
	require.Equal(t, recorded2, replica.master)

	require.Equal(t, []slotMove{{5000, false, recorded2}, {5001, false, recorded2}}, recordedNode(t, "migrating", "17001").moves)
	require.Equal(t, []slotMove{{5000, true, recorded1}}, recordedNode(t, "importing", "17002").moves)

	named := recordedNode(t, "hostname", "17002")
	require.Equal(t, "node-2.example.com", named.hostname)
	require.Equal(t, "127.0.0.1:17002", named.addr)

	suspect := recordedNode(t, "pfail", "17002")
	require.True(t, suspect.is("fail?"))
	require.True(t, suspect.failing())
	failed := recordedNode(t, "failed", "17002")
	require.True(t, failed.is("fail"))
	require.False(t, failed.connected)
	require.Equal(t, "5461-10922", failed.slotText(), "a failed master keeps its slots until somebody takes them")
	require.Empty(t, recordedNode(t, "failed-over", "17002").slots)
	require.Equal(t, info.Known(7), recordedNode(t, "failed-over", "17005").epoch)

	lone := recordedNode(t, "lone", "17009")
	require.Equal(t, ":17009", lone.addr, "it has met nobody who told it its address")
}

func TestParseClusterNodes(t *testing.T) {
	t.Parallel()
	const rest = " master - 0 0 1 connected"
	for _, tt := range []struct {
		name, text string
		want       node
	}{
		{"Redis 3 prints no bus port", "a 10.0.0.1:6379" + rest, node{addr: "10.0.0.1:6379", ip: "10.0.0.1", port: "6379"}},
		{"an IPv6 address gets brackets", "a 2001:db8::1:6379@16379" + rest, node{addr: "[2001:db8::1]:6379", ip: "2001:db8::1", port: "6379"}},
		{"a name without an address is used", "a :6379@16379,node.example.com" + rest, node{addr: "node.example.com:6379", port: "6379", hostname: "node.example.com"}},
		{"further fields behind the name", "a 10.0.0.1:6379@16379,n,shard-id=x" + rest, node{addr: "10.0.0.1:6379", ip: "10.0.0.1", port: "6379", hostname: "n"}},
		{"further fields without a name", "a 10.0.0.1:6379@16379,,shard-id=x" + rest, node{addr: "10.0.0.1:6379", ip: "10.0.0.1", port: "6379"}},
		{"an address that the server does not know", "a ?:6379@16379" + rest, node{addr: ":6379", port: "6379"}},
		{"no address", "a 10.0.0.9" + rest, node{}},
		{"a port out of range", "a h:99999@1" + rest, node{}},
		{"single slots and ranges", "a h:1@2" + rest + " 5 7-9", node{addr: "h:1", hostname: "h", port: "1", slots: []slotRange{{5, 5}, {7, 9}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nodes, _, err := parseNodes(tt.text)
			require.NoError(t, err)
			tt.want.id, tt.want.flags, tt.want.epoch, tt.want.connected = "a", []string{"master"}, info.Known(1), true
			require.Equal(t, []node{tt.want}, nodes)
		})
	}
	wrapped, _, err := parseNodes("a h:1@2 master - 0 0 18446744073709551615 connected 0-5\n")
	require.NoError(t, err)
	require.False(t, wrapped[0].epoch.Known)
	require.Equal(t, 6, wrapped[0].slotCount())
	gone, _, err := parseNodes("a :0@0 slave,noaddr b 0 0 1 disconnected\n")
	require.NoError(t, err)
	require.Empty(t, gone[0].addr)
	for name, text := range map[string]string{
		"nothing":                 " \n\n",
		"too few fields":          "a h:1@2 master - 0 0 1",
		"a slot out of range":     "a h:1@2 master - 0 0 1 connected 16384",
		"a range that runs back":  "a h:1@2 master - 0 0 1 connected 9-7",
		"a move to nobody":        "a h:1@2 master - 0 0 1 connected [5->-]",
		"a move of no known kind": "a h:1@2 master - 0 0 1 connected [5-=-b]",
		"slots that two own":      "a h:1@2 master - 0 0 1 connected 0-16383\nb h:2@3 master - 0 0 1 connected 7",
		"a negative slot":         "a h:1@2 master - 0 0 1 connected -5",
	} {
		_, _, err := parseNodes(text)
		require.Error(t, err, name)
	}
}

// A line that cannot be read loses no other one.
func TestOneLineOfClusterNodesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"a word": "x", "too few fields": "a h:1@2 master - 0 0 1", "a slot out of range": "a h:1@2 master - 0 0 1 connected 16384",
	} {
		nodes, unreadable, err := parseNodes(line + "\n" + clusterReply(t, "healthy") + line)
		require.NoError(t, err, name)
		require.Len(t, nodes, 6, name)
		require.Equal(t, 2, unreadable, name)
	}
	nodes, _, err := parseNodes("a :0@0 master,noaddr - 0 0 1 disconnected\na 10.0.0.1:6379@1 master - 0 0 1 connected 5\na 10.0.0.2:6379@1 slave,noaddr - 0 0 1 connected\n")
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, "10.0.0.1:6379", nodes[0].addr, "the line with an address is the node's")
}

func TestMissingSlots(t *testing.T) {
	t.Parallel()
	var s slotSet
	s.add([]slotRange{{0, 5460}, {5462, 16382}})
	ranges, count := s.missing()
	require.Equal(t, 2, count)
	require.Equal(t, "5461 16383", slotText(ranges))
}

func FuzzClusterNodes(f *testing.F) {
	for _, name := range []string{"healthy", "migrating", "importing", "hostname", "pfail", "failed", "failed-over", "lone"} {
		f.Add(clusterReply(f, name))
	}
	f.Add("a 2001:db8::1:6379@16379,,shard-id=x slave,noaddr,handshake b 0 0 1 disconnected [1->-b] [2-<-c] 3 4-5")
	f.Fuzz(func(t *testing.T, text string) {
		nodes, unreadable, err := parseNodes(text)
		if err != nil {
			require.Less(t, len(err.Error()), 400)
			return
		}
		require.NotEmpty(t, nodes)
		require.LessOrEqual(t, unreadable, strings.Count(text, "\n")+1)
		ids := map[string]bool{}
		for _, n := range nodes {
			require.False(t, ids[n.id])
			ids[n.id] = true
		}
		var have slotSet
		for _, n := range nodes {
			require.NotEmpty(t, n.id)
			for _, r := range n.slots {
				require.True(t, 0 <= r.first && r.first <= r.last && r.last < totalSlots)
			}
			for _, m := range n.moves {
				require.True(t, 0 <= m.slot && m.slot < totalSlots && m.other != "")
			}
			have.add(n.slots)
		}
		_, missing := have.missing()
		require.LessOrEqual(t, missing, totalSlots)
	})
}

// TestMoreNodesThanClustersHave are of no cluster, and are not kept.
func TestMoreNodesThanClustersHave(t *testing.T) {
	t.Parallel()
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%040d 10.0.%d.%d:6379@16379 master - 0 0 1 connected\n", i, i/256, i%256)
		}
		return b.String()
	}
	nodes, _, err := parseNodes(list(maxNodes))
	require.NoError(t, err)
	require.Len(t, nodes, maxNodes)
	_, _, err = parseNodes(list(maxNodes + 1))
	require.ErrorIs(t, err, errTooManyNodes)
	_, _, err = parseNodes(strings.Repeat("\n", redisclient.MaxClusterNodes+1))
	require.ErrorIs(t, err, redisclient.ErrClusterNodes)
}
