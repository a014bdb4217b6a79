package cluster

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// TestAnotherNodeStandsInForADeadEntry: the cluster is seen, and so is what it has lost.
func TestAnotherNodeStandsInForADeadEntry(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--cluster-node-timeout", "60000"}})
	cfg := redisclient.Config{Address: nodes[0].Addr}
	target, _ := metrictest.DialPeers(t, cfg)
	unknown, _ := metrictest.DialPeers(t, cfg)
	get := func(t *testing.T, target *item.Target) map[string]any {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		text, err := Get.Answer(ctx, &item.Request{Target: target, Env: &item.Env{}})
		require.NoError(t, err)
		return metrictest.Decode(t, text)
	}
	doc := get(t, target)
	require.EqualValues(t, 1, doc["up"])
	require.NotContains(t, doc, "entry_error")

	lost := func(t *testing.T) {
		t.Helper()
		doc := get(t, target)
		require.EqualValues(t, 1, doc["up"], doc["error"])
		require.Contains(t, doc["entry_error"], "Cannot query ")
		require.NotEmpty(t, doc["entry_reason"])
		require.Len(t, doc["nodes"], 6)
		require.Len(t, doc["shards"], 3)
		require.Equal(t, true, doc["partial"])
		unanswered := metrictest.Rows(t, doc["unanswered"])
		require.Len(t, unanswered, 1)
		require.Equal(t, nodes[0].Addr, unanswered[0]["addr"])
	}
	nodes[0].Pause(t)
	lost(t)
	nodes[0].Resume(t)
	nodes[0].Kill(t)
	lost(t)
	require.EqualValues(t, 0, get(t, unknown)["up"], "no other node is known")

	// Another server at the address of one is no stand-in, and those that are gone are none.
	v, _ := target.Memory.Load(standInMemory)
	others := v.(standIns)
	strangers := standIns{seen: others.seen, nodes: slices.Clone(others.nodes)}
	for i := range strangers.nodes {
		strangers.nodes[i].id = "another"
	}
	target.Memory.Store(standInMemory, strangers)
	require.EqualValues(t, 0, get(t, target)["up"])
	target.Memory.Store(standInMemory, others)
	for _, n := range nodes[1:] {
		n.Kill(t)
	}
	doc = get(t, target)
	require.EqualValues(t, 0, doc["up"])
	require.Contains(t, doc["error"], nodes[0].Addr)
}
