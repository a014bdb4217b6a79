package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

// startBullMQ starts a server with queues of BullMQ, and returns a connection to it
// after a first poll.
func startBullMQ(t testing.TB, queues int) (*redistest.Server, *teller, func() *failuresResult) {
	t.Helper()
	s := redistest.Borrow(t)
	for i := range queues {
		s.Do(t, "HSET", fmt.Sprintf("bull:q%d:meta", i), "version", "bullmq:5.0.0")
	}
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795228400
	poll := func() *failuresResult {
		result, err := readFailures(t.Context(), d, m, defaultOptions(), query{})
		require.NoError(t, err)
		return result
	}
	poll()
	return s, d, poll
}

func TestFailuresBeyondWhatAPollReads(t *testing.T) {
	t.Parallel()
	s, _, poll := startBullMQ(t, 8)
	s.Do(t, "EVAL", `for q = 0, 7 do for i = 1, 150 do local k = 'bull:q' .. q .. ':' redis.call('ZADD', k .. 'failed', 1795228300000 + i, 'j' .. i)
		redis.call('HSET', k .. 'j' .. i, 'name', 'n', 'failedReason', 'no', 'finishedOn', 1795228300000 + i) end end`, "0")
	f := poll().Systems[0]
	require.Len(t, f.found, maxDetails)
	missed, known := f.missedCount()
	require.True(t, known)
	require.EqualValues(t, 8*150-maxDetails, missed)
}

func TestAFieldThatIsTooLargeIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s, d, poll := startBullMQ(t, 1)
	s.Do(t, "EVAL", `redis.call('ZADD', 'bull:q0:failed', 1795228300000, 'a')
		redis.call('HSET', 'bull:q0:a', 'name', 'n', 'failedReason', 'secret', 'finishedOn', 1795228300000, 'data', string.rep('x', 1048577))`, "0")
	d.reset()
	f := poll().Systems[0]
	require.Len(t, f.found, 1)
	require.Contains(t, f.found[0].message, "not shown")
	require.Contains(t, fmt.Sprint(d.sent), "HMGET bull:q0:a name failedReason finishedOn]")
}

// TestAListThatWasNotReadBefore: its old failures are not even looked at.
func TestAListThatWasNotReadBefore(t *testing.T) {
	t.Parallel()
	s, d, poll := startBullMQ(t, 1)
	s.Do(t, "HSET", "bull:later:meta", "version", "bullmq:5.0.0")
	s.Do(t, "ZADD", "bull:later:failed", "1795220000000", "old", "1795228399000", "new")
	s.Do(t, "HSET", "bull:later:new", "name", "n", "failedReason", "no", "finishedOn", "1795228399000")
	poll() // which finds the queue
	d.reset()
	f := poll().Systems[0]
	require.Len(t, f.found, 1)
	require.NotContains(t, fmt.Sprint(d.sent), "bull:later:old")
}

func TestOldJobsOfResqueBehindThoseThatWereTakenOut(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "resque:queues", "q")
	for i := range 60 {
		s.Do(t, "RPUSH", "resque:failed", fmt.Sprintf(`{"failed_at":"2026/11/20 03:00:%02d UTC","payload":{"class":"C"},"exception":"E","error":"m"}`, i))
	}
	target := atDatabase(t, s, 0)
	require.EqualValues(t, maxOlder, metrictest.Rows(t, askFailures(t, target)["older"])[0]["count"])
	s.Do(t, "LTRIM", "resque:failed", "0", "30")
	require.EqualValues(t, 0, askFailures(t, target)["count"])
}

// TestAJobThatIsGivenUpByHandHasNotFailedAgain though its record has changed.
func TestAJobThatIsGivenUpByHandHasNotFailedAgain(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t)
	s.Do(t, "ZADD", "retry", "1795228500", sidekiqFailed("a", "A", "m", failedAt, ""))
	s.Do(t, "INCR", "stat:failed")
	require.EqualValues(t, 1, askFailures(t, target)["count"])
	s.Do(t, "DEL", "retry")
	s.Do(t, "ZADD", "dead", "1795228600", sidekiqFailed("a", "A", "m", failedAt, `,"discarded_at":1795228600`))
	require.EqualValues(t, 0, askFailures(t, target)["count"])
}

// TestLargeFailedJobsDoNotKeepJobGetFromReading its own.
func TestLargeFailedJobsDoNotKeepJobGetFromReading(t *testing.T) {
	t.Parallel()
	s, target := startSidekiq(t)
	s.Do(t, "EVAL", `redis.call('ZADD', 'dead', 1795228500, '{"jid":"a","args":["' .. string.rep('x', 2000000) .. '"]}')`, "0")
	askFailures(t, target)
	state := stateOf(target.Memory)
	require.NotEmpty(t, state.heavyFailures.keys)
	require.Empty(t, state.heavy.keys)
}

// TestEachQueueIsCountedByItself: what one queue has more than it has counted does
// not hide what another one has less.
func TestEachQueueIsCountedByItself(t *testing.T) {
	t.Parallel()
	s, _, poll := startBullMQ(t, 2)
	s.Do(t, "HSET", "bull:q0:metrics:failed", "count", "5")
	poll()
	s.Do(t, "HINCRBY", "bull:q0:metrics:failed", "count", "1") // deleted at once
	s.Do(t, "ZADD", "bull:q1:failed", "1795228300000", "a")
	s.Do(t, "HSET", "bull:q1:a", "name", "n", "failedReason", "no", "finishedOn", "1795228300000")
	f := poll().Systems[0]
	missed, known := f.missedCount()
	require.True(t, known)
	require.EqualValues(t, 1, missed)
	require.Len(t, f.found, 1)
}
