package slow

import (
	"fmt"
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

func idsOf(doc map[string]any) []int {
	ids := []int{}
	for _, e := range doc["entries"].([]any) {
		ids = append(ids, int(e.(map[string]any)["id"].(float64)))
	}
	return ids
}

func TestSlowlogGetReportsEachEntryOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"SLOWLOG LEN": ":128\r\n"}}
		target := metrictest.NewTarget(d)
		const empty = "*0\r\n"
		for _, step := range []struct {
			name, entries, runID string
			uptime               int
			ids                  []int
			first, restarted     bool
			missed               any
		}{
			{"the first poll has what there is, and says that it says nothing of a rate",
				metrictest.SlowlogWire(5, 7), "a", 1000, []int{5, 6, 7}, true, false, nil},
			{"nothing new", metrictest.SlowlogWire(5, 7), "a", 1060, []int{}, false, false, 0.0},
			{"two new ones", metrictest.SlowlogWire(6, 9), "a", 1120, []int{8, 9}, false, false, 0.0},
			{"some fell out of the log", metrictest.SlowlogWire(15, 16), "a", 1180, []int{15, 16}, false, false, 5.0},
			{"the log was reset", empty, "a", 1240, []int{}, false, false, 0.0},
			{"ids go on after a reset, and what it took is missed",
				metrictest.SlowlogWire(20, 20), "a", 1300, []int{20}, false, false, 3.0},
			{"a late answer to an earlier poll", metrictest.SlowlogWire(16, 18), "a", 1360, []int{}, false, false, 0.0},
			{"a restarted server begins anew", metrictest.SlowlogWire(2, 3), "b", 30, []int{2, 3}, false, true, 2.0},
			{"and goes on", metrictest.SlowlogWire(2, 4), "b", 90, []int{4}, false, false, 0.0},
			{"another server has taken over, with a log of its own",
				metrictest.SlowlogWire(40, 41), "c", 86400, []int{40, 41}, true, false, nil},
			{"restarted with nothing in its log", empty, "d", 1, []int{}, false, true, 0.0},
			{"whose first entry has the id 0", metrictest.SlowlogWire(0, 0), "d", 61, []int{0}, false, false, 0.0},
			{"it does not say who it is, but its ids went on", metrictest.SlowlogWire(0, 1), "", -1, []int{1}, false, false, 0.0},
			{"nor this time", metrictest.SlowlogWire(0, 1), "", -1, []int{}, false, false, 0.0},
			{"ids began anew", metrictest.SlowlogWire(0, 0), "", -1, []int{0}, false, true, 0.0},
		} {
			d.Replies["SLOWLOG GET 128"] = step.entries
			info := "# Server\r\nredis_mode:standalone\r\n"
			if step.runID != "" {
				info += "run_id:" + step.runID + "\r\n"
			}
			if step.uptime >= 0 {
				info += fmt.Sprintf("uptime_in_seconds:%d\r\n", step.uptime)
			}
			d.Replies["INFO server"] = metrictest.Bulk(info)
			text, err := metrictest.CollectFrom(t, Log, target)
			require.NoError(t, err, step.name)
			doc := metrictest.Decode(t, text)
			require.Equal(t, step.ids, idsOf(doc), step.name)
			require.Equal(t, step.first, doc["first"], step.name)
			require.Equal(t, step.restarted, doc["restarted"], step.name)
			require.Equal(t, step.missed, doc["missed"], step.name)
			require.EqualValues(t, len(step.ids), doc["count"], step.name)
			require.EqualValues(t, 128, doc["length"], step.name)
			require.Empty(t, doc["unavailable"], step.name)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 15, d.Calls, "one round trip each")
	})
}

func TestSlowlogGetDocument(t *testing.T) {
	t.Parallel()
	secret := "hunter2"
	entries := "*3\r\n" +
		"*6\r\n:2\r\n:1795254120\r\n:12000\r\n" + metrictest.WireArray("CONFIG", "SET", "requirepass", secret) + metrictest.Bulk("10.0.0.9:4711") + metrictest.Bulk("w\xffk") +
		"*6\r\n:1\r\n:1795254115\r\n:500\r\n" + metrictest.WireArray("get", "user:"+secret) + metrictest.Bulk("") + metrictest.Bulk("") +
		"*4\r\n:0\r\n:1795254114\r\n:1500\r\n" + metrictest.WireArray("GET", secret)
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"SLOWLOG GET 128": entries, "SLOWLOG LEN": ":3\r\n", "INFO server": metrictest.Bulk("# Server\r\nrun_id:a\r\n"),
	}}
	text, err := metrictest.Collect(t, Log, d)
	require.NoError(t, err)
	require.NotContains(t, text, secret)
	require.Equal(t, `{"schema_version":1,"up":1,"reason":"","error":"","target":"tcp://127.0.0.1:6379","length":3,`+
		`"first":true,"restarted":false,"count":3,"entries":[`+
		`{"id":0,"time":1795254114,"duration":0.0015,"command":"get","arguments":1},`+
		`{"id":1,"time":1795254115,"duration":0.0005,"command":"get","arguments":1,"client":"","client_name":""},`+
		`{"id":2,"time":1795254120,"duration":0.012,"command":"config|set","arguments":2,"client":"10.0.0.9:4711","client_name":"w\ufffdk"}],`+
		`"slowest":{"id":2,"time":1795254120,"duration":0.012,"command":"config|set","client":"10.0.0.9:4711","client_name":"w\ufffdk"},`+
		`"commands":[{"command":"config|set","count":1,"total":0.012,"median":0.012,"p95":0.012,"max":0.012},`+
		`{"command":"get","count":2,"total":0.002,"median":0.0005,"p95":0.0015,"max":0.0015}],"unavailable":{}}`, text)
}

func TestSlowlogArgumentsAreShownOnlyOnRequestAndThenClippedAndMasked(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 70)
	clipped := strings.Repeat("ä", 63) + "…"
	many := append(strings.Fields(strings.Repeat("x ", 31)), "... (70 more arguments)")
	for _, tt := range []struct {
		name    string
		argv    []string
		command string
		count   int
		shown   []string
	}{
		{"nothing to hide", []string{"HSET", "k", "f", "v"}, "hset", 3, []string{"k", "f", "v"}},
		{"no arguments", []string{"PING"}, "ping", 0, []string{}},
		{"long ones", []string{"SET", long, long[:128]}, "set", 2, []string{clipped, long[:128]}},
		{"a login", []string{"AUTH", "u", "p"}, "auth", 2, []string{"***", "***"}},
		{"a login on the way", []string{"HELLO", "3", "AUTH", "u", "p"}, "hello", 4, []string{"***", "***", "***", "***"}},
		{"a secret option", []string{"config", "set", "masterauth", "p"}, "config|set", 2, []string{"***", "***"}},
		{"options that are read", []string{"CONFIG", "GET", "*"}, "config|get", 1, []string{"*"}},
		{"a config command that is no word", []string{"CONFIG", "s t", "p"}, "config", 2, []string{"***", "***"}},
		{"a user", []string{"ACL", "SETUSER", "u", ">p"}, "acl|setuser", 2, []string{"***", "***"}},
		{"a sentinel's secret", []string{"SENTINEL", "SET", "m", "auth-pass", "p"}, "sentinel|set", 3, []string{"***", "***", "***"}},
		{"a module's options", []string{"MODULE", "LOADEX", "p"}, "module|loadex", 1, []string{"***"}},
		{"a migration", []string{"MIGRATE", "h", "1", "", "0", "9", "AUTH", "p"}, "migrate", 7, strings.Fields(strings.Repeat("*** ", 7))},
		{"CONFIG by another name", []string{"C0NF", "SET", "requirepass", "p"}, "c0nf", 3, []string{"SET", "requirepass", "***"}},
		{"AUTH in another command", []string{"X", "auth2", "u", "p"}, "x", 3, []string{"auth2", "***", "p"}},
		{"a field for a password", []string{"HSET", "k", "password", "p"}, "hset", 3, []string{"k", "password", "***"}},
		{"more than the server keeps", append([]string{"SADD"}, many...), "sadd", 101, many[:31]},
		{"what only looks so", []string{"ECHO", "... (x more arguments)"}, "echo", 1, []string{"... (x more arguments)"}},
		{"a long name", []string{strings.Repeat("N", 99), "x"}, strings.Repeat("n", 63) + "…", 1, []string{"x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var e ask.SlowEntry
			e.TakeCommand(tt.argv)
			require.Equal(t, tt.command, e.Command)
			require.EqualValues(t, tt.count, int64(len(e.Args))+e.Dropped)
			require.Equal(t, tt.shown, e.ShownArgs())
		})
	}
	d := &metrictest.ScriptDoer{Replies: map[string]string{"SLOWLOG GET 128": metrictest.SlowlogWire(0, 0)}}
	args, err := Log.ParseArgs(nil)
	require.NoError(t, err)
	for _, shown := range []bool{false, true} {
		text, err := Log.Answer(t.Context(), &item.Request{
			Target: metrictest.NewTarget(d), Args: args, Env: &item.Env{SlowlogArguments: shown},
		})
		require.NoError(t, err)
		require.Equal(t, shown, strings.Contains(text, `"args":["key0"]`), text)
	}
}

func TestSlowlogGetWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, reply, why string }{
		{"refused", "-NOPERM no\r\n", "NOPERM no"},
		{"no list", ":1\r\n", "expected an array, got a reply of kind integer"},
		{"an entry that is no list", "*1\r\n:1\r\n", "entry 1: expected an array, got a reply of kind integer"},
		{"a short entry", "*1\r\n*3\r\n:1\r\n:1\r\n:1\r\n", "entry 1: an entry has at least an id, a time, a duration and a command"},
		{"a negative id", "*1\r\n*4\r\n:-1\r\n:1\r\n:1\r\n*1\r\n$1\r\nx\r\n", "entry 1: a number is negative"},
		{"no command", "*1\r\n*4\r\n:1\r\n:1\r\n:1\r\n*0\r\n", "entry 1: an entry has at least an id, a time, a duration and a command"},
		{"a null command", "*1\r\n*4\r\n:1\r\n:1\r\n:1\r\n*-1\r\n", "entry 1: the reply is null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, err := metrictest.Collect(t, Log, &metrictest.ScriptDoer{Replies: map[string]string{
				"SLOWLOG GET 128": tt.reply, "SLOWLOG LEN": ":7\r\n", "INFO server": metrictest.Bulk("# Server\r\nrun_id:a\r\n"),
			}})
			require.NoError(t, err)
			doc := metrictest.Decode(t, text)
			require.Equal(t, map[string]any{"entries": tt.why}, doc["unavailable"])
			require.Equal(t, 7.0, doc["length"])
			for _, member := range []string{"first", "missed", "count", "entries", "commands"} {
				require.NotContains(t, doc, member)
			}
		})
	}
	metrictest.RequireDown(t, Log)
	text, err := metrictest.Collect(t, Log, &metrictest.ScriptDoer{Replies: map[string]string{
		"SLOWLOG GET 128": "-LOADING Redis is loading\r\n",
	}})
	require.NoError(t, err)
	require.Equal(t, "loading", metrictest.Decode(t, text)["reason"])
}

func TestSlowlogGetOfARealServerAcrossResetAndRestart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--slowlog-log-slower-than", "-1", "--slowlog-max-len", "4"}})
	addr := s.Addr
	memory := &item.Memory{}
	poll := func() map[string]any {
		target, wire := metrictest.DialTarget(t, redisclient.Config{Address: addr})
		target.Memory = memory
		text, err := metrictest.CollectFrom(t, Log, target)
		require.NoError(t, err)
		require.Equal(t, 1, wire.Calls)
		doc := metrictest.Decode(t, text)
		require.Empty(t, doc["unavailable"])
		return doc
	}
	slow := func(args ...string) {
		s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
		s.Do(t, args...)
		s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	}
	slow("SET", "k", "v")
	doc := poll()
	require.Equal(t, true, doc["first"])
	require.NotEmpty(t, doc["entries"])
	require.Empty(t, poll()["entries"])
	slow(append([]string{"SADD", "many"}, strings.Fields(strings.Repeat("x ", 60))...)...)
	doc = poll()
	require.Equal(t, false, doc["first"])
	sadd := doc["entries"].([]any)[1].(map[string]any)
	require.Equal(t, "sadd", sadd["command"])
	require.Equal(t, 61.0, sadd["arguments"])
	require.Contains(t, sadd["client"], "127.0.0.1:")
	s.Do(t, "SLOWLOG", "RESET")
	require.Empty(t, poll()["entries"])
	slow("GET", "k")
	doc = poll()
	require.Equal(t, 0.0, doc["missed"])
	require.Contains(t, fmt.Sprint(doc["commands"]), "get")
	for range 5 {
		slow("GET", "k")
	}
	require.Positive(t, poll()["missed"])
	s.Restart(t)
	slow("DBSIZE")
	doc = poll()
	require.Equal(t, true, doc["restarted"])
	require.Equal(t, 0, idsOf(doc)[0])
}

func TestLongTextsAreClippedByCharacters(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "äöü": "äöü", "äöüß": "äö…", "\xff\xff\xff\xff": "\xff\xff…"} {
		require.Equal(t, want, ask.Clip(in, 3))
	}
}
