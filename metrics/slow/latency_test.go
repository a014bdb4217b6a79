package slow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

func TestLatencyGetDocument(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"INFO server":             metrictest.Bulk("# Server\r\nredis_version:8.2.0\r\n"),
		"LATENCY HISTORY fork":    "*3\r\n*2\r\n:100\r\n:400\r\n*2\r\n:110\r\n:30\r\n*2\r\n:130\r\n:20\r\n",
		"LATENCY HISTORY command": "*0\r\n",
		"LATENCY LATEST": "*2\r\n*4\r\n$4\r\nfork\r\n:1795254114\r\n:12\r\n:400\r\n" +
			"*6\r\n$7\r\ncommand\r\n:1795254115\r\n:0\r\n:7\r\n:19\r\n:3\r\n", // Redis 8.2 adds sum and count
		"LATENCY HISTOGRAM": "*6\r\n" +
			"$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:100000\r\n$14\r\nhistogram_usec\r\n*6\r\n:1\r\n:49999\r\n:2\r\n:98999\r\n:16\r\n:100000\r\n" +
			"$10\r\nconfig|get\r\n%2\r\n$14\r\nhistogram_usec\r\n%1\r\n:33\r\n:1\r\n$5\r\ncalls\r\n:1\r\n" +
			"$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:5\r\n$14\r\nhistogram_usec\r\n*4\r\n:4\r\n:5\r\n:2\r\n:5\r\n",
	}}
	target := metrictest.NewTarget(d)
	first, err := metrictest.CollectFrom(t, Latency, target)
	require.NoError(t, err)
	require.Equal(t, 2, d.Calls, "whose history there is to ask for is known after the first answer")
	d.Calls = 0
	text, err := metrictest.CollectFrom(t, Latency, target)
	require.NoError(t, err)
	require.Equal(t, first, text)
	require.Equal(t, 1, d.Calls)
	require.NotContains(t, d.Sent, redisclient.Command{"COMMANDLOG", "LEN", "slow"}, "Redis has none")
	require.Equal(t, `{"schema_version":1,"up":1,"reason":"","error":"","target":"tcp://127.0.0.1:6379",`+
		`"events":[{"event":"fork","time":1795254114,"latest":0.012,"max":0.4,"spikes":3,"mean":0.15,"mean_deviation":0.166667,"interval":15,`+
		`"history":[{"time":130,"latency":0.02},{"time":110,"latency":0.03},{"time":100,"latency":0.4}]},`+
		`{"event":"command","time":1795254115,"latest":0,"max":0.007,"spikes":0,"history":[]}],`+
		`"commands":[{"command":"set","calls":100000,"p50":0.000002,"p99":0.000016},`+
		`{"command":"get","calls":5},{"command":"config|get","calls":1,"p50":0.000033,"p99":0.000033}],`+
		`"unavailable":{},"truncated":{}}`, text)
}

func TestLatencyGetBoundsItsRows(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", 2*1500)
	for i := range 1500 {
		fmt.Fprintf(&b, "%s*2\r\n$5\r\ncalls\r\n:%d\r\n", metrictest.Bulk(fmt.Sprint("c", i)), i)
	}
	text, err := metrictest.Collect(t, Latency, &metrictest.ScriptDoer{Replies: map[string]string{"LATENCY HISTOGRAM": b.String()}})
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Len(t, doc["commands"], 1000)
	require.Equal(t, map[string]any{"commands": 500.0}, doc["truncated"])
	require.Equal(t, "c1499", doc["commands"].([]any)[0].(map[string]any)["command"], "the most called stay")
}

func TestLatencyGetWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, latest, histogram, why1, why2 string }{
		{"refused", "-NOPERM a\r\n", "-ERR unknown subcommand\r\n", "NOPERM a", "ERR unknown subcommand"},
		{"no list", ":1\r\n", ":1\r\n", "expected an array, got a reply of kind integer", "expected an array, got a reply of kind integer"},
		{"rows that are none", "*1\r\n:1\r\n", "*2\r\n+a\r\n:1\r\n", "event 1: expected an array, got a reply of kind integer", "command 1: expected an array, got a reply of kind integer"},
		{"short rows", "*1\r\n*1\r\n+a\r\n", "*2\r\n+a\r\n*0\r\n", "event 1: an event has a name, a time, its latest and its highest latency", "command 1: the reply is null"},
		{"odd members", "*1\r\n*4\r\n+a\r\n+b\r\n:1\r\n:1\r\n", "*1\r\n+a\r\n", `event 1: "b" is no integer`, "expected pairs, got 1 members"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, err := metrictest.Collect(t, Latency, &metrictest.ScriptDoer{Replies: map[string]string{
				"LATENCY LATEST": tt.latest, "LATENCY HISTOGRAM": tt.histogram, "INFO server": "+# Server\r\n",
			}})
			require.NoError(t, err)
			doc := metrictest.Decode(t, text)
			require.Equal(t, map[string]any{"events": tt.why1, "commands": tt.why2}, doc["unavailable"])
			require.NotContains(t, doc, "events")
			require.NotContains(t, doc, "commands")
		})
	}
	metrictest.RequireDown(t, Latency)
}

func TestLatencyGetOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--latency-monitor-threshold", "1", "--enable-debug-command", "yes"}})
	for range 10 {
		s.Do(t, "SET", "k", "v")
	}
	s.Do(t, "DEBUG", "SLEEP", "0.01")
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	_, err := metrictest.CollectFrom(t, Latency, target)
	require.NoError(t, err)
	wire.Calls = 0
	text, err := metrictest.CollectFrom(t, Latency, target)
	require.NoError(t, err)
	require.Equal(t, 1, wire.Calls)
	doc := metrictest.Decode(t, text)
	require.Empty(t, doc["unavailable"])
	event := doc["events"].([]any)[0].(map[string]any)
	require.Equal(t, "command", event["event"])
	require.GreaterOrEqual(t, event["max"], 0.01)
	require.GreaterOrEqual(t, event["mean"], 0.01)
	require.InDelta(t, 1, event["spikes"], 0)
	require.Equal(t, event["max"], metrictest.Rows(t, event["history"])[0]["latency"])
	var set, sleep map[string]any
	for _, row := range doc["commands"].([]any) {
		switch row := row.(map[string]any); row["command"] {
		case "set":
			set = row
		case "debug":
			sleep = row
		}
	}
	require.Equal(t, 10.0, set["calls"])
	require.Positive(t, set["p50"])
	require.Less(t, set["p50"], 0.01)
	require.LessOrEqual(t, set["p50"], set["p99"])
	require.GreaterOrEqual(t, sleep["p50"], 0.01)
	require.Less(t, sleep["p99"], 1.0)
}

func TestLatencyGetBoundsTheHistories(t *testing.T) {
	t.Parallel()
	var latest, history strings.Builder
	fmt.Fprintf(&latest, "*%d\r\n", latencyHistoryEvents+3)
	replies := map[string]string{"INFO server": metrictest.Bulk("# Server\r\n"), "LATENCY HISTOGRAM": "*0\r\n"}
	fmt.Fprintf(&history, "*%d\r\n", 160)
	for i := range 160 {
		fmt.Fprintf(&history, "*2\r\n:%d\r\n:1\r\n", i)
	}
	for i := range latencyHistoryEvents + 3 {
		fmt.Fprintf(&latest, "*4\r\n+e%d\r\n:1\r\n:1\r\n:1\r\n", i)
		replies[fmt.Sprint("LATENCY HISTORY e", i)] = history.String()
	}
	replies["LATENCY LATEST"] = latest.String()
	target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: replies})
	text, err := metrictest.CollectFrom(t, Latency, target)
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	events := metrictest.Rows(t, doc["events"])
	require.Len(t, events, latencyHistoryEvents+3)
	require.Len(t, events[0]["history"], latencyHistoryRows)
	require.InDelta(t, 159, metrictest.Rows(t, events[0]["history"])[0]["time"], 0, "the newest stay")
	require.NotContains(t, events[latencyHistoryEvents], "history")
	require.Equal(t, map[string]any{"history": float64(latencyHistoryEvents * (160 - latencyHistoryRows))}, doc["truncated"])
}

func TestLatencyGetOfHistoriesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ reply, why string }{
		{"-NOPERM no\r\n", "NOPERM no"},
		{":1\r\n", "expected an array, got a reply of kind integer"},
		{"*1\r\n*1\r\n:1\r\n", "spike 1: a spike has a time and a latency"},
		{"*1\r\n*2\r\n:1\r\n:-1\r\n", "spike 1: a number is negative"},
	} {
		text, err := metrictest.Collect(t, Latency, &metrictest.ScriptDoer{Replies: map[string]string{
			"INFO server": metrictest.Bulk("# Server\r\n"), "LATENCY HISTOGRAM": "*0\r\n",
			"LATENCY LATEST": "*1\r\n*4\r\n+fork\r\n:1\r\n:2\r\n:3\r\n", "LATENCY HISTORY fork": tt.reply,
		}})
		require.NoError(t, err)
		doc := metrictest.Decode(t, text)
		require.Equal(t, map[string]any{"history": tt.why}, doc["unavailable"])
		require.Equal(t, map[string]any{"event": "fork", "time": 1.0, "latest": 0.002, "max": 0.003}, metrictest.Rows(t, doc["events"])[0])
	}
}
