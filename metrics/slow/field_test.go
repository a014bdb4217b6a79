package slow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// Slow logs that were seen in the field; the first of each is newest.
func TestSlowlogEntriesOfOtherFormsLoseNothingElse(t *testing.T) {
	t.Parallel()
	entry := func(n int, id, micros string, more ...string) string {
		return fmt.Sprintf("*%d\r\n:%s\r\n:1795254114\r\n:%s\r\n", n, id, micros) + strings.Join(more, "")
	}
	good := entry(6, "8", "15000", metrictest.WireArray("get", "k"), metrictest.Bulk("10.0.0.9:4711"), metrictest.Bulk("w"))
	client := metrictest.Bulk("10.0.0.9:4711") + metrictest.Bulk("w")
	for _, tt := range []struct {
		name, origin, bad string
		ids               []int
		unreadable        any
	}{
		{"servers-10, peers-05 a text about the complexity, with a client", "Redis Enterprise; redis-py#622",
			entry(7, "9", "12000", metrictest.Bulk("N:10002,M:100"), metrictest.WireArray("zrange", "k", "0", "-1"), client), []int{8, 9}, nil},
		{"servers-10 an empty text", "Redis Enterprise; grafana-redis-datasource#10",
			entry(7, "9", "12000", metrictest.Bulk(""), metrictest.WireArray("get", "k"), client), []int{8, 9}, nil},
		{"peers-05 a text and no client", "Redis Enterprise; redis-py#1489",
			entry(5, "9", "12000", metrictest.Bulk("N:1"), metrictest.WireArray("GET", "k")), []int{8, 9}, nil},
		{"servers-11 no arguments", "dd-agent#2629", entry(6, "9", "12000", "*0\r\n", client), []int{8}, 1.0},
		{"servers-11 a nil argument", "written from a proxy's form", entry(6, "9", "12000", "*3\r\n"+metrictest.Bulk("EVAL")+"$-1\r\n"+metrictest.Bulk("x"), client), []int{8}, 1.0},
		{"servers-11 a negative duration", "the same", entry(6, "9", "-12000", metrictest.WireArray("get", "a"), client), []int{8}, 1.0},
		{"servers-11 a text as the command", "integrations-core#8716", entry(6, "9", "12000", metrictest.Bulk("get a"), client), []int{8}, 1.0},
		{"an entry that is none", "the same class", "$-1\r\n", []int{8}, 1.0},
		{"an id that is none", "the same class", "*4\r\n$1\r\nx\r\n:1\r\n:1\r\n" + metrictest.WireArray("get"), []int{8}, 1.0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, tt.origin)
			d := &metrictest.ScriptDoer{Replies: map[string]string{
				"SLOWLOG GET 128": "*2\r\n" + tt.bad + good, "SLOWLOG LEN": ":2\r\n", "INFO server": metrictest.Bulk("# Server\r\nrun_id:a\r\n"),
			}}
			doc := metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Log, d)))
			require.Equal(t, tt.ids, idsOf(doc))
			require.Empty(t, doc["unavailable"])
			if tt.unreadable == nil {
				require.NotContains(t, doc, "unreadable")
				newest := metrictest.Rows(t, doc["entries"])[1]
				require.InDelta(t, 0.012, newest["duration"], 0)
				require.Contains(t, []any{"zrange", "get"}, newest["command"])
				return
			}
			require.Equal(t, map[string]any{"entries": tt.unreadable}, doc["unreadable"])

			d.Replies["SLOWLOG GET 128"] = "*1\r\n" + tt.bad
			doc = metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Log, d)))
			require.NotContains(t, doc, "entries", "a log of which nothing can be read is not an empty one")
			require.Contains(t, metrictest.Section(t, doc, "unavailable")["entries"], "entry 1: ")
			require.Equal(t, map[string]any{"entries": 1.0}, doc["unreadable"])
		})
	}
}

func TestOneEventOfLatencyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"LATENCY LATEST": "*2\r\n*4\r\n" + metrictest.Bulk("fork") + ":1\r\n:-5\r\n:9\r\n*4\r\n" + metrictest.Bulk("command") + ":1795254114\r\n:400\r\n:900\r\n",
	}}
	doc := metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Latency, d)))
	require.Len(t, doc["events"], 1)
	require.Equal(t, map[string]any{"events": 1.0}, doc["unreadable"])
}

// TestATimeThatIsNoUnixTimeIsLeftOut: Garnet tells seconds since the start of the
// machine.
func TestATimeThatIsNoUnixTimeIsLeftOut(t *testing.T) {
	t.Parallel()
	for at, told := range map[string]bool{
		"0": false, "5012": false, "1230767999": false, "5012000000000": false, "1230768000": true, "1795254114": true, "4102444800": true,
	} {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"SLOWLOG GET 128": fmt.Sprintf("*1\r\n*6\r\n:1\r\n:%s\r\n:20000\r\n", at) + metrictest.WireArray("GET", "a") + metrictest.Bulk("10.0.0.9:4711") + metrictest.Bulk("w"),
			"SLOWLOG LEN":     ":1\r\n", "INFO server": metrictest.Bulk("# Server\r\ngarnet_version:1.0.84\r\nredis_version:7.4.3\r\n"),
		}}
		doc := metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Log, d)))
		for _, entry := range []map[string]any{metrictest.Rows(t, doc["entries"])[0], metrictest.Section(t, doc, "slowest")} {
			require.Equal(t, told, entry["time"] != nil, at)
			require.InDelta(t, 0.02, entry["duration"], 0)
		}
	}
}
