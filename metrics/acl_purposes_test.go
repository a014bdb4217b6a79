package metrics

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/hot"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
	"redisjobs/metrics/keys"
	"redisjobs/metrics/sentinel"
	"redisjobs/metrics/storm"
	"redisjobs/metrics/streams"
	"redisjobs/redisclient"
)

func TestPurposesOfTheCommandLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]ACLPurposes{
		"":                                  AllACLPurposes(),
		"server":                            {Server: true},
		"jobs":                              {Systems: jobs.Names()},
		"jobs sidekiq celery storm":         {Systems: []string{"sidekiq", "celery"}, Storm: true},
		"keys cache:* queue:* server":       {Keys: []string{"cache:*", "queue:*"}, Server: true},
		"server keys a jobs sidekiq keys b": {Server: true, Keys: []string{"a", "b"}, Systems: []string{"sidekiq"}},
	} {
		got, err := ParseACLPurposes(strings.Fields(line))
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
	for line, says := range map[string]string{
		"servers":            `unknown purpose "servers"; did you mean server?; there are: server; storm; jobs [SYSTEM ...]; keys PATTERN ...`,
		"server sidekiq":     `unknown purpose "sidekiq"`,
		"jobs sidekick":      `no job system is called "sidekick"; did you mean sidekiq?; there are: sidekiq, `,
		"keys":               "keys needs at least one pattern",
		"keys server cache*": "keys needs at least one pattern",
	} {
		_, err := ParseACLPurposes(strings.Fields(line))
		require.ErrorContains(t, err, says, line)
	}
}

// userOf makes the zabbix user with the rights for some purposes.
func userOf(t *testing.T, s *redistest.Server, rule string) {
	t.Helper()
	s.Do(t, "ACL", "DELUSER", "zabbix")
	s.Do(t, strings.Fields(strings.Replace(rule, ">PASSWORD", "nopass", 1))...)
	s.Do(t, "ACL", "LOG", "RESET")
}

// TestAUserForTheServerAloneTouchesNoKey: each item about the server is whole, and no key can be read, listed or changed.
func TestAUserForTheServerAloneTouchesNoKey(t *testing.T) {
	t.Parallel()
	s := serverForACL(t)
	s.Do(t, "SET", "user:1001:password", "s3cret")
	userOf(t, s, testACL("server").Rule())
	require.NotContains(t, testACL("server").Rule(), "~")
	asked := 0
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
	for _, m := range All() {
		if !m.ReadsRedis() || aclPurpose(m) != "server" || strings.HasPrefix(m.Key, "redis.search") || m == hot.Get || m.Key == "redis.command" || m == sentinel.Get {
			continue
		}
		for _, raw := range requests(m, 0) {
			asked++
			value, err := metrictest.CollectFrom(t, m, target, raw[min(3, len(raw)):]...)
			require.NoError(t, err, m.Key)
			missed(value, func(what string) { t.Errorf("%s: %s", m.Key, what) })
		}
	}
	require.Greater(t, asked, 8)
	require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")), "nothing was tried that the rule does not allow")
	refusedAll(t, wire, "GET user:1001:password", "HGETALL storm:job:a", "TYPE user:1001:password", "SCAN 0", "KEYS *",
		"SMEMBERS queues", "SET a b", "FLUSHALL", "CONFIG SET requirepass x", "DEBUG OBJECT a", "EVAL return 0")
	// No command of it takes a key at all.
	for _, command := range testACL("server").commands() {
		reply := s.Do(t, "COMMAND", "INFO", command)
		require.NotEmpty(t, reply, command)
		keySpecs := s.Do(t, "COMMAND", "DOCS", command)
		require.NotContains(t, keySpecs, "key_spec_index", command)
	}
}

func refusedAll(t *testing.T, doer redisclient.Doer, lines ...string) {
	t.Helper()
	for _, line := range lines {
		values, err := doer.DoAll(t.Context(), strings.Fields(line))
		require.NoError(t, err, line)
		require.ErrorContains(t, values[0].Err(), "NOPERM", line)
	}
}

// TestAUserForJobSystemsReadsTheirKeysAlone gives each system's user its own rights: it reads the system whole, and
// nothing that looks like a process of Sidekiq and is none.
func TestAUserForJobSystemsReadsTheirKeysAlone(t *testing.T) {
	t.Parallel()
	s := serverForACL(t)
	s.Do(t, "SET", "user:1001:password", "s3cret")
	s.Do(t, "SET", "session:1001:0123456789abcdef", "s3cret")
	databases := map[string]int{"sidekiq": 6, "resque": 7, "rq": 8, "celery": 9, "bullmq": 10, "bull": 11, "asynq": 12, "laravel": 13, "horizon": 14,
		"arq": 20, "dramatiq": 21, "huey": 22, "symfony": 23,
		"saq": 16, "beequeue": 17, "djangoq": 18, "taskiq": 19, "redbeat": 27}
	for _, name := range jobs.Names() {
		userOf(t, s, testACL("jobs", name).Rule())
		db, ok := databases[name]
		if !ok {
			require.Empty(t, jobs.KeyPatterns(metrictest.DefaultJobs(), []string{name}),
				"%s has keys of its own: databases (metrics/acl_purposes_test.go) needs a row for it, and jobSystemKeys (metrics/acl_test.go) the least of them", name)
			continue
		}
		target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test", Database: db})
		m, _ := Lookup("job.get")
		args, err := m.ParseArgs([]string{"", "", "", name})
		require.NoError(t, err)
		value, err := m.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}})
		require.NoError(t, err)
		doc := metrictest.Decode(t, value)
		require.Len(t, doc["systems"], 1, value)
		require.Equal(t, name, metrictest.Rows(t, doc["systems"])[0]["system"])
		delete(doc, "unavailable") // there the other systems are: whether they are there is not known
		walk(doc, func(_ string, v any) {
			if reason, ok := v.(string); ok {
				require.NotContains(t, reason, "NOPERM", "%s: %s", name, value)
			}
		})
		refusedAll(t, wire, "GET user:1001:password", "GET session:1001:0123456789abcdef", "HGETALL storm:job:a", "SET a b", "CONFIG GET requirepass")
	}
	userOf(t, s, testACL().Rule())
	_, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any"})
	refusedAll(t, wire, "GET user:1001:password", "GET session:1001:0123456789abcdef", "HGETALL user:1:work")
}

func TestAUserForKeysReadsTheirPatternAlone(t *testing.T) {
	t.Parallel()
	s := serverForACL(t)
	s.Do(t, "SET", "user:1001:password", "s3cret")
	s.Do(t, "SET", "cache:1", "x")
	acl := testACL("keys", "cache:*", "odd key [x]*")
	require.Contains(t, acl.Rule(), ` %R~cache:* "%R~odd key [x]*" -@all`)
	userOf(t, s, testACL("keys", "cache:*").Rule())
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any"})
	value, _ := Lookup("redis.key.value")
	got, err := metrictest.OfKey(t, value, target, "cache:1")
	require.NoError(t, err)
	require.Equal(t, "x", got)
	refusedAll(t, wire, "GETRANGE user:1001:password 0 -1", "SET cache:1 y", "CONFIG GET *")

	// What looks for keys finds them and reads them whole, and nothing was tried that the rule does not allow.
	s.Do(t, "XADD", "cache:stream", "*", "f", "v")
	s.Do(t, "XGROUP", "CREATE", "cache:stream", "g", "0")
	s.Do(t, "XREADGROUP", "GROUP", "g", "w", "STREAMS", "cache:stream", ">")
	s.Do(t, "ACL", "LOG", "RESET")
	for _, m := range []*item.Metric{keys.Discovery, streams.GetMany} {
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, m, target, "", "", "", "cache:*")))
		require.Empty(t, doc["unavailable"], m.Key)
		require.Equal(t, true, doc["complete"], m.Key)
		require.NotContains(t, fmt.Sprint(doc), "1001", m.Key)
	}
	require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")))
	// SCAN lists names of other keys too; of these it is refused to learn more.
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, keys.Discovery, target, "", "", "", "user:*")))
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["type"], "NOPERM")
	require.Equal(t, map[string]any{"{#KEY}": "user:1001:password", "key": "user:1001:password"}, metrictest.Rows(t, doc["keys"])[0])
}

// TestTheRulesForRedis6AndWithoutConfig are tried on each Redis that has users.
func TestTheRulesForRedis6AndWithoutConfig(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis-6.2", redistest.Machine, "redis-8.0", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "SET", "user:1001:password", "s3cret")
			s.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
			s.Do(t, "SADD", "storm:jobs", "a")
			s.Do(t, "SADD", "queues", "default")
			acl := testACL()
			rule := acl.Rule()
			if name == "redis-6.2" {
				_, err := s.TryDo(strings.Fields(rule)...)
				require.Error(t, err, "it does not know keys that are only read")
				rule = acl.RuleRedis6()
			}
			userOf(t, s, rule)
			dial := func() (*item.Target, redisclient.Doer) {
				target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
				return target, wire
			}
			target, wire := dial()
			for _, key := range []string{"redis.get", "redis.status", "redis.clients.get", "storm.jobs.get", "job.get", "redis.slowlog.get"} {
				m, _ := Lookup(key)
				args, err := m.ParseArgs(nil)
				require.NoError(t, err)
				got, err := m.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}})
				require.NoError(t, err)
				require.Equal(t, 1.0, metrictest.Decode(t, got)["up"], key)
				require.NotContains(t, got, "NOPERM", key)
			}
			refusedAll(t, wire, "GET user:1001:password", "SET storm:job:a x", "DEL storm:jobs", "CONFIG SET maxmemory 1", "CONFIG RESETSTAT", "ACL LIST")
			values, err := wire.DoAll(t.Context(), redisclient.Command{"CONFIG", "GET", "requirepass"})
			require.NoError(t, err)
			require.NoError(t, values[0].Err(), "this is what the text warns of")

			s.Do(t, strings.Fields(acl.RuleNoConfig())...)
			target, wire = dial()
			refusedAll(t, wire, "CONFIG GET requirepass", "CONFIG GET max*")
			get, _ := Lookup("redis.get")
			doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, get, target)))
			require.Equal(t, 1.0, doc["up"])
			require.Len(t, doc["unavailable"], 1)
			require.Contains(t, doc["unavailable"], "config")
		})
	}
}

// TestEveryMetricHasAPurpose: what a new metric sends is in the rule for its own purpose.
func TestEveryMetricHasAPurpose(t *testing.T) {
	t.Parallel()
	purposes := map[string]ACL{
		"server": testACL("server"), "storm": testACL("storm"), "jobs": testACL("jobs"), "keys": testACL("keys", "*"),
	}
	all := testACL().commands()
	for _, m := range All() {
		commands := purposes[aclPurpose(m)].commands()
		for _, command := range m.Commands {
			if m.Key == "redis.search.get" && command == "scan" {
				continue // only for RediSearch 1
			}
			if OnRequest(command) || slices.Contains(valkeyCommands, command) || slices.Contains(searchCommands, command) ||
				slices.Contains(newerNames(), command) {
				continue
			}
			require.Contains(t, commands, command, m.Key)
			require.Contains(t, all, command, m.Key)
		}
	}
	text := testACL().Text()
	require.True(t, strings.HasPrefix(text, testACL().Rule()+"\n"))
	require.Contains(t, text, "# not needed, takes CONFIG GET away, which shows this user the passwords in requirepass and masterauth.")
	require.NotContains(t, testACL("storm").Text(), "CONFIG GET", "storm alone has no such right")
}

// TestKeysOfTheConfigurationAreNoPatterns: a key that is called as a pattern grants
// itself alone, and a line that is to be pasted is one line.
func TestKeysOfTheConfigurationAreNoPatterns(t *testing.T) {
	t.Parallel()
	o := metrictest.DefaultStorm()
	o.IndexKey, o.KeyPattern = "*", "s*:{job}"
	got := storm.KeyPatterns(o)
	require.Contains(t, got, `\*`)
	require.Contains(t, got, `s\*:*`)
	require.Equal(t, `"x\ny"`, quoted("x\ny"))
}
