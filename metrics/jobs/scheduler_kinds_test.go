package jobs

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

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
	f := fieldOn(t, s, "SADD rq:queues rq:queue:a", "HSET rq:scheduler_instance:a birth 1795228160.5", "HSET rq:job:nightly meta interval")
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
	f.s.Do(t, "HSET", "rq:job:nightly", "origin", "low", "description", "shop.report('secret')", "meta", "\x80\x04\x8c\x0bcron_string\x94")
	// One that runs but once.
	f.s.Do(t, "ZADD", "rq:scheduler:scheduled_jobs", strconv.Itoa(fieldAt+20), "e3910380")
	f.s.Do(t, "HSET", "rq:job:e3910380", "origin", "low", "description", "shop.mail('x')")
	r := f.poll(0, "rq/rq")
	want(t, &r.figures, figSchedulersAlive, 1)
	j := jobNamed(t, r, "rq-scheduler/shop.report nightly")
	require.Equal(t, "low", j.queueName)
	// Its registration tells at which interval it looks for due jobs.
	f.s.Do(t, "EXPIRE", "rq:scheduler_instance:a", "310")
	f.poll(0, "rq/rq")
	f.s.Do(t, "EXPIRE", "rq:scheduler_instance:a", "20")
	f.s.Do(t, "ZADD", "rq:scheduler:scheduled_jobs", strconv.Itoa(fieldAt-339), "nightly")
	want(t, &f.poll(0, "rq/rq").figures, figSchedulerOverdue, 0)
	f.s.Do(t, "ZADD", "rq:scheduler:scheduled_jobs", strconv.Itoa(fieldAt-341), "nightly")
	want(t, &f.poll(0, "rq/rq").figures, figSchedulerOverdue, 1)
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
		r := f.poll(0, "resque/resque")
		want(t, &r.figures, figSchedulersAlive, 1)
		wantUnknown(t, &r.figures, figPeriodicJobs, "those of a configuration file are not before they ran")
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
	r = f.poll(0, "resque/resque")
	want(t, &r.figures, figSchedulerOverdue, 0) // of the others
	want(t, &r.figures, figSchedulerUnknown, 2)
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
	j := jobNamed(t, r, "bullmq/a/tick")
	require.Equal(t, "every 1m30s", j.schedule)
	require.EqualValues(t, fieldAt-121, j.last)
	require.Equal(t, "b", jobNamed(t, r, "bullmq/b/tick").queue.Name)
	require.Equal(t, "0 3 * * * Europe/Berlin", jobNamed(t, r, "bullmq/a/limited").schedule)
	f.s.Do(t, "HSET", "bull:b:meta", "paused", "1")
	r = f.poll(0, "bullmq/bull")
	requireFigures(t, scheduled(1, 4, 1, 31), ofSchedulers(&r.figures), "b is paused")

	// As BullMQ 6.7.0 left it behind: its last job was taken up, no other one came.
	job := fmt.Sprintf("bull:a:repeat:tick:%d", (fieldAt-31)*1000)
	for _, end := range []int{fieldAt - 1, fieldAt + 58} {
		f.s.Do(t, "HSET", "bull:a:repeat:tick", "endDate", strconv.Itoa(end*1000))
		f.s.Do(t, "HDEL", job, "processedOn")
		requireFigures(t, scheduled(1, 4, 1, 31), ofSchedulers(&f.poll(0, "bullmq/bull").figures), "its last job waits")
		f.s.Do(t, "HSET", job, "processedOn", strconv.Itoa((fieldAt-30)*1000))
		r = f.poll(0, "bullmq/bull")
		requireFigures(t, scheduled(1, 4, 0, 0), ofSchedulers(&r.figures), "its last job was taken up")
		require.Equal(t, "it has come to its end", jobNamed(t, r, "bullmq/a/tick").ended)
	}
	f.s.Do(t, "HSET", "bull:a:repeat:tick", "endDate", strconv.Itoa((fieldAt+59)*1000))
	requireFigures(t, scheduled(1, 4, 1, 31), ofSchedulers(&f.poll(0, "bullmq/bull").figures), "one more was due")
}

// repeatableJobsOfBull: one that has come to its limit or end stays, and its last job
// may.
func repeatableJobsOfBull(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SET bull:a:id 1", "RPUSH bull:a:wait 1")
	// As Bull 4.16.5 names the job of this one.
	const member, next = "tick:::60000", 1795228140000
	const gone, ended = "gone:id::Europe/Berlin:0 3 * * *", "ended::1795228150000:60000"
	job := bullJobKey(t, member, next)
	f.s.Do(t, "ZADD", "bull:a:repeat", strconv.Itoa(next), member, strconv.Itoa(next), gone, strconv.Itoa(next), ended)
	f.s.Do(t, "HSET", job, "timestamp", strconv.Itoa(next-60000), "opts", `{"repeat":{"count":2,"limit":2}}`)
	f.d.at = next/1000 + 31
	r := f.poll(0, "bull/bull")
	requireFigures(t, scheduled(0, 3, 1, 31), ofSchedulers(&r.figures), "without a worker")
	require.Equal(t, "every 1m", jobNamed(t, r, "bull/a/tick").schedule)
	require.EqualValues(t, next/1000-60, jobNamed(t, r, "bull/a/tick").last)
	require.Equal(t, "0 3 * * * Europe/Berlin", jobNamed(t, r, "bull/a/gone").schedule)
	require.Contains(t, jobNamed(t, r, "bull/a/gone").nextWhy, "or its job was lost")
	require.NotEmpty(t, jobNamed(t, r, "bull/a/ended").ended)
	want(t, &r.figures, figSchedulerUnknown, 1)

	f.s.Do(t, "HSET", job, "processedOn", strconv.Itoa(next+5))
	r = f.poll(0, "bull/bull")
	require.Equal(t, "it has come to its limit", jobNamed(t, r, "bull/a/tick").ended)
	f.s.Do(t, "HSET", job, "opts", `{"repeat":{"count":1}}`)
	r = f.poll(0, "bull/bull")
	requireFigures(t, scheduled(0, 3, 1, 31), ofSchedulers(&r.figures), "its next job was lost")
	require.Zero(t, jobNamed(t, r, "bull/a/tick").last, "its first one")

	const until = "until::1795228190000:60000" // its next run would be at 1795228200000
	f = fieldOn(t, s, "SET bull:a:id 1", "RPUSH bull:a:wait 1", "ZADD bull:a:repeat 1795228140000 "+until)
	f.d.at = next/1000 + 31
	require.NotEmpty(t, jobNamed(t, f.poll(0, "bull/bull"), "bull/a/until").ended)
	f.s.Do(t, "HSET", bullJobKey(t, until, next), "timestamp", "1795228080000",
		"opts", `{"repeat":{"count":3,"endDate":1795228190000}}`, "processedOn", "1795228140001")
	require.Equal(t, "it has come to its end", jobNamed(t, f.poll(0, "bull/bull"), "bull/a/until").ended)
}

// sidekiqSchedulerOfASystem: jobs that are switched off, by their definition or since,
// and processes that are quiet. A job of sidekiq-cron that has not run yet is late from
// its definition on.
func sidekiqSchedulerOfASystem(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD queues a", "SADD processes vm:1:0123456789ab", "HSET vm:1:0123456789ab busy 0 quiet false")
	f.s.Do(t, "HSET", "schedules", "a", `{"class":"A","every":["10s",{}]}`, "b", `{"class":"A","cron":"0 3 * * *","enabled":false}`, "c", `{"class":"A","in":"1h"}`)
	f.s.Do(t, "HSET", "sidekiq-scheduler:states", "a", `{"enabled":false}`, "b", "{")
	for _, name := range []string{"a", "b", "c"} {
		f.s.Do(t, "HSET", "sidekiq-scheduler:next_times", name, "2026-11-29 10:59:29 +0000")
	}
	r := f.poll(0, "sidekiq/")
	requireFigures(t, scheduled(1, 3, 1, 31), ofSchedulers(&r.figures), "c alone is on")
	require.Equal(t, "every 10s", jobNamed(t, r, "sidekiq-scheduler/a").schedule)
	require.Equal(t, "in 1h", jobNamed(t, r, "sidekiq-scheduler/c").schedule)
	f.s.Do(t, "HSET", "vm:1:0123456789ab", "quiet", "true")
	want(t, &f.poll(0, "sidekiq/").figures, figSchedulersAlive, 0)

	f = fieldOn(t, s, "SADD queues a", "SADD cron_jobs:default cron_job:default:a", "HSET cron_job:default:a name a status enabled")
	f.s.Do(t, "HSET", "cron_job:default:a", "cron", "* * * * *")
	wantUnknown(t, &f.poll(0, "sidekiq/").figures, figSchedulerOverdue, "it has not run yet, and it is not known when it was defined")
	f.s.Do(t, "ZADD", "cron_job:default:a:enqueued", strconv.Itoa(fieldAt-10), "2026-11-29T10:59:00Z")
	r = f.poll(91, "sidekiq/")
	requireFigures(t, scheduled(0, 1, 1, 91), ofSchedulers(&r.figures), "never run")
}

// aDeadSchedulerOfAsynq: entries of one that is dead are not read, though they are there for
// some seconds.
func aDeadSchedulerOfAsynq(t *testing.T, s *redistest.Server) {
	f := fieldOn(t, s, "SADD asynq:queues a", "ZADD asynq:schedulers 1795949999 asynq:schedulers:{a} inf asynq:schedulers:{b}")
	entry := "\x12\x09@every 5s\x1a\x04tick"
	f.s.Do(t, "RPUSH", "asynq:schedulers:{a}", entry)
	f.s.Do(t, "RPUSH", "asynq:schedulers:{b}", entry)
	r := f.poll(0, "asynq/")
	want(t, &r.figures, figSchedulersAlive, 0)
	wantUnknown(t, &r.figures, figPeriodicJobs, "its periodic jobs are in no key without one")
	f.s.Do(t, "ZADD", "asynq:schedulers", strconv.Itoa(fieldAt+15), "asynq:schedulers:{a}")
	r = f.poll(0, "asynq/")
	want(t, &r.figures, figSchedulersAlive, 1)
	require.Equal(t, "@every 5s", jobNamed(t, r, "asynq-scheduler/tick").schedule)
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

func rqTime(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }
