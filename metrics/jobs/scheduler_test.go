package jobs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

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
		{"noSchedulerNoFigures", noSchedulerNoFigures},
		{"aSchedulerThatIsGoneIsMissed", aSchedulerThatIsGoneIsMissed},
		{"oneDeadSchedulerIsNotHidden", oneDeadSchedulerIsNotHidden},
		{"processesOfRQScheduler", processesOfRQScheduler},
		{"theLockOfRedbeat", theLockOfRedbeat},
		{"theLockOfResque", theLockOfResque},
		{"jobSchedulersOfBullMQ", jobSchedulersOfBullMQ},
		{"repeatableJobsOfBull", repeatableJobsOfBull},
		{"aChangedDefinitionIsNotLate", aChangedDefinitionIsNotLate},
		{"otherNamespacesOfSidekiqCron", otherNamespacesOfSidekiqCron},
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
		}, []wanted{{1795950770, scheduled(1, 3, 0, 0)}, {1795950863, scheduled(1, 3, 0, 90)}, {1795950864, scheduled(1, 3, 1, 91)}}},
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
			"bullmq/ev": {0, 1795949206.302, 1795950760 - 1795949206.302}, "bullmq/daily": {0, 1796007600, 0},
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

// noSchedulerNoFigures: where nothing schedules periodic jobs, 0 of them would be
// an alarm for nothing.
func noSchedulerNoFigures(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a")
	r := f.poll(0, "sidekiq/")
	wantNothing(t, &r.figures, schedulerFigures...)
	require.Contains(t, written(pollOnce(t, f.d, f.m, f.o, query{})), `"periodic_jobs":[]`)
}

// aSchedulerThatIsGoneIsMissed for a day, and its jobs are late by what it said
// last.
func aSchedulerThatIsGoneIsMissed(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD rq:queues rq:queue:a")
	cron := func(next int64) string {
		return fmt.Sprintf(`[{"func_name":"a.b","name":"a.b","queue_name":"q","args":"[\"secret\"]","interval":3600,"next_enqueue_time":%q}]`, rqTime(next))
	}
	f.s.Do(t, "ZADD", "rq:cron_schedulers", strconv.Itoa(fieldAt), "vm:1")
	f.s.Do(t, "HSET", "rq:cron_scheduler:vm:1", "cron_jobs", cron(fieldAt+100))
	f.s.Do(t, "EXPIRE", "rq:cron_scheduler:vm:1", "120")
	r := f.poll(0, "rq/rq")
	requireFigures(t, scheduled(1, 1, 0, 0), ofSchedulers(&r.figures), "alive")
	require.Equal(t, "every 1h", jobNamed(t, r, "rq-cron/a.b").schedule)
	f.s.Do(t, "DEL", "rq:cron_scheduler:vm:1")
	r = f.poll(131, "rq/rq")
	requireFigures(t, scheduled(0, 1, 1, 31), ofSchedulers(&r.figures), "killed, its record gone")
	f.s.Do(t, "DEL", "rq:cron_schedulers")
	r = f.poll(100, "rq/rq")
	requireFigures(t, scheduled(0, 1, 1, 131), ofSchedulers(&r.figures), "stopped")
	// What another plugin that has just begun knows of it.
	r = pollOnce(t, f.d, &item.Memory{}, f.o, query{}).Systems[0]
	wantNothing(t, &r.figures, schedulerFigures...)
}

// oneDeadSchedulerIsNotHidden by another kind of the same system.
func oneDeadSchedulerIsNotHidden(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD rq:queues rq:queue:a", "HSET rq:scheduler_instance:a birth 1795228160.5")
	f.s.Do(t, "ZADD", "rq:scheduler:scheduled_jobs", strconv.Itoa(fieldAt+100), "nightly")
	f.s.Do(t, "ZADD", "rq:cron_schedulers", strconv.Itoa(fieldAt-74), "vm:1", strconv.Itoa(fieldAt-10000), "vm:0")
	r := f.poll(0, "rq/rq")
	requireFigures(t, scheduled(1, 1, 0, 0), ofSchedulers(&r.figures), "both alive")
	r = f.poll(2, "rq/rq")
	want(t, &r.figures, figSchedulersAlive, 0)
	wantUnknown(t, &r.figures, figSchedulerOverdue, "its periodic jobs are in no key without one")
	// The record's end is by the clock of Redis, and comes first.
	f.s.Do(t, "HSET", "rq:cron_scheduler:vm:1", "name", "vm:1")
	f.s.Do(t, "EXPIRE", "rq:cron_scheduler:vm:1", "50")
	r = f.poll(0, "rq/rq")
	requireFigures(t, scheduled(1, 1, 0, 0), ofSchedulers(&r.figures), "its clock is wrong")
	f.s.Do(t, "EXPIRE", "rq:cron_scheduler:vm:1", "40")
	f.s.Do(t, "ZADD", "rq:cron_schedulers", strconv.Itoa(fieldAt+9999), "vm:1")
	r = f.poll(0, "rq/rq")
	want(t, &r.figures, figSchedulersAlive, 0)
}

// processesOfRQScheduler are in no registry: a new one is found by SCAN, and one
// that was stopped says so.
func processesOfRQScheduler(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD rq:queues rq:queue:a", "HSET rq:scheduler_instance:a birth 1795228160.5")
	f.s.Do(t, "ZADD", "rq:scheduler:scheduled_jobs", strconv.Itoa(fieldAt+1000), "nightly")
	f.s.Do(t, "HSET", "rq:job:nightly", "origin", "low", "description", "shop.report('secret')")
	r := f.poll(0, "rq/rq")
	want(t, &r.figures, figSchedulersAlive, 1)
	j := jobNamed(t, r, "rq-scheduler/shop.report nightly")
	require.Equal(t, "low", j.queueName)
	f.s.Do(t, "HSET", "rq:scheduler_instance:a", "death", "1795228165.5")
	r = f.poll(1, "rq/rq")
	want(t, &r.figures, figSchedulersAlive, 0)
	f.s.Do(t, "DEL", "rq:scheduler_instance:a")
	f.s.Do(t, "HSET", "rq:scheduler_instance:b", "birth", "1795228166.5")
	r = f.poll(1, "rq/rq")
	wantUnknown(t, &r.figures, figSchedulersAlive, "one that has just begun")
	r = f.poll(1, "rq/rq")
	want(t, &r.figures, figSchedulersAlive, 1)
	// In a large Redis nobody knows before the next search.
	f.s.Do(t, "DEL", "rq:scheduler_instance:b")
	stateOf(f.m).search.scanned = scanCount
	r = f.poll(1, "rq/rq")
	wantUnknown(t, &r.figures, figSchedulersAlive, "has not come round since")
}

// theLockOfRedbeat may be switched off, and stays for long after a death: what is
// overdue shows that sooner. Entries that are switched off or over are not late.
func theLockOfRedbeat(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s)
	f.s.Do(t, "ZADD", "redbeat::schedule", "-1", "redbeat:over", strconv.Itoa(fieldAt-5000), "redbeat:off", strconv.Itoa(fieldAt+50), "redbeat:on",
		strconv.Itoa(fieldAt+60), "other:key")
	for name, enabled := range map[string]bool{"over": true, "off": false, "on": true} {
		f.s.Do(t, "HSET", "redbeat:"+name, "definition", fmt.Sprintf(
			`{"args":["secret"],"options":{"queue":"low"},"schedule":{"__type__":"crontab","minute":"*/5","hour":3,"day_of_week":"mon, tue"},"enabled":%v}`, enabled))
	}
	const id = "redbeat/redbeat:"
	r := f.poll(0, id)
	wantUnknown(t, &r.figures, figSchedulersAlive, "it may be switched off")
	want(t, &r.figures, figSchedulerOverdue, 0)
	want(t, &r.figures, figPeriodicJobs, 4)
	j := jobNamed(t, r, "redbeat/on")
	require.Equal(t, []string{"*/5 3 * * mon,tue", "low"}, []string{j.schedule, j.queueName})
	r = f.poll(81, id)
	requireFigures(t, scheduled(0, 4, 1, 31), ofSchedulers(&r.figures), "overdue, and without a lock")
	f.s.Do(t, "SET", "redbeat::lock", "token", "EX", "1500")
	r = f.poll(0, id)
	requireFigures(t, scheduled(1, 4, 1, 31), ofSchedulers(&r.figures), "killed")
	f.s.Do(t, "DEL", "redbeat::lock")
	f.s.Do(t, "ZADD", "redbeat::schedule", strconv.Itoa(fieldAt+5000), "redbeat:on")
	r = f.poll(0, id)
	want(t, &r.figures, figSchedulersAlive, 0) // it had one
	f.s.Do(t, "HSET", "redbeat:on", "definition", "{")
	r = f.poll(0, id)
	wantUnknown(t, &r.figures, figSchedulerOverdue, "it is not known of 1 periodic jobs: its record: it is not the JSON object")
}

// theLockOfResque stays for three minutes; one that is not renewed is a dead
// scheduler's. Schedules of a configuration file are not in Redis.
func theLockOfResque(t *testing.T, s *redistest.Server) {
	for _, lock := range []string{"resque:resque:resque_scheduler_master_lock", "resque:resque_scheduler_leader_lock"} {
		f := fieldOn(t, s, "SADD resque:queues a", "SET "+lock+" vm:1 EX 180")
		want(t, &f.poll(0, "resque/resque").figures, figSchedulersAlive, 1)
		f.s.Do(t, "EXPIRE", lock, "150")
		want(t, &f.poll(60, "resque/resque").figures, figSchedulersAlive, 1)
		f.s.Do(t, "EXPIRE", lock, "106") // nobody renewed it
		want(t, &f.poll(44, "resque/resque").figures, figSchedulersAlive, 1)
		f.s.Do(t, "EXPIRE", lock, "105")
		want(t, &f.poll(1, "resque/resque").figures, figSchedulersAlive, 0)
		f.s.Do(t, "EXPIRE", lock, "180")
		want(t, &f.poll(1, "resque/resque").figures, figSchedulersAlive, 1)
		f.s.Do(t, "DEL", lock)
		want(t, &f.poll(1, "resque/resque").figures, figSchedulersAlive, 0)
	}
	f := fieldOn(t, s, "SADD resque:queues a", "SET resque:resque:resque_scheduler_master_lock vm:1")
	f.s.Do(t, "HSET", "resque:persistent_schedules", "often", `{"every":["1m",{}],"class":"A","queue":"low"}`,
		"zoned", `{"cron":"*/10 * * * * Europe/Berlin","queue":"low"}`, "hours", `{"cron":"0 3 * * *"}`, "minutes", `{"cron":"*/10 * * * *"}`)
	f.d.at = 1795230000 // 2026-11-21 03:00:00
	for _, name := range []string{"often", "zoned", "hours", "minutes", "static"} {
		f.s.Do(t, "HSET", "resque:delayed:last_enqueued_at", name, "2026-11-21 02:55:00 +0000")
	}
	r := f.poll(0, "resque/resque")
	requireFigures(t, scheduled(1, 5, 1, 240), ofSchedulers(&r.figures), "often is late")
	require.EqualValues(t, 1795229760, jobNamed(t, r, "resque-scheduler/often").next)
	require.EqualValues(t, 1795230000, jobNamed(t, r, "resque-scheduler/zoned").next)
	require.EqualValues(t, 1795230000, jobNamed(t, r, "resque-scheduler/minutes").next)
	require.Equal(t, errOtherZone.Error(), jobNamed(t, r, "resque-scheduler/hours").nextWhy)
	require.Contains(t, jobNamed(t, r, "resque-scheduler/static").nextWhy, "in the configuration of the scheduler")
	f.s.Do(t, "HSET", "resque:delayed:last_enqueued_at", "often", "2026-11-21 03:00:00 +0000")
	wantUnknown(t, &f.poll(0, "resque/resque").figures, figSchedulerOverdue, "it is not known of 2 periodic jobs")
}

// jobSchedulersOfBullMQ have no process of their own: the queue that has the
// fewest workers counts. In a paused queue nothing is late.
func jobSchedulersOfBullMQ(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s)
	for _, q := range []string{"a", "b"} {
		f.s.Do(t, "HSET", "bull:"+q+":meta", "version", "bullmq:6.7.0")
		f.s.Do(t, "ZADD", "bull:"+q+":repeat", strconv.Itoa((fieldAt-31)*1000), "tick", strconv.Itoa((fieldAt-500)*1000), "limited")
		f.s.Do(t, "HSET", "bull:"+q+":repeat:tick", "every", "90000", "ic", "7")
		f.s.Do(t, "HSET", "bull:"+q+":repeat:limited", "pattern", "0 3 * * *", "tz", "Europe/Berlin", "limit", "3", "ic", "3")
		f.s.Do(t, "HSET", fmt.Sprintf("bull:%s:repeat:tick:%d", q, (fieldAt-31)*1000), "timestamp", strconv.Itoa((fieldAt-121)*1000))
	}
	worker := dial(t, f.s, "", schedulersDB)
	_, err := worker.DoAll(t.Context(), []string{"CLIENT", "SETNAME", "bull:YQ==:w:x"})
	require.NoError(t, err)
	r := f.poll(0, "bullmq/bull")
	requireFigures(t, scheduled(0, 4, 2, 31), ofSchedulers(&r.figures), "b has no worker")
	j := jobNamed(t, r, "bullmq/tick")
	require.Equal(t, "every 1m30s", j.schedule)
	require.EqualValues(t, fieldAt-121, j.last)
	require.Equal(t, "b", jobNamed(t, r, "bullmq/tick#2").queue.Name)
	require.Equal(t, "0 3 * * * Europe/Berlin", jobNamed(t, r, "bullmq/limited").schedule)
	f.s.Do(t, "HSET", "bull:b:meta", "paused", "1")
	r = f.poll(0, "bullmq/bull")
	requireFigures(t, scheduled(1, 4, 1, 31), ofSchedulers(&r.figures), "b is paused")
}

// repeatableJobsOfBull: one that has come to its limit stays, without a job.
func repeatableJobsOfBull(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SET bull:a:id 1", "RPUSH bull:a:wait 1")
	// As Bull 4.16.5 names the job of this one.
	const member, next = "tick:::60000", 1795228140000
	f.s.Do(t, "ZADD", "bull:a:repeat", strconv.Itoa(next), member, strconv.Itoa(next), "done:id::Europe/Berlin:0 3 * * *")
	f.s.Do(t, "HSET", fmt.Sprintf("bull:a:repeat:%s:%d", bullRepeatHash("tick", ":", member), next), "timestamp", strconv.Itoa(next-60000), "opts", `{"repeat":{"count":2}}`)
	f.d.at = next/1000 + 31
	r := f.poll(0, "bull/bull")
	requireFigures(t, scheduled(0, 2, 1, 31), ofSchedulers(&r.figures), "without a worker")
	require.Equal(t, "every 1m", jobNamed(t, r, "bull/tick").schedule)
	require.EqualValues(t, next/1000-60, jobNamed(t, r, "bull/tick").last)
	require.Equal(t, "0 3 * * * Europe/Berlin", jobNamed(t, r, "bull/done").schedule)
	require.NotEmpty(t, jobNamed(t, r, "bull/done").ended)
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
	wantUnknown(t, &f.poll(0, "redbeat/redbeat:").figures, figSchedulerOverdue, "of 1 periodic jobs")
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

func redbeatCases() []conformance {
	return []conformance{{
		// As redbeat 2.4.2 writes them; its lock is a string that it renews.
		name: "2.4", system: "redbeat", prefix: "redbeat:", db: 21, at: fieldAt,
		seed: [][]string{
			{"ZADD", "redbeat::schedule", strconv.Itoa(fieldAt - 60), "redbeat:tick", strconv.Itoa(fieldAt + 60), "redbeat:daily"},
			{"SADD", "redbeat::statics", "tick", "daily"},
			{"SET", "redbeat::lock", "4fe0697aebe411f1a0a802fc00000001"},
			{"HSET", "redbeat:tick", "definition", `{"name":"tick","task":"a.b","args":null,"schedule":{"__type__":"interval","every":10.0,"relative":false},"enabled":true}`,
				"meta", `{"last_run_at":{"__type__":"datetime","year":2026,"month":11,"day":21,"hour":2,"minute":0,"second":0,"microsecond":5,"timezone":"UTC"},"total_run_count":63}`},
			{"HSET", "redbeat:daily", "definition", `{"name":"daily","schedule":{"__type__":"crontab","minute":0,"hour":3},"enabled":true}`},
		},
		figures: scheduled(1, 2, 1, 60),
		queues:  map[string]map[string]float64{},
	}}
}

// written is the document of a result.
func written(result *result) string {
	w := jsondoc.New(0)
	w.BeginObject()
	writePeriodic(w, result.Systems)
	w.EndObject()
	return w.Document()
}

func rqTime(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }
