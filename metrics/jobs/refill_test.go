package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// TestAQueueThatWasEmptiedAndFilledAgain with jobs of the same ids: those are others,
// that wait for as long as they say, and nothing has stalled for longer. Where jobs are
// told apart by all that they say, or by ids that Redis makes, there is nothing to test.
func TestAQueueThatWasEmptiedAndFilledAgain(t *testing.T) {
	t.Parallel()
	const ms = "$MS"   // when the job was added, in milliseconds
	const s = "$S"     // in seconds
	const date = "$DT" // as a date
	for id, fill := range map[string][]string{
		"bullmq/bull":   {"HSET bull:q:meta version bullmq:6.7.0", "LPUSH bull:q:wait 1", "HSET bull:q:1 timestamp " + ms},
		"bull/bull":     {"SET bull:q:id 1", "LPUSH bull:q:wait 1", "HSET bull:q:1 timestamp " + ms},
		"beequeue/bq":   {"LPUSH bq:q:waiting 1", `HSET bq:q:jobs 1 {"options":{"timestamp":` + ms + `},"status":"created"}`},
		"rq/rq":         {"SADD rq:queues rq:queue:q", "RPUSH rq:queue:q 1", "HSET rq:job:1 enqueued_at " + date},
		"asynq/":        {"SADD asynq:queues q", "LPUSH asynq:{q}:pending 1", "HSET asynq:{q}:t:1 pending_since " + s + "000000000"},
		"saq/":          {"RPUSH saq:q:queued saq:job:q:1", `SET saq:job:q:1 {"key":"saq:job:q:1","queued":` + ms + `}`},
		"arq/":          {"ZADD arq:queue " + ms + " 1"},
		"sidekiq/":      {"SADD queues q", `LPUSH queue:q {"jid":"1","enqueued_at":` + s + `}`},
		"laravel/shop_": {`RPUSH shop_queues:q {"id":"1","job":"x","createdAt":` + s + `}`},
		"dramatiq/dramatiq": {"ZADD dramatiq:__heartbeats__ " + ms + " b", "RPUSH dramatiq:q 1",
			`HSET dramatiq:q.msgs 1 {"message_timestamp":` + ms + `,"options":{}}`},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newField(t)
			write := func(at int) {
				f.s.Do(t, "FLUSHDB")
				for _, cmd := range fill {
					cmd = strings.NewReplacer(ms, fmt.Sprint(at*1000), s, fmt.Sprint(at), date, time.Unix(int64(at), 0).UTC().Format(time.RFC3339)).Replace(cmd)
					f.s.Do(t, strings.Fields(cmd)...)
				}
			}
			write(fieldAt - 5)
			f.poll(0, id)
			want(t, &f.poll(20, id).Queues[0].figures, figStalled, 20)
			write(fieldAt + 38) // two seconds ago
			r := f.poll(20, id)
			q := r.Queues[0]
			want(t, &q.figures, figWaiting, 1)
			want(t, &q.figures, figStalled, 0)
			want(t, &f.poll(20, id).Queues[0].figures, figStalled, 20)
			if latency, ok := q.Get(figLatency); ok {
				require.InDelta(t, 2, latency, 1e-3)
			}
		})
	}
}

// TestNoQueueIsStalledForLongerThanItsOldestJobWaits, whatever tells its jobs apart.
func TestNoQueueIsStalledForLongerThanItsOldestJobWaits(t *testing.T) {
	t.Parallel()
	r, s := readingOf(t, "asynq"), stateOf(&item.Memory{})
	at := func(at, latency float64) *queue {
		q := &queue{Name: "a", Head: "1"}
		q.Set(figWaiting, 1)
		q.Set(figLatency, latency)
		r.Queues = []*queue{q}
		s.rates(&poll{now: at, hasNow: true, state: s}, r)
		return q
	}
	at(1000, 5)
	want(t, &at(1030, 35).figures, figStalled, 30)
	want(t, &at(1060, 3).figures, figStalled, 3)
	want(t, &at(1070, 13).figures, figStalled, 13)
	want(t, &at(1080, 0).figures, figStalled, 0)
}
