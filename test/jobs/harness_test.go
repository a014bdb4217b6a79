//go:build jobs && linux

// Package jobs runs real job systems against real Redis servers, and compares what the plugin tells of them with what
// their own APIs tell at the same moment.
package jobs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// patience bounds every wait for a real process. A registration may live on for a minute after its worker's death.
const patience = 3 * time.Minute

// await polls until the condition returns "", else says what was still wrong.
func await(t testing.TB, what string, wrong func() string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) { // a real server says nothing when its state changes
		problem := wrong()
		if problem == "" {
			return
		}
		if time.Now().After(end) {
			require.Fail(t, "waited in vain for "+what, problem)
		}
	}
}

// programs reads the list that setup.sh makes: for each system the program that plays its roles, or why it is skipped.
func programs(t testing.TB) map[string]program {
	t.Helper()
	path := os.Getenv("REDISJOBS_JOB_SYSTEMS")
	require.NotEmpty(t, path, "REDISJOBS_JOB_SYSTEMS names no list; run `make test-jobs`")
	text, err := os.ReadFile(path)
	require.NoError(t, err, "run `make test-jobs`")
	out := map[string]program{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		how, what, _ := strings.Cut(rest, " ")
		switch how {
		case "run":
			out[name] = program{path: what}
		case "skip":
			out[name] = program{skipped: what}
		default:
			require.Fail(t, "no such way to have a system", line)
		}
	}
	return out
}

type program struct{ path, skipped string }

// stage is one job system with a Redis of its own.
type stage struct {
	system
	program program
	redis   *redistest.Server
	dir     string
	told    *asked
	// failures are those that its own API tells, nil when it tells none.
	failures []toldFailure
}

func newStage(t testing.TB, s system, p program) *stage {
	t.Helper()
	return &stage{system: s, program: p, redis: redistest.Start(t, redistest.Config{}), dir: t.TempDir()}
}

// command is one role of the system.
func (s *stage) command(t testing.TB, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(s.program.path, filepath.Join(agent.Root(t), "test", "jobs", s.main), role)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "REDIS_URL=redis://"+s.redis.Addr, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// produce puts the jobs in.
func (s *stage) produce(t testing.TB) {
	t.Helper()
	p := launch(t, s.command(t, "produce"))
	select {
	case <-p.exited:
		require.Zero(t, p.cmd.ProcessState.ExitCode(), "%s", p.output())
	case <-time.After(patience):
		require.Fail(t, "the producer does not end", "%s", p.output())
	}
}

// process is a running role.
type process struct {
	cmd    *exec.Cmd
	exited <-chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// launch starts a role, whose processes are all killed when the test ends. Its output is shown when the test fails.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	if cmd.Stdout == nil {
		cmd.Stdout = p
	}
	cmd.Stderr = p
	cmd.WaitDelay = time.Second // a grandchild may keep the pipe open
	var err error
	p.exited, err = child.Start(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(cmd.Args, " "), p.output())
		}
	})
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// output is the end of what the process has printed.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.log.Bytes()
	return string(b[max(0, len(b)-4000):])
}

// kill ends the process and all its descendants at once, as the end of their machine would. They are stopped first, so
// that none can start another or clean up after a killed one.
func (p *process) kill() {
	select {
	case <-p.exited:
		return
	default:
	}
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		_ = syscall.Kill(pids[i], syscall.SIGSTOP)
		pids = append(pids, children(pids[i])...)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.exited
}

func children(pid int) []int {
	var out []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(text)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// figures are numbers by name: "waiting" is a system's, "mail/waiting" that of its queue mail.
type figures map[string]float64

// asked is the running role that answers with the system's own figures, one line for each line it gets.
type asked struct {
	*process
	in   io.WriteCloser
	pipe *os.File
	out  *bufio.Reader
}

// ask starts the role.
func (s *stage) ask(t testing.TB) {
	t.Helper()
	cmd := s.command(t, "figures")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	// Not StdoutPipe, which must not be read while Wait runs.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout = w
	s.told = &asked{process: launch(t, cmd), in: in, pipe: r, out: bufio.NewReader(r)}
	require.NoError(t, w.Close())
	t.Cleanup(func() { _ = r.Close() })
}

// own is what the system's own API tells now, and its version.
func (s *stage) own(t testing.TB) (figures, string) {
	t.Helper()
	_, err := io.WriteString(s.told.in, "\n")
	require.NoError(t, err, "%s", s.told.output())
	require.NoError(t, s.told.pipe.SetReadDeadline(time.Now().Add(patience)))
	line, err := s.told.out.ReadBytes('\n')
	require.NoError(t, err, "%s", s.told.output())
	var told struct {
		Version  string
		System   figures
		Queues   map[string]figures
		Failures []toldFailure
	}
	require.NoError(t, json.Unmarshal(line, &told), "%s", line)
	s.failures = told.Failures
	out := maps.Clone(told.System)
	if out == nil {
		out = figures{}
	}
	sums, of := figures{}, figures{}
	for queue, row := range told.Queues {
		for name, value := range row {
			out[queue+"/"+name] = value
			of[name]++
			if slices.Contains(ages, name) {
				sums[name] = max(sums[name], value)
			} else {
				sums[name] += value
			}
		}
	}
	// What it tells of every queue, it tells of all together.
	for name, sum := range sums {
		if _, alone := out[name]; !alone && of[name] == float64(len(told.Queues)) && name != "paused" {
			out[name] = sum
		}
	}
	return out, told.Version
}
