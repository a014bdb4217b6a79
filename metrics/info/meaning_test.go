package info

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jsondoc"
)

// serverOf is an INFO of each flavour with the same lines of replication.
func serverOf(t testing.TB, flavour, replication string) (*Text, Identity) {
	t.Helper()
	server := map[string]string{
		"redis": "redis_version:7.4.0", "keydb": "redis_version:6.3.4\nexecutable:/usr/bin/keydb-server", "redis-enterprise": "redis_version:7.4.0\nrlec_version:-",
		"nobody": "nobody_version:1\nredis_version:7.0.0", "": "os:Plan 9",
	}[flavour]
	if server == "" {
		server = "redis_version:7.0.0\n" + flavour + "_version:1.2.3"
	}
	x, err := Scan([]byte("# Server\n"+server+"\nuptime_in_seconds:1000\n# Replication\nrole:master\n"+replication), nil, nil)
	require.NoError(t, err)
	id := Identify(&x)
	require.Equal(t, flavour, id.Flavour)
	return &x, id
}

// TestOneRowMeansWhatItsServerMeans holds every flavour to the table, and those
// that are not in it to knowing nothing.
func TestOneRowMeansWhatItsServerMeans(t *testing.T) {
	t.Parallel()
	const rows = "slave0:ip=a,port=1,state=online,offset=90,lag=7\nslave1:ip=b,port=1,offset=90,lag=8\nslave2:ip=c,port=1,state=stable_sync,offset=90,lag=9\nmaster_repl_offset:100\n"
	unknown, no, yes := Reading{}, Known(0), Known(1)
	for flavour, want := range map[string]struct {
		lag, bytes, writes Reading
		inSync             [3]Reading
	}{
		"redis":            {Known(7), Known(10), unknown, [3]Reading{yes, unknown, no}},
		"valkey":           {Known(7), Known(10), unknown, [3]Reading{yes, unknown, no}},
		"keydb":            {Known(7), Known(10), unknown, [3]Reading{yes, unknown, no}},
		"redict":           {Known(7), Known(10), unknown, [3]Reading{yes, unknown, no}},
		"redis-enterprise": {Known(7), Known(10), unknown, [3]Reading{yes, unknown, no}},
		"dragonfly":        {unknown, unknown, Known(10), [3]Reading{yes, unknown, yes}},
		"kvrocks":          {unknown, unknown, Known(10), [3]Reading{yes, yes, no}},
		"garnet":           {unknown, Known(10), unknown, [3]Reading{yes, unknown, no}},
		"pika":             {unknown, unknown, unknown, [3]Reading{yes, unknown, no}},
		"nobody":           {unknown, unknown, unknown, [3]Reading{unknown, unknown, unknown}},
		"":                 {unknown, unknown, unknown, [3]Reading{unknown, unknown, unknown}},
	} {
		x, id := serverOf(t, flavour, rows)
		got := FindReplicas(x, &id)
		require.Len(t, got, 3, flavour)
		require.Equal(t, []Reading{want.lag, want.bytes, want.writes}, []Reading{got[0].Lag, got[0].LagBytes, got[0].LagWrites}, flavour)
		require.Equal(t, want.inSync, [3]Reading{got[0].InSync, got[1].InSync, got[2].InSync}, flavour)
	}
	tested := 11 - 2
	require.Len(t, meanings, tested, "each flavour of the table has its row here")
}

// TestAReplicaThatConfirmedNothingIsNotInSync, whatever its state says, once its
// master has written something; that holds where servers tell offsets.
func TestAReplicaThatConfirmedNothingIsNotInSync(t *testing.T) {
	t.Parallel()
	for flavour, m := range meanings {
		for _, tt := range []struct {
			name, rows string
			loading    bool
		}{
			{"it loads the copy", "slave0:ip=a,port=1,state=online,offset=0,lag=3\nmaster_repl_offset:2494913\n", true},
			{"it has all of nothing", "slave0:ip=a,port=1,state=online,offset=0,lag=0\nmaster_repl_offset:0\n", false},
			{"it is far behind", "slave0:ip=a,port=1,state=online,offset=1,lag=3\nmaster_repl_offset:2494913\n", false},
			{"no row has an offset", "slave0:ip=a,port=1,state=online,lag=3\nmaster_repl_offset:2494913\n", false},
			{"before Redis 2.8", "slave0:10.0.0.5,6379,online\n", false},
			{"the master does not tell its own", "slave0:ip=a,port=1,state=online,offset=0\n", false},
		} {
			x, id := serverOf(t, flavour, tt.rows)
			want := Known(1)
			if tt.loading && m.Offset != UnitUnknown {
				want = Known(0)
			}
			require.Equal(t, want, FindReplicas(x, &id)[0].InSync, "%s: %s", flavour, tt.name)
		}
	}
}

func TestWhatCountsAsAReplica(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, rows, want string }{
		{"port 0 is a client", "slave0:ip=a,port=0,state=online\n", ""},
		{"a unix socket has none either", "slave0:ip=/tmp/r.sock,port=0,state=online\n", ""},
		{"the main channel stands for both, in either order", "slave0:ip=a,port=1,state=x,type=rdb-channel\nslave1:ip=a,port=1,state=online,type=main-channel\n" +
			"slave2:ip=b,port=1,state=online,type=main-channel\nslave3:ip=b,port=1,state=x,type=rdb-channel\n", "a:1 1/1, b:1 1/1"},
		{"one channel is a replica", "slave0:ip=a,port=1,state=wait_bgsave,type=rdb-channel\n", "a:1 0/1"},
		{"several behind one address", "slave0:ip=a,port=1,state=online\nslave1:ip=a,port=1,state=send_bulk\nslave2:ip=a,port=2,state=online\n", "a:1 1/2, a:2 1/1"},
		{"the last of two lines of one number and address counts", "slave0:ip=a,port=1,state=wait_bgsave\nslave0:ip=a,port=1,state=online\n", "a:1 1/1"},
		{"one number of two addresses, as of Tendis", "slave0:ip=a,port=1,state=online\nslave0:ip=b,port=1,state=online\nslave0:ip=a,port=1,state=wait_bgsave\n", "a:1 0/1, b:1 1/1"},
		{"Redis 2.6", "slave0:10.0.0.5,6379,online\n", "10.0.0.5:6379 1/1"},
		{"no row", "slave0:\nslave1:x\nslave2:a=b\nslave_priority:100\nslavex:ip=a,port=1\n", ""},
	} {
		x, id := serverOf(t, "redis", tt.rows)
		var got []string
		for _, r := range FindReplicas(x, &id) {
			got = append(got, fmt.Sprintf("%s:%s %d/%d", r.IP, r.Port, r.InSync.Value, r.Count))
		}
		require.Equal(t, tt.want, strings.Join(got, ", "), tt.name)
	}
}

func TestImpossibleReadings(t *testing.T) {
	t.Parallel()
	_, id := serverOf(t, "redis", "")
	for field, impossible := range map[string]bool{
		"keys:-1": true, "evicted_keys:18446744073709551600": true, "used_memory:9223372036854775807": false, "used_memory:9223372036854775808": true,
		"rdb_changes_since_last_save:-3": true, "rdb_last_bgsave_time_sec:-1": false, "master_last_io_seconds_ago:-1": false, "second_repl_offset:-1": false,
		"mem_fragmentation_bytes:-5": false, "allocator_rss_bytes:-5": false, "master_sync_left_bytes:-5": true, "mem_fragmentation_ratio:-0.5": false,
		"master_link_down_since_seconds:1000": false, "master_link_down_since_seconds:1002": true, "master_1_last_io_seconds_ago:1795947924": true,
		"connected_clients:4294964742": true, "blocked_clients:4294967295": true, "thread_3_clients:2147483648": true, "connected_slaves:4294967295": true,
		"cluster_connections:2147483648": true, "clients_in_timeout_table:4294967295": true, "total_connections_active:4294967295": true,
		"connected_clients:2147483647": false, "connected_clients:65000": false, "maxclients:4294967295": false, "max_clients:4294967295": false,
		"evicted_clients:4294967295": false, "total_connections_received:4294967295": false, "rejected_connections:4294967295": false,
		"total_net_input_bytes:4294964742": false, "used_memory:4294964742": false, "total_commands_processed:99999999999": false, "keys:4294964742": false,
		"uptime_in_seconds:99999": false, "run_id:1111111111111111111111111111111111111111": false, "os:-x": false, "a:": false, "a:-": false,
	} {
		key, value, _ := strings.Cut(field, ":")
		require.Equal(t, impossible, id.Impossible([]byte(key), []byte(value)), field)
	}
	for word, none := range map[string]bool{
		"nan": true, "-nan": true, "NaN": true, "-nan(ind)": true, "nan(0x8)": true, "1.#INF": true, "-1.#IND": true, "1.#QNAN": true, "1.#J": true, "inf": true,
		"+Infinity": true, "∞": true, "-∞": true, "N/A": true, "unavailable": true, "1.5": false, "nano": false, "none": false, "": false, "info": false,
	} {
		require.Equal(t, none, IsNoReading([]byte(word)), word)
	}
}

// FuzzIdentity takes INFO apart in all ways that this package knows.
func FuzzIdentity(f *testing.F) {
	f.Add("# Server\nredis_version:7\nuptime_in_seconds:5\n# Replication\nrole:slave\nmaster_host:a\nmaster_port:1\nmaster_link_status:up\nmaster_1_host:b\nslave0:ip=a,port=1,state=online,offset=1,lag=1\nslave1:a,1,online\nmaster_repl_offset:9\n# Keyspace\n# x: y\ndb0:keys=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := Scan([]byte(text), nil, nil)
		if err != nil {
			return
		}
		id := Identify(&x)
		for _, r := range FindReplicas(&x, &id) {
			require.LessOrEqual(t, r.InSync.Value, r.Count)
			require.NotEqual(t, "0", r.Port)
			for _, n := range []Reading{r.Lag, r.LagBytes, r.LagWrites, r.Offset} {
				require.False(t, n.Known && n.Value < 0)
			}
		}
		lines := x.SectionLines("replication")
		masters := Masters(&x, &id, lines)
		links := SumLinks(&x, &id, masters)
		for _, m := range masters {
			require.False(t, m.LinkUp == Known(0) && links.Up == Known(1))
		}
		w := jsondoc.New(0)
		WriteMasters(w, masters)
		keys, expires := SumKeys(&x, &id, x.SectionLines("keyspace"))
		require.False(t, keys.Known && keys.Value < 0 || expires.Known && expires.Value < 0)
	})
}
