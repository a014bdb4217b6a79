//go:build e2e && linux

package e2e

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// examine runs the doctor on an agent's configuration. The agents of the tests
// run as whoever runs the tests.
func examine(t testing.TB, conf string) (report string, code int) {
	t.Helper()
	c := exec.Command(agent.Plugin(t), "doctor", "-c", conf, "--user", "root")
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
		report, code := examine(t, r.Conf)
		require.Zero(t, code, report)
		require.Contains(t, report, "problems: 0, warnings: 0")
		require.Contains(t, report, "Prod (tcp://"+s.Addr+") lets the user default in")
		require.Equal(t, "1", r.value(t, "redis.ping[Prod]"))
		require.Equal(t, pid, r.servingPID(t))
	})
}

// TestTheDoctorSaysWhatKeepsAnAgentFromStarting has real agents judge the
// doctor's word.
func TestTheDoctorSaysWhatKeepsAnAgentFromStarting(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		for says, fault := range map[string]string{
			"has an alias already":                  "Alias=redis.ping:agent.ping",
			"has the name of a key of this plugin":  "UserParameter=redis.get[*],true",
			"unknown option":                        "Plugins.RedisJobs.Nonsense=1",
			"no such file or directory: the agent":  "Plugins.RedisJobs.System.Path=/no/such/plugin",
			"is no Name=Value":                      "Nonsense",
			"the agent cannot include this":         "Include=/no/such/file.conf",
			"starts this plugin under another name": "Plugins.Other.System.Path=" + agent.Plugin(t),
		} {
			c := setup{plugin: agent.Plugin(t)}.config(t)
			c.ConfLines = append(c.ConfLines, fault)
			r, err := agent.Launch(t, a, c)
			require.Error(t, err, "%s does start with %s", a.Name, fault)
			report, code := examine(t, r.Conf)
			require.Equal(t, 1, code, report)
			require.Contains(t, report, says)
			r.Kill()
		}
	})
}
