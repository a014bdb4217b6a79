package templates

import (
	"fmt"
	"strings"
	"testing"

	"redisjobs/internal/redistest"
)

// TestRecordClusters writes the answers about clusters.
func TestRecordClusters(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{
		Args:  []string{"--cluster-replica-no-failover", "yes", "--maxmemory", "64mb"},
		Users: []string{"pinger on >pinger ~* -@all +@connection"},
	})
	for i := range 100 {
		for _, n := range nodes[:3] {
			_, _ = n.TryDo("SET", fmt.Sprint("key", i), "x") // two of three nodes say MOVED
		}
	}
	r.document("redis_cluster_ok", "redis.cluster.get", nodes[0].Addr)
	r.document("redis_cluster_untold", "redis.cluster.get", nodes[0].Addr, "pinger", "pinger")
	nodes[2].Do(t, "CLUSTER", "DELSLOTS", "16383")
	r.until(func() bool { return strings.Contains(nodes[2].Do(t, "CLUSTER", "INFO"), "cluster_state:fail") })
	r.document("redis_cluster_refusing", "redis.cluster.get", nodes[0].Addr)
	nodes[2].Do(t, "CLUSTER", "ADDSLOTS", "16383")
	r.until(func() bool { return strings.Contains(nodes[2].Do(t, "CLUSTER", "INFO"), "cluster_state:ok") })
	nodes[1].Kill(t)
	r.until(func() bool { return strings.Contains(nodes[0].Do(t, "CLUSTER", "INFO"), "cluster_state:fail") })
	r.document("redis_cluster_fail", "redis.cluster.get", nodes[0].Addr)
	r.document("redis_cluster_down", "redis.cluster.get", nodes[1].Addr)
	plain := redistest.Start(t, redistest.Config{})
	r.document("redis_cluster_none", "redis.cluster.get", plain.Addr)
}
