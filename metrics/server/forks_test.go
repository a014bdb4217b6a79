package server

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/info"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func forkText(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/forks/" + name + ".info.txt")
	require.NoError(t, err)
	return text
}

// TestGetOfForks has every fork's INFO pass without a loss.
func TestGetOfForks(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		flavour, version, mode, role string
		derived                      map[string]any
	}{
		"keydb-6.3": {"keydb", "6.3.4", "standalone", "active-replica", map[string]any{
			"keys": 120.0, "keys_expiring": 20.0, "hit_ratio_since_start": 75.0,
			"memory_limit": 536870912.0, "memory_limit_source": "maxmemory", "memory_used_percent": 50.0,
			"fragmentation_ratio": 1.5, "clients_used_percent": 0.13, "rdb_save_age": 3600.0, "replicas_online": 1.0,
			"replica_lag_bytes_max": 30.0, "replica_lag_seconds_max": 0.0, "master_link_up": 1.0, "master_last_io_seconds": 2.0,
			"rdb_save_running_seconds": 0.0,
		}},
		"dragonfly-1.38": {"dragonfly", "1.38.1", "standalone", "master", map[string]any{
			"keys": 1000.0, "keys_expiring": 10.0, "hit_ratio_since_start": 90.0,
			"memory_limit": 2147483648.0, "memory_limit_source": "maxmemory", "memory_used_percent": 25.0,
			"fragmentation_ratio": 1.2, "clients_used_percent": 0.1, "replicas_online": 0.0,
		}},
		"kvrocks-2.17": {"kvrocks", "2.17.0", "standalone", "master", map[string]any{
			"keys": 44.0, "keys_expiring": 4.0, "hit_ratio_since_start": 50.0, "clients_used_percent": 0.25,
			"rdb_save_age": 100.0, "replicas_online": 0.0,
		}},
		"keydb-multi-master-up": {"keydb", "255.255.255", "standalone", "active-replica", map[string]any{
			"keys": 1.0, "keys_expiring": 0.0, "memory_limit": 25276510208.0, "memory_limit_source": "system", "memory_used_percent": 0.0137859,
			"clients_used_percent": 0.05, "rdb_save_age": 3.0, "replicas_online": 1.0, "replica_lag_bytes_max": 0.0, "replica_lag_seconds_max": 0.0,
			"master_link_up": 1.0, "master_last_io_seconds": 0.0, "replica_unapplied_bytes": 0.0,
			"memory_dataset": 225136.0, "memory_clients": 69104.0, "memory_backlog": 1052656.0, "memory_scripts": 0.0, "memory_other": 2137696.0,
			"memory_allocator": 3858264.0, "rdb_save_running_seconds": 0.0, "aof_rewrite_running_seconds": 0.0,
		}},
		"keydb-multi-master-one-down": {"keydb", "255.255.255", "standalone", "active-replica", map[string]any{
			"keys": 1.0, "keys_expiring": 0.0, "memory_limit": 25276510208.0, "memory_limit_source": "system", "memory_used_percent": 0.0135849,
			"clients_used_percent": 0.03, "rdb_save_age": 7.0, "replicas_online": 1.0, "replica_lag_bytes_max": 215.0, "replica_lag_seconds_max": 0.0,
			"master_link_up": 0.0, "master_link_down_seconds": 4.0, "replica_unapplied_bytes": 0.0,
			"memory_dataset": 191592.0, "memory_clients": 51856.0, "memory_backlog": 1052656.0, "memory_scripts": 0.0, "memory_other": 2137696.0,
			"memory_allocator": 3937112.0, "rdb_save_running_seconds": 0.0, "aof_rewrite_running_seconds": 0.0,
		}},
		"garnet-2.2": {"garnet", "2.2.0", "standalone", "master", map[string]any{"replicas_online": 0.0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := forkText(t, name)
			d := &metrictest.ScriptDoer{Replies: map[string]string{
				"PING": "+PONG\r\n", "INFO everything": metrictest.Bulk(string(text)), "DBSIZE": ":6\r\n",
				"TIME": "*2\r\n$10\r\n1900000000\r\n$1\r\n0\r\n",
				// status asks by section; here each answer is the whole.
				"INFO server": metrictest.Bulk(string(text)), "INFO replication": "$0\r\n\r\n", "INFO persistence": "$0\r\n\r\n",
			}}
			target := metrictest.NewTarget(d)
			got, err := metrictest.CollectFrom(t, Get, target)
			require.NoError(t, err)
			doc := metrictest.Decode(t, got)
			status, err := metrictest.CollectFrom(t, Status, target)
			require.NoError(t, err)
			for _, doc := range []map[string]any{doc, metrictest.Decode(t, status)} {
				require.EqualValues(t, 1, doc["up"])
				require.Equal(t, []any{want.flavour, want.version, want.mode, want.role},
					[]any{doc["flavour"], doc["version"], doc["mode"], doc["role"]})
			}
			derived := metrictest.Section(t, doc, "derived")
			if name == "dragonfly-1.38" { // which does not tell its time
				require.Contains(t, derived, "rdb_save_age")
				delete(derived, "rdb_save_age")
			}
			require.Equal(t, want.derived, derived)
			if bytes.Contains(text, []byte("# Keyspace")) {
				require.NotContains(t, doc, "dbsize")
			} else {
				require.InDelta(t, 6, doc["dbsize"], 0)
				d.Calls = 0
				_, err := metrictest.CollectFrom(t, Get, target)
				require.NoError(t, err)
				require.Equal(t, 1, d.Calls, "it is remembered that this server is asked for more")
			}
			requireNoLoss(t, text, doc)
		})
	}
	files, err := filepath.Glob("testdata/forks/*.info.txt")
	require.NoError(t, err)
	require.Len(t, files, 6, "each has its row here")
}

// lostOnPurpose are the lines whose figure is none or stands elsewhere.
func lostOnPurpose(id *info.Identity, section, key, value string) bool {
	switch {
	case strings.HasSuffix(key, "_human"), info.IsNoReading([]byte(value)), id.Impossible([]byte(key), []byte(value)):
		return true
	case section == "keyspace" && !strings.HasPrefix(key, "db"): // Kvrocks puts other figures there
		return true
	case section == "replication" && strings.HasPrefix(key, "slave") && strings.Contains(value, "="), section == "modules":
		return true
	}
	return false
}

// requireNoLoss finds each line of an INFO in its document.
func requireNoLoss(t testing.TB, text []byte, doc map[string]any) {
	t.Helper()
	x, err := info.Scan(text, nil, nil)
	require.NoError(t, err)
	id, lines := info.Identify(&x), 0
	for _, s := range x.Sections {
		name := string(info.SnakeName(x.Name(s)))
		member := doc[memberName(name)]
		require.NotNil(t, member, name)
		for _, l := range x.Lines[s.First:s.End] {
			key, value := string(l.Key(text)), string(l.Value(text))
			if lostOnPurpose(&id, name, key, value) {
				continue
			}
			lines++
			switch member := member.(type) {
			case map[string]any:
				require.Contains(t, member, key, name)
			case []any:
				require.True(t, hasRow(member, key), "%s has no row for %s", name, key)
			}
		}
	}
	require.Greater(t, lines, 20)
}

// hasRow reports whether a list has a row for a line such as cmdstat_get.
func hasRow(list []any, key string) bool {
	for _, row := range list {
		for _, name := range []string{"command", "error", "db"} {
			if word, ok := row.(map[string]any)[name].(string); ok && strings.HasSuffix(key, word) {
				return true
			}
		}
	}
	return false
}

// infoRecorder keeps the last answer to INFO.
type infoRecorder struct {
	redisclient.Doer
	text []byte
}

func (r *infoRecorder) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	values, err := r.Doer.DoAll(ctx, cmds...)
	for i, v := range values {
		if cmds[i][0] == "INFO" {
			r.text = bytes.Clone(v.Str)
		}
	}
	return values, err
}

// TestGetOfRealServersOfAllKinds holds each server that can be had here to the
// same: nothing of its INFO is lost.
func TestGetOfRealServersOfAllKinds(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "SET", "a", "1")
			_, err := s.TryDo("LPUSH", "a", "1")
			require.ErrorContains(t, err, "WRONGTYPE")
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			info := &infoRecorder{Doer: wire}
			target.Doer = info
			_, err = metrictest.CollectFrom(t, Get, target) // learns which INFO there is
			require.NoError(t, err)
			wire.Calls = 0
			text, err := metrictest.CollectFrom(t, Get, target)
			require.NoError(t, err)
			require.Equal(t, 1, wire.Calls)
			doc := metrictest.Decode(t, text)
			require.Empty(t, doc["unavailable"])
			kind, version, _ := strings.Cut(f.Name, "-")
			require.Equal(t, kind, doc["flavour"])
			require.True(t, strings.HasPrefix(doc["version"].(string), version), doc["version"])
			require.InDelta(t, 1, metrictest.Section(t, doc, "derived")["keys"], 0)
			require.Equal(t, []any{}, doc["latency_events"])
			requireNoLoss(t, info.text, doc)
		})
	}
}
