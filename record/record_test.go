package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/plugin"
)

// asProgram makes the test binary behave as the program behind "record".
const asProgram = "REDISJOBS_TEST_AS_RECORD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// record runs a command line here and expects its exit code.
func record(t testing.TB, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	got := Main(args, &out, &errs)
	require.Equal(t, code, got, "%s%s", &out, &errs)
	return out.String(), errs.String()
}

// item asks as an agent's item would. It needs no file: the SDK remembers the
// one it reads in a variable of the process.
func item(t testing.TB, key string, s *redistest.Server, params ...string) string {
	t.Helper()
	key += "[tcp://" + s.Addr + "," + s.Password + ","
	for _, p := range params {
		key += "," + strconv.Quote(p)
	}
	value, err := plugin.Check(key+"]", "", "")
	require.NoError(t, err)
	return value
}

// document is what storm.job.get answers for a job.
func document(t testing.TB, s *redistest.Server, job string) map[string]any {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(item(t, "storm.job.get", s, job)), &doc))
	require.Empty(t, doc["unavailable"])
	return doc
}

func TestARecordIsReadBackByTheItems(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	before := float64(time.Now().Unix())
	record(t, 0, "worker", "--redis", "tcp://"+s.Addr, "--status", "ACTIVE", "--started", "--processed", "1200", "--failed=3",
		"--emitted", "7", "--lag", "12", "--progress", "42.5", "--interval", "30", "--expected", "ACTIVE", "--type", "daemon",
		"--message", "a\n  message", "--run-id", "r1", "--version", "2.0", "--host", "h1", "--pid", "77")
	doc := document(t, s, "worker")
	for name, want := range map[string]any{
		"processed": 1200.0, "failed": 3.0, "emitted": 7.0, "lag": 12.0, "progress": 42.5, "interval": 30.0, "expected": "ACTIVE",
		"type": "daemon", "message": "a message", "run_id": "r1", "version": "2.0", "host": "h1", "pid": "77",
	} {
		require.Equal(t, want, doc[name], name)
	}
	require.InDelta(t, before, doc["updated_at"], 60)
	require.Equal(t, doc["updated_at"], doc["started_at"])
	require.NotContains(t, doc, "finished_at")
	require.Equal(t, "1", item(t, "storm.job.status", s, "worker"))
	require.Equal(t, `[{"{#JOB}":"worker","{#KEY}":"storm:job:worker","{#TYPE}":"daemon","{#INTERVAL}":30}]`,
		item(t, "storm.job.discovery", s))
	require.Contains(t, item(t, "storm.jobs.get", s), `"worker"`)

	// Silent for more than three of its intervals.
	s.Do(t, "HSET", "storm:job:worker", "updated_at", fmt.Sprint(time.Now().Unix()-91))
	require.Equal(t, "8", item(t, "storm.job.status", s, "worker"))

	record(t, 0, "worker", "--redis", "tcp://"+s.Addr, "--status", "active")
	require.Equal(t, "1", item(t, "storm.job.status", s, "worker"))
	doc = document(t, s, "worker")
	require.Equal(t, 1200.0, doc["processed"], "what a later record does not say stays")
	require.Empty(t, doc["message"], "but for the message")
	require.Contains(t, doc, "started_at")
	require.Equal(t, "1", s.Do(t, "SCARD", "storm:jobs"))
}

func TestEachStatusHasItsTimes(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for word, want := range map[string]struct {
		status            string
		finished, success bool
	}{
		"RUNNING":   {"1", false, false},
		"PAUSED":    {"2", false, false},
		"STARTING":  {"3", false, false},
		"CANCELLED": {"4", true, false},
		"FAILED":    {"5", true, false},
		"done":      {"6", true, true},
		"QUEUED":    {"7", false, false},
		"17":        {"17", false, false},
	} {
		record(t, 0, word, "--redis", s.Addr, "--status", word, "--duration", "1.25")
		doc := document(t, s, word)
		require.Equal(t, want.status, item(t, "storm.job.status", s, word))
		require.Equal(t, 1.25, doc["duration"])
		require.Contains(t, doc, "updated_at")
		for name, present := range map[string]bool{"finished_at": want.finished, "last_success_at": want.success} {
			if present {
				require.Equal(t, doc["updated_at"], doc[name], name)
			} else {
				require.NotContains(t, doc, name, word)
			}
		}
	}
}

func TestAConfigurationNamesSessionsKeysAndWords(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret-marker"})
	file := filepath.Join(t.TempDir(), "c")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(`Hostname=x
P.Sessions.Prod.Uri=tcp://`+s.Addr+`/3
P.Sessions.Prod.Password=s3cret-marker
P.Storm.KeyPattern=my:{job}:state
P.Storm.IndexKey=my:jobs
P.Storm.StatusMap=DRAINING:3
`, "P.", "Plugins.RedisJobs.")), 0o600))
	record(t, 0, "a{job}b", "-c", file, "--redis", "Prod", "--status", "draining")
	s.Do(t, "SELECT", "3")
	require.Equal(t, "draining", s.Do(t, "HGET", "my:a{job}b:state", "status"))
	require.Equal(t, "a{job}b", s.Do(t, "SMEMBERS", "my:jobs"))
	status, err := plugin.Check("storm.job.status[Prod,,,a{job}b]", file, "")
	require.NoError(t, err)
	require.Equal(t, "3", status)
}

func TestAPasswordFile(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"writer on >s3cret-marker ~* +@all"}, Password: "other"})
	file := filepath.Join(t.TempDir(), "p")
	require.NoError(t, os.WriteFile(file, []byte("s3cret-marker\n"), 0o600))
	record(t, 0, "j", "--redis", s.Addr, "--user", "writer", "--password-file", file, "--status", "UP")
	require.Equal(t, "1", item(t, "storm.job.status", s, "j"))
	require.NoError(t, os.WriteFile(file, []byte("s3cret-wrong\n"), 0o600))
	_, stderr := record(t, 1, "j", "--redis", s.Addr, "--user", "writer", "--password-file", file, "--status", "UP")
	require.Contains(t, stderr, "WRONGPASS")
	require.Contains(t, stderr, "Correct --user and --password-file (or REDISJOBS_PASSWORD).")
	_, bare := record(t, 1, "j", "--redis", s.Addr, "--status", "UP")
	require.Contains(t, bare, "Set --password-file (or REDISJOBS_PASSWORD), or a session with a password.")
	_, named := record(t, 1, "j", "--redis", "Main", "--status", "UP")
	require.Contains(t, named, "no session named Main; no configuration was read: name the file with -c")
	require.Contains(t, stderr, `the record of the job "j" was not written to tcp://`+s.Addr)
	require.NotContains(t, stderr, "s3cret")
	_, stderr = record(t, 1, "j", "--redis", s.Addr, "--password-file", file+"x", "--status", "UP")
	require.Contains(t, stderr, file+"x")
}

func TestACommandLineThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no job":                        {[]string{"--status", "UP"}, "the job's name is missing"},
		"no status":                     {[]string{"j"}, "--status is missing"},
		"an unknown status":             {[]string{"j", "--status", "UPP"}, `"UPP" is no status; the words are: ABORTED`},
		"a status for readers":          {[]string{"j", "--status", "STALE"}, "no job is STALE by its own word"},
		"a word too many":               {[]string{"j", "k", "--status", "UP"}, `unexpected argument "k" (a command stands behind --)`},
		"an unknown option":             {[]string{"j", "--state", "UP"}, "-state"},
		"a field out of range":          {[]string{"j", "--status", "UP", "--progress", "101"}, "progress: \"101\" is not within 0 and 100"},
		"a field that is no number":     {[]string{"j", "--status", "UP", "--lag", "much"}, `lag: "much" is no number`},
		"a duration that is none":       {[]string{"j", "--status", "UP", "--duration", "1m"}, "--duration: expected a number of seconds"},
		"no command":                    {[]string{"j", "--"}, "there is no command behind --"},
		"a status and a command":        {[]string{"j", "--status", "UP", "--", "true"}, "--status and --started do not go with a command"},
		"a pid and a command":           {[]string{"j", "--pid", "1", "--", "true"}, "--pid does not go with a command"},
		"an interval that is too short": {[]string{"j", "--interval", "0.5", "--", "true"}, `--interval: "0.5" is not 0 or within 1 and 86400`},
		"a name that is too long":       {[]string{strings.Repeat("x", 256), "--status", "UP"}, "at most 255 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr := record(t, 2, append([]string{"--redis", "tcp://127.0.0.1:1"}, c.args...)...)
			require.Contains(t, stderr, c.says)
			require.Empty(t, stdout)
		})
	}
	for _, args := range [][]string{nil, {"-h"}, {"j", "--help"}} {
		stdout, stderr := record(t, 0, args...)
		require.Contains(t, stdout, "record <job> --status <word>")
		require.Empty(t, stderr)
	}
}

func TestWhatTheServerRefusesIsSaid(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SET", "storm:job:text", "ACTIVE")
	_, stderr := record(t, 1, "text", "--redis", s.Addr, "--status", "UP")
	require.Contains(t, stderr, "HSET storm:job:text: WRONGTYPE")
	s.Do(t, "DEL", "storm:jobs")
	s.Do(t, "ZADD", "storm:jobs", "1", "other")
	_, stderr = record(t, 1, "j", "--redis", s.Addr, "--status", "UP")
	require.Contains(t, stderr, "the index is no set; its owner has to add the job")
	require.Equal(t, "1", item(t, "storm.job.status", s, "j"), "the record itself is there")
	_, stderr = record(t, 1, "j", "--redis", "tcp://127.0.0.1:1", "--status", "UP")
	require.Contains(t, stderr, "connection refused")
	_, stderr = record(t, 1, "j", "--redis", "tcp://:secret-marker@"+s.Addr, "--status", "UP")
	require.NotContains(t, stderr, "secret-marker")
}

// TestTimesAreTheServers needs a server whose clock is wrong.
func TestTimesAreTheServers(t *testing.T) {
	t.Parallel()
	fake := redistest.NewFake(t, redistest.Script{
		redistest.Expect(2), redistest.Write("+OK\r\n*2\r\n$10\r\n1000000000\r\n$6\r\n250000\r\n"),
		redistest.Expect(4), redistest.Write("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n"),
	})
	record(t, 0, "j", "--redis", fake.Addr, "--status", "SUCCESS")
	hset := fake.Got()[3]
	require.Equal(t, []string{"HSET", "storm:job:j"}, hset[:2])
	for i := 2; i < len(hset); i += 2 {
		if strings.HasSuffix(hset[i], "_at") {
			at, err := strconv.ParseFloat(hset[i+1], 64)
			require.NoError(t, err)
			require.InDelta(t, 1e9, at, 100, hset[i])
		}
	}
	require.Contains(t, hset, "last_success_at")
}

// TestTheShownRightsAreEnoughAndNoneIsSpare takes each right away in turn.
func TestTheShownRightsAreEnoughAndNoneIsSpare(t *testing.T) {
	t.Parallel()
	_, rule, found := strings.Cut(usage, "ACL SETUSER recorder ")
	require.True(t, found)
	rights := strings.Fields(strings.Replace(rule, ">PASSWORD", "nopass", 1))
	s := redistest.Borrow(t)
	attempt := func(rights []string) (code int, said string) {
		s.Do(t, "FLUSHALL")
		s.Do(t, "ACL", "LOG", "RESET")
		_, _ = s.TryDo("ACL", "DELUSER", "recorder")
		s.Do(t, append([]string{"ACL", "SETUSER", "recorder", "reset"}, rights...)...)
		var out bytes.Buffer
		code = Main([]string{"j", "--redis", "tcp://" + s.Addr + "/1", "--user", "recorder", "--password-file", anyPassword(t),
			"--status", "UP"}, &out, &out)
		return code, s.Do(t, "ACL", "LOG")
	}
	code, said := attempt(rights)
	require.Zero(t, code)
	require.Empty(t, strings.TrimSpace(said))
	for i, right := range rights {
		if strings.ContainsRune("+%", rune(right[0])) && right != "+role" { // only sentinels need it
			_, said := attempt(append(append([]string{}, rights[:i]...), rights[i+1:]...))
			require.NotEmpty(t, strings.TrimSpace(said), "without %s nothing is missed", right)
		}
	}
}

// anyPassword is a password file for a user who needs none.
func anyPassword(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p")
	require.NoError(t, os.WriteFile(file, []byte("any"), 0o600))
	return file
}

func TestWithoutTIMEThisMachinesClockCounts(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"w on nopass ~* +@all -time"}})
	record(t, 0, "j", "--redis", s.Addr, "--user", "w", "--password-file", anyPassword(t), "--status", "UP")
	require.InDelta(t, float64(time.Now().Unix()), document(t, s, "j")["updated_at"], 60)
}

func TestWithoutMULTIBothAreWritten(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"w on nopass ~* +@all -multi"}})
	record(t, 0, "j", "--redis", s.Addr, "--user", "w", "--password-file", anyPassword(t), "--status", "UP")
	require.Equal(t, "1", item(t, "storm.job.status", s, "j"))
	require.Equal(t, "j", s.Do(t, "SMEMBERS", "storm:jobs"))
}

// TestAClusterWhoseNodesHaveOneKeyEach: storm:jobs is in slot 4110, the jobs'
// keys below are on both nodes.
func TestAClusterWhoseNodesHaveOneKeyEach(t *testing.T) {
	t.Parallel()
	var nodes []*redistest.Server
	for i, slots := range [][]string{{"0", "8191"}, {"8192", "16383"}} {
		s := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
		s.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		s.Do(t, "CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
		nodes = append(nodes, s)
	}
	host, port, _ := strings.Cut(nodes[1].Addr, ":")
	nodes[0].Do(t, "CLUSTER", "MEET", host, port)
	for _, s := range nodes {
		require.Eventually(t, func() bool { return strings.Contains(s.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") },
			20*time.Second, 20*time.Millisecond)
	}
	homes := map[bool]int{}
	for _, entry := range nodes {
		for i := range 8 {
			job := fmt.Sprintf("j%d-%s", i, entry.Addr)
			record(t, 0, job, "--redis", entry.Addr, "--status", "UP")
			slot, err := strconv.Atoi(entry.Do(t, "CLUSTER", "KEYSLOT", "storm:job:"+job))
			require.NoError(t, err)
			homes[slot < 8192]++
			require.Equal(t, "1", item(t, "storm.job.status", entry, job))
		}
	}
	require.Len(t, homes, 2)
	slot, err := strconv.Atoi(nodes[0].Do(t, "CLUSTER", "KEYSLOT", "storm:jobs"))
	require.NoError(t, err)
	require.Equal(t, "16", nodes[slot/8192].Do(t, "SCARD", "storm:jobs"))
}
