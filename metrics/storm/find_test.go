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
)

func TestJobsAreFoundInAnIndexOfAnyType(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
	srv.Do(t, "SET", "storm:job:b", "FAILED")
	srv.Do(t, "SET", "storm:job:unlisted", "FAILED")
	old, fresh := ago(t, srv, 1000), ago(t, srv, 10)
	srv.Do(t, "SADD", "index:set", "b", "a", "gone")
	srv.Do(t, "RPUSH", "index:list", "gone", "b", "a", "a")
	srv.Do(t, "HSET", "index:hash", "a", "1", "b", "1", "gone", "1")
	srv.Do(t, "ZADD", "index:zset", old, "a", fresh, "b", fresh, "gone")
	for key, active := range map[string]Status{
		"index:set": statusActive, "index:list": statusActive, "index:hash": statusActive,
		"index:zset": statusStale, // its scores are heartbeats
	} {
		t.Run(key, func(t *testing.T) {
			rec := dial(t, srv)
			opts := defaults
			opts.IndexKey = key
			store := open(t, rec, opts)
			for range 2 {
				rec.forget()
				jobs := readAll(t, store)
				require.Equal(t, map[string]Status{"a": active, "b": statusFailed, "gone": statusMissing}, statuses(jobs))
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
	srv := redistest.Borrow(t)
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
	srv := redistest.Borrow(t)
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
				require.Equal(t, map[string]Status{"a": statusStale, "b": Success, "c": -1}, statuses(readAll(t, store)))
			}
			require.Len(t, rec.trips, 1)
			require.LessOrEqual(t, len(rec.trips[0]), 4, "no job has a key of its own to ask for")
		})
	}
}

func TestAJobLeavesTheHashForAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "HSET", "storm:jobs:state", "a", "ACTIVE", "b", "DONE")
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	one, all := open(t, dial(t, srv), defaults), open(t, dial(t, srv), defaults)
	require.Equal(t, statusActive, read(t, one, "a").Status)
	require.Equal(t, map[string]Status{"a": statusActive, "b": Success}, statuses(readAll(t, all)))
	srv.Do(t, "HDEL", "storm:jobs:state", "a")
	require.Equal(t, statusMissing, read(t, one, "a").Status)
	require.Equal(t, map[string]Status{"a": statusMissing, "b": Success}, statuses(readAll(t, all)))
	srv.Do(t, "HSET", "storm:job:a", "status", "FAILED")
	require.Equal(t, statusFailed, read(t, one, "a").Status)
	require.Equal(t, map[string]Status{"a": statusFailed, "b": Success}, statuses(readAll(t, all)))
}

func TestJobsAreFoundByScanAndElseInTheOptions(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	opts := item.StormOptions{KeyPattern: "x*[{job}]:rec", StateKey: "x*[state]:rec", ScanBudget: 10000, Jobs: []string{"s2", "s1"}}
	store := open(t, dial(t, srv), opts)
	require.Equal(t, map[string]Status{"s1": statusMissing, "s2": statusMissing}, statuses(readAll(t, store)))
	srv.Do(t, "SET", "x*[a:b]:rec", "ACTIVE")
	srv.Do(t, "SET", "xyz[c]:rec", "ACTIVE") // the pattern's * is not one of MATCH
	srv.Do(t, "SET", "x*[state]:rec", "")
	srv.Do(t, "DEL", "x*[state]:rec")
	require.Equal(t, map[string]Status{"a:b": statusActive}, statuses(readAll(t, store)))
}

func TestScanLeavesTheCommonKeysOut(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "SET", "job:a", "ACTIVE")
	srv.Do(t, "ZADD", "job:beats", ago(t, srv, 1000), "a")
	store := open(t, dial(t, srv), item.StormOptions{KeyPattern: "job:{job}", HeartbeatKey: "job:beats", ScanBudget: 100})
	require.Equal(t, map[string]Status{"a": statusStale}, statuses(readAll(t, store)))
}

func TestScanStopsAtItsBudgetAndSaysSo(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	for i := range 3000 {
		srv.Do(t, "SET", fmt.Sprint("other:", i), "x")
	}
	srv.Do(t, "SET", "storm:job:a", "ACTIVE")
	rec := dial(t, srv)
	opts := item.StormOptions{ScanBudget: 1500}
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
	require.Equal(t, map[string]Status{"a": statusActive}, statuses(jobs))
}

func TestFiveHundredJobsInOneRoundTrip(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
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
		require.Equal(t, statusActive, j.Status)
		n, ok := j.Number("processed")
		require.True(t, ok)
		require.Equal(t, float64(i), n)
	}

	srv.Do(t, "SADD", "storm:jobs", "new")
	srv.Do(t, "SET", "storm:job:new", "FAILED")
	rec.forget()
	require.Equal(t, statusFailed, statuses(readAll(t, store))["new"])
	require.Len(t, rec.trips, 3, "a new one costs its type and its record")
	rec.forget()
	readAll(t, store)
	require.Len(t, rec.trips, 1)
}

func TestTooManyJobsAreCutByNameAndSaidSo(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	for i := range maxJobs + 5 {
		srv.Do(t, "SADD", "storm:jobs", fmt.Sprintf("job%04d", i))
	}
	srv.Do(t, "SADD", "storm:jobs", "\xff\xfe", strings.Repeat("n", 256))
	jobs := readAll(t, open(t, dial(t, srv), defaults))
	require.Equal(t, 5, jobs.Truncated)
	require.Equal(t, 2, jobs.Skipped)
	require.Len(t, jobs.Jobs, maxJobs)
	require.Equal(t, "job0000", jobs.Jobs[0].Name)
	require.Equal(t, "job0999", jobs.Jobs[maxJobs-1].Name)
}
