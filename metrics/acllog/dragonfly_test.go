package acllog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// dragonflyEntry is one refusal, at nanoseconds since the start of the test.
// Source: dragonfly src/server/acl/acl_family.cc, AclFamily::Log: no count, no
// context, no id, and the time in nanoseconds
func dragonflyEntry(object string, began time.Time, at time.Duration) string {
	when := began.Add(at)
	age := time.Since(when)
	fields := []string{"reason", "COMMAND", "object", object, "username", "app", "age-seconds", fmt.Sprintf("%d.%d", age/time.Second, age%time.Second),
		"client-info", "id=4 addr=10.0.0.9:4711 laddr=10.0.0.1:6379 fd=9 name=w tid=0 age=3 idle=0 db=0 flags= phase=process"}
	return fmt.Sprintf("*%d\r\n", len(fields)+2) + metrictest.WireArray(fields...)[len(fmt.Sprintf("*%d\r\n", len(fields))):] +
		metrictest.Bulk("timestamp-created") + fmt.Sprintf(":%d\r\n", when.UnixNano())
}

func TestEachRefusalOfDragonflyIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{}}
		target := metrictest.NewTarget(d)
		began := time.Now()
		time.Sleep(time.Minute)
		uptime := 1000
		for _, step := range []struct {
			name    string
			entries []time.Duration
			fresh   []time.Duration
		}{
			{"the first poll", []time.Duration{50 * time.Millisecond, 0}, []time.Duration{50 * time.Millisecond, 0}},
			{"nothing new", []time.Duration{50 * time.Millisecond, 0}, nil},
			{"two within a second, and one within a second of an old one",
				[]time.Duration{70*time.Second + 7*time.Millisecond, 70 * time.Second, 900 * time.Millisecond, 50 * time.Millisecond, 0},
				[]time.Duration{70*time.Second + 7*time.Millisecond, 70 * time.Second, 900 * time.Millisecond}},
			{"the oldest was dropped", []time.Duration{70*time.Second + 7*time.Millisecond, 70 * time.Second}, nil},
		} {
			var entries []string
			for _, at := range step.entries {
				entries = append(entries, dragonflyEntry("FLUSHALL", began, at))
			}
			d.Replies["ACL LOG 128"] = logWire(entries...)
			d.Replies["INFO"] = metrictest.Bulk(fmt.Sprintf("# Server\r\ndragonfly_version:df-v1.38.0\r\nuptime_in_seconds:%d\r\n", uptime))
			doc := logOf(t, target)
			var times, want []int64
			for _, row := range metrictest.Rows(t, doc["entries"]) {
				times = append(times, int64(row["time"].(float64)*1000+0.5))
			}
			for _, at := range step.fresh {
				want = append(want, began.Add(at).UnixMilli())
			}
			require.ElementsMatch(t, want, times, step.name)
			require.NotContains(t, doc, "unreadable", step.name)
			require.NotContains(t, doc, "missed", step.name)
			if denied, ok := doc["denied"]; ok {
				require.Equal(t, map[string]any{"auth": 0.0, "command": float64(len(step.fresh)), "key": 0.0, "channel": 0.0, "other": 0.0}, denied)
			}
			for _, row := range metrictest.Rows(t, doc["entries"]) {
				require.NotContains(t, row, "context")
				require.Equal(t, "command", row["reason"])
				require.Equal(t, []any{1.0, 1.0, "10.0.0.9:4711", "w"}, []any{row["count"], row["total"], row["address"], row["client_name"]})
			}
			time.Sleep(time.Minute)
			uptime += 60
		}
	})
}

func TestTheAddressOfAUnixSocketInTheLog(t *testing.T) {
	t.Parallel()
	require.Equal(t, client{addr: "/srv/my app/r.sock:0", name: "w", library: "x"},
		parseClient("id=9 addr=/srv/my app/r.sock:0 laddr=/srv/my app/r.sock:0 fd=8 name=w age=3 lib-name=x lib-ver="))
}

// TestRefusalsOfDatabases are counted by Valkey 9.1.
func TestRefusalsOfDatabases(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"ACL LOG 128": "*0\r\n", "INFO": serverWire("a", 1000, "acl_access_denied_db:7")}}
	doc := logOf(t, metrictest.NewTarget(d))
	require.Equal(t, map[string]any{"acl_access_denied_db": map[string]any{"total": 7.0}}, doc["counters"])
}
