package targets

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
)

// TestAKeyOfANodeWithoutAnAddress: the error says what is wrong with the cluster.
func TestAKeyOfANodeWithoutAnAddress(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{})
	nodes[2].Do(t, "CLUSTER", "RESET", "HARD")
	require.Eventually(t, func() bool {
		return strings.Contains(nodes[0].Do(t, "CLUSTER", "NODES"), ",noaddr ")
	}, time.Minute, 20*time.Millisecond)
	rt, err := New(decoded(t, "Sessions.A.Uri=tcp://"+nodes[0].Addr))
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	metric, ok := metrics.Lookup("redis.key.get")
	require.True(t, ok)
	w := jsondoc.New(0)
	require.NoError(t, rt.Collect(soon(t), metric, []string{"A", "", "", "a"}, w))
	require.Contains(t, w.Document(), "the cluster has no address of the node with this slot")
}
