package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

func resqueCases() []conformance {
	const ran = 1795230123 // 2026-11-21T03:02:03Z, run_at and the last heartbeat
	queue := func(waiting, active float64) map[string]float64 {
		return map[string]float64{"waiting": waiting, "active": active, "paused": 0}
	}
	figures := func(alive, oldest float64) map[string]float64 {
		return map[string]float64{
			// Resque.info: pending 5, processed 8, workers 1, working 1; Failure.count 3.
			"waiting": 5, "active": 1, "processed_total": 8, "failed_total": 3, "failed": 3, "scheduled": 0, "overdue": 0,
			"workers": 1, "workers_alive": alive, "workers_dead": 1 - alive, "workers_busy": alive, "workers_slots": alive,
			"utilisation": alive, "workers_quiet": 0, "oldest_running": oldest, "orphaned": 1 - alive,
			"queue_count": 3, "queues_paused": 0, "queues_stuck": 0,
		}
	}
	queues := map[string]map[string]float64{"default": queue(0, 0), "slow": queue(1, 1), "unserved": queue(4, 0)}
	return []conformance{
		{
			name: "3.0 at work", system: "resque", prefix: "resque", db: 1, at: ran + 50,
			figures: figures(1, 50), queues: queues,
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("q%04d", i)
					out = append(out, []string{"SADD", "resque:queues", q},
						[]string{"RPUSH", "resque:queue:" + q, `{"class":"OkJob","args":[]}`})
				}
				return out
			},
		},
		{
			name: "3.0, its worker killed", system: "resque", prefix: "resque", db: 1, at: ran + 301,
			figures: figures(0, 0), queues: queues,
		},
		{
			// As resque-scheduler 5.0.0 and the backend RedisMultiQueue write it.
			name: "with a scheduler, paused, in a namespace", system: "resque", prefix: "app", db: 17, at: ran,
			seed: [][]string{
				{"SADD", "app:queues", "default"},
				{"SADD", "app:workers", "vm:7:default"},
				{"HSET", "app:workers:heartbeat", "vm:7:default", "2026-11-21T03:02:00+00:00"},
				{"RPUSH", "app:failed", "{}"},
				{"SADD", "app:failed_queues", "default_failed", "mail_failed"},
				{"RPUSH", "app:default_failed", "{}", "{}"},
				{"SET", "app:pause-all-workers", "true"},
				{"ZADD", "app:delayed_queue_schedule", "1795230000", "1795230000", "1795231000", "1795231000"},
				{"RPUSH", "app:delayed:1795230000", `{"class":"A","args":[],"queue":"default"}`, `{"class":"B"}`},
				{"RPUSH", "app:delayed:1795231000", `{"class":"A","args":[],"queue":"default"}`},
				{"HSET", "app:delayed:last_enqueued_at", "cron", "2026-11-21 02:28:49 +0000"},
				{"SET", "app:app:resque_scheduler_master_lock", "vm:9"},
			},
			figures: map[string]float64{
				"waiting": 0, "active": 0, "processed_total": 0, "failed_total": 0, "failed": 3, "scheduled": 3, "overdue": 2,
				"workers": 1, "workers_alive": 1, "workers_dead": 0, "workers_busy": 0, "workers_slots": 1, "workers_quiet": 0,
				"utilisation": 0, "oldest_running": 0, "orphaned": 0, "schedulers_alive": 1, "queue_count": 1,
				"queues_paused": 1, "queues_stuck": 0, "periodic_jobs": 1,
			},
			unknown: map[string][]figure{"": {figSchedulerOverdue, figSchedulerLate}},
			queues: map[string]map[string]float64{
				"default": {"waiting": 0, "active": 0, "paused": 1},
			},
		},
		nodeResque("node-resque 9.7 at work", 1795230100+20, 1),
		nodeResque("node-resque 9.7, its worker killed", 1795230100+61, 0),
	}
}

// nodeResque is what a run of node-resque 9.7.1 left, and how many of its workers
// live: its last ping was at 1795230100, and its job began 20 s before.
func nodeResque(name string, at, alive float64) conformance {
	oldest := 0.0
	if alive == 1 {
		oldest = 20 + at - 1795230100
	}
	return conformance{
		name: name, system: "resque", prefix: "resque", db: 40 + int(alive), at: at,
		seed: [][]string{
			{"SADD", "resque:queues", "default", "slow"}, {"RPUSH", "resque:queue:slow", `{"class":"slow","queue":"slow","args":[1]}`},
			{"SET", "resque:stat:processed", "3"}, {"SET", "resque:stat:failed", "2"}, {"RPUSH", "resque:failed", "{}", "{}"},
			{"SADD", "resque:workers", "vm:3023:default,slow"},
			{"SET", "resque:worker:vm:3023:default,slow:started", "1795230000"},
			{"SET", "resque:worker:ping:vm:3023", `{"time":1795230100,"name":"vm:3023","queues":"default,slow"}`},
			{"SET", "resque:worker:vm:3023:default,slow", `{"run_at":"Sat Nov 21 2026 03:01:20 GMT+0000 (Coordinated Universal Time)",` +
				`"queue":"slow","worker":"vm:3023","payload":{"class":"slow","queue":"slow","args":[0]}}`},
		},
		figures: map[string]float64{
			"waiting": 1, "active": 1, "processed_total": 3, "failed_total": 2, "failed": 2, "scheduled": 0, "overdue": 0,
			"workers": 1, "workers_alive": alive, "workers_dead": 1 - alive, "workers_busy": alive, "workers_slots": alive,
			"utilisation": alive, "workers_quiet": 0, "oldest_running": oldest, "orphaned": 1 - alive,
			"queue_count": 2, "queues_paused": 0, "queues_stuck": 0,
		},
		queues: map[string]map[string]float64{
			"default": {"waiting": 0, "active": 0, "paused": 0}, "slow": {"waiting": 1, "active": 1, "paused": 0},
		},
	}
}

func FuzzResque(f *testing.F) {
	f.Add([]byte(`{"queue":"slow","run_at":"2026-11-21T03:02:03Z","payload":{"class":"SlowJob","args":[60]}}`))
	f.Add([]byte(`2026-11-21T03:02:03+00:00`))
	f.Add([]byte(`{"time":1795230100,"name":"vm:3023","queues":"default,slow"}`))
	f.Add([]byte(`{"queue":"slow","run_at":"Sat Nov 21 2026 03:01:20 GMT+0000 (Coordinated Universal Time)"}`))
	f.Add([]byte(`{"queue":1,"run_at":"9999-99-99"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, at, err := parseResqueWork(text); err == nil && at != 0 {
			requireMoment(t, at)
		}
		bulk := resp.Value{Kind: resp.BulkString, Str: text}
		if at, _, err := parseResquePing(bulk, nil); err == nil {
			requireMoment(t, at)
		}
		for _, at := range parseResqueBeats([]resp.Value{bulk, bulk}) {
			requireMoment(t, at)
		}
	})
}

// TestColonsInResque: a queue's name may have colons, and so may the own name of a worker of
// node-resque; the heartbeats are those that node-resque 9.7.1 writes.
func TestColonsInResque(t *testing.T) {
	t.Parallel()
	ping := func(name, queues string) string {
		return fmt.Sprintf(`{"time":%d,"name":%q,"queues":%q}`, fieldAt, name, queues)
	}
	for _, tt := range []struct{ name, queues string }{
		{"vm:7", "mail:eu"}, {"vm:7", "a b:é"}, {"vm:7+1", "a,mail:eu,x:y:z"}, {"w", "mail:eu"}, {"eu:vm:7:main", "a:b:c"}, {"vm:7", "*"}, {"w", ""},
	} {
		t.Run(tt.name+" "+tt.queues, func(t *testing.T) {
			t.Parallel()
			queue, _, _ := strings.Cut(tt.queues, ",")
			if queue == "*" || queue == "" {
				queue = "mail:eu"
			}
			member := tt.name + ":" + tt.queues
			f := newField(t)
			f.s.Do(t, "SADD", "resque:queues", queue, "unserved")
			f.s.Do(t, "RPUSH", "resque:queue:"+queue, "{}")
			f.s.Do(t, "SADD", "resque:workers", member)
			f.s.Do(t, "SET", "resque:worker:ping:"+tt.name, ping(tt.name, tt.queues))
			f.s.Do(t, "SET", "resque:worker:"+member, fmt.Sprintf(`{"queue":%q,"run_at":"Sun Nov 29 2026 11:00:00 GMT+0000 (UTC)"}`, queue))
			r := f.poll(0, "resque/resque")
			want(t, &r.figures, figWorkersAlive, 1)
			want(t, &r.figures, figUtilisation, 1)
			wantQueues(t, r.Workers[0], tt.queues)
			f.s.Do(t, "RPUSH", "resque:queue:unserved", "{}")
			r = f.poll(59, "resque/resque")
			want(t, &r.figures, figWorkersAlive, 1)
			r = f.poll(3, "resque/resque")
			want(t, &r.figures, figWorkersAlive, 0)
			want(t, &r.figures, figOrphaned, 1)
			want(t, &r.figures, figAbandoned, 1)
		})
	}

	// The name of one worker may be the beginning of another one's.
	f := newField(t, "SADD resque:queues a", "SADD resque:workers vm:7:b:a vm:a")
	f.s.Do(t, "SET", "resque:worker:ping:vm:7", ping("vm:7", "b:a"))
	f.s.Do(t, "SET", "resque:worker:ping:vm", strings.Replace(ping("vm", "a"), "1795", "1794", 1))
	r := f.poll(0, "resque/resque")
	want(t, &r.figures, figWorkersAlive, 1)
	wantQueues(t, r.Workers[0], "b:a")

	// A worker of all queues may have found another one since its last heartbeat.
	f = newField(t, "SADD resque:queues a", "SADD resque:workers vm:7:a,b:c")
	f.s.Do(t, "SET", "resque:worker:ping:vm:7", ping("vm:7", "a"))
	r = f.poll(0, "resque/resque")
	want(t, &r.figures, figWorkersAlive, 1)
	wantQueues(t, r.Workers[0], "a,b:c")

	// Its clock is ahead, by no more than is usual, and by more.
	f.s.Do(t, "SET", "resque:worker:ping:vm:7", fmt.Sprintf(`{"time":%d}`, fieldAt+60))
	want(t, &f.poll(0, "resque/resque").figures, figWorkersAlive, 1)
	f.s.Do(t, "SET", "resque:worker:ping:vm:7", fmt.Sprintf(`{"time":%d}`, fieldAt+5000))
	wantUnknown(t, &f.poll(0, "resque/resque").figures, figWorkersAlive, "its heartbeat is 5000 s ahead of the server's clock")

	// A heartbeat that cannot be read may be the one.
	f.s.Do(t, "SET", "resque:worker:ping:vm:7", ping("vm:7", "a"))
	f.s.Do(t, "SET", "resque:worker:ping:vm:7:a,b", "{")
	wantUnknown(t, &f.poll(0, "resque/resque").figures, figWorkersAlive, "it is not the JSON object")

	long := strings.Repeat("n:", maxPings) + "n"
	f = newField(t, "SADD resque:queues a", "SADD resque:workers "+long+":a")
	f.s.Do(t, "SET", "resque:worker:ping:"+long, ping(long, "a"))
	wantUnknown(t, &f.poll(0, "resque/resque").figures, figWorkersAlive, "under the first 8 names that it may have")

	// Resque registers host:pid:queues.
	f = newField(t, "SADD resque:queues mail:eu", "RPUSH resque:queue:mail:eu {}", "SADD resque:workers vm:7:mail:eu,b",
		"HSET resque:workers:heartbeat vm:7:mail:eu,b 2026-11-29T11:00:00Z")
	r = f.poll(0, "resque/resque")
	want(t, &r.figures, figWorkersAlive, 1)
	wantQueues(t, r.Workers[0], "mail:eu,b")
}

// wantQueues requires what a worker serves; "" is unknown.
func wantQueues(t *testing.T, w worker, queues string) {
	t.Helper()
	var names []string
	if queues != "" {
		names = strings.Split(queues, ",")
	}
	require.Equal(t, names, w.Queues)
}
