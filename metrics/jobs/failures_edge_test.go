package jobs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// sidekiqFailed is a job of Sidekiq that has failed.
func sidekiqFailed(id, class, message string, at float64, more string) string {
	return fmt.Sprintf(`{"jid":%q,"class":%q,"queue":"default","args":[],"error_class":"E","error_message":%q,"failed_at":%f%s}`, id, class, message, at, more)
}

// startSidekiq starts a server that a Sidekiq was seen in, and polls once.
func startSidekiq(t testing.TB, seed ...[]string) (*redistest.Server, *item.Target) {
	t.Helper()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "default", "slow")
	s.Do(t, "SET", "stat:failed", "10")
	for _, cmd := range seed {
		s.Do(t, cmd...)
	}
	target := atDatabase(t, s, 0)
	require.Equal(t, true, askFailures(t, target)["first"])
	return s, target
}

const failedAt = 1795228300.5

func TestAFailureIsToldOnce(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t, []string{"ZADD", "retry", "1795228400", sidekiqFailed("old", "A", "m", failedAt, "")})
	again := sidekiqFailed("a", "A", "m 1", failedAt+1, "")
	s.Do(t, "ZADD", "retry", "1795228500", again)
	s.Do(t, "ZADD", "retry", "1795228501", sidekiqFailed("b", "A", "m 2", failedAt+2, ""))
	s.Do(t, "INCRBY", "stat:failed", "2")
	doc := askFailures(t, target)
	require.Equal(t, []string{"2x A@default E: m 2 dead=0"}, groupTexts(t, doc, "groups"), "of one error, with the newest message")

	// Given up by hand: it has not failed again. But b has, as it was tried again.
	s.Do(t, "ZREM", "retry", again)
	s.Do(t, "ZADD", "dead", "1795228600", again)
	s.Do(t, "ZADD", "retry", "1795228700", sidekiqFailed("b", "A", "m 2", failedAt+2, `,"retried_at":1795228505`))
	s.Do(t, "INCR", "stat:failed")
	doc = askFailures(t, target)
	require.EqualValues(t, 1, doc["count"])
	require.EqualValues(t, 0, doc["missed"])
	require.InDelta(t, 1795228505, metrictest.Rows(t, doc["groups"])[0]["last"], 1e-3)
}

func TestMissedFailures(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t)
	// A job that is found before its worker has counted it is not missed at the next poll.
	s.Do(t, "ZADD", "dead", "1795228300", sidekiqFailed("a", "A", "m", failedAt, ""))
	doc := askFailures(t, target)
	require.Equal(t, []any{1.0, 0.0}, []any{doc["count"], doc["missed"]})
	s.Do(t, "INCR", "stat:failed")
	doc = askFailures(t, target)
	require.Equal(t, []any{0.0, 0.0}, []any{doc["count"], doc["missed"]})
	// Three failed and were tried again, or discarded.
	s.Do(t, "INCRBY", "stat:failed", "3")
	doc = askFailures(t, target)
	require.Equal(t, []any{0.0, 3.0}, []any{doc["count"], doc["missed"]})
	// Stats.reset
	s.Do(t, "SET", "stat:failed", "0")
	doc = askFailures(t, target)
	require.NotContains(t, doc, "missed", "nobody knows")
	require.EqualValues(t, 0, doc["count"])
}

func TestMoreNewFailuresThanAPollReads(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "HSET", "bull:q:meta", "version", "bullmq:5.0.0")
	s.Do(t, "SET", "bull:q:id", "1")
	target := atDatabase(t, s, 0)
	askFailures(t, target)
	s.Do(t, "EVAL", `for i = 1, 250 do redis.call('ZADD', 'bull:q:failed', 1795228300000 + i, 'j' .. i)
		redis.call('HSET', 'bull:q:j' .. i, 'name', 'n', 'failedReason', 'no ' .. i, 'finishedOn', 1795228300000 + i) end`, "0")
	doc := askFailures(t, target)
	require.Equal(t, []string{"200x n@q <nil>: no 250 dead=200"}, groupTexts(t, doc, "groups"), "the newest")
	require.EqualValues(t, 50, doc["missed"])
	s.Do(t, "EVAL", `for i = 251, 500 do redis.call('ZADD', 'bull:q:failed', 1795228300000 + i, 'j' .. i)
		redis.call('HSET', 'bull:q:j' .. i, 'name', 'n', 'failedReason', 'no ' .. i, 'finishedOn', 1795228300000 + i) end`, "0")
	doc = askFailures(t, target)
	require.Equal(t, []any{200.0, 50.0}, []any{doc["count"], doc["missed"]})
	// Those that stood before the newest are old, whatever was taken out.
	s.Do(t, "ZREMRANGEBYRANK", "bull:q:failed", "-100", "-1")
	doc = askFailures(t, target)
	require.Equal(t, []any{0.0, nil}, []any{doc["count"], doc["missed"]}, "no counter says that there were no others")
}

// TestNothingIsMissedOnlyWhereAllFailuresAreCounted: of a list alone nobody knows what
// failed and is not kept.
func TestNothingIsMissedOnlyWhereAllFailuresAreCounted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		seed, later []string
		missed      any
	}{
		"bullmq without metrics": {[]string{"HSET bull:q:meta version bullmq:5.0.0", "SET bull:q:id 1"}, nil, nil},
		"bullmq with metrics":    {[]string{"HSET bull:q:meta version bullmq:5.0.0", "HSET bull:q:metrics:failed count 3"}, nil, 0.0},
		"of one of two queues": {[]string{
			"HSET bull:q:meta version bullmq:5.0.0", "HSET bull:q:metrics:failed count 3", "HSET bull:r:meta version bullmq:5.0.0",
		}, nil, nil},
		"of one of two queues, which misses some": {[]string{
			"HSET bull:q:meta version bullmq:5.0.0", "HSET bull:q:metrics:failed count 3", "HSET bull:r:meta version bullmq:5.0.0",
		}, []string{"HSET bull:q:metrics:failed count 5"}, 2.0},
		"bull":    {[]string{"SET bull:q:id 1", "ZADD bull:q:completed 1 1"}, nil, nil},
		"rq":      {[]string{"SADD rq:queues rq:queue:a", "ZADD rq:failed:a 4000000000 j"}, nil, nil},
		"horizon": {[]string{fmt.Sprintf("ZADD shop_horizon:masters %d h", fieldAt), fmt.Sprintf("ZADD shop_horizon:supervisors %d h:s", fieldAt), "ZADD shop_horizon:failed_jobs -1795228300 j", "HSET shop_horizon:supervisor:h:s status running"}, nil, nil},
		"sidekiq": {[]string{"SADD queues a", "SET stat:processed 1", "SET stat:failed 1"}, nil, 0.0},
		"asynq":   {[]string{"SADD asynq:queues a", "SET asynq:{a}:failed 1"}, nil, 0.0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := seeded(t, tt.seed...)
			target := atDatabase(t, s, 0)
			askFailures(t, target)
			for _, cmd := range tt.later {
				s.Do(t, strings.Fields(cmd)...)
			}
			doc := askFailures(t, target)
			require.Equal(t, tt.missed, doc["missed"])
			require.Equal(t, tt.missed, doc["systems"].([]any)[0].(map[string]any)["missed"])
		})
	}
}

func TestResqueFailuresTakenOutAndCleared(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	now := time.Now().UTC()
	failed := func(i int) string {
		at := now.Add(time.Duration(i) * time.Second)
		if i < 10 {
			at = at.Add(-time.Hour)
		}
		return fmt.Sprintf(`{"failed_at":"`+at.Format("2006/01/02 15:04:05 MST")+`","payload":{"class":"C","args":[]},"exception":"E","error":"m","queue":"q","n":%d}`, i)
	}
	push := func(from, to int) {
		for i := from; i <= to; i++ {
			s.Do(t, "RPUSH", "resque:failed", failed(i))
		}
	}
	s.Do(t, "SADD", "resque:queues", "q")
	push(1, 9)
	target := atDatabase(t, s, 0)
	askFailures(t, target)
	s.Do(t, "LREM", "resque:failed", "1", failed(3))
	s.Do(t, "LREM", "resque:failed", "1", failed(4))
	push(10, 11)
	require.EqualValues(t, 2, askFailures(t, target)["count"], "as many came as went")
	s.Do(t, "LREM", "resque:failed", "1", failed(11))
	require.EqualValues(t, 0, askFailures(t, target)["count"])
	s.Do(t, "DEL", "resque:failed")
	push(12, 13)
	require.EqualValues(t, 2, askFailures(t, target)["count"])
	s.Do(t, "SADD", "resque:failed_queues", "mail_failed")
	s.Do(t, "RPUSH", "resque:mail_failed", failed(1))
	require.EqualValues(t, 0, askFailures(t, target)["count"], "a list that was not read before, and an old failure")
	s.Do(t, "RPUSH", "resque:mail_failed", failed(14))
	require.EqualValues(t, 1, askFailures(t, target)["count"])
}

// TestOnePollDoesNotTakeFromAnother: each item key has a last poll of its own.
func TestOnePollDoesNotTakeFromAnother(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t)
	require.Equal(t, true, askFailures(t, target, "", "", "", "sidekiq")["first"])
	require.Equal(t, true, askFailures(t, target, "", "", "", "sidekiq", "slow")["first"])
	s.Do(t, "ZADD", "dead", "1795228300", sidekiqFailed("a", "A", "m", failedAt, ""))
	require.EqualValues(t, 1, askFailures(t, target)["count"])
	require.EqualValues(t, 1, askFailures(t, target, "", "", "", "sidekiq")["count"])
	doc := askFailures(t, target, "", "", "", "sidekiq", "slow")
	require.EqualValues(t, 0, doc["count"], "it is of another queue")
	require.NotContains(t, doc, "missed", "the counter is of all queues")
	require.EqualValues(t, 1, metrictest.Rows(t, doc["systems"])[0]["failed"])
}

func TestWhatIsNotThereHasNoFailures(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t)
	s.Do(t, "SADD", "_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
	s.Do(t, "SADD", "asynq:queues", "q")
	for _, raw := range [][]string{
		{"", "", "", "sidekiq", "none"}, {"", "", "", "sidekiq", "default", "none"}, {"", "", "", "sidekiq", "", "none"},
		{"", "", "", "bullmq", "none"}, {"", "", "", "asynq", "none"}, {"", "", "", "resque", "none"},
		{"", "", "", "celery"}, {"", "", "", "laravel"}, {"", "", "", "horizon"},
	} {
		for range 2 {
			doc := askFailures(t, target, raw...)
			for _, member := range []string{"count", "missed"} {
				require.NotContains(t, doc, member, raw)
			}
			rows := metrictest.Rows(t, doc["systems"])
			if len(rows) == 0 {
				require.NotEmpty(t, metrictest.Section(t, doc, "unavailable")["systems"])
				continue
			}
			require.NotEmpty(t, metrictest.Section(t, rows[0], "unavailable")["failures"], raw)
			require.NotContains(t, rows[0], "count")
			require.NotContains(t, rows[0], "failed")
		}
	}
	args, err := failuresMetric.ParseArgs([]string{"", "", "", "", "default"})
	require.NoError(t, err)
	_, err = failuresMetric.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{}})
	require.EqualError(t, err, "a queue or a prefix needs the job system it belongs to, in parameter 4 (System)")
	metrictest.RequireDown(t, failuresMetric)
}

// TestAHugeJobHidesNoOtherFailure: not in the poll that reads it, and not later.
func TestAHugeJobHidesNoOtherFailure(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2 << 20, 9 << 20} { // a client takes 8 MiB
		s := redistest.Borrow(t)
		s.Do(t, "SADD", "queues", "default")
		conn := limited(t, s, resp.Limits{MaxReply: 8 << 20, MaxBulk: 8 << 20})
		target := metrictest.NewTarget(conn.Conn)
		askFailures(t, target)
		put := func(i int, class, more string) {
			s.Do(t, "ZADD", "retry", fmt.Sprint(1795228400+i), sidekiqFailed(fmt.Sprint(i), class, "m", failedAt+float64(i), more))
			s.Do(t, "INCR", "stat:failed")
		}
		for i := range 30 {
			put(i, "Small", "")
		}
		put(30, "Huge", `,"x":"`+strings.Repeat("x", size)+`"`)
		count, unreadable := 0.0, 0.0
		for round := range 4 {
			put(31+round, "Small", "")
			doc := askFailures(t, target)
			for _, g := range metrictest.Rows(t, doc["groups"]) {
				require.Equal(t, "Small", g["class"])
				count += g["count"].(float64)
			}
			unreadable += metrictest.Rows(t, doc["systems"])[0]["unreadable"].(float64)
		}
		require.EqualValues(t, 34, count, "%d bytes", size)
		require.LessOrEqual(t, unreadable, 1.0)
	}
}

// TestAnArgumentTooLargeToBeReadHidesTheMessage, and not the failure.
func TestAnArgumentTooLargeToBeReadHidesTheMessage(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "HSET", "bull:q:meta", "version", "bullmq:5.0.0")
	target := atDatabase(t, s, 0)
	askFailures(t, target)
	s.Do(t, "ZADD", "bull:q:failed", "1795228300000", "a")
	s.Do(t, "HSET", "bull:q:a", "name", "n", "failedReason", "secret argument", "stacktrace", `["TypeError: secret argument"]`,
		"finishedOn", "1795228300000", "data", strings.Repeat("x", maxDetail+1))
	doc := askFailures(t, target)
	require.Equal(t, []string{"1x n@q TypeError: (not shown: the job has too many arguments to recognize them in it) dead=1"}, groupTexts(t, doc, "groups"))
}

// TestADamagedKeyHidesNothingElse gives each key another type in turn.
func TestADamagedFailureKeyHidesNothingElse(t *testing.T) {
	t.Parallel()
	s := startFixture(t, "job-systems.rdb")
	for _, c := range []struct {
		db  int
		key string
		// told: the count of what is new is still told, of which more than nothing was found.
		left int
	}{
		{0, "dead", 1}, {0, "retry", 1}, {0, "stat:failed", 2}, {1, "resque:failed", 0}, {1, "resque:failed_queues", 1},
		{2, "rq:failed:default", 0}, {2, "rq:results:n", 1}, {5, "bull:mail:failed", 0}, {5, "bull:mail:metrics:failed", 1},
		{7, "asynq:{default}:retry", 0}, {7, "asynq:{default}:archived", 1}, {7, "asynq:{default}:failed", 1},
	} {
		i := slices.IndexFunc(failingCases(), func(f failingCase) bool { return f.db == c.db })
		f := failingCases()[i]
		target := atDatabase(t, s, c.db)
		askFailures(t, target)
		s.Do(t, "SELECT", fmt.Sprint(c.db))
		for _, cmd := range f.fail {
			s.Do(t, cmd...)
		}
		other := []string{"SET", c.key, "x"}
		if s.Do(t, "TYPE", c.key) == "string" {
			other = []string{"RPUSH", c.key, "x"}
		}
		s.Do(t, "COPY", c.key, "saved", "REPLACE")
		s.Do(t, "DEL", c.key)
		s.Do(t, other...)
		doc := askFailures(t, target)
		row := rowsByID(doc, "systems")[f.system+"/"+f.prefix]
		require.NotNil(t, row)
		require.NotEmpty(t, row["unavailable"], c.key)
		if c.left > 0 {
			require.EqualValues(t, c.left, doc["count"], c.key)
		} else {
			require.NotContains(t, doc, "count", "%s: nothing found is not none", c.key)
		}
		s.Do(t, "DEL", c.key)
		if s.Do(t, "EXISTS", "saved") == "1" {
			s.Do(t, "RENAME", "saved", c.key)
		}
		doc = askFailures(t, target)
		require.Empty(t, rowsByID(doc, "systems")[f.system+"/"+f.prefix]["unavailable"])
		if c.key != "stat:failed" && c.left < len(f.groups) && c.key != "rq:results:n" {
			require.EqualValues(t, len(f.groups)-c.left, doc["count"], "%s: what was not read is told later", c.key)
		}
		for _, cmd := range f.fail { // as it was
			switch cmd[0] {
			case "ZADD":
				s.Do(t, "ZREM", cmd[1], cmd[3])
			case "RPUSH":
				s.Do(t, "RPOP", cmd[1])
			case "XADD":
				s.Do(t, "DEL", cmd[1])
			}
		}
	}
}

func TestFailuresOfManyQueues(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "EVAL", `for i = 1, 1005 do local k = 'asynq:{q' .. i .. '}:' redis.call('SADD', 'asynq:queues', 'q' .. i)
		for j = 1, 3 do redis.call('ZADD', k .. 'archived', 1795228300 + j, 'j' .. j) end end`, "0")
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	askFailures(t, target)
	s.Do(t, "EVAL", `for i = 1, 1005 do local k = 'asynq:{q' .. i .. '}:' redis.call('INCR', k .. 'failed') redis.call('ZADD', k .. 'archived', 1795228400, 'n')
		redis.call('HSET', k .. 't:n', 'msg', '\010\001t\058\001m') end`, "0")
	d.Calls = 0
	doc := askFailures(t, target)
	require.LessOrEqual(t, d.Calls, maxFailureRounds)
	require.Equal(t, []any{1000.0, 0.0}, []any{doc["count"], doc["missed"]})
	require.Equal(t, map[string]any{"queues": 5.0}, doc["truncated"])
	require.Len(t, doc["groups"], 1)
	require.EqualValues(t, 3*1000+1000, metrictest.Rows(t, doc["systems"])[0]["failed"])
}

// TestNoFailureBlocksTheServer: no command of a poll of long sets is slow each time,
// as one may be on a busy machine.
func TestNoFailureBlocksTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--slowlog-log-slower-than", "10000", "--slowlog-max-len", "100"}})
	s.Do(t, "SADD", "queues", "default")
	fill := `for i = 1, 20000 do redis.call('ZADD', KEYS[1], 1795228300 + i, '{"jid":"' .. KEYS[1] .. i .. '","class":"C","args":[],"error_class":"E","error_message":"m","failed_at":1795228300}') end`
	s.Do(t, "EVAL", fill, "1", "dead")
	s.Do(t, "EVAL", fill, "1", "retry")
	s.Do(t, "SLOWLOG", "RESET")
	target := atDatabase(t, s, 0)
	const polls = 3
	slow := 0
	for range polls {
		s.Do(t, "INCR", "stat:failed")
		doc := askFailures(t, target)
		require.EqualValues(t, 20000, metrictest.Rows(t, doc["systems"])[0]["retry"])
		if s.Do(t, "SLOWLOG", "LEN") != "0" {
			slow++
		}
		s.Do(t, "SLOWLOG", "RESET")
	}
	require.Less(t, slow, polls)
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t)
	word := func(i int) string { return string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	for i := range maxGroups + 20 {
		s.Do(t, "ZADD", "dead", fmt.Sprint(1795228300+i), sidekiqFailed(word(i), "C", "no "+word(i), failedAt, ""))
	}
	doc := askFailures(t, target)
	require.Len(t, doc["groups"], maxGroups)
	require.Equal(t, map[string]any{"groups": 20.0}, doc["truncated"])
	require.EqualValues(t, maxGroups+20, doc["count"])
}

// FuzzFailuresDocument answers every command with the same value.
func FuzzFailuresDocument(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\n1\r\n$1\r\n5\r\n"))
	f.Add([]byte("*2\r\n$1\r\n0\r\n*2\r\n$3\r\nC|p\r\n$1\r\n5\r\n"))
	f.Add([]byte("*2\r\n$1\r\n0\r\n*1\r\n$10\r\nrq:queue:a\r\n"))
	f.Add([]byte(":3\r\n"))
	f.Add([]byte("$-1\r\n"))
	f.Add([]byte("-NOPERM no\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		d := echo(wire)
		if _, err := d.value(); err != nil {
			return
		}
		target := metrictest.NewTarget(d)
		for range 2 {
			for _, system := range slices.Sorted(maps.Keys(withFailures())) {
				metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, failuresMetric, target, "", "", "", system, "", "p")))
				metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, failuresMetric, target, "", "", "", system, "q")))
			}
		}
	})
}

// withFailures are the systems that keep failed jobs.
func withFailures() map[string]bool {
	out := map[string]bool{}
	for _, s := range all {
		if spec := s.Spec(); spec.NoFailures() == "" {
			out[spec.Name] = true
		}
	}
	return out
}
