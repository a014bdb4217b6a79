package cluster

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

// TestNodesWithoutAnAddress: another node answers at the address of a master and of a
// replica, which the cluster notices and strikes the address out. No node gives the flag
// fail to them.
func TestNodesWithoutAnAddress(t *testing.T) {
	t.Parallel()
	for _, flavour := range []string{redistest.Machine, "redis-8.6"} {
		t.Run(flavour, func(t *testing.T) {
			t.Parallel()
			nodes := redistest.NewCluster(t, redistest.Find(t, flavour), redistest.Config{})
			lost := map[string]bool{nodes[2].ID: true, nodes[3].ID: true}
			nodes[2].Do(t, "CLUSTER", "RESET", "HARD")
			nodes[3].Do(t, "CLUSTER", "RESET", "HARD")
			for _, i := range []int{0, 1, 4, 5} {
				require.Eventually(t, func() bool {
					return strings.Count(nodes[i].Do(t, "CLUSTER", "NODES"), ",noaddr ") == 2
				}, time.Minute, 20*time.Millisecond)
			}
			require.NotContains(t, nodes[0].Do(t, "CLUSTER", "NODES"), "fail")
			target, _ := metrictest.DialPeers(t, redisclient.Config{Address: nodes[0].Addr})
			doc := documentOf(t, target)
			require.Equal(t, "ok", doc["state"], "that is what the nodes say")
			slots := metrictest.Section(t, doc, "slots")
			require.Equal(t, []any{5461.0, "10923-16383"}, []any{slots["uncovered"], slots["uncovered_ranges"]})
			require.Equal(t, []any{2.0, 1.0}, []any{doc["failing"], doc["masters_without_replica"]})
			for _, n := range metrictest.Rows(t, doc["nodes"]) {
				failing := 0.0
				if id := n["id"].(string); lost[id] {
					failing = 1
					require.Equal(t, []any{"(" + id[:8] + ")", 0.0, 4.0}, []any{n["addr"], n["up"], n["seen_failing"]})
				}
				require.Equal(t, failing, n["failing"], "%v", n)
			}
			for shard, want := range map[string][]any{"0": {"ok", 0.0, 0.0}, "5461": {"ok", 1.0, 1.0}, "10923": {"fail", 1.0, 1.0}} {
				s := metrictest.Row(t, doc["shards"], "shard", shard)
				require.Equal(t, want, []any{s["state"], s["has_replica"], s["takes_over"]}, shard)
			}
			part := NodesPart()
			require.NoError(t, ask.Do(t.Context(), target, part))
			others, _, _, err := ReadNodes(target, part)
			require.NoError(t, err)
			for _, n := range others {
				require.Equal(t, lost[n.ID], n.Failing)
				if lost[n.ID] {
					require.Equal(t, "("+n.ID[:8]+")", n.Addr)
				}
			}
			masters, _, err := Masters(t.Context(), target)
			require.NoError(t, err)
			require.Len(t, masters, 3)
			i := slices.IndexFunc(masters, func(m Master) bool { return m.Addr == "("+nodes[2].ID[:8]+")" })
			require.ErrorIs(t, masters[i].Err, errNoAddress)
		})
	}
}

// TestAnAddressThatOnlyTheEntryLost is taken from the other nodes, unless another node
// answers there.
func TestAnAddressThatOnlyTheEntryLost(t *testing.T) {
	t.Parallel()
	const lost = "127.0.0.1:17002"
	strike := func(view string) string {
		lines := strings.SplitAfter(view, "\n")
		for i, line := range lines {
			if fields := strings.SplitN(line, " ", 4); strings.Contains(line, ":17002@") {
				lines[i] = fields[0] + " :0@0 master,noaddr " + fields[3]
			}
		}
		_, text, _ := strings.Cut(strings.TrimSuffix(strings.Join(lines, ""), "\r\n"), "\r\n")
		return metrictest.Bulk(text)
	}
	for _, tt := range []struct {
		name             string
		change           func(c script)
		addr             string
		up               float64
		state            string
		uncovered, views float64
	}{
		{"it is well", func(script) {}, lost, 1, "pfail", 0, 6},
		{"it does not answer", func(c script) {
			c.doer("17002").Err = &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
		}, lost, 0, "pfail", 0, 5},
		{"another node answers", func(c script) {
			c.doer("17002").Replies["CLUSTER NODES"] = c.doer("17003").Replies["CLUSTER NODES"]
		}, lost, 0, "fail", 5462, 5},
		{"all have lost it", func(c script) {
			for port := range c {
				c.doer(port).Replies["CLUSTER NODES"] = strike(c.doer(port).Replies["CLUSTER NODES"])
			}
		}, "", 0, "fail", 5462, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newScript(t, "healthy")
			tt.change(c)
			if tt.addr != "" {
				c.doer("17001").Replies["CLUSTER NODES"] = strike(c.doer("17001").Replies["CLUSTER NODES"])
			}
			doc := documentOf(t, c["17001"])
			s := metrictest.Row(t, doc["shards"], "shard", "5461")
			require.Equal(t, []any{tt.state, tt.uncovered}, []any{s["state"], metrictest.Section(t, doc, "slots")["uncovered"]})
			master := s["master"].(map[string]any)
			n := metrictest.Row(t, doc["nodes"], "id", master["id"].(string))
			if tt.addr == "" {
				tt.addr = "(" + master["id"].(string)[:8] + ")"
			}
			require.Equal(t, []any{tt.addr, tt.up, 1.0}, []any{n["addr"], n["up"], n["failing"]})
			require.Equal(t, 1.0, doc["failing"])
			require.Equal(t, tt.views, metrictest.Section(t, doc, "views")["asked"])
			for port := range c {
				require.LessOrEqual(t, c.doer(port).Calls, 1, "one round trip to %s", port)
			}
		})
	}
}
