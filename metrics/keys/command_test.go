package keys

import (
	"strings"
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
	s := redistest.Borrow(t)
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

		"a write":               {[]string{"SET", "text", "x"}, `error: redis.command does not run "set"`},
		"a write that reads":    {[]string{"GETDEL", "text"}, `error: redis.command does not run "getdel"`},
		"a deletion":            {[]string{"FLUSHALL"}, `error: redis.command does not run "flushall"`},
		"administration":        {[]string{"CONFIG|GET", "*"}, `error: redis.command does not run "config|get"`},
		"a blocking read":       {[]string{"XREAD", "BLOCK", "0", "STREAMS", "stream", "$"}, `error: redis.command does not run "xread"`},
		"a subscription":        {[]string{"SUBSCRIBE", "x"}, `error: redis.command does not run "subscribe"`},
		"what stops the server": {[]string{"KEYS", "*"}, `error: redis.command does not run "keys"`},
		"a script":              {[]string{"EVAL_RO", "return 1", "0"}, `error: redis.command does not run "eval_ro"`},
		"monitor":               {[]string{"MONITOR"}, `error: redis.command does not run "monitor"`},
		"an unknown command":    {[]string{"NOSUCH"}, `error: redis.command does not run "nosuch"`},
		"a container":           {[]string{"OBJECT", "ENCODING", "list"}, "quicklist"},
		"a container alone":     {[]string{"OBJECT"}, `error: redis.command does not run "object"`},
		"a line break":          {[]string{"GET\r\nSET x y"}, "error: redis.command does not run"},
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
	_, err := runCommand(t, target, true, "LLEN", "list")
	require.NoError(t, err)
	_, err = runCommand(t, target, true, "SET", "text", "x")
	require.Error(t, err)
	require.Equal(t, 1, wire.Calls-before, "what a command is was learnt before")

	_, err = runCommand(t, target, false, "LLEN", "list")
	require.ErrorIs(t, err, errCommandsOff)
	require.Equal(t, 1, wire.Calls-before, "off means off")
}

func TestCommandVerdictOfServersWithoutCategories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reply, want string }{
		"read":    {"*1\r\n*6\r\n$4\r\nllen\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n", "value"},
		"renamed": {"*1\r\n*6\r\n$4\r\nllen\r\n:2\r\n*1\r\n+write\r\n:0\r\n:0\r\n:0\r\n", `error: the server does not flag "llen" as read-only`},
		"odd":     {"*1\r\n*2\r\n$3\r\nodd\r\n:2\r\n", `error: cannot learn what "llen" does: COMMAND INFO: expected at least 6 fields, got 2`},
		"two":     {"*2\r\n*-1\r\n*-1\r\n", `error: cannot learn what "llen" does: COMMAND INFO: expected one command, got 2`},
		"none":    {"*1\r\n*-1\r\n", `error: the server has no command "llen"`},
		"text":    {"+OK\r\n", `error: cannot learn what "llen" does: COMMAND INFO: expected an array`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := runCommand(t, metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
				"COMMAND INFO llen": c.reply, "llen x": metrictest.Bulk("value"),
			}}), true, "llen", "x")
			if err != nil {
				got = "error: " + err.Error()
			}
			require.Contains(t, got, c.want)
		})
	}
}

// TestCommandReadsLittle asks for more than is cheap.
func TestCommandReadsLittle(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	for _, kind := range []string{"set", "list", "hash", "zset", "stream"} {
		fill := map[string]string{
			"set": "redis.call('SADD',k,i)", "list": "redis.call('RPUSH',k,i)", "hash": "redis.call('HSET',k,i,i)",
			"zset": "redis.call('ZADD',k,i,i)", "stream": "redis.call('XADD',k,i..'-1','f',i)",
		}[kind]
		for size, n := range map[string]string{"small:": "1000", "big:": "1001"} {
			s.Do(t, "EVAL", "for i=1,"+n+" do local k=KEYS[1]; "+fill+" end", "1", size+kind)
		}
	}
	s.Do(t, "SETBIT", "small:string", "8388607", "1")
	s.Do(t, "SETBIT", "big:string", "8388608", "1")
	for i, kind := range []string{"list", "zset", "set", "stream", "hash"} {
		fill := []string{"redis.call('RPUSH',k,v)", "redis.call('ZADD',k,1,v)", "redis.call('SADD',k,v)", "redis.call('XADD',k,'*','f',v)",
			"redis.call('HSET',k,'f',string.rep('x',1048577),'g',v)"}[i]
		s.Do(t, "EVAL", "local k,v=KEYS[1],string.rep('x',5*1024*1024); "+fill, "1", "fat:"+kind)
	}
	s.Do(t, "XGROUP", "CREATE", "small:stream", "g", "0")
	s.Do(t, "XADD", "grouped", "*", "f", "v")
	s.Do(t, "XADD", "consumed", "*", "f", "v")
	s.Do(t, "EVAL", "for i=1,1001 do redis.call('XGROUP','CREATE',KEYS[1],'g'..i,'0') end", "1", "grouped")
	s.Do(t, "XGROUP", "CREATE", "consumed", "g", "0")
	s.Do(t, "EVAL", "for i=1,1001 do redis.call('XGROUP','CREATECONSUMER',KEYS[1],'g',i) end", "1", "consumed")
	s.Do(t, "PFADD", "hll", "a", "b")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for line, problem := range map[string]string{
		"HGETALL small:hash": "", "HKEYS small:hash": "", "HVALS small:hash": "", "SMEMBERS small:set": "", "LPOS small:list 7": "",
		"HGETALL big:hash": `HLEN of "big:hash" is 1001, and at most 1000 are read`,
		"HKEYS big:hash":   "is 1001", "HVALS big:hash": "is 1001", "SMEMBERS big:set": "is 1001", "LPOS big:list 7": "is 1001",
		"SMEMBERS small:hash": "WRONGTYPE", "HGETALL": "wrong number of arguments",
		"LRANGE small:list 0 -1": "", "LRANGE big:list 0 999": "", "LRANGE big:list -1000 -1": "", "LRANGE big:list 0 1000": "is 1001",
		"LRANGE big:list 0 -1": "is 1001", "LRANGE big:list -9223372036854775808 9223372036854775807": "is 1001",
		"ZRANGE small:zset 0 -1": "", "ZRANGE big:zset 0 -1": "is 1001", "ZRANGE big:zset 0 9 WITHSCORES": "",
		"ZRANGE big:zset 0 9 BYSCORE": "is 1001", "ZRANGE big:zset 0 9 BYSCORE LIMIT 0 10": "", "ZRANGE big:zset 0 9 BYSCORE LIMIT 0 -1": "is 1001",
		"ZRANGE big:zset 0 9 BYSCORE LIMIT 100000 1": "is 1001", "ZRANGEBYSCORE big:zset -inf +inf": "is 1001",
		"ZRANGEBYSCORE big:zset 0 9": "is 1001", "ZRANGEBYSCORE big:zset -inf +inf LIMIT 0 5": "", "ZREVRANGE big:zset 0 5": "",
		"ZRANGEBYLEX big:zset - +": "is 1001", "ZRANGE big:zset -inf +inf BYSCORE LIMIT 0 10 LIMIT 0 -1": "is 1001",
		"ZRANGEBYSCORE big:zset -inf +inf LIMIT 0 5 limit 0 1001": "is 1001", "ZRANGEBYSCORE big:zset -inf +inf LIMIT 0 1001 LIMIT 0 5": "is 1001",
		"XINFO|GROUPS grouped": `the stream "grouped" has 1001 groups, and at most 1000 are read`, "XINFO|GROUPS consumed": "", "XINFO|GROUPS small:stream": "",
		"XINFO|CONSUMERS consumed g": `the groups of the stream "consumed" have 1001 consumers, and at most 1000 are read`, "XINFO|CONSUMERS small:stream g": "",
		"XINFO|STREAM consumed FULL": "1001 consumers", "XINFO|STREAM grouped FULL COUNT 1": "1001 groups", "XPENDING consumed g": "1001 consumers",
		"XRANGE consumed - + COUNT 1": "1001 consumers", "MEMORY|USAGE consumed": "1001 consumers", "XINFO|GROUPS nosuch": "ERR no such key",
		"JSON.TYPE doc $..*": "may lead to many", "JSON.OBJLEN doc $.a[*]": "may lead to many",
		"XRANGE small:stream - +": "", "XRANGE big:stream - +": "is 1001", "XREVRANGE big:stream + - COUNT 10": "", "XRANGE big:stream - + COUNT 1001": "is 1001",
		"XPENDING small:stream g": "", "XPENDING small:stream g - + 10": "", "XPENDING small:stream g - + 1001": "its count",
		"XPENDING small:stream g IDLE 0 - + 1001": "its count",
		"XINFO|STREAM big:stream":                 "", "XINFO|STREAM big:stream FULL COUNT 0": "its COUNT", "XINFO|STREAM big:stream FULL COUNT 5": "",
		"SRANDMEMBER big:set -100000000": "its count is to be a number from -1000 to 1000", "SRANDMEMBER big:set 1001": "its count", "SRANDMEMBER big:set 5": "",
		"HRANDFIELD big:hash -1001": "its count", "ZRANDMEMBER big:zset -1001": "its count", "ZRANDMEMBER big:zset": "",
		"SCAN 0 COUNT 1000": "", "SCAN 0 COUNT 1001": "its COUNT", "SCAN 0 TYPE set COUNT 2000": "its COUNT", "HSCAN big:hash 0 COUNT 1001": "its COUNT",
		"SCAN 0 MATCH *a*a*a*b": "", "BITCOUNT small:string": "", "GET small:string": "", "GET big:string": `STRLEN of "big:string" is 1048577`, "MGET small:string big:string": "is 1048577",
		"GETRANGE big:string 0 99": "", "GETRANGE big:string 0 -1": "is 1048577", "SUBSTR big:string 0 -1": "is 1048577",
		"HGET fat:hash f": `HSTRLEN of "fat:hash" is 1048577`, "HMGET fat:hash a b f": "is 1048577", "HGETALL fat:hash": "at most about 4194304 bytes are read",
		"LINDEX fat:list 0": "at most about 4194304 bytes are read", "LRANGE fat:list 0 0": "bytes are read", "LINDEX big:list 0": "",
		"ZRANGE fat:zset 0 9": "bytes are read", "SMEMBERS fat:set": "bytes are read", "XRANGE fat:stream - + COUNT 1": "bytes are read",
		"HRANDFIELD fat:hash -1000": "bytes are read", "SRANDMEMBER fat:set -2": "bytes are read", "ZRANDMEMBER fat:zset": "bytes are read",
		"HSCAN fat:hash 0": "bytes are read", "SSCAN fat:set 0 COUNT 1": "bytes are read", "ZSCAN fat:zset 0": "bytes are read",
		"XINFO|STREAM fat:stream FULL COUNT 1": "bytes are read", "SRANDMEMBER big:set -1000": "", "ZSCAN big:zset 0": "",
		"BITCOUNT big:string":   `STRLEN of "big:string" is 1048577`,
		"MEMORY|USAGE big:hash": "", "MEMORY|USAGE big:hash SAMPLES 0": "its SAMPLES", "MEMORY|USAGE big:hash SAMPLES 101": "its SAMPLES",
		"MEMORY|USAGE big:hash SAMPLES 5 SAMPLES 0": "its SAMPLES", "MEMORY|USAGE big:hash SAMPLES 5 SAMPLES 6": "",
		"PFCOUNT hll": "does not run", "TOUCH hll": "does not run", "MEMORY|PURGE": "does not run", "MEMORY|DOCTOR": "does not run", "post": "does not run",
		"host:": "does not run", "SORT_RO big:set": "does not run", "LCS a b": "does not run", "SUNION big:set small:set": "does not run",
		"DUMP hll": "does not run", "LOLWUT": "does not run", "KEYS *": "does not run", "GET|x hll": "does not run", "": "is required",
	} {
		var args item.Args
		args, err := Command.ParseArgs(append([]string{"", "", ""}, strings.Fields(line)...))
		if err == nil {
			_, err = Command.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{CustomCommands: true}})
		}
		if problem == "" {
			require.NoError(t, err, line)
		} else {
			require.ErrorContains(t, err, problem, line)
		}
	}
}

// TestWhatCommandRunsChangesNothing runs every command of the list on a real server, and looks at what all servers say
// that they are.
func TestWhatCommandRunsChangesNothing(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "SET", "key", "x")
			s.Do(t, "CONFIG", "RESETSTAT")
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			before := s.InfoField(t, "persistence", "rdb_changes_since_last_save")
			ran := 0
			for name := range reads {
				got, err := runCommand(t, target, true, name, "key")
				if err == nil || !strings.Contains(err.Error(), "the server") {
					ran++
				}
				if err != nil {
					require.NotContains(t, err.Error(), "flag", "%s: %s", name, got)
					require.NotContains(t, err.Error(), "category", "%s: %s", name, got)
				}
			}
			require.Greater(t, ran, 40)
			require.Equal(t, before, s.InfoField(t, "persistence", "rdb_changes_since_last_save"))
		})
	}
}
