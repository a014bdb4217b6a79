//go:build e2e && linux

package topology

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// TestAClusterWithOneFailedMaster: the item answers inside its deadline and names the node, the slots and who noticed.
func TestAClusterWithOneFailedMaster(t *testing.T) { eachOf(t, clustered, oneFailedMaster) }

func oneFailedMaster(t *testing.T, f redistest.Flavour) {
	nodes := newCluster(t, f, redistest.Config{Password: "secret", Args: []string{
		"--masterauth", "secret", "--cluster-replica-no-failover", "yes", "--cluster-allow-reads-when-down", "yes",
	}})
	p := driver.Start(t, driver.Config{Options: []string{
		"SessionsOnly=1", "Sessions.C.Uri=tcp://" + nodes[0].Addr, "Sessions.C.Password=secret",
	}})
	for i := range 9 {
		key := keyOn(t, nodes, 0, strconv.Itoa(i)+"key")
		nodes[0].Do(t, "SET", key, "v")
	}
	var doc map[string]any
	await(t, "a confirmation of each replica", func() bool { // until then its lag is not known
		doc = document(t, p, "redis.cluster.get", "C")
		return !slices.ContainsFunc(nodes[3:], func(n *node) bool {
			_, known := row(t, doc["nodes"], "id", n.id)["lag_bytes"]
			return !known
		})
	})
	require.Equal(t, 1.0, doc["up"], doc)
	require.Equal(t, "ok", doc["state"])
	require.Equal(t, false, doc["partial"], doc["unanswered"])
	require.Equal(t, 0.0, doc["masters_without_replica"])
	require.Equal(t, map[string]any{"asked": 6.0, "distinct": 1.0, "of": nodes[0].Addr}, doc["views"])
	require.InDelta(t, 3.0, doc["skew"].(map[string]any)["keys"], 0.01)
	require.Equal(t, 9.0, row(t, doc["shards"], "shard", "0")["keys"])
	for i, n := range nodes {
		r := row(t, doc["nodes"], "id", n.id)
		require.Equal(t, n.Addr, r["addr"])
		require.Equal(t, 1.0, r["up"], r)
		if i >= 3 {
			require.Equal(t, 1.0, r["link_up"], r)
		}
	}

	nodes[1].Pause(t) // mute, not gone: each try to ask it takes all of its time
	var took time.Duration
	await(t, "the failure in everybody's view", func() bool {
		check := p.Ask(3, "redis.cluster.get", "C")
		text, err := check.Answer()
		require.NoError(t, err)
		doc, took = decode(t, text), check.TookAwake()
		require.Less(t, took, 3*time.Second)
		return row(t, doc["nodes"], "id", nodes[1].id)["seen_failing"] == 5.0 && doc["state"] == "fail"
	})
	require.Equal(t, true, doc["partial"])
	silent := doc["unanswered"].([]any)
	require.Len(t, silent, 1)
	require.Equal(t, nodes[1].Addr, silent[0].(map[string]any)["addr"])
	require.Equal(t, "timeout", silent[0].(map[string]any)["reason"])
	gone := row(t, doc["nodes"], "id", nodes[1].id)
	require.Equal(t, 0.0, gone["up"])
	require.ElementsMatch(t, []any{nodes[0].Addr, nodes[2].Addr, nodes[3].Addr, nodes[4].Addr, nodes[5].Addr}, gone["seen_failing_by"])
	require.Equal(t, "5461-10922", row(t, doc["shards"], "state", "fail")["slots"])
	slots := doc["slots"].(map[string]any)
	require.Equal(t, 5462.0, slots["uncovered"])
	require.Equal(t, "5461-10922", slots["uncovered_ranges"])

	nodes[1].Kill(t)
	check := p.Ask(3, "redis.cluster.get", "C")
	text, err := check.Answer()
	require.NoError(t, err)
	require.Less(t, check.TookAwake(), 3*time.Second)
	require.Equal(t, true, decode(t, text)["partial"])
}

// TestAKeyOfAnotherNode: at most one extra hop, and directly the next time.
func TestAKeyOfAnotherNode(t *testing.T) { eachOf(t, clustered, keyOfAnotherNode) }

func keyOfAnotherNode(t *testing.T, f redistest.Flavour) {
	nodes := newCluster(t, f, redistest.Config{})
	p := driver.Start(t, driver.Config{Options: []string{"CustomCommands=1"}})
	entry, owner := nodes[0], nodes[1]
	key := keyOn(t, nodes, 1, "key")
	owner.Do(t, "SET", key, "value")
	get := func() string { return p.Value(t, "redis.command", entry.Addr, "", "", "GETRANGE", key, "0", "99") }

	require.Equal(t, "value", get())
	require.Equal(t, 1, rejected(t, entry.Server, "MOVED"))
	require.Equal(t, 1, calls(t, owner.Server, "getrange"))
	for range 5 {
		require.Equal(t, "value", get())
	}
	require.Equal(t, 1, rejected(t, entry.Server, "MOVED"), "directly the next time")
	require.Equal(t, 6, calls(t, owner.Server, "getrange"))

	// A slot under way: the key has gone, its slot has not.
	slot := entry.Do(t, "CLUSTER", "KEYSLOT", key)
	nodes[2].Do(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", owner.id)
	owner.Do(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", nodes[2].id)
	owner.Do(t, "MIGRATE", "127.0.0.1", portOf(nodes[2].Server), key, "0", "5000")
	for i := range 3 {
		require.Equal(t, "value", get())
		require.Equal(t, i+1, calls(t, nodes[2].Server, "asking"), "an ASK holds for one question")
		require.Equal(t, i+1, rejected(t, owner.Server, "ASK"))
	}
	doc := document(t, p, "redis.cluster.get", entry.Addr)
	moving := doc["moving"].([]any)
	require.Len(t, moving, 2)
	require.Equal(t, owner.id, row(t, moving, "state", "migrating")["node"])
	require.Equal(t, nodes[2].id, row(t, moving, "state", "importing")["node"])

	// The migration ends: whoever had learnt the old place is sent on once.
	for _, n := range []*node{nodes[2], owner, entry} {
		n.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", nodes[2].id)
	}
	before := rejected(t, owner.Server, "MOVED")
	for range 3 {
		require.Equal(t, "value", get())
	}
	require.Equal(t, before+1, rejected(t, owner.Server, "MOVED"))
	require.Equal(t, 1, rejected(t, entry.Server, "MOVED"))
	require.Equal(t, 3, calls(t, nodes[2].Server, "asking"))

	require.Equal(t, "0", p.Value(t, "redis.command", entry.Addr, "", "", "DBSIZE"), "without a key it is the entry node's")
}

// TestTheLengthOfAKeyOfAnotherNode is the same for an item that asks twice, for the type and for the length: one hop more
// when the slot's place is not known or no longer right, and none the next time.
func TestTheLengthOfAKeyOfAnotherNode(t *testing.T) {
	eachOf(t, clustered, lengthOfAKeyOfAnotherNode)
}

func lengthOfAKeyOfAnotherNode(t *testing.T, f redistest.Flavour) {
	nodes := newCluster(t, f, redistest.Config{})
	p := driver.Start(t, driver.Config{})
	key := keyOn(t, nodes, 2, "queue")
	nodes[2].Do(t, "RPUSH", key, "a", "b", "c")
	moved := func() (sum int) {
		for _, n := range nodes {
			sum += rejected(t, n.Server, "MOVED")
		}
		return sum
	}
	asked := func(n *node) int { return calls(t, n.Server, "type") + calls(t, n.Server, "llen") }
	length := func(entry *node) { require.Equal(t, "3", p.Value(t, "redis.key.length", entry.Addr, "", "", key)) }

	length(nodes[0])
	require.Equal(t, 1, moved())
	first := asked(nodes[2])
	for range 4 {
		length(nodes[0])
	}
	require.Equal(t, 1, moved(), "directly the next time")
	require.Equal(t, first+8, asked(nodes[2]), "type and length, of its own node only")
	length(nodes[1])
	length(nodes[1])
	require.Equal(t, 2, moved(), "each entry learns for itself")

	// The slot moves to the second node, key by key as redis-cli does, or at once where the server can.
	slot := nodes[0].Do(t, "CLUSTER", "KEYSLOT", key)
	from, to := nodes[2], nodes[1]
	if f.Is("valkey", 9, 0) {
		from.Do(t, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to.id)
	} else {
		to.Do(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id)
		from.Do(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
		from.Do(t, "MIGRATE", "127.0.0.1", portOf(to.Server), key, "0", "5000")
		to.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
		from.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
	}
	await(t, "the slot at its new node in both views", func() bool {
		return slices.Equal([]string{to.id, to.id}, []string{ownerOf(t, from, slot), ownerOf(t, to, slot)})
	})
	before := moved()
	length(nodes[0])
	after := moved()
	require.LessOrEqual(t, after, before+2, "one hop more, for both commands of one round trip")
	for range 4 {
		length(nodes[0])
	}
	require.Equal(t, after, moved(), "directly the next time")
}

// ownerOf is the id of the node that has a slot, in the view of a node.
func ownerOf(t testing.TB, n *node, slot string) string {
	t.Helper()
	want, err := strconv.Atoi(slot)
	require.NoError(t, err)
	for line := range strings.Lines(n.Do(t, "CLUSTER", "NODES")) {
		fields := strings.Fields(line)
		for _, r := range fields[8:] {
			first, last, isRange := strings.Cut(r, "-")
			if !isRange {
				last = first
			}
			a, err1 := strconv.Atoi(first)
			b, err2 := strconv.Atoi(last)
			if err1 == nil && err2 == nil && a <= want && want <= b {
				return fields[0]
			}
		}
	}
	return ""
}

// TestJobsOnThreeNodes: a job's record, its heartbeat and the list of jobs are keys of different nodes.
func TestJobsOnThreeNodes(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, redistest.Flavour{Name: redistest.Machine}, redistest.Config{})
	p := driver.Start(t, driver.Config{})
	now := strconv.FormatInt(time.Now().Unix(), 10)
	var names []string
	for i := range 3 {
		name := strings.TrimPrefix(keyOn(t, nodes, i, "storm:job:job"), "storm:job:")
		names = append(names, name)
		nodes[i].Do(t, "HSET", "storm:job:"+name, "status", "ACTIVE", "updated_at", now)
	}
	for _, n := range nodes[:3] { // one of them has the list
		if _, err := n.TryDo(append([]string{"SADD", "storm:jobs"}, names...)...); err == nil {
			break
		}
	}
	entry := nodes[0].Addr
	for range 3 {
		for _, name := range names {
			require.Equal(t, "1", p.Value(t, "storm.job.status", entry, "", "", name))
		}
		doc := document(t, p, "storm.jobs.get", entry)
		require.Equal(t, 1.0, doc["up"], doc)
		require.Equal(t, 3.0, doc["count"], doc)
		require.Equal(t, 3.0, doc["by_status"].(map[string]any)["active"], doc)
	}
	before := rejected(t, nodes[0].Server, "MOVED")
	for _, name := range names {
		require.Equal(t, "1", p.Value(t, "storm.job.status", entry, "", "", name))
	}
	require.Equal(t, before, rejected(t, nodes[0].Server, "MOVED"), "directly by now")
	pool := p.Pool(t)
	for _, target := range pool.Targets {
		require.LessOrEqual(t, target.Idle+target.InUse, 2, "%s keeps to MaxConnections", target.Name)
	}
}

// TestAReplicaTakesOver: keyed reads go on at the new master, without a restart.
func TestAReplicaTakesOver(t *testing.T) { eachOf(t, clustered, replicaTakesOver) }

func replicaTakesOver(t *testing.T, f redistest.Flavour) {
	nodes := newCluster(t, f, redistest.Config{})
	p := driver.Start(t, driver.Config{Options: []string{"CustomCommands=1"}})
	key := keyOn(t, nodes, 1, "key")
	nodes[1].Do(t, "SET", key, "value")
	nodes[1].Do(t, "WAIT", "1", "5000")
	require.Equal(t, "value", p.Value(t, "redis.command", nodes[0].Addr, "", "", "GET", key))
	nodes[1].Kill(t)
	await(t, "the replica to take over", func() bool {
		for line := range strings.Lines(nodes[0].Do(t, "CLUSTER", "NODES")) {
			if strings.HasPrefix(line, nodes[4].id) {
				return strings.HasSuffix(line, " 5461-10922\n")
			}
		}
		return false
	})
	require.Equal(t, "value", p.Value(t, "redis.command", nodes[0].Addr, "", "", "GET", key))
	doc := document(t, p, "redis.cluster.get", nodes[0].Addr)
	require.Equal(t, 1.0, doc["masters_without_replica"], "nobody stands behind the new master")
	require.Equal(t, nodes[4].id, row(t, doc["shards"], "shard", "5461")["master"].(map[string]any)["id"])
	require.Equal(t, 0.0, doc["slots"].(map[string]any)["uncovered"])
}
