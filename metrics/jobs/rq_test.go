package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

func rqCases() []conformance {
	queue := func(more map[string]float64) map[string]float64 {
		out := map[string]float64{
			"waiting": 0, "active": 0, "scheduled": 0, "overdue": 0, "failed": 0, "completed": 0, "paused": 0,
			"latency": 0, "orphaned": 0, "deferred": 0, "canceled": 0, "schedulers_alive": 0,
		}
		for name, value := range more {
			out[name] = value
		}
		return out
	}
	system := func(more map[string]float64) map[string]float64 {
		out := queue(more)
		delete(out, "paused")
		delete(out, "schedulers_alive")
		out["queues_paused"], out["queues_stuck"], out["rate_limited"] = more["queues_paused"], 0, more["rate_limited"]
		return idle(out)
	}
	return []conformance{
		{
			// rq info of the run: default 2 failed and 3 scheduled, unserved 3 queued and 1
			// canceled. The five finished ones of default have expired by now, and one of slow.
			name: "1.13, its worker killed", system: "rq", prefix: "rq", db: 2, at: 1795229600,
			figures: system(map[string]float64{
				"waiting": 3, "failed": 2, "scheduled": 3, "completed": 2, "canceled": 1,
				"latency": 1795229600 - 1795229035.403264, "workers": 1, "workers_dead": 1, "queue_count": 3,
			}),
			queues: map[string]map[string]float64{
				"default":  queue(map[string]float64{"failed": 2, "scheduled": 3}),
				"slow":     queue(map[string]float64{"completed": 2}),
				"unserved": queue(map[string]float64{"waiting": 3, "canceled": 1, "latency": 1795229600 - 1795229035.403264}),
			},
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("rq:queue:q%04d", i)
					out = append(out, []string{"SADD", "rq:queues", q}, []string{"RPUSH", q, "j"})
				}
				return append(out, []string{"HSET", "rq:job:j", "enqueued_at", "2026-11-21T02:43:55.403264Z"})
			},
		},
		{
			name: "2.10", system: "rq", prefix: "rq", db: 14, at: 1795232700,
			figures: system(map[string]float64{
				"waiting": 4, "failed": 3, "scheduled": 3, "overdue": 0, "deferred": 1, "canceled": 1,
				"latency": 1795232700 - 1795229098.344489, "queue_count": 3,
			}),
			queues: map[string]map[string]float64{
				"default":  queue(map[string]float64{"failed": 2, "scheduled": 3, "overdue": 0}),
				"slow":     queue(map[string]float64{"waiting": 1, "failed": 1, "deferred": 1, "latency": 1795232700 - 1795229098.344489}),
				"unserved": queue(map[string]float64{"waiting": 3, "canceled": 1, "latency": 1795232700 - 1795229098.346316}),
			},
		},
		{
			// The keys that live shortly, as worker.py of both versions writes them.
			name: "at work and suspended", system: "rq", prefix: "rq", db: 18, at: 1795229100, clients: []string{"BLPOP rq:none 0"},
			seed: [][]string{
				{"SADD", "rq:queues", "rq:queue:default"},
				{"SET", "rq:suspended", "1"},
				{"SET", "rq:scheduler-lock:default", "1"},
				{"SADD", "rq:workers", "rq:worker:a", "rq:worker:b", "rq:worker:gone"},
				{"HSET", "rq:worker:a", "state", "busy", "current_job", "j1", "last_heartbeat", "2026-11-21T02:44:58.346316Z"},
				{"HSET", "rq:worker:b", "state", "suspended"},
				{"HSET", "rq:job:j1", "started_at", "2026-11-21T02:44:58.344489Z"},
				{"ZADD", "rq:wip:default", "1795229190", "j1:e1", "1795229099", "j2:e2"},
				// Kept for ever: of 1.x, and of 2.x.
				{"ZADD", "rq:finished:default", "-1", "j3", "+inf", "j4"},
			},
			figures: system(map[string]float64{
				"active": 2, "orphaned": 1, "completed": 2, "workers": 3, "workers_alive": 2, "workers_dead": 1,
				"workers_busy": 1, "workers_slots": 1, "workers_quiet": 1, "utilisation": 1,
				"oldest_running": 1795229100 - 1795229098.344489, "queue_count": 1, "queues_paused": 1,
			}),
			queues: map[string]map[string]float64{
				"default": queue(map[string]float64{"active": 2, "orphaned": 1, "completed": 2, "paused": 1, "schedulers_alive": 1}),
			},
		},
		{
			// As rq 3.0.0 writes it with RQ_KEY_PREFIX and two rate limits.
			name: "3.0 with a prefix and rate limits", system: "rq", prefix: "shop:rq", db: 16, at: 1795229100,
			clients: []string{"SUBSCRIBE shop:rq:pubsub:a"},
			seed: [][]string{
				{"SADD", "shop:rq:queues", "shop:rq:queue:default"},
				{"RPUSH", "shop:rq:queue:default", "j1"},
				{"HSET", "shop:rq:job:j1", "origin", "default", "created_at", "2026-11-21T02:44:58.344489Z", "enqueued_at", "2026-11-21T02:44:58.344489Z"},
				{"SADD", "shop:rq:workers", "shop:rq:worker:a"},
				{"HSET", "shop:rq:worker:a", "state", "idle", "birth", "2026-11-21T02:44:58.346316Z", "queues", "default"},
				{"SADD", "shop:rq:rl-keys", "api", "user:{1}"},
				{"HSET", "shop:rq:rl:api", "concurrency", "1"},
				{"ZADD", "shop:rq:rl:api:allowed", "1795229098", "j1"},
				{"ZADD", "shop:rq:rl:api:rate_limited", "1795229098", "j2", "1795229099", "j3"},
				{"ZADD", "shop:rq:rl:user:{1}:rate_limited", "1795229099", "j4"},
			},
			figures: system(map[string]float64{
				"waiting": 1, "latency": 1795229100 - 1795229098.344489, "rate_limited": 3, "workers": 1, "workers_alive": 1,
				"workers_slots": 1, "queue_count": 1,
			}),
			queues: map[string]map[string]float64{
				"default": queue(map[string]float64{"waiting": 1, "latency": 1795229100 - 1795229098.344489}),
			},
		},
	}
}

// TestRQUnderAPrefixIsFoundBySCAN by a job's or a worker's record, and not by one
// of an application that has such keys of its own.
func TestRQUnderAPrefixIsFoundBySCAN(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for _, c := range []string{
		"SADD byjob:job:1:dependents 2", "SADD byjob:job::2:dependencies 1", "SADD byjob:queues byjob:queue:a", "HSET byjob:job:1 origin a created_at 2026-11-21T02:44:58.344489Z",
		"SADD by:worker:queues x", "SADD idle:queues idle:queue:a", "HSET idle:worker:w1 birth 2026-11-21T02:44:58Z queues a",
		"SADD shop:queues a", "HSET shop:job:1 origin a", "SET other:job:1 x", "SADD other:queues a",
		"HSET noqueues:job:1 origin a created_at b", "HSET :job:1 origin a created_at b",
	} {
		s.Do(t, strings.Fields(c)...)
	}
	// A backlog must not hide other systems: one record of a prefix is enough.
	var backlog [][]string
	for i := range maxClues + 1 {
		backlog = append(backlog, []string{"HSET", fmt.Sprint("idle:job:", i), "origin", "a", "created_at", "b"})
	}
	s.DoAll(t, backlog...)
	d := dial(t, s, "", 0)
	d.at = 1795229100
	r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{})
	require.Equal(t, []string{"rq/byjob", "rq/idle"}, ids(r))
	require.Zero(t, r.Discovery.Dropped)
}

// TestTooManyRateLimits are not counted in part.
func TestTooManyRateLimits(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	args := []string{"SADD", "rq:rl-keys"}
	for i := range maxFollowed + 1 {
		args = append(args, fmt.Sprint(i))
	}
	s.Do(t, args...)
	s.Do(t, "SADD", "rq:queues", "rq:queue:a")
	d := dial(t, s, "", 0)
	d.at = 1795229100
	r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{}).Systems[0]
	_, known := r.Get(figRateLimited)
	require.False(t, known)
	require.Equal(t, []problem{{figRateLimited, "there are 1001 rate limits, more than the 1000 that are read"}}, r.Problems)
}

func FuzzRQTime(f *testing.F) {
	f.Add([]byte("2026-11-21T02:43:55.403264Z"))
	f.Add([]byte("2026-11-21T02:43:55Z"))
	f.Add([]byte("0001-01-01T00:00:00Z"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if at, err := parseRQTime(resp.Value{Kind: resp.BulkString, Str: text}); err == nil {
			requireMoment(t, at)
		}
	})
}
