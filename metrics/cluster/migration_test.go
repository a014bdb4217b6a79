package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/info"
	"redisjobs/redisclient"
)

// flat is a map as RESP2 has it.
func flat(pairs ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(pairs))
	for _, p := range pairs {
		b.WriteString(metrictest.Bulk(p))
	}
	return b.String()
}

// servers-25: what CLUSTER NODES does not show.
func TestAtomicMigrationsAreMovingSlots(t *testing.T) {
	t.Parallel()
	seconds := func(ago time.Duration) string { return fmt.Sprint(time.Now().Add(-ago).Unix()) }
	millis := func(ago time.Duration) string { return fmt.Sprint(time.Now().Add(-ago).UnixMilli()) }
	valkey := func(id, state, message, at string) string { // recorded from Valkey 9.1.2
		return flat("name", id, "operation", "EXPORT", "slot_ranges", "0-8000", "target_node", other, "source_node", me, "create_time", at,
			"last_update_time", at, "last_ack_time", at, "state", state, "message", message, "cow_size", "0", "remaining_repl_size", "0")
	}
	redis := func(id, state, message, at string) string { // the fields of Redis 8.6.2
		return flat("id", id, "slots", "0-8000", "source", me, "dest", other, "operation", "migrate", "state", state, "last_error", message,
			"retries", "0", "create_time", at, "start_time", at, "end_time", at, "write_pause_ms", "0")
	}
	for _, tt := range []struct {
		name, version, cmd string
		row                func(id, state, message, at string) string
		ago                func(time.Duration) string
		done, stopped      string
	}{
		{"Valkey 9", "valkey_version:9.1.2", "CLUSTER GETSLOTMIGRATIONS", valkey, seconds, "success", "cancelled"},
		{"Redis 8.4", "redis_version:8.6.2", "CLUSTER MIGRATION STATUS ALL", redis, millis, "completed", "canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			entry, _ := entryOf(me+" 10.0.0.1:6379@1 myself,master - 0 0 1 connected 0-16383\n", nil)
			d := entry.Doer.(*metrictest.ScriptDoer)
			d.Replies["INFO"] = metrictest.Bulk("# Server\r\n" + tt.version + "\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n")
			d.Replies[tt.cmd] = "*6\r\n" + tt.row("m1", "streaming", "", tt.ago(0)) + tt.row("m2", tt.done, "", tt.ago(time.Minute)) +
				tt.row("m3", "failed", "Connection lost", tt.ago(time.Minute)) + tt.row("m4", tt.stopped, "", tt.ago(time.Hour)) + flat("name", "m5") + ":1\r\n"
			doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
			require.Equal(t, []any{
				map[string]any{"migration": "m1", "slots": "0-8000", "operation": "export", "state": "streaming", "active": 1.0, "node": me, "other": other},
				map[string]any{"migration": "m3", "slots": "0-8000", "operation": "export", "state": "failed", "active": 0.0, "message": "Connection lost",
					"node": me, "other": other},
			}, doc["moving"])
			require.Empty(t, doc["unavailable"])

			d.Replies[tt.cmd] = "-NOPERM no\r\n"
			doc = metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
			require.Equal(t, map[string]any{"cluster_migrations": "NOPERM no"}, doc["unavailable"])
			require.Equal(t, []any{}, doc["moving"])
		})
	}
}

// A command that a server does not know counts among its errors.
func TestOnlyServersThatHaveMigrationsAreAskedForThem(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"redis 8.2.3": "", "redis 8.4.0": "CLUSTER MIGRATION STATUS ALL", "redis 9.0": "CLUSTER MIGRATION STATUS ALL", "valkey 8.1.1": "",
		"valkey 9.0.0": "CLUSTER GETSLOTMIGRATIONS", "keydb 255.255.255": "", "dragonfly 1.38.1": "", "redis": "", "valkey x.y": "",
	} {
		flavour, version, _ := strings.Cut(server, " ")
		got := ""
		if f := formOf(&info.Identity{Flavour: flavour, Version: version}); f != nil {
			got = strings.Join(f.cmd, " ")
		}
		require.Equal(t, want, got, server)
	}
}

func TestAMigrationOfARealValkey(t *testing.T) {
	t.Parallel()
	f := redistest.Find(t, "valkey-9.1")
	nodes := redistest.NewCluster(t, f, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	entry, _ := metrictest.DialPeers(t, redisclient.Config{Address: nodes[1].Addr})
	nodes[0].Do(t, "DEBUG", "POPULATE", "20000", "k", "100")
	nodes[0].Do(t, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", "0", "100", "NODE", nodes[1].ID)
	nodes[0].Do(t, "CLUSTER", "CANCELSLOTMIGRATIONS")
	var moving []map[string]any
	require.Eventually(t, func() bool { // the other end hears of it
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
		require.Empty(t, doc["unavailable"])
		moving = metrictest.Rows(t, doc["moving"])
		return len(moving) > 0 && metrictest.Row(t, doc["moving"], "operation", "export")["active"] == 0.0
	}, 20*time.Second, 50*time.Millisecond)
	row := moving[0]
	for _, m := range moving {
		if m["operation"] == "export" {
			row = m
		}
	}
	require.Equal(t, []any{"0-100", "cancelled", nodes[0].ID, nodes[1].ID}, []any{row["slots"], row["state"], row["node"], row["other"]})
	require.NotContains(t, nodes[0].Do(t, "INFO", "errorstats"), "errorstat_ERR", "nothing was tried out")
}

// TestAMigrationOfARealRedis moves slots by CLUSTER MIGRATION IMPORT, which only
// a master can be told, and the first one cannot: it is the slots' owner.
func TestAMigrationOfARealRedis(t *testing.T) {
	t.Parallel()
	f := redistest.Find(t, "redis-8.6")
	nodes := redistest.NewCluster(t, f, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	entry, _ := metrictest.DialPeers(t, redisclient.Config{Address: nodes[2].Addr})
	nodes[0].Do(t, "DEBUG", "POPULATE", "20000", "k", "100")
	id := nodes[1].Do(t, "CLUSTER", "MIGRATION", "IMPORT", "0", "100")
	nodes[1].Do(t, "CLUSTER", "MIGRATION", "CANCEL", "ID", id)
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, entry)))
	require.Empty(t, doc["unavailable"])
	row := metrictest.Row(t, doc["moving"], "operation", "import")
	require.Equal(t, []any{id, "0-100", "canceled", 0.0, nodes[1].ID, nodes[0].ID},
		[]any{row["migration"], row["slots"], row["state"], row["active"], row["node"], row["other"]})
	require.NotContains(t, nodes[0].Do(t, "INFO", "errorstats"), "errorstat_ERR", "nothing was tried out")
}
