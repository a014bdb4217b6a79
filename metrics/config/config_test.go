package config

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/metrics/settings"
	"redisjobs/redisclient"
)

const runsForAnHour = "uptime_in_seconds:3600\r\n"

// serverOf is a server with parameters that are none but those.
func serverOf(info string, config ...string) *metrictest.ScriptDoer {
	return &metrictest.ScriptDoer{Replies: map[string]string{
		"INFO": metrictest.Bulk("# Server\r\nredis_version:8.2.0\r\n" + info), "CONFIG GET *": metrictest.WireArray(config...),
		"INFO replication": metrictest.Bulk("# Replication\r\nmaster_replid:a\r\n"),
	}}
}

func configOf(t *testing.T, target *item.Target, compare ...string) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target, append([]string{"", "", ""}, compare...)...)
	require.NoError(t, err)
	require.NotContains(t, text, "s3cret")
	return metrictest.Decode(t, text)
}

func TestWhatChangedSinceTheLastPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		long := strings.Repeat("x", 1000)
		prints := map[string]bool{}
		for _, step := range []struct {
			name             string
			runID            string
			uptime           int
			config           []string
			first, restarted bool
			changed          []any
			samePrint        bool
		}{
			{"the first poll tells of no change", "a", 100, []string{"maxmemory", "0", "requirepass", "", "save", long, "port", "1"}, true, false, []any{}, false},
			{"nothing changed", "a", 160, []string{"save", long, "maxmemory", "0", "requirepass", "", "port", "1"}, false, false, []any{}, true},
			{"two changed", "a", 220, []string{"maxmemory", "5", "requirepass", "s3cret", "save", long, "port", "1"}, false, false, []any{
				map[string]any{"name": "maxmemory", "old": "0", "new": "5"}, map[string]any{"name": "requirepass", "old": "", "new": "***"},
			}, false},
			{"another secret", "a", 280, []string{"maxmemory", "5", "requirepass", "s3cret2", "save", long, "port", "1"}, false, false, []any{
				map[string]any{"name": "requirepass", "old": "***", "new": "***"},
			}, true},
			{"the end of a long value", "a", 340, []string{"maxmemory", "5", "requirepass", "s3cret2", "save", long + "y", "port", "1"}, false, false, []any{
				map[string]any{"name": "save", "old": long[:254] + "…", "new": long[:254] + "…"},
			}, false},
			{"a restart with another file", "b", 30, []string{"maxmemory", "6", "requirepass", "s3cret2", "save", "", "hash-seed", "1", "port", "1"}, false, true, []any{
				map[string]any{"name": "hash-seed", "new": "1"}, map[string]any{"name": "maxmemory", "old": "5", "new": "6"},
				map[string]any{"name": "save", "old": long[:254] + "…", "new": ""},
			}, false},
			{"a parameter that is gone, and the server's own", "b", 90, []string{"maxmemory", "6", "requirepass", "s3cret2", "save", "", "port", "2"}, false, false, []any{
				map[string]any{"name": "port", "old": "1", "new": "2"}, map[string]any{"name": "hash-seed", "old": "1"},
			}, false},
			{"another server has taken over", "c", 86400, []string{"maxmemory", "9"}, true, false, []any{}, false},
			{"and changes", "c", 86460, []string{"maxmemory", "8"}, false, false, []any{map[string]any{"name": "maxmemory", "old": "9", "new": "8"}}, false},
		} {
			target.Doer = serverOf(fmt.Sprintf("run_id:%s\r\nuptime_in_seconds:%d\r\n", step.runID, step.uptime), step.config...)
			doc := configOf(t, target)
			require.Equal(t, 1, target.Doer.(*metrictest.ScriptDoer).Calls)
			require.Equal(t, step.first, doc["first"], step.name)
			require.Equal(t, step.restarted, doc["restarted"], step.name)
			require.Equal(t, step.changed, doc["changed"], step.name)
			require.EqualValues(t, len(step.changed), doc["changes"], step.name)
			require.EqualValues(t, len(step.config)/2, doc["parameters"], step.name)
			require.Equal(t, step.samePrint, prints[doc["fingerprint"].(string)], step.name)
			prints[doc["fingerprint"].(string)] = true
			require.Empty(t, doc["unavailable"], step.name)
			time.Sleep(time.Minute)
		}
		target.UnmaskSecrets = true
		target.Doer = serverOf(runsForAnHour, "requirepass", "hunter2")
		configOf(t, target)
		target.Doer = serverOf(runsForAnHour, "requirepass", "hunter3")
		require.Equal(t, []any{map[string]any{"name": "requirepass", "old": "hunter2", "new": "hunter3"}}, configOf(t, target)["changed"])
	})
}

func TestAnOldNameIsNoSecondParameter(t *testing.T) {
	t.Parallel()
	doc := configOf(t, metrictest.NewTarget(serverOf("", "slave-read-only", "yes", "replica-read-only", "yes", "slave-only-name", "1")))
	require.Equal(t, 2.0, doc["parameters"])
}

// group of servers behind addresses.
func withPeers(target *item.Target, peers map[string]redisclient.Doer) {
	var mu sync.Mutex
	made := map[string]*item.Target{}
	target.Peer = func(addr string) (*item.Target, error) {
		mu.Lock()
		defer mu.Unlock()
		if made[addr] == nil {
			if peers[addr] == nil {
				return nil, errors.New("no such server: " + addr)
			}
			made[addr] = metrictest.NewTarget(peers[addr])
			made[addr].Name = "tcp://" + addr
		}
		return made[addr], nil
	}
}

func TestWhatDiffersBetweenAPrimaryAndItsReplicas(t *testing.T) {
	t.Parallel()
	target := metrictest.NewTarget(serverOf("# Replication\r\nrole:master\r\nmaster_replid:a\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0\r\n"+
		"slave1:ip=10.0.0.3,port=6379,state=online,offset=1,lag=0\r\nslave2:ip=10.0.0.4,port=6379,state=online,offset=1,lag=0\r\n"+
		"slave3:ip=10.0.0.5,port=6379,state=online,offset=1,lag=0\r\nslave4:ip=10.0.0.6,port=6379,state=online,offset=1,lag=0\r\n",
		"maxmemory", "1", "masterauth", "s3cret", "timeout", "0", "bind", "10.0.0.1", "replica-announce-ip", "a"))
	stranger := serverOf("", "maxmemory", "9")
	stranger.Replies["INFO replication"] = metrictest.Bulk("# Replication\r\nmaster_replid:b\r\n")
	refused := serverOf("")
	refused.Replies["CONFIG GET *"] = "-NOPERM no\r\n"
	withPeers(target, map[string]redisclient.Doer{
		"10.0.0.2:6379": serverOf("", "maxmemory", "2", "masterauth", "s3cret2", "timeout", "0", "bind", "10.0.0.2", "replica-announce-ip", "b", "only-here", "x"),
		"10.0.0.3:6379": serverOf("", "maxmemory", "2", "masterauth", "s3cret", "timeout", "0", "bind", "10.0.0.3", "replica-announce-ip", "c"),
		"10.0.0.4:6379": stranger, "10.0.0.5:6379": refused,
	})
	doc := configOf(t, target)
	require.Equal(t, "master", doc["role"])
	require.Equal(t, "replicas", doc["compared_with"])
	require.Equal(t, true, doc["partial"])
	require.Equal(t, []any{
		map[string]any{"name": "masterauth", "value": "***", "others": []any{map[string]any{"value": "***", "count": 1.0, "servers": []any{"10.0.0.2:6379"}}}},
		map[string]any{"name": "maxmemory", "value": "1", "others": []any{map[string]any{"value": "2", "count": 2.0, "servers": []any{"10.0.0.3:6379", "10.0.0.2:6379"}}}},
	}, sortedServers(doc["drift"]))
	require.Equal(t, 2.0, doc["drifts"])
	errs := map[string]any{}
	for _, row := range metrictest.Rows(t, doc["compared"]) {
		errs[row["addr"].(string)] = row["error"]
		if row["addr"] == "10.0.0.2:6379" {
			require.Equal(t, 1.0, row["only_one"])
			require.Equal(t, 2.0, row["differs"])
			require.NotEqual(t, doc["fingerprint"], row["fingerprint"])
		}
	}
	require.Equal(t, map[string]any{
		"10.0.0.2:6379": "", "10.0.0.3:6379": "",
		"10.0.0.4:6379": "Cannot query 10.0.0.4:6379: replication: another server answers here: it does not follow the same history of writes",
		"10.0.0.5:6379": "Cannot query 10.0.0.5:6379: NOPERM no", "10.0.0.6:6379": "Cannot query 10.0.0.6:6379: no such server: 10.0.0.6:6379",
	}, errs)
	require.Equal(t, 1, target.Doer.(*metrictest.ScriptDoer).Calls)
	require.Equal(t, 1, stranger.Calls)
}

// TestAReplicaInItsFirstSynchronizationIsNoStranger, seen from either side.
// Source: INFO replication of Redis 8.6 while it loads and while it waits for a copy
func TestAReplicaInItsFirstSynchronizationIsNoStranger(t *testing.T) {
	t.Parallel()
	const primary = "# Replication\r\nrole:master\r\nmaster_replid:a\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=0,lag=1\r\nmaster_repl_offset:9\r\n"
	replica := func(link, syncing string) string {
		return "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.2\r\nmaster_port:6379\r\nmaster_link_status:" + link +
			"\r\nmaster_sync_in_progress:" + syncing + "\r\nmaster_replid:b\r\n"
	}
	for _, tt := range []struct{ name, here, there, reason, text string }{
		{"it copies", primary, replica("down", "1"), "masterdown", "still synchronizing"},
		{"it waits for the copy", primary, replica("down", "0"), "masterdown", "still synchronizing"},
		{"it follows another", primary, replica("up", "0"), "protocol", "another server answers here"},
		{"a primary", primary, "# Replication\r\nrole:master\r\nmaster_replid:b\r\n", "protocol", "another server answers here"},
		{"the server itself copies", replica("down", "1"), primary, "masterdown", "still synchronizing"},
		{"the server itself follows another", replica("up", "0"), primary, "protocol", "another server answers here"},
	} {
		target := metrictest.NewTarget(serverOf(tt.here, "maxmemory", "1"))
		peer := serverOf("", "maxmemory", "2")
		peer.Replies["INFO replication"] = metrictest.Bulk(tt.there)
		withPeers(target, map[string]redisclient.Doer{"10.0.0.2:6379": peer})
		doc := configOf(t, target)
		row := metrictest.Rows(t, doc["compared"])[0]
		require.Equal(t, []any{0.0, tt.reason}, []any{row["up"], row["reason"]}, tt.name)
		require.Contains(t, row["error"], tt.text, tt.name)
		require.NotContains(t, row, "differs", tt.name)
	}
}

// sortedServers is for peers that answer side by side.
func sortedServers(drift any) any {
	for _, row := range drift.([]any) {
		for _, other := range row.(map[string]any)["others"].([]any) {
			servers := other.(map[string]any)["servers"].([]any)
			if len(servers) == 2 && servers[0].(string) < servers[1].(string) {
				servers[0], servers[1] = servers[1], servers[0]
			}
		}
	}
	return drift
}

func TestManyDifferencesAreBounded(t *testing.T) {
	t.Parallel()
	var mine, theirs []string
	for i := range 500 {
		mine = append(mine, fmt.Sprintf("p%03d", i), strings.Repeat("a", 500))
		theirs = append(theirs, fmt.Sprintf("p%03d", i), strings.Repeat("b", 500))
	}
	target := metrictest.NewTarget(serverOf("# Replication\r\nrole:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:1\r\nmaster_replid:a\r\n", mine...))
	withPeers(target, map[string]redisclient.Doer{"10.0.0.9:1": serverOf("", theirs...)})
	configOf(t, target)
	target.Doer = serverOf("# Replication\r\nrole:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:1\r\nmaster_replid:a\r\n", theirs...)
	doc := configOf(t, target)
	require.Equal(t, "primary", doc["compared_with"])
	require.Len(t, doc["changed"], settings.MaxRows)
	require.Equal(t, 500.0, doc["changes"])
	require.Equal(t, map[string]any{"changed": 300.0}, doc["truncated"])
	target.Doer = serverOf("# Replication\r\nrole:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:1\r\nmaster_replid:a\r\n", mine...)
	text, err := metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	require.Less(t, len(text), 400_000)
	require.Equal(t, map[string]any{"changed": 300.0, "drift": 300.0}, metrictest.Decode(t, text)["truncated"])

	too := make([]string, 2*(settings.Max+1))
	for i := range too {
		too[i] = fmt.Sprint("x", i)
	}
	doc = configOf(t, metrictest.NewTarget(serverOf("", too...)))
	require.Equal(t, map[string]any{"config": "more parameters than any server has"}, doc["unavailable"])
}

func TestConfigWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	d := serverOf("")
	d.Replies["CONFIG GET *"] = "-NOPERM no\r\n"
	doc := configOf(t, metrictest.NewTarget(d))
	require.Equal(t, map[string]any{"config": "NOPERM no"}, doc["unavailable"])
	for _, member := range []string{"parameters", "fingerprint", "changed", "drift", "compared"} {
		require.NotContains(t, doc, member)
	}
	d = serverOf("", "maxmemory", "1")
	d.Replies["INFO"] = "-NOPERM no\r\n"
	doc = configOf(t, metrictest.NewTarget(d))
	require.Equal(t, map[string]any{"info": "NOPERM no"}, doc["unavailable"])
	require.Equal(t, 1.0, doc["parameters"])
	require.NotContains(t, doc, "drift", "whose replica it is, or who its replicas are, is not known")
	require.NotContains(t, doc, "role")
	d.Replies["INFO"] = "-LOADING Redis is loading\r\n"
	require.Equal(t, "loading", configOf(t, metrictest.NewTarget(d))["reason"])
	metrictest.RequireDown(t, Get)
}

func FuzzUnpack(f *testing.F) {
	f.Add("a", "1", "requirepass", "x")
	f.Add("\x00", "\x00\x00", "", "")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		s := settings.Settings{strings.ReplaceAll(name1, "\x00", ""): value1, strings.ReplaceAll(name2, "\x00", ""): value2}
		got := unpack(remember(s, true))
		require.Len(t, got, len(s))
		for name := range s {
			require.Contains(t, got, name)
		}
	})
}
