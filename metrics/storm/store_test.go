package storm

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// recorder is a connection to a real server that keeps the round trips it made.
type recorder struct {
	*redisclient.Conn
	trips [][]redisclient.Command
	// before, when set, is called before each round trip.
	before func(trip int)
}

// dial connects to the server and runs one command of preparation.
func dial(t testing.TB, s *redistest.Server, setup ...string) *recorder {
	t.Helper()
	conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	if len(setup) > 0 {
		replies, err := conn.DoAll(t.Context(), setup)
		require.NoError(t, err)
		require.NoError(t, replies[0].Err())
	}
	return &recorder{Conn: conn}
}

func (r *recorder) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if r.before != nil {
		r.before(len(r.trips))
	}
	r.trips = append(r.trips, cmds)
	return r.Conn.DoAll(ctx, cmds...)
}

// forget starts counting anew.
func (r *recorder) forget() { r.trips = nil }

// names are the names of all commands sent, each once.
func (r *recorder) names() []string {
	var out []string
	for _, trip := range r.trips {
		for _, cmd := range trip {
			out = append(out, cmd[0])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// memory is a Memory that does not forget.

// defaults are the keys of the contract.
var defaults = item.StormOptions{
	IndexKey:     "storm:jobs",
	HeartbeatKey: "storm:jobs:heartbeat",
	StateKey:     "storm:jobs:state",
	ScanBudget:   10000,
}

func open(t testing.TB, doer redisclient.Doer, opts item.StormOptions) *store {
	t.Helper()
	s, err := newStore(opts, doer, &item.Memory{})
	require.NoError(t, err)
	return s
}

// ago is the server's time that many seconds ago.
func ago(t testing.TB, s *redistest.Server, seconds int) string {
	t.Helper()
	sec, _, _ := strings.Cut(s.Do(t, "TIME"), "\n")
	now, err := strconv.Atoi(sec)
	require.NoError(t, err)
	return strconv.Itoa(now - seconds)
}

func read(t testing.TB, s *store, name string) job {
	t.Helper()
	j, err := s.Job(t.Context(), query{Name: name})
	require.NoError(t, err)
	return j
}

func readAll(t testing.TB, s *store) jobs {
	t.Helper()
	jobs, err := s.Jobs(t.Context())
	require.NoError(t, err)
	return jobs
}

// statuses of jobs by name; what is not known is -1.
func statuses(jobs jobs) map[string]Status {
	out := make(map[string]Status)
	for _, j := range jobs.Jobs {
		out[j.Name] = j.Status
		if j.Err != nil {
			out[j.Name] = -1
		}
	}
	return out
}

func TestEveryLayoutIsReadInOneRoundTripOnceKnown(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE", "updated_at", ago(t, srv, 100))
	srv.Do(t, "SET", "storm:job:b", `{"state":"failed","ts":`+ago(t, srv, 100)+`}`)
	srv.Do(t, "HSET", "storm:jobs:state", "c1", `{"status":"QUEUED","ts":`+ago(t, srv, 1000)+`}`, "c2", "PAUSED")
	srv.Do(t, "SET", "storm:job:d", "RUNNING")
	srv.Do(t, "ZADD", "storm:jobs:heartbeat", ago(t, srv, 1000), "d", ago(t, srv, 50), "c2", ago(t, srv, 1), "a")

	for _, tt := range []struct {
		job  string
		key  string
		want Status
		age  float64
		cmd  redisclient.Command
	}{
		{"a", "storm:job:a", statusActive, 100, redisclient.Command{"HSCAN", "storm:job:a", "0", "COUNT", "500"}},
		{"b", "storm:job:b", statusFailed, 100, redisclient.Command{"GETRANGE", "storm:job:b", "0", "65536"}},
		{"c1", "storm:jobs:state", statusStale, 1000, redisclient.Command{"HGET", "storm:jobs:state", "c1"}},
		{"c2", "storm:jobs:state", statusInactive, 50, redisclient.Command{"HGET", "storm:jobs:state", "c2"}},
		{"d", "storm:job:d", statusStale, 1000, redisclient.Command{"GETRANGE", "storm:job:d", "0", "65536"}},
		{"e", "storm:job:e", statusMissing, -1, redisclient.Command{"TYPE", "storm:job:e"}},
	} {
		t.Run(tt.job, func(t *testing.T) {
			rec := dial(t, srv)
			store := open(t, rec, defaults)
			for range 2 {
				rec.forget()
				j := read(t, store, tt.job)
				require.NoError(t, j.Err)
				require.Equal(t, tt.want, j.Status)
				require.Equal(t, tt.key, j.Key)
				require.Equal(t, tt.age >= 0, j.HasAge)
				if j.HasAge {
					require.InDelta(t, tt.age, j.Age, 5)
				}
			}
			require.Len(t, rec.trips, 1)
			require.Equal(t, redisclient.Command{"TIME"}, rec.trips[0][0])
			require.Contains(t, rec.trips[0], tt.cmd)
			if tt.key == "storm:jobs:state" {
				require.NotContains(t, rec.trips[0], redisclient.Command{"TYPE", "storm:job:" + tt.job}, "its own key is left alone")
			}
			require.Contains(t, rec.trips[0], redisclient.Command{"ZSCORE", "storm:jobs:heartbeat", tt.job})
		})
	}
	require.NotContains(t, srv.Do(t, "INFO", "errorstats"), "errorstat_")
}

func TestMaxAgeOfTheRequestCounts(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE", "updated_at", ago(t, srv, 100), "max_age", "1000")
	store := open(t, dial(t, srv), defaults)
	require.Equal(t, statusActive, read(t, store, "a").Status)
	j, err := store.Job(t.Context(), query{Name: "a", MaxAge: 50 * time.Second})
	require.NoError(t, err)
	require.Equal(t, statusStale, j.Status)
}

func TestAVanishedJobIsMissingUntilItIsBack(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	rec := dial(t, srv)
	one, all := open(t, rec, defaults), open(t, rec, defaults)
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	srv.Do(t, "SET", "storm:job:b", "ACTIVE")
	for _, layout := range [][]string{
		{"HSET", "storm:job:a", "status", "ACTIVE"},
		{"SET", "storm:job:a", "ACTIVE"},
	} {
		srv.Do(t, layout...)
		require.Equal(t, statusActive, read(t, one, "a").Status)
		require.Equal(t, map[string]Status{"a": statusActive, "b": statusActive}, statuses(readAll(t, all)))
		srv.Do(t, "DEL", "storm:job:a")
		require.Equal(t, statusMissing, read(t, one, "a").Status)
		require.Equal(t, map[string]Status{"a": statusMissing, "b": statusActive}, statuses(readAll(t, all)))
		rec.forget()
		require.Equal(t, statusMissing, read(t, one, "a").Status)
		require.Len(t, rec.trips, 1)
	}
}

func TestALayoutThatChangesIsFoundOutAgainInTheSameCheck(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	one, all := open(t, dial(t, srv), defaults), open(t, dial(t, srv), defaults)
	srv.Do(t, "RPUSH", "storm:jobs", "a")
	for _, layout := range [][]string{
		{"HSET", "storm:job:a", "status", "ACTIVE"},
		{"SET", "storm:job:a", "ACTIVE"},
		{"HSET", "storm:job:a", "status", "ACTIVE"},
	} {
		srv.Do(t, "DEL", "storm:job:a")
		srv.Do(t, layout...)
		for range 3 {
			require.Equal(t, statusActive, read(t, one, "a").Status)
			require.Equal(t, map[string]Status{"a": statusActive}, statuses(readAll(t, all)))
		}
	}
	// The index changes too.
	srv.Do(t, "DEL", "storm:jobs")
	srv.Do(t, "SADD", "storm:jobs", "a")
	require.Equal(t, map[string]Status{"a": statusActive}, statuses(readAll(t, all)))
	require.Equal(t, "count=5", strings.TrimSpace(strings.TrimPrefix(errorStat(t, srv), "errorstat_WRONGTYPE:")),
		"one for each change and reader, none at other polls")
}

func TestNothingIsWrittenAndNothingSlowIsSent(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	rec := dial(t, srv)
	for _, opts := range []item.StormOptions{defaults, {ScanBudget: 10}} {
		store := open(t, rec, opts)
		readAll(t, store)
		read(t, store, "a")
	}
	require.Equal(t, "0", srv.Do(t, "DBSIZE"))
	require.Subset(t, []string{"GETRANGE", "HGET", "HSCAN", "LRANGE", "SCAN", "SSCAN", "TIME", "TYPE", "ZRANGE", "ZSCORE"}, rec.names())
}

func TestRESP3AnswersAreReadTheSame(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "ZADD", "storm:jobs", ago(t, srv, 1000), "a", ago(t, srv, 10), "b")
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
	srv.Do(t, "HSET", "storm:jobs:state", "b", "ACTIVE")
	store := open(t, dial(t, srv, "HELLO", "3"), defaults)
	require.Equal(t, map[string]Status{"a": statusStale, "b": statusActive}, statuses(readAll(t, store)))
	require.Equal(t, statusStale, read(t, store, "a").Status)
}

func TestNamesOfAnyLetters(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	store := open(t, dial(t, srv), defaults)
	for _, name := range []string{"it's", `dq"x`, `a\b`, "ночной отчёт", "a b*?[]", "{job}", "line\nbreak"} {
		srv.Do(t, "SET", "storm:job:"+name, "ACTIVE")
		require.Equal(t, statusActive, read(t, store, name).Status, name)
		require.Equal(t, statusActive, statuses(readAll(t, store))[name], name)
	}
	_, err := store.Job(t.Context(), query{Name: "\xff"})
	require.EqualError(t, err, "a job's name must be valid UTF-8")
}

func TestKeyPatternHasOnePlaceForTheJob(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"storm:job":         `the key pattern "storm:job" must contain {job} exactly once, not 0 times`,
		"storm:{job}:{job}": `the key pattern "storm:{job}:{job}" must contain {job} exactly once, not 2 times`,
	} {
		_, err := newStore(item.StormOptions{KeyPattern: pattern}, loading{}, &item.Memory{})
		require.EqualError(t, err, want)
	}
}
