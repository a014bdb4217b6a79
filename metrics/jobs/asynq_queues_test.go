package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// asynqRows are the names of the queues that have a row, and what waits in them.
func asynqRows(r *reading) map[string]float64 {
	out := make(map[string]float64)
	for _, q := range r.Queues {
		out[q.Name], _ = q.Get(figWaiting)
	}
	return out
}

// TestAsynqQueuesThatAreNotListed count when there are keys of them: a client puts a queue
// into the list once, and never again.
func TestAsynqQueuesThatAreNotListed(t *testing.T) {
	t.Parallel()
	const server = "asynq:servers:{h:1:a}"
	// A search looks for keys of any name, and there is none in this one but at first.
	slow := func(f *field) { f.o.ScanBudget = 0 }
	for name, tt := range map[string]struct {
		seed   []string
		before func(f *field)
	}{
		"the list had it": {[]string{"SADD asynq:queues default unserved", "LPUSH asynq:{unserved}:pending 1"}, func(f *field) {
			slow(f)
			f.poll(0, "asynq/")
			f.s.Do(t, "FLUSHDB")
			f.s.Do(t, "SADD", "asynq:queues", "default")
			f.poll(0, "asynq/")
		}},
		"a search finds it": {nil, func(*field) {}},
		"a scheduler adds to it": {[]string{"SADD asynq:queues default", fmt.Sprint("ZADD asynq:schedulers ", fieldAt+15, " asynq:schedulers:{a}")}, func(f *field) {
			slow(f)
			f.s.Do(t, "RPUSH", "asynq:schedulers:{a}", "\x12\x09@every 5s\x1a\x04tick\x2a\x11Queue(\"unserved\")")
			f.poll(0, "asynq/")
		}},
		"a server serves it": {[]string{"SADD asynq:queues default", fmt.Sprint("ZADD asynq:servers ", fieldAt+15, " "+server)}, func(f *field) {
			slow(f)
			f.s.Do(t, "SET", server, "\x0a\x02vm\x10\x2a\x20\x02\x2a\x0c\x0a\x08unserved\x10\x01")
			f.poll(0, "asynq/")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, tt.seed...)
			tt.before(f)
			f.s.Do(t, "SADD", "asynq:queues", "default")
			f.s.Do(t, "LPUSH", "asynq:{unserved}:pending", "1", "2", "3")
			f.s.Do(t, "HSET", "asynq:{unserved}:t:1", "pending_since", fmt.Sprint(fieldAt-5, "000000000"))
			r := f.poll(10, "asynq/")
			require.Equal(t, map[string]float64{"default": 0, "unserved": 3}, asynqRows(r))
			want(t, &r.figures, figWaiting, 3)
			want(t, &r.figures, figQueueCount, 2)
			require.False(t, r.Queues[1].Listed)
			want(t, &f.poll(10, "asynq/").Queues[1].figures, figLatency, 25)

			// A queue that was deleted leaves counters.
			f.s.Do(t, "DEL", "asynq:{unserved}:pending")
			f.s.Do(t, "SET", "asynq:{unserved}:processed", "9")
			require.Equal(t, map[string]float64{"default": 0}, asynqRows(f.poll(10, "asynq/")))
			f.s.Do(t, "ZADD", "asynq:{unserved}:retry", fmt.Sprint(fieldAt), "1") // and its tasks may come back
			require.Equal(t, map[string]float64{"default": 0, "unserved": 0}, asynqRows(f.poll(10, "asynq/")))
			f.s.Do(t, "SADD", "asynq:queues", "unserved")
			r = f.poll(10, "asynq/")
			require.Len(t, r.Queues, 2)
			require.True(t, r.Queues[1].Listed)
		})
	}
}

// TestFailuresOfAsynqQueuesThatAreNotListed are found as well.
func TestFailuresOfAsynqQueuesThatAreNotListed(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD asynq:queues default", "ZADD asynq:{gone}:archived "+fmt.Sprint(fieldAt-5)+" 1")
	f.s.Do(t, "HSET", "asynq:{gone}:t:1", "msg", "\x0a\x04mail\x3a\x06no box\x58\xb0\xdd\x85\xd8\x06", "state", "archived")
	r, err := readFailures(t.Context(), f.d, f.m, f.o, query{})
	require.NoError(t, err)
	require.Len(t, r.Systems, 1)
	require.Len(t, r.Systems[0].found, 1)
	require.Equal(t, "gone", r.Systems[0].found[0].queue)
}

// TestAsynqQueuesThatTheListHad are remembered as others are, and no longer. What a list
// that was read in part does not have may be in it.
func TestAsynqQueuesThatTheListHad(t *testing.T) {
	t.Parallel()
	s := stateOf(&item.Memory{})
	i := instance{System: "asynq"}
	s.listed(i, []string{"a", "b", "c"})
	require.Empty(t, s.names(i))
	s.listed(i, []string{"b"})
	require.Equal(t, []string{"a", "c"}, s.names(i))
	require.Equal(t, []string{"a", "c"}, s.unlisted(i, []string{"a", "b", "c"}))
	s.heard(i, "b", "d")
	require.Equal(t, []string{"a", "c", "d"}, s.names(i))
	s.mu.Lock()
	s.forget(time.Now().Add(keepNames + time.Second))
	s.mu.Unlock()
	require.Empty(t, s.names(i))

	p := &poll{doer: &told{answers: answers{"SCARD asynq:queues": one(intOf(9)), "SSCAN asynq:queues 0 COUNT 3000": one(scanOf("7", "a", "b")),
		"EXISTS asynq:{x}:pending asynq:{x}:active asynq:{x}:scheduled asynq:{x}:retry asynq:{x}:archived asynq:{x}:groups": one(intOf(1))}},
		state: s, options: &item.JobsOptions{}}
	r := readingOf(t, "asynq")
	r.Found = []string{"x"}
	asynq{}.Read(p, r)
	require.NoError(t, p.run(t.Context()))
	require.Len(t, r.Queues, 2)
}
