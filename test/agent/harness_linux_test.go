package agent

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
)

func TestManifest(t *testing.T) {
	t.Parallel()
	agents, err := parseManifest("agent-6.0 6.0.14 /a/agent-6.0\n\nagent-7.0-stable 7.0.22 /with blank/agent\nagent-7.0-newest - no suite has it\n")
	require.NoError(t, err)
	require.Equal(t, []Agent{
		{Name: "agent-6.0", Version: "6.0.14", Path: "/a/agent-6.0"},
		{Name: "agent-7.0-stable", Version: "7.0.22", Path: "/with blank/agent"},
	}, agents)
	require.Equal(t, Plain, agents[0].Dialect())
	require.Equal(t, JSON, agents[1].Dialect())
	require.True(t, agents[1].AtLeast(7, 0, 20))
	require.True(t, agents[1].AtLeast(7, 0, 22))
	require.False(t, agents[1].AtLeast(7, 0, 23))
	require.False(t, agents[1].AtLeast(7, 2))
	require.False(t, agents[0].AtLeast(7, 0, 0))

	for name, text := range map[string]string{
		"empty":           "\n",
		"only a reason":   "agent-7.0-newest - no suite has it\n",
		"a missing field": "agent-6.0 /a/agent-6.0\n",
		"a relative path": "agent-6.0 6.0.14 agent-6.0\n",
	} {
		_, err := parseManifest(text)
		require.Error(t, err, name)
	}
}

func TestProcessesAreFoundByTheirSocketAndKilled(t *testing.T) {
	t.Parallel()
	socket := t.TempDir() + "/plugin.sock"
	require.Empty(t, processes(socket))
	cmd := exec.Command("sh", "-c", "read -r line", socket, "true")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	require.NoError(t, cmd.Start())
	require.Equal(t, []int{cmd.Process.Pid}, processes(socket))

	killAll(processes(socket))
	require.Error(t, cmd.Wait())
	require.Empty(t, processes(socket))
}

func TestRSSIsThatOfTheProcess(t *testing.T) {
	t.Parallel()
	own, err := RSS(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, own, int64(1<<20))
	require.Less(t, own, int64(1<<30))
}

func TestLaunchSaysHowAnAgentEnded(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/agent"
	require.NoError(t, child.WriteProgram(path, []byte("#!/bin/sh\necho no such option\nexit 7\n")))
	r, err := Launch(t, Agent{Name: "fake", Version: "7.0.0", Path: path}, Config{})
	require.ErrorContains(t, err, "ended with code 7")
	require.Equal(t, "no such option\n", r.Log())
	require.False(t, r.Alive())
	code, err := r.Wait(time.Second)
	require.NoError(t, err)
	require.Equal(t, 7, code)
}
