//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// variable is in the environment of the agents and of the doctor.
const variable = "REDISJOBS_TEST_URI=tcp://127.0.0.1:6379"

// examine runs the doctor on an agent's configuration. The agents of the tests
// run as whoever runs the tests.
func examine(t testing.TB, a agent.Agent, conf string) (report string, code int) {
	t.Helper()
	c := exec.Command(agent.Plugin(t), "doctor", "-c", conf, "--user", "root", "--agent", a.Path)
	c.Env = append(os.Environ(), variable)
	out, err := c.CombinedOutput()
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return string(out), c.ProcessState.ExitCode()
}

func TestTheDoctorFindsARunningAgentWellAndLeavesItSo(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		s := redistest.Start(t, redistest.Config{})
		r := start(t, a, setup{plugin: agent.Plugin(t), lines: []string{"Sessions.Prod.Uri=tcp://" + s.Addr}})
		_ = r.value(t, "redis.ping[Prod]")
		pid := r.servingPID(t)
		report, code := examine(t, a, r.Conf)
		require.Zero(t, code, report)
		require.Contains(t, report, "problems: 0, warnings: 0\nthe agent starts with this configuration: yes\n")
		require.Contains(t, report, "has version "+a.Version)
		require.Contains(t, report, "Prod (tcp://"+s.Addr+"): the user default has the rights")
		require.Equal(t, "1", r.value(t, "redis.ping[Prod]"))
		require.Equal(t, pid, r.servingPID(t))
	})
}

// TestTheDoctorSaysWhatKeepsAnAgentFromStarting has real agents judge the
// doctor's word.
func TestTheDoctorSaysWhatKeepsAnAgentFromStarting(t *testing.T) {
	t.Parallel()
	marked := filepath.Join(t.TempDir(), "marked.conf")
	require.NoError(t, os.WriteFile(marked, []byte("\ufeff# by an editor of Windows\n"), 0o600))
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		for says, fault := range map[string]string{
			"has an alias already":                  "Alias=redis.ping:agent.ping",
			"has the name of a key of this plugin":  "UserParameter=redis.get[*],true",
			"unknown option":                        "Plugins.RedisJobs.Nonsense=1",
			"no such file or directory: the agent":  "Plugins.RedisJobs.System.Path=/no/such/plugin",
			"is not of the form Name=Value":         "Nonsense",
			"the agent cannot include this":         "Include=/no/such/file.conf",
			"starts this plugin under another name": "Plugins.Other.System.Path=" + agent.Plugin(t),
			"begins with a byte order mark":         "Include=" + marked,
			// These agents are older than 7.2.
			"do not replace environment variables": "Plugins.RedisJobs.Sessions.A.Uri=${REDISJOBS_TEST_URI}",
		} {
			c := setup{plugin: agent.Plugin(t)}.config(t)
			c.ConfLines, c.Env = append(c.ConfLines, fault), []string{variable}
			r, err := agent.Launch(t, a, c)
			require.Error(t, err, "%s does start with %s", a.Name, fault)
			report, code := examine(t, a, r.Conf)
			require.Equal(t, 1, code, report)
			require.Contains(t, report, says)
			require.Contains(t, report, "the agent starts with this configuration: no\n")
			r.Kill()
		}
	})
}
