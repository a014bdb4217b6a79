package advice

import (
	"fmt"
)

var (
	// wholeCommands take time with the size of a key or of all keys.
	wholeCommands = setOf("smembers hgetall hkeys hvals lrange lrem linsert sort sort_ro sunion sinter sdiff sunionstore sinterstore sdiffstore " +
		"zunionstore zinterstore zdiffstore zunion zinter zdiff zrange zrevrange zrangebyscore zrevrangebyscore zremrangebyscore xrange xrevrange " +
		"del flushall flushdb mget mset bitcount bitop georadius georadiusbymember")
	scriptCommands = setOf("eval evalsha eval_ro evalsha_ro fcall fcall_ro")
)

var commandRules = []Rule{
	{
		ID: "keys_command", Severity: Warning, Scope: Server,
		Title:  "An application uses KEYS",
		When:   "KEYS was called at least 100 times, or took 1 ms or more on average, since the start or CONFIG RESETSTAT.",
		Why:    "KEYS looks at every key of the database while all other clients wait.",
		Remedy: "Use SCAN, or keep a set of the names. Take the command from the application's user: ACL SETUSER name -keys.",
		Source: "https://redis.io/docs/latest/commands/keys/",
		judge: func(f *facts) string {
			for _, c := range f.called(setOf("keys")) {
				if c.calls >= 100 || c.mean() >= 1000 {
					return c.String()
				}
			}
			return ""
		},
	},
	{
		ID: "slow_whole_reads", Severity: Warning, Scope: Server,
		Title: "Commands work on large keys at once",
		When: "A command whose time grows with the key (HGETALL, SMEMBERS, LRANGE, SORT, DEL and others) was called at least 10 times and took 5 " +
			"ms or more on average.",
		Why:    "Redis serves one command at a time: everybody waits for each of these calls.",
		Remedy: "Read in pieces (HSCAN, SSCAN, ranges with limits), delete with UNLINK, and split large keys. redis.keyspace.sample finds them.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/",
		judge:  func(f *facts) string { return slow(f.called(wholeCommands), 5000) },
	},
	{
		ID: "slow_scripts", Severity: Warning, Scope: Server,
		Title:  "Scripts hold the server up",
		When:   "EVAL, EVALSHA, FCALL or one of their read-only forms was called at least 10 times and took 10 ms or more on average.",
		Why:    "A script runs alone: nothing else is served until it ends.",
		Remedy: "Do less in one script, and loop in the client.",
		Source: "https://redis.io/docs/latest/develop/programmability/eval-intro/",
		judge:  func(f *facts) string { return slow(f.called(scriptCommands), 10_000) },
	},
	{
		ID: "slow_log_blind", Severity: Info, Scope: Server,
		Title:  "Slow commands are not logged",
		When:   "slowlog-log-slower-than is negative or at least one second, or slowlog-max-len is 0.",
		Why:    "When the server is slow, nothing tells which command it was.",
		Remedy: "Set slowlog-log-slower-than 10000 (10 ms) and slowlog-max-len 128, the defaults.",
		Source: "https://redis.io/docs/latest/commands/slowlog/",
		judge: func(f *facts) string {
			// Valkey from 8.1 on calls them commandlog-execution-slower-than and
			// commandlog-slow-execution-max-len, and answers to both names.
			usec, length := f.settingNumber("slowlog-log-slower-than", "commandlog-execution-slower-than"),
				f.settingNumber("slowlog-max-len", "commandlog-slow-execution-max-len")
			if usec >= 0 && usec < 1_000_000 && length > 0 {
				return ""
			}
			return fmt.Sprintf("slowlog-log-slower-than is %d microseconds, slowlog-max-len %d", usec, length)
		},
	},
}

// slow names those of some commands that were called ten times or more and take
// at least so many microseconds.
func slow(calls []call, usec int64) string {
	var out []string
	for _, c := range calls {
		if c.calls >= 10 && c.mean() >= usec {
			out = append(out, c.String())
		}
	}
	return list(out)
}
