package jobs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestCluesOfKeys: to which systems a key points, under which prefix and name.
func TestCluesOfKeys(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{
		"plain":                         nil,
		"shop:processes":                {"sidekiq shop "},
		":processes":                    nil,
		"processes":                     nil,
		"a:b:processes":                 {"sidekiq a:b "},
		"bull:mail:meta":                {"bullmq bull mail"},
		"a:b:mail:meta":                 {"bullmq a:b mail"},
		":mail:meta":                    nil,
		"mail:meta":                     nil,
		"a:meta":                        nil,
		"a::meta":                       nil,
		"x:y:meta":                      {"bullmq x y"},
		"bull:mail:id":                  {"bull bull mail"},
		"bull:prod:mail:id":             {"bull bull prod:mail"},
		"shop:prod:mail:id":             {"bull shop:prod mail"},
		"bull::id":                      nil,
		":mail:id":                      nil,
		"mail:id":                       nil,
		"a::id":                         nil,
		"x:y:id":                        {"bull x y"},
		"shop:workers:heartbeat":        {"resque shop "},
		":workers:heartbeat":            nil,
		"workers:heartbeat":             nil,
		"rq:job:1":                      {"rq rq "},
		"shop:rq:job:1":                 {"rq shop:rq "},
		"rq:worker:a":                   {"rq rq "},
		"rq:job:1:dependents":           nil,
		":job:1":                        nil,
		"rq:job:":                       nil,
		"rq:worker:":                    nil,
		"app_queues:mail":               {"laravel app_ mail"},
		"queues:mail":                   {"laravel  mail"},
		"app_queues:mail:delayed":       {"laravel app_ mail"},
		"app_queues:mail:reserved":      {"laravel app_ mail"},
		"app_queues:mail:notify":        nil,
		"app_queues::delayed":           nil,
		"app_queues:":                   nil,
		"app_horizon:supervisors":       {"horizon app_horizon: "},
		"app_horizon:masters":           {"horizon app_horizon: "},
		"app_horizon:completed_jobs":    {"horizon app_horizon: "},
		"app_horizon:failed_jobs":       {"horizon app_horizon: "},
		"masters":                       nil,
		"failed_jobs":                   nil,
		"_kombu.binding.video":          {"celery  video"},
		"my:_kombu.binding.video":       {"celery my: video"},
		"my:_kombu.binding.":            nil,
		"_kombu.binding.celeryev":       {"celery  "},
		"_kombu.binding.reply.x.pidbox": {"celery  "},
		"_kombu.binding.reply.x":        {"celery  reply.x"},
		"_kombu.binding.x.pidbox":       {"celery  x.pidbox"},
		"my:other_index":                {"celery my: \x00unacked other"},
		"other_index":                   {"celery  \x00unacked other"},
		"unacked_index":                 nil,
		"my:unacked_index":              nil,
		"my:_index":                     nil,
		"_index":                        nil,
		"exq:queues":                    {"sidekiq exq "},
		"asynq:{mail}:pending":          {"asynq  mail"},
		"asynq:{a}b}:archived":          {"asynq  a}b"},
		"asynq:{}:pending":              nil,
		"asynq:{mail}:processed":        nil, // which outlives the queue
		"asynq:{mail}:t:1":              nil,
		"asynq:mail:pending":            nil,
		"exq:processes":                 {"sidekiq exq "},
		"arq:queue":                     {"arq  arq:queue"},
		"arq:high":                      {"arq  arq:high"},
		"other:q:health-check":          {"arq  other:q"},
		":health-check":                 nil,
		"arq:job:1":                     {"rq arq "}, // which its keys do not prove
		"arq:in-progress:1":             nil,
		"arq:result:1":                  nil,
		"arq:retry:1":                   nil,
		"arq:abort":                     nil,
		"arq:":                          nil,
		"dramatiq:__heartbeats__":       {"dramatiq dramatiq "},
		"a:b:__heartbeats__":            {"dramatiq a:b "},
		"dramatiq:mail.msgs":            {"dramatiq dramatiq mail"},
		"dramatiq:mail.DQ.msgs":         {"dramatiq dramatiq mail"},
		"dramatiq:mail.XQ.msgs":         {"dramatiq dramatiq mail"},
		"dramatiq:.msgs":                nil,
		"dramatiq:mail":                 nil,
		":mail.msgs":                    nil,
		"mail.msgs":                     nil,
		"huey.redis.app":                {"huey  app"},
		"huey.schedule.app":             {"huey  app"},
		"huey.results.app":              {"huey  app"},
		"huey.redis.":                   nil,
		"huey.r.app.1":                  nil,
		"messages":                      {"symfony  messages"},
		"app:messages":                  {"symfony  app:messages"},
		"app_async":                     {"symfony  app_async"},
		"failed":                        {"symfony  failed"},
		"resque:failed":                 nil,
		"default_failed":                nil,
		"mine__queue":                   {"symfony  mine"},
		"__queue":                       nil,
		"bq:mail:jobs":                  {"beequeue bq mail"},
		"bq:a:b:jobs":                   {"beequeue bq a:b"},
		"shop:app:mail:jobs":            {"beequeue shop:app mail"},
		"bq::jobs":                      nil,
		":mail:jobs":                    nil,
		"mail:jobs":                     nil,
		"saq:mail:queued":               {"saq  mail"},
		"saq:a:b:active":                {"saq  a:b"},
		"saq:mail:incomplete":           {"saq  mail"},
		"saq:mail:stats":                {"saq  mail"},
		"saq:mail:schedule":             nil,
		"saq::queued":                   nil,
		"saq:queued":                    nil,
		"saq:job:mail:1":                nil,
		"django_q:proj:q":               {"djangoq  proj"},
		"django_q:a:b:q":                {"djangoq  a:b"},
		"django_q:proj:cluster":         nil,
		"django_q::q":                   nil,
		"django_q:q":                    nil,
		"taskiq":                        {"taskiq  taskiq"},
		"shop:taskiq:mail":              {"taskiq  shop:taskiq:mail"},
		"taskiq:4023c92250904849ad9af1146ac9879a": nil,
	} {
		var got []string
		for _, system := range all {
			if spec := system.Spec(); spec.Clue != nil {
				if c, ok := spec.Clue(key); ok {
					got = append(got, spec.Name+" "+c.Prefix+" "+c.Name)
					require.NotEmpty(t, c.Proof, key)
				}
			}
		}
		require.Equal(t, want, got, key)
	}
	plain, _ := lookup("plain")
	require.Empty(t, plain.Spec().canonical("x"), "it has no prefix")
	asynq, _ := lookup("asynq")
	require.Empty(t, asynq.Spec().canonical("x"), "it has no prefix")
	sidekiq, _ := lookup("sidekiq")
	require.Equal(t, "x", sidekiq.Spec().canonical("x:"))
}

// clueFor is the clue of a key for a system.
func clueFor(t *testing.T, system, key string) clue {
	t.Helper()
	s, ok := lookup(system)
	require.True(t, ok)
	c, ok := s.Spec().Clue(key)
	require.True(t, ok)
	return c
}

func statusOf(texts ...string) (out []resp.Value) {
	for _, text := range texts {
		out = append(out, resp.Value{Kind: resp.SimpleString, Str: []byte(text)})
	}
	return out
}

// TestProofsOfBull: a counter called id is Bull's when the keys beside it are of its
// types, one of them is there, and none is another system's.
func TestProofsOfBull(t *testing.T) {
	t.Parallel()
	c := clueFor(t, "bull", "bull:mail:id")
	meta := func(fields ...resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: fields} }
	types := func(changed ...string) []resp.Value {
		all := []string{"string", "none", "none", "none", "none", "none", "none", "none", "none", "none", "none"}
		for i := 0; i+1 < len(changed); i += 2 {
			at := slices.IndexFunc(c.Proof, func(cmd redisclient.Command) bool { return cmd[1] == "bull:mail:"+changed[i] })
			require.Positive(t, at)
			all[at-1] = changed[i+1]
		}
		return append([]resp.Value{meta(null, null)}, statusOf(all...)...)
	}
	for _, suffix := range []string{"wait", "active", "paused"} {
		require.True(t, c.Proves(types(suffix, "list")), suffix)
		require.False(t, c.Proves(types(suffix, "zset")), suffix)
		require.False(t, c.Proves(types("failed", "zset", suffix, "set")), suffix)
	}
	for _, suffix := range []string{"completed", "failed", "delayed", "repeat"} {
		require.True(t, c.Proves(types(suffix, "zset")), suffix)
		require.False(t, c.Proves(types("wait", "list", suffix, "list")), suffix)
	}
	require.False(t, c.Proves(types()), "none of its lists is there")
	require.False(t, c.Proves(types("wait", "list", "id", "none")))
	require.False(t, c.Proves(types("wait", "list", "id", "hash")))
	for suffix, typ := range map[string]string{"waiting": "list", "succeeded": "set", "jobs": "hash"} {
		require.False(t, c.Proves(types("wait", "list", suffix, typ)), "Bee-Queue's "+suffix)
		require.True(t, c.Proves(types("wait", "list", suffix, "string")), suffix+" of somebody else")
	}
	for i := range 11 {
		replies := types("wait", "list")
		replies[1+i] = resp.Value{Kind: resp.Error, Str: []byte("NOPERM no")}
		require.False(t, c.Proves(replies), "reply %d is refused", 1+i)
	}
	replies := types("wait", "list")
	replies[0] = meta(bulkOf("bullmq:5.0.0"), null)
	require.False(t, c.Proves(replies), "it is BullMQ's")
	replies[0] = meta(null, bulkOf("10000"))
	require.False(t, c.Proves(replies), "it is BullMQ's")
	replies[0] = resp.Value{Kind: resp.Error, Str: []byte("WRONGTYPE")}
	require.False(t, c.Proves(replies))

	c = clueFor(t, "bullmq", "bull:mail:meta")
	require.True(t, c.Proves([]resp.Value{meta(bulkOf("bullmq:5.81.5"), null)}))
	require.True(t, c.Proves([]resp.Value{meta(null, bulkOf("10000"))}))
	require.False(t, c.Proves([]resp.Value{meta(null, null)}))
	require.False(t, c.Proves([]resp.Value{meta(bulkOf("1.0"), null)}))
	require.False(t, c.Proves([]resp.Value{meta(bulkOf("bullmq:5.81.5"))}))
	require.False(t, c.Proves([]resp.Value{{Kind: resp.Error, Str: []byte("WRONGTYPE")}}))
}

// TestProofsOfCelery: a sorted set called so is Celery's when messages lie beside it
// and Celery's bindings are under the same prefix.
func TestProofsOfCelery(t *testing.T) {
	t.Parallel()
	c := clueFor(t, "celery", "my:other_index")
	require.True(t, c.Rare)
	fields := func(pairs ...string) resp.Value {
		return resp.Value{Kind: resp.Array, Elems: []resp.Value{bulkOf("0"), arrayOf(pairs...)}}
	}
	message := fields("tag", `[{"body":""},"celery","celery"]`)
	for _, tt := range []struct {
		types string
		hash  resp.Value
		want  bool
	}{
		{"zset set set", message, true}, {"zset set none", message, true}, {"zset none set", message, true},
		{"zset none none", message, false}, {"set set set", message, false}, {"none set set", message, false},
		{"zset set set", fields(), false}, {"zset set set", fields("tag", "[1,2,3]"), false}, {"zset set set", fields("tag", `[{},"a"]`), false},
		{"zset set set", fields("tag", `[{},"a",3]`), false}, {"zset set set", fields("tag", `[{},3,"a"]`), false}, {"zset set set", fields("tag", `[1,"a","a"]`), false},
		{"zset set set", arrayOf("0"), false}, {"zset set set", arrayOf("0", "x"), false},
		{"zset set set", resp.Value{Kind: resp.Error, Str: []byte("WRONGTYPE")}, false},
	} {
		require.Equal(t, tt.want, c.Proves(append(statusOf(strings.Fields(tt.types)...), tt.hash)), "%s %v", tt.types, tt.hash)
	}
	c = clueFor(t, "rq", "rq:job:1")
	record := func(fields ...resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: fields} }
	require.True(t, c.Proves(append(statusOf("set"), record(bulkOf("a"), bulkOf("b")))))
	require.False(t, c.Proves(append(statusOf("set"), record(bulkOf("a"), null))))
	require.False(t, c.Proves(append(statusOf("list"), record(bulkOf("a"), bulkOf("b")))))
	require.False(t, c.Proves(append(statusOf("set"), null)))
	c = clueFor(t, "laravel", "queues:mail")
	require.Equal(t, []redisclient.Command{{"LINDEX", "queues:mail", "0"}}, c.Proof)
	require.True(t, c.Proves([]resp.Value{bulkOf(`{"id":"a","job":"J"}`)}))
	require.False(t, c.Proves([]resp.Value{bulkOf(`{"id":"a"}`)}))
	require.False(t, c.Proves([]resp.Value{{Kind: resp.Integer}}))
	c = clueFor(t, "laravel", "queues:mail:delayed")
	require.Equal(t, []redisclient.Command{{"ZRANGE", "queues:mail:delayed", "0", "0"}}, c.Proof)
	require.True(t, c.Proves([]resp.Value{arrayOf(`{"id":"a","job":"J"}`)}))
	require.False(t, c.Proves([]resp.Value{arrayOf()}))
}

// TestSearchIsBounded, and says what it leaves out.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	keys := func(format string, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return out
	}
	next := &search{}
	s := newScanning(next, &item.JobsOptions{})
	s.judge(keys("bull:q%d:meta", maxClues))
	require.Len(t, s.clues, maxClues)
	require.Zero(t, next.dropped)
	s.judge(keys("bull:q%d:meta", maxClues)) // SCAN may tell a key twice
	require.Len(t, s.clues, maxClues)
	require.Zero(t, next.dropped)
	s.judge([]string{"bull:one:meta", "bull:two:meta", "nothing"})
	require.Len(t, s.clues, maxClues)
	require.Equal(t, 2, next.dropped)

	s = newScanning(&search{}, &item.JobsOptions{})
	s.judge(keys("app:t%d_index", maxRare))
	require.Len(t, s.clues, maxRare)
	s.judge([]string{"app:one_index", "bull:one:meta", "app:two_index"})
	require.Len(t, s.clues, maxRare+1, "only the rare ones are left out")
	require.Equal(t, "bullmq", s.clues[maxRare].system)

	s = newScanning(&search{}, &item.JobsOptions{})
	s.judge([]string{"rq:job:1", "rq:job:2", "rq:worker:a", "other:job:1", "shop:processes", "shop::processes"})
	require.Len(t, s.clues, 4, "one record of a prefix is enough")

	s = newScanning(&search{}, &item.JobsOptions{Prefixes: map[string][]string{"bull": {"a", "a:b", "a:b:c:d", "x"}}})
	s.judge([]string{"a:b:c:d:id", "bullish:q:id", "a:b:c:id"})
	got := map[string]string{}
	for _, c := range s.clues {
		got[c.Name] = c.Prefix
	}
	require.Equal(t, map[string]string{"c:d": "a:b", "q": "bullish", "c": "a:b"}, got, "the longest prefix that leaves a name")
}

// TestACLOfConfiguredPrefixes: the patterns name what is configured, escaped.
func TestACLOfConfiguredPrefixes(t *testing.T) {
	t.Parallel()
	o := item.JobsOptions{
		Prefixes: map[string][]string{"rq": {"shop*", "rq"}, "celery": {"my:"}},
		Queues:   map[string][]string{"plain": {"a?", "b"}, "celery": {"video"}},
	}
	require.Equal(t, []string{`rq:*`, `shop\*:*`}, KeyPatterns(o, []string{"rq"}))
	require.Equal(t, []string{`a\?`, "b"}, KeyPatterns(o, []string{"plain"}))
	require.Equal(t, []string{"_kombu.binding.*", "celery*", "my:*", "unacked", "unacked_index", "video*"}, KeyPatterns(o, []string{"celery"}))
	require.Equal(t, []string{`a\?`, "b", "rq:*", `shop\*:*`}, KeyPatterns(o, []string{"plain", "rq"}))
	require.Empty(t, KeyPatterns(o, []string{"cron"}))
	require.Equal(t, []string{"hmget", "hstrlen", "scan", "time", "type", "zcard", "zcount", "zrange"}, Commands([]string{"horizon", "cron"}))
	var names []string
	for _, s := range Systems() {
		names = append(names, s.Spec().Name)
	}
	require.Equal(t, Names(), names)
}

// TestOrderOfInstances is that of systems, then of prefixes; their ids are unique.
func TestOrderOfInstances(t *testing.T) {
	t.Parallel()
	sorted := []instance{{"sidekiq", "a"}, {"sidekiq", "b"}, {"resque", "a"}, {"plain", ""}}
	for i, a := range sorted {
		for j, b := range sorted {
			got := a.Compare(b)
			require.Equal(t, i < j, got < 0, "%v %v", a, b)
			require.Equal(t, i > j, got > 0, "%v %v", a, b)
		}
	}
	require.Equal(t, "sidekiq/a%2Fb%25", instance{"sidekiq", "a/b%"}.ID())
}
