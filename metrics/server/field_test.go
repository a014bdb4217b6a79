package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// fieldCase is an INFO that a program of this kind was seen to read wrongly, cut
// to the lines in question, and what is right. name is that of the input where it
// was reported.
type fieldCase struct {
	name   string
	origin string // who prints this, and where that is written
	text   string
	// replication, derived and doc are members that there must be, absent those
	// that must not be, as paths.
	replicas, masters    []map[string]any
	derived, replication map[string]any
	doc                  map[string]any
	absent               []string
}

var fieldCases = slices.Concat(forkCases, []fieldCase{
	{
		name:   "servers-01 Kvrocks: lag and offset are sequences of writes, a row has no state, and a lag may have wrapped",
		origin: "kvrocks src/server/server.cc, GetReplicationInfo; kvrocks#3208, #3271",
		text: "# Server\nkvrocks_version:2.17.0\nredis_version:7.0.0\nuptime_in_seconds:7200\n# Replication\nrole:master\nconnected_slaves:2\n" +
			"slave0:ip=10.8.8.13,port=6666,offset=11935,lag=10\nslave1:ip=10.8.8.12,port=6666,offset=11950,lag=18446744073709551607\nmaster_repl_offset:11945\n",
		replicas: []map[string]any{
			{"ip": "10.8.8.13", "port": 6666.0, "offset": 11935.0, "lag_writes": 10.0, "count": 1.0, "in_sync": 1.0},
			{"ip": "10.8.8.12", "port": 6666.0, "offset": 11950.0, "count": 1.0, "in_sync": 1.0},
		},
		derived: map[string]any{"replicas_online": 2.0, "replica_lag_writes_max": 10.0},
		absent:  []string{"derived replica_lag_seconds_max", "derived replica_lag_bytes_max"},
	},
	{
		name:   "servers-02, peers-03 Dragonfly: lag is journal records, stable_sync is in sync, -1 is unknown",
		origin: "dragonfly src/server/server_family.cc, src/server/replica.cc; dragonfly#5261",
		text: "# Server\nredis_version:7.4.0\ndragonfly_version:df-v1.34.0\nuptime_in_seconds:12345\n# Stats\ninstantaneous_input_kbps:-1\nrejected_connections:-1\n" +
			"# Replication\nrole:master\nconnected_slaves:3\nslave0:ip=10.0.0.2,port=6379,state=online,lag=48211\n" +
			"slave1:ip=10.0.0.3,port=6379,state=stable_sync,lag=12\nslave2:ip=10.0.0.4,port=6379,state=full_sync,lag=99999\n# Keyspace\ndb0:keys=42,expires=7,avg_ttl=-1\n",
		replicas: []map[string]any{
			{"ip": "10.0.0.2", "port": 6379.0, "state": "online", "lag_writes": 48211.0, "count": 1.0, "in_sync": 1.0},
			{"ip": "10.0.0.3", "port": 6379.0, "state": "stable_sync", "lag_writes": 12.0, "count": 1.0, "in_sync": 1.0},
			{"ip": "10.0.0.4", "port": 6379.0, "state": "full_sync", "lag_writes": 99999.0, "count": 1.0, "in_sync": 0.0},
		},
		derived: map[string]any{"replicas_online": 2.0, "replica_lag_writes_max": 48211.0, "keys": 42.0},
		doc:     map[string]any{"keyspace": []any{map[string]any{"db": "db0", "index": 0.0, "keys": 42.0, "expires": 7.0}}},
		absent:  []string{"derived replica_lag_seconds_max", "stats instantaneous_input_kbps", "stats rejected_connections"},
	},
	{
		name:   "Pika: what stands in parentheses is no name, its comments are no sections, and no line of its Keyspace is a database",
		origin: "pika pika-tools/pika_exporter/exporter/test/v3.0.16_master.go",
		text: "# Server\npika_version:3.0.16\nuptime_in_seconds:160\n# Replication(MASTER)\nrole:master\nconnected_slaves:1\n" +
			"slave0:ip=192.168.107.248,port=9224,state=online,sid=1,lag=100\n# Keyspace\n# Time: 1970-01-01 08:00:00\nStrings: keys=0, expires=0, invaild_keys=0\n",
		replicas: []map[string]any{{"ip": "192.168.107.248", "port": 9224.0, "state": "online", "sid": 1.0, "count": 1.0, "in_sync": 1.0}},
		derived:  map[string]any{"replicas_online": 1.0},
		doc:      map[string]any{"flavour": "pika", "role": "master", "keyspace": []any{}},
		absent:   []string{"derived keys", "derived replica_lag_seconds_max"},
	},
	{
		name:   "Pika 3.5: a sentence is no section, and keys are counted in lines of another form",
		origin: "pika 3.5.4 src/pika_admin.cc; pikiwidb issue 2819",
		text: "# Server\npika_version:3.5.4\n# Keyspace\n# Start async statistics\n# Time:2024-07-22 10:42:42\n# Duration: In Waiting\n" +
			"db0 Strings_keys=61884809, expires=61863915, invalid_keys=69349485\ndb0 Hashes_keys=0, expires=0, invalid_keys=0\n\n# RocksDB\nx:1\n",
		doc:    map[string]any{"flavour": "pika", "keyspace": []any{}, "rocksdb": map[string]any{"x": 1.0}},
		absent: []string{"derived keys", "derived keys_expiring", "start_async_statistics"},
	},
	{
		name:   "servers-03 KeyDB: two masters, of which the first is down and the last is up",
		origin: "KeyDB before 6.3, src/server.cpp; redis_exporter#371",
		text: keydbServer + "role:active-replica\nMaster 0:\nmaster_host:10.0.0.2\nmaster_port:8883\nmaster_link_status:down\nmaster_last_io_seconds_ago:-1\n" +
			"master_sync_in_progress:1\nslave_repl_offset:1\nmaster_sync_left_bytes:-1065039834\nmaster_sync_last_io_seconds_ago:19\nmaster_link_down_since_seconds:99\n" +
			"Master 1:\nmaster_host:10.0.0.3\nmaster_port:8882\nmaster_link_status:up\nmaster_last_io_seconds_ago:0\nmaster_sync_in_progress:0\nslave_repl_offset:29397077805\n",
		masters: []map[string]any{
			{"host": "10.0.0.2", "port": 8883.0, "link_up": 0.0, "link_down_seconds": 99.0},
			{"host": "10.0.0.3", "port": 8882.0, "link_up": 1.0, "last_io_seconds": 0.0},
		},
		derived:     map[string]any{"master_link_up": 0.0, "master_link_down_seconds": 99.0},
		replication: map[string]any{"master_host": "10.0.0.2", "master_link_status": "down", "master_link_down_since_seconds": 99.0},
		absent:      []string{"derived master_last_io_seconds", "derived sync_left_bytes", "replication Master 0", "replication master_sync_left_bytes"},
	},
	{
		name:   "servers-03, peers-06 KeyDB 6.3: numbered masters, of which the second is down",
		origin: "KeyDB 6.3.4, src/server.cpp",
		text: keydbServer + "role:active-replica\nmaster_global_link_status:down\nconnected_masters:1\nmaster_host:kdb0.example.com\nmaster_port:6377\n" +
			"master_link_status:up\nmaster_last_io_seconds_ago:1\nmaster_sync_in_progress:0\nslave_repl_offset:1234\nmaster_1_host:kdb1.example.com\n" +
			"master_1_port:6378\nmaster_1_link_status:down\nmaster_1_last_io_seconds_ago:-1\nmaster_1_sync_in_progress:0\nmaster_1_link_down_since_seconds:40\n",
		masters: []map[string]any{
			{"host": "kdb0.example.com", "port": 6377.0, "link_up": 1.0, "last_io_seconds": 1.0},
			{"host": "kdb1.example.com", "port": 6378.0, "link_up": 0.0, "link_down_seconds": 40.0},
		},
		derived: map[string]any{"master_link_up": 0.0, "master_link_down_seconds": 40.0},
	},
	{
		name:        "KeyDB 6.3: a link that only the global status calls down",
		origin:      "KeyDB 6.3.4, src/server.cpp, master_global_link_status",
		text:        keydbServer + "role:active-replica\nmaster_global_link_status:down\nmaster_host:a\nmaster_port:1\nmaster_link_status:up\nmaster_last_io_seconds_ago:1\n",
		masters:     []map[string]any{{"host": "a", "port": 1.0, "link_up": 1.0, "last_io_seconds": 1.0}},
		derived:     map[string]any{"master_link_up": 0.0},
		replication: map[string]any{"master_global_link_status": "down"},
		absent:      []string{"derived master_last_io_seconds"},
	},
	{
		name:   "servers-07 a client that copies the data has port 0 and is no replica",
		origin: "redis-cli --rdb and --replica of Redis 6.2, 8.0 and Valkey 9; redis#2132",
		text: redisServer + "role:master\nconnected_slaves:2\nslave0:ip=127.0.0.1,port=0,state=online,offset=0,lag=42\n" +
			"slave1:ip=10.0.0.2,port=6379,state=online,offset=90,lag=1\nmaster_repl_offset:100\n",
		replicas: []map[string]any{
			{"ip": "10.0.0.2", "port": 6379.0, "state": "online", "offset": 90.0, "lag": 1.0, "lag_bytes": 10.0, "count": 1.0, "in_sync": 1.0},
		},
		derived: map[string]any{"replicas_online": 1.0, "replica_lag_seconds_max": 1.0},
	},
	{
		name:   "servers-08 a replica that copies by two channels has two rows and is one",
		origin: "valkey src/server.c (type), valkey#2833; Redis 8.0 prints the same",
		text: redisServer + "role:master\nconnected_slaves:2\nslave0:ip=127.0.0.1,port=22511,state=send_bulk_and_stream,offset=0,lag=0,type=rdb-channel\n" +
			"slave1:ip=127.0.0.1,port=22511,state=bg_transfer,offset=0,lag=0,type=main-channel\nmaster_repl_offset:100\n",
		replicas: []map[string]any{
			{"ip": "127.0.0.1", "port": 22511.0, "state": "bg_transfer", "offset": 0.0, "lag": 0.0, "type": "main-channel", "count": 1.0, "in_sync": 0.0},
		},
		derived: map[string]any{"replicas_online": 0.0},
	},
	{
		name:   "a replica that is loading the copy is online and has confirmed nothing",
		origin: "Redis 8.6.2, a replica with key-load-delay after a diskless copy; redis#13945",
		text:   redisServer + "role:master\nconnected_slaves:1\nslave0:ip=127.0.0.1,port=31732,state=online,offset=0,lag=3,io-thread=0\nmaster_repl_offset:2494913\n",
		replicas: []map[string]any{
			{"ip": "127.0.0.1", "port": 31732.0, "state": "online", "offset": 0.0, "lag": 3.0, "io-thread": 0.0, "count": 1.0, "in_sync": 0.0},
		},
		derived: map[string]any{"replicas_online": 0.0},
		absent:  []string{"derived replica_lag_seconds_max", "derived replica_lag_bytes_max"},
	},
	{
		name:   "servers-08 replicas behind one address are one row, with the figures of the worst",
		origin: "replicas behind a NAT or kube-proxy; redis#6310, helm/charts#16622",
		text: redisServer + "role:master\nconnected_slaves:3\nslave0:ip=10.0.0.1,port=6379,state=online,offset=90,lag=1\n" +
			"slave1:ip=10.0.0.1,port=6379,state=online,offset=40,lag=7\nslave2:ip=10.0.0.1,port=6379,state=wait_bgsave,offset=0,lag=0\nmaster_repl_offset:100\n",
		replicas: []map[string]any{
			{"ip": "10.0.0.1", "port": 6379.0, "state": "wait_bgsave", "offset": 0.0, "lag": 7.0, "lag_bytes": 60.0, "count": 3.0, "in_sync": 2.0},
		},
		derived: map[string]any{"replicas_online": 2.0, "replica_lag_seconds_max": 7.0, "replica_lag_bytes_max": 60.0},
	},
	{
		name:   "servers-08 after the loss of one of them",
		origin: "as above",
		text:   redisServer + "role:master\nconnected_slaves:1\nslave0:ip=10.0.0.1,port=6379,state=online,offset=90,lag=1\nmaster_repl_offset:100\n",
		replicas: []map[string]any{
			{"ip": "10.0.0.1", "port": 6379.0, "state": "online", "offset": 90.0, "lag": 1.0, "lag_bytes": 10.0, "count": 1.0, "in_sync": 1.0},
		},
		derived: map[string]any{"replicas_online": 1.0},
	},
	{
		name:   "servers-15 errors that are not counted any more are unknown",
		origin: "Redis 7.0 to 8.0, src/server.c, afterErrorReply; redis#13141",
		text:   "# Server\nredis_version:8.0.2\n# Stats\ntotal_error_replies:900\n# Errorstats\nerrorstat_ERRORSTATS_DISABLED:count=1\n",
		doc: map[string]any{"stats": map[string]any{"total_error_replies": 900.0}, "unavailable": map[string]any{
			"errorstats": errUncounted.Error(), "slowlog": "ERR unknown command", "config": "ERR unknown command", "latency_events": "ERR unknown command"}},
		absent: []string{"errorstats"},
	},
	{
		name:   "servers-16 a link cannot be down for longer than the server runs",
		origin: "Redis before 6.2.3 of a replica that never was connected; redis#7840, #8785",
		text: "# Server\nredis_version:5.0.6\nuptime_in_seconds:60\n# Replication\nrole:slave\nmaster_host:127.0.0.1\nmaster_port:22999\n" +
			"master_link_status:down\nmaster_last_io_seconds_ago:-1\nmaster_sync_in_progress:0\nmaster_link_down_since_seconds:1795947924\n",
		masters: []map[string]any{{"host": "127.0.0.1", "port": 22999.0, "link_up": 0.0}},
		derived: map[string]any{"master_link_up": 0.0},
		absent:  []string{"derived master_link_down_seconds", "replication master_link_down_since_seconds"},
	},
	{
		name:   "servers-17 Dragonfly as a replica: a time that has wrapped around",
		origin: "dragonfly#4884",
		text: "# Server\nredis_version:7.4.0\ndragonfly_version:df-v1.38.1\nuptime_in_seconds:3600\n# Replication\nrole:slave\nmaster_host:localhost\n" +
			"master_port:6379\nmaster_link_status:up\nmaster_last_io_seconds_ago:18446744073\nmaster_sync_in_progress:0\n",
		masters: []map[string]any{{"host": "localhost", "port": 6379.0, "link_up": 1.0}},
		derived: map[string]any{"master_link_up": 1.0},
		absent:  []string{"derived master_last_io_seconds", "replication master_last_io_seconds_ago"},
	},
	{
		name:   "servers-17 counts below zero, wrapped ones, other words for nan, lags since 1970",
		origin: "ardb#174 (keys=-1), netdata#677 (Redis on Windows), valkey#2994",
		text: "# Server\nredis_version:8.1.5\nuptime_in_seconds:1000\n# Clients\nconnected_clients:18446744073709551615\n# Memory\n" +
			"used_memory:18446744073702280352\nmem_fragmentation_ratio:-nan\nmem_fragmentation_bytes:-5455872\nused_memory_dataset_perc:1.#INF\n" +
			"rss_overhead_ratio:1.#QNAN\nallocator_frag_ratio:-nan(ind)\nallocator_rss_ratio:-1.#J\n# Persistence\nrdb_changes_since_last_save:-3\n" +
			"rdb_last_bgsave_time_sec:-1\n# Stats\nevicted_keys:18446744073709551600\nlatest_fork_usec:-1\n# Replication\nrole:master\nconnected_slaves:1\n" +
			"slave0:ip=fd00::1,port=6379,state=online,offset=20,lag=1795947924\nmaster_repl_offset:10\n# Keyspace\ndb0:keys=-5,expires=-1,avg_ttl=-1\ndb17:keys=2,expires=0,avg_ttl=0\n",
		replicas: []map[string]any{{"ip": "fd00::1", "port": 6379.0, "state": "online", "offset": 20.0, "count": 1.0, "in_sync": 1.0}},
		doc: map[string]any{
			"clients": map[string]any{}, "memory": map[string]any{"mem_fragmentation_bytes": -5455872.0},
			"persistence": map[string]any{"rdb_last_bgsave_time_sec": -1.0}, "stats": map[string]any{},
			"keyspace": []any{map[string]any{"db": "db0", "index": 0.0}, map[string]any{"db": "db17", "index": 17.0, "keys": 2.0, "expires": 0.0, "avg_ttl": 0.0}},
		},
		derived: map[string]any{"replicas_online": 1.0},
		absent:  []string{"derived keys", "derived keys_expiring", "derived replica_lag_seconds_max"},
	},
	{
		name:   "peers-02 Kvrocks: a comment inside Keyspace ends no section",
		origin: "Kvrocks 2.10, src/server/server.cc, GetInfo",
		text: "# Server\nkvrocks_version:2.10.1\nredis_version:7.0.0\n# Keyspace\n# Last DBSIZE SCAN time: Sun Nov 29 10:00:00 2026\n" +
			"db0:keys=42,expires=7,avg_ttl=0,expired=0\nsequence:100000\nused_percent: 0%\n# RocksDB\nput_per_sec:0\n",
		derived: map[string]any{"keys": 42.0, "keys_expiring": 7.0},
		doc: map[string]any{"keyspace": []any{map[string]any{"db": "db0", "index": 0.0, "keys": 42.0, "expires": 7.0, "avg_ttl": 0.0, "expired": 0.0}},
			"rocksdb": map[string]any{"put_per_sec": 0.0}},
	},
	{
		name:    "Kvrocks before its first DBSIZE SCAN has not counted its keys",
		origin:  "Kvrocks 2.11, src/server/server.cc, last_dbsize_scan_timestamp",
		text:    "# Server\nkvrocks_version:2.17.0\n# Keyspace\nlast_dbsize_scan_timestamp:0\ndb0:keys=0,expires=0,avg_ttl=0,expired=0\nsequence:0\n",
		derived: map[string]any{},
		doc:     map[string]any{"keyspace": []any{map[string]any{"db": "db0", "index": 0.0}}},
		absent:  []string{"derived keys"},
	},
	{
		name:    "a Keyspace without a line that can be read",
		origin:  "Pika 2 (kv keys:0), Kvrocks without a database",
		text:    "# Server\nredis_version:7.0.0\n# Keyspace\nkv keys:0\nsequence:5\n",
		derived: map[string]any{},
		absent:  []string{"derived keys"},
	},
	{
		name:   "peers-04 Dragonfly: kinds of errors have no prefix, and some are a whole message",
		origin: "dragonfly src/server/server_family.cc, Errorstats",
		text:   "# Server\ndragonfly_version:df-v1.34.0\n# Errorstats\nwrongtype:5\nsyntax_error:2\n-OOM out of memory:1\n-ERR bad: thing:3\nnonsense:x\n",
		doc: map[string]any{"errorstats": []any{
			map[string]any{"error": "ERR bad: thing", "count": 3.0}, map[string]any{"error": "OOM out of memory", "count": 1.0},
			map[string]any{"error": "syntax_error", "count": 2.0}, map[string]any{"error": "wrongtype", "count": 5.0},
		}},
	},
})

const (
	redisServer = "# Server\nredis_version:8.0.2\nuptime_in_seconds:1000\n# Replication\n"
	keydbServer = "# Server\nredis_version:6.3.4\nexecutable:/usr/bin/keydb-server\nuptime_in_seconds:100\n# Replication\n"
)

func TestGetOfServersSeenInTheField(t *testing.T) {
	t.Parallel()
	for _, tt := range fieldCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, tt.origin)
			doc := metrictest.Decode(t, getDocument([]byte(strings.ReplaceAll(tt.text, "\n", "\r\n"))))
			require.EqualValues(t, 1, doc["up"])
			if tt.replicas != nil {
				require.Equal(t, tt.replicas, metrictest.Rows(t, metrictest.Section(t, doc, "replication")["replicas"]))
			}
			if tt.masters != nil {
				require.Equal(t, tt.masters, metrictest.Rows(t, metrictest.Section(t, doc, "replication")["masters"]))
			}
			for name, want := range tt.derived {
				require.Equal(t, want, metrictest.Section(t, doc, "derived")[name], name)
			}
			for name, want := range tt.replication {
				require.Equal(t, want, metrictest.Section(t, doc, "replication")[name], name)
			}
			for name, want := range tt.doc {
				require.Equal(t, want, doc[name], name)
			}
			for _, path := range tt.absent {
				section, name, inside := strings.Cut(path, " ")
				if !inside {
					require.NotContains(t, doc, section)
					continue
				}
				require.NotContains(t, metrictest.Section(t, doc, section), name)
			}
		})
	}
}

// TestARealKeyDBWithTwoMasters has the replication of a server of 2024-04-04 with
// multi-master, recorded on 2026-11-29 before and after one of its masters was
// killed.
func TestARealKeyDBWithTwoMasters(t *testing.T) {
	t.Parallel()
	up := metrictest.Decode(t, getDocument(forkText(t, "keydb-multi-master-up")))
	require.Equal(t, []any{"keydb", "active-replica"}, []any{up["flavour"], up["role"]})
	derived := metrictest.Section(t, up, "derived")
	require.InDelta(t, 1, derived["master_link_up"], 0)
	require.InDelta(t, 0, derived["master_last_io_seconds"], 0)
	require.InDelta(t, 1, derived["replicas_online"], 0)
	require.Len(t, metrictest.Section(t, up, "replication")["masters"], 2)

	down := metrictest.Decode(t, getDocument(forkText(t, "keydb-multi-master-one-down")))
	derived = metrictest.Section(t, down, "derived")
	require.InDelta(t, 0, derived["master_link_up"], 0)
	require.InDelta(t, 4, derived["master_link_down_seconds"], 0)
	require.InDelta(t, 1, derived["replicas_online"], 0)
	require.Equal(t, []map[string]any{
		{"host": "127.0.0.1", "port": 28102.0, "link_up": 1.0, "last_io_seconds": 0.0},
		{"host": "127.0.0.1", "port": 28103.0, "link_up": 0.0, "link_down_seconds": 4.0},
	}, metrictest.Rows(t, metrictest.Section(t, down, "replication")["masters"]))
}

// servers-14: Redis 8 prints a line for each database and type (redis#13592).
func TestEverySectionIsBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("# Server\r\nredis_version:8.0.2\r\n# Keysizes\r\n")
	sizes := strings.Repeat(",1K=1,2K=3", 8)
	for i := range 8000 {
		for _, kind := range []string{"strings_sizes", "lists_items", "sets_items", "zsets_items", "hashes_items"} {
			fmt.Fprintf(&text, "db%d_distrib_%s:1=1%s\r\n", i, kind, sizes)
		}
	}
	for i := range 40 { // of modules
		fmt.Fprintf(&text, "# module_%02d\r\n", i)
		for j := range 900 {
			fmt.Fprintf(&text, "field_%d:%s\r\n", j, strings.Repeat("x", 150))
		}
	}
	text.WriteString("# Stats\r\ntotal_commands_processed:5\r\n")
	answer := getDocument([]byte(text.String()))
	require.Less(t, len(answer), 1<<20)
	doc := metrictest.Decode(t, answer)
	require.Len(t, doc["keysizes"], 1000)
	truncated := metrictest.Section(t, doc, "truncated")
	require.InDelta(t, 39_000, truncated["keysizes"], 0)
	require.Greater(t, truncated["sections"], 30.0, "those for which there is no room at all")
	require.NotContains(t, doc, "module_39")
	require.Equal(t, map[string]any{"total_commands_processed": 5.0}, doc["stats"], "Redis' own sections have their room")

	text.Reset()
	text.WriteString("# Errorstats\r\n")
	for i := range 20 {
		fmt.Fprintf(&text, "errorstat_E%d%s:count=1\r\n", i, strings.Repeat("ä", 1<<16))
	}
	text.WriteString("# Server\r\nexecutable:" + strings.Repeat("ä", 1<<20) + "\r\n" + strings.Repeat("f", 1<<20) + ":1\r\n")
	answer = getDocument([]byte(text.String()))
	require.Less(t, len(answer), 1<<16)
	doc = metrictest.Decode(t, answer)
	require.Len(t, doc["errorstats"], 20)
	require.True(t, utf8.ValidString(metrictest.Section(t, doc, "server")["executable"].(string)))

	text.Reset()
	for i := range 100_000 {
		fmt.Fprintf(&text, "# m%d\r\nfield:1\r\n", i)
	}
	answer = getDocument([]byte(text.String()))
	require.Less(t, len(answer), 1<<20)
	require.Len(t, metrictest.Decode(t, answer)["truncated"], 1)
}

// servers-09: before Redis 7 a replica answers PING though it refuses every read
// (redis#9757).
func TestAReplicaThatRefusesReadsIsDown(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			for _, stale := range []string{"yes", "no"} {
				s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", stale}})
				target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
				for _, m := range []struct{ name, text string }{
					{"redis.status", metrictest.Must(metrictest.CollectFrom(t, Status, target))},
					{"redis.get", metrictest.Must(metrictest.CollectFrom(t, Get, target))},
				} {
					doc := metrictest.Decode(t, m.text)
					require.Equal(t, stale == "yes", doc["up"] == 1.0, m.name)
					require.Equal(t, map[string]any{"yes": "", "no": "masterdown"}[stale], doc["reason"], m.name)
					require.Equal(t, "replica", doc["role"], m.name)
				}
			}
		})
	}
}
