package advice

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// patience bounds the wait for what real servers do in their own time.
const patience, tick = 20 * time.Second, 20 * time.Millisecond

func adviceOf(t *testing.T, target *item.Target, own ...string) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target, append([]string{"", "", ""}, own...)...)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

func found(t *testing.T, doc map[string]any) []string {
	t.Helper()
	out := []string{}
	for _, row := range metrictest.Rows(t, doc["findings"]) {
		out = append(out, row["id"].(string))
	}
	slices.Sort(out)
	return out
}

func unjudged(t *testing.T, doc map[string]any) []string {
	t.Helper()
	out := []string{}
	for _, row := range metrictest.Rows(t, doc["unjudged"]) {
		out = append(out, row["id"].(string))
	}
	slices.Sort(out)
	return out
}

func TestTheDocument(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: script(with(healthy, "memory.maxmemory=0", "persistence.rdb_last_bgsave_status=err", "config.tcp-keepalive=0", "-stats.evicted_clients"))}
	doc := adviceOf(t, metrictest.NewTarget(d), "dead_clients_stay,slow_fork")
	require.Equal(t, 1, d.Calls)
	require.NotContains(t, d.Sent, redisclient.Command{"ACL", "LIST"}, "only with Users=yes")
	rows := metrictest.Rows(t, doc["findings"])
	require.Len(t, rows, 2)
	require.Equal(t, map[string]any{
		"id": "rdb_save_failed", "severity": "high", "title": "The last save failed", "evidence": "rdb_last_bgsave_status is err",
		"why": rows[0]["why"], "remedy": rows[0]["remedy"],
	}, rows[0], "the worst first")
	require.Equal(t, "no_maxmemory", rows[1]["id"])
	require.NotEmpty(t, rows[0]["why"])
	require.Equal(t, []any{"dead_clients_stay"}, doc["silenced"], "but not what would have been silent anyway")
	require.Equal(t, 2.0, doc["count"])
	require.Equal(t, []any{1.0, 0.0, 1.0}, []any{doc["high"], doc["warning"], doc["info"]})
	require.Equal(t, []string{"clients_evicted", "overcommit", "transparent_huge_pages"}, unjudged(t, doc))
	require.Equal(t, float64(len(rules)-len(clusterRules)-len(sentinelRules)-2-3), doc["judged"])
	require.Empty(t, doc["unavailable"])
}

func TestWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	replies := func(changes ...string) *metrictest.ScriptDoer {
		return &metrictest.ScriptDoer{Replies: script(with(healthy, changes...))}
	}
	doc := adviceOf(t, metrictest.NewTarget(replies("reply.CONFIG GET *=-NOPERM no\r\n", "config.tcp-keepalive=0")))
	require.Equal(t, map[string]any{"config": "NOPERM no"}, doc["unavailable"])
	require.Empty(t, found(t, doc))
	require.Contains(t, unjudged(t, doc), "dead_clients_stay")
	require.Contains(t, fmt.Sprint(doc["unjudged"]), "CONFIG GET: NOPERM no")

	doc = adviceOf(t, metrictest.NewTarget(replies("reply.INFO=-NOPERM no\r\n")))
	require.Equal(t, 1.0, doc["up"])
	require.NotContains(t, doc, "findings", "nothing is known")
	require.Equal(t, "NOPERM no", metrictest.Section(t, doc, "unavailable")["info"])

	doc = adviceOf(t, metrictest.NewTarget(replies("server.dragonfly_version=df-v1.38")))
	require.NotContains(t, doc, "findings")
	require.Equal(t, `there are no rules for a server of the kind "dragonfly"`, metrictest.Section(t, doc, "unavailable")["rules"])

	doc = adviceOf(t, metrictest.NewTarget(replies("reply.INFO=-LOADING Redis is loading\r\n")))
	require.Equal(t, "loading", doc["reason"])
	metrictest.RequireDown(t, Get)

	target := metrictest.NewTarget(replies("reply.ACL LIST=-NOPERM User zabbix has no permissions to run the 'acl|list' command\r\n"))
	for range 2 {
		doc = adviceOf(t, target, "", "yes")
		require.Contains(t, metrictest.Section(t, doc, "unavailable")["users"], "acl|list")
		require.Contains(t, unjudged(t, doc), "many_administrators")
	}
	require.Len(t, slices.DeleteFunc(target.Doer.(*metrictest.ScriptDoer).Sent, func(c redisclient.Command) bool { return c[0] != "ACL" }), 1, "a refusal is remembered")
}

func TestTheSentinelsOfATargetAreAskedToo(t *testing.T) {
	t.Parallel()
	target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: script(healthy)})
	down := metrictest.NewTarget(metrictest.StalledDoer{})
	down.Doer = &metrictest.ScriptDoer{Err: fmt.Errorf("gone")}
	up := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: script(with(healthy, sentinels(1, 2, 1)...))})
	target.Sentinels = func() []*item.Target { return []*item.Target{down, up} }
	doc := adviceOf(t, target)
	require.Equal(t, []string{"few_sentinels"}, found(t, doc))
	require.Empty(t, doc["unavailable"])
	target.Sentinels = func() []*item.Target { return []*item.Target{down} }
	doc = adviceOf(t, target)
	require.Equal(t, map[string]any{"masters": "gone"}, doc["unavailable"])
	require.Subset(t, unjudged(t, doc), []string{"few_sentinels", "quorum_too_high"})
}

// TestOverAllServers: each server of the tests is asked as it comes; what is said
// of it has its cause, and all others are silent.
func TestOverAllServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			require.Eventually(t, func() bool { // it is read a moment after the start
				return !strings.Contains(s.Do(t, "INFO", "memory"), "\nused_memory_rss:0\r")
			}, 10*time.Second, 10*time.Millisecond)
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			doc := adviceOf(t, target)
			require.Equal(t, 1, wire.Calls)
			// No limit, and no password; the tests' servers do not save.
			want := []string{"no_maxmemory", "no_password"}
			if f.Is("redis", 5, 0) && !f.Is("redis", 6, 2) || f.Name == redistest.Machine {
				want = append(want, "version_ended")
			}
			got := slices.DeleteFunc(found(t, doc), func(id string) bool {
				return id == "transparent_huge_pages" // of this machine
			})
			require.Equal(t, want, got, doc["findings"])
			missing := []string{}
			switch {
			case f.Is("redis", 5, 0) && !f.Is("redis", 7, 0):
				missing = []string{"clients_evicted", "output_buffer_disconnects"}
			case f.Name == redistest.Machine:
				missing = []string{"output_buffer_disconnects"}
			}
			require.Equal(t, missing, slices.DeleteFunc(unjudged(t, doc), func(id string) bool {
				return id == "transparent_huge_pages" || id == "overcommit"
			}), doc["unjudged"])
			require.Empty(t, doc["unavailable"])
			require.NotContains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_acl", "nobody asked for the users")

			doc = adviceOf(t, target, "no_password no_maxmemory version_ended transparent_huge_pages", "yes")
			require.Empty(t, found(t, doc))
			require.Empty(t, doc["unavailable"])
			if f.Is("redis", 6, 0) || f.Is("valkey", 7, 2) || f.Name == redistest.Machine {
				require.NotContains(t, unjudged(t, doc), "many_administrators")
				s.Do(t, "ACL", "SETUSER", "app", "on", "nopass", "+@all")
				require.Equal(t, []string{"many_administrators", "user_without_password"}, found(t, adviceOf(t, target, "no_password no_maxmemory version_ended transparent_huge_pages", "yes")))
			}
		})
	}
}

// TestARealServerThatIsSetUpBadly has most of the states made for real.
func TestARealServerThatIsSetUpBadly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-5.0", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{
				"--tcp-keepalive", "0", "--repl-diskless-sync-delay", "0", "--maxclients", "992", "--maxmemory", "3mb",
				"--maxmemory-policy", "volatile-ttl", "--slowlog-max-len", "0", "--protected-mode", "no", "--stop-writes-on-bgsave-error", "no",
			}, Lines: []string{"client-output-buffer-limit pubsub 0 0 0"}})
			replica := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--replica-read-only", "no"}})
			host, port, _ := strings.Cut(s.Addr, ":")
			replica.Do(t, "REPLICAOF", host, port)
			for range 100 {
				s.Do(t, "KEYS", "*")
			}
			s.Do(t, "SET", "a", "x")
			for loops, slow := 2_500_000, false; !slow; loops *= 2 {
				for range 10 {
					s.Do(t, "EVAL", fmt.Sprintf("local n = 0 for i = 1, %d do n = n + 1 end return n", loops), "0")
				}
				_, usec, _ := strings.Cut(s.InfoField(t, "commandstats", "cmdstat_eval"), "usec_per_call=")
				usec, _, _ = strings.Cut(usec, ",")
				average, err := strconv.ParseFloat(usec, 64)
				require.NoError(t, err)
				slow = average >= 10_000
			}
			require.Eventually(t, func() bool {
				return strings.Contains(s.Do(t, "INFO", "replication"), "state=online") && s.InfoField(t, "persistence", "rdb_bgsave_in_progress") == "0"
			}, patience, tick)
			s.Do(t, "CONFIG", "SET", "save", "3600 1")
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			got := found(t, adviceOf(t, target))
			want := []string{"dead_clients_stay", "keys_command", "maxclients_cut", "no_password", "output_buffer_unlimited", "save_errors_ignored",
				"slow_log_blind", "slow_scripts", "volatile_policy_without_ttl", "writes_without_replica"}
			require.Subset(t, got, want)
			for _, id := range []string{"rdb_save_failed", "primary_without_persistence", "open_to_network", "fragmentation", "swapped"} {
				require.NotContains(t, got, id)
			}
			s.Do(t, "CONFIG", "SET", "save", "")
			s.Do(t, "CONFIG", "SET", "tcp-keepalive", "300")
			s.Do(t, "CONFIG", "SET", "min-slaves-to-write", "2")
			got = found(t, adviceOf(t, target))
			require.Subset(t, got, []string{"primary_without_persistence", "writes_refused"})
			for _, id := range []string{"dead_clients_stay", "save_errors_ignored", "writes_without_replica"} {
				require.NotContains(t, got, id)
			}
			target, _ = metrictest.DialTarget(t, redisclient.Config{Address: replica.Addr})
			got = found(t, adviceOf(t, target))
			require.Contains(t, got, "writable_replica")
			require.NotContains(t, got, "writes_refused")
		})
	}
}

func TestARealSaveThatFails(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-protected-configs", "yes"}})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	require.NotContains(t, found(t, adviceOf(t, target)), "rdb_save_failed")
	gone := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(gone, 0o755))
	s.Do(t, "CONFIG", "SET", "dir", gone)
	require.NoError(t, os.Remove(gone))
	s.Do(t, "BGSAVE")
	require.Eventually(t, func() bool { return s.InfoField(t, "persistence", "rdb_last_bgsave_status") == "err" }, patience, tick)
	require.Contains(t, found(t, adviceOf(t, target)), "rdb_save_failed")
}

func TestARealNodeOfAClusterAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis-8.6", "valkey-9.1", "redis-5.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--cluster-enabled", "yes"}, ClusterBus: f.Is("redis", 7, 0) || f.Is("valkey", 7, 2)})
			slots := []string{"CLUSTER", "ADDSLOTS"}
			for slot := range 16384 {
				slots = append(slots, fmt.Sprint(slot))
			}
			s.Do(t, slots...)
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			doc := adviceOf(t, target)
			require.Equal(t, 2, wire.Calls)
			require.Subset(t, found(t, doc), []string{"few_masters", "shard_without_replica"})
			require.NotContains(t, found(t, doc), "hash_tag_skew")
			require.NotContains(t, found(t, doc), "shard_on_one_host")
			require.Empty(t, doc["unavailable"])
			wire.Calls = 0
			doc = adviceOf(t, target)
			require.Equal(t, 1, wire.Calls, "what to ask is remembered")
			if f.Is("redis", 5, 0) && !f.Is("redis", 8, 2) {
				require.Contains(t, unjudged(t, doc), "hash_tag_skew")
				require.NotContains(t, s.Do(t, "INFO", "commandstats"), "slot-stats")
				return
			}
			require.NotContains(t, unjudged(t, doc), "hash_tag_skew")
		})
	}
}

func TestRealSentinelsAndTheirServers(t *testing.T) {
	t.Parallel()
	group := redistest.NewWatched(t, "", "", "")
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: group.Sentinels[0].Addr})
	for _, calls := range []int{3, 2} {
		wire.Calls = 0
		doc := adviceOf(t, target)
		require.Empty(t, found(t, doc))
		require.Equal(t, float64(len(sentinelRules)), doc["judged"])
		require.Empty(t, doc["unavailable"])
		require.Equal(t, calls, wire.Calls)
	}
	group.Sentinels[0].Do(t, "SENTINEL", "SET", "mymaster", "quorum", "1")
	require.Equal(t, []string{"quorum_of_one"}, found(t, adviceOf(t, target)))
	group.Sentinels[0].Do(t, "SENTINEL", "SET", "mymaster", "quorum", "4")
	require.Equal(t, []string{"quorum_too_high"}, found(t, adviceOf(t, target)))

	master, _ := metrictest.DialTarget(t, redisclient.Config{Address: group.Servers[0].Addr})
	master.Sentinels = func() []*item.Target { return []*item.Target{target} }
	got := found(t, adviceOf(t, master))
	require.Subset(t, got, []string{"quorum_too_high", "primary_without_persistence"}, "what is wrong with the master and with who watches it")
	alone := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}, Lines: []string{"sentinel monitor m 127.0.0.1 " + strings.Split(group.Servers[1].Addr, ":")[1] + " 1"}})
	target, _ = metrictest.DialTarget(t, redisclient.Config{Address: alone.Addr})
	require.Subset(t, found(t, adviceOf(t, target)), []string{"few_sentinels", "master_without_replica"})
}

func TestARealCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Find(t, "redis-8.6"), redistest.Config{})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: nodes[0].Addr})
	doc := adviceOf(t, target)
	got := found(t, doc)
	require.Contains(t, got, "shard_on_one_host", "all are on this one")
	for _, id := range []string{"few_masters", "shard_without_replica", "hash_tag_skew", "writes_without_replica"} {
		require.NotContains(t, got, id)
	}
	require.Empty(t, doc["unavailable"])
	keys := []string{"MSET"}
	for i := range 10_000 {
		keys = append(keys, fmt.Sprintf("{b}:%d", i), "x")
	}
	nodes[0].Do(t, keys...) // slot 3300
	require.Contains(t, found(t, adviceOf(t, target)), "hash_tag_skew")
	nodes[3].Do(t, "CLUSTER", "REPLICATE", nodes[1].ID)
	require.Eventually(t, func() bool { return slices.Contains(found(t, adviceOf(t, target)), "shard_without_replica") }, patience, tick)
}

// TestTheMachineOfAServer reads the files of a made-up machine; those of this one
// are read by TestOverAllServers.
func TestTheMachineOfAServer(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(file, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o600))
	}
	write("proc/4711/cmdline", "/usr/bin/redis-server 127.0.0.1:6379 [cluster]\x00\x00")
	write("proc/4711/status", "Name:\tredis-server\nVmSwap:\t   20480 kB\nTHP_enabled:\t1\n")
	write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
	write("proc/sys/vm/overcommit_memory", "0\n")
	text := func(pid, port string) *info.Text {
		x, err := info.Scan([]byte("# Server\r\nprocess_id:"+pid+"\r\ntcp_port:"+port+"\r\n"), nil, nil)
		require.NoError(t, err)
		return &x
	}
	at := func(addr string) *item.Target {
		return &item.Target{ConnInfo: func() (redisclient.ConnInfo, bool) { return redisclient.ConnInfo{Addr: addr}, true }}
	}
	here := machine{swap: 20 << 20, swapOK: true, hugePages: true, hugePagesOK: true, overcommitOK: true}
	require.Equal(t, here, lookAt(root, at("127.0.0.1:6379"), text("4711", "6379")))
	require.Equal(t, here, lookAt(root, at("/run/redis/redis.sock"), text("4711", "6379")))
	for name, m := range map[string]machine{
		"another machine":         lookAt(root, at("10.0.0.1:6379"), text("4711", "6379")),
		"another process":         lookAt(root, at("127.0.0.1:6379"), text("1", "6379")),
		"another server":          lookAt(root, at("127.0.0.1:6380"), text("4711", "6380")),
		"a path for a process":    lookAt(root, at("127.0.0.1:6379"), text("../4711", "6379")),
		"no address":              lookAt(root, &item.Target{}, text("4711", "6379")),
		"no process in its INFO":  lookAt(root, at("127.0.0.1:6379"), text("", "6379")),
		"a machine without /proc": lookAt(t.TempDir(), at("127.0.0.1:6379"), text("4711", "6379")),
	} {
		require.NotEmpty(t, m.why, name)
		require.Equal(t, machine{why: m.why}, m, name)
	}
	write("proc/4711/status", "THP_enabled:\t0\n")
	m := lookAt(root, at("127.0.0.1:6379"), text("4711", "6379"))
	require.Equal(t, machine{hugePagesOK: true, overcommitOK: true}, m, "disable-thp yes")
	write("proc/4711/status", "")
	m = lookAt(root, at("127.0.0.1:6379"), text("4711", "6379"))
	require.False(t, m.hugePagesOK, "an old kernel does not say whether the process has them")
}
