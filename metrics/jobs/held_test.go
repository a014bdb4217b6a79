package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
)

// holding is a system in which a job waits, one is held by a worker that did not
// register, and a periodic job is defined if the system has them; let ends the hold.
type holding struct {
	id   string
	seed []string
	let  []string
}

func holdings() []holding {
	bull := func(system, mark string) holding {
		return holding{system + "/bull",
			[]string{
				mark, "LPUSH bull:slow:wait 2", fmt.Sprintf("HSET bull:slow:2 timestamp %d000", fieldAt-5),
				"LPUSH bull:slow:active 1", fmt.Sprintf("HSET bull:slow:1 processedOn %d000", fieldAt-5), "SET bull:slow:1:lock x",
				fmt.Sprintf("ZADD bull:slow:repeat %d000 every", fieldAt+60),
			},
			[]string{"DEL", "bull:slow:1:lock"}}
	}
	return []holding{
		bull("bullmq", "HSET bull:slow:meta version bullmq:6.7.0"), bull("bull", "SET bull:slow:id 2"),
		{"asynq/", []string{
			"SADD asynq:queues slow", "LPUSH asynq:{slow}:pending 9", fmt.Sprintf("HSET asynq:{slow}:t:9 pending_since %d000000000", fieldAt-5),
			"LPUSH asynq:{slow}:active 1", "HSET asynq:{slow}:t:1 state active", fmt.Sprintf("ZADD asynq:{slow}:lease %d 1", fieldAt+30),
		}, []string{"ZADD", "asynq:{slow}:lease", fmt.Sprint(fieldAt - 1), "1"}},
		{"rq/rq", []string{
			"SADD rq:queues rq:queue:slow", "RPUSH rq:queue:slow j9", "HSET rq:job:j9 enqueued_at 2026-11-29T11:00:00Z",
			fmt.Sprintf("ZADD rq:wip:slow %d j1:e1", fieldAt+60),
		}, []string{"ZADD", "rq:wip:slow", fmt.Sprint(fieldAt - 1), "j1:e1"}},
		{"saq/", []string{
			"RPUSH saq:slow:queued saq:job:slow:9", fmt.Sprintf(`SET saq:job:slow:9 {"key":"saq:job:slow:9","queued":%d000}`, fieldAt-5),
			"RPUSH saq:slow:active saq:job:slow:1",
			fmt.Sprintf(`SET saq:job:slow:1 {"status":"active","started":%d000,"worker_id":"w"}`, fieldAt-5), "SET saq:slow:worker_info:w {}",
		}, []string{"DEL", "saq:slow:worker_info:w"}},
	}
}

// withoutHolds says of the other systems why a running job proves no worker.
var withoutHolds = map[string]string{
	"sidekiq": "what runs is read of living processes alone", "resque": "what runs is read of registered workers alone",
	"celery": "what runs is not known", "redbeat": "it has no queues", "laravel": "workers are not known at all",
	"horizon": "it has no queues", "symfony": "consumers and what they handle are told together",
	"huey": "what runs is not known", "arq": "a job's key is not renewed, and outlives its worker",
	"dramatiq": "what was fetched names its broker, whose last command is known", "taskiq": "what was fetched is not renewed",
	"beequeue": "jobs do not say who runs them", "djangoq": "what runs is not known", "plain": "workers are not known at all",
}

// TestAWorkerThatHoldsAJobLives though none registered: that none lives is not said, and
// nothing follows from it. When its hold ends, none does.
func TestAWorkerThatHoldsAJobLives(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, h := range holdings() {
		t.Run(h.id, func(t *testing.T) {
			t.Parallel()
			f := newField(t, h.seed...)
			for range 3 {
				r := f.poll(1, h.id)
				want(t, &r.figures, figActive, 1)
				want(t, &r.figures, figOrphaned, 0)
				wantUnknown(t, &r.figures, figWorkersAlive, "1 jobs are held by living workers")
				for _, name := range []figure{figWorkers, figWorkersBusy, figWorkersDead, figSchedulersAlive, figAbandoned, figUtilisation} {
					_, known := r.Get(name)
					require.False(t, known, name.String())
				}
				_, known := r.Queues[0].Get(figAbandoned)
				require.False(t, known)
			}
			f.s.Do(t, h.let...)
			r := f.poll(1, h.id)
			want(t, &r.figures, figActive, 1)
			want(t, &r.figures, figOrphaned, 1)
			want(t, &r.figures, figWorkersAlive, 0)
			want(t, &r.figures, figAbandoned, 1)
			want(t, &r.Queues[0].figures, figAbandoned, 1)
		})
		tested[h.id] = true
	}
	for _, system := range all {
		name := system.Spec().Name
		i := instance{name, system.Spec().DefaultPrefix}
		require.NotEqual(t, tested[i.ID()], withoutHolds[name] != "", "%s: either it has holds, or a reason why not", name)
	}
}

// named connects a client with a name.
func (f *field) named(names ...string) {
	f.t.Helper()
	for _, name := range names {
		_, err := dial(f.t, f.s, "", 0).Conn.DoAll(f.t.Context(), redisclient.Command{"CLIENT", "SETNAME", name})
		require.NoError(f.t, err)
	}
}

// TestBullMQForPython: its workers name two connections after the queue as it is.
func TestBullMQForPython(t *testing.T) {
	t.Parallel()
	f := newField(t, "HSET bull:py:meta version bullmq:6.7.0", "LPUSH bull:py:wait 2", "HSET bull:mail:meta version bullmq:6.7.0",
		fmt.Sprintf("ZADD bull:py:repeat %d000 every", fieldAt+60))
	want(t, &f.poll(0, "bullmq/bull").figures, figWorkersAlive, 0)
	f.named("bull:py", "bull:py")
	r := f.poll(1, "bullmq/bull")
	want(t, &r.figures, figWorkersAlive, 1)
	want(t, &r.figures, figSchedulersAlive, 1)
	want(t, &r.figures, figAbandoned, 0)
	f.named("bull:mail:w:one", "bull:mail:w:one", "bull:other", "bull:py:qe") // mail is base64 of something, too
	want(t, &f.poll(1, "bullmq/bull").figures, figWorkersAlive, 2)
}

// TestAWorkerOfBullWithoutAName cannot be told from another client that waits so.
func TestAWorkerOfBullWithoutAName(t *testing.T) {
	t.Parallel()
	for id, tt := range map[string][3]string{
		"bullmq/bull": {"HSET bull:slow:meta version bullmq:6.7.0", "BZPOPMIN none 0", "BRPOPLPUSH none other 0"},
		"bull/bull":   {"SET bull:slow:id 2", "BRPOPLPUSH none other 0", "BZPOPMIN none 0"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newField(t, tt[0], "LPUSH bull:slow:wait 2")
			connect(t, f.s, 0, tt[2])
			connect(t, f.s, 1, tt[1])
			r := f.poll(0, id)
			want(t, &r.figures, figWorkersAlive, 0)
			want(t, &r.figures, figAbandoned, 1)
			connect(t, f.s, 0, tt[1])
			r = f.poll(1, id)
			wantUnknown(t, &r.figures, figWorkersAlive, "1 without one wait as workers do")
			f.named("bull:c2xvdw==")
			want(t, &f.poll(1, id).figures, figWorkersAlive, 1)
		})
	}
}

// TestJobsOfADeadWorkerOfRQ are orphaned from the poll on at which it counts as dead:
// both rest on the same signs. What its other worker runs is not.
func TestJobsOfADeadWorkerOfRQ(t *testing.T) {
	t.Parallel()
	later := fieldAt + 60
	for version, seed := range map[string][]string{
		"1": {fmt.Sprintf("ZADD rq:wip:slow %d j1 %d j2", later, later), "HSET rq:worker:dead current_job j1"},
		"2": {fmt.Sprintf("ZADD rq:wip:slow %d j1:a %d j2:b", later, later), "HSET rq:worker:dead current_job j1"},
		"3": {fmt.Sprintf("ZADD rq:wip:slow %d j1:a %d j2:b", later, later), "SADD rq:worker:dead:executions j1:a"},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			f := newField(t, append(seed, "SADD rq:queues rq:queue:slow rq:queue:other", "RPUSH rq:queue:slow j9",
				"SADD rq:workers rq:worker:dead rq:worker:lives", "HSET rq:worker:dead state busy queues slow,other",
				"HSET rq:worker:lives state busy queues slow current_job j2")...)
			f.named("lives")
			r := f.poll(0, "rq/rq") // without a time to live nobody is dead
			want(t, &r.figures, figWorkersDead, 0)
			want(t, &r.figures, figOrphaned, 0)
			f.s.Do(t, "PEXPIRE", "rq:worker:dead", "54000")
			for range 2 {
				r = f.poll(1, "rq/rq")
				want(t, &r.figures, figWorkersDead, 1)
				want(t, &r.figures, figWorkersAlive, 1)
				want(t, &r.figures, figActive, 2)
				want(t, &r.figures, figOrphaned, 1)
			}
			// Alone it leaves nobody; its job does not hold the queue.
			f.s.Do(t, "SREM", "rq:workers", "rq:worker:lives")
			f.s.Do(t, "ZREM", "rq:wip:slow", "j2", "j2:b")
			r = f.poll(1, "rq/rq")
			want(t, &r.figures, figWorkersAlive, 0)
			want(t, &r.figures, figAbandoned, 1)
			f.d.at = float64(later)
			r = f.poll(1, "rq/rq") // its time is over, too
			want(t, &r.figures, figActive, 1)
			want(t, &r.figures, figOrphaned, 1)
		})
	}
}

// TestAHeldJobBesideWorkersOfAnotherQueue: who runs the periodic jobs of its queue is not
// known.
func TestAHeldJobBesideWorkersOfAnotherQueue(t *testing.T) {
	t.Parallel()
	h := holdings()[0]
	f := newField(t, append(h.seed, "HSET bull:busy:meta version bullmq:6.7.0")...)
	f.named("bull:YnVzeQ==")
	r := f.poll(0, h.id)
	want(t, &r.figures, figWorkersAlive, 1)
	wantUnknown(t, &r.figures, figSchedulersAlive, `a worker of queue "slow" holds a job`)
	f.s.Do(t, h.let...)
	want(t, &f.poll(1, h.id).figures, figSchedulersAlive, 0)
}
