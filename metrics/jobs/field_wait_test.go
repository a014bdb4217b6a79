package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// busySystem is a system with one queue in which jobs wait, and whose workers have
// so many free slots.
type busySystem struct {
	id string
	// seed writes jobs that wait in queue slow, and two slots of which those are
	// taken; run is whether by a job of that queue, or of another one.
	seed func(taken int, own bool) []string
}

// busySystems are all systems whose workers have slots.
func busySystems() []busySystem {
	queueOf := func(own bool) string {
		if own {
			return "slow"
		}
		return "other"
	}
	return []busySystem{
		{"sidekiq/", func(taken int, own bool) []string {
			out := []string{
				"SADD queues slow other", fmt.Sprintf(`LPUSH queue:slow {"jid":"j","enqueued_at":%d}`, fieldAt-5), "SADD processes h:1:a",
				fmt.Sprintf(`HSET h:1:a busy %d concurrency 2 quiet false info {"concurrency":2}`, taken),
			}
			for i := range taken {
				out = append(out, fmt.Sprintf(`HSET h:1:a:work t%d {"queue":"%s","run_at":%d}`, i, queueOf(own), fieldAt-5))
			}
			return out
		}},
		{"resque/resque", func(taken int, own bool) []string {
			out := []string{"SADD resque:queues slow other", "RPUSH resque:queue:slow {}"}
			for i := range 2 {
				id := fmt.Sprintf("h:%d:slow,other", i)
				out = append(out, "SADD resque:workers "+id, "HSET resque:workers:heartbeat "+id+" 2026-11-29T11:00:00Z")
				if i < taken {
					out = append(out, fmt.Sprintf(`SET resque:worker:%s {"queue":"%s","run_at":"2026-11-29T11:00:00Z"}`, id, queueOf(own)))
				}
			}
			return out
		}},
		{"rq/rq", func(taken int, own bool) []string {
			out := []string{
				"SADD rq:queues rq:queue:slow rq:queue:other", "RPUSH rq:queue:slow j9", "HSET rq:job:j9 enqueued_at 2026-11-29T11:00:00Z",
			}
			for i := range 2 {
				out = append(out, fmt.Sprintf("SADD rq:workers rq:worker:w%d", i))
				if i < taken {
					out = append(out, fmt.Sprintf("HSET rq:worker:w%d state busy queues slow,other current_job j%d", i, i),
						fmt.Sprintf("HSET rq:job:j%d started_at 2026-11-29T11:00:00Z", i), fmt.Sprintf("ZADD rq:wip:%s %d j%d", queueOf(own), fieldAt+9999, i))
				} else {
					out = append(out, fmt.Sprintf("HSET rq:worker:w%d state idle queues slow,other", i))
				}
			}
			return out
		}},
		{"asynq/", func(taken int, own bool) []string {
			out := []string{
				"SADD asynq:queues slow other", "LPUSH asynq:{slow}:pending 9", fmt.Sprintf("HSET asynq:{slow}:t:9 pending_since %d000000000", fieldAt-5),
				"ZADD asynq:servers 4000000000 asynq:servers:{a}", "SET asynq:servers:{a} <server>",
			}
			for i := range taken {
				out = append(out, fmt.Sprintf("LPUSH asynq:{%s}:active %d", queueOf(own), i), fmt.Sprintf("ZADD asynq:{%s}:lease 4000000000 %d", queueOf(own), i),
					fmt.Sprintf("HSET asynq:workers:{a} %d <task>", i))
			}
			return out
		}},
	}
}

// slow is that queue of a reading.
func slow(t *testing.T, r *reading) *queue {
	t.Helper()
	for _, q := range r.Queues {
		if q.Name == "slow" {
			return q
		}
	}
	require.Fail(t, "no queue slow")
	return nil
}

// TestNothingIsTakenBecauseAllAreBusy: that is not what stuck means, whether the
// slots are taken by jobs of the queue itself or of others. With a free slot it is.
func TestNothingIsTakenBecauseAllAreBusy(t *testing.T) {
	t.Parallel()
	for _, system := range busySystems() {
		for _, tt := range []struct {
			name             string
			taken            int
			own              bool
			stuck, saturated float64
		}{
			{"all slots have its jobs", 2, true, 0, 1},
			{"all slots have jobs of another queue", 2, false, 0, 1},
			{"one of two has its job", 1, true, 0, 1},
			{"one of two has a job of another queue", 1, false, 1, 0},
			{"all slots are free", 0, false, 1, 0},
		} {
			t.Run(system.id+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				f := newField(t, system.seed(tt.taken, tt.own)...)
				connect(t, f.s, 0, "BLPOP none 0")
				f.poll(0, system.id)
				r := f.poll(70, system.id)
				q := slow(t, r)
				want(t, &q.figures, figStalled, 70)
				want(t, &q.figures, figStuck, tt.stuck)
				want(t, &q.figures, figSaturated, tt.saturated)
				want(t, &r.figures, figQueuesStuck, tt.stuck)
				want(t, &r.figures, figQueuesSaturated, tt.saturated)
			})
		}
	}
}

// TestASlotThatWasFreeForAMomentOnly does not make a queue stuck at once.
func TestASlotThatWasFreeForAMomentOnly(t *testing.T) {
	t.Parallel()
	f := newField(t, busySystems()[0].seed(2, false)...)
	f.poll(0, "sidekiq/")
	f.poll(70, "sidekiq/")
	f.s.Do(t, "HSET", "h:1:a", "busy", "1")
	f.s.Do(t, "HDEL", "h:1:a:work", "t1")
	want(t, &slow(t, f.poll(30, "sidekiq/")).figures, figStuck, 0)
	want(t, &slow(t, f.poll(60, "sidekiq/")).figures, figStuck, 1)
}

// TestWorkersThatDoNotServeTheQueue are no help, and no excuse. The capsules of Sidekiq 7
// are known by their queues alone, and not by their slots.
func TestWorkersThatDoNotServeTheQueue(t *testing.T) {
	t.Parallel()
	const unknown = -1
	const capsules8 = `{"concurrency":4,"queues":["slow","other"],"capsules":{"a":{"concurrency":1,"weights":{"slow":0}},"b":{"concurrency":3,"weights":{"other":0}}}}`
	const capsules7 = `{"concurrency":6,"queues":["default","slow","other"],"weights":[{"default":0},{"slow":0,"other":0}]}`
	for name, tt := range map[string]struct {
		info      string
		work      []string
		stuck     float64
		full      float64
		saturated float64
	}{
		// Two capsules: one of them is full, the other idle.
		"full capsule": {capsules8, []string{"slow"}, 0, 1, 1},
		"idle capsule": {`{"concurrency":4,"queues":["slow","other"],"capsules":{"a":{"concurrency":3,"weights":{"slow":0}},"b":{"concurrency":1,"weights":{"other":0}}}}`,
			[]string{"other"}, 1, 1, 0},
		// What a job of it says cannot be read: then it is not known which capsule runs it.
		"odd job":          {capsules8, []string{`slow","run_at":"x","x":"`}, unknown, unknown, unknown},
		"nobody serves it": {`{"concurrency":1,"queues":["other"]}`, []string{"other"}, 1, 1, 0},
		"half":             {`{"concurrency":2,"queues":["other","slow"]}`, []string{"other"}, 1, 0.5, 0},

		"7: its capsule runs another's job":  {capsules7, []string{"other"}, unknown, unknown, unknown},
		"7: its capsule runs nothing":        {capsules7, []string{"default"}, 1, unknown, 0},
		"7: nothing runs":                    {capsules7, nil, 1, 0, 0},
		"7: all slots of the process":        {capsules7, []string{"default", "default", "default", "default", "default", "other"}, 0, 1, 1},
		"7: all that others may leave to it": {capsules7, []string{"other", "other", "other", "other", "other"}, 0, 1, 1},
		"7: all but one":                     {capsules7, []string{"other", "other", "other", "other"}, unknown, unknown, unknown},
		"7: two capsules may run it":         {`{"concurrency":6,"weights":[{"other":0},{"slow":0,"other":0}]}`, []string{"other"}, unknown, unknown, unknown},
		"7: two, and all slots are taken":    {`{"concurrency":2,"weights":[{"other":0},{"slow":0,"other":0}]}`, []string{"other", "other"}, 0, 1, 1},
		"7: one capsule":                     {`{"concurrency":2,"queues":["slow","other"],"weights":[{"slow":0,"other":0}]}`, []string{"other"}, 1, 0.5, 0},
		"7: no weights of capsules":          {`{"concurrency":2,"queues":["slow","other"],"weights":{"slow":0}}`, []string{"other"}, 1, 0.5, 0},
		// Each queue of Exq has slots of its own.
		"Exq": {`{"concurrency":0,"queues":["slow","other"]}`, []string{"other"}, 1, unknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, "SADD queues slow other default", fmt.Sprintf(`LPUSH queue:slow {"jid":"j","enqueued_at":%d}`, fieldAt-5), "SADD processes h:1:a",
				fmt.Sprintf(`HSET h:1:a busy %d quiet false info %s`, len(tt.work), tt.info))
			for i, queue := range tt.work {
				f.s.Do(t, "HSET", "h:1:a:work", fmt.Sprint(i), fmt.Sprintf(`{"queue":"%s","run_at":%d}`, queue, fieldAt-5))
			}
			f.poll(0, "sidekiq/")
			r := f.poll(70, "sidekiq/")
			for figure, value := range map[figure]float64{figStuck: tt.stuck, figSaturated: tt.saturated, figUtilisation: tt.full} {
				of := &slow(t, r).figures
				if figure == figUtilisation {
					of = &r.figures
				}
				if value == unknown {
					_, known := of.Get(figure)
					require.False(t, known, figure.String())
				} else {
					want(t, of, figure, value)
				}
			}
		})
	}
}

// TestTheFullestProcessesCount: those that serve the same queues are one group.
func TestTheFullestProcessesCount(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD queues a", "SADD processes h:1:a h:2:a h:3:b",
		`HSET h:1:a busy 4 concurrency 4 quiet false info {"queues":["mail","sms"]}`,
		`HSET h:2:a busy 2 concurrency 4 quiet false info {"queues":["sms","mail"]}`,
		`HSET h:3:b busy 0 concurrency 10 quiet false info {"queues":["reports"]}`)
	want(t, &f.poll(0, "sidekiq/").figures, figUtilisation, 0.75)
}

// TestADeadWorkersJobDoesNotKeepAQueueBusy.
func TestADeadWorkersJobDoesNotKeepAQueueBusy(t *testing.T) {
	t.Parallel()
	for id, seed := range map[string][]string{
		"asynq/": {
			"SADD asynq:queues slow", "LPUSH asynq:{slow}:pending 9", fmt.Sprintf("HSET asynq:{slow}:t:9 pending_since %d000000000", fieldAt-5),
			"ZADD asynq:servers 4000000000 asynq:servers:{a}", "SET asynq:servers:{a} <server>",
			"LPUSH asynq:{slow}:active 1", "HSET asynq:{slow}:t:1 msg x", "ZADD asynq:{slow}:lease 1795940000 1",
		},
		"resque/resque": {
			"SADD resque:queues slow", "RPUSH resque:queue:slow {}", "SADD resque:workers h:1:slow h:2:slow",
			"HSET resque:workers:heartbeat h:1:slow 2026-11-29T09:00:00Z h:2:slow 2026-11-29T11:00:00Z",
			`SET resque:worker:h:1:slow {"queue":"slow","run_at":"2026-11-29T09:00:00Z"}`,
		},
	} {
		f := newField(t, seed...)
		f.poll(0, id)
		r := f.poll(70, id)
		want(t, &slow(t, r).figures, figStuck, 1)
		want(t, &r.figures, figOrphaned, 1)
	}
}

// TestARateLimitIsNoFault: of BullMQ, and of Bull where jobs are left waiting.
func TestARateLimitIsNoFault(t *testing.T) {
	t.Parallel()
	for system, meta := range map[string]string{
		"bullmq": "HSET bull:slow:meta version bullmq:6.7.0", "bull": "SET bull:slow:id 2",
	} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			id := system + "/bull"
			f := newField(t, meta, "RPUSH bull:slow:wait 2 1", fmt.Sprintf("HSET bull:slow:1 timestamp %d000", fieldAt-5), "SET bull:slow:limiter 1 PX 600000")
			d := dial(t, f.s, "", 0)
			_, err := d.Conn.DoAll(t.Context(), []string{"CLIENT", "SETNAME", "bull:c2xvdw=="})
			require.NoError(t, err)
			f.poll(0, id)
			r := f.poll(70, id)
			q := slow(t, r)
			if system == "bull" { // whether they are left waiting (bounceBack) is not known
				wantUnknown(t, &q.figures, figRateLimited, "known to the workers alone")
				wantUnknown(t, &q.figures, figStuck, "it is not known")
				_, known := q.Get(figSaturated)
				require.False(t, known)
			} else {
				want(t, &q.figures, figRateLimited, 2)
				want(t, &r.figures, figRateLimited, 2)
				want(t, &q.figures, figStuck, 0)
				want(t, &q.figures, figSaturated, 0)

				// It has begun, and may go on.
				f.s.Do(t, "HSET", "bull:slow:meta", "max", "5")
				want(t, &slow(t, f.poll(1, id)).figures, figRateLimited, 0)
				f.s.Do(t, "SET", "bull:slow:limiter", "5", "PX", "600000")
				want(t, &slow(t, f.poll(1, id)).figures, figRateLimited, 2)
			}
			f.s.Do(t, "DEL", "bull:slow:limiter")
			f.poll(1, id)
			q = slow(t, f.poll(70, id))
			want(t, &q.figures, figRateLimited, 0)
			want(t, &q.figures, figStuck, 1)
			f.s.Do(t, "LPUSH", "bull:slow:active", "7") // a global concurrency of 1, say
			f.s.Do(t, "SET", "bull:slow:7:lock", "token")
			f.s.Do(t, "HSET", "bull:slow:7", "processedOn", fmt.Sprint(fieldAt, "000"))
			q = slow(t, f.poll(10, id))
			want(t, &q.figures, figStuck, 0)
			want(t, &q.figures, figSaturated, 1)
		})
	}
}

// TestSinceWhenADelayedJobWaits: not since it was made.
func TestSinceWhenADelayedJobWaits(t *testing.T) {
	t.Parallel()
	const made = fieldAt - 86400
	bull := func(meta string, fields string) []string {
		return []string{meta, "RPUSH bull:slow:wait repeat:daily:1", fmt.Sprintf("HSET bull:slow:repeat:daily:1 timestamp %d000 delay 0 %s", made, fields)}
	}
	laravel := func(fields string) []string {
		return []string{fmt.Sprintf(`RPUSH shop-database-queues:slow {"id":"x","job":"J","createdAt":%d%s}`, made, fields)}
	}
	const bullmqMeta, bullID, mq, bl, lv = "HSET bull:slow:meta version bullmq:6.7.0", "SET bull:slow:id 1", "bullmq/bull", "bull/bull", "laravel/shop-database-"
	for _, tt := range []struct {
		name, id string
		seed     []string
		latency  float64
		unknown  string
		later    float64 // a minute later
	}{
		{"BullMQ delayed", mq, bull(bullmqMeta, `opts {"delay":86390000}`), 10, "", 70},
		{"Bull delayed", bl, bull(bullID, `opts {"delay":86390000}`), 10, "", 70},
		{"BullMQ at once", mq, bull(bullmqMeta, `opts {}`), 86400, "", 86460},
		{"BullMQ promoted before its time", mq, bull(bullmqMeta, `opts {"delay":96400000}`), -1, "not seen yet", 60},
		{"BullMQ retried by hand", mq, bull(bullmqMeta, `opts {} atm 1`), -1, "somebody had it tried again", -1},
		{"Bull retried by hand", bl, bull(bullID, `opts {} attemptsMade 1`), -1, "somebody had it tried again", -1},
		{"BullMQ tried again", mq, bull(bullmqMeta, fmt.Sprintf(`opts {"attempts":3} atm 1 processedOn %d000`, fieldAt-50)), -1, "not seen yet", 60},
		{"BullMQ with odd options", mq, bull(bullmqMeta, `opts {"delay":-1}`), -1, "its delay is none", -1},
		{"Laravel 13 delayed", lv, laravel(`,"attempts":0,"delay":86400`), 0, "", 60},
		{"Laravel 13 at once", lv, laravel(`,"attempts":0,"delay":null`), 86400, "", 86460},
		{"Laravel 12", lv, laravel(`,"attempts":0`), 86400, "", 86460},
		{"Laravel tried again", lv, laravel(`,"attempts":1,"delay":null`), -1, "not seen yet", 60},
		{"Laravel with an odd delay", lv, laravel(`,"attempts":0,"delay":"x"`), -1, "its delay is none", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, tt.seed...)
			check := func(r *reading, latency float64, unknown string) {
				t.Helper()
				if latency < 0 {
					wantUnknown(t, &slow(t, r).figures, figLatency, unknown)
					return
				}
				want(t, &slow(t, r).figures, figLatency, latency)
				want(t, &r.figures, figLatency, latency)
			}
			check(f.poll(0, tt.id), tt.latency, tt.unknown)
			check(f.poll(60, tt.id), tt.later, tt.unknown)
		})
	}
}

// TestTheOldestOfManyRunningJobs is at the other end than the newest, and so are
// those that a dead worker left.
func TestTheOldestOfManyRunningJobs(t *testing.T) {
	t.Parallel()
	for id, meta := range map[string]string{"bullmq/bull": "HSET bull:slow:meta version bullmq:6.7.0", "bull/bull": "SET bull:slow:id 150"} {
		f := newField(t, meta)
		f.s.Do(t, "EVAL", `for i=1,150 do redis.call('LPUSH','bull:slow:active',i) redis.call('SET','bull:slow:'..i..':lock','x','PX',600000)
			redis.call('HSET','bull:slow:'..i,'timestamp',1795940000000,'processedOn',(i<=50 and ARGV[1]-7200 or ARGV[1]-5)..'000') end`, "0", fmt.Sprint(fieldAt))
		r := f.poll(0, id)
		want(t, &r.figures, figOldestRunning, 7200)
		want(t, &r.figures, figActive, 150)
		wantUnknown(t, &slow(t, r).figures, figOrphaned, "not all were looked at")
		f.s.Do(t, "DEL", "bull:slow:1:lock", "bull:slow:2:lock")
		want(t, &slow(t, f.poll(1, id)).figures, figOrphaned, 2)
	}
}
