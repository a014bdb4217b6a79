package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsUnknownOfOneQueueHidesNoOther, in every system that tells latencies.
func TestWhatIsUnknownOfOneQueueHidesNoOther(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD queues default huge mute", fmt.Sprintf(`LPUSH queue:default {"jid":"a","enqueued_at":%d}`, fieldAt-100),
		`LPUSH queue:mute {"jid":"c"}`)
	f.s.Do(t, "LPUSH", "queue:huge", fmt.Sprintf(`{"jid":"b","enqueued_at":%d,"args":["%s"]}`, fieldAt-5, strings.Repeat("x", maxPayload)))
	r := f.poll(0, "sidekiq/")
	want(t, &r.figures, figLatency, 100)
	want(t, &r.figures, figLatencyUnknown, 2)
	want(t, &r.figures, figWaiting, 3)
	want(t, &r.figures, figQueuesPaused, 0)
	wantUnknown(t, &r.figures, figQueuesStuck, "it is not known of 2 queues")

	// Of none of those that may wait it is known: 0 would be wrong.
	f.s.Do(t, "DEL", "queue:default")
	wantUnknown(t, &f.poll(1, "sidekiq/").figures, figLatency, "it is not known of 2 queues")

	// What is stuck is said, whatever else is not known.
	f = newField(t, busySystems()[0].seed(0, false)...)
	f.s.Do(t, "LPUSH", "queue:other", "no JSON")
	f.poll(0, "sidekiq/")
	want(t, &f.poll(70, "sidekiq/").figures, figQueuesStuck, 1)
}

// TestWhatAnItemKeyNamesAndDoesNotExist is unknown, of all systems that list their
// queues.
func TestWhatAnItemKeyNamesAndDoesNotExist(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD queues a", "SADD resque:queues a", "SADD rq:queues rq:queue:a", "SADD asynq:queues a",
		"SADD _kombu.binding.celery a\x06\x16\x06\x16a", "HSET bull:a:meta version bullmq:6.7.0", "SET app:a:id 1", "RPUSH app:a:wait 1")
	pollOnce(t, f.d, f.m, f.o, query{}) // searches
	for system, prefix := range map[string]string{
		"sidekiq": "", "resque": "", "rq": "", "asynq": "", "celery": "", "bullmq": "", "bull": "app",
	} {
		r := pollOnce(t, f.d, f.m, f.o, query{System: system, Prefix: prefix, Queue: "nope"}).Systems[0]
		wantUnknown(t, &r.Queues[0].figures, figWaiting, "there is no such queue")
		r = pollOnce(t, f.d, f.m, f.o, query{System: system, Prefix: prefix, Queue: "a"}).Systems[0]
		_, known := r.Queues[0].Get(figWaiting)
		require.True(t, known, "%s: %v", system, r.Queues[0].Problems)

		if system == "asynq" { // has no prefix
			continue
		}
		r = pollOnce(t, f.d, f.m, f.o, query{System: system, Prefix: "nope"}).Systems[0]
		wantUnknown(t, &r.figures, figWaiting, `under the prefix "nope`)
		r = pollOnce(t, f.d, f.m, f.o, query{System: system, Prefix: "nope", Queue: "a"}).Systems[0]
		wantUnknown(t, &r.Queues[0].figures, figWaiting, "there is no such queue")
	}
	// A key of a queue is proof enough.
	f.s.Do(t, "LPUSH", "queue:unlisted", "{}")
	r := pollOnce(t, f.d, f.m, f.o, query{System: "sidekiq", Queue: "unlisted"}).Systems[0]
	want(t, &r.Queues[0].figures, figWaiting, 1)
}

// TestSystemsThatMoveIn are seen by the second poll, whether their keys have fixed
// names or not.
func TestSystemsThatMoveIn(t *testing.T) {
	t.Parallel()
	for id, seed := range map[string][]string{
		"sidekiq/": {"SET stat:processed 1"}, "bullmq/{app}": {"HSET {app}:mail:meta version bullmq:6.7.0"},
		"bull/app": {"SET app:mail:id 1", "RPUSH app:mail:wait 1"}, "sidekiq/shop": {"SADD shop:processes a", "SADD shop:queues a"},
		"laravel/shop-database-": {`RPUSH shop-database-queues:late {"id":"x","job":"J"}`},
		"horizon/shop_horizon:":  {"ZADD shop_horizon:masters 1 a", "ZADD shop_horizon:supervisors 1 a"},
		"celery/app:":            {"SADD app:_kombu.binding.video video::video"},
		"rq/shop":                {"SADD shop:queues shop:queue:a", "HSET shop:job:1 origin a created_at x"},
		"resque/shop":            {"SADD shop:workers a", "HSET shop:workers:heartbeat a b"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newField(t, "SET a b", "HSET other:queue:meta x y")
			require.Empty(t, ids(pollOnce(t, f.d, f.m, f.o, query{})))
			for _, c := range seed {
				f.s.Do(t, strings.Fields(c)...)
			}
			f.d.reset()
			require.Empty(t, ids(pollOnce(t, f.d, f.m, f.o, query{})))
			require.LessOrEqual(t, f.d.calls, 2, "the search has no round trips of its own")
			require.Equal(t, []string{id}, ids(pollOnce(t, f.d, f.m, f.o, query{})))
			require.NotContains(t, fmt.Sprint(f.d.sent[len(f.d.sent)-3:]), "other:queue:meta", "what was examined in vain is not examined again")
		})
	}
}

// TestManyMomentsOfResqueScheduler leave what is overdue, which is read first.
func TestManyMomentsOfResqueScheduler(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD resque:queues a")
	f.s.Do(t, "EVAL", `for i=1,ARGV[2]+1 do local at=ARGV[1]-10+i*10 redis.call('ZADD','resque:delayed_queue_schedule',at,at) redis.call('RPUSH','resque:delayed:'..at,'{}','{}') end`,
		"0", fmt.Sprint(fieldAt), fmt.Sprint(maxTimestamps))
	r := f.poll(55, "resque/resque")
	want(t, &r.figures, figOverdue, 6)
	wantUnknown(t, &r.figures, figScheduled, "there are 5001 moments, more than the 5000 that are read")
	wantUnknown(t, &f.poll(1e6, "resque/resque").figures, figOverdue, "are over")
}

// TestQueuesBeyondTheRows are in the sums, and a system leaves rows to the others.
func TestQueuesBeyondTheRows(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD rq:queues rq:queue:a", "HSET bull:q:meta version bullmq:6.7.0")
	f.s.Do(t, "EVAL", `for i=1,1500 do redis.call('SADD','queues','t'..i) redis.call('LPUSH','queue:t'..i,'{"jid":"a","enqueued_at":'..(ARGV[1]-60)..'}') end`,
		"0", fmt.Sprint(fieldAt))
	r := pollOnce(t, f.d, f.m, f.o, query{})
	require.Equal(t, []string{"sidekiq/", "rq/rq", "bullmq/bull"}, ids(r))
	want(t, &r.Systems[0].figures, figWaiting, 1500)
	want(t, &r.Systems[0].figures, figQueueCount, 1500)
	want(t, &r.Systems[0].figures, figLatency, 60)
	shown := len(r.Systems[0].Queues)
	require.Greater(t, shown, 800)
	want(t, &r.Systems[0].figures, figLatencyUnknown, float64(1500-shown))
	require.Equal(t, 1500-shown, r.Systems[0].Truncated)
	require.Len(t, r.Systems[1].Queues, 1)
	require.Len(t, r.Systems[2].Queues, 1)
	require.Empty(t, reasonOf(&r.Systems[0].figures, figAdded), "Sidekiq has no such figure")
}

// TestARunningJobThatTellsNothingHidesNoOther that hangs.
func TestARunningJobThatTellsNothingHidesNoOther(t *testing.T) {
	t.Parallel()
	for id, seed := range map[string][]string{
		"sidekiq/": {
			"SADD queues a", "SADD processes h:1:a", "HSET h:1:a busy 2 concurrency 2 info {}",
			fmt.Sprintf(`HSET h:1:a:work t1 [ t2 {"queue":"a","run_at":%d}`, fieldAt-700),
		},
		"resque/resque": {
			"SADD resque:queues a", "SADD resque:workers h:1:a h:2:a", "SET resque:worker:h:2:a [",
			"HSET resque:workers:heartbeat h:1:a 2026-11-29T11:00:00Z h:2:a 2026-11-29T11:00:00Z",
			`SET resque:worker:h:1:a {"queue":"a","run_at":"2026-11-29T10:48:20Z"}`,
		},
		"rq/rq": {
			"SADD rq:queues rq:queue:a", "SADD rq:workers rq:worker:1 rq:worker:2", "HSET rq:worker:1 state busy current_job gone",
			"HSET rq:worker:2 state busy current_job j", "HSET rq:job:j started_at 2026-11-29T10:48:20.5Z",
		},
		"asynq/": {
			"SADD asynq:queues a", "ZADD asynq:servers 4000000000 asynq:servers:{a}", "SET asynq:servers:{a} <server>",
			"HSET asynq:workers:{a} 1 x 2 <task>",
		},
		"bullmq/bull": {
			"HSET bull:a:meta version bullmq:6.7.0", "LPUSH bull:a:active 1", fmt.Sprintf("HSET bull:a:1 processedOn %d000", fieldAt-700),
			"HSET bull:b:meta version bullmq:6.7.0", "LPUSH bull:b:active 1", "HSET bull:b:1 processedOn x",
		},
	} {
		f := newField(t, seed...)
		r := f.poll(0, id)
		oldest, ok := r.Get(figOldestRunning)
		require.True(t, ok, "%s: %v", id, r.Problems)
		require.Positive(t, oldest, id)
		want(t, &r.figures, figRunningUnknown, 1)
	}
	f := newField(t, "HSET bull:a:meta version bullmq:6.7.0", "LPUSH bull:a:active 1", fmt.Sprintf("HSET bull:a:1 processedOn %d000", fieldAt-700))
	f.s.Do(t, "ACL", "SETUSER", "poor", "on", "nopass", "~*", "+@all", "-client")
	f.d = dial(t, f.s, "poor", 0)
	f.d.at = fieldAt
	r := f.poll(0, "bullmq/bull")
	wantUnknown(t, &r.figures, figWorkersAlive, "NOPERM")
	want(t, &r.figures, figOldestRunning, 700)
}

// TestADeadCeleryIsStuck: its workers do not register, but none lives when no client
// listens to what all workers do.
func TestADeadCeleryIsStuck(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD _kombu.binding.celery celery\x06\x16\x06\x16celery", "LPUSH celery {}")
	f.poll(0, "celery/")
	r := f.poll(30, "celery/")
	want(t, &r.Queues[0].figures, figStuck, 0)
	r = f.poll(40, "celery/")
	want(t, &r.Queues[0].figures, figStuck, 1)
	want(t, &r.figures, figQueuesStuck, 1)

	listen := func(db int) {
		d := dial(t, f.s, "", db)
		_, err := d.Conn.DoAll(t.Context(), []string{"PSUBSCRIBE", "/0.celeryev/*"})
		require.NoError(t, err)
	}
	listen(5)
	want(t, &f.poll(10, "celery/").Queues[0].figures, figStuck, 1) // that is another database's
	listen(0)
	r = f.poll(10, "celery/")
	wantUnknown(t, &r.Queues[0].figures, figStuck, "workers are connected")
	wantUnknown(t, &r.figures, figQueuesStuck, "1 queues")
	f.s.Do(t, "RPOP", "celery")
	want(t, &f.poll(10, "celery/").Queues[0].figures, figStuck, 0)
}
