package slow

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// threadLog is a SLOWLOG GET of Dragonfly: entries of "time id", newest first.
// Source: dragonfly src/server/server_family.cc, SlowLogGet: the id is that of the
// entry in its thread, times the number of threads, plus the thread's.
func threadLog(entries ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(entries))
	for _, e := range entries {
		at, id, _ := strings.Cut(e, " ")
		fmt.Fprintf(&b, "*6\r\n:%s\r\n:%s\r\n:15000\r\n%s%s%s", id, "17952541"+at, metrictest.WireArray("GET", "a"), metrictest.Bulk("10.0.0.9:4711"), metrictest.Bulk("w"))
	}
	return b.String()
}

// TestIDsByThread: each entry is told once, in the order of their times, and the
// count never falls while the server runs.
func TestIDsByThread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"SLOWLOG LEN": ":2\r\n"}}
		target := metrictest.NewTarget(d)
		for _, step := range []struct {
			name             string
			entries          []string
			uptime           int
			ids              []int
			first, restarted bool
			count            string
		}{
			{"the first poll", []string{"14 200", "13 198"}, 1000, []int{198, 200}, true, false, "201"},
			{"nothing new", []string{"14 200", "13 198"}, 1060, []int{}, false, false, "201"},
			{"the first one of another thread", []string{"20 1", "14 200", "13 198"}, 1120, []int{1}, false, false, "202"},
			{"one of each in one second", []string{"25 3", "25 202", "20 1", "14 200"}, 1180, []int{3, 202}, false, false, "204"},
			{"a late answer to an earlier poll", []string{"20 1", "14 200", "13 198"}, 1235, []int{}, false, false, "204"},
			{"the log was reset", nil, 1300, []int{}, false, false, "204"},
			{"and its ids began anew", []string{"40 0"}, 1360, []int{0}, false, false, "205"},
			{"the clock was set back", []string{"40 0", "02 4"}, 1420, []int{4}, false, false, "206"},
			{"a restarted server", []string{"50 6"}, 30, []int{6}, false, true, "7"},
			{"goes on", []string{"60 1", "50 6"}, 90, []int{1}, false, false, "8"},
			{"another server has taken over", []string{"55 90"}, 86400, []int{90}, true, false, "91"},
		} {
			d.Replies["SLOWLOG GET 128"] = threadLog(step.entries...)
			d.Replies["SLOWLOG GET 1"] = threadLog(step.entries[:min(1, len(step.entries))]...)
			d.Replies["INFO server"] = metrictest.Bulk(fmt.Sprintf("# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.38.0\r\nuptime_in_seconds:%d\r\n", step.uptime))
			doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Log, target)))
			require.Equal(t, step.ids, idsOf(doc), step.name)
			require.EqualValues(t, len(step.ids), doc["count"], step.name)
			require.Equal(t, []any{step.first, step.restarted}, []any{doc["first"], doc["restarted"]}, step.name)
			require.NotContains(t, doc, "missed", "%s: nobody knows how many a thread has dropped", step.name)
			require.Equal(t, step.count, metrictest.Must(metrictest.CollectFrom(t, Count, target)), step.name)
			time.Sleep(time.Minute)
		}
	})
}

func TestWhatIsSeenOfALogByThreadIsBounded(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"SLOWLOG LEN": ":128\r\n", "INFO server": metrictest.Bulk("# Server\r\ndragonfly_version:df-v1.38.0\r\nuptime_in_seconds:5\r\n"),
	}}
	target := metrictest.NewTarget(d)
	for poll := range 10 {
		var entries []string
		for i := range slowlogEntries {
			entries = append(entries, fmt.Sprintf("%02d %d", poll, i))
		}
		d.Replies["SLOWLOG GET 128"] = threadLog(entries...)
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Log, target)))
		require.EqualValues(t, slowlogEntries, doc["count"])
		v, _ := target.Memory.Load(slowlogReadMemory)
		require.LessOrEqual(t, len(v.(threadRead).seen), maxSeen)
		require.EqualValues(t, 0, metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Log, target)))["count"])
	}
}

func TestCountByThreadErrors(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"SLOWLOG GET 1": threadLog("14 200"), "SLOWLOG GET 128": "-NOPERM no\r\n", "INFO server": metrictest.Bulk("# Server\r\ndragonfly_version:df-v1.38.0\r\n"),
	}}
	_, err := metrictest.Collect(t, Count, d)
	require.EqualError(t, err, "SLOWLOG GET 128: NOPERM no")
}
