//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// schedulerScene is a Sidekiq with sidekiq-cron: it freezes, it ends, and its jobs fail.
func (w *world) schedulerScene(t testing.TB) *scene {
	s := realJobs(t)
	for _, key := range []string{"queue:default", "queue:slow", "queue:unserved", "retry", "schedule", "dead"} {
		s.Do(t, "DEL", key)
	}
	const worker, job = "host:1:0123456789ab", "cron_job:default:nightly"
	beat := func() {
		s.TryDo("SADD", "processes", worker)
		s.TryDo("HSET", worker, "beat", fmt.Sprintf("%d.5", time.Now().Unix()), "busy", "0", "quiet", "false", "rss", "100", "rtt_us", "100",
			"info", `{"hostname":"host","started_at":1700000000.1,"pid":1,"tag":"","concurrency":5,"queues":["default"],"labels":[],"identity":"`+worker+`"}`)
	}
	beat()
	stop := every(time.Second, beat)
	t.Cleanup(func() { stop() })
	enqueued := func(t testing.TB, ago time.Duration) {
		s.Do(t, "HSET", job, "last_enqueue_time", time.Now().Add(-ago).UTC().Format("2006-01-02 15:04:05 -0700"))
	}
	s.Do(t, "SADD", "cron_jobs:default", job)
	s.Do(t, "HSET", job, "name", "nightly", "cron", "0 3 * * *", "status", "enabled", "message", `{"queue":"default"}`)
	enqueued(t, 0)
	return &scene{host: "schedulers", templates: []string{jobsTemplate},
		macros: map[string]string{"{$JOBS.CONN}": "tcp://" + s.Addr + "/0"},
		lacks:  []string{`rj\.jobs\.queue\.(failed|paused|arrival|drain|growth|empty_in|stuck)\[.*`, `rj\.jobs\.system\.orphaned\[.*`},
		steps: []step{
			{name: "a scheduler that is frozen", want: []string{"Jobs: Scheduler of sidekiq does not run its jobs"},
				do: func(t testing.TB) { enqueued(t, 48*time.Hour) }, undo: func(t testing.TB) { enqueued(t, 0) }},
			{name: "a scheduler that has ended", want: []string{"Jobs: Scheduler of sidekiq is dead"},
				do: func(t testing.TB) {
					stop()
					s.Do(t, "DEL", worker)
					s.Do(t, "SREM", "processes", worker)
				},
				undo: func(testing.TB) { stop = every(time.Second, beat) }},
			{name: "jobs that fail and are tried again", want: []string{"Jobs: Attempts of sidekiq fail"},
				do: func(t testing.TB) {
					for n := range 11 {
						at := time.Now()
						s.Do(t, "INCR", "stat:failed")
						s.Do(t, "ZADD", "retry", strconv.FormatInt(at.Add(time.Hour).Unix(), 10), fmt.Sprintf(
							`{"class":"PaymentJob","queue":"default","jid":"f%d","args":[],"retry_count":0,"failed_at":%.3f,"error_class":"Net::ReadTimeout","error_message":"no answer of the bank"}`,
							n, float64(at.UnixMilli())/1000))
					}
				},
				undo: func(t testing.TB) { s.Do(t, "DEL", "retry") }},
		}}
}
