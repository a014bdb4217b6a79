//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// realJobs holds what real job systems left, see metrics/jobs/testdata/README.md.
func realJobs(t testing.TB) *redistest.Server {
	t.Helper()
	dump, err := os.ReadFile(filepath.Join(agent.Root(t), "metrics/jobs/testdata/job-systems.rdb"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600))
	return redistest.Start(t, redistest.Config{Args: []string{"--dir", dir}})
}

// jobScenes are job systems whose workers die and whose queues grow.
func (w *world) jobScenes(t testing.TB) []*scene {
	s := realJobs(t)
	for _, key := range []string{"queue:default", "queue:slow", "queue:unserved", "retry", "schedule", "dead"} {
		s.Do(t, "DEL", key)
	}
	// The heartbeats are written as Sidekiq writes them.
	const worker = "host:1:0123456789ab"
	busy := 0
	beat := func() {
		s.TryDo("SADD", "processes", worker)
		s.TryDo("HSET", worker, "beat", fmt.Sprintf("%d.5", time.Now().Unix()), "busy", strconv.Itoa(busy), "quiet", "false", "rss", "100", "rtt_us", "100",
			"info", `{"hostname":"host","started_at":1700000000.1,"pid":1,"tag":"","concurrency":5,"queues":["default","slow"],"labels":[],"identity":"`+worker+`"}`)
	}
	push := func(queue string, ago time.Duration, n int) {
		for range n {
			s.TryDo("RPUSH", "queue:"+queue, fmt.Sprintf(`{"class":"Job","jid":"%d","enqueued_at":%d}`, time.Now().UnixNano(), time.Now().Add(-ago).Unix()))
		}
	}
	beat()
	stop := every(time.Second, beat)
	t.Cleanup(func() { stop() })
	// Jobs come and go in every second: nobody calls that stuck.
	works := func() (stop func()) {
		return every(500*time.Millisecond, func() {
			push("slow", 0, 2)
			s.TryDo("LPOP", "queue:slow")
			s.TryDo("LPOP", "queue:slow")
			s.TryDo("INCRBY", "stat:processed", "2")
		})
	}
	work := works()
	t.Cleanup(func() { work() })
	sc := &scene{host: "sidekiq", templates: []string{jobsTemplate},
		ownAgent: true,
		macros: map[string]string{"{$JOBS.CONN}": "tcp://" + s.Addr + "/0", `{$JOBS.BACKLOG.MAX.WARN:"sidekiq//default"}`: "50",
			`{$JOBS.LLD.FILTER.QUEUE.MATCHES}`: "default|slow", `{$JOBS.RUN.MAX.WARN:"sidekiq/"}`: "1h", "{$JOBS.SYSTEMS.MIN}": "1",
			`{$JOBS.PERIOD:"failed"}`: "30s"},
		lacks: []string{`rj\.jobs\.queue\.(failed|paused|arrival|drain|growth|empty_in|stuck)\[.*`, `rj\.jobs\.system\.orphaned\[.*`}}
	sc.steps = []step{
		{name: "a store that is stopped", want: []string{"Jobs: Job systems cannot be read"}, do: func(t testing.TB) { s.Pause(t) }, undo: func(t testing.TB) { s.Resume(t) }},
		{name: "jobs that are old", want: []string{"Jobs: Queue sidekiq: default has high latency"},
			do:   func(testing.TB) { push("default", 20*time.Minute, 3) },
			undo: func(t testing.TB) { s.Do(t, "DEL", "queue:default") }, may: []string{"Jobs: Queue sidekiq: default is stuck"}},
		{name: "jobs that are far too old", want: []string{"Jobs: Queue sidekiq: default has very high latency"},
			do:   func(testing.TB) { push("default", 2*time.Hour, 3) },
			undo: func(t testing.TB) { s.Do(t, "DEL", "queue:default") }, may: []string{"Jobs: Queue sidekiq: default is stuck"}},
		{name: "many jobs", want: []string{"Jobs: Queue sidekiq: default has too many waiting jobs"},
			do:   func(testing.TB) { push("default", 0, 100) },
			undo: func(t testing.TB) { s.Do(t, "DEL", "queue:default") }, may: []string{"Jobs: Queue sidekiq: default is stuck"}},
		{name: "a queue that no worker serves", want: []string{"Jobs: Queue sidekiq: default is stuck"},
			do:   func(testing.TB) { push("default", 0, 3) }, // for a minute
			undo: func(t testing.TB) { s.Do(t, "DEL", "queue:default") }},
		{name: "workers that are all dead", want: []string{"Jobs: No worker of sidekiq is alive"},
			do: func(t testing.TB) {
				work()
				stop()
				s.Do(t, "DEL", worker)
				s.Do(t, "SREM", "processes", worker)
				push("default", 0, 3)
			},
			undo: func(t testing.TB) { stop, work = every(time.Second, beat), works(); s.Do(t, "DEL", "queue:default") }},
		{name: "a worker that is killed", want: []string{"Jobs: Workers of sidekiq have died"},
			do:   func(t testing.TB) { s.Do(t, "SADD", "processes", "host:2:dead") },
			undo: func(t testing.TB) { s.Do(t, "SREM", "processes", "host:2:dead") }},
		{name: "a scheduler that does not run", want: []string{"Jobs: Scheduled jobs of sidekiq are overdue"},
			do: func(t testing.TB) {
				s.Do(t, "ZADD", "schedule", strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10), `{"class":"Job","queue":"default","jid":"s"}`)
			},
			undo: func(t testing.TB) { s.Do(t, "DEL", "schedule") }},
		{name: "jobs that fail", want: []string{"Jobs: Jobs of sidekiq are failing"},
			do: func(t testing.TB) {
				s.Do(t, "ZADD", "dead", strconv.FormatInt(time.Now().Unix(), 10), `{"class":"Job","queue":"default","jid":"d"}`)
			},
			undo: func(t testing.TB) { s.Do(t, "DEL", "dead") }},
		{name: "workers that are all busy", want: []string{"Jobs: All workers of sidekiq are busy"},
			do:   func(testing.TB) { busy = 5; push("default", 0, 2) },
			undo: func(t testing.TB) { busy = 0; s.Do(t, "DEL", "queue:default") }, may: []string{"Jobs: Queue sidekiq: default is stuck"}},
		{name: "a job that hangs", want: []string{"Jobs: A job of sidekiq runs too long"},
			do: func(t testing.TB) {
				s.Do(t, "HSET", worker+":work", "tid1", fmt.Sprintf(`{"queue":"default","payload":"{}","run_at":%d}`, time.Now().Add(-2*time.Hour).Unix()))
			},
			undo: func(t testing.TB) { s.Do(t, "DEL", worker+":work") }},
		{name: "a job system that is gone", want: []string{"Jobs: Too few job systems"},
			do:   func(t testing.TB) { w.macro(t, sc, "{$JOBS.SYSTEMS.MIN}", "2") },
			undo: func(t testing.TB) { w.macro(t, sc, "{$JOBS.SYSTEMS.MIN}", "1") }},
		{name: "more queues than an answer has", want: []string{"Jobs: Some queues are truncated"},
			do: func(t testing.TB) {
				s.Do(t, "EVAL", "for i = 1, 1100 do redis.call('SADD', 'queues', 'zz' .. i) end", "0")
			},
			undo: func(t testing.TB) {
				s.Do(t, "EVAL", "for i = 1, 1100 do redis.call('SREM', 'queues', 'zz' .. i) end", "0")
			}},
		w.silence(sc, "Jobs: No data from the plugin"),
	}
	return []*scene{sc, w.asynqScene(t), w.jobSearchScene(t), w.schedulerScene(t)}
}

// asynqScene is what a real Asynq has left, its server killed at work; a server that lives has taken its place.
func (w *world) asynqScene(t testing.TB) *scene {
	s := realJobs(t)
	s.Do(t, "SWAPDB", "0", "7")
	for _, late := range []string{"{default}:retry", "{default}:scheduled", "{low}:pending", "{unserved}:pending", "{unserved}:paused"} {
		s.Do(t, "DEL", "asynq:"+late)
	}
	// The jobs that it was at, with their leases.
	hide := func(t testing.TB) {
		s.Do(t, "RENAME", "asynq:{default}:lease", "kept:lease")
		s.Do(t, "RENAME", "asynq:{default}:active", "kept:active")
	}
	hide(t)
	s.Do(t, "DEL", "asynq:schedulers") // of one that was killed, too, which schedulerScene is about
	// internal/proto of Asynq: concurrency 10, status active.
	s.Do(t, "SET", "asynq:servers:{host:1:new}", "\x20\x0a\x3a\x06active")
	s.Do(t, "ZADD", "asynq:servers", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10), "asynq:servers:{host:1:new}")
	sc := &scene{host: "asynq", templates: []string{jobsTemplate},
		macros: map[string]string{"{$JOBS.CONN}": "tcp://" + s.Addr + "/0"},
		lacks:  []string{`rj\.jobs\.queue\.(arrival|drain|growth|empty_in|stuck)\[.*`},
		steps: []step{
			{name: "a queue that is paused", want: []string{"Jobs: Queue asynq: low is paused"},
				do:   func(t testing.TB) { s.Do(t, "SET", "asynq:{low}:paused", strconv.FormatInt(time.Now().Unix(), 10)) },
				undo: func(t testing.TB) { s.Do(t, "DEL", "asynq:{low}:paused") }},
			{name: "jobs of a worker that was killed", want: []string{"Jobs: Jobs of asynq are orphaned"},
				do: func(t testing.TB) {
					s.Do(t, "RENAME", "kept:active", "asynq:{default}:active")
					s.Do(t, "RENAME", "kept:lease", "asynq:{default}:lease")
				},
				undo: hide},
		}}
	sc.steps = append(sc.steps, step{name: "a queue whose problems are switched off", want: []string{"Jobs: Queue asynq: low is paused"},
		do:   func(t testing.TB) { s.Do(t, "SET", "asynq:{low}:paused", strconv.FormatInt(time.Now().Unix(), 10)) },
		undo: func(t testing.TB) { w.macro(t, sc, `{$JOBS.CHECK:"asynq//low"}`, "0") }})
	return sc
}

// jobSearchScene is a search for job systems among more keys than it looks at. One that has seen all keys once stays
// complete, so the agent is new when there are many.
func (w *world) jobSearchScene(t testing.TB) *scene {
	s := redistest.Start(t, redistest.Config{})
	sc := &scene{host: "jobs-search", templates: []string{jobsTemplate}, ownAgent: true,
		macros: map[string]string{"{$JOBS.CONN}": "tcp://" + s.Addr},
		lines:  []string{"Jobs.ScanBudget=1000", "Jobs.SearchInterval=10"},
		lacks:  []string{`rj\.jobs\.(active|failed|waiting|workers)`}} // no job system, no sum
	sc.steps = []step{{name: "a search among many keys", want: []string{"Jobs: Search for job systems is incomplete"},
		do: func(t testing.TB) {
			s.Do(t, "EVAL", "for i = 1, 100000 do redis.call('SET', 'other' .. i, 'x') end", "0")
			sc.running.Kill()
			w.newAgent(t, sc)
		},
		undo: func(t testing.TB) { s.Do(t, "FLUSHALL") }}}
	return sc
}
