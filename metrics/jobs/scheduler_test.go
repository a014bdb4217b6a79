package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// ofSchedulers are the figures of a system's schedulers, as far as they are known.
func ofSchedulers(f *figures) map[string]float64 {
	out := map[string]float64{}
	for _, name := range schedulerFigures {
		if v, ok := f.Get(name); ok {
			out[name.String()] = v
		}
	}
	return out
}

// scheduled are the figures of schedulers.
func scheduled(alive, jobs, overdue, late float64) map[string]float64 {
	return map[string]float64{"schedulers_alive": alive, "periodic_jobs": jobs, "scheduler_overdue": overdue, "scheduler_late": late}
}

// jobNamed is a periodic job of a reading, by its id without the system.
func jobNamed(t testing.TB, r *reading, id string) *periodicJob {
	t.Helper()
	for _, c := range r.schedulers {
		for _, j := range c.jobs {
			if j.id == r.ID()+"/"+id {
				return j
			}
		}
	}
	require.Fail(t, "no such periodic job", id)
	return nil
}

// TestSchedulers has one server for all, with the keys of real runs in the first
// databases.
func TestSchedulers(t *testing.T) {
	t.Parallel()
	s := startFixture(t, "job-systems-2.rdb")
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s *redistest.Server)
	}{
		{"schedulersOfRealRuns", schedulersOfRealRuns},
		{"periodicJobsOfADocument", periodicJobsOfADocument},
		{"keysOfAnApplication", keysOfAnApplication},
		{"noSchedulerNoFigures", noSchedulerNoFigures},
		{"aSchedulerThatIsGoneIsMissed", aSchedulerThatIsGoneIsMissed},
		{"oneDeadSchedulerIsNotHidden", oneDeadSchedulerIsNotHidden},
		{"processesOfRQScheduler", processesOfRQScheduler},
		{"theLockOfRedbeat", theLockOfRedbeat},
		{"theLockOfResque", theLockOfResque},
		{"jobSchedulersOfBullMQ", jobSchedulersOfBullMQ},
		{"repeatableJobsOfBull", repeatableJobsOfBull},
		{"sidekiqSchedulerOfASystem", sidekiqSchedulerOfASystem},
		{"timesOfSidekiqSchedulerInUTC", timesOfSidekiqSchedulerInUTC},
		{"aDeadSchedulerOfAsynq", aDeadSchedulerOfAsynq},
		{"aChangedDefinitionIsNotLate", aChangedDefinitionIsNotLate},
		{"otherNamespacesOfSidekiqCron", otherNamespacesOfSidekiqCron},
		{"cronJobsAlone", cronJobsAlone},
		{"manyPeriodicJobs", manyPeriodicJobs},
		{"schedulersThatMayNotBeRead", schedulersThatMayNotBeRead},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, s) })
	}
}

// schedulersDB is the database of tests that write.
const schedulersDB = 40

// fieldOn is a field in an empty database of a server that others use.
func fieldOn(t *testing.T, s *redistest.Server, commands ...string) *field {
	t.Helper()
	s.Do(t, "SELECT", strconv.Itoa(schedulersDB))
	s.Do(t, "FLUSHDB")
	for _, c := range commands {
		s.Do(t, strings.Fields(c)...)
	}
	f := &field{t: t, s: s, d: dial(t, s, "", schedulersDB), m: &item.Memory{}, o: defaultOptions()}
	f.d.at = fieldAt
	return f
}

// schedulersOfRealRuns reads what real schedulers left, each when it lived, and
// some time later: the keys are those of the same moment, so that nothing was done
// since. The figures were counted by hand in the keys.
func schedulersOfRealRuns(t *testing.T, s *redistest.Server) {
	const day = 86400
	type wanted struct {
		at      float64
		figures map[string]float64
	}
	for _, tt := range []struct {
		db     int
		id     string
		rows   map[string][3]float64 // last, next, late at the first moment; 0 for unknown
		wanted []wanted
	}{
		{8, "redbeat/redbeat:", map[string][3]float64{
			"redbeat/every10": {1795950755.825854, 1795950765, 0}, "redbeat/daily": {0, 1796007599, 0},
			"redbeat/celery.backend_cleanup": {0, 1796011199, 0},
		}, []wanted{{1795950764, scheduled(1, 3, 0, 0)}, {1795950795, scheduled(1, 3, 0, 30)}, {1795950796, scheduled(1, 3, 1, 31)}}},
		{9, "rq/rq", map[string][3]float64{
			"rq-scheduler/rqt.ok e95ad1ce-c7a4-4c62-966b-0f25766919d4": {1795950763.714019, 1795950773, 0},
		}, []wanted{{1795950770, scheduled(1, 2, 0, 0)}, {1795950863, scheduled(1, 2, 0, 90)}, {1795950864, scheduled(1, 2, 1, 91)}}},
		{10, "rq/rq", map[string][3]float64{
			"rq-cron/rqt.ok": {1795950755.822112, 1795950765.822112, 0}, "rq-cron/nightly": {0, 1796007600, 0},
		}, []wanted{{1795950760, scheduled(1, 2, 0, 0)}, {1795950830, scheduled(1, 2, 1, 1795950830-1795950765.822112)}, {1795950831, scheduled(0, 2, 1, 1795950831-1795950765.822112)}}},
		{12, "sidekiq/", map[string][3]float64{
			"sidekiq-cron/tick": {1795950763, 1795950770, 0}, "sidekiq-cron/nightly": {0, 0, 0},
		}, []wanted{{1795950769, scheduled(1, 2, 0, 0)}, {1795950860, scheduled(1, 2, 0, 90)}, {1795950861, scheduled(1, 2, 1, 91)}}},
		{13, "sidekiq/", map[string][3]float64{
			"sidekiq-scheduler/tick": {1795950755, 1795950765, 0}, "sidekiq-scheduler/nightly": {0, 1796007600, 0},
		}, []wanted{{1795950760, scheduled(1, 2, 0, 0)}, {1795950796, scheduled(1, 2, 1, 31)}, {1796007600 + day, scheduled(1, 2, 2, 1796007600+day-1795950765)}}},
		{15, "bullmq/bull", map[string][3]float64{
			"bullmq/sched/ev": {0, 1795949206.302, 1795950760 - 1795949206.302}, "bullmq/sched/daily": {0, 1796007600, 0},
		}, []wanted{{1795950760, scheduled(0, 2, 1, 1795950760-1795949206.302)}, {1795949236, scheduled(0, 2, 0, 1795949236-1795949206.302)}}},
		{15, "asynq/", nil, []wanted{{1795950770, scheduled(1, 2, 0, 0)}}},
	} {
		t.Run(tt.id+" "+strconv.Itoa(tt.db), func(t *testing.T) {
			d, m := dial(t, s, "", tt.db), &item.Memory{}
			for i, w := range tt.wanted {
				d.at = w.at
				var r *reading
				for _, found := range pollOnce(t, d, m, defaultOptions(), query{}).Systems {
					if found.ID() == tt.id {
						r = found
					}
				}
				require.NotNil(t, r, "not found")
				if tt.db == 9 {
					require.Equal(t, "every 10s", jobNamed(t, r, "rq-scheduler/rqt.ok e95ad1ce-c7a4-4c62-966b-0f25766919d4").schedule)
				}
				requireFigures(t, w.figures, ofSchedulers(&r.figures), fmt.Sprintf("%s at %.0f: %v", tt.id, w.at, r.Problems))
				for id, times := range tt.rows {
					if i > 0 {
						break
					}
					j := jobNamed(t, r, id)
					require.InDeltaSlice(t, times[:], []float64{j.last, j.next, j.late}, 1e-3, "%s: %+v", id, j)
				}
			}
		})
	}
}

// document polls job.get's document.
func (f *field) document(seconds float64) (rows []map[string]any, truncated map[string]float64) {
	f.t.Helper()
	f.d.at += seconds
	result := pollOnce(f.t, f.d, f.m, f.o, query{})
	var doc struct {
		Rows []map[string]any `json:"periodic_jobs"`
	}
	text := written(result)
	require.NoError(f.t, json.Unmarshal([]byte(text), &doc), text)
	cut := map[string]float64{}
	for _, r := range result.Systems {
		cut["periodic_jobs"] += float64(r.CutPeriodic)
	}
	return doc.Rows, cut
}

// periodicJobsOfADocument: what a row says, of one that is late and of one that is
// switched off.
func periodicJobsOfADocument(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a", "SADD cron_jobs:default cron_job:default:tick cron_job:default:off other")
	f.s.Do(t, "HSET", "cron_job:default:tick", "name", "ti\xffck\n", "cron", "*/5 * * * *", "status", "enabled",
		"last_enqueue_time", "2026-11-21 02:55:00 +0000", "message", `{"queue":"low","args":["secret"]}`)
	f.s.Do(t, "HSET", "cron_job:default:off", "name", "off", "cron", "0 3 * * *", "status", "disabled", "last_enqueue_time", "")
	f.d.at = 1795230000 // 2026-11-21 03:00:00
	rows, _ := f.document(100)
	require.Len(t, rows, 2)
	require.Equal(t, map[string]any{
		"id": "sidekiq//sidekiq-cron/off", "system_id": "sidekiq/", "system": "sidekiq", "prefix": "", "scheduler": "sidekiq-cron",
		"name": "off", "schedule": "0 3 * * *", "enabled": 0.0, "late_by": 0.0, "overdue": 0.0,
		"unavailable": map[string]any{"last_run": "it has not run yet", "next_run": "it is disabled"},
	}, rows[0])
	require.Equal(t, map[string]any{
		"id": "sidekiq//sidekiq-cron/ti?ck", "system_id": "sidekiq/", "system": "sidekiq", "prefix": "", "scheduler": "sidekiq-cron",
		"name": "ti?ck", "queue": "low", "schedule": "*/5 * * * *", "enabled": 1.0, "last_run": 1795229700.0, "next_run": 1795230000.0,
		"late_by": 100.0, "overdue": 1.0, "unavailable": map[string]any{},
	}, rows[1])
}

// keysOfAnApplication that have the names of sidekiq-cron's and sidekiq-scheduler's are
// not taken for theirs.
func keysOfAnApplication(t *testing.T, s *redistest.Server) {
	for _, seed := range []string{
		"SADD cron_jobs a b", "SET cron_jobs:default x", "HSET schedules monday {\"opens\":9} tuesday closed", "LPUSH schedules x",
	} {
		f := fieldOn(t, s, "SADD queues a", seed)
		r := f.poll(0, "sidekiq/")
		wantNothing(t, &r.figures, schedulerFigures...)
		require.Empty(t, periodicOf(r), seed)
	}
}

// periodicOf are the rows of a reading.
func periodicOf(r *reading) (rows []*periodicJob) {
	for _, c := range r.schedulers {
		rows = append(rows, c.jobs...)
	}
	return rows
}

// noSchedulerNoFigures: where nothing schedules periodic jobs, 0 of them would be
// an alarm for nothing.
func noSchedulerNoFigures(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a")
	r := f.poll(0, "sidekiq/")
	wantNothing(t, &r.figures, schedulerFigures...)
	require.Contains(t, written(pollOnce(t, f.d, f.m, f.o, query{})), `"periodic_jobs":[]`)
}

// TestOneUnknownKindOfScheduler makes the figure unknown, unless another kind is dead.
func TestOneUnknownKindOfScheduler(t *testing.T) {
	t.Parallel()
	for other, known := range map[float64]bool{0: true, 1: false} {
		r := &reading{spec: &spec{}}
		for i, alive := range []func() (float64, error){
			func() (float64, error) { return 0, errors.New("not known") }, func() (float64, error) { return other, nil },
		} {
			c := r.schedule(strconv.Itoa(i), graceShort)
			c.used, c.alive = true, alive
		}
		p := pollAt(fieldAt)
		r.sumSchedulers(p, p.state)
		if known {
			want(t, &r.figures, figSchedulersAlive, other)
		} else {
			wantUnknown(t, &r.figures, figSchedulersAlive, "0: not known")
		}
	}
}

// aChangedDefinitionIsNotLate: its last run was by another schedule.
func aChangedDefinitionIsNotLate(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a", "SADD cron_jobs:default cron_job:default:a")
	set := func(fields ...string) {
		f.s.Do(t, append([]string{"HSET", "cron_job:default:a"}, fields...)...)
	}
	set("name", "a", "cron", "0 0 * * *", "status", "enabled", "last_enqueue_time", "2026-11-21 00:00:00 +0000")
	f.d.at = 1795230000 - 300 // 2026-11-21 02:55
	want(t, &f.poll(0, "sidekiq/").figures, figSchedulerLate, 0)
	set("cron", "0 * * * *")
	want(t, &f.poll(60, "sidekiq/").figures, figSchedulerLate, 0)
	want(t, &f.poll(340, "sidekiq/").figures, figSchedulerLate, 100)
	set("status", "disabled")
	want(t, &f.poll(3600, "sidekiq/").figures, figSchedulerOverdue, 0)
	set("status", "enabled")
	want(t, &f.poll(3600, "sidekiq/").figures, figSchedulerOverdue, 0)
	set("cron", "every blue moon")
	wantUnknown(t, &f.poll(1, "sidekiq/").figures, figSchedulerOverdue, "not a crontab that is understood")
}

// otherNamespacesOfSidekiqCron are found by SCAN; before 2.0 there were none.
func otherNamespacesOfSidekiqCron(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD app:queues a", "SADD app:processes vm:1:0123456789ab", "SADD app:cron_jobs:shop cron_job:shop:a", "SADD app:cron_jobs app:cron_job:b",
		"HSET app:cron_job:shop:a name a cron @hourly", "HSET app:cron_job:b name b cron @daily")
	r := f.poll(0, "sidekiq/app")
	require.Equal(t, "@hourly", jobNamed(t, r, "sidekiq-cron/a").schedule)
	require.Equal(t, "@daily", jobNamed(t, r, "sidekiq-cron/b").schedule)
	want(t, &r.figures, figSchedulersAlive, 0)
}

// cronJobsAlone: where Sidekiq has never run, or its processes are dead and its queues
// gone, its cron jobs are there, and nobody runs them.
func cronJobsAlone(t *testing.T, s *redistest.Server) {
	for set, id := range map[string]string{
		"cron_jobs": "sidekiq/", "cron_jobs:default": "sidekiq/", "cron_jobs:shop": "sidekiq/", "app:cron_jobs": "sidekiq/app", "app:cron_jobs:shop": "sidekiq/app",
	} {
		f := fieldOn(t, s)
		require.Empty(t, pollOnce(t, f.d, f.m, f.o, query{}).Systems)
		prefix, _, _ := strings.Cut(set, "cron_jobs")
		for i := range 41 {
			key := fmt.Sprintf("cron_job:%d", i)
			f.s.Do(t, "SADD", set, key)
			f.s.Do(t, "HSET", prefix+key, "name", strconv.Itoa(i), "cron", "@hourly", "status", "enabled", "last_enqueue_time", "2026-11-29 09:00:00 +0000")
		}
		pollOnce(t, f.d, f.m, f.o, query{}) // which finds it
		r := f.poll(0, id)
		requireFigures(t, scheduled(0, 41, 41, 3600), ofSchedulers(&r.figures), set)
		want(t, &r.figures, figWorkersAlive, 0)
		want(t, &r.figures, figWaiting, 0)
		r = pollOnce(t, f.d, &item.Memory{}, f.o, query{}).Systems[0]
		want(t, &r.figures, figPeriodicJobs, 41)
	}
	// What an application calls so.
	for _, seed := range []string{"SADD cron_jobs a b", "SADD cron_jobs: cron_job:a", "SADD mycron_jobs cron_job:a", "SADD cron_jobs2 cron_job:a",
		"SET cron_jobs x", "HSET cron_jobs:default cron_job:a x"} {
		f := fieldOn(t, s, seed)
		for range 2 {
			require.Empty(t, pollOnce(t, f.d, f.m, f.o, query{}).Systems, seed)
		}
	}
}

// manyPeriodicJobs: rows and what is read are bounded, and the late ones are
// shown.
func manyPeriodicJobs(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s)
	args := []string{"ZADD", "redbeat::schedule"}
	for i := range maxPeriodic + 200 {
		key := fmt.Sprintf("redbeat:%04d", i)
		args = append(args, strconv.Itoa(fieldAt+i), key)
		f.s.Do(t, "HSET", key, "definition", `{"enabled":true,"schedule":{"__type__":"interval","every":10}}`)
	}
	f.s.Do(t, args...)
	rows, cut := f.document(131)
	require.Len(t, rows, maxPeriodicRows)
	require.EqualValues(t, 700, cut["periodic_jobs"])
	require.EqualValues(t, 131, rows[0]["late_by"])
	r := f.poll(0, "redbeat/redbeat:")
	want(t, &r.figures, figPeriodicJobs, maxPeriodic+200)
	want(t, &r.figures, figSchedulerOverdue, 101) // those not read are not due
	require.LessOrEqual(t, f.d.calls, 10)
	f.s.Do(t, "SET", "redbeat:0000", "x")
	f.d.at = fieldAt + 29
	r = f.poll(0, "redbeat/redbeat:")
	want(t, &r.figures, figSchedulerOverdue, 0)
	want(t, &r.figures, figSchedulerUnknown, 1)
}

// schedulersThatMayNotBeRead are said to be unknown.
func schedulersThatMayNotBeRead(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a", "SADD cron_jobs:default cron_job:default:a")
	f.s.Do(t, "ACL", "SETUSER", "zbx", "on", "nopass", "+@all", "%R~queues", "%R~processes")
	f.d = dial(t, f.s, "zbx", schedulersDB)
	f.d.at = fieldAt
	r := f.poll(0, "sidekiq/")
	for _, name := range schedulerFigures {
		wantUnknown(t, &r.figures, name, "NOPERM")
	}
}

// written is the document of a result.
func written(result *result) string {
	w := jsondoc.New(0)
	w.BeginObject()
	writePeriodic(w, result.Systems)
	w.EndObject()
	return w.Document()
}
