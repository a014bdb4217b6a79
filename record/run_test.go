//go:build !windows

package record

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// recorder is the program behind "record" as a process.
type recorder struct {
	*exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr bytes.Buffer
	lines          *bufio.Reader // of its stdout, when there is one to read while it runs
}

// launch starts it with the lines of a configuration that has the server.
func launch(t testing.TB, s *redistest.Server, args ...string) *recorder {
	t.Helper()
	r := &recorder{Cmd: exec.Command(os.Args[0], append([]string{"job", "--redis", "tcp://" + s.Addr}, args...)...)}
	r.Env = append(os.Environ(), asProgram+"=1")
	r.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as under cron: no terminal
	r.Stderr = &r.stderr
	stdin, err := r.StdinPipe()
	require.NoError(t, err)
	stdout, err := r.StdoutPipe()
	require.NoError(t, err)
	r.stdin, r.lines = stdin, bufio.NewReader(io.TeeReader(stdout, &r.stdout))
	require.NoError(t, r.Start())
	t.Cleanup(func() { _ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL) })
	return r
}

// wait returns the exit code.
func (r *recorder) wait(t testing.TB) int {
	t.Helper()
	_ = r.stdin.Close()
	timer := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	_, err := io.Copy(io.Discard, r.lines)
	require.NoError(t, err)
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

// line waits for a line of the command's.
func (r *recorder) line(t testing.TB) string {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	text, err := r.lines.ReadString('\n')
	require.NoError(t, err, "%s", &r.stderr)
	return strings.TrimSuffix(text, "\n")
}

func awaitStatus(t testing.TB, s *redistest.Server, want string) {
	t.Helper()
	require.Eventually(t, func() bool { return item(t, "storm.job.status", s, "job") == want }, 20*time.Second, 10*time.Millisecond)
}

func TestACommandThatSucceeds(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	r := launch(t, s, "--type", "batch", "--expected", "SUCCESS", "--", "sh", "-c",
		`echo "$REDISJOBS_JOB $REDISJOBS_RUN_ID"; echo oops >&2; cat; read -r last; exit 0`)
	job, id, _ := strings.Cut(r.line(t), " ")
	require.Equal(t, "job", job)
	awaitStatus(t, s, "1")
	doc := document(t, s, "job")
	require.Equal(t, id, doc["run_id"])
	require.Equal(t, "batch", doc["type"])
	require.Equal(t, 60.0, doc["interval"])
	require.Equal(t, doc["pid"], strings.TrimSpace(s.Do(t, "HGET", "storm:job:job", "pid")))
	require.NotContains(t, doc, "finished_at")
	require.NotContains(t, doc, "last_success_at")
	started := doc["started_at"]

	_, err := io.WriteString(r.stdin, "what it reads\n")
	require.NoError(t, err)
	require.Equal(t, 0, r.wait(t))
	require.Contains(t, r.stdout.String(), "what it reads\n")
	require.Equal(t, "oops\n", r.stderr.String())
	require.Equal(t, "6", item(t, "storm.job.status", s, "job"))
	doc = document(t, s, "job")
	require.Equal(t, started, doc["started_at"])
	require.GreaterOrEqual(t, doc["finished_at"], started)
	require.Equal(t, doc["finished_at"], doc["last_success_at"])
	require.InDelta(t, doc["finished_at"].(float64)-started.(float64), doc["duration"], 0.1)
	require.Empty(t, doc["message"])
	require.Equal(t, "0", s.Do(t, "HGET", "storm:job:job", "exit_code"))
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, host, doc["host"])
	require.Contains(t, item(t, "storm.job.discovery", s), `"{#JOB}":"job"`)
}

func TestACommandThatFails(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	require.Equal(t, 0, launch(t, s, "--", "true").wait(t))
	success := document(t, s, "job")["last_success_at"]
	for name, c := range map[string]struct {
		command []string
		code    int
		message string
	}{
		"by its exit code": {[]string{"sh", "-c", "exit 3"}, 3, "exit code 3"},
		"by a signal":      {[]string{"sh", "-c", "kill -9 $$"}, 137, "ended by signal 9 (killed)"},
		"not found":        {[]string{"no-such-command-at-all"}, 127, "executable file not found"},
		"no such file":     {[]string{"/no/such/command"}, 127, "no such file"},
		"not executable":   {[]string{"/dev/null"}, 126, "permission denied"},
	} {
		s.Do(t, "HSET", "storm:job:job", "status", "x")
		require.Equal(t, c.code, launch(t, s, append([]string{"--"}, c.command...)...).wait(t), name)
		require.Equal(t, "5", item(t, "storm.job.status", s, "job"), name)
		doc := document(t, s, "job")
		require.Contains(t, doc["message"], c.message, name)
		require.Equal(t, success, doc["last_success_at"], name)
	}
}

func TestARecorderThatDiesLeavesAStaleRecord(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	r := launch(t, s, "--interval", "1", "--", "cat")
	awaitStatus(t, s, "1")
	first := document(t, s, "job")
	require.Equal(t, 1.0, first["interval"])
	require.Eventually(t, func() bool { return document(t, s, "job")["updated_at"].(float64) > first["updated_at"].(float64) },
		20*time.Second, 50*time.Millisecond, "it is renewed")
	require.Equal(t, first["started_at"], document(t, s, "job")["started_at"])
	require.NoError(t, syscall.Kill(-r.Process.Pid, syscall.SIGKILL))
	require.Equal(t, -1, r.wait(t))
	awaitStatus(t, s, "8")
}

func TestARecordThatTheServerLostIsWrittenAnew(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	r := launch(t, s, "--interval", "1", "--", "cat")
	awaitStatus(t, s, "1")
	s.Restart(t) // it keeps nothing
	require.Equal(t, "9", item(t, "storm.job.status", s, "job"))
	awaitStatus(t, s, "1")
	require.Equal(t, 0, r.wait(t))
	require.Equal(t, "6", item(t, "storm.job.status", s, "job"))
}

func TestRedisNeverStopsACommand(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret-marker"})
	gone := redistest.Borrow(t)
	gone.Stop(t)
	hanging := redistest.Borrow(t)
	hanging.Pause(t)
	for name, c := range map[string]struct {
		server *redistest.Server
		args   []string
		says   string
	}{
		"gone":                  {gone, nil, "connection refused"},
		"hanging":               {hanging, nil, "timeout"},
		"without the password":  {s, nil, "NOAUTH"},
		"with a wrong file":     {s, []string{"-c", "/no/such/file"}, "/no/such/file"},
		"with a wrong password": {s, []string{"--password-file", "/no/such/password"}, "/no/such/password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := launch(t, c.server, append(c.args, "--", "sh", "-c", "echo out; exit 7")...)
			require.Equal(t, "out", r.line(t), "it is not waited for")
			require.Equal(t, 7, r.wait(t))
			require.Contains(t, r.stderr.String(), "record: warning: ")
			require.Contains(t, r.stderr.String(), c.says)
			require.LessOrEqual(t, strings.Count(r.stderr.String(), "\n"), 2, "one for the start, one for the end")
		})
	}
}

func TestARedisThatComesBackInTimeHearsOfTheEnd(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	s.Stop(t)
	r := launch(t, s, "--", "sh", "-c", "echo out; exit 7")
	require.Equal(t, "out", r.line(t))
	s.Restart(t)
	require.Equal(t, 7, r.wait(t))
	require.Equal(t, "5", item(t, "storm.job.status", s, "job"))
	require.Contains(t, document(t, s, "job"), "started_at")
}

func TestSignalsReachTheCommand(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	// A signal that is ignored here, as SIGHUP is under nohup, would be in the
	// command too, and a shell cannot trap it then; one that is caught is not.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP, syscall.SIGINT)
	t.Cleanup(func() { signal.Stop(caught) })
	for name, sig := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1} {
		r := launch(t, s, "--", "sh", "-c", `trap "echo got; exit 9" `+name+`; echo ready; while :; do read -r x || sleep 0.01; done`)
		require.Equal(t, "ready", r.line(t))
		require.NoError(t, r.Process.Signal(sig))
		require.Equal(t, "got", r.line(t))
		require.Equal(t, 9, r.wait(t))
		require.Equal(t, "exit code 9", document(t, s, "job")["message"])
	}
	r := launch(t, s, "--", "sh", "-c", "echo ready; exec sleep 60")
	require.Equal(t, "ready", r.line(t))
	require.NoError(t, r.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 143, r.wait(t))
	require.Equal(t, "ended by signal 15 (terminated)", document(t, s, "job")["message"])
}

func TestAnIgnoredSignalStaysIgnored(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	r := &recorder{Cmd: exec.Command("sh", "-c", `trap "" HUP; exec "$0" job --redis tcp://`+s.Addr+` -- sh -c 'kill -HUP $PPID $$; exit 4'`, os.Args[0])}
	r.Env = append(os.Environ(), asProgram+"=1")
	require.Error(t, r.Run())
	require.Equal(t, 4, r.ProcessState.ExitCode())
}

func TestACommandDoesNotSeeThePassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret-marker"})
	for password, want := range map[string]string{"s3cret-marker": "6", "s3cret-wrong": "9"} {
		s.Do(t, "FLUSHALL")
		var out bytes.Buffer
		c := exec.Command(os.Args[0], "job", "--redis", s.Addr, "--", "env")
		c.Env = append(os.Environ(), asProgram+"=1", PasswordVariable+"="+password)
		c.Stdout, c.Stderr = &out, &out
		require.NoError(t, c.Run())
		require.NotContains(t, out.String(), "s3cret")
		require.Contains(t, out.String(), "REDISJOBS_JOB=job\n")
		require.Equal(t, want, item(t, "storm.job.status", s, "job"))
	}
}

// TestAClosedStderrDoesNotCostTheExitCode: the warning has nowhere to go.
func TestAClosedStderrDoesNotCostTheExitCode(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "code")
	c := exec.Command("sh", "-c", `{ "$0" job --redis tcp://127.0.0.1:1 -- sh -c 'exit 7'; echo $? >"$1"; } 2>&1 | true`, os.Args[0], out)
	c.Env = append(os.Environ(), asProgram+"=1")
	require.NoError(t, c.Run())
	require.Eventually(t, func() bool { text, _ := os.ReadFile(out); return string(text) == "7\n" }, 20*time.Second, 20*time.Millisecond)
}
