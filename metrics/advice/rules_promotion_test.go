package advice

import (
	"fmt"
	"slices"
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
