package keys

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// peers-11: the entry node's part is not the cluster.
func TestKeysCountOfARealCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{Name: redistest.Machine}, redistest.Config{})
	byAddr := map[string]*redistest.Node{}
	for _, n := range nodes {
		byAddr[n.Addr] = n
	}
	for i := range 30 {
		key := fmt.Sprintf("key:%d", i)
		for _, n := range nodes[:3] { // one of them has the slot
			if _, err := n.TryDo("SET", key, "x"); err == nil {
				break
			}
		}
	}
	entryAt := func(n *redistest.Node) *item.Target {
		entry, _ := metrictest.DialTarget(t, redisclient.Config{Address: n.Addr})
		peers := map[string]*item.Target{}
		entry.Peer = func(addr string) (*item.Target, error) {
			if peers[addr] == nil {
				ctx := t.Context()
				conn, err := redisclient.Dial(ctx, redisclient.Config{Address: addr})
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() { _ = conn.Close() })
				peers[addr] = metrictest.NewTarget(conn)
			}
			return peers[addr], nil
		}
		return entry
	}
	count := func(entry *item.Target) map[string]any {
		return metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Count, entry, "", "", "", "key:*")))
	}
	for _, n := range []*redistest.Node{nodes[0], nodes[1], nodes[4]} { // the last is a replica
		entry := entryAt(n)
		for range 2 {
			doc := count(entry)
			require.Equal(t, []any{"cluster", 30.0, true, 30.0}, []any{doc["view"], doc["count"], doc["complete"], doc["dbsize"]})
			require.Empty(t, doc["unavailable"])
		}
	}
	entry := entryAt(nodes[0])
	nodes[2].Kill(t)
	doc := count(entry)
	require.Equal(t, []any{"cluster", false}, []any{doc["view"], doc["complete"]}, "what cannot be asked may have keys")
	require.Less(t, doc["count"], 30.0)
	require.NotContains(t, doc, "dbsize")
	require.NotContains(t, doc, "estimate")
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["masters"], nodes[2].Addr)

	nodes[0].Do(t, "ACL", "SETUSER", "reader", "on", "nopass", "~*", "+info", "+scan", "+dbsize", "+client|setname")
	alone, _ := metrictest.DialTarget(t, redisclient.Config{Address: nodes[0].Addr, User: "reader", Password: "x"})
	doc = count(alone)
	require.Equal(t, []any{"entry_node", true}, []any{doc["view"], doc["complete"]})
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["masters"], "NOPERM")
}

func TestKeysCountOfOneServerSaysSo(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SET", "key:1", "x")
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for poll := range 3 {
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Count, target, "", "", "", "key:*")))
		require.Equal(t, []any{"server", 1.0, true}, []any{doc["view"], doc["count"], doc["complete"]})
		require.Equal(t, poll+1, d.Calls)
	}
}
