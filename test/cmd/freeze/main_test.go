//go:build linux

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunFreezesWhatTheCommandHasStarted(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; exit 3'`)
	began := time.Now()
	times, err := run(cmd, 200*time.Millisecond, 100*time.Millisecond)
	require.Error(t, err)
	require.Equal(t, 3, cmd.ProcessState.ExitCode())
	require.Positive(t, times)
	require.GreaterOrEqual(t, time.Since(began), time.Second+time.Duration(times)*10*time.Millisecond)
}

func TestDescendantsLeaveOutWhatIsStopped(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `sleep 100 & echo $!; sleep 100 & echo $!; wait`)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := bufio.NewReader(stdout)
	var sleeps []int
	for range 2 {
		line, err := said.ReadString('\n')
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		require.NoError(t, err)
		sleeps = append(sleeps, pid)
	}
	t.Cleanup(func() {
		for _, pid := range append(sleeps, cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	require.ElementsMatch(t, append(sleeps, cmd.Process.Pid), descendants(cmd.Process.Pid))
	require.NotContains(t, descendants(cmd.Process.Pid), os.Getpid())

	require.NoError(t, syscall.Kill(sleeps[0], syscall.SIGSTOP))
	require.Eventually(t, func() bool { return len(descendants(cmd.Process.Pid)) == 2 }, 20*time.Second, time.Millisecond)
	require.NotContains(t, descendants(cmd.Process.Pid), sleeps[0])
}
