package targets

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
	"redisjobs/redisclient"
)

// TestOptionsKnowTheJobSystems: conf knows no metrics, and has a list of its own.
func TestOptionsKnowTheJobSystems(t *testing.T) {
	t.Parallel()
	require.Equal(t, jobs.Names(), conf.JobSystems())
}

// TestJobsOfAClusterAreFoundOnAllItsMasters: the queues of one system have hash
// tags, and so do their nodes differ.
func TestJobsOfAClusterAreFoundOnAllItsMasters(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--cluster-replica-no-failover", "yes"}})
	onNode := func(i int, key string) *redistest.Server {
		slot, err := strconv.Atoi(nodes[0].Do(t, "CLUSTER", "KEYSLOT", key))
		require.NoError(t, err)
		require.Equal(t, i, min(slot/5461, 2), key)
		return nodes[i].Server
	}
	// The hash tag is BullMQ's prefix: {a} is on the third node, {b} on the first,
	// {c} on the second.
	for i, prefix := range []string{"{b}", "{c}", "{a}"} {
		s := onNode(i, prefix+":mail:meta")
		s.Do(t, "HSET", prefix+":mail:meta", "version", "bullmq:5.81.5")
		s.Do(t, "LPUSH", prefix+":mail:wait", "1", "2", "3")
		s.Do(t, "HSET", prefix+":mail:1", "timestamp", "1795228358049")
	}
	for i := range 3000 {
		nodes[1].Do(t, "SET", fmt.Sprint("{c}:other:", i), "x")
	}
	ask := func(rt *Runtime, entry string) map[string]any {
		target, err := rt.options.Resolve(conf.Ref{Conn: entry})
		require.NoError(t, err)
		metric, ok := metrics.Lookup("job.get")
		require.True(t, ok)
		args, err := metric.ParseArgs([]string{entry})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		text, err := metric.Answer(ctx, &item.Request{Target: rt.target(target).view(), Args: args, Env: &rt.Env})
		require.NoError(t, err)
		var doc map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &doc))
		require.EqualValues(t, 1, doc["up"], doc)
		return doc
	}
	start := func() *Runtime {
		o, err := conf.Decode(nil, conf.Global{})
		require.NoError(t, err)
		o.Jobs.Interval = 0
		rt, err := New(o)
		require.NoError(t, err)
		t.Cleanup(func() { rt.Close(time.Second) })
		return rt
	}
	prefixes := func(doc map[string]any) []string {
		var out []string
		for _, s := range doc["systems"].([]any) {
			out = append(out, s.(map[string]any)["prefix"].(string))
		}
		return out
	}
	// A worker of each waits at the node that has its queue; another node's clients do
	// not tell.
	for i, prefix := range []string{"{b}", "{c}", "{a}"} {
		conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: nodes[i].Addr})
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = conn.DoAll(t.Context(), redisclient.Command{"CLIENT", "SETNAME", prefix + ":bWFpbA=="})
		require.NoError(t, err)
	}
	want := []string{"{a}", "{b}", "{c}"}
	for _, entry := range []*redistest.Node{nodes[0], nodes[4]} { // a master, and another one's replica
		doc := ask(start(), entry.Addr)
		require.Equal(t, want, prefixes(doc))
		for _, s := range doc["systems"].([]any) {
			require.EqualValues(t, 1, s.(map[string]any)["workers_alive"], s)
		}
		for _, q := range doc["queues"].([]any) {
			require.EqualValues(t, 3, q.(map[string]any)["waiting"])
		}
		discovery := doc["discovery"].(map[string]any)
		require.EqualValues(t, 3, discovery["masters"])
		require.EqualValues(t, 1, discovery["complete"])
		require.EqualValues(t, 3009, discovery["scanned"])
	}

	// The budget is for all together, and the next search goes on.
	rt := start()
	rt.Env.Jobs.ScanBudget = 2000
	for i := range 10 {
		doc := ask(rt, nodes[0].Addr)
		if doc["discovery"].(map[string]any)["complete"].(float64) == 1 {
			require.Equal(t, want, prefixes(doc))
			require.Positive(t, i)
			break
		}
		require.Less(t, i, 9)
	}

	// What a node tells of its keys is not true of the cluster.
	for _, n := range nodes[:3] {
		n.Do(t, "FLUSHALL")
	}
	nodes[1].Do(t, "SET", "{c}:other", "x")
	doc := ask(start(), nodes[0].Addr)
	require.NotContains(t, doc, "databases")
	require.Contains(t, fmt.Sprint(doc["unavailable"]), "a node of a cluster tells of its own keys alone")
}
