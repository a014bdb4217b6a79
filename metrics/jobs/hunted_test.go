package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

// systemsOf polls a server until discovery has had its say.
func systemsOf(t *testing.T, s *redistest.Server) map[string]*reading {
	t.Helper()
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795980000
	var result *result
	for range 2 {
		var err error
		result, err = readSystems(t.Context(), d, m, defaultOptions(), query{})
		require.NoError(t, err)
	}
	out := map[string]*reading{}
	for _, r := range result.Systems {
		out[r.ID()] = r
	}
	return out
}

func figureOf(t *testing.T, get func(figure) (float64, bool), f figure) float64 {
	t.Helper()
	n, ok := get(f)
	require.True(t, ok, f)
	return n
}

// TestNamespacesWithoutAWorker: Sidekiq's and Resque's processes take themselves off
// their lists when they stop; the jobs stay.
func TestNamespacesWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "myapp:queues", "d")
	s.Do(t, "LPUSH", "myapp:queue:d", `{"jid":"0123456789abcdef01234567","class":"A","queue":"d","args":[],"enqueued_at":1795980000.5}`)
	s.Do(t, "SADD", "resque:prod:queues", "d")
	s.Do(t, "LPUSH", "resque:prod:queue:d", `{"class":"A","args":[1]}`)
	// Not theirs: RQ's ids, a list of anybody, one without a set of names.
	s.Do(t, "SADD", "other:queues", "d")
	s.Do(t, "LPUSH", "other:queue:d", "5b2d9a0e")
	s.Do(t, "LPUSH", "third:queue:d", `{"jid":"0","class":"A","args":[]}`)
	systems := systemsOf(t, s)
	require.Len(t, systems, 2)
	for _, id := range []string{"sidekiq/myapp", "resque/resque:prod"} {
		require.Contains(t, systems, id)
		require.Equal(t, 1.0, figureOf(t, systems[id].Get, figWaiting))
		require.Equal(t, 0.0, figureOf(t, systems[id].Get, figWorkers))
	}
}

// TestALeaseWithoutATaskIsNoOrphan. Source: asynq issue 764
func TestALeaseWithoutATaskIsNoOrphan(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "asynq:queues", "default")
	s.Do(t, "ZADD", "asynq:{default}:lease", "1795970000", "ghost", "1795970001", "real")
	s.Do(t, "LPUSH", "asynq:{default}:active", "real")
	s.Do(t, "HSET", "asynq:{default}:t:real", "msg", "x")
	r := systemsOf(t, s)["asynq/"]
	require.Equal(t, 1.0, figureOf(t, r.Get, figOrphaned))
	require.Equal(t, 1.0, figureOf(t, r.Queues[0].Get, figOrphaned))
}

// TestATaskWithoutALeaseIsAnOrphan. Source: asynq issue 1144
func TestATaskWithoutALeaseIsAnOrphan(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "asynq:queues", "default", "old")
	s.Do(t, "LPUSH", "asynq:{default}:active", "dead", "lost1", "lost2", "runs")
	s.Do(t, "ZADD", "asynq:{default}:lease", "1795970000", "dead", "1795980020", "runs")
	for _, id := range []string{"dead", "lost1", "lost2", "runs"} {
		s.Do(t, "HSET", "asynq:{default}:t:"+id, "msg", "x")
	}
	// Asynq 0.21 has deadlines in place of leases.
	s.Do(t, "LPUSH", "asynq:{old}:active", "a", "b")
	s.Do(t, "ZADD", "asynq:{old}:deadlines", "1795990000", "a", "1795990000", "b")
	r := systemsOf(t, s)["asynq/"]
	require.Equal(t, 3.0, figureOf(t, r.Get, figOrphaned))
	orphans := map[string]float64{}
	for _, q := range r.Queues {
		orphans[q.Name] = figureOf(t, q.Get, figOrphaned)
	}
	require.Equal(t, map[string]float64{"default": 3, "old": 0}, orphans)
}

// TestMarkersOfBullMQAreNoJobs: version 4 leaves them. Source: bullmq issue 2268
func TestMarkersOfBullMQAreNoJobs(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "HSET", "bull:q1:meta", "opts.maxLenEvents", "10000")
	s.Do(t, "SET", "bull:q1:id", "5")
	s.Do(t, "RPUSH", "bull:q1:active", "0:0")
	s.Do(t, "RPUSH", "bull:q1:wait", "5", "0:0")
	s.Do(t, "HSET", "bull:q1:5", "timestamp", "1795228164000", "delay", "0")
	s.Do(t, "XADD", "bull:q1:events", "*", "event", "added")
	q := systemsOf(t, s)["bullmq/bull"].Queues[0]
	require.Equal(t, []float64{1, 0, 0}, []float64{
		figureOf(t, q.Get, figWaiting), figureOf(t, q.Get, figActive), figureOf(t, q.Get, figOrphaned)})
	require.Positive(t, figureOf(t, q.Get, figLatency), "of the job behind the marker")
}

// TestWorkersOfAllQueuesServeThoseOfSome: of two workers of the same queues one is busy.
func TestWorkersOfAllQueuesServeThoseOfSome(t *testing.T) {
	t.Parallel()
	r := &reading{Queues: []*queue{{Name: "a"}, {Name: "b"}}, Workers: []worker{
		{Alive: true, Busy: 1, Slots: 1, Queues: []string{"*"}}, {Alive: true, Busy: 0, Slots: 1, Queues: []string{"b", "a", "a"}},
	}}
	part, known := r.fullest()
	require.True(t, known)
	require.Equal(t, 0.5, part)
}
