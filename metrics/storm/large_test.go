package storm

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// limited connects as a client that takes only so many bytes at once.
func limited(t *testing.T, s *redistest.Server, bytes int) *redisclient.Conn {
	t.Helper()
	conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr, Limits: resp.Limits{MaxReply: bytes}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestJobsOfManyBytesAreReadInSmallerSteps: the records of 1,900 jobs, 9 KB each,
// are more than the client takes at once.
func TestJobsOfManyBytesAreReadInSmallerSteps(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "EVAL", `for i = 1, 1900 do
	    redis.call('HSET', KEYS[1], 'job' .. i, '{"status":1,"note":"' .. string.rep('x', 9000) .. '"}') end`, "1", "storm:jobs:state")
	doer, memory := &recorder{Conn: limited(t, s, 16<<20)}, new(item.Memory)
	read := func() jobs {
		source, err := newStore(defaults, doer, memory)
		require.NoError(t, err)
		out, err := source.Jobs(t.Context())
		require.NoError(t, err)
		return out
	}
	for range 2 {
		out := read()
		require.Empty(t, out.Unavailable)
		require.NoError(t, out.Incomplete)
		require.Equal(t, min(1900, maxJobs), len(out.Jobs))
		require.Equal(t, 1900, len(out.Jobs)+out.Truncated)
	}
	require.EqualValues(t, 1, out(doer.trips, "COUNT 2000"), "the first step alone was too large")
	s.Do(t, "HSET", "storm:jobs:state", "another", "{}")
	require.Equal(t, min(1901, maxJobs), len(read().Jobs))
}

// TestFewJobsOfManyBytes: a hash of 300 fields, 100 KB each.
func TestFewJobsOfManyBytes(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "EVAL", `for i = 1, 300 do
	    redis.call('HSET', KEYS[1], 'job' .. i, '{"status":1,"note":"' .. string.rep('x', 100000) .. '"}') end`, "1", "storm:jobs:state")
	doer, memory := &recorder{Conn: limited(t, s, 16<<20)}, new(item.Memory)
	for range 2 {
		source, err := newStore(defaults, doer, memory)
		require.NoError(t, err)
		out, err := source.Jobs(t.Context())
		require.NoError(t, err)
		require.Equal(t, 300, len(out.Jobs)+out.Truncated, "not all may fit into one poll")
		require.Greater(t, len(out.Jobs), 200)
	}
	require.EqualValues(t, 1, out(doer.trips, "COUNT 2000"))
	most := 0
	for _, trip := range doer.trips {
		for _, cmd := range trip {
			if cmd[0] == "HSCAN" && cmd[scanCount] != "2000" {
				n, err := strconv.Atoi(cmd[scanCount])
				require.NoError(t, err)
				most = max(most, n)
			}
		}
	}
	require.Less(t, most, 60, "a step is of about 4 MB")
}

// TestMoreLongRecordsThanAreRead: 3,000 records, 8.5 KB each, of which the first step
// is too large to be kept. The target is up in the first poll.
func TestMoreLongRecordsThanAreRead(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "EVAL", `for i = 1, 3000 do redis.call('HSET', KEYS[1], 'job' .. i, string.rep('x', 8500)) end`, "1", "storm:jobs:state")
	conn := limited(t, s, 16<<20)
	source, err := newStore(defaults, conn, new(item.Memory))
	require.NoError(t, err)
	jobs, err := source.Jobs(t.Context())
	require.NoError(t, err)
	require.Len(t, jobs.Unavailable, 1)
	require.Contains(t, jobs.Unavailable[0].Reason, `the key "storm:jobs:state" is too large: of its 3000 members`)
	require.NotEmpty(t, jobs.Jobs)
	require.Equal(t, 3000, len(jobs.Jobs)+jobs.Truncated)
}

// out counts the reads of the jobs' states that end in that text.
func out(trips [][]redisclient.Command, end string) (n int) {
	for _, trip := range trips {
		for _, cmd := range trip {
			if cmd[0] == "HSCAN" && cmd[1] == "storm:jobs:state" && strings.HasSuffix(strings.Join(cmd, " "), end) {
				n++
			}
		}
	}
	return n
}

// TestARecordThatTheClientCannotTake leaves the target up, and says what is too
// large.
func TestARecordThatTheClientCannotTake(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for _, key := range []string{"storm:jobs:state", "storm:jobs"} {
		s.Do(t, "FLUSHALL")
		for i := range 600 { // so many are a hash table, of which a step gives a part
			s.Do(t, "HSET", key, fmt.Sprint("job", i), "{}")
		}
		s.Do(t, "HSET", key, "fat", strings.Repeat("x", 1<<20))
		conn := limited(t, s, 100<<10)
		source, err := newStore(defaults, conn, new(item.Memory))
		require.NoError(t, err)
		jobs, err := source.Jobs(t.Context())
		require.NoError(t, err)
		require.Len(t, jobs.Unavailable, 1)
		require.Contains(t, jobs.Unavailable[0].Reason, `the key "`+key+`"`)
		require.Error(t, jobs.Incomplete)
		require.Positive(t, jobs.Truncated)
	}
}
