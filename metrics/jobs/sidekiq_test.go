package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// idle are the figures of a system that has no worker.
func idle(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{
		figWorkers, figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation, figOldestRunning,
	} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return figures
}

func sidekiqCases() []conformance {
	empty := map[string]float64{
		"waiting": 0, "active": 0, "paused": 0, "latency": 0,
	}
	return []conformance{
		{
			// Sidekiq::Stats of the run: processed 16, failed 9, scheduled 2, retry 2, dead 3.
			name: "6.4", system: "sidekiq", db: 0, at: 1795230000,
			figures: idle(map[string]float64{
				"waiting": 3, "active": 0, "scheduled": 2, "retry": 2, "overdue": 2, "failed": 3,
				"processed_total": 16, "failed_total": 9, "latency": 1795230000 - 1795227509.7226794,
				"queue_count": 3, "queues_paused": 0, "queues_stuck": 0,
			}),
			queues: map[string]map[string]float64{
				"default": empty, "slow": empty,
				"unserved": {"waiting": 3, "active": 0, "paused": 0, "latency": 1795230000 - 1795227509.7226794},
			},
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("q%04d", i)
					out = append(out, []string{"SADD", "queues", q},
						[]string{"LPUSH", "queue:" + q, `{"jid":"1","enqueued_at":1795228164.920326}`})
				}
				return out
			},
		},
		{
			name: "7.3", system: "sidekiq", db: 13, at: 1795228360,
			figures: idle(map[string]float64{
				"waiting": 3, "active": 0, "scheduled": 2, "retry": 2, "overdue": 0, "failed": 3,
				"processed_total": 18, "failed_total": 11, "latency": 1795228360 - 1795228164.9203746,
				"queue_count": 3, "queues_paused": 0, "queues_stuck": 0,
			}),
			queues: map[string]map[string]float64{
				"default": empty, "slow": empty,
				"unserved": {"waiting": 3, "active": 0, "paused": 0, "latency": 1795228360 - 1795228164.9203746},
			},
		},
		{
			name: "6.4 in a namespace, its worker killed", system: "sidekiq", prefix: "myapp", db: 15, at: 1795230100,
			figures: idle(map[string]float64{
				"waiting": 2, "active": 0, "scheduled": 2, "retry": 0, "overdue": 0, "failed": 0,
				"processed_total": 0, "failed_total": 0, "latency": 1795230100 - 1795230076.5683577,
				"workers": 1, "workers_dead": 1, "queue_count": 1, "queues_paused": 0, "queues_stuck": 0,
			}),
			queues: map[string]map[string]float64{
				"nsq": {"waiting": 2, "active": 0, "paused": 0, "latency": 1795230100 - 1795230076.5683577},
			},
		},
		{
			// The keys that live for a minute, as launcher.rb of each version writes them.
			name: "6.4, 7.3 and 8.1 at work", system: "sidekiq", db: 16, at: 1795229000,
			seed: [][]string{
				{"SADD", "queues", "default", "slow"},
				{"SADD", "paused", "slow"},
				{"SET", "stat:processed", "7"},
				// 8.1 counts milliseconds.
				{"LPUSH", "queue:default", `{"class":"OkJob","jid":"b","args":[1],"created_at":1795228977000,"enqueued_at":1795228977923}`},
				{"LPUSH", "queue:slow", `{"class":"OkJob","jid":"c","args":[1],"created_at":1795228999000}`},
				{"SADD", "processes", "vm:1:a64000000000", "vm:2:b73000000000", "vm:3:c81000000000", "vm:4:dead00000000"},
				{"HSET", "vm:1:a64000000000", "busy", "2", "beat", "1795228999.1", "quiet", "false", "info", `{"hostname":"vm","started_at":1795228900.5,"pid":1,"concurrency":3,"queues":["default"]}`},
				{"HSET", "vm:1:a64000000000:workers", "t1", `{"queue":"default","payload":"{}","run_at":1795228990}`, "t2", `{"queue":"slow","payload":"{}","run_at":1795228950}`},
				{"HSET", "vm:2:b73000000000", "busy", "0", "beat", "1795228999.1", "quiet", "true", "info", `{"hostname":"vm","pid":2,"concurrency":2,"version":"7.3.10"}`},
				{"HSET", "vm:3:c81000000000", "busy", "1", "beat", "1795228999.1", "quiet", "false", "concurrency", "5", "info", `{"hostname":"vm","pid":3,"capsules":{}}`},
				{"HSET", "vm:3:c81000000000:work", "t3", `{"queue":"default","payload":"{}","run_at":1795228980}`},
			},
			figures: map[string]float64{
				"waiting": 2, "active": 3, "scheduled": 0, "retry": 0, "overdue": 0, "failed": 0, "processed_total": 7,
				"failed_total": 0, "latency": 1795229000 - 1795228977.923, "workers": 4, "workers_alive": 3,
				"workers_dead": 1, "workers_busy": 3, "workers_slots": 8, "workers_quiet": 1, "utilisation": 2. / 3, // of the first
				"oldest_running": 50, "queue_count": 2, "queues_paused": 1, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{
				"default": {"waiting": 1, "active": 2, "paused": 0, "latency": 1795229000 - 1795228977.923},
				"slow":    {"waiting": 1, "active": 1, "paused": 1, "latency": 1},
			},
		},
		{
			// As Exq 0.23 writes it; of the second node only what stays when it is killed.
			name: "Exq", system: "sidekiq", prefix: "exq", db: 21, at: 1795229000,
			seed: [][]string{
				{"SADD", "exq:queues", "default", "slow"}, {"SET", "exq:stat:processed", "7"}, {"SET", "exq:stat:failed", "2"},
				{"LPUSH", "exq:queue:default", `{"queue":"default","retry":true,"class":"Worker","args":[],"jid":"a","enqueued_at":1795228990.5}`},
				{"ZADD", "exq:schedule", "1795228999.000000", "{}", "1795229999.000000", "{ }"}, {"ZADD", "exq:retry", "1795229999.000000", "{}"},
				{"ZADD", "exq:dead", "1795228000.000000", "{}"}, {"SADD", "exq:processes", "host1", "host2"},
				{"HMSET", "exq:host1", "info", `{"hostname":"host1","identity":"host1","pid":"1","queues":["default","slow"],"concurrency":0,"busy":1,"quiet":false,"labels":[],"tag":""}`,
					"busy", "1", "beat", "1795228999.1", "quiet", "false"},
				{"HSET", "exq:host1:workers", "#PID<0.1.0>", `{"pid":"#PID<0.1.0>","host":"host1","queue":"slow","payload":{"jid":"b"},"run_at":1795228960.5}`},
				{"HSET", "exq:host2:workers", "#PID<0.2.0>", `{"pid":"#PID<0.2.0>","host":"host2","queue":"slow","payload":{"jid":"c"},"run_at":1795228000.5}`},
				{"LPUSH", "exq:queue:backup::host1::slow", "{}"},
			},
			figures: map[string]float64{
				"waiting": 1, "active": 1, "scheduled": 2, "retry": 1, "overdue": 0, "failed": 1, "processed_total": 7, "failed_total": 2,
				"latency": 9.5, "workers": 2, "workers_alive": 1, "workers_dead": 1, "workers_busy": 1, "workers_quiet": 0, "oldest_running": 39.5,
				"queue_count": 2, "queues_paused": 0, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{
				"default": {"waiting": 1, "active": 0, "paused": 0, "latency": 9.5}, "slow": {"waiting": 0, "active": 1, "paused": 0, "latency": 0},
			},
			unknown: map[string][]figure{"": {figWorkersSlots, figUtilisation}},
		},
	}
}

// TestARollingDeployment: the old process takes no more jobs, and runs one; the new one is
// full. What counts are the jobs that the old one still runs.
func TestARollingDeployment(t *testing.T) {
	t.Parallel()
	const before, after = "vm:1:0123456789ab", "vm:2:0123456789ab"
	f := newField(t, "SADD queues default", "LPUSH queue:default {} {}", "SADD processes "+before+" "+after)
	process := func(key, busy, concurrency, quiet, queue string) {
		f.s.Do(t, "HSET", key, "busy", busy, "concurrency", concurrency, "quiet", quiet, "info", fmt.Sprintf(`{"queues":[%q]}`, queue))
	}
	process(before, "1", "5", "true", "default")
	process(after, "1", "1", "false", "default")
	r := f.poll(0, "sidekiq/")
	requireWorkers(t, r, map[figure]float64{figWorkersBusy: 2, figWorkersSlots: 2, figWorkersQuiet: 1, figUtilisation: 1})
	process(after, "1", "4", "false", "default")
	r = f.poll(0, "sidekiq/")
	requireWorkers(t, r, map[figure]float64{figWorkersBusy: 2, figWorkersSlots: 5, figUtilisation: 0.4})
	// The new one serves other queues, and is idle; that the old one is not says nothing.
	process(after, "0", "4", "false", "low")
	r = f.poll(0, "sidekiq/")
	requireWorkers(t, r, map[figure]float64{figWorkersBusy: 1, figWorkersSlots: 5, figUtilisation: 0})
	// None takes jobs: there is no free slot as long as one runs.
	process(after, "0", "4", "true", "low")
	r = f.poll(0, "sidekiq/")
	requireWorkers(t, r, map[figure]float64{figWorkersBusy: 1, figWorkersSlots: 1, figWorkersQuiet: 2, figUtilisation: 1})
	process(before, "0", "5", "true", "default")
	r = f.poll(0, "sidekiq/")
	requireWorkers(t, r, map[figure]float64{figWorkersBusy: 0, figWorkersSlots: 0, figWorkersQuiet: 2, figUtilisation: 0})
}

func requireWorkers(t *testing.T, r *reading, figures map[figure]float64) {
	t.Helper()
	for f, value := range figures {
		want(t, &r.figures, f, value)
	}
}

func FuzzSidekiq(f *testing.F) {
	f.Add([]byte(`{"retry":true,"queue":"unserved","args":[0],"class":"OkJob","jid":"9ad7","created_at":1795227509.7226737,"enqueued_at":1795227509.7226794}`))
	f.Add([]byte(`{"jid":"b","enqueued_at":1795228977923}`))
	f.Add([]byte(`{"queue":"default","payload":"{}","run_at":1795228990}`))
	f.Add([]byte(`{"hostname":"vm","concurrency":3}`))
	f.Add([]byte(`{"enqueued_at":-1e400,"created_at":null,"concurrency":"x","run_at":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := parseSidekiqJob(text); err == nil {
			requireMoment(t, job.at)
		}
		if _, at, err := parseSidekiqWork(text); err == nil {
			requireMoment(t, at)
		}
		if info, err := parseSidekiqInfo(text); err == nil {
			require.False(t, info.concurrency != info.concurrency)
			for _, c := range info.capsules {
				require.True(t, c.Slots > 0 || c.Slots == -1, "%v", c.Slots)
			}
		}
	})
}

// requireMoment fails for what is no time.
func requireMoment(t *testing.T, at float64) {
	t.Helper()
	require.True(t, at >= moment2000 && at <= moment2200, "%v", at)
}
