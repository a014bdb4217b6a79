package jobs

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
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

// askFailures polls job.failures.get and returns its document.
func askFailures(t testing.TB, target *item.Target, raw ...string) map[string]any {
	t.Helper()
	return askJobs(t, failuresMetric, target, raw...)
}

// groupTexts are the groups of a list, each in one line.
func groupTexts(t testing.TB, doc map[string]any, list string) []string {
	t.Helper()
	var out []string
	for _, g := range metrictest.Rows(t, doc[list]) {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%vx %v@%v %v: %v dead=%v", g["count"], g["class"], g["queue"], g["error"], g["message"], g["dead"])))
	}
	slices.Sort(out)
	return out
}

// atDatabase is a target in a database of the server.
func atDatabase(t testing.TB, s *redistest.Server, db int) *item.Target {
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Database: db})
	return target
}

// failingCase is what real systems have left, and what they write when a job fails.
type failingCase struct {
	system, prefix string
	db             int
	// older are the groups at the first poll.
	older []string
	kept  map[string]float64
	// fail writes that another job has failed.
	fail [][]string
	// groups are those of the next poll.
	groups []string
	last   float64
}

func failingCases() []failingCase {
	retry := `{"retry":5,"queue":"default","args":[77],"class":"Wrapper","wrapped":"FailJob","jid":"n1","error_message":"boom 77: token=abc","error_class":"Net::ReadTimeout","failed_at":1795228300.5,"retry_count":0}`
	dead := `{"queue":"slow","args":[{"job_class":"Mail","arguments":["bob@example.com"]}],"class":"Wrapper","jid":"n2","error_message":"no box for bob@example.com\nsecond line","error_class":"ArgumentError","failed_at":1795228000123,"retried_at":1795228301250}`
	return []failingCase{
		{
			system: "sidekiq", db: 0, older: []string{"2x FailJob@default RuntimeError: boom *** dead=0", "3x DeadJob@default RuntimeError: dead *** dead=3"},
			kept: map[string]float64{"failed": 3, "retry": 2},
			fail: [][]string{{"ZADD", "retry", "1795228320.5", retry}, {"ZADD", "dead", "1795228301.3", dead}, {"INCRBY", "stat:failed", "2"}},
			groups: []string{
				"1x FailJob@default Net::ReadTimeout: boom ***: token=*** dead=0", "1x Mail@slow ArgumentError: no box for *** dead=1",
			},
			last: 1795228301.25,
		},
		{
			system: "resque", prefix: "resque", db: 1, older: []string{"3x FailJob@default RuntimeError: boom *** dead=3"}, kept: map[string]float64{"failed": 3},
			fail:   [][]string{{"RPUSH", "resque:failed", `{"failed_at":"2026/11/21 03:12:03 UTC","payload":{"class":"Pay","args":["4711"]},"exception":"IOError","error":"closed 4711","backtrace":[],"worker":"w","queue":"pay"}`}},
			groups: []string{"1x Pay@pay IOError: closed *** dead=1"}, last: 1795230723,
		},
		{
			system: "rq", prefix: "rq", db: 2, older: []string{"2x tasks.fail@default ValueError: boom *** dead=2"}, kept: map[string]float64{"failed": 2},
			fail: [][]string{
				{"ZADD", "rq:failed:default", "1826765999", "n"},
				{"HSET", "rq:job:n", "data", zlibText("\x80\x04\x95\x22\x00\x00\x00\x00\x00\x00\x00(\x8c\x09mail.send\x94N\x8c\x07bob@a.b\x94\x85\x94}\x94t\x94."), "ended_at", "2026-11-21T02:59:59.500000Z"},
				{"XADD", "rq:results:n", "1795229999500-0", "type", "2", "exc_string", zlibBase64("Traceback (most recent call last):\n  File \"m.py\"\nsmtplib.SMTPException: bob@a.b is gone\n")},
			},
			groups: []string{"1x mail.send@default smtplib.SMTPException: *** is gone dead=1"}, last: 1795229999.5,
		},
		{
			system: "rq", prefix: "rq", db: 14,
			older: []string{
				"1x tasks.slow@slow <nil>: Moved to FailedJobRegistry, due to AbandonedJobError, at 2026-11-21 02:57:26.874818+00:00 dead=1",
				"2x tasks.fail@default ValueError: boom *** dead=2",
			},
			kept: map[string]float64{"failed": 3},
			// RQ 1.11 and before keep the error with the job.
			fail: [][]string{
				{"ZADD", "rq:failed:slow", "1826769999", "n"},
				{"HSET", "rq:job:n", "data", zlibText(`["mail.send",null,["x1"],{}]`), "exc_info", zlibText("Traceback (most recent call last):\n  File\nKeyError: 'x1'\n")},
			},
			groups: []string{"1x mail.send@slow KeyError: '***' dead=1"}, last: 1826769999 - 31536000,
		},
		{
			system: "bullmq", prefix: "bull", db: 5, older: []string{"2x fail@mail Error: boom dead=2"}, kept: map[string]float64{"failed": 2},
			fail: [][]string{
				{"ZADD", "bull:mail:failed", "1795228999000", "n"}, {"HINCRBY", "bull:mail:metrics:failed", "count", "1"},
				{"HSET", "bull:mail:n", "name", "send", "data", `{"to":"bob@a.b"}`, "failedReason", "bob@a.b is no address", "stacktrace", `["TypeError: bob@a.b is no address\n at f"]`, "finishedOn", "1795228999000"},
			},
			groups: []string{"1x send@mail TypeError: *** is no address dead=1"}, last: 1795228999,
		},
		{
			system: "bull", prefix: "bull", db: 6, older: []string{"2x fail@mail Error: boom dead=2"}, kept: map[string]float64{"failed": 2},
			fail: [][]string{
				{"ZADD", "bull:mail:failed", "1795228999000", "n"},
				{"HSET", "bull:mail:n", "name", "__default__", "data", `{"i":5}`, "failedReason", "job stalled more than allowable limit", "finishedOn", "1795228999000"},
			},
			groups: []string{"1x __default__@mail <nil>: job stalled more than allowable limit dead=1"}, last: 1795228999,
		},
		{
			system: "asynq", db: 7, older: []string{"2x fail@default <nil>: boom dead=0", "3x dead@default <nil>: dead dead=3"},
			kept: map[string]float64{"failed": 3, "retry": 2},
			fail: [][]string{
				{"ZADD", "asynq:{default}:retry", "1795229999", "n"}, {"INCR", "asynq:{default}:failed"},
				{"HSET", "asynq:{default}:t:n", "msg", "\x0a\x04mail\x12\x0e{\"to\":\"x@a.b\"}\x3a\x0dno box: x@a.b\x58\xb0\xdd\x85\xd8\x06", "state", "retry"},
			},
			groups: []string{"1x mail@default <nil>: no box: *** dead=0"}, last: 1795255984,
		},
		{
			system: "horizon", prefix: "laravel_horizon:", db: 20, older: []string{"1x App\\Jobs\\Old@default RuntimeException: old dead=1"}, kept: map[string]float64{"failed": 1},
			fail:   horizonFailed("-1795229999.25", "6e3f4f9d-7928-4d7b-b863-a172646da702", `App\Jobs\Mail`, "App\\Gone: no alice in box in /srv/a.php:7\nStack trace:\n#0"),
			groups: []string{`1x App\Jobs\Mail@default App\Gone: no *** in box dead=1`}, last: 1795229999.25,
		},
		{
			system: "dramatiq", prefix: "dramatiq", db: 21, older: []string{"1x mail@default <nil>:  dead=1"}, kept: map[string]float64{"failed": 1},
			fail: dramatiqDead("b", "1795229999250", `{"queue_name":"default","actor_name":"mail","args":["bob@a.b"],"kwargs":{"n":7},"options":{"retries":1,`+
				`"traceback":"Traceback (most recent call last):\n  File \"w.py\"\nValueError: bob@a.b has 7\n"},"message_id":"b","message_timestamp":1795229990000}`),
			groups: []string{"1x mail@default ValueError: *** has *** dead=1"}, last: 1795229999.25,
		},
	}
}

func dramatiqDead(id, score, message string) [][]string {
	return [][]string{{"ZADD", "dramatiq:default.XQ", score, id}, {"HSET", "dramatiq:default.XQ.msgs", id, message}}
}

func horizonFailed(score, id, class, exception string) [][]string {
	return [][]string{
		{"ZADD", "laravel_horizon:failed_jobs", score, id},
		{"HSET", "laravel_horizon:" + id, "name", class, "queue", "default", "failed_at", strings.TrimPrefix(score, "-"), "exception", exception,
			"payload", `{"uuid":"x","displayName":"App\\Jobs\\Mail","data":{"commandName":"App\\Jobs\\Mail","command":"O:13:\"App\\Jobs\\Mail\":1:{s:4:\"name\";s:5:\"alice\";}"}}`},
	}
}

func TestFailuresSinceTheLastPoll(t *testing.T) {
	t.Parallel()
	s := startFixture(t, "job-systems.rdb")
	s.Do(t, "SELECT", "20")
	s.Do(t, "ZADD", "laravel_horizon:masters", "4000000000", "m")
	for _, cmd := range horizonFailed("-1795220000", "00000000-7928-4d7b-b863-a172646da702", `App\Jobs\Old`, "RuntimeException: old in /srv/a.php:7\nStack trace:\n#0") {
		s.Do(t, cmd...)
	}
	s.Do(t, "SELECT", "21")
	s.Do(t, "ZADD", "dramatiq:__heartbeats__", "1795229999000", "w")
	s.Do(t, "HSET", "dramatiq:default.msgs", "x", "{}")
	for _, cmd := range dramatiqDead("a", "1795220000000", `{"queue_name":"default","actor_name":"mail","args":[],"kwargs":{},"options":{},"message_id":"a"}`) {
		s.Do(t, cmd...)
	}
	seen := map[string]bool{}
	for _, c := range failingCases() {
		seen[c.system] = true
		t.Run(fmt.Sprintf("%s-%d", c.system, c.db), func(t *testing.T) { c.test(t, s) })
	}
	for _, system := range all {
		if spec := system.Spec(); spec.NoFailures() == "" {
			require.True(t, seen[spec.Name], "%s needs a case", spec.Name)
		} else {
			require.Contains(t, withoutFailures, spec.Name, "it keeps no failures for a reason")
		}
	}
}

// test polls as a user that may do just what the system's spec says.
func (c *failingCase) test(t *testing.T, s *redistest.Server) {
	user := failureUser(t, s, c.system, c.prefix, c.db)
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Database: c.db, User: user, Password: "any"})
	id := c.system + "/" + c.prefix
	before := changes(t, s)
	doc := askFailures(t, target)
	require.Equal(t, true, doc["first"])
	for _, member := range []string{"count", "missed", "groups", "since"} {
		require.NotContains(t, doc, member, "old failures are not told as new ones")
	}
	require.Equal(t, c.older, groupTexts(t, doc, "older"))
	c.row(t, doc, id, nil)

	doc = askFailures(t, target)
	require.Equal(t, false, doc["first"])
	require.NotContains(t, doc, "older")
	require.InDelta(t, float64(time.Now().Unix()), doc["since"], 60)
	require.EqualValues(t, 0, doc["count"])
	require.Empty(t, doc["groups"])
	require.Equal(t, before, changes(t, s), "something was written")

	s.Do(t, "SELECT", strconv.Itoa(c.db))
	for _, cmd := range c.fail {
		s.Do(t, cmd...)
	}
	d.Calls = 0
	doc = askFailures(t, target)
	require.LessOrEqual(t, d.Calls, maxFailureRounds)
	require.Equal(t, c.groups, groupTexts(t, doc, "groups"))
	last := 0.0
	for _, g := range metrictest.Rows(t, doc["groups"]) {
		last = max(last, g["last"].(float64))
		require.True(t, strings.HasPrefix(g["id"].(string), id+"/"), g["id"])
		require.Equal(t, id, g["system_id"])
	}
	require.InDelta(t, c.last, last, 1e-3)
	row := c.row(t, doc, id, c.groups)
	require.EqualValues(t, len(c.groups), row["count"])
	if _, counts := row["missed"]; counts {
		require.EqualValues(t, 0, row["missed"])
	}
	doc = askFailures(t, target)
	require.EqualValues(t, 0, doc["count"], "each is told once")
}

// row returns that of the system, of which nothing is unavailable.
func (c *failingCase) row(t *testing.T, doc map[string]any, id string, more []string) map[string]any {
	t.Helper()
	row := rowsByID(doc, "systems")[id]
	require.NotNil(t, row, doc["systems"])
	require.Empty(t, row["unavailable"])
	require.EqualValues(t, 0, row["unreadable"])
	kept := 0.0
	for _, name := range slices.Sorted(maps.Keys(c.kept)) {
		kept += row[name].(float64)
		kept -= c.kept[name]
	}
	require.EqualValues(t, len(more), kept)
	return row
}

// zlibText is a text as RQ packs it.
func zlibText(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func zlibBase64(text string) string { return base64.StdEncoding.EncodeToString([]byte(zlibText(text))) }

// failureUser makes a user that may read the failures of a system, and nothing more.
func failureUser(t testing.TB, s *redistest.Server, system, prefix string, db int) string {
	t.Helper()
	name := (&conformance{system: system, prefix: prefix, db: db}).user(t, s)
	found, _ := lookup(system)
	for _, command := range found.Spec().Commands {
		s.Do(t, "ACL", "SETUSER", name, "-"+command)
	}
	for _, command := range append([]string{"time", "type", "scan"}, found.Spec().FailureCommands...) {
		s.Do(t, "ACL", "SETUSER", name, "+"+command)
	}
	return name
}
