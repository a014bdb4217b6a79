package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

// saqQueueOf are the figures of a queue with nothing in it but what is given.
func saqQueueOf(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{figWaiting, figActive, figScheduled, figOverdue, figLatency, figOrphaned} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return figures
}

func saqCases() []conformance {
	const job, info = "saq:job:sq:", "saq:sq:worker_info:"
	const alive, dead = "c3125cd6-ebe5-11f1-9678-02fc00000001", "fcc39370-ebe3-11f1-80c0-02fc00000001"
	running := func(id, worker string, started int64) []string {
		return []string{"SET", job + id, fmt.Sprintf(`{"function": "slow", "queue": "sq", "key": "%s", "timeout": 3600, "attempts": 1, `+
			`"queued": 1795949983739, "started": %d, "touched": %d, "status": "active", "worker_id": "%s"}`, id, started, started, worker)}
	}
	return []conformance{
		{
			// count() and info() of the run: 3 active, 6 that are not done, and so 3 scheduled.
			// The worker that ran two of them was killed.
			name: "0.26, at work", system: "saq", db: 20, at: 1795950760,
			seed: [][]string{
				{"RPUSH", "saq:sq:active", job + "fba7e702", job + "fba81182", job + "fba8e47c"},
				{
					"ZADD", "saq:sq:incomplete", "0", job + "fba7e702", "0", job + "fba81182", "0", job + "fba8e47c", "1795950780", job + "cron:crn",
					"1795951347.975708", job + "fba942b4", "1795953583.7650297", job + "fbabf73e",
				},
				running("fba7e702", dead, 1795950235684), running("fba81182", dead, 1795950235684), running("fba8e47c", alive, 1795950747958),
				{"SET", job + "cron:crn", `{"function": "crn", "queue": "sq", "key": "cron:crn", "scheduled": 1795950780, "queued": 1795950748821, "status": "queued"}`},
				{"ZADD", "saq:sq:stats", "1795950768823", info + alive}, {"SET", "saq:sq:schedule", "1"}, {"SET", "saq:sq:sweep", "1"},
				{"SET", info + alive, `{"stats": {"complete": 3, "failed": 1, "retried": 1, "aborted": 0, "uptime": 12000}, "queue_key": "sq", "metadata": null}`},
			},
			figures: map[string]float64{
				"waiting": 0, "active": 3, "scheduled": 3, "overdue": 0, "latency": 0, "orphaned": 2, "workers": 1, "workers_alive": 1,
				"oldest_running": 1795950760 - 1795950235.684, "queue_count": 1, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{"sq": saqQueueOf(map[string]float64{"active": 3, "scheduled": 3, "orphaned": 2})},
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("q%04d", i)
					out = append(out, []string{"RPUSH", "saq:" + q + ":queued", "saq:job:" + q + ":j"})
				}
				return out
			},
		},
		{
			// Its only worker is dead: all that it ran is orphaned.
			name: "without a worker", system: "saq", db: 21, at: 1795950800,
			seed: [][]string{
				{"RPUSH", "saq:a:b:queued", "saq:job:a:b:1", "saq:job:a:b:2"}, {"RPUSH", "saq:a:b:active", "saq:job:a:b:3"},
				{"SET", "saq:job:a:b:1", `{"function": "ok", "queue": "a:b", "key": "1", "scheduled": 1795950700.5, "queued": 1795949983765, "status": "queued"}`},
				{"SET", "saq:job:a:b:3", `{"function": "ok", "queue": "a:b", "key": "3", "queued": 1795949983765, "started": 1795950600000, "status": "active"}`},
				{"ZADD", "saq:a:b:incomplete", "0", "saq:job:a:b:1", "0", "saq:job:a:b:2", "0", "saq:job:a:b:3", "1795950790", "saq:job:a:b:4"},
				// What looks like a queue's and is not.
				{"RPUSH", "saq:shop:queued", "7"}, {"ZADD", "saq:shop:stats", "1", "x"}, {"SET", "saq:job:a:b:active", "{}"},
			},
			figures: map[string]float64{
				"waiting": 2, "active": 1, "scheduled": 1, "overdue": 0, "latency": 99.5, "orphaned": 1, "workers": 0, "workers_alive": 0,
				"oldest_running": 200, "queue_count": 1, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{"a:b": {
				"waiting": 2, "active": 1, "scheduled": 1, "overdue": 0, "latency": 99.5, "orphaned": 1,
			}},
		},
	}
}

// TestOrphansOfSAQ: which running jobs are a dead worker's, and when that is not known.
func TestOrphansOfSAQ(t *testing.T) {
	t.Parallel()
	const range100 = "LRANGE saq:q:active 0 99"
	text := func(worker string) resp.Value {
		return bulkOf(fmt.Sprintf(`{"status":"active","started":%d000,"worker_id":"%s"}`, fieldAt-40, worker))
	}
	read := func(living int64, active int, more answers) (*reading, *figures) {
		a := answers{
			"LLEN saq:q:active": one(intOf(int64(active))), fmt.Sprintf("ZCOUNT saq:q:stats %d000 +inf", fieldAt): one(intOf(living)),
		}
		var ids []string
		for i := range min(active, saqActive) {
			id := fmt.Sprint("saq:job:q:", i)
			ids = append(ids, id)
			a["GETRANGE "+id+" 0 65536"] = one(text("w1"))
		}
		a[range100] = one(arrayOf(ids...))
		a["EXISTS saq:q:worker_info:w1"] = one(intOf(1))
		for cmd, v := range more {
			a[cmd] = v
		}
		r := readTold(t, "saq", func(_ *poll, r *reading) { r.Found = []string{"q"} }, a)
		return r, &r.Queues[0].figures
	}
	r, f := read(1, 0, nil)
	want(t, f, figOrphaned, 0)
	require.True(t, r.Queues[0].Exists, "it has a worker")
	r, f = read(1, 3, nil)
	want(t, f, figOrphaned, 0)
	require.EqualValues(t, fieldAt-40, r.began)
	_, f = read(1, 3, answers{"GETRANGE saq:job:q:1 0 65536": one(text("w2")), "EXISTS saq:q:worker_info:w2": one(intOf(0))})
	want(t, f, figOrphaned, 1)
	_, f = read(1, 3, answers{"GETRANGE saq:job:q:1 0 65536": one(text("w2")), "EXISTS saq:q:worker_info:w2": one(wrongType)})
	wantUnknown(t, f, figOrphaned, "EXISTS: WRONGTYPE")
	_, f = read(1, 3, answers{"GETRANGE saq:job:q:1 0 65536": one(text(""))})
	wantUnknown(t, f, figOrphaned, "do not name their workers")
	gone := one(intOf(0))
	_, f = read(0, 3, answers{"GETRANGE saq:job:q:1 0 65536": one(text("")), "EXISTS saq:q:worker_info:w1": gone})
	want(t, f, figOrphaned, 3)
	r, f = read(0, 3, answers{"GETRANGE saq:job:q:1 0 65536": one(text("w2")), "EXISTS saq:q:worker_info:w2": gone})
	want(t, f, figOrphaned, 1)
	require.EqualValues(t, 2, r.Queues[0].Held, "their worker has a record, though it is not registered")
	_, f = read(0, 3, answers{"GETRANGE saq:job:q:1 0 65536": one(text(""))})
	wantUnknown(t, f, figOrphaned, "do not name their workers")
	_, f = read(1, 2, answers{"GETRANGE saq:job:q:0 0 65536": one(bulkOf("")), "GETRANGE saq:job:q:1 0 65536": one(bulkOf(`{"status":"queued"}`))})
	want(t, f, figOrphaned, 0) // one has ended, the other is about to begin
	r, f = read(1, 2, answers{"GETRANGE saq:job:q:0 0 65536": one(bulkOf(strings.Repeat("x", saqRunning+1)))})
	wantUnknown(t, f, figOrphaned, "more than the 65536 bytes")
	require.Equal(t, 1, r.runsUnknown)
	_, f = read(1, saqActive, nil)
	want(t, f, figOrphaned, 0)
	_, f = read(1, saqActive+1, nil)
	wantUnknown(t, f, figOrphaned, "101 jobs run, and 100 of them were looked at")
	_, f = read(1, saqActive+1, answers{"GETRANGE saq:job:q:1 0 65536": one(text("w2")), "EXISTS saq:q:worker_info:w2": one(intOf(0))})
	want(t, f, figOrphaned, 1)
	_, f = read(1, 1, answers{range100: one(arrayOf(strings.Repeat("j", maxJobID+1)))})
	wantUnknown(t, f, figOrphaned, errNoJobID.Error())
	r, f = read(1, 1, answers{fmt.Sprintf("ZCOUNT saq:q:stats %d000 +inf", fieldAt): one(wrongType)})
	wantUnknown(t, f, figOrphaned, "ZCOUNT: WRONGTYPE")
	wantUnknown(t, &r.figures, figWorkersAlive, "ZCOUNT: WRONGTYPE")
	_, f = read(0, 1, answers{"LLEN saq:q:active": one(wrongType)})
	wantUnknown(t, f, figOrphaned, "it is not known how many jobs run")
}

// TestSinceWhenAJobOfSAQWaits.
func TestSinceWhenAJobOfSAQWaits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]oldestJob{
		`{"key":"a","queued":1795230000500}`:                                                             {id: "a", at: 1795230000.5},
		`{"key":"a","queued":1795230000500,"scheduled":1795230090}`:                                      {id: "a", at: 1795230090},
		`{"key":"a","queued":1795230000500,"scheduled":1795220000}`:                                      {id: "a", at: 1795230000.5},
		`{"key":"a","queued":1795230000500,"attempts":1,"touched":1795230010000}`:                        {id: "a", at: 1795230010, attempts: 1},
		`{"key":"a","queued":1795230000500,"attempts":1,"touched":1795230010000,"retry_delay":0.0}`:      {id: "a", at: 1795230010, attempts: 1},
		`{"key":"a","queued":1795230000500,"attempts":2,"touched":1795230010000,"retry_delay":600}`:      {id: "a", again: true, attempts: 2},
		`{"key":"a","queued":1795230000500,"attempts":0,"touched":1795230010000,"scheduled":0,"meta":7}`: {id: "a", at: 1795230000.5},
	} {
		got, err := saqOldest([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{`{}`, `{"queued":7}`, `{"attempts":1,"queued":1795230000500}`, `{"queued":1795230000500,"scheduled":"x"}`, "[", `{"queued":1795230000500,"attempts":1,"touched":0}`} {
		_, err := saqOldest([]byte(text))
		require.Error(t, err, text)
	}
}

// TestSAQSaturatedAndStuck: all slots run jobs, and then a worker is there that takes
// none.
func TestSAQSaturatedAndStuck(t *testing.T) {
	t.Parallel()
	f := newField(t, "RPUSH saq:slow:queued saq:job:slow:9", fmt.Sprintf(`SET saq:job:slow:9 {"key":"9","queued":%d000}`, fieldAt-5),
		"ZADD saq:slow:stats 4000000000000 saq:slow:worker_info:w", "SET saq:slow:worker_info:w {}", "RPUSH saq:slow:active saq:job:slow:1",
		fmt.Sprintf(`SET saq:job:slow:1 {"key":"1","status":"active","worker_id":"w","started":%d000}`, fieldAt-5))
	f.poll(0, "saq/")
	q := slow(t, f.poll(70, "saq/"))
	want(t, &q.figures, figStuck, 0)
	want(t, &q.figures, figSaturated, 1)
	want(t, &q.figures, figLatency, 75)
	f.s.Do(t, "DEL", "saq:slow:active")
	f.poll(1, "saq/")
	q = slow(t, f.poll(70, "saq/"))
	want(t, &q.figures, figStuck, 1)
	want(t, &q.figures, figSaturated, 0)

	// No queue of that name.
	r := pollOnce(t, f.d, f.m, f.o, query{System: "saq", Queue: "nope"}).Systems[0]
	wantUnknown(t, &r.Queues[0].figures, figWaiting, "there is no such queue")
	require.Equal(t, []string{"saq:*"}, KeyPatterns(item.JobsOptions{}, []string{"saq"}))
}

func FuzzSAQ(f *testing.F) {
	f.Add([]byte(`{"key":"a","queued":1795230000500,"scheduled":1e999,"attempts":"x","status":"active","started":1}`))
	f.Add([]byte(`{"attempts":1,"touched":1795230000500,"retry_delay":-1,"worker_id":"w","status":"active","started":1795230000500}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := saqOldest(text); err == nil && !job.again {
			requireMoment(t, job.at)
		}
		if job, err := parseSaqRunning(resp.Value{Kind: resp.BulkString, Str: text}); err == nil && job.status == "active" {
			requireMoment(t, job.started)
		}
	})
}
