package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redisjobs/internal/child"
)

// cpuTime is the CPU time that a living process has used, user and system, to
// the nanosecond: the clock that clock_getcpuclockid(3) names.
func cpuTime(pid int) (time.Duration, error) {
	const perProcess = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|perProcess, &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// childrenTime is the CPU time of a process' children that have ended and were
// waited for, and of theirs; it counts in steps of 10 ms. Source: proc(5),
// cutime and cstime of stat.
func childrenTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in brackets and may hold blanks.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0, fmt.Errorf("process %d: stat has %d fields", pid, len(fields))
	}
	var ticks int64
	for _, field := range fields[13:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process %d: stat: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// meter measures the CPU time of processes over an interval.
type meter struct {
	pids  []int
	began []time.Duration
}

func startMeter(pids ...int) (*meter, error) {
	m := &meter{pids: pids}
	var err error
	m.began, err = m.read()
	return m, err
}

func (m *meter) read() ([]time.Duration, error) {
	all := make([]time.Duration, len(m.pids))
	for i, pid := range m.pids {
		var err error
		if all[i], err = cpuTime(pid); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// perOp returns each process' CPU time since the start divided by n, in
// microseconds.
func (m *meter) perOp(n int) ([]float64, error) {
	if n == 0 {
		return nil, errors.New("not one operation was completed")
	}
	now, err := m.read()
	if err != nil {
		return nil, err
	}
	each := make([]float64, len(now))
	for i := range now {
		each[i] = float64(now[i]-m.began[i]) / float64(n) / 1e3
	}
	return each, nil
}

// start runs a program until the scope ends, or this process does.
func start(s *scope, cmd *exec.Cmd) {
	ended, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
}

// pidOf returns the one of the processes that runs the executable.
func pidOf(pids []int, executable string) (int, error) {
	for _, pid := range pids {
		if path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && filepath.Base(path) == filepath.Base(executable) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process runs %s", filepath.Base(executable))
}
