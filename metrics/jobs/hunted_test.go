package jobs

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

// systemsOf polls a server until discovery has had its say.
func systemsOf(t *testing.T, s *redistest.Server) map[string]*reading {
	t.Helper()
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795980000
	var result *result
	for range 2 {
		var err error
		result, err = readSystems(t.Context(), d, m, defaultOptions(), query{})
		require.NoError(t, err)
	}
	out := map[string]*reading{}
	for _, r := range result.Systems {
		out[r.ID()] = r
	}
	return out
}

func figureOf(t *testing.T, get func(figure) (float64, bool), f figure) float64 {
	t.Helper()
	n, ok := get(f)
	require.True(t, ok, f)
	return n
}

// TestNamespacesWithoutAWorker: Sidekiq's and Resque's processes take themselves off
// their lists when they stop; the jobs stay.
func TestNamespacesWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "myapp:queues", "d")
	s.Do(t, "LPUSH", "myapp:queue:d", `{"jid":"0123456789abcdef01234567","class":"A","queue":"d","args":[],"enqueued_at":1795980000.5}`)
	s.Do(t, "SADD", "resque:prod:queues", "d")
	s.Do(t, "LPUSH", "resque:prod:queue:d", `{"class":"A","args":[1]}`)
	// Not theirs: RQ's ids, a list of anybody, one without a set of names.
	s.Do(t, "SADD", "other:queues", "d")
	s.Do(t, "LPUSH", "other:queue:d", "5b2d9a0e")
	s.Do(t, "LPUSH", "third:queue:d", `{"jid":"0","class":"A","args":[]}`)
	systems := systemsOf(t, s)
	require.Len(t, systems, 2)
	for _, id := range []string{"sidekiq/myapp", "resque/resque:prod"} {
		require.Contains(t, systems, id)
		require.Equal(t, 1.0, figureOf(t, systems[id].Get, figWaiting))
		require.Equal(t, 0.0, figureOf(t, systems[id].Get, figWorkers))
	}
}

// TestALeaseWithoutATaskIsNoOrphan. Source: asynq issue 764
func TestALeaseWithoutATaskIsNoOrphan(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "asynq:queues", "default")
	s.Do(t, "ZADD", "asynq:{default}:lease", "1795970000", "ghost", "1795970001", "real")
	s.Do(t, "LPUSH", "asynq:{default}:active", "real")
	s.Do(t, "HSET", "asynq:{default}:t:real", "msg", "x")
	r := systemsOf(t, s)["asynq/"]
	require.Equal(t, 1.0, figureOf(t, r.Get, figOrphaned))
	require.Equal(t, 1.0, figureOf(t, r.Queues[0].Get, figOrphaned))
}

// TestATaskWithoutALeaseIsAnOrphan. Source: asynq issue 1144
func TestATaskWithoutALeaseIsAnOrphan(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "asynq:queues", "default", "old")
	s.Do(t, "LPUSH", "asynq:{default}:active", "dead", "lost1", "lost2", "runs")
	s.Do(t, "ZADD", "asynq:{default}:lease", "1795970000", "dead", "1795980020", "runs")
	for _, id := range []string{"dead", "lost1", "lost2", "runs"} {
		s.Do(t, "HSET", "asynq:{default}:t:"+id, "msg", "x")
	}
	// Asynq 0.21 has deadlines in place of leases.
	s.Do(t, "LPUSH", "asynq:{old}:active", "a", "b")
	s.Do(t, "ZADD", "asynq:{old}:deadlines", "1795990000", "a", "1795990000", "b")
	r := systemsOf(t, s)["asynq/"]
	require.Equal(t, 3.0, figureOf(t, r.Get, figOrphaned))
	orphans := map[string]float64{}
	for _, q := range r.Queues {
		orphans[q.Name] = figureOf(t, q.Get, figOrphaned)
	}
	require.Equal(t, map[string]float64{"default": 3, "old": 0}, orphans)
}

// TestTimesOfOtherWorkersOnResque: a job runs, whatever its worker takes for a time. Of a
// time zone that is an abbreviation it is not known which one it is.
// Sources: pyres issue 17, resque pull request 658; lib/Resque/Worker.php of php-resque 1.2
func TestTimesOfOtherWorkersOnResque(t *testing.T) {
	t.Parallel()
	for runAt, want := range map[string]float64{
		`"2026-11-21T02:21:17Z"`: 1795227677, `"2026/11/21 02:21:17 UTC"`: 1795227677, `"2026/11/21 04:21:17 +0200"`: 1795227677,
		`"Sat Nov 21 02:21:17 UTC 2026"`: 1795227677, `"Sat Nov 21 02:21:17 GMT 2026"`: 1795227677,
		`1795227677`: 1795227677, `"1795227677"`: 1795227677,
		`"2026/11/21 02:21:17 CEST"`: 0, `"Sat Nov 21 02:21:17 CST 2026"`: 0, `"soon"`: 0, `null`: 0, `{}`: 0,
	} {
		queue, at, err := parseResqueWork([]byte(`{"queue":"d","run_at":` + runAt + `}`))
		require.NoError(t, err, runAt)
		require.Equal(t, []any{"d", want}, []any{queue, at}, runAt)
	}
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "resque:queues", "d")
	for name, runAt := range map[string]string{"h:1:d": `"Sun Nov 29 19:10:00 UTC 2026"`, "h:2:d": `"2026/11/29 01:00:00 CEST"`} {
		s.Do(t, "SADD", "resque:workers", name)
		s.Do(t, "HSET", "resque:workers:heartbeat", name, "2026-11-29T19:19:50Z")
		s.Do(t, "SET", "resque:worker:"+name, `{"queue":"d","run_at":`+runAt+`}`)
	}
	r := systemsOf(t, s)["resque/resque"]
	require.Equal(t, []float64{2, 1}, []float64{figureOf(t, r.Get, figActive), float64(r.runsUnknown)})
	require.Equal(t, 600.0, figureOf(t, r.Get, figOldestRunning))
	require.Equal(t, 2.0, figureOf(t, r.Queues[0].Get, figActive))
}

// timesOfSidekiqSchedulerInUTC: et-orbi writes a Z where the time zone is called UTC, and
// Ruby its name; a name of another zone is no time.
func timesOfSidekiqSchedulerInUTC(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a", "SADD processes vm:1:0123456789ab", "HSET vm:1:0123456789ab busy 0 quiet false")
	for i, date := range []string{"2026-11-29 10:59:29 Z", "2026-11-29 10:59:29 UTC", "2026-11-29 12:59:29 +0200", "2026-11-29 12:59:29 CEST"} {
		name := strconv.Itoa(i)
		f.s.Do(t, "HSET", "schedules", name, `{"class":"A","every":"1m"}`)
		f.s.Do(t, "HSET", "sidekiq-scheduler:next_times", name, date)
		f.s.Do(t, "HSET", "sidekiq-scheduler:last_times", name, date)
	}
	r := f.poll(0, "sidekiq/")
	want(t, &r.figures, figSchedulerOverdue, 3)
	want(t, &r.figures, figSchedulerUnknown, 1)
	for i, last := range []float64{fieldAt - 31, fieldAt - 31, fieldAt - 31, 0} {
		j := jobNamed(t, r, "sidekiq-scheduler/"+strconv.Itoa(i))
		require.Equal(t, last, j.last)
		require.Equal(t, last == 0, j.lastWhy != "")
	}
}

// TestWorkersThatDoNotRegister: of go-workers on Sidekiq's layout none is listed. Those of
// Sidekiq are, until a minute after their death.
func TestWorkersThatDoNotRegister(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD queues a", "LPUSH queue:a {}", "SET stat:processed 5")
	want(t, &f.poll(0, "sidekiq/").figures, figWorkersAlive, 0)
	f.s.Do(t, "INCR", "stat:processed")
	r := f.poll(60, "sidekiq/")
	wantUnknown(t, &r.figures, figWorkersAlive, "yet jobs are processed")
	want(t, &r.figures, figWorkers, 0)
	wantUnknown(t, &f.poll(3600, "sidekiq/").figures, figWorkersAlive, "yet jobs are processed") // a long job
	want(t, &f.poll(1, "sidekiq/").figures, figWorkersAlive, 0)

	f = newField(t, "SADD queues a", "LPUSH queue:a {}", "SET stat:processed 5", "SADD processes vm:1:0123456789ab",
		"HSET vm:1:0123456789ab busy 0 quiet false")
	want(t, &f.poll(0, "sidekiq/").figures, figWorkersAlive, 1)
	f.s.Do(t, "INCR", "stat:processed")
	f.s.Do(t, "DEL", "vm:1:0123456789ab")
	want(t, &f.poll(120, "sidekiq/").figures, figWorkersAlive, 0)
}

// TestJobsOfRQThatNoWorkerBegan. Source: rq issue 2061
func TestJobsOfRQThatNoWorkerBegan(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD rq:queues rq:queue:a rq:queue:b", "RPUSH rq:queue:a:intermediate 1 2", "SADD rq:workers rq:worker:w")
	r := f.poll(0, "rq/rq")
	want(t, &r.figures, figOrphaned, 2)
	require.Equal(t, []string{"a", "b"}, []string{r.Queues[0].Name, r.Queues[1].Name})
	want(t, &r.Queues[0].figures, figOrphaned, 2)
	want(t, &r.Queues[1].figures, figOrphaned, 0)
	f.s.Do(t, "HSET", "rq:worker:w", "state", "idle", "queues", "a")
	connect(t, f.s, 0, "BLPOP rq:queue:a 0")
	want(t, &f.poll(60, "rq/rq").figures, figOrphaned, 0)
}

// TestWorkersWhoseClockIsBehind live as long as their record does, which ends by Redis' clock.
// Source: resque pull request 1480, of the same fault
func TestWorkersWhoseClockIsBehind(t *testing.T) {
	t.Parallel()
	behind := strconv.Itoa(fieldAt - 300)
	f := newField(t, "SADD asynq:queues a", "ZADD asynq:servers "+behind+" asynq:servers:{h:1:a} "+behind+" asynq:servers:{h:2:b}")
	f.s.Do(t, "SET", "asynq:servers:{h:1:a}", asynqMessages["<server>"])
	r := f.poll(0, "asynq/")
	require.Equal(t, []float64{2, 1, 2}, []float64{figureOf(t, r.Get, figWorkers), figureOf(t, r.Get, figWorkersAlive), figureOf(t, r.Get, figWorkersSlots)})

	f = newField(t, "ZADD app_horizon:supervisors "+behind+" a:one "+behind+" b:dead", "ZADD app_horizon:masters "+behind+" a",
		`HSET app_horizon:supervisor:a:one status running processes {"redis:default":3}`)
	r = f.poll(0, "horizon/app_horizon:")
	require.Equal(t, []float64{2, 1, 3}, []float64{figureOf(t, r.Get, figWorkers), figureOf(t, r.Get, figWorkersAlive), figureOf(t, r.Get, figWorkersSlots)})
}

// TestRecentFailedJobsOfHorizonAreNoOtherHorizon: each Horizon has failed_jobs and
// recent_failed_jobs. Source: laravel horizon issue 530
func TestRecentFailedJobsOfHorizonAreNoOtherHorizon(t *testing.T) {
	t.Parallel()
	failed := " -" + strconv.Itoa(fieldAt-100) + ".5 a"
	f := newField(t, "ZADD app_horizon:failed_jobs"+failed, "ZADD app_horizon:recent_failed_jobs"+failed)
	want(t, &f.poll(0, "horizon/app_horizon:").figures, figFailed, 1)
	f = newField(t, "ZADD app_horizon:recent_failed_jobs"+failed)
	want(t, &f.poll(0, "horizon/app_horizon:").figures, figFailed, 0)
}

// TestMarkersOfBullMQAreNoJobs: version 4 leaves them. Source: bullmq issue 2268
func TestMarkersOfBullMQAreNoJobs(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "HSET", "bull:q1:meta", "opts.maxLenEvents", "10000")
	s.Do(t, "SET", "bull:q1:id", "5")
	s.Do(t, "RPUSH", "bull:q1:active", "0:0")
	s.Do(t, "RPUSH", "bull:q1:wait", "5", "0:0")
	s.Do(t, "HSET", "bull:q1:5", "timestamp", "1795228164000", "delay", "0")
	s.Do(t, "XADD", "bull:q1:events", "*", "event", "added")
	q := systemsOf(t, s)["bullmq/bull"].Queues[0]
	require.Equal(t, []float64{1, 0, 0}, []float64{
		figureOf(t, q.Get, figWaiting), figureOf(t, q.Get, figActive), figureOf(t, q.Get, figOrphaned)})
	require.Positive(t, figureOf(t, q.Get, figLatency), "of the job behind the marker")
}

// TestWorkersOfAllQueuesServeThoseOfSome: of two workers of the same queues one is busy.
func TestWorkersOfAllQueuesServeThoseOfSome(t *testing.T) {
	t.Parallel()
	r := &reading{Queues: []*queue{{Name: "a"}, {Name: "b"}}, Workers: []worker{
		{Alive: true, Busy: 1, Slots: 1, Queues: []string{"*"}}, {Alive: true, Busy: 0, Slots: 1, Queues: []string{"b", "a", "a"}},
	}}
	part, known := r.fullest()
	require.True(t, known)
	require.Equal(t, 0.5, part)
}
