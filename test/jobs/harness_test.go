//go:build jobs && linux

// Package jobs runs real job systems against real Redis servers, and compares what the plugin tells of them with what
// their own APIs tell at the same moment.
package jobs

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
	"redisjobs/test/programs"
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

// stage is one job system with a Redis of its own.
type stage struct {
	system
	program programs.Program
	redis   *redistest.Server
	dir     string
	told    *asked
	// failures are those that its own API tells, nil when it tells none.
	failures []toldFailure
}

func newStage(t testing.TB, s system, p programs.Program) *stage {
	t.Helper()
	return &stage{system: s, program: p, redis: redistest.Start(t, redistest.Config{}), dir: t.TempDir()}
}

// command is one role of the system.
func (s *stage) command(t testing.TB, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(s.program.Path, filepath.Join(agent.Root(t), "test", "jobs", s.main), role)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "REDIS_URL=redis://"+s.redis.Addr, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// produce puts the jobs in.
func (s *stage) produce(t testing.TB) {
	t.Helper()
	p := programs.Launch(t, s.command(t, "produce"))
	select {
	case <-p.Exited:
		require.Zero(t, p.Cmd.ProcessState.ExitCode(), "%s", p.Output())
	case <-time.After(patience):
		require.Fail(t, "the producer does not end", "%s", p.Output())
	}
}

// figures are numbers by name: "waiting" is a system's, "mail/waiting" that of its queue mail.
type figures map[string]float64

// asked is the running role that answers with the system's own figures, one line for each line it gets.
type asked struct {
	*programs.Process
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
	s.told = &asked{Process: programs.Launch(t, cmd), in: in, pipe: r, out: bufio.NewReader(r)}
	require.NoError(t, w.Close())
	t.Cleanup(func() { _ = r.Close() })
}

// own is what the system's own API tells now, and its version.
func (s *stage) own(t testing.TB) (figures, string) {
	t.Helper()
	_, err := io.WriteString(s.told.in, "\n")
	require.NoError(t, err, "%s", s.told.Output())
	require.NoError(t, s.told.pipe.SetReadDeadline(time.Now().Add(patience)))
	line, err := s.told.out.ReadBytes('\n')
	require.NoError(t, err, "%s", s.told.Output())
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
