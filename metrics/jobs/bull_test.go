package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// bullQueue are the figures of a queue with nothing in it but what is given.
func bullQueue(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{figWaiting, figActive, figScheduled, figOverdue, figFailed, figCompleted, figPaused, figLatency, figOrphaned, figRateLimited} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return figures
}

func bullmqQueue(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{figPrioritized, figWaitingChildren} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return bullQueue(figures)
}

func bullCases() []conformance {
	counters := []figure{figProcessed, figFailedTotal}
	noWorker := func(figures map[string]float64) map[string]float64 {
		figures["workers"], figures["workers_alive"], figures["rate_limited"] = 0, 0, 0
		return figures
	}
	many := func(meta func(q string) []string) func(int) [][]string {
		return func(n int) (out [][]string) {
			for i := range n {
				q := fmt.Sprintf("bull:q%04d:", i)
				out = append(out, meta(q), []string{"SET", q + "id", "1"}, []string{"LPUSH", q + "wait", "1"},
					[]string{"HSET", q + "1", "timestamp", "1795228358049"})
			}
			return out
		}
	}
	return []conformance{
		{
			// getJobCounts of the run.
			name: "5", system: "bullmq", prefix: "bull", db: 5, at: 1795230100,
			figures: noWorker(map[string]float64{
				"waiting": 9, "active": 2, "scheduled": 4, "overdue": 1, "failed": 2, "completed": 5, "orphaned": 2,
				"latency": 1795230100 - 1795228358.049, "prioritized": 2, "waiting_children": 1,
				"oldest_running": 1795230100 - 1795228358.065, "queue_count": 2, "queues_paused": 1, "queues_stuck": 0,
				// Of a paused queue.
				"schedulers_alive": 0, "periodic_jobs": 2, "scheduler_overdue": 0, "scheduler_late": 0,
			}),
			queues: map[string]map[string]float64{
				"idle": bullmqQueue(map[string]float64{"waiting": 3, "latency": 1795230100 - 1795228358.049}),
				// figPaused: the list of those that wait has another name.
				"mail": bullmqQueue(map[string]float64{
					"waiting": 6, "active": 2, "scheduled": 4, "overdue": 1, "failed": 2, "completed": 5, "paused": 1,
					"latency": 1795230100 - 1795228360.059, "processed_total": 7, "failed_total": 2,
					"orphaned": 2, "prioritized": 2, "waiting_children": 1,
				}),
			},
			unknown: map[string][]figure{"": counters, "idle": counters},
			many:    many(func(q string) []string { return []string{"HSET", q + "meta", "version", "bullmq:5.81.5"} }),
		},
		{
			name: "6", system: "bullmq", prefix: "bull", db: 11, at: 1795230100,
			figures: noWorker(map[string]float64{
				"waiting": 14, "active": 1, "scheduled": 4, "overdue": 1, "failed": 2, "completed": 8, "orphaned": 1,
				"latency": 1795230100 - 1795228681.568, "prioritized": 2, "waiting_children": 1,
				"oldest_running": 1795230100 - 1795228754.235, "queue_count": 5, "queues_paused": 0, "queues_stuck": 0,
				"schedulers_alive": 0, "periodic_jobs": 2, "scheduler_overdue": 2, "scheduler_late": 1795230100 - 1795228683.607,
			}),
			queues: map[string]map[string]float64{
				"cust": bullmqQueue(map[string]float64{"waiting": 4, "latency": 1795230100 - 1795228734.034}),
				"idle": bullmqQueue(map[string]float64{"waiting": 3, "latency": 1795230100 - 1795228681.568}),
				"mail": bullmqQueue(map[string]float64{
					"waiting": 7, "active": 1, "scheduled": 4, "overdue": 1, "failed": 2, "completed": 5,
					"latency": 1795230100 - 1795228681.583, "processed_total": 7, "failed_total": 2,
					"orphaned": 1, "prioritized": 2, "waiting_children": 1,
				}),
				"roc":   bullmqQueue(map[string]float64{"completed": 3}),
				"wonly": bullmqQueue(map[string]float64{}),
			},
			unknown: map[string][]figure{"": counters, "cust": counters, "idle": counters, "roc": counters, "wonly": counters},
		},
		{
			name: "4", system: "bull", prefix: "bull", db: 6, at: 1795230100,
			figures: noWorker(map[string]float64{
				"waiting": 4, "active": 2, "scheduled": 3, "overdue": 1, "failed": 2, "completed": 5, "orphaned": 2,
				"processed_total": 7, "failed_total": 2,
				"oldest_running": 1795230100 - 1795228689.295, "queue_count": 1, "queues_paused": 0, "queues_stuck": 0,
				"schedulers_alive": 0, "periodic_jobs": 1, "scheduler_overdue": 1, "scheduler_late": 100,
			}),
			queues: map[string]map[string]float64{
				"mail": without(bullQueue(map[string]float64{
					"waiting": 4, "active": 2, "scheduled": 3, "overdue": 1, "failed": 2, "completed": 5,
					"processed_total": 7, "failed_total": 2, "orphaned": 2,
				}), figLatency),
			},
			unknown: map[string][]figure{"": {figLatency}, "mail": {figLatency}}, // a job has a priority
			many:    many(func(q string) []string { return []string{"SADD", q + "stalled", "x"} }),
		},
		{
			name: "4 with a prefix for clusters", system: "bull", prefix: "{app}", db: 6, at: 1795230100,
			figures: noWorker(map[string]float64{
				"waiting": 1, "active": 0, "scheduled": 0, "overdue": 0, "failed": 0, "completed": 0, "orphaned": 0,
				"latency": 1795230100 - 1795228691.306, "oldest_running": 0,
				"queue_count": 1, "queues_paused": 0, "queues_stuck": 0,
			}),
			queues: map[string]map[string]float64{
				"other": bullQueue(map[string]float64{"waiting": 1, "latency": 1795230100 - 1795228691.306}),
			},
			unknown: map[string][]figure{"": counters, "other": counters},
		},
	}
}

func without(figures map[string]float64, names ...figure) map[string]float64 {
	for _, name := range names {
		delete(figures, name.String())
	}
	return figures
}

// TestBullWorkers: a worker shows as a client with its queue's name, and keeps a
// lock on each job that it runs.
func TestBullWorkers(t *testing.T) {
	t.Parallel()
	s := startEmpty(t)
	for _, cmd := range [][]string{
		{"HSET", "bull:mail:meta", "version", "bullmq:5.81.5"}, {"SET", "bull:mail:id", "3"},
		{"RPUSH", "bull:mail:active", "3", "2", "1"}, {"SET", "bull:mail:2:lock", "token"}, {"SET", "bull:mail:1:lock", "token", "PX", "30000"},
		{"HSET", "bull:mail:1", "processedOn", "1795230000000"},
		{"CLIENT", "SETNAME", "bull:bWFpbA==:w:worker-1"},
	} {
		s.Do(t, cmd...)
	}
	for _, name := range []string{"bull:bWFpbA==", "bull:bWFpbA==:qe", "bull:b3RoZXI=", "bull:%%%", "other:bWFpbA=="} {
		d := dial(t, s, "", 0)
		_, err := d.Conn.DoAll(t.Context(), []string{"CLIENT", "SETNAME", name})
		require.NoError(t, err)
	}
	d := dial(t, s, "", 0)
	d.at = 1795230010
	result, err := readSystems(t.Context(), d, &item.Memory{}, defaultOptions(), query{})
	require.NoError(t, err)
	r := (&conformance{system: "bullmq", prefix: "bull"}).find(t, result)
	got := knownOf(&r.figures)
	require.EqualValues(t, 2, got["workers_alive"], "with a name of its own and without")
	require.EqualValues(t, 1, got["orphaned"], "job 3 has no lock")
	require.EqualValues(t, 3, got["active"])
	require.InDelta(t, 10, got["oldest_running"], 1e-3)
}

// TestBullPaused: pausing a queue makes Bull write the hash that is BullMQ's mark,
// with nothing in it but that, and give the list of waiting jobs another name.
// Recorded from Bull 4.16.5.
func TestBullPaused(t *testing.T) {
	t.Parallel()
	s := startEmpty(t)
	for _, cmd := range [][]string{
		{"SET", "bull:mail:id", "1"}, {"RPUSH", "bull:mail:paused", "1"}, {"SET", "bull:mail:meta-paused", "1"},
		{"HSET", "bull:mail:meta", "paused", "1"}, {"HSET", "bull:mail:1", "timestamp", "1795230000000"},
	} {
		s.Do(t, cmd...)
	}
	d := dial(t, s, "", 0)
	d.at = 1795230010
	result, err := readSystems(t.Context(), d, &item.Memory{}, defaultOptions(), query{})
	require.NoError(t, err)
	require.Len(t, result.Systems, 1)
	r := (&conformance{system: "bull", prefix: "bull"}).find(t, result)
	got := knownOf(&r.figures)
	require.EqualValues(t, 1, got["queues_paused"])
	require.EqualValues(t, 1, got["waiting"])
}

func FuzzClientNames(f *testing.F) {
	f.Add([]byte("id=3 addr=10.0.0.9:4711 name=bull:bWFpbA== age=12 db=0\nid=4 addr=/tmp/a b name= db=0\n"))
	f.Add([]byte("name=x\n name=y z\r\n name="))
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, c := range clientsOf(list, "0 ", unknownAddr) {
			require.True(t, c.name != "" || c.listens || c.cmd != "" || c.silent)
			require.NotContains(t, c.name, " ")
			require.LessOrEqual(t, len(c.name), maxClientName)
		}
	})
}
