package advice

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAResidentMemoryThatCouldNotBeRead is 0, and no rule judges by it.
func TestAResidentMemoryThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	changes := []string{"memory.used_memory_rss=0", "memory.used_memory=2227040000", "memory.maxmemory=0", "memory.total_system_memory=2000000000"}
	v := judgeAll(t, subject{state: with(with(healthy, users), changes...), machine: machine{why: otherMachine}})
	for _, rule := range []string{"swapped", "fragmentation", "machine_memory_full"} {
		require.NotContains(t, ids(v.findings), rule)
		require.Contains(t, ids(v.unjudged), rule)
	}
}

// TestAReplicaThatNeverTakesOver is a copy, and none that saves the shard.
func TestAReplicaThatNeverTakesOver(t *testing.T) {
	t.Parallel()
	never := append(slices.Clone(shards[:5]), "c2 10.0.0.3:6380@16380 slave,nofailover c1 0 0 3 connected")
	for _, tt := range []struct {
		nodes []string
		want  []string
	}{
		{never, []string{"shard_on_one_host", "shard_without_replica"}},
		{append(slices.Clone(never), "c3 10.0.0.2:6381@16381 slave c1 0 0 3 connected"), nil},
	} {
		v := judgeAll(t, subject{state: with(with(healthy, users), append(slices.Clone(member), nodes(tt.nodes...))...), machine: machine1})
		require.ElementsMatch(t, tt.want, ids(v.findings))
	}
}

// TestAReplicaWithoutAnAddress saves no shard: nobody can reach it. A master without one is
// called by its id.
func TestAReplicaWithoutAnAddress(t *testing.T) {
	t.Parallel()
	lost := append(slices.Clone(shards[:5]), "c2 :0@0 slave,noaddr c1 0 0 3 disconnected")
	v := judgeAll(t, subject{state: with(with(healthy, users), append(slices.Clone(member), nodes(lost...))...), machine: machine1})
	require.Equal(t, []string{"shard_without_replica"}, ids(v.findings))
	require.Equal(t, "10.0.0.3:6379", v.findings[0].evidence)

	lost[2] = "c1 :0@0 master,noaddr - 0 0 3 disconnected 10923-16383"
	v = judgeAll(t, subject{state: with(with(healthy, users), append(slices.Clone(member), nodes(lost...))...), machine: machine1})
	require.Equal(t, "(c1)", v.findings[0].evidence)
}

// TestWhatANodeKnowsOfItsOwnReplication: a replica knows for how long it has had no link,
// a master only that none follows it now.
func TestWhatANodeKnowsOfItsOwnReplication(t *testing.T) {
	t.Parallel()
	asked := slices.Clone(shards)
	asked[0], asked[3] = strings.Replace(asked[0], "myself,", "", 1), strings.Replace(asked[3], "slave", "myself,slave", 1)
	replica := func(down string) []string {
		return []string{"server.redis_mode=cluster", "cluster.cluster_enabled=1", slot(10), nodes(asked...), "replication.role=slave", "replication.master_host=10.0.0.1",
			"replication.master_link_status=down", "replication.slave_repl_offset=9000", "replication.master_link_down_since_seconds=" + down,
			"config.cluster-node-timeout=15000", "config.repl-ping-replica-period=10"}
	}
	lonely := append(slices.Clone(member), "replication.connected_slaves=0", "-replication.slave0", "config.min-replicas-to-write=0")
	for _, tt := range []struct {
		name             string
		changes          []string
		speaks, unjudged bool
	}{
		{"a replica that has lost its master a moment ago", append(replica("160"), "config.cluster-replica-validity-factor=10"), false, false},
		{"one without it for too long", append(replica("161"), "config.cluster-replica-validity-factor=10"), true, false},
		{"one that may be without it for as long as it wants", append(replica("161"), "config.cluster-replica-validity-factor=0"), false, false},
		{"one whose configuration is not known", replica("161"), false, false},
		{"one that was never synchronized", replica("-1"), true, false},
		{"a master that nobody follows", lonely, false, true},
		{"a master of which a replica copies everything", append(slices.Clone(member), "replication.slave0=ip=10.0.0.2,port=6380,state=wait_bgsave,offset=0,lag=0"), false, true},
		{"a master that nobody follows, and a shard without a replica", append(slices.Clone(lonely), nodes(shards[:5]...)), true, false},
		{"a master that does not tell", append(slices.Clone(lonely), "-replication.connected_slaves"), false, false},
	} {
		v := judgeAll(t, subject{state: with(with(healthy, users), tt.changes...), machine: machine1})
		require.Equal(t, []bool{tt.speaks, tt.unjudged},
			[]bool{slices.Contains(ids(v.findings), "shard_without_replica"), slices.Contains(ids(v.unjudged), "shard_without_replica")}, tt.name)
	}
}

// TestReplicasThatSentinelsMayNotPromote are none, also where there are several; one
// that the sentinel counts and does not list (replica-announced no) may be promoted.
func TestReplicasThatSentinelsMayNotPromote(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		known  int
		rows   []string
		speaks bool
	}{
		{1, []string{"slave 0"}, true}, {1, []string{"slave,s_down 100"}, true}, {2, []string{"slave 0", "slave,disconnected 100"}, true},
		{2, []string{"slave 0", "slave 100"}, false}, {1, nil, false}, {2, []string{"slave 0"}, false}, {1, []string{"slave 100"}, false},
		{1, []string{"slave 100 86000000"}, true}, {2, []string{"slave 100 86000000", "slave 100 0"}, false},
	} {
		changes := append(sentinels(2, 2, tt.known), listed(tt.rows...))
		v := judgeAll(t, subject{state: with(with(healthy, users), changes...), machine: machine1})
		require.Equal(t, tt.speaks, slices.Contains(ids(v.findings), "master_without_replica"), "%v", tt)
		if tt.speaks {
			require.Contains(t, v.findings[0].evidence, fmt.Sprintf("mymaster: none of %d replica", tt.known))
		}
		v = judgeAll(t, subject{state: with(with(healthy, users), append(changes, "reply.SENTINEL REPLICAS mymaster=-NOPERM no\r\n")...), machine: machine1})
		require.NotContains(t, ids(v.findings), "master_without_replica")
		require.Equal(t, []string{"master_without_replica"}, ids(v.unjudged))
	}
}

// TestWhoNeedsACertificateIsNotAnybody: a server whose only port asks each client for a
// certificate of its own authority.
func TestWhoNeedsACertificateIsNotAnybody(t *testing.T) {
	t.Parallel()
	open := []string{"config.protected-mode=no", "config.requirepass=", "-reply.ACL LIST", "config.tls-port=6380"}
	for _, tt := range []struct {
		changes          []string
		speaks, unjudged bool
	}{
		{[]string{"config.port=0", "config.tls-auth-clients=yes"}, false, false},
		{[]string{"config.port=0", "config.tls-auth-clients=optional"}, true, false},
		{[]string{"config.port=0", "config.tls-auth-clients=no"}, true, false},
		{[]string{"config.tls-auth-clients=yes"}, true, false},
		{[]string{"config.port=0"}, false, true},
		{[]string{"config.port=0", "config.tls-port=0"}, false, false},
	} {
		v := judgeAll(t, subject{state: with(with(healthy, users), append(slices.Clone(open), tt.changes...)...), machine: machine1, anonymous: true})
		require.Equal(t, []bool{tt.speaks, tt.unjudged},
			[]bool{slices.Contains(ids(v.findings), "open_to_network"), slices.Contains(ids(v.unjudged), "open_to_network")}, "%v", tt.changes)
	}
}
