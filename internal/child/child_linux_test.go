package child

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is also the process that starts a child and is killed.
func TestMain(m *testing.M) {
	if os.Getenv("CHILD_TEST_PARENT") != "" {
		cmd := exec.Command("cat") // its end shows at the pipe that it inherits
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if _, err := Start(cmd, syscall.SIGKILL); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("started\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestAChildEndsWithItsParent(t *testing.T) {
	t.Parallel()
	stdin, keep, err := os.Pipe()
	require.NoError(t, err)
	defer keep.Close()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "CHILD_TEST_PARENT=1")
	parent.Stdin = stdin
	stdout, into, err := os.Pipe()
	require.NoError(t, err)
	defer stdout.Close()
	parent.Stdout = into
	ended, err := Start(parent, syscall.SIGKILL)
	require.NoError(t, err)
	stdin.Close()
	into.Close()
	said := bufio.NewReader(stdout)
	line, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started", strings.TrimSpace(line))

	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = said.ReadString('\n')
	}()
	require.NoError(t, parent.Process.Kill())
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		require.Fail(t, "the child lives on")
	}
	<-ended
}

func TestStartTellsOfTheEnd(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("false")
	ended, err := Start(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	<-ended
	require.Equal(t, 1, cmd.ProcessState.ExitCode())

	_, err = Start(exec.Command("/no/such/program"), syscall.SIGKILL)
	require.Error(t, err)
}

func TestAProgramThatWasJustWrittenRuns(t *testing.T) {
	t.Parallel()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // forks all the time, as other tests do
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = exec.Command("true").Run()
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	path := t.TempDir() + "/program"
	for range 200 {
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, WriteProgram(path, []byte("#!/bin/sh\nexit 7\n")))
		cmd := exec.Command(path)
		err := cmd.Run()
		require.NotNil(t, cmd.ProcessState, "%v", err)
		require.Equal(t, 7, cmd.ProcessState.ExitCode())
	}
}
