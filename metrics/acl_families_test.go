package metrics

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/hot"
	"redisjobs/metrics/item"
	"redisjobs/metrics/search"
	"redisjobs/metrics/slow"
	"redisjobs/redisclient"
)

// TestClusterRightsAreEnough gives a node's user the shown rights alone.
func TestClusterRightsAreEnough(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	s.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	rule := strings.Fields(strings.Replace(testACL().Rule(), ">PASSWORD", "nopass", 1))[2:]
	s.Do(t, slices.Concat([]string{"ACL", "SETUSER"}, rule)...)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, cluster.Get, target)))
	require.Equal(t, 1.0, doc["up"], doc["error"])
	require.Equal(t, map[string]any{}, doc["unavailable"])
	require.Equal(t, false, doc["partial"])
	require.Equal(t, s.Addr, doc["nodes"].([]any)[0].(map[string]any)["addr"], "a lone node is where we reached it")
	require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")))
}

// TestCommandlogOfRealServers asks each server that can be had here.
func TestCommandlogOfRealServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			has := f.Is("valkey", 8, 1)
			cfg := redistest.Config{Bin: f.Bin}
			if has {
				cfg.Args = []string{"--commandlog-execution-slower-than", "0", "--commandlog-request-larger-than", "1000",
					"--commandlog-reply-larger-than", "1000"}
			}
			s := redistest.Start(t, cfg)
			s.Do(t, "SET", "big", strings.Repeat("x", 5000))
			s.Do(t, "GET", "big")
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			var text string
			for range 2 {
				var err error
				wire.Calls = 0
				text, err = metrictest.CollectFrom(t, slow.Latency, target)
				require.NoError(t, err)
			}
			require.Equal(t, 1, wire.Calls)
			doc := metrictest.Decode(t, text)
			if !has {
				require.NotContains(t, doc, "commandlog")
				require.NotContains(t, doc["unavailable"], "commandlog")
				require.NotContains(t, s.Do(t, "INFO", "commandstats"), "commandlog", "it is not tried out")
				return
			}
			require.Empty(t, doc["unavailable"])
			log := metrictest.Section(t, doc, "commandlog")
			slowOnes, request, reply := metrictest.Section(t, log, "slow"), metrictest.Section(t, log, "large_request"), metrictest.Section(t, log, "large_reply")
			require.Greater(t, slowOnes["length"], 2.0)
			require.Len(t, slowOnes["entries"], min(10, int(slowOnes["length"].(float64))))
			newest := metrictest.Rows(t, slowOnes["entries"])[0]
			require.Equal(t, newest["id"], slowOnes["last_id"])
			require.Contains(t, newest, "duration")
			require.NotContains(t, newest, "args", "they are the application's")
			require.InDelta(t, 1, request["length"], 0)
			entry := metrictest.Rows(t, request["entries"])[0]
			require.Equal(t, "set", entry["command"])
			require.InDelta(t, 5030, entry["bytes"], 10)
			require.NotContains(t, entry, "duration")
			entry = metrictest.Rows(t, reply["entries"])[0]
			require.Equal(t, "get", entry["command"])
			require.InDelta(t, 5009, entry["bytes"], 5)

			// A user with the documented rights, and with those for this server.
			rule := strings.Fields(strings.Replace(testACL().Rule(), ">PASSWORD", "nopass", 1))
			s.Do(t, rule...)
			ask := func() map[string]any {
				target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any"})
				text, err := metrictest.CollectFrom(t, slow.Latency, target)
				require.NoError(t, err)
				return metrictest.Decode(t, text)
			}
			require.Contains(t, metrictest.Section(t, ask(), "unavailable")["commandlog"], "NOPERM")
			s.Do(t, strings.Fields(testACL().RuleValkey())...)
			doc = ask()
			require.Empty(t, doc["unavailable"])
			require.Len(t, metrictest.Section(t, doc, "commandlog"), 3)
		})
	}
}

// TestTheRightsForSearchIndexes holds -acl's lines to real servers: one that has
// no search commands must take the rule, and refuses what names them; with the
// module FT.INFO counts as a write to a key of the index's name.
func TestTheRightsForSearchIndexes(t *testing.T) {
	t.Parallel()
	rule := strings.Fields(strings.Replace(testACL().Rule(), ">PASSWORD", "nopass", 1))
	plain := redistest.Start(t, redistest.Config{})
	plain.Do(t, rule...)
	_, err := plain.TryDo(strings.Fields(testACL().RuleSearch())...)
	require.ErrorContains(t, err, "Unknown command", "so these rights cannot be in the rule")

	s := metrictest.RediSearch1(t, "")
	for _, name := range []string{"books", "films"} {
		s.Do(t, "FT.CREATE", name, "SCHEMA", "title", "TEXT")
	}
	ask := func(rights ...string) (doc map[string]any, again int) {
		t.Helper()
		s.Do(t, "ACL", "DELUSER", "zabbix")
		s.Do(t, slices.Concat(rule, rights)...)
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
		doc = searchDocumentACL(t, target)
		before := refusals(t, s)
		require.Equal(t, doc, searchDocumentACL(t, target))
		require.Equal(t, 1.0, doc["up"])
		return doc, refusals(t, s) - before
	}
	figures := func(doc map[string]any) (out []any) {
		for _, row := range metrictest.Rows(t, doc["indexes"]) {
			out = append(out, row["num_docs"])
		}
		return out
	}
	for _, tt := range []struct {
		rights  string
		part    string
		says    string
		figures []any
	}{
		{"+ft.info ~books ~films", "", "", []any{0.0, 0.0}},
		{"+ft.info ~books", "figures", "NOPERM", []any{0.0, nil}},
		{"+ft.info %R~*", "figures", "NOPERM", []any{nil, nil}},
		{"", "figures", "'FT.INFO'", []any{nil, nil}},
		{"+ft.info ~books ~films -info", "view", "'info'", []any{0.0, 0.0}},
		{"+ft.info ~books ~films -scan", "indexes", "'scan'", nil},
	} {
		t.Run("with "+tt.rights, func(t *testing.T) {
			doc, again := ask(strings.Fields(tt.rights)...)
			require.Zero(t, again, "refused at each poll")
			unavailable := metrictest.Section(t, doc, "unavailable")
			for _, part := range []string{"indexes", "figures", "view"} {
				if part == tt.part {
					require.Contains(t, unavailable[part], tt.says)
				} else {
					require.NotContains(t, unavailable, part)
				}
			}
			if tt.figures == nil {
				require.NotContains(t, doc, "indexes")
				return
			}
			require.Equal(t, tt.figures, figures(doc))
		})
	}
	require.Equal(t, "readonly", strings.Fields(s.Do(t, "COMMAND", "INFO", "ft.info"))[2], "by the module's own word")
}

func searchDocumentACL(t *testing.T, target *item.Target) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, search.Get, target)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// TestTheRightsForHotKeysAndSlots holds -acl's lines to a node of a cluster that
// has both.
func TestTheRightsForHotKeysAndSlots(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-8.6").Bin,
		Args: []string{"--cluster-enabled", "yes", "--cluster-slot-stats-enabled", "cpu net"}})
	s.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	require.Eventually(t, func() bool { return strings.Contains(s.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") }, 20*time.Second, 10*time.Millisecond)
	s.Do(t, "HOTKEYS", "START", "METRICS", "1", "CPU")
	s.Do(t, "SET", "a", "1")
	acl := testACL("server")
	rule := strings.Fields(strings.Replace(acl.Rule(), ">PASSWORD", "nopass", 1))
	ask := func() map[string]any {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any"})
		text, err := metrictest.CollectFrom(t, hot.Get, target)
		require.NoError(t, err)
		return metrictest.Section(t, metrictest.Decode(t, text), "unavailable")
	}
	s.Do(t, rule...)
	require.Contains(t, ask()["keys"], "NOPERM")
	require.Contains(t, ask()["slots"], "NOPERM")
	for _, a := range acl.RulesNewer() {
		if command := strings.Fields(a.Rule)[3]; command == "+hotkeys|get" || command == "+cluster|slot-stats" {
			s.Do(t, strings.Fields(a.Rule)...)
		}
	}
	require.Empty(t, ask())
}
