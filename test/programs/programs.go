//go:build linux

// Package programs runs the job systems that test/jobs/setup.sh fetches: each role of one is a process that ends with
// its test.
package programs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
)

// List reads the list that setup.sh makes: for each system the program that plays its roles, or why it is skipped.
func List(t testing.TB) map[string]Program {
	t.Helper()
	path := os.Getenv("REDISJOBS_JOB_SYSTEMS")
	require.NotEmpty(t, path, "REDISJOBS_JOB_SYSTEMS names no list; run `make test-jobs`")
	text, err := os.ReadFile(path)
	require.NoError(t, err, "run `make test-jobs`")
	out := map[string]Program{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		how, what, _ := strings.Cut(rest, " ")
		switch how {
		case "run":
			out[name] = Program{Path: what}
		case "skip":
			out[name] = Program{Skipped: what}
		default:
			require.Fail(t, "no such way to have a system", line)
		}
	}
	return out
}

// Program plays the roles of a job system, or is skipped for that reason.
type Program struct{ Path, Skipped string }

// Process is a running role.
type Process struct {
	Cmd    *exec.Cmd
	Exited <-chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Launch starts a role, whose processes are all killed when the test ends. Its output is shown when the test fails.
func Launch(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd}
	if cmd.Stdout == nil {
		cmd.Stdout = p
	}
	cmd.Stderr = p
	cmd.WaitDelay = time.Second // a grandchild may keep the pipe open
	var err error
	p.Exited, err = child.Start(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(cmd.Args, " "), p.Output())
		}
	})
	return p
}

// Write keeps what the process prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// Output is the end of what the process has printed.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.log.Bytes()
	return string(b[max(0, len(b)-4000):])
}

// Kill ends the process and all its descendants at once, as the end of their machine would. They are stopped first, so
// that none can start another or clean up after a killed one.
func (p *Process) Kill() {
	select {
	case <-p.Exited:
		return
	default:
	}
	pids := []int{p.Cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		_ = syscall.Kill(pids[i], syscall.SIGSTOP)
		pids = append(pids, children(pids[i])...)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.Exited
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
