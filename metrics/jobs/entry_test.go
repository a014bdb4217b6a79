package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// headsOf says of each system what the time of the job at the head is kept with: a job
// that is read from the queue itself, or an id that is refused as long as it is there,
// keeps it. A new system says so here, or how it may change in queue.Rewrites.
var headsOf = map[string]string{
	"sidekiq": "the job is in the queue", "resque": "the job is in the queue", "celery": "the job is in the queue",
	"laravel": "the job is in the queue", "huey": "the job is in the queue", "djangoq": "the job is in the queue",
	"symfony": "ids of streams", "taskiq": "ids of streams; the job is in the list",
	"bullmq": "an id is refused", "bull": "an id is refused", "asynq": "an id is refused", "beequeue": "an id is refused",
	"arq": "an id is refused, as long as the job's data is kept", "dramatiq": "each message has an id of its own",
	"horizon": "no queues", "redbeat": "no queues",
	"rq": "rewritten", "saq": "rewritten", "plain": "rewritten",
}

// TestHeadsWhoseTimeIsRewritten: what follows from a later time at the head of a queue
// that nobody serves, for each system where the job may be there all the time.
func TestHeadsWhoseTimeIsRewritten(t *testing.T) {
	t.Parallel()
	date := func(at int) string { return time.Unix(int64(at), 0).UTC().Format(time.RFC3339) }
	worker := []string{"SADD rq:queues rq:queue:q", "SADD rq:workers rq:worker:w", "HSET rq:worker:w state idle queues other successful_job_count 5"}
	for _, s := range Systems() {
		name := s.Spec().Name
		require.Contains(t, headsOf, name)
		if headsOf[name] != "rewritten" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, map[string][]string{
				"rq":    append(worker, "RPUSH rq:queue:q report", "HSET rq:job:report enqueued_at "+date(fieldAt-5)),
				"saq":   {"ZADD saq:q:stats 4000000000000 saq:q:worker_info:w", "RPUSH saq:q:queued saq:job:q:1", "RPUSH saq:q:queued saq:job:q:2"},
				"plain": {fmt.Sprint("ZADD q ", fieldAt-5, " report")},
			}[name]...)
			id := map[string]string{"rq": "rq/rq", "saq": "saq/", "plain": "plain/"}[name]
			f.o.Queues = map[string][]string{"plain": {"q"}}
			if name != "plain" {
				f.o.Queues = nil
			}
			rewrite := func(at int) {
				switch name {
				case "rq":
					f.s.Do(t, "RPUSH", "rq:queue:q", "report")
					f.s.Do(t, "HSET", "rq:job:report", "enqueued_at", date(at))
				case "saq":
					f.s.Do(t, "SET", "saq:job:q:1", fmt.Sprintf(`{"key":"1","queued":%d000,"attempts":1,"touched":%d000}`, fieldAt-5, at))
				case "plain":
					f.s.Do(t, "ZADD", "q", fmt.Sprint(at), "report")
				}
			}
			switch name {
			case "saq":
				rewrite(fieldAt - 5)
			case "rq":
				connect(t, f.s, 0, "CLIENT SETNAME w")
			}
			f.poll(0, id)
			for n := 1; n <= 6; n++ {
				rewrite(fieldAt + 20*n - 1)
				q := &f.poll(20, id).Queues[0].figures
				switch name {
				case "plain": // it may have been taken and put back
					wantUnknown(t, q, figStalled, "it is not known whether it was taken")
					want(t, q, figLatency, 1)
				default:
					want(t, q, figStalled, float64(20*n))
					want(t, q, figLatency, float64(20*n+5))
					want(t, q, figStuck, map[bool]float64{true: 1}[n >= 3])
				}
			}
		})
	}
}

// TestEntries of one id: what shows that the first was taken, and what does not.
func TestEntries(t *testing.T) {
	t.Parallel()
	base := entry{id: "a", at: 100, seen: 110, told: 100, waiting: 3, active: 1, own: 5, shared: 7, hasDone: true}
	change := func(do func(e *entry)) entry {
		e := base
		e.told = 130
		e.waiting = 4
		do(&e)
		return e
	}
	for name, tt := range map[string]struct {
		next                        entry
		adds, twice, moves, updates verdict
	}{
		"nothing":                    {base, entrySame, entrySame, entrySame, entrySame},
		"another id":                 {change(func(e *entry) { e.id = "b" }), entryOther, entryOther, entryOther, entryOther},
		"fewer wait":                 {change(func(e *entry) { e.waiting = 2 }), entryOther, entryOther, entryOther, entryOther},
		"one more":                   {change(func(*entry) {}), entrySame, entrySame, entryUnsure, entrySame},
		"no more":                    {change(func(e *entry) { e.waiting = 3 }), entryOther, entryOther, entryUnsure, entrySame},
		"a job began":                {change(func(e *entry) { e.active = 2 }), entryOther, entryOther, entryUnsure, entrySame},
		"a job ended":                {change(func(e *entry) { e.active = 0 }), entrySame, entrySame, entryUnsure, entrySame},
		"its worker did one":         {change(func(e *entry) { e.own = 6 }), entryOther, entryOther, entryUnsure, entrySame},
		"another one did one":        {change(func(e *entry) { e.shared = 8 }), entryUnsure, entryUnsure, entryUnsure, entrySame},
		"workers are unknown":        {change(func(e *entry) { e.hasDone = false }), entryUnsure, entryUnsure, entryUnsure, entrySame},
		"its record is gone":         {change(func(e *entry) { e.told = 0 }), entrySame, entrySame, entrySame, entrySame},
		"as before, and one is done": {change(func(e *entry) { e.told, e.own = 100, 6 }), entrySame, entryOther, entrySame, entrySame},
	} {
		for rewrites, want := range map[rewrite]verdict{rewriteAdds: tt.adds, rewriteMoves: tt.moves, rewriteUpdates: tt.updates} {
			require.Equal(t, want, base.follow(tt.next, &queue{Rewrites: rewrites}), "%s: %d", name, rewrites)
		}
		require.Equal(t, tt.twice, base.follow(tt.next, &queue{Rewrites: rewriteAdds, HeadTwice: true}), "%s: twice", name)
	}
	require.Equal(t, entryOther, (*entry)(nil).follow(base, &queue{Rewrites: rewriteAdds}))
}

// TestAJobOfRQThatIsQueuedMoreThanOnce: its record tells the time of the last one. A
// queue that is worked on is neither stuck nor stalled.
func TestAJobOfRQThatIsQueuedMoreThanOnce(t *testing.T) {
	t.Parallel()
	date := func(at int) string { return time.Unix(int64(at), 0).UTC().Format(time.RFC3339) }
	f := newField(t, "SADD rq:queues rq:queue:q", "SADD rq:workers rq:worker:w", "HSET rq:worker:w state idle queues q successful_job_count 5",
		"RPUSH rq:queue:q a b a", "HSET rq:job:b status queued enqueued_at "+date(fieldAt-7), "HSET rq:job:a enqueued_at "+date(fieldAt-5))
	connect(t, f.s, 0, "CLIENT SETNAME w")
	poll := func(push, done int) *figures {
		t.Helper()
		for range push {
			f.s.Do(t, "RPUSH", "rq:queue:q", "a")
		}
		f.s.Do(t, "HSET", "rq:job:a", "enqueued_at", date(int(f.d.at)+55))
		f.s.Do(t, "HINCRBY", "rq:worker:w", "failed_job_count", fmt.Sprint(done))
		return &f.poll(60, "rq/rq").Queues[0].figures
	}
	q := &f.poll(0, "rq/rq").Queues[0].figures
	wantUnknown(t, q, figLatency, "its id is in the queue more than once")
	want(t, q, figStalled, 0)
	q = poll(1, 0) // since it was seen first
	want(t, q, figLatency, 67)
	want(t, q, figStalled, 60)
	want(t, q, figStuck, 1)
	q = poll(5, 3)
	wantUnknown(t, q, figLatency, "its id is in the queue more than once")
	want(t, q, figStalled, 0)
	want(t, q, figStuck, 0)
	f.s.Do(t, "HSET", "rq:worker:w", "queues", "q,other")
	poll(5, 0) // it serves other queues as well from now on
	f.s.Do(t, "HSET", "rq:worker:w", "state", "idle")
	q = poll(5, 3)
	wantUnknown(t, q, figStalled, "it is not known whether it was taken")
	wantUnknown(t, q, figLatency, "it is not known whether it was taken")
	wantUnknown(t, q, figSaturated, "it is not known whether it was taken")
	want(t, q, figStuck, 0)
	q = poll(1, 0)
	want(t, q, figStalled, 60)
	want(t, q, figStuck, 1)

	f.s.Do(t, "DEL", "rq:queue:q", "rq:job:b")
	q = &f.poll(60, "rq/rq").Queues[0].figures
	want(t, q, figStalled, 0)
	f.s.Do(t, "RPUSH", "rq:queue:q", "a")
	q = poll(0, 0)
	want(t, q, figLatency, 5)
	want(t, q, figStalled, 0)
}

// TestARepeatedJobOfResque is not taken by workers that do not serve its queue: what they
// do elsewhere says nothing of it.
func TestARepeatedJobOfResque(t *testing.T) {
	t.Parallel()
	for queues, stalled := range map[string]float64{"other": 60, "other,q": 0, "*": 0} {
		f := newField(t, "SADD resque:queues q", "RPUSH resque:queue:q {}", "SADD resque:workers h:1:"+queues,
			"HSET resque:workers:heartbeat h:1:"+queues+" 2026-11-29T11:00:00Z", "SET resque:stat:processed 5")
		f.poll(0, "resque/resque")
		f.s.Do(t, "RPUSH", "resque:queue:q", "{}")
		f.s.Do(t, "INCR", "resque:stat:processed")
		q := f.poll(60, "resque/resque").Queues[0]
		want(t, &q.figures, figStalled, stalled)
		want(t, &q.figures, figStuck, stalled/60)
	}
}

// TestEntriesThatAreRemembered are bounded.
func TestEntriesThatAreRemembered(t *testing.T) {
	t.Parallel()
	r, s := readingOf(t, "rq"), stateOf(&item.Memory{})
	p := &poll{now: fieldAt, hasNow: true, state: s}
	for i := range maxSamples + 1 {
		q := &queue{Name: fmt.Sprint(i), Head: "a", Rewrites: rewriteAdds}
		q.Set(figWaiting, 1)
		r.Queues = []*queue{q}
		s.sameEntries(p, r)
	}
	require.Len(t, s.entries, 1)
}
