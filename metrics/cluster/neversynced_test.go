package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestAReplicaThatWasNeverSynchronized follows its master by the flags, and has nothing of it:
// the master does not let it in. Redis does not promote it.
func TestAReplicaThatWasNeverSynchronized(t *testing.T) {
	t.Parallel()
	for _, flavour := range []string{redistest.Machine, "valkey-8.1"} {
		t.Run(flavour, func(t *testing.T) {
			t.Parallel()
			nodes := redistest.NewCluster(t, redistest.Find(t, flavour), redistest.Config{Args: []string{"--cluster-node-timeout", "60000"}})
			target, _ := metrictest.DialPeers(t, redisclient.Config{Address: nodes[1].Addr})
			shard := func() (has, takesOver, alone any) {
				doc := documentOf(t, target)
				require.Equal(t, false, doc["partial"])
				s := metrictest.Row(t, doc["shards"], "shard", "0")
				return s["has_replica"], s["takes_over"], doc["masters_without_replica"]
			}
			is := func(want ...any) {
				t.Helper()
				has, takesOver, alone := shard()
				require.Equal(t, want, []any{has, takesOver, alone})
			}
			is(1.0, 1.0, 0.0)

			// One that has lost its master a moment ago has a copy, and takes over.
			nodes[0].Do(t, "ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
			nodes[0].Do(t, "CLIENT", "KILL", "TYPE", "replica")
			require.Equal(t, "down", nodes[3].InfoField(t, "replication", "master_link_status"))
			is(1.0, 1.0, 0.0)

			nodes[3].Restart(t)
			require.Equal(t, "-1", nodes[3].InfoField(t, "replication", "master_link_down_since_seconds"))
			// The connections to what was there before are gone.
			target, _ = metrictest.DialPeers(t, redisclient.Config{Address: nodes[1].Addr})
			is(0.0, 0.0, 1.0)

			nodes[0].Do(t, "ACL", "SETUSER", "default", "+psync", "+sync", "+replconf")
			require.Eventually(t, func() bool {
				return nodes[3].InfoField(t, "replication", "master_link_status") == "up"
			}, time.Minute, 50*time.Millisecond)
			is(1.0, 1.0, 0.0)
		})
	}
}

// TestAReplicaThatIsLongWithoutItsMaster still has a copy, and does not take over by itself.
func TestAReplicaThatIsLongWithoutItsMaster(t *testing.T) {
	t.Parallel()
	for down, takesOver := range map[int]float64{0: 1, 1800: 1, 1801: 0} {
		c := newScript(t, "healthy")
		c.doer("17004").Replies["INFO"] = metrictest.Bulk(fmt.Sprintf("# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:9000\r\n# Replication\r\nrole:slave\r\n"+
			"master_host:127.0.0.1\r\nmaster_port:17001\r\nmaster_link_status:down\r\nslave_repl_offset:95\r\nmaster_link_down_since_seconds:%d\r\n", down))
		doc := documentOf(t, c["17002"])
		s := metrictest.Row(t, doc["shards"], "shard", "0")
		require.Equal(t, []any{1.0, takesOver, 0.0}, []any{s["has_replica"], s["takes_over"], doc["masters_without_replica"]}, "%d seconds", down)
	}
}
