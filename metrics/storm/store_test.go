package storm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
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
type memory struct{ m sync.Map }

func (m *memory) Load(name string) (any, bool) { return m.m.Load(name) }
func (m *memory) Store(name string, v any)     { m.m.Store(name, v) }

// defaults are the keys of the contract.
var defaults = Options{
	IndexKey:     "storm:jobs",
	HeartbeatKey: "storm:jobs:heartbeat",
	StateKey:     "storm:jobs:state",
	ScanBudget:   10000,
}

func open(t testing.TB, doer redisclient.Doer, opts Options) *Store {
	t.Helper()
	s, err := NewStore(opts, doer, new(memory))
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

func read(t testing.TB, s *Store, name string) Job {
	t.Helper()
	j, err := s.Job(t.Context(), Query{Name: name})
	require.NoError(t, err)
	return j
}

func readAll(t testing.TB, s *Store) Jobs {
	t.Helper()
	jobs, err := s.Jobs(t.Context())
	require.NoError(t, err)
	return jobs
}

// statuses of jobs by name; what is not known is -1.
func statuses(jobs Jobs) map[string]Status {
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
	srv := redistest.Start(t, redistest.Config{})
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
		{"a", "storm:job:a", Active, 100, redisclient.Command{"HGETALL", "storm:job:a"}},
		{"b", "storm:job:b", Failed, 100, redisclient.Command{"GETRANGE", "storm:job:b", "0", "65536"}},
		{"c1", "storm:jobs:state", Stale, 1000, redisclient.Command{"HGET", "storm:jobs:state", "c1"}},
		{"c2", "storm:jobs:state", Inactive, 50, redisclient.Command{"HGET", "storm:jobs:state", "c2"}},
		{"d", "storm:job:d", Stale, 1000, redisclient.Command{"GETRANGE", "storm:job:d", "0", "65536"}},
		{"e", "storm:job:e", Missing, -1, redisclient.Command{"TYPE", "storm:job:e"}},
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
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE", "updated_at", ago(t, srv, 100), "max_age", "1000")
	store := open(t, dial(t, srv), defaults)
	require.Equal(t, Active, read(t, store, "a").Status)
	j, err := store.Job(t.Context(), Query{Name: "a", MaxAge: 50 * time.Second})
	require.NoError(t, err)
	require.Equal(t, Stale, j.Status)
}

func TestJobsAreFoundInAnIndexOfAnyType(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
	srv.Do(t, "SET", "storm:job:b", "FAILED")
	srv.Do(t, "SET", "storm:job:unlisted", "FAILED")
	old, fresh := ago(t, srv, 1000), ago(t, srv, 10)
	srv.Do(t, "SADD", "index:set", "b", "a", "gone")
	srv.Do(t, "RPUSH", "index:list", "gone", "b", "a", "a")
	srv.Do(t, "HSET", "index:hash", "a", "1", "b", "1", "gone", "1")
	srv.Do(t, "ZADD", "index:zset", old, "a", fresh, "b", fresh, "gone")
	for key, active := range map[string]Status{
		"index:set": Active, "index:list": Active, "index:hash": Active,
		"index:zset": Stale, // its scores are heartbeats
	} {
		t.Run(key, func(t *testing.T) {
			rec := dial(t, srv)
			opts := defaults
			opts.IndexKey = key
			store := open(t, rec, opts)
			for range 2 {
				rec.forget()
				jobs := readAll(t, store)
				require.Equal(t, map[string]Status{"a": active, "b": Failed, "gone": Missing}, statuses(jobs))
				require.False(t, jobs.Partial)
				require.Zero(t, jobs.Truncated)
			}
			require.Len(t, rec.trips, 1)
			require.Equal(t, active, read(t, store, "a").Status)
		})
	}
	require.NotContains(t, srv.Do(t, "INFO", "errorstats"), "errorstat_")
}

func TestAnIndexOfAnotherTypeIsAnErrorAndNotReadAgain(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "SET", "storm:jobs", "a")
	store := open(t, dial(t, srv), defaults)
	for range 3 {
		_, err := store.Jobs(t.Context())
		require.EqualError(t, err, `the key "storm:jobs" is of type string, want a set, a sorted set, a list or a hash`)
		require.Equal(t, redisclient.ReasonCommand, redisclient.ReasonOf(err))
	}
	require.NotContains(t, srv.Do(t, "INFO", "errorstats"), "errorstat_")
}

func TestTheHashOfAllJobsIsItsOwnIndex(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "HSET", "storm:jobs:state", "a", "ACTIVE", "b", `{"status":"DONE"}`, "c", "{")
	srv.Do(t, "ZADD", "storm:jobs:heartbeat", ago(t, srv, 1000), "a")
	for _, index := range []string{"storm:jobs", "storm:jobs:state", ""} {
		t.Run(index, func(t *testing.T) {
			rec := dial(t, srv)
			opts := defaults
			opts.IndexKey = index
			store := open(t, rec, opts)
			for range 2 {
				rec.forget()
				require.Equal(t, map[string]Status{"a": Stale, "b": Success, "c": -1}, statuses(readAll(t, store)))
			}
			require.Len(t, rec.trips, 1)
			require.LessOrEqual(t, len(rec.trips[0]), 4, "no job has a key of its own to ask for")
		})
	}
}

func TestAJobLeavesTheHashForAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "HSET", "storm:jobs:state", "a", "ACTIVE", "b", "DONE")
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	one, all := open(t, dial(t, srv), defaults), open(t, dial(t, srv), defaults)
	require.Equal(t, Active, read(t, one, "a").Status)
	require.Equal(t, map[string]Status{"a": Active, "b": Success}, statuses(readAll(t, all)))
	srv.Do(t, "HDEL", "storm:jobs:state", "a")
	require.Equal(t, Missing, read(t, one, "a").Status)
	require.Equal(t, map[string]Status{"a": Missing, "b": Success}, statuses(readAll(t, all)))
	srv.Do(t, "HSET", "storm:job:a", "status", "FAILED")
	require.Equal(t, Failed, read(t, one, "a").Status)
	require.Equal(t, map[string]Status{"a": Failed, "b": Success}, statuses(readAll(t, all)))
}

func TestJobsAreFoundByScanAndElseInTheOptions(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	opts := Options{KeyPattern: "x*[{job}]:rec", StateKey: "x*[state]:rec", ScanBudget: 10000, Jobs: []string{"s2", "s1"}}
	store := open(t, dial(t, srv), opts)
	require.Equal(t, map[string]Status{"s1": Missing, "s2": Missing}, statuses(readAll(t, store)))
	srv.Do(t, "SET", "x*[a:b]:rec", "ACTIVE")
	srv.Do(t, "SET", "xyz[c]:rec", "ACTIVE") // the pattern's * is not one of MATCH
	srv.Do(t, "SET", "x*[state]:rec", "")
	srv.Do(t, "DEL", "x*[state]:rec")
	require.Equal(t, map[string]Status{"a:b": Active}, statuses(readAll(t, store)))
}

func TestScanLeavesTheCommonKeysOut(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "SET", "job:a", "ACTIVE")
	srv.Do(t, "ZADD", "job:beats", ago(t, srv, 1000), "a")
	store := open(t, dial(t, srv), Options{KeyPattern: "job:{job}", HeartbeatKey: "job:beats", ScanBudget: 100})
	require.Equal(t, map[string]Status{"a": Stale}, statuses(readAll(t, store)))
}

func TestScanStopsAtItsBudgetAndSaysSo(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	for i := range 3000 {
		srv.Do(t, "SET", fmt.Sprint("other:", i), "x")
	}
	srv.Do(t, "SET", "storm:job:a", "ACTIVE")
	rec := dial(t, srv)
	opts := Options{ScanBudget: 1500}
	jobs := readAll(t, open(t, rec, opts))
	require.True(t, jobs.Partial)
	scans := 0
	for _, trip := range rec.trips {
		if trip[0][0] == "SCAN" {
			scans++
			require.Contains(t, []string{"1000", "500"}, trip[0][5])
		}
	}
	require.Equal(t, 2, scans)

	opts.ScanBudget = 100000
	jobs = readAll(t, open(t, rec, opts))
	require.False(t, jobs.Partial)
	require.Equal(t, map[string]Status{"a": Active}, statuses(jobs))
}

func TestFiveHundredJobsInOneRoundTrip(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	for i := range 500 {
		name := fmt.Sprintf("job%03d", i)
		srv.Do(t, "SADD", "storm:jobs", name)
		srv.Do(t, "HSET", "storm:job:"+name, "status", "ACTIVE", "updated_at", ago(t, srv, 0), "processed", strconv.Itoa(i))
	}
	rec := dial(t, srv)
	store := open(t, rec, defaults)
	require.Len(t, readAll(t, store).Jobs, 500)
	require.Len(t, rec.trips, 4, "types of the common keys, the index, types of the jobs, the jobs")
	rec.forget()
	jobs := readAll(t, store)
	require.Len(t, rec.trips, 1)
	require.Len(t, jobs.Jobs, 500)
	for i, j := range jobs.Jobs {
		require.Equal(t, Active, j.Status)
		n, ok := j.Number("processed")
		require.True(t, ok)
		require.Equal(t, float64(i), n)
	}

	srv.Do(t, "SADD", "storm:jobs", "new")
	srv.Do(t, "SET", "storm:job:new", "FAILED")
	rec.forget()
	require.Equal(t, Failed, statuses(readAll(t, store))["new"])
	require.Len(t, rec.trips, 3, "a new one costs its type and its record")
	rec.forget()
	readAll(t, store)
	require.Len(t, rec.trips, 1)
}

func TestTooManyJobsAreCutByNameAndSaidSo(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	for i := range MaxJobs + 5 {
		srv.Do(t, "SADD", "storm:jobs", fmt.Sprintf("job%04d", i))
	}
	srv.Do(t, "SADD", "storm:jobs", "\xff\xfe", strings.Repeat("n", 256))
	jobs := readAll(t, open(t, dial(t, srv), defaults))
	require.Equal(t, 5, jobs.Truncated)
	require.Equal(t, 2, jobs.Skipped)
	require.Len(t, jobs.Jobs, MaxJobs)
	require.Equal(t, "job0000", jobs.Jobs[0].Name)
	require.Equal(t, "job0999", jobs.Jobs[MaxJobs-1].Name)
}

func TestAVanishedJobIsMissingUntilItIsBack(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	rec := dial(t, srv)
	one, all := open(t, rec, defaults), open(t, rec, defaults)
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	srv.Do(t, "SET", "storm:job:b", "ACTIVE")
	for _, layout := range [][]string{
		{"HSET", "storm:job:a", "status", "ACTIVE"},
		{"SET", "storm:job:a", "ACTIVE"},
	} {
		srv.Do(t, layout...)
		require.Equal(t, Active, read(t, one, "a").Status)
		require.Equal(t, map[string]Status{"a": Active, "b": Active}, statuses(readAll(t, all)))
		srv.Do(t, "DEL", "storm:job:a")
		require.Equal(t, Missing, read(t, one, "a").Status)
		require.Equal(t, map[string]Status{"a": Missing, "b": Active}, statuses(readAll(t, all)))
		rec.forget()
		require.Equal(t, Missing, read(t, one, "a").Status)
		require.Len(t, rec.trips, 1)
	}
}

func TestALayoutThatChangesIsFoundOutAgainInTheSameCheck(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
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
			require.Equal(t, Active, read(t, one, "a").Status)
			require.Equal(t, map[string]Status{"a": Active}, statuses(readAll(t, all)))
		}
	}
	// The index changes too.
	srv.Do(t, "DEL", "storm:jobs")
	srv.Do(t, "SADD", "storm:jobs", "a")
	require.Equal(t, map[string]Status{"a": Active}, statuses(readAll(t, all)))
	require.Equal(t, "count=5", strings.TrimSpace(strings.TrimPrefix(errorStat(t, srv), "errorstat_WRONGTYPE:")),
		"one for each change and reader, none at other polls")
}

func errorStat(t *testing.T, srv *redistest.Server) string {
	t.Helper()
	for line := range strings.Lines(srv.Do(t, "INFO", "errorstats")) {
		if strings.HasPrefix(line, "errorstat_") {
			return line
		}
	}
	return ""
}

func TestATypeThatChangesWhileItIsReadEnds(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	rec := dial(t, srv)
	srv.Do(t, "SET", "storm:job:a", "ACTIVE")
	rec.before = func(trip int) {
		srv.Do(t, "DEL", "storm:job:a")
		if trip%2 == 0 {
			srv.Do(t, "SET", "storm:job:a", "ACTIVE")
		} else {
			srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
		}
	}
	j := read(t, open(t, rec, Options{}), "a")
	require.ErrorContains(t, j.Err, "WRONGTYPE")
	require.LessOrEqual(t, len(rec.trips), 3)
}

func TestAMalformedRecordHarmsNoOther(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	big := strings.Repeat("x", 3<<20)
	srv.Do(t, "HSET", "storm:job:good", "status", "ACTIVE")
	srv.Do(t, "SET", "storm:job:big", big)
	srv.Do(t, "HSET", "storm:job:bighash", "status", "ACTIVE", "blob", big)
	srv.Do(t, "HSET", "storm:jobs:state", "bigfield", `{"status":"`+big+`"}`, "fine", "PAUSED")
	srv.Do(t, "SET", "storm:job:binary", "\x80\x04\x95\x00")
	srv.Do(t, "SET", "storm:job:empty", "")
	srv.Do(t, "SET", "storm:job:json", `{"status":`)
	srv.Do(t, "RPUSH", "storm:job:list", "ACTIVE")
	srv.Do(t, "HSET", "storm:job:mute", "colour", "blue")
	reasons := map[string]string{
		"good":     "",
		"fine":     "",
		"big":      "the record is larger than 64 KiB",
		"bighash":  "the record is larger than 64 KiB",
		"bigfield": "the record is larger than 64 KiB",
		"binary":   "the record is neither a JSON object nor a status",
		"empty":    "the record is neither a JSON object nor a status",
		"json":     "the record is no JSON: unexpected end of JSON input",
		"list":     `the key "storm:job:list" is of type list, want a hash or a string`,
		"mute":     "the record has no status",
	}
	for name := range reasons {
		srv.Do(t, "SADD", "storm:jobs", name)
	}
	rec := dial(t, srv)
	store := open(t, rec, defaults)
	for range 2 {
		jobs := readAll(t, store)
		require.Len(t, jobs.Jobs, len(reasons))
		for _, j := range append(jobs.Jobs, read(t, store, "list"), read(t, store, "bigfield"), read(t, store, "empty")) {
			if want := reasons[j.Name]; want != "" {
				require.EqualError(t, j.Err, want, j.Name)
				require.Len(t, j.Unavailable, 1)
			} else {
				require.NoError(t, j.Err, j.Name)
			}
		}
	}
	require.Empty(t, errorStat(t, srv))
}

func TestAWrongHeartbeatKeyIsSaidAndOnlyWhereItMatters(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "SET", "storm:jobs:heartbeat", "x")
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE", "ts", ago(t, srv, 10))
	srv.Do(t, "SET", "storm:job:b", "ACTIVE")
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	store := open(t, dial(t, srv), defaults)
	want := []Unreadable{{"heartbeat", `the key "storm:jobs:heartbeat" is of type string, want a sorted set`}}
	jobs := readAll(t, store).Jobs
	require.Empty(t, jobs[0].Unavailable)
	require.Equal(t, want, jobs[1].Unavailable)
	require.Equal(t, Active, jobs[1].Status)
	require.Equal(t, want, read(t, store, "b").Unavailable)

	srv.Do(t, "DEL", "storm:jobs:heartbeat")
	srv.Do(t, "ZADD", "storm:jobs:heartbeat", "inf", "b")
	want = []Unreadable{{"heartbeat", `"inf" is no time`}}
	require.Equal(t, want, readAll(t, store).Jobs[1].Unavailable)
	require.Equal(t, want, read(t, store, "b").Unavailable)
}

func TestAJobIsNotMissingWhileItsPlaceCannotBeRead(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "SET", "storm:jobs:state", "x")
	srv.Do(t, "SADD", "storm:jobs", "a")
	store := open(t, dial(t, srv), defaults)
	const want = `the key "storm:jobs:state" is of type string, want a hash`
	require.EqualError(t, read(t, store, "a").Err, want)
	require.EqualError(t, readAll(t, store).Jobs[0].Err, want)
}

func TestARefusedKeyIsItsJobsTroubleAlone(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{Users: []string{
		"zbx on >pw ~storm:jobs* ~storm:job:a +time +type +smembers +sscan +zrange +zscore +hget +hgetall +getrange",
	}})
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	srv.Do(t, "SET", "storm:job:a", "ACTIVE")
	srv.Do(t, "SET", "storm:job:b", "ACTIVE")
	store := open(t, dial(t, srv, "AUTH", "zbx", "pw"), defaults)
	jobs := readAll(t, store).Jobs
	require.NoError(t, jobs[0].Err)
	require.Equal(t, redisclient.ReasonACL, redisclient.ReasonOf(jobs[1].Err))
	require.Equal(t, redisclient.ReasonACL, redisclient.ReasonOf(read(t, store, "b").Err))
}

// TestARefusedCommonKeyIsAskedOnce: what a user may not do to the keys of all
// jobs raises the server's error figures once and not at every poll.
func TestARefusedCommonKeyIsAskedOnce(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]string{
		"no such keys":  "~storm:job:* ~storm:jobs +@all",
		"no such reads": "~* +@all -zscore -zrange -hget -hgetall",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t, redistest.Config{Users: []string{"zbx on >pw " + rule}})
			srv.Do(t, "SADD", "storm:jobs", "a")
			srv.Do(t, "SET", "storm:job:a", "ACTIVE")
			srv.Do(t, "ZADD", "storm:jobs:heartbeat", "1", "a")
			srv.Do(t, "HSET", "storm:jobs:state", "b", "ACTIVE")
			store := open(t, dial(t, srv, "AUTH", "zbx", "pw"), defaults)
			refusals := func() string {
				_, rest, _ := strings.Cut(srv.Do(t, "INFO", "errorstats"), "errorstat_NOPERM:count=")
				count, _, _ := strings.Cut(rest, "\r")
				return count
			}
			poll := func() (Job, Jobs) { return read(t, store, "a"), readAll(t, store) }
			one, all := poll()
			before := refusals()
			require.NotEmpty(t, before)
			for range 3 {
				againOne, againAll := poll()
				require.Equal(t, one.Status, againOne.Status)
				require.Equal(t, statuses(all), statuses(againAll))
			}
			require.Equal(t, before, refusals())
			require.Equal(t, Active, one.Status)
		})
	}
}

func TestAServerThatRefusesEverythingIsAnError(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{Password: "secret"})
	store := open(t, dial(t, srv), defaults)
	_, err := store.Job(t.Context(), Query{Name: "a"})
	require.Equal(t, redisclient.ReasonAuth, redisclient.ReasonOf(err))
	_, err = store.Jobs(t.Context())
	require.Equal(t, redisclient.ReasonAuth, redisclient.ReasonOf(err))
}

// loading answers TIME, as a server does that reads its data set, and refuses
// the rest.
type loading struct{}

func (loading) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	out := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		out[i] = resp.Value{Kind: resp.Error, Str: []byte("LOADING Redis is loading the dataset in memory")}
		if cmd[0] == "TIME" {
			out[i] = resp.Value{Kind: resp.Array, Elems: pairs("1795000000", "0")}
		}
	}
	return out, nil
}

func TestAServerThatIsLoadingHasNoMissingJobs(t *testing.T) {
	t.Parallel()
	store := open(t, loading{}, Options{Jobs: []string{"a"}})
	_, err := store.Job(t.Context(), Query{Name: "a"})
	require.Equal(t, redisclient.ReasonLoading, redisclient.ReasonOf(err))
	_, err = store.Jobs(t.Context())
	require.Equal(t, redisclient.ReasonLoading, redisclient.ReasonOf(err))
}

func TestATimeThatIsNoneIsAProtocolError(t *testing.T) {
	t.Parallel()
	for _, v := range []resp.Value{
		{Kind: resp.Null},
		{Kind: resp.Array, Elems: pairs("1795000000")},
		{Kind: resp.Array, Elems: pairs("now", "0")},
		{Kind: resp.Array, Elems: pairs("1795000000", "")},
	} {
		_, err := open(t, always{v}, Options{}).Job(t.Context(), Query{Name: "a"})
		require.Equal(t, redisclient.ReasonProtocol, redisclient.ReasonOf(err))
	}
}

// always answers everything with one value.
type always struct{ v resp.Value }

func (a always) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	return slices.Repeat([]resp.Value{a.v}, len(cmds)), nil
}

func TestAnEndedConversationIsAnError(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	rec := dial(t, srv)
	require.NoError(t, rec.Close())
	store := open(t, rec, defaults)
	_, err := store.Job(t.Context(), Query{Name: "a"})
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = open(t, dial(t, srv), defaults).Jobs(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestNothingIsWrittenAndNothingSlowIsSent(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	rec := dial(t, srv)
	for _, opts := range []Options{defaults, {ScanBudget: 10}} {
		store := open(t, rec, opts)
		readAll(t, store)
		read(t, store, "a")
	}
	require.Equal(t, "0", srv.Do(t, "DBSIZE"))
	require.Subset(t, []string{"GETRANGE", "HGET", "HGETALL", "HKEYS", "LRANGE", "SCAN", "SMEMBERS", "TIME", "TYPE", "ZRANGE", "ZSCORE"}, rec.names())
}

func TestRESP3AnswersAreReadTheSame(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	srv.Do(t, "ZADD", "storm:jobs", ago(t, srv, 1000), "a", ago(t, srv, 10), "b")
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
	srv.Do(t, "HSET", "storm:jobs:state", "b", "ACTIVE")
	store := open(t, dial(t, srv, "HELLO", "3"), defaults)
	require.Equal(t, map[string]Status{"a": Stale, "b": Active}, statuses(readAll(t, store)))
	require.Equal(t, Stale, read(t, store, "a").Status)
}

func TestNamesOfAnyLetters(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{})
	store := open(t, dial(t, srv), defaults)
	for _, name := range []string{"it's", `dq"x`, `a\b`, "ночной отчёт", "a b*?[]", "{job}", "line\nbreak"} {
		srv.Do(t, "SET", "storm:job:"+name, "ACTIVE")
		require.Equal(t, Active, read(t, store, name).Status, name)
		require.Equal(t, Active, statuses(readAll(t, store))[name], name)
	}
	_, err := store.Job(t.Context(), Query{Name: "\xff"})
	require.EqualError(t, err, "a job's name must be valid UTF-8")
}

func TestKeyPatternHasOnePlaceForTheJob(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"storm:job":         `the key pattern "storm:job" must contain {job} exactly once, not 0 times`,
		"storm:{job}:{job}": `the key pattern "storm:{job}:{job}" must contain {job} exactly once, not 2 times`,
	} {
		_, err := NewStore(Options{KeyPattern: pattern}, loading{}, new(memory))
		require.EqualError(t, err, want)
	}
}
