package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func asynqQueueOf(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{
		figWaiting, figActive, figScheduled, figRetry, figOverdue, figFailed, figCompleted, figProcessed, figFailedTotal, figPaused, figLatency, figOrphaned,
		figAggregating,
	} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return figures
}

// Messages of asynq.proto as a server writes them: ServerInfo with its
// concurrency (4) and state (7), WorkerInfo with its begin (8).
var (
	asynqServerMessage = "\x0a\x02vm\x10\x2a\x1a\x04uuid\x20\x0a\x3a\x06active\x48\x02"
	asynqTaskMessage   = func(seconds uint32) string {
		began := string([]byte{0x08, byte(seconds) | 0x80, byte(seconds>>7) | 0x80, byte(seconds>>14) | 0x80, byte(seconds>>21) | 0x80, byte(seconds >> 28)})
		return "\x0a\x02vm\x10\x2a\x32\x03{}\n\x3a\x07default\x42" + string(rune(len(began))) + began
	}
)

func asynqCases() []conformance {
	return []conformance{
		{
			// Inspector.GetQueueInfo of the run; its server was killed.
			name: "0.26", system: "asynq", db: 7, at: 1795230100,
			figures: idle(map[string]float64{
				"waiting": 4, "active": 2, "scheduled": 2, "retry": 2, "overdue": 0, "failed": 3, "completed": 5,
				"processed_total": 10, "failed_total": 5, "latency": 1795230100 - 1795229413.289785387, "orphaned": 2,
				"aggregating": 2, "queue_count": 3, "queues_paused": 1, "queues_stuck": 0, "schedulers_alive": 0,
			}),
			// Its scheduler was killed as well.
			unknown: map[string][]figure{"": {figPeriodicJobs, figSchedulerOverdue, figSchedulerLate}},
			queues: map[string]map[string]float64{
				"default": asynqQueueOf(map[string]float64{
					"active": 2, "scheduled": 2, "retry": 2, "failed": 3, "completed": 5, "processed_total": 10,
					"failed_total": 5, "orphaned": 2,
				}),
				"low":      asynqQueueOf(map[string]float64{"waiting": 1, "latency": 1795230100 - 1795229413.289886037, "aggregating": 2}),
				"unserved": asynqQueueOf(map[string]float64{"waiting": 3, "latency": 1795230100 - 1795229413.289785387, "paused": 1}),
			},
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("q%04d", i)
					out = append(out, []string{"SADD", "asynq:queues", q}, []string{"LPUSH", "asynq:{" + q + "}:pending", "1"},
						[]string{"HSET", "asynq:{" + q + "}:t:1", "pending_since", "1795229413289886037"})
				}
				return out
			},
		},
		{
			name: "0.26 at work", system: "asynq", db: 17, at: 1795230000,
			seed: [][]string{
				{"SADD", "asynq:queues", "default"}, {"LPUSH", "asynq:{default}:active", "1", "2"},
				{"HSET", "asynq:{default}:t:1", "msg", "x"}, {"HSET", "asynq:{default}:t:2", "msg", "x"},
				{"ZADD", "asynq:{default}:lease", "1795230020", "1", "1795229990", "2"},
				{"ZADD", "asynq:{default}:scheduled", "1795229999", "3", "1795230001", "4"},
				{"ZADD", "asynq:{default}:retry", "1795229000", "5"},
				{"ZADD", "asynq:servers", "1795230005", "asynq:servers:{vm:42:a}", "1795229990", "asynq:servers:{vm:7:b}"},
				{"SET", "asynq:servers:{vm:42:a}", asynqServerMessage},
				{"HSET", "asynq:workers:{vm:42:a}", "1", asynqTaskMessage(1795229970), "2", asynqTaskMessage(1795229960)},
			},
			figures: map[string]float64{
				"waiting": 0, "active": 2, "scheduled": 2, "retry": 1, "overdue": 1, "failed": 0, "completed": 0,
				"processed_total": 0, "failed_total": 0, "latency": 0, "orphaned": 1, "aggregating": 0,
				"workers": 2, "workers_alive": 1, "workers_dead": 1, "workers_busy": 2, "workers_slots": 10,
				"workers_quiet": 0, "utilisation": 0.2, "oldest_running": 40,
				"queue_count": 1, "queues_paused": 0, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{
				"default": asynqQueueOf(map[string]float64{"active": 2, "scheduled": 2, "retry": 1, "overdue": 1, "orphaned": 1}),
			},
		},
	}
}

func FuzzAsynq(f *testing.F) {
	f.Add([]byte(asynqServerMessage))
	f.Add([]byte(asynqTaskMessage(1795229970)))
	f.Add([]byte("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x42\x7f"))
	f.Add([]byte("\x0b\x0c\x0d\x0e\x0f"))
	f.Add([]byte(strings.Repeat("\x42\x02", 100)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if info, err := parseAsynqServer(text); err == nil {
			require.GreaterOrEqual(t, info.concurrency, 0.0)
		}
		if at, err := parseAsynqTask(text); err == nil {
			requireMoment(t, at)
		}
	})
}
