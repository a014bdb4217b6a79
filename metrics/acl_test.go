package metrics

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/hot"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
	"redisjobs/metrics/keys"
	"redisjobs/metrics/search"
	"redisjobs/metrics/sentinel"
	"redisjobs/metrics/streams"
	"redisjobs/redisclient"
)

// testACL is what -acl prints with the default configuration.
func testACL(purposes ...string) ACL {
	p, err := ParseACLPurposes(purposes)
	if err != nil {
		panic(err)
	}
	return ACL{User: "zabbix", Purposes: p, Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}
}

// TestACLRuleQuotesAsRedisCLIReads: the documents show the rule itself, which
// docs/generated_test.go holds to what -acl prints.
func TestACLRuleQuotesAsRedisCLIReads(t *testing.T) {
	t.Parallel()
	odd := testACL()
	odd.Storm.KeyPattern, odd.Storm.IndexKey, odd.Storm.HeartbeatKey, odd.Storm.StateKey = `jobs [x] {job}`, "", "", ""
	require.Contains(t, odd.Rule(), ` "%R~jobs \\[x\\] *" %R~`)
}

func TestTheRulesForSomeServersNameWhatTheOtherLeavesOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ACL SETUSER zabbix +commandlog|get +commandlog|len", testACL().RuleValkey())
	require.Equal(t, "ACL SETUSER zabbix +ft._list +ft.info", testACL().RuleSearch())
	require.Equal(t, "ACL SETUSER zabbix +acl|list", testACL().RuleUsers())
	require.NotContains(t, testACL().Rule(), "acl|list")
	require.NotContains(t, testACL().Rule(), "commandlog")
	require.NotContains(t, testACL().Rule(), "ft.")
}

// TestACLRuleIsEnoughAndNothingInItIsSpare gives a real server's user just the
// rule and asks for every key, in every layout of job records; then it takes
// each permission away and expects something to be missed.
func TestACLRuleIsEnoughAndNothingInItIsSpare(t *testing.T) {
	t.Parallel()
	s := serverForACL(t)
	rule := strings.Fields(strings.Replace(testACL().Rule(), ">PASSWORD", "nopass", 1))[2:]
	s.Do(t, slices.Concat([]string{"ACL", "SETUSER"}, rule)...)
	s.Do(t, "ACL", "LOG", "RESET")
	require.Empty(t, losses(t, s), "the rule is enough")
	require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")), "nothing was tried that the rule does not allow")

	for i, permission := range rule {
		if permission[0] != '+' && permission[0] != '%' {
			continue
		}
		s.Do(t, "ACL", "DELUSER", "zabbix")
		s.Do(t, slices.Concat([]string{"ACL", "SETUSER"}, rule[:i], rule[i+1:])...)
		s.Do(t, "ACL", "LOG", "RESET")
		lost := losses(t, s)
		if permission == "+client|setname" {
			require.Empty(t, lost, "a connection without a name does as well")
			require.Contains(t, s.Do(t, "ACL", "LOG"), "client|setname")
			continue
		}
		if permission == "+asking" || permission == "+role" || permission == "+cluster|myid" {
			require.Empty(t, lost, "only clusters and sentinels need it; see test/topology")
			continue
		}
		require.NotEmpty(t, lost, "without %s nothing is missed", permission)
	}
}

// serverForACL has something of everything: job records in every layout, job
// systems, a key of each type, an event of the latency monitor.
func serverForACL(t *testing.T) *redistest.Server {
	t.Helper()
	s := redistest.Start(t, redistest.Config{Args: []string{"--latency-monitor-threshold", "1", "--enable-debug-command", "yes", "--databases", "64",
		"--slowlog-log-slower-than", "0", "--maxmemory-policy", "allkeys-lfu"}})
	s.Do(t, "DEBUG", "SLEEP", "0.01") // an event with a history
	_, err := metrictest.DialWire(t, s.Addr).DoAll(t.Context(), redisclient.Command{"SUBSCRIBE", "news"})
	require.NoError(t, err)
	now := fmt.Sprint(time.Now().Unix())
	for db, index := range [][]string{
		{"SADD", "storm:jobs", "a", "b"},
		{"RPUSH", "storm:jobs", "a", "b"},
		{"HSET", "storm:jobs", "a", "1", "b", "1"},
		{"ZADD", "storm:jobs", now, "a", now, "b"},
		nil, // found by SCAN
		{"HSET", "storm:jobs:state", "a", "ACTIVE", "b", "ACTIVE"},
	} {
		do := func(args ...string) { s.Do(t, args...) }
		do("SELECT", fmt.Sprint(db))
		if db != 5 {
			do("HSET", "storm:job:a", "status", "ACTIVE", "updated_at", now)
			do("SET", "storm:job:b", `{"status":"ACTIVE"}`)
		}
		do("ZADD", "storm:jobs:heartbeat", now, "a", now, "b")
		if index != nil {
			do(index...)
		}
	}
	for db, cmds := range jobSystemKeys {
		s.Do(t, "SELECT", fmt.Sprint(db))
		for _, cmd := range cmds {
			s.Do(t, strings.Fields(cmd)...)
		}
	}
	s.Do(t, "SELECT", "0")
	for _, cmd := range []string{
		"SET storm:job:key:string x", "RPUSH storm:job:key:list x", "SADD storm:job:key:set x", "ZADD storm:job:key:zset 1 x",
		"HSET storm:job:key:hash x 1", "XADD storm:job:key:stream 1-1 f v", "XADD storm:job:key:stream 2-1 f v",
		"XGROUP CREATE storm:job:key:stream g 0", "XREADGROUP GROUP g w COUNT 1 STREAMS storm:job:key:stream >",
		// Part of the stream was delivered and its lag is not known.
		"XADD storm:job:key:stream 3-1 f v", "XADD storm:job:key:stream 4-1 f v", "XDEL storm:job:key:stream 3-1",
	} {
		s.Do(t, strings.Fields(cmd)...)
	}
	return s
}

// jobSystemKeys are, by database, the least that lets every permission of job.get
// be missed.
var jobSystemKeys = map[int][]string{
	6: {
		"SADD queues default", `LPUSH queue:default {"jid":"1","enqueued_at":1795227509.7}`, "SADD processes host:1:0123456789ab",
		`HSET host:1:0123456789ab busy 1 quiet false info {"concurrency":5}`,
		`HSET host:1:0123456789ab:work tid {"queue":"default","run_at":1795227509}`,
		"ZADD dead 1795227509 {}", "HSET " + minutesAgo(2) + " Job|p 1", "HSET " + minutesAgo(3) + " Job|p 1",
		"SADD cron_jobs:default cron_job:default:a", "ZADD cron_job:default:a:enqueued 1795227509 x",
		"HSET cron_job:default:a name a cron @daily last_enqueue_time 2026-11-21T02:18:29Z",
		`HSET schedules b {"every":"1h"}`, "HSET sidekiq-scheduler:next_times b 2030-01-01T00:00:00Z",
		"HSET sidekiq-scheduler:last_times b 2026-11-21T02:18:29Z",
	},
	7: {"SADD resque:queues default", "RPUSH resque:queue:default {}", `RPUSH resque:failed {"payload":{"class":"Job"}}`},
	8: {"SADD rq:queues rq:queue:default", "ZADD rq:failed:default 1795227509 1", "HSET rq:job:1 ended_at 2026-11-21T02:43:55.602419Z"},
	9: {"SADD _kombu.binding.celery celery\x06\x16\x06\x16celery", "LPUSH celery {}", "HSET unacked a {}", "ZADD unacked_index 1795230718.5 a"},
	10: {
		"HSET bull:q:meta version bullmq:5.81.5", "SET bull:q:id 2", "LPUSH bull:q:wait 1", "HSET bull:q:1 timestamp 1795228358049",
		"LPUSH bull:q:active 2", "HSET bull:q:2 processedOn 1795228358049",
		"HSET bull:q:metrics:completed count 1",
	},
	11: {
		"SET bull:q:id 1", "LPUSH bull:q:wait 1", "HSET bull:q:1 timestamp 1795228358049",
		"HSET bull:q:metrics:completed count 1",
	},
	12: {
		"SADD asynq:queues default", "LPUSH asynq:{default}:pending 1", "HSET asynq:{default}:t:1 pending_since 1795229413289886037",
		"ZADD asynq:servers 4000000000 asynq:servers:{a}", "SET asynq:servers:{a} \x10\x2a",
	},
	13: {`RPUSH laravel_database_queues:q {"id":"a","job":"J","createdAt":1795230090}`},
	29: {`RPUSH laravel-database-queues:q {"id":"a","job":"J","createdAt":1795230090}`},
	14: {"ZADD laravel_horizon:supervisors 4000000000 s", `HSET laravel_horizon:supervisor:s status running processes {"a":1}`},
	15: {
		"ZADD laravel_horizon:masters 4000000000 m", "ZADD laravel_horizon:failed_jobs -1795227509 6e3f4f9d-7928-4d7b-b863-a172646da702",
		"HSET laravel_horizon:6e3f4f9d-7928-4d7b-b863-a172646da702 name Job",
	},
	20: {"ZADD arq:queue 1795228358049 j"},
	21: {
		"ZADD dramatiq:__heartbeats__ 1795228358049 w", "HSET dramatiq:q.msgs k {}", "SADD dramatiq:__acks__.w.q k",
	},
	22: {"ZADD huey.redis.q 0 \x00\x06\x60\xc0\x2c\x92\x7c\xe8 5 \x00\x06\x60\xc0\x2c\x92\x7c\xe9", "ZADD huey.schedule.q 1795228358 k"},
	23: {
		"XADD messages 1795228358049-1 message x", "XADD messages 1795228358049-2 message x", "XGROUP CREATE messages symfony 0",
		"XREADGROUP GROUP symfony c COUNT 1 STREAMS messages >",
	},
	24: {"HSET huey.results.q k x"},
	25: {"XADD async 1795228358049-1 message x", "XGROUP CREATE async symfony 0"},
	26: {"XADD failed 1795228358049-1 message x", "XGROUP CREATE failed symfony 0"},
	16: {
		"RPUSH saq:q:queued saq:job:q:1", `SET saq:job:q:1 {"queued":1795228358049}`, "RPUSH saq:q:active saq:job:q:2",
		`SET saq:job:q:2 {"status":"active","started":1795228358049,"worker_id":"w"}`, "ZADD saq:q:stats 4000000000000 saq:q:worker_info:w",
	},
	17: {
		"SET bq:q:id 1", "LPUSH bq:q:waiting 1", `HSET bq:q:jobs 1 {"options":{"timestamp":1795228358049},"status":"created"}`,
	},
	18: {"RPUSH django_q:q:q x:1xXcoH:M2_AZ3ijs2PZmjsNg5tIW4NvNHzzgcV1M0SVLT7N9j8"},
	19: {
		"XADD taskiq 1795228358049-0 data x", "XADD taskiq 1795228358050-0 data x", "XGROUP CREATE taskiq taskiq 0",
		"XREADGROUP GROUP taskiq w COUNT 1 STREAMS taskiq >",
	},
	27: {
		`ZADD redbeat::schedule 4000000000 redbeat:a`, "SET redbeat::lock x",
		`HSET redbeat:a definition {"schedule":{"__type__":"interval","every":10}} meta ` +
			`{"last_run_at":{"year":2026,"month":11,"day":21},"total_run_count":1}`,
	},
}

// minutesAgo is the key in which Sidekiq 8 counts the jobs of a minute.
func minutesAgo(n int) string {
	at := time.Now().UTC().Add(-time.Duration(n) * time.Minute)
	return at.Format("j|060102|") + fmt.Sprintf("%d:%02d", at.Hour(), at.Minute())
}

// lackReasons are what job.get and job.failures.get say is unavailable whatever the permissions.
func lackReasons() map[string]bool {
	out := map[string]bool{"no failure transport was found, and failed messages are in a stream of their own": true}
	for _, s := range jobs.Systems() {
		for _, l := range s.Spec().Lacks {
			out[l.Reason] = true
		}
		out[s.Spec().NoFailures()] = true
	}
	return out
}

// losses asks the zabbix user's server for every key and lists what it could
// not have.
func losses(t *testing.T, s *redistest.Server) []string {
	t.Helper()
	var out []string
	note := func(db int, key, what string) { out = append(out, fmt.Sprintf("db%d %s: %s", db, key, what)) }
	for _, db := range append([]int{0, 1, 2, 3, 4, 5}, slices.Sorted(maps.Keys(jobSystemKeys))...) {
		target, _ := metrictest.DialTarget(t, redisclient.Config{
			Network: "tcp", Address: s.Addr, User: "zabbix", Password: "any", Database: db, ClientName: "test",
		})
		for _, m := range All() { // job.get in its own databases only, the others in theirs
			if !m.ReadsRedis() || m == keys.Command || m == sentinel.Get || m == search.Get || m == hot.Get || (db < 6) == strings.HasPrefix(m.Key, "job.") {
				continue
			}
			for _, raw := range requests(m, db) {
				args, err := m.ParseArgs(raw)
				require.NoError(t, err)
				value, err := m.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{
					Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs(),
				}})
				if err != nil {
					note(db, m.Key, err.Error())
					continue
				}
				note := func(what string) { note(db, m.Key, what) }
				missed(value, note)
				if strings.HasPrefix(m.Key, "storm.") && (value == "9" || strings.Contains(value, "MISSING") || value == "[]" ||
					strings.Contains(value, `"count":0`)) {
					note("a job is missing: " + value)
				}
				if m.Key == "job.get" && (strings.Contains(value, `"count":0`) || strings.Contains(value, `"exists":0`)) {
					note("a job system is missing: " + value)
				}
				if m.Key == "redis.server.ping" && value != "1" {
					note("ping is " + value)
				}
			}
		}
	}
	return out
}

// requests are the parameters that a metric is asked with in a database: one
// key of each type, and else any job.
func requests(m *item.Metric, db int) [][]string {
	if m.Key == "job.queue.get" && db != 6 { // there is no such queue
		return nil
	}
	if m.Key == "job.queue.get" {
		return [][]string{{"", "", "", "sidekiq", "default"}}
	}
	if !slices.ContainsFunc(m.Params, func(p item.Param) bool { return p.Name == ask.ParamKey.Name }) {
		raw := make([]string, len(m.Params))
		for i, p := range m.Params {
			switch {
			case p.Required && (m == keys.Discovery || m == streams.GetMany):
				raw[i] = "storm:job:key:*"
			case p.Required:
				raw[i] = "a"
			case p.Name == "Channels":
				raw[i] = "news"
			}
		}
		return [][]string{raw}
	}
	if db != 0 {
		return nil
	}
	var out [][]string
	for typ, member := range map[string]string{"string": "", "list": "0", "set": "x", "zset": "x", "hash": "x", "stream": ""} {
		raw := []string{"", "", "", "storm:job:key:" + typ}
		switch {
		case m == streams.Get && typ != "stream", m == keys.Value && typ == "stream":
			continue
		case m == keys.Value:
			raw = append(raw, member)
		}
		out = append(out, raw)
	}
	return out
}

// missed reports what a document says is unavailable, or that it is down.
func missed(value string, note func(string)) {
	var document map[string]any
	if json.Unmarshal([]byte(value), &document) != nil {
		return
	}
	if up, ok := document["up"]; ok && up != 1.0 {
		note("down: " + fmt.Sprint(document["error"]))
	}
	expected := lackReasons()
	walk(document, func(name string, v any) {
		parts, ok := v.(map[string]any)
		if !ok || name != "unavailable" {
			return
		}
		for name, reason := range parts {
			if !expected[reason.(string)] {
				note(fmt.Sprintf("unavailable: %s: %s", name, reason))
			}
		}
	})
}

func walk(v any, visit func(name string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			visit(name, member)
			walk(member, visit)
		}
	case []any:
		for _, member := range v {
			walk(member, visit)
		}
	}
}
