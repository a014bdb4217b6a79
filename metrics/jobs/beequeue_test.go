package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

func beeQueueOf(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{figWaiting, figActive, figScheduled, figOverdue, figFailed, figCompleted, figLatency, figOrphaned, figAdded} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return figures
}

func beequeueCases() []conformance {
	job := func(status string, options string) string {
		return fmt.Sprintf(`{"data":{"i":1},"options":{"timestamp":1795949993142,%s},"status":"%s","progress":0}`, options, status)
	}
	const fresh, failed = `"stacktraces":[]`, `"stacktraces":["Error: x"]`
	return []conformance{
		{
			// checkHealth() of the run: mail 0 waiting, 2 active, 5 succeeded, 1 failed, 2 delayed, newestJob 10;
			// unserved 1 waiting. Its worker was killed.
			name: "2.0, its worker killed", system: "beequeue", prefix: "bq", db: 20, at: 1795951400,
			seed: [][]string{
				{"SET", "bq:mail:id", "10"}, {"RPUSH", "bq:mail:active", "10", "9"}, {"ZADD", "bq:mail:delayed", "1795951351485", "5", "1795953593115", "4"},
				{"SADD", "bq:mail:failed", "6"}, {"SADD", "bq:mail:succeeded", "1", "2", "3", "7", "8"}, {"SADD", "bq:mail:stalling", "9"},
				{
					"HSET", "bq:mail:jobs", "10", job("created", fresh+`,"timeout":3600000`), "6", job("failed", failed), "4", job("created", fresh+`,"delay":1795953593115`),
					"5", job("retrying", failed+`,"retries":1,"backoff":{"strategy":"fixed","delay":600000}`),
				},
				{"SET", "bq:unserved:id", "1"}, {"RPUSH", "bq:unserved:waiting", "1"}, {"HSET", "bq:unserved:jobs", "1", job("created", fresh)},
			},
			figures: map[string]float64{
				"waiting": 1, "active": 2, "scheduled": 2, "overdue": 1, "failed": 1, "completed": 5, "orphaned": 2, "added_total": 11, "workers_alive": 0,
				"latency": 1795951400 - 1795949993.142, "queue_count": 2, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{
				"mail": beeQueueOf(map[string]float64{
					"active": 2, "scheduled": 2, "overdue": 1, "failed": 1, "completed": 5, "orphaned": 2, "added_total": 10,
				}),
				"unserved": beeQueueOf(map[string]float64{"waiting": 1, "added_total": 1, "latency": 1795951400 - 1795949993.142}),
			},
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("bq:q%04d:", i)
					out = append(out, []string{"HSET", q + "jobs", "1", job("created", fresh)}, []string{"LPUSH", q + "waiting", "1"})
				}
				return out
			},
		},
		{
			name: "ids of its own, under a prefix", system: "beequeue", prefix: "{shop}", db: 21, at: 1795951400,
			seed: [][]string{
				{"RPUSH", "{shop}:mail:waiting", "b", "a"}, {"HSET", "{shop}:mail:jobs", "a", job("created", fresh), "b", job("created", fresh)},
			},
			figures: map[string]float64{
				"waiting": 2, "active": 0, "scheduled": 0, "overdue": 0, "failed": 0, "completed": 0, "orphaned": 0, "workers_alive": 0,
				"latency": 1795951400 - 1795949993.142, "queue_count": 1, "queues_stuck": 0,
			},
			queues:  map[string]map[string]float64{"mail": without(beeQueueOf(map[string]float64{"waiting": 2, "latency": 1795951400 - 1795949993.142}), figAdded)},
			unknown: map[string][]figure{"": {figAdded}, "mail": {figAdded, figArrival, figDrain}},
		},
	}
}

// TestBeeQueueIsNotTakenForBull, nor the other way round: some of their keys have the
// same names.
func TestBeeQueueIsNotTakenForBull(t *testing.T) {
	t.Parallel()
	s := startEmpty(t)
	job := `{"data":{},"options":{"timestamp":1795949992972},"status":"created"}`
	for db, keys := range [][]string{
		{"SET bq:mail:id 5", "LPUSH bq:mail:waiting 1 2 3", "LPUSH bq:mail:active 4", "ZADD bq:mail:delayed 1995953593115 5", "HSET bq:mail:jobs 1 " + job},
		{"SET bull:mail:id 5", "LPUSH bull:mail:wait 1", "LPUSH bull:mail:active 4", "ZADD bull:mail:failed 1 6", "HSET bull:mail:jobs a b"},
		{"HSET app:cron:jobs 1 " + job, "SADD app:cron:failed x", "ZADD app:cron:succeeded 1 x"}, // a sorted set
		{"HSET app:cron:jobs 1 " + job, "SET app:cron:id 7"},                                     // none has a state
		{"HSET app:cron:jobs 1 {}", "RPUSH app:cron:active 1"},                                   // not its jobs
		{"RPUSH q:email:jobs 1", "SADD q:email:failed 1"},                                        // Kue's
	} {
		d := dial(t, s, "", db)
		d.at = fieldAt
		for _, cmd := range keys {
			_, err := d.Conn.DoAll(t.Context(), strings.Fields(cmd))
			require.NoError(t, err)
		}
		r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{})
		if db > 0 {
			require.Empty(t, ids(r), "%v", keys)
			continue
		}
		require.Equal(t, []string{"beequeue/bq"}, ids(r))
		want(t, &r.Systems[0].figures, figWaiting, 3)
		want(t, &r.Systems[0].figures, figOverdue, 0)
	}
}

// TestProofsOfBeeQueue: a job that is too large to be looked into does not hide its
// queue.
func TestProofsOfBeeQueue(t *testing.T) {
	t.Parallel()
	hash := func(values ...string) resp.Value {
		var pairs []string
		for i, v := range values {
			pairs = append(pairs, fmt.Sprint(i), v)
		}
		return scanOf("0", pairs...)
	}
	const job = `{"options":{},"status":"created"}`
	for _, v := range []resp.Value{hash(job), hash(job, job), hash(), hash(strings.Repeat("x", maxPayload+1)), {Kind: resp.TooLarge, Int: 1 << 30}} {
		require.True(t, isBeeHash(v))
	}
	for _, v := range []resp.Value{hash("{}"), hash(job, "[]"), hash(`{"options":{}}`), hash(`{"status":"x"}`), scanOf("0", "odd"), wrongType, null} {
		require.False(t, isBeeHash(v))
	}
	types := func(texts ...string) []resp.Value { return statusOf(texts...) }
	require.True(t, isBeeQueue(types("hash", "list", "none", "none", "none", "none", "none", "none")))
	require.True(t, isBeeQueue(types("hash", "none", "none", "none", "none", "set", "string", "set")))
	require.False(t, isBeeQueue(types("hash", "none", "none", "none", "none", "none", "string", "set")), "no job has a state")
	require.False(t, isBeeQueue(types("none", "list", "none", "none", "none", "none", "none", "none")))
	require.False(t, isBeeQueue(types("hash", "list", "none", "none", "none", "zset", "none", "none")))
	require.False(t, isBeeQueue(append(types("hash", "list", "none", "none", "none", "none", "none"), wrongType)))
}

// TestOrphansOfBeeQueue: whose worker is dead is known when none is connected, or by
// what is left of a check.
func TestOrphansOfBeeQueue(t *testing.T) {
	t.Parallel()
	read := func(cmd string, more answers) *queue {
		a := answers{
			"LLEN bq:q:active":       one(intOf(3)),
			"LLEN bq:q:waiting":      one(intOf(1)),
			"LINDEX bq:q:waiting -1": one(bulkOf("7")),
			"CLIENT LIST":            one(bulkOf("id=1 addr=a name= db=0 cmd=client\nid=2 addr=b name= db=0 cmd=" + cmd + "\n")),
		}
		for cmd, v := range more {
			a[cmd] = v
		}
		return readTold(t, "beequeue", func(_ *poll, r *reading) { r.Found = []string{"q"} }, a).Queues[0]
	}
	unsure := func(q *queue, why string) { t.Helper(); wantUnknown(t, &q.figures, figOrphaned, why) }
	const stalling, checking, why = "SCARD bq:q:stalling", "EXISTS bq:q:stallBlock", "jobs do not say who runs them"
	want(t, &read("get", nil).figures, figOrphaned, 3)
	want(t, &read("get", answers{"LLEN bq:q:active": one(intOf(0))}).figures, figOrphaned, 0)
	want(t, &read("brpoplpush", answers{"LLEN bq:q:active": one(intOf(0))}).figures, figOrphaned, 0)
	for _, cmd := range []string{"brpoplpush", "srem"} { // it waits, or says that it runs a job
		unsure(read(cmd, nil), why)
		want(t, &read(cmd, answers{stalling: one(intOf(2))}).figures, figOrphaned, 2)
		unsure(read(cmd, answers{stalling: one(intOf(2)), checking: one(intOf(1))}), why)
		want(t, &read(cmd, answers{stalling: one(intOf(5))}).figures, figOrphaned, 3)
	}
	unsure(read("srem", answers{stalling: one(wrongType)}), "stalled jobs: WRONGTYPE")
	unsure(read("srem", answers{checking: one(wrongType)}), "stalled jobs: WRONGTYPE")
	unsure(read("get", answers{"LLEN bq:q:active": one(wrongType)}), "it is not known how many jobs run")
	unsure(read("get", answers{"CLIENT LIST": one(wrongType)}), why)
	unsure(read("get", answers{"CLIENT LIST": one(bulkOf("id=1 addr=a name= db=0\n"))}), why) // which does not tell commands
	wantUnknown(t, &read("get", answers{"LINDEX bq:q:waiting -1": one(wrongType)}).figures, figLatency, "WRONGTYPE")
	wantUnknown(t, &read("get", nil).figures, figLatency, errNoRecord.Error())
}

// TestAQueueWithoutAWorkerIsStuck, and one whose worker is busy is not.
func TestAQueueWithoutAWorkerIsStuck(t *testing.T) {
	t.Parallel()
	f := newField(t, "SET bq:slow:id 2", "RPUSH bq:slow:waiting 2", "RPUSH bq:slow:active 1",
		fmt.Sprintf(`HSET bq:slow:jobs 1 {"options":{"timestamp":%d000},"status":"created"} 2 {"options":{"timestamp":%d000},"status":"created"}`, fieldAt-9, fieldAt-5))
	worker := dial(t, f.s, "", 0)
	_, err := worker.Conn.DoAll(t.Context(), []string{"SREM", "bq:slow:stalling", "1"})
	require.NoError(t, err)
	f.poll(0, "beequeue/bq")
	q := slow(t, f.poll(70, "beequeue/bq"))
	want(t, &q.figures, figStuck, 0)
	want(t, &q.figures, figSaturated, 1)
	want(t, &q.figures, figLatency, 75)

	require.NoError(t, worker.Close())
	awaitGone(t, f.s, "srem")
	r := f.poll(1, "beequeue/bq")
	q = slow(t, r)
	want(t, &q.figures, figStuck, 1)
	want(t, &q.figures, figSaturated, 0)
	want(t, &q.figures, figOrphaned, 1)
	want(t, &r.figures, figQueuesStuck, 1)
	r = pollOnce(t, f.d, f.m, f.o, query{System: "beequeue", Queue: "nope"}).Systems[0]
	wantUnknown(t, &r.Queues[0].figures, figWaiting, "there is no such queue")
}

// awaitGone waits until the server has closed all connections whose last command was
// this.
func awaitGone(t *testing.T, s *redistest.Server, cmd string) {
	t.Helper()
	require.Eventually(t, func() bool { return !strings.Contains(s.Do(t, "CLIENT", "LIST"), "cmd="+cmd+" ") }, 10*time.Second, 5*time.Millisecond)
}

func TestJobsOfBeeQueue(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]oldestJob{
		`"timestamp":1795230000500`:                                                 {at: 1795230000.5},
		`"timestamp":1795230000500,"stacktraces":[],"delay":1795230090000`:          {at: 1795230090},
		`"timestamp":1795230000500,"delay":1795220000000`:                           {at: 1795230000.5},
		`"timestamp":1795230000500,"stacktraces":["Error"],"delay":1795230090000`:   {again: true},
		`"timestamp":1795230000500,"stacktraces":null,"delay":7,"retries":{"a":[]}`: {at: 1795230000.5},
	} {
		got, err := parseBeeJob([]byte(`{"options":{` + options + `}}`))
		require.NoError(t, err, options)
		require.Equal(t, want, got, options)
	}
	for _, text := range []string{"{}", "[", `{"options":{"timestamp":7}}`, `{"options":[]}`} {
		_, err := parseBeeJob([]byte(text))
		require.Error(t, err, text)
	}
}

func FuzzBeeQueue(f *testing.F) {
	f.Add([]byte(`{"options":{"timestamp":1795230000500,"delay":1e999,"stacktraces":[1]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := parseBeeJob(text); err == nil && !job.again {
			requireMoment(t, job.at)
		}
		_ = isBeeHash(scanOf("0", "1", string(text)))
	})
}
