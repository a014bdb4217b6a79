package keys

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// runCommand asks redis.command of a real server.
func runCommand(t *testing.T, target *item.Target, allowed bool, words ...string) (string, error) {
	t.Helper()
	args, err := Command.ParseArgs(append([]string{"", "", ""}, words...))
	require.NoError(t, err)
	return Command.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{CustomCommands: allowed}})
}

func TestCommandRunsWhatTheServerCallsReadOnly(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	s.Do(t, "SET", "text", "some <text>")
	s.Do(t, "SET", "empty", "")
	s.Do(t, "RPUSH", "list", "a", "b")
	s.Do(t, "HSET", "hash", "f", "1")
	s.Do(t, "ZADD", "zset", "1.5", "m")
	s.Do(t, "XADD", "stream", "1-1", "f", "v")
	target, wire := metrictest.DialTarget(t, redisclient.Config{Network: "tcp", Address: s.Addr})

	for name, c := range map[string]struct {
		words []string
		want  string
	}{
		"a text":              {[]string{"GET", "text"}, "some <text>"},
		"an empty text":       {[]string{"get", "empty"}, ""},
		"a number":            {[]string{"LLEN", "list"}, "2"},
		"a missing key":       {[]string{"LLEN", "nosuch"}, "0"},
		"an array":            {[]string{"LRANGE", "list", "0", "-1"}, `["a","b"]`},
		"an array with nulls": {[]string{"MGET", "text", "nosuch"}, `["some \u003ctext\u003e",null]`},
		"nested arrays":       {[]string{"XRANGE", "stream", "-", "+"}, `[["1-1",["f","v"]]]`},
		"a subcommand":        {[]string{"OBJECT|ENCODING", "list"}, "quicklist"},
		"an empty argument":   {[]string{"LPOS", "list", "", "RANK", "1"}, "error: the reply is null"},
		"a null":              {[]string{"GET", "nosuch"}, "error: the reply is null"},
		"a wrong type":        {[]string{"GET", "list"}, "error: WRONGTYPE"},

		"a write":               {[]string{"SET", "text", "x"}, `error: the server does not flag "set" as read-only`},
		"a write that reads":    {[]string{"GETDEL", "text"}, `error: the server does not flag "getdel" as read-only`},
		"a deletion":            {[]string{"FLUSHALL"}, `error: the server does not flag "flushall" as read-only`},
		"administration":        {[]string{"CONFIG|GET", "*"}, `error: the server does not flag "config|get" as read-only`},
		"a blocking read":       {[]string{"XREAD", "BLOCK", "0", "STREAMS", "stream", "$"}, `error: the server flags "xread" as blocking`},
		"a subscription":        {[]string{"SUBSCRIBE", "x"}, `error: the server does not flag "subscribe" as read-only`},
		"what stops the server": {[]string{"KEYS", "*"}, `error: the server has "keys" in its category @dangerous`},
		"a script":              {[]string{"EVAL_RO", "return 1", "0"}, `error: the server flags "eval_ro" as noscript`},
		"monitor":               {[]string{"MONITOR"}, `error: the server does not flag "monitor" as read-only`},
		"an unknown command":    {[]string{"NOSUCH"}, `error: the server has no command "nosuch"`},
		"a container":           {[]string{"OBJECT", "ENCODING", "list"}, `error: the server does not flag "object" as read-only`},
		"a line break":          {[]string{"GET\r\nSET x y"}, "error: the server has no command"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := runCommand(t, target, true, c.words...)
			if err != nil {
				got = "error: " + err.Error()
			}
			if c.want == "" {
				require.Empty(t, got)
			} else {
				require.Contains(t, got, c.want)
			}
		})
	}
	require.Equal(t, "some <text>", s.Do(t, "GET", "text"), "nothing was written")

	before := wire.Calls
	_, err := runCommand(t, target, true, "GET", "text")
	require.NoError(t, err)
	_, err = runCommand(t, target, true, "SET", "text", "x")
	require.Error(t, err)
	require.Equal(t, 1, wire.Calls-before, "what a command is was learnt before")

	_, err = runCommand(t, target, false, "GET", "text")
	require.ErrorIs(t, err, errCommandsOff)
	require.Equal(t, 1, wire.Calls-before, "off means off")
}

func TestCommandVerdictOfServersWithoutCategories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reply, want string }{
		"get":  {"*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n", "value"},
		"keys": {"*1\r\n*6\r\n$4\r\nkeys\r\n:2\r\n*1\r\n+readonly\r\n:0\r\n:0\r\n:0\r\n", `error: the server has "keys" in its category @dangerous`},
		"odd":  {"*1\r\n*2\r\n$3\r\nodd\r\n:2\r\n", `error: cannot learn what "odd" does: COMMAND INFO: expected at least 6 fields, got 2`},
		"two":  {"*2\r\n*-1\r\n*-1\r\n", `error: cannot learn what "two" does: COMMAND INFO: expected one command, got 2`},
		"none": {"*1\r\n*-1\r\n", `error: the server has no command "none"`},
		"text": {"+OK\r\n", `error: cannot learn what "text" does: COMMAND INFO: expected an array`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := runCommand(t, metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
				"COMMAND INFO " + name: c.reply, name + " x": metrictest.Bulk("value"),
			}}), true, name, "x")
			if err != nil {
				got = "error: " + err.Error()
			}
			require.Contains(t, got, c.want)
		})
	}
}
