package jobs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// latencies polls once and returns those of the queues a and b.
func latencies(t *testing.T, d *teller, m *item.Memory) (a, b *queue) {
	t.Helper()
	d.at = 1795228200
	result, err := readSystems(t.Context(), d, m, defaultOptions(), query{})
	require.NoError(t, err)
	queues := result.Systems[0].Queues
	require.Len(t, queues, 2)
	return queues[0], queues[1]
}

func TestAHugeJobIsNotAskedForEachTime(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	job := `{"jid":"1","args":["%s"],"enqueued_at":1795228164}`
	s.Do(t, "SADD", "queues", "a", "b")
	s.Do(t, "LPUSH", "queue:a", fmt.Sprintf(job, strings.Repeat("x", 3<<20)))
	s.Do(t, "LPUSH", "queue:b", fmt.Sprintf(job, ""))
	d, m := dial(t, s, "", 0), &item.Memory{}

	a, b := latencies(t, d, m)
	require.Equal(t, []problem{{figLatency, "oldest job: the job has 3145776 bytes, more than the 1048576 that are looked into"}}, a.Problems[:1])
	latency, ok := b.Get(figLatency)
	require.True(t, ok)
	require.InDelta(t, 36, latency, 1e-6)

	d.reset()
	a, b = latencies(t, d, m)
	require.Contains(t, a.Problems[0].Reason, "it had 3145776 bytes, and is not read again for 10 minutes")
	require.Empty(t, b.Problems)
	sent := fmt.Sprint(d.sent)
	require.NotContains(t, sent, "LINDEX queue:a")
	require.Contains(t, sent, "LINDEX queue:b")
}

// limited connects to a server as a client that takes only so much.
func limited(t *testing.T, s *redistest.Server, limits resp.Limits) *teller {
	conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr, Limits: limits})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &teller{Conn: conn, at: 1795228200}
}

// TestAJobThatTheClientCannotTake costs its queue one figure, and nobody else
// anything.
func TestAJobThatTheClientCannotTake(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "a", "b")
	s.Do(t, "LPUSH", "queue:a", strings.Repeat("x", 64<<20+1))
	s.Do(t, "LPUSH", "queue:b", `{"jid":"1","enqueued_at":1795228164}`)
	d, m := limited(t, s, resp.Limits{}), &item.Memory{}
	for _, want := range []string{
		"reply too large: bulk string of 67108865 bytes, the limit is 67108864",
		"it had 67108878 bytes, and is not read again for 10 minutes",
	} {
		d.reset()
		a, b := latencies(t, d, m)
		require.Empty(t, b.Problems)
		latency, ok := b.Get(figLatency)
		require.True(t, ok)
		require.InDelta(t, 36, latency, 1e-6)
		waiting, ok := a.Get(figWaiting)
		require.True(t, ok)
		require.Equal(t, 1.0, waiting)
		require.Contains(t, a.Problems[0].Reason, want)
	}
	require.NotContains(t, fmt.Sprint(d.sent), "LINDEX queue:a")
}

// TestAJobThatCannotEvenBeReadPast breaks the connection, and the polls after it
// do without jobs.
func TestAJobThatCannotEvenBeReadPast(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "a", "b")
	s.Do(t, "LPUSH", "queue:a", strings.Repeat("x", 9000))
	s.Do(t, "LPUSH", "queue:b", `{"jid":"1","enqueued_at":1795228164}`)
	limits := resp.Limits{MaxBulk: 8000, MaxPass: 8500}
	m := &item.Memory{}
	_, err := readSystems(t.Context(), limited(t, s, limits), m, defaultOptions(), query{})
	require.ErrorIs(t, err, resp.ErrTooLarge)
	d := limited(t, s, limits)
	for range 2 {
		a, b := latencies(t, d, m)
		for _, q := range []*queue{a, b} {
			waiting, ok := q.Get(figWaiting)
			require.True(t, ok)
			require.Equal(t, 1.0, waiting)
			require.Contains(t, q.Problems[0].Reason, "the limit is 8000")
		}
	}
	require.NotContains(t, fmt.Sprint(d.sent), "LINDEX")
}

func TestAFailedPollIsFollowedByOneWithoutJobs(t *testing.T) {
	t.Parallel()
	job := &question{cmd: redisclient.Command{"LINDEX", "queue:a", "-1"}, payload: true}
	timeout := &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: errors.New("i/o timeout")}
	synctest.Test(t, func(t *testing.T) {
		s := &state{}
		s.judge(true, nil)
		require.NoError(t, s.tooHeavy(job))
		s.judge(true, errors.New("connection refused"))
		require.NoError(t, s.tooHeavy(job), "that was not because of jobs")

		s.judge(true, timeout)
		require.ErrorIs(t, s.tooHeavy(job), timeout)
		s.judge(false, timeout)
		require.NoError(t, s.tooHeavy(job), "nor was that: without them it failed as well")

		s.judge(true, timeout)
		s.judge(false, nil)
		require.ErrorIs(t, s.tooHeavy(job), timeout, "it was")
		time.Sleep(slowMemory + time.Second)
		require.NoError(t, s.tooHeavy(job))

		// Many jobs that are large together.
		reply := resp.Value{Kind: resp.BulkString, Str: make([]byte, maxPayload)}
		asks := make([]question, maxPayloads/maxPayload)
		for i := range asks {
			asks[i] = question{cmd: redisclient.Command{"LINDEX", fmt.Sprint(i)}, payload: true, reply: reply}
		}
		s.weigh(asks)
		require.NoError(t, s.tooHeavy(&asks[0]))
		s.weigh(append(asks, question{cmd: job.cmd, payload: true, reply: resp.Value{Kind: resp.BulkString, Str: []byte("small")}}))
		require.Error(t, s.tooHeavy(&asks[0]))
		require.NoError(t, s.tooHeavy(job))
		time.Sleep(heavyMemory + time.Second)
		require.NoError(t, s.tooHeavy(&asks[0]))
	})
}

// TestFewMembersOfManyBytesAreReadOnceInAWhile: 100 queues with names of 100 KB
// keep Redis busy for some milliseconds at each poll, and have no names of queues.
func TestFewMembersOfManyBytesAreReadOnceInAWhile(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "EVAL", "for i = 1, 100 do redis.call('SADD', KEYS[1], string.rep('x', 100000) .. i) end", "1", "queues")
	s.Do(t, "LPUSH", "queue:a", `{"jid":"1","enqueued_at":1795228164}`)
	d, m := limited(t, s, resp.Limits{}), &item.Memory{}
	for poll := range 4 {
		d.reset()
		_, err := readSystems(t.Context(), d, m, defaultOptions(), query{})
		require.NoError(t, err)
		reads := strings.Count(fmt.Sprint(d.sent), "SSCAN queues")
		require.LessOrEqual(t, reads, 1)
		if poll > 1 {
			require.Zero(t, reads, "poll %d", poll+1)
		}
	}
}
