package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

func goldenText(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/golden/" + name + ".info.txt")
	require.NoError(t, err)
	return text
}

func TestGetTypesWhatAMasterSays(t *testing.T) {
	t.Parallel()
	text := getDocument(goldenText(t, "redis7.0.15_master_everything"))
	doc := metrictest.Decode(t, text)
	require.EqualValues(t, 1, doc["schema_version"])
	require.EqualValues(t, 1, doc["up"])
	require.Equal(t, "", doc["reason"])
	require.Equal(t, "", doc["error"])
	require.Equal(t, "tcp://127.0.0.1:6379", doc["target"])
	require.Equal(t, "master", doc["role"])

	server := metrictest.Section(t, doc, "server")
	require.Equal(t, "7.0.15", server["redis_version"])
	require.Equal(t, "00000000", server["redis_git_sha1"])
	require.Equal(t, "", server["config_file"])
	require.EqualValues(t, 8, server["uptime_in_seconds"])
	memory := metrictest.Section(t, doc, "memory")
	require.EqualValues(t, 1157520, memory["used_memory"])
	require.InDelta(t, 86.46, memory["used_memory_dataset_perc"], 0)
	require.NotContains(t, memory, "used_memory_human")
	require.Equal(t, "ok", metrictest.Section(t, doc, "persistence")["rdb_last_bgsave_status"])
	require.EqualValues(t, -1, metrictest.Section(t, doc, "persistence")["rdb_current_bgsave_time_sec"])
	require.InDelta(t, 0.015236, metrictest.Section(t, doc, "cpu")["used_cpu_sys"], 0)
	require.EqualValues(t, 0, metrictest.Section(t, doc, "cluster")["cluster_enabled"])
	replication := metrictest.Section(t, doc, "replication")
	require.Equal(t, strings.Repeat("0", 40), replication["master_replid2"])
	require.NotContains(t, replication, "slave0")
	require.Equal(t, []map[string]any{
		{"ip": "127.0.0.1", "port": 7398.0, "state": "online", "offset": 0.0, "lag": 1.0, "count": 1.0, "in_sync": 0.0}, // it has confirmed nothing yet
	}, metrictest.Rows(t, replication["replicas"]))

	require.Equal(t, []map[string]any{
		{"db": "db0", "index": 0.0, "keys": 2.0, "expires": 0.0, "avg_ttl": 0.0},
		{"db": "db3", "index": 3.0, "keys": 1.0, "expires": 1.0, "avg_ttl": 999950.0},
	}, metrictest.Rows(t, doc["keyspace"]))
	commands := metrictest.Rows(t, doc["commandstats"])
	require.Len(t, commands, 8)
	require.Equal(t, map[string]any{
		"command": "lpush", "calls": 1.0, "usec": 6.0, "usec_per_call": 6.0, "rejected_calls": 0.0, "failed_calls": 1.0,
	}, commands[1])
	require.Equal(t, []map[string]any{{"error": "WRONGTYPE", "count": 1.0}}, metrictest.Rows(t, doc["errorstats"]))
	require.Equal(t, map[string]any{"command": "info", "p50": 0.000081407, "p99": 0.000081407, "p99_9": 0.000081407},
		metrictest.Rows(t, doc["latencystats"])[0])
	require.Contains(t, text, `"p50":0.000001003`, "no digit is made up by dividing")
	require.Empty(t, doc["modules"])
	require.Equal(t, map[string]any{"maxmemory": 0.0, "maxclients": 10000.0, "maxmemory_policy": "noeviction"}, doc["config"])
	require.Equal(t, map[string]any{"slowlog": "ERR unknown command", "config": "ERR unknown command",
		"latency_events": "ERR unknown command"}, doc["unavailable"])
	require.Equal(t, map[string]any{}, doc["truncated"])
	require.NotContains(t, doc, "slowlog")
}

func TestGetOfAReplicaHasItsMasterFields(t *testing.T) {
	t.Parallel()
	text := getDocument(goldenText(t, "redis7.0.15_replica_default"))
	doc := metrictest.Decode(t, text)
	require.Equal(t, "replica", doc["role"])
	replication := metrictest.Section(t, doc, "replication")
	require.Equal(t, "slave", replication["role"])
	require.Equal(t, "up", replication["master_link_status"])
	require.Equal(t, "127.0.0.1", replication["master_host"])
	require.EqualValues(t, 7399, replication["master_port"])
	require.EqualValues(t, 0, replication["master_last_io_seconds_ago"])
	require.Empty(t, replication["replicas"])
	require.NotContains(t, doc, "commandstats", "what the server did not say is left out")
}

func TestGetOfOddServers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"numbers, words and what is no reading",
			"# Memory\na:1\nb:-0.50\nc:nan\nd:-nan%\ne:inf\nf:N/A\ng:99.9%\nh:007\ni:\nj:1e999\nk:x%\nused_human:1M\n",
			`"memory":{"a":1,"b":-0.50,"g":99.9,"h":"007","i":"","j":"1e999","k":"x%"}`},
		{"text that looks like a number stays text",
			"# Server\nredis_version:7\nredis_build_id:12345\nrun_id:123\ntls_server_cert_serial:99\nos:1\nversion:2\n",
			`"server":{"os":"1","redis_build_id":"12345","redis_version":"7","run_id":"123","tls_server_cert_serial":"99","version":"2"}`},
		{"sections are named in lower case with underscores, unknown ones are kept",
			"# Cpu\nx:1\n# Cluster Info\ny:2\n# search_version\nsearch_version:20808\n",
			`"cluster_info":{"y":2},"cpu":{"x":1},"search_version":{"search_version":"20808"}`},
		{"two spellings of one section are one", "# CPU\na:1\nb:1\n# Cpu\nb:2\n", `"cpu":{"a":1,"b":2}`},
		{"a section with the name of a member of ours gets a prefix", "# Up\na:1\n# Slowlog\nb:1\n# Info_Up\nc:1\n# TLS\nd:1\n# Version\ne:1\n",
			`"info_info_up":{"c":1},"info_slowlog":{"b":1},"info_tls":{"d":1},"info_up":{"a":1},"info_version":{"e":1}`},
		{"keyspace is read by name, and in the order of the numbers",
			"# Keyspace\ndb10:expires=1,keys=2,subexpiry=3\ndb9:keys=1\ndbx:keys=1\nsequence:0\ndb7:0\ndb1:db=x,index=9,keys=4\n",
			`"keyspace":[{"db":"db1","index":1,"keys":4},{"db":"db9","index":9,"keys":1},` +
				`{"db":"db10","index":10,"expires":1,"keys":2,"subexpiry":3}]`},
		{"a command's name may hold a colon", "# CommandStats\ncmdstat_host::calls=1,usec=2\ncmdstat_x:none\n",
			`"commandstats":[{"command":"host:","calls":1,"usec":2}]`},
		{"percentiles of any choice, in seconds", "# Latencystats\nlatency_percentiles_usec_get:p50=1.5,p99.99=2000000,p100=nan\n",
			`"latencystats":[{"command":"get","p50":0.0000015,"p99_99":2}]`},
		{"replicas in the order of their numbers, as very old servers list them too",
			"# Replication\nslave10:ip=b,port=2\nslave2:ip=10,port=1,state=online,x\nslave3:10.0.0.1,6379,online\nreplicas:7\n",
			`"replication":{"replicas":[{"ip":"10","port":1,"state":"online","count":1},` +
				`{"ip":"10.0.0.1","port":6379,"state":"online","count":1},{"ip":"b","port":2,"count":1}]}`},
		{"what a replica has not confirmed, where both offsets are known and make sense",
			"# Replication\nmaster_repl_offset:150\nslave0:ip=a,offset=145\nslave1:ip=b,offset=150,lag_bytes=7\nslave2:ip=c,offset=151\nslave3:ip=d,offset=-1\nslave4:ip=e,lag=1\nslave5:ip=f,offset=0\n# Server\nvalkey_version:8.1\n",
			`"replication":{"master_repl_offset":150,"replicas":[{"ip":"a","offset":145,"lag_bytes":5,"count":1},` +
				`{"ip":"b","offset":150,"lag_bytes":0,"count":1},{"ip":"c","offset":151,"count":1},{"ip":"d","offset":-1,"count":1},` +
				`{"ip":"e","lag":1,"count":1},{"ip":"f","offset":0,"count":1}]},"server":{"valkey_version":"8.1"}`},
		{"a server that nobody knows does not tell what its lag and offsets count",
			"# Replication\nmaster_repl_offset:150\nslave0:ip=a,port=1,state=online,offset=145,lag=7\n# Server\nfoo_version:1\n",
			`"replication":{"master_repl_offset":150,"replicas":[{"ip":"a","offset":145,"port":1,"state":"online","count":1}]},"server":{"foo_version":"1"}`},
		{"all modules, by name and version", "# Modules\nmodule:name=ReJSON,ver=20000,api=1,usedby=[search]\nmodule:name=search,ver=2\nother:1\n",
			`"modules":[{"name":"ReJSON","ver":20000},{"name":"search","ver":2}]`},
		{"KeyDB's word for nothing", "# Memory\navailable_system_memory:unavailable\n", `"memory":{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := getDocument([]byte(tt.text))
			metrictest.RequireUniqueJSON(t, got)
			_, sections, ok := strings.Cut(got, `"time":{"round_trip":0},`)
			require.True(t, ok, got)
			sections, _, _ = strings.Cut(sections, `,"derived"`)
			require.Equal(t, tt.want, sections)
		})
	}
	for _, name := range []string{"edge_dragonfly_case", "edge_kvrocks_keyspace"} {
		metrictest.RequireUniqueJSON(t, getDocument(goldenText(t, name)))
	}
}

func TestGetReadsSlowlogAndConfig(t *testing.T) {
	t.Parallel()
	newest := map[string]any{"id": 270.0, "time": 1795254114.0, "duration": 9e-6, "command": "ping"}
	info := metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\nredis_mode:standalone\r\n# Keyspace\r\n# Memory\r\nmaxmemory:7\r\nmaxmemory_policy:allkeys-lru\r\n")
	for _, tt := range []struct {
		name, length, newest, config string
		slowlog, conf, unavailable   any
	}{
		{name: "all of it", length: ":128\r\n", newest: metrictest.SlowlogEntry(":270"),
			config:  configReply("maxmemory", "100", "maxclients", "50", "maxmemory-policy", "noeviction", "maxmemory-samples", "5"),
			slowlog: map[string]any{"length": 128.0, "last_id": 270.0, "newest": newest}, unavailable: map[string]any{},
			conf: map[string]any{"maxmemory": 100.0, "maxclients": 50.0, "maxmemory_policy": "noeviction"}},
		{name: "an empty log has no last id", length: ":0\r\n", newest: "*0\r\n", config: configReply(),
			slowlog: map[string]any{"length": 0.0}, unavailable: map[string]any{},
			conf: map[string]any{"maxmemory": 7.0, "maxmemory_policy": "allkeys-lru"}},
		{name: "only the entries are refused", length: ":3\r\n", newest: "-NOPERM no entries\r\n", config: configReply("maxmemory", "45GiB"),
			slowlog: map[string]any{"length": 3.0}, unavailable: map[string]any{"slowlog": "NOPERM no entries"},
			conf: map[string]any{"maxmemory": 7.0, "maxmemory_policy": "allkeys-lru"}},
		{name: "answers that are none", length: "$-1\r\n", newest: ":1\r\n", config: ":1\r\n",
			unavailable: map[string]any{"slowlog": "the reply is null", "config": "expected an array, got a reply of kind integer"},
			conf:        map[string]any{"maxmemory": 7.0, "maxmemory_policy": "allkeys-lru"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &metrictest.ScriptDoer{Replies: map[string]string{
				"PING": "+PONG\r\n", "INFO everything": info, "SLOWLOG LEN": tt.length, "SLOWLOG GET 1": tt.newest, "CONFIG GET max*": tt.config,
				"LATENCY LATEST": "*0\r\n",
			}}
			got, err := metrictest.Collect(t, Get, d)
			require.NoError(t, err)
			doc := metrictest.Decode(t, got)
			require.Equal(t, tt.slowlog, doc["slowlog"])
			require.Equal(t, tt.conf, doc["config"])
			require.Equal(t, tt.unavailable, doc["unavailable"])
			require.Equal(t, 1, d.Calls)
		})
	}
}

func TestGetLearnsWhichInfoAnOldServerKnows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, everything, all string
		first                 int
		form                  string
	}{
		{"everything is unknown and empty", "$0\r\n\r\n", metrictest.Bulk("# Server\r\nredis_version:6.0.16\r\n# Keyspace\r\n"), 2, "INFO all"},
		{"everything is an error", "-ERR syntax error\r\n", metrictest.Bulk("# Server\r\nredis_version:6.0.16\r\n# Keyspace\r\n"), 2, "INFO all"},
		{"only INFO is known", metrictest.Bulk("\r\n"), "-ERR wrong number of arguments\r\n", 3, "INFO"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &metrictest.ScriptDoer{Replies: map[string]string{
					"INFO everything": tt.everything, "INFO all": tt.all, "INFO": metrictest.Bulk("# Server\r\nredis_version:2.4.0\r\n# Keyspace\r\n"),
					"PING": "+PONG\r\n", "SLOWLOG LEN": ":0\r\n", "SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n",
					"LATENCY LATEST": "*0\r\n",
				}}
				target := metrictest.NewTarget(d)
				asking := func() int {
					d.Calls, d.Sent = 0, nil
					got, err := metrictest.CollectFrom(t, Get, target)
					require.NoError(t, err)
					require.EqualValues(t, 1, metrictest.Decode(t, got)["up"])
					return d.Calls
				}
				require.Equal(t, tt.first, asking())
				require.Equal(t, 1, asking(), "remembered")
				require.Equal(t, tt.form, strings.Join(d.Sent[1], " "))
				time.Sleep(ask.RefusalMemory)
				require.Equal(t, tt.first, asking(), "an hour later the server may be a newer one")
			})
		})
	}
}

func TestGetOfAServerThatServesNoCommandsIsDownAndTellsTheRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, ping, reason string }{
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", "loading"},
		{"a replica without its master", "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "masterdown"},
		{"an answer that is none", "+HELLO\r\n", "protocol"},
		{"PING is not permitted, INFO is", "-NOPERM no PING\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &metrictest.ScriptDoer{Replies: map[string]string{
				"PING": tt.ping, "INFO everything": metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Persistence\r\nloading:1\r\n# Keyspace\r\n"),
				"SLOWLOG LEN": ":0\r\n", "SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n",
				"LATENCY LATEST": "*0\r\n",
			}}
			got, err := metrictest.Collect(t, Get, d)
			require.NoError(t, err)
			doc := metrictest.Decode(t, got)
			require.Equal(t, tt.reason, doc["reason"])
			require.Equal(t, tt.reason == "", doc["up"] == 1.0)
			require.Equal(t, tt.reason == "", doc["error"] == "")
			require.Equal(t, map[string]any{"loading": 1.0}, doc["persistence"])
			require.Equal(t, tt.reason == "", metrictest.Section(t, doc, "unavailable")["ping"] != nil, "the error tells it already")
			require.Equal(t, 1, d.Calls)
		})
	}
}

func TestGetOfATargetThatIsDownIsAValidDocument(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		doer         *metrictest.ScriptDoer
		reason, text string
	}{
		{"no connection", &metrictest.ScriptDoer{Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}},
			"tcp", "Cannot query tcp://127.0.0.1:6379: connect: connection refused"},
		{"the error names the target itself", &metrictest.ScriptDoer{Err: fmt.Errorf("dial tcp://127.0.0.1:6379\r\nrefused\x00: %w", context.DeadlineExceeded)},
			"timeout", "Cannot query tcp://127.0.0.1:6379: dial tcp://127.0.0.1:6379  refused : no answer in the time that the check had"},
		{"INFO is not permitted", &metrictest.ScriptDoer{Replies: map[string]string{"INFO everything": "-NOPERM no INFO\r\n"}},
			"acl", "Cannot query tcp://127.0.0.1:6379: INFO: NOPERM no INFO"},
		{"not logged in", &metrictest.ScriptDoer{Replies: map[string]string{"INFO everything": "-NOAUTH Authentication required.\r\n"}},
			"auth", "Cannot query tcp://127.0.0.1:6379: INFO: NOAUTH Authentication required."},
		{"no INFO at all", &metrictest.ScriptDoer{}, "command", "Cannot query tcp://127.0.0.1:6379: INFO: ERR unknown command 'INFO'"},
		{"INFO is no text", &metrictest.ScriptDoer{Replies: map[string]string{"INFO everything": ":1\r\n"}},
			"protocol", "Cannot query tcp://127.0.0.1:6379: INFO: expected the text of INFO, got a reply of kind integer"},
		{"INFO is some other text", &metrictest.ScriptDoer{Replies: map[string]string{"INFO everything": "+hello\r\n"}},
			"protocol", "Cannot query tcp://127.0.0.1:6379: the reply to INFO has no sections"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := metrictest.Collect(t, Get, tt.doer)
			require.NoError(t, err)
			doc := metrictest.Decode(t, got)
			require.Equal(t, tt.doer.Err == nil, doc["time"] != nil, "the time of an answer, whatever it says")
			delete(doc, "time")
			require.Equal(t, map[string]any{
				"schema_version": 1.0, "up": 0.0, "reason": tt.reason, "error": tt.text, "target": "tcp://127.0.0.1:6379",
			}, doc)
		})
	}
}

func TestGetOfARealMasterAndItsReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Config{Args: []string{"--slowlog-log-slower-than", "0", "--repl-diskless-sync-delay", "0"}})
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", host + " " + port}})
	master.Do(t, "SET", "a", "1")
	_, err = master.TryDo("LPUSH", "a", "1")
	require.ErrorContains(t, err, "WRONGTYPE")
	require.Eventually(t, func() bool {
		return replica.InfoField(t, "replication", "master_link_status") == "up" &&
			strings.Contains(master.InfoField(t, "replication", "slave0"), "state=online")
	}, 20*time.Second, 20*time.Millisecond)

	target, d := metrictest.DialTarget(t, redisclient.Config{Address: master.Addr})
	got, err := metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	require.Equal(t, 1, d.Calls, "everything comes in one round trip")
	doc := metrictest.Decode(t, got)
	require.Equal(t, "master", doc["role"])
	require.Equal(t, map[string]any{}, doc["unavailable"])
	require.EqualValues(t, 10000, metrictest.Section(t, doc, "config")["maxclients"])
	require.Contains(t, metrictest.Section(t, doc, "slowlog"), "last_id")
	require.Len(t, metrictest.Rows(t, metrictest.Section(t, doc, "replication")["replicas"]), 1)
	require.Equal(t, "db0", metrictest.Rows(t, doc["keyspace"])[0]["db"])
	require.Contains(t, metrictest.Rows(t, doc["errorstats"]), map[string]any{"error": "WRONGTYPE", "count": 1.0})
	require.NotEmpty(t, doc["commandstats"])
	require.NotEmpty(t, doc["latencystats"])

	target, d = metrictest.DialTarget(t, redisclient.Config{Address: replica.Addr})
	got, err = metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	require.Equal(t, 1, d.Calls)
	doc = metrictest.Decode(t, got)
	require.Equal(t, "replica", doc["role"])
	require.Equal(t, "up", metrictest.Section(t, doc, "replication")["master_link_status"])
}

func TestGetAndStatusTellOneCondition(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{TLS: true, Password: "pw"})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.TLSAddr, TLS: s.ClientTLS(), Password: "pw"})
	ask := func(m *item.Metric) map[string]any {
		text, err := metrictest.CollectFrom(t, m, target)
		require.NoError(t, err)
		return metrictest.Decode(t, text)
	}
	status, get := ask(Status), ask(Get)
	for _, doc := range []map[string]any{status, get} {
		require.Positive(t, metrictest.Section(t, doc, "time")["round_trip"])
		delete(metrictest.Section(t, doc, "time"), "round_trip")
	}
	require.Len(t, metrictest.Section(t, get, "time"), 3)
	require.Equal(t, "redis", get["flavour"])
	require.Equal(t, metrictest.Section(t, get, "server")["redis_version"], get["version"])
	for name, want := range status {
		if name == "tls" {
			require.Equal(t, metrictest.Section(t, status, "tls")["cert_not_after"], metrictest.Section(t, get, "tls")["cert_not_after"])
			require.InDelta(t, 30, metrictest.Section(t, get, "tls")["cert_days_left"], 0.1)
			continue
		}
		require.Equal(t, want, get[name], name)
	}
}

func TestARefusedCommandIsSentOnceAnHourAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"reader on >pw ~* +ping +info +client|setname"}})
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "reader", Password: "pw"})
	for poll := range 3 {
		got, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		doc := metrictest.Decode(t, got)
		require.EqualValues(t, 1, doc["up"])
		unavailable := metrictest.Section(t, doc, "unavailable")
		require.Len(t, unavailable, 3)
		require.Contains(t, unavailable["latency_events"], "NOPERM")
		require.Contains(t, unavailable["slowlog"], "NOPERM")
		require.Contains(t, unavailable["config"], "NOPERM")
		require.NotContains(t, doc, "slowlog")
		require.EqualValues(t, 10000, metrictest.Section(t, doc, "config")["maxclients"], "INFO knows it too")
		require.Equal(t, "count=4", s.InfoField(t, "errorstats", "errorstat_NOPERM"), "after poll %d", poll+1)
	}
	require.Equal(t, 3, d.Calls)
}

func BenchmarkGet(b *testing.B) {
	text := goldenText(b, "redis7.0.15_master_everything")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	target := metrictest.NewTarget(nil)
	for b.Loop() {
		getDocumentOf(target, text)
	}
}
