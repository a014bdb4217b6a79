package jobs

import (
	"fmt"
	"testing"
)

func dramatiqQueue(waiting, active, orphaned, scheduled, failed float64) map[string]float64 {
	return map[string]float64{"waiting": waiting, "active": active, "orphaned": orphaned, "scheduled": scheduled, "failed": failed}
}

func dramatiqCases() []conformance {
	empty := dramatiqQueue(0, 4, 4, 1, 1)
	empty["latency"] = 0
	return []conformance{{
		// qsize() of the run: default 5, slow 10, unserved 2. One worker was killed, another
		// lives. What waits was made before anybody looked, so that it may have been delayed.
		name: "2.2", system: "dramatiq", prefix: "dramatiq", db: 0, second: true, at: 1795950770,
		figures: map[string]float64{
			"waiting": 3, "active": 12, "orphaned": 8, "scheduled": 2, "failed": 1, "queue_count": 3, "queues_stuck": 0,
		},
		queues: map[string]map[string]float64{
			"default": empty, "slow": dramatiqQueue(2, 8, 4, 0, 0), "unserved": dramatiqQueue(1, 0, 0, 1, 0),
		},
		unknown: map[string][]figure{"": {figWorkersAlive, figLatency}, "slow": {figLatency}, "unserved": {figLatency}},
		many: func(n int) (out [][]string) {
			out = append(out, []string{"ZADD", "dramatiq:__heartbeats__", "1795950764141", "w"})
			for i := range n {
				out = append(out, []string{"RPUSH", fmt.Sprintf("dramatiq:q%04d", i), "j"}, []string{"HSET", fmt.Sprintf("dramatiq:q%04d.msgs", i), "j", "{}"})
			}
			return out
		},
	}}
}

// TestDramatiqMessagesThatWereDelayed do not say so: since when one waits is known where
// no delayed ones were there after it was made.
func TestDramatiqMessagesThatWereDelayed(t *testing.T) {
	t.Parallel()
	message := func(made, retries int) string {
		return fmt.Sprintf(`{"message_timestamp":%d000,"options":{"retries":%d}}`, made, retries)
	}
	f := newField(t, fmt.Sprint("ZADD dramatiq:__heartbeats__ ", fieldAt, "000 w"), "RPUSH dramatiq:q old", "HSET dramatiq:q.msgs old "+message(fieldAt-86400, 0))
	add := func(id string, made, retries int) {
		f.s.Do(t, "RPUSH", "dramatiq:q", id)
		f.s.Do(t, "HSET", "dramatiq:q.msgs", id, message(made, retries))
	}
	latency := func(seconds float64) *figures { return &f.poll(seconds, "dramatiq/dramatiq").Queues[0].figures }
	wantUnknown(t, latency(0), figLatency, "it does not say whether it was delayed before")
	want(t, latency(60), figLatency, 60) // as long as it was seen there, or longer
	add("new", fieldAt+30, 0)
	add("late", fieldAt+90, 0)
	f.s.Do(t, "LPOP", "dramatiq:q")
	want(t, latency(60), figLatency, 90) // it was made when no delayed ones were there
	f.s.Do(t, "LPOP", "dramatiq:q")
	f.s.Do(t, "HSET", "dramatiq:q.DQ.msgs", "daily", message(fieldAt+130, 0))
	want(t, latency(60), figLatency, 90) // that did not change for the next one
	f.s.Do(t, "LPOP", "dramatiq:q")
	f.s.Do(t, "DEL", "dramatiq:q.DQ.msgs")
	add("daily", fieldAt+130, 0)
	wantUnknown(t, latency(60), figLatency, "it does not say whether it was delayed before")
	want(t, latency(60), figLatency, 60)
	f.s.Do(t, "LPOP", "dramatiq:q")
	add("again", fieldAt+290, 1)
	want(t, latency(60), figLatency, 0)
	f.s.Do(t, "LPOP", "dramatiq:q")
	add("just now", fieldAt+400, 0)
	want(t, latency(60), figLatency, 20)
}

// TestBrokersOfDramatiq: none that lives is no worker that lives; one that does may only
// send messages.
func TestBrokersOfDramatiq(t *testing.T) {
	t.Parallel()
	const beats = "ZRANGE dramatiq:__heartbeats__ -3000 -1 WITHSCORES"
	ago := func(seconds float64) string { return fmt.Sprintf("%.0f", (fieldAt-seconds)*1000) }
	read := func(left int, a answers) *reading {
		return readTold(t, "dramatiq", func(p *poll, r *reading) {
			r.Found = []string{"q"}
			p.followUps = maxFollowUps - left
		}, a)
	}
	fetched := func(more answers) answers {
		a := answers{"HLEN dramatiq:q.msgs": one(intOf(5)), "LLEN dramatiq:q": one(intOf(1)), "SCARD dramatiq:__acks__.a.q": one(intOf(2)), "SCARD dramatiq:__acks__.b.q": one(intOf(1))}
		for cmd, v := range more {
			a[cmd] = v
		}
		return a
	}
	r := read(9, fetched(answers{beats: one(arrayOf("a", ago(61), "b", ago(60)))}))
	wantUnknown(t, &r.figures, figWorkersAlive, "one that sends messages and one of a worker are the same")
	want(t, &r.Queues[0].figures, figActive, 4)
	want(t, &r.Queues[0].figures, figOrphaned, 2)
	r = read(9, fetched(answers{beats: one(arrayOf("a", ago(61), "b", ago(60.1)))}))
	want(t, &r.figures, figWorkersAlive, 0)
	want(t, &r.Queues[0].figures, figOrphaned, 3)
	want(t, &read(9, nil).figures, figWorkersAlive, 0)
	for why, tt := range map[string]struct {
		left int
		a    answers
	}{
		errManyFollowUps.Error():      {1, answers{beats: one(arrayOf("a", ago(61), "b", ago(61)))}},
		"WRONGTYPE":                   {9, answers{beats: one(wrongType)}},
		"there are 5001 brokers":      {9, answers{beats: one(arrayOf("a", ago(61))), "ZCARD dramatiq:__heartbeats__": one(intOf(5001))}},
		"it is not known whether any": {9, answers{"HLEN dramatiq:q.msgs": one(wrongType)}},
		"SCARD: WRONGTYPE":            {9, answers{beats: one(arrayOf("a", ago(61))), "SCARD dramatiq:__acks__.a.q": one(wrongType)}},
	} {
		r := read(tt.left, fetched(tt.a))
		f := &r.Queues[0].figures
		if r.missed(figOrphaned) {
			f = &r.figures
		}
		wantUnknown(t, f, figOrphaned, why)
	}
	r = read(9, answers{"HLEN dramatiq:q.msgs": one(intOf(1)), "LLEN dramatiq:q": one(intOf(2))})
	want(t, &r.Queues[0].figures, figActive, 0) // one was taken between the two answers
	r = read(9, answers{"LINDEX dramatiq:q 0": one(bulkOf("a"))})
	wantUnknown(t, &r.Queues[0].figures, figLatency, "oldest job: it is gone")
}

func FuzzDramatiqMessage(f *testing.F) {
	f.Add([]byte(`{"queue_name":"default","options":{"redis_message_id":"1","eta":1795953501496,"retries":1},"message_timestamp":1795949901447}`))
	f.Add([]byte(`{"message_timestamp":-1,"options":{"retries":[]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := parseDramatiqMessage(text); err == nil {
			requireMoment(t, job.at)
		}
	})
}
