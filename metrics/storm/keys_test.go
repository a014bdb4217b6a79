package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// stormDefaults are the keys of the shipped configuration.
var stormDefaults = item.StormOptions{
	KeyPattern: "storm:job:{job}", IndexKey: "storm:jobs",
	HeartbeatKey: "storm:jobs:heartbeat", StateKey: "storm:jobs:state",
	StaleAfter: 5 * time.Minute, ScanBudget: 10000,
}

func metric(t testing.TB, key string) *item.Metric {
	t.Helper()
	for _, m := range Metrics {
		if m.Key == key {
			return m
		}
	}
	t.Fatalf("no metric %s", key)
	return nil
}

// collectStorm asks key of target; own are the key's own parameters.
func collect(t testing.TB, target *item.Target, opts item.StormOptions, key string, own ...string) (string, error) {
	t.Helper()
	m := metric(t, key)
	args, err := m.ParseArgs(append([]string{"", "", ""}, own...))
	require.NoError(t, err)
	return m.Answer(context.Background(), &item.Request{Target: target, Args: args, Env: &item.Env{Storm: opts}})
}

// seedStorm writes jobs in every layout and state, and returns the server's
// time at that moment.
func seed(t testing.TB, srv *redistest.Server) int64 {
	t.Helper()
	sec, _, _ := strings.Cut(srv.Do(t, "TIME"), "\n")
	now, err := strconv.ParseInt(sec, 10, 64)
	require.NoError(t, err)
	at := func(ago int64) string { return strconv.FormatInt(now-ago, 10) }
	srv.Do(t, "SADD", "storm:jobs", "wordcount", "backup", "ingest", "report", "gone", "broken", "odd")
	srv.Do(t, "HSET", "storm:job:wordcount", "status", "ACTIVE", "type", "topology", "updated_at", at(10),
		"started_at", at(86400), "processed", "123456789", "failed", "17", "emitted", "130000000", "lag", "42",
		"interval", "30", "expected", "ACTIVE", "host", "worker-1", "pid", "4711", "run_id", "wordcount-3-1795000000",
		"version", "2.8.8", "message", "")
	srv.Do(t, "SET", "storm:job:backup", fmt.Sprintf(
		`{"status":"FAILED","type":"batch","started_at":%s,"finished_at":%s,"last_success_at":%s,"duration_ms":61500,"progress":73.5,"error":"disk full"}`,
		at(200), at(139), at(90000)))
	srv.Do(t, "HSET", "storm:jobs:state", "ingest", `{"state":"RUNNING","ts":`+at(4000)+`,"lag":"abc"}`)
	srv.Do(t, "SET", "storm:job:report", "PAUSED")
	srv.Do(t, "ZADD", "storm:jobs:heartbeat", at(20), "report")
	srv.Do(t, "SET", "storm:job:broken", "\x80\x04\x95")
	srv.Do(t, "SET", "storm:job:odd", "42")
	return now
}

func TestStormJobStatusIsANumber(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	seed(t, srv)
	target := metrictest.NewTarget(metrictest.DialWire(t, srv.Addr))
	for job, want := range map[string]string{
		"wordcount": "1", "report": "2", "backup": "5", "ingest": "8", "gone": "9", "never-heard-of": "9", "odd": "42",
	} {
		got, err := collect(t, target, stormDefaults, "storm.job.status", job)
		require.NoError(t, err)
		require.Equal(t, want, got, job)
	}
	got, err := collect(t, target, stormDefaults, "storm.job.status", "wordcount", "5s")
	require.NoError(t, err)
	require.Equal(t, "8", got)
	got, err = collect(t, target, stormDefaults, "storm.job.status", "ingest", "2h")
	require.NoError(t, err)
	require.Equal(t, "1", got)
	_, err = collect(t, target, stormDefaults, "storm.job.status", "broken")
	require.EqualError(t, err, `job "broken": the record is neither a JSON object nor a status`)
}

func TestStormJobDocument(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	now := float64(seed(t, srv))
	target := metrictest.NewTarget(metrictest.DialWire(t, srv.Addr))
	for job, want := range map[string]map[string]any{
		"wordcount": {
			"key": "storm:job:wordcount", "status": 1.0, "status_text": "ACTIVE", "raw_status": "ACTIVE",
			"type": "topology", "age": 10.0, "updated_at": now - 10, "started_at": now - 86400,
			"processed": 123456789.0, "failed": 17.0, "emitted": 130000000.0, "lag": 42.0, "interval": 30.0,
			"expected": "ACTIVE", "host": "worker-1", "pid": "4711", "run_id": "wordcount-3-1795000000",
			"version": "2.8.8", "message": "", "unavailable": map[string]any{},
		},
		"backup": {
			"key": "storm:job:backup", "status": 5.0, "status_text": "FAILED", "raw_status": "FAILED", "type": "batch",
			"age": 139.0, "success_age": 90000.0, "started_at": now - 200, "finished_at": now - 139, "last_success_at": now - 90000,
			"duration": 61.5, "progress": 73.5, "message": "disk full", "unavailable": map[string]any{},
		},
		"ingest": {
			"key": "storm:jobs:state", "status": 8.0, "status_text": "STALE", "raw_status": "RUNNING",
			"age": 4000.0, "updated_at": now - 4000, "unavailable": map[string]any{"lag": `"abc" is no number`},
		},
		"report": {
			"key": "storm:job:report", "status": 2.0, "status_text": "INACTIVE", "raw_status": "PAUSED",
			"age": 20.0, "updated_at": now - 20, "unavailable": map[string]any{},
		},
		"gone": {
			"key": "storm:job:gone", "status": 9.0, "status_text": "MISSING", "unavailable": map[string]any{},
		},
		"broken": {
			"key":         "storm:job:broken",
			"unavailable": map[string]any{"record": "the record is neither a JSON object nor a status"},
		},
	} {
		text, err := collect(t, target, stormDefaults, "storm.job.get", job)
		require.NoError(t, err)
		got := metrictest.Decode(t, text)
		want["schema_version"], want["up"], want["reason"], want["error"] = 1.0, 1.0, "", ""
		want["target"], want["job"] = target.Name, job
		for _, member := range []string{"age", "success_age"} {
			if age, ok := want[member].(float64); ok {
				require.InDelta(t, age, got[member], 5, job)
				want[member] = got[member]
			}
		}
		require.Equal(t, want, got, job)
	}
}

func TestStormJobsDocument(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	seed(t, srv)
	wire := metrictest.DialWire(t, srv.Addr)
	target := metrictest.NewTarget(wire)
	text, err := collect(t, target, stormDefaults, "storm.jobs.get")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1.0, doc["up"])
	require.Equal(t, 7.0, doc["count"])
	require.Equal(t, false, doc["partial"])
	require.Equal(t, map[string]any{}, doc["truncated"])
	require.Equal(t, map[string]any{}, doc["unavailable"])
	require.Equal(t, map[string]any{
		"unknown": 0.0, "active": 1.0, "inactive": 1.0, "rebalancing": 0.0, "killed": 0.0, "failed": 1.0,
		"success": 0.0, "queued": 0.0, "stale": 1.0, "missing": 1.0, "other": 1.0, "unreadable": 1.0,
	}, doc["by_status"])

	wire.Calls = 0
	text, err = collect(t, target, stormDefaults, "storm.jobs.get")
	require.NoError(t, err)
	require.Equal(t, 1, wire.Calls)

	// Each row is what storm.job.get has beside its head.
	for _, row := range metrictest.Decode(t, text)["jobs"].([]any) {
		row := row.(map[string]any)
		one, err := collect(t, target, stormDefaults, "storm.job.get", row["job"].(string))
		require.NoError(t, err)
		alone := metrictest.Decode(t, one)
		for _, head := range []string{"schema_version", "up", "reason", "error", "target"} {
			delete(alone, head)
		}
		for _, member := range []string{"age", "success_age"} {
			delete(alone, member)
			delete(row, member)
		}
		require.Equal(t, alone, row)
	}
}

func TestStormJobsSayWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	for i := range 1003 {
		srv.Do(t, "SADD", "storm:jobs", fmt.Sprint("job", i))
	}
	srv.Do(t, "SADD", "storm:jobs", "\xff")
	target := metrictest.NewTarget(metrictest.DialWire(t, srv.Addr))
	text, err := collect(t, target, stormDefaults, "storm.jobs.get")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1000.0, doc["count"])
	require.Equal(t, map[string]any{"jobs": 3.0}, doc["truncated"])
	require.Equal(t, map[string]any{"jobs": "1 names are empty, too long or no valid UTF-8"}, doc["unavailable"])

	srv.Do(t, "DEL", "storm:jobs")
	for i := range 1003 {
		srv.Do(t, "SET", fmt.Sprint("other", i), "x")
	}
	opts := stormDefaults
	opts.ScanBudget = 100
	text, err = collect(t, target, opts, "storm.jobs.get")
	require.NoError(t, err)
	require.Equal(t, true, metrictest.Decode(t, text)["partial"])
}

func TestStormJobDiscovery(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	target := metrictest.NewTarget(metrictest.DialWire(t, srv.Addr))
	text, err := collect(t, target, stormDefaults, "storm.job.discovery")
	require.NoError(t, err)
	require.Equal(t, "[]", text)

	seed(t, srv)
	srv.Do(t, "SREM", "storm:jobs", "broken", "odd", "report")
	text, err = collect(t, target, stormDefaults, "storm.job.discovery")
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"{#JOB}":"backup","{#KEY}":"storm:job:backup","{#TYPE}":"batch"},
		{"{#JOB}":"gone","{#KEY}":"storm:job:gone","{#TYPE}":"job"},
		{"{#JOB}":"ingest","{#KEY}":"storm:jobs:state","{#TYPE}":"job"},
		{"{#JOB}":"wordcount","{#KEY}":"storm:job:wordcount","{#TYPE}":"topology","{#INTERVAL}":30}
	]`, text)
}

func TestStormOfATargetThatIsDown(t *testing.T) {
	t.Parallel()
	target := metrictest.NewTarget(&metrictest.ScriptDoer{Err: &redisclient.Error{
		Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused"),
	}})
	for _, key := range []string{"storm.job.get", "storm.jobs.get"} {
		own := []string{"a"}[:strings.Count(key, "storm.job.")]
		text, err := collect(t, target, stormDefaults, key, own...)
		require.NoError(t, err)
		require.Equal(t, map[string]any{
			"schema_version": 1.0, "up": 0.0, "reason": "tcp", "target": target.Name,
			"error": "Cannot query tcp://127.0.0.1:6379: connect: connection refused",
		}, metrictest.Decode(t, text))
	}
	_, err := collect(t, target, stormDefaults, "storm.job.status", "a")
	require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(err))
	_, err = collect(t, target, stormDefaults, "storm.job.discovery")
	require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(err))
}

func TestStormJobsBehindAnIndexOfTheWrongTypeAreDownForThatReason(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "SET", "storm:jobs", "x")
	text, err := collect(t, metrictest.NewTarget(metrictest.DialWire(t, srv.Addr)), stormDefaults, "storm.jobs.get")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, "command", doc["reason"])
	require.Contains(t, doc["error"], `the key "storm:jobs" is of type string`)
}

func TestStormWithAWrongConfigurationIsAnItemError(t *testing.T) {
	t.Parallel()
	for _, m := range Metrics {
		if !m.ReadsRedis() {
			continue
		}
		_, err := collect(t, metrictest.NewTarget(&metrictest.ScriptDoer{}), item.StormOptions{KeyPattern: "x"}, m.Key,
			[]string{"a"}[:len(m.Params[3:])/2]...)
		require.ErrorContains(t, err, "must contain {job} exactly once", m.Key)
	}
}

func TestStormParametersAreChecked(t *testing.T) {
	t.Parallel()
	m := metric(t, "storm.job.status")
	for want, raw := range map[string][]string{
		"parameter 4 (Job) is required":                       {"", "", "", ""},
		"parameter 4 (Job): a job's name must be valid UTF-8": {"", "", "", "\xff"},
		"parameter 5 (MaxAge): expected a positive number of seconds, at most 10 years, which may end in s, m, h, d or w, as 90 or 5m": {"", "", "", "a", "soon"},
		"too many parameters: storm.job.status takes at most 5, and a comma within a parameter needs quotes around the parameter":      {"", "", "", "a", "5m", "x"},
	} {
		_, err := m.ParseArgs(raw)
		require.EqualError(t, err, want)
	}
}

// TestStormDocumentOf1000JobsFitsAnAnswer: an answer may have 1 MiB.
func TestStormDocumentOf1000JobsFitsAnAnswer(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	for i := range 1000 {
		name := fmt.Sprint("topology-with-a-long-name-", i)
		srv.Do(t, "SADD", "storm:jobs", name)
		srv.Do(t, "HSET", "storm:job:"+name, "status", "ACTIVE", "updated_at", "1795000000.123456", "started_at", "1795000000",
			"processed", "123456789012", "failed", "123456", "emitted", "123456789012", "lag", "123456", "interval", "30",
			"host", "worker-1.example.com", "pid", "123456", "run_id", name, "version", "2.8.8",
			"message", strings.Repeat("m", 1000))
	}
	text, err := collect(t, metrictest.NewTarget(metrictest.DialWire(t, srv.Addr)), stormDefaults, "storm.jobs.get")
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(text)))
	require.Less(t, len(text), 1<<20)
}
