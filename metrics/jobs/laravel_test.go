package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func laravelQueue(figures map[string]float64) map[string]float64 {
	for _, name := range []figure{figWaiting, figActive, figScheduled, figOverdue, figOrphaned} {
		if _, ok := figures[name.String()]; !ok {
			figures[name.String()] = 0
		}
	}
	return figures
}

func laravelCases() []conformance {
	return []conformance{
		{
			// size() of the run: 5 and 3; its worker was killed.
			name: "8", system: "laravel", prefix: "laravel_database_", db: 8, at: 1795230100,
			figures: map[string]float64{
				"waiting": 4, "active": 1, "scheduled": 3, "overdue": 1, "orphaned": 1, "queue_count": 2,
			},
			queues: map[string]map[string]float64{
				"default": laravelQueue(map[string]float64{"waiting": 1, "active": 1, "scheduled": 3, "overdue": 1, "orphaned": 1}),
				"emails":  laravelQueue(map[string]float64{"waiting": 3}),
			},
			unknown: map[string][]figure{"": {figLatency}, "default": {figLatency}, "emails": {figLatency}},
			many: func(n int) (out [][]string) {
				for i := range n {
					out = append(out, []string{"RPUSH", fmt.Sprintf("laravel_database_queues:q%04d", i),
						`{"uuid":"1","job":"X","id":"1","createdAt":1795230000}`})
				}
				return out
			},
		},
		{
			name: "12.11 and Horizon", system: "laravel", prefix: "app-database-", db: 18, at: 1795230100,
			seed: [][]string{
				{"RPUSH", "app-database-queues:{default}", `{"uuid":"a","displayName":"J","job":"J","id":"a","attempts":0,"createdAt":1795230090}`},
				{"RPUSH", "app-database-queues:{default}:notify", "1"},
				{"RPUSH", "app-database-queues:mail", `{"uuid":"b","displayName":"J","job":"J","id":"b","attempts":0,"pushedAt":"1795230080.25"}`},
				{"ZADD", "app-database-queues:later:delayed", "1795230200", `{"uuid":"c","job":"J","id":"c","attempts":0}`},
				// What looks like a queue and is none.
				{"RPUSH", "shop:queues:till", "1", "2"}, {"SET", "some:queues:thing", "1"},
			},
			figures: map[string]float64{
				"waiting": 2, "active": 0, "scheduled": 1, "overdue": 0, "orphaned": 0, "latency": 19.75, "queue_count": 3,
			},
			queues: map[string]map[string]float64{
				"{default}": laravelQueue(map[string]float64{"waiting": 1, "latency": 10}),
				"mail":      laravelQueue(map[string]float64{"waiting": 1, "latency": 19.75}),
				"later":     laravelQueue(map[string]float64{"scheduled": 1, "latency": 0}),
			},
		},
	}
}

func horizonCases() []conformance {
	return []conformance{{
		// As RedisMasterSupervisorRepository and its like of 5.29 write them.
		name: "5", system: "horizon", prefix: "laravel_horizon:", db: 19, at: 1795230100,
		seed: [][]string{
			{"ZADD", "laravel_horizon:masters", "1795230098", "vm-1"},
			{"ZADD", "laravel_horizon:supervisors", "1795230098", "vm-1:one", "1795230099", "vm-1:two", "1795229000", "vm-0:dead"},
			{"HSET", "laravel_horizon:supervisor:vm-1:one", "status", "running", "processes", `{"redis:default":3,"redis:mail":2}`},
			{"HSET", "laravel_horizon:supervisor:vm-1:two", "status", "paused", "processes", `{"redis:slow":1}`},
			{"ZADD", "laravel_horizon:failed_jobs", "-1795230000.5", "a", "-1795230001.5", "b"},
			{"ZADD", "laravel_horizon:completed_jobs", "-1795230000.5", "c"},
		},
		figures: map[string]float64{
			"failed": 2, "completed": 1, "workers": 3, "workers_alive": 2, "workers_dead": 1, "workers_quiet": 1,
		},
		unknown: map[string][]figure{"": {figWorkersSlots}}, // the paused one may still run jobs
	}}
}

// TestASupervisorFromTheFuture: its clock is ahead, so that its record shows whether it
// lives, which Redis deletes.
func TestASupervisorFromTheFuture(t *testing.T) {
	t.Parallel()
	f := newField(t, fmt.Sprintf("ZADD laravel_horizon:supervisors %d vm:one", fieldAt+5000),
		`HSET laravel_horizon:supervisor:vm:one status running processes {"redis:default":3}`)
	want(t, &f.poll(0, "horizon/laravel_horizon:").figures, figWorkersAlive, 1)
	f.s.Do(t, "DEL", "laravel_horizon:supervisor:vm:one")
	want(t, &f.poll(0, "horizon/laravel_horizon:").figures, figWorkersAlive, 0)
}

func FuzzLaravel(f *testing.F) {
	f.Add([]byte(`{"uuid":"8fb5587d","displayName":"SlowJob","job":"SlowJob","data":{"s":60},"id":"4L49","attempts":0}`))
	f.Add([]byte(`{"id":"a","job":"J","createdAt":1795230090,"pushedAt":"1795230080.25"}`))
	f.Add([]byte(`{"redis:default":3,"redis:mail":2}`))
	f.Add([]byte(`{"a":-1,"b":1e400}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := parseLaravelJob(text); err == nil && job.at != 0 {
			requireMoment(t, job.at)
		}
		if n, err := parseHorizonProcesses(text); err == nil {
			require.GreaterOrEqual(t, n, 0.0)
		}
	})
}
