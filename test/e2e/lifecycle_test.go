//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// startBroken starts an agent with the test build, whose redis.test keys do
// what no healthy key does, and waits for the plugin to serve.
func startBroken(t *testing.T, a agent.Agent, s *redistest.Server) *asked {
	t.Helper()
	r := start(t, a, setup{plugin: agent.TestPlugin(t), lines: []string{"Default.Uri=tcp://" + s.Addr}})
	require.Equal(t, "1", r.value(t, "redis.ping"))
	return r
}

func TestNoCheckCanHarmTheAgent(t *testing.T) {
	server := redistest.Start(t, redistest.Config{})
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		r := startBroken(t, a, server)
		pid := r.servingPID(t)
		lives := func(t *testing.T) {
			t.Helper()
			require.True(t, r.Alive())
			require.Equal(t, "1", r.value(t, "redis.ping"))
			require.EqualValues(t, 1, r.document(t, "redis.get")["up"])
			require.Equal(t, a.Version, r.value(t, "agent.version"))
			require.Equal(t, pid, r.servingPID(t), "it is the same process")
		}

		t.Run("a panic is an item's error and a line in the log", func(t *testing.T) {
			require.Contains(t, r.refused(t, "redis.test.panic"), "nternal error in redis.test.panic: redis.test.panic was asked for")
			lives(t)
			await(t, 5*time.Second, "the stack is in the agent's log", func() bool {
				log := strings.Join(r.pluginLines(), "")
				return strings.Contains(log, "panic in redis.test.panic") && strings.Contains(log, "goroutine ") &&
					strings.Contains(log, "metrics/testkeys.go")
			})
		})
		t.Run("a hundred panics, ten at once", func(t *testing.T) {
			var group sync.WaitGroup
			failures := make(chan string, 100)
			for range 10 {
				group.Go(func() {
					for range 10 {
						if _, refused, err := r.get("redis.test.panic"); refused == nil {
							failures <- fmt.Sprint("no item error: ", err)
						}
					}
				})
			}
			group.Wait()
			require.Empty(t, failures)
			lives(t)
			require.Less(t, len(r.pluginLines()), 60, "the log is not flooded")
		})
		t.Run("an answer that is too long", func(t *testing.T) {
			const limit = 1 << 20
			require.Len(t, r.value(t, fmt.Sprintf("redis.test.big[%d]", limit)), limit)
			require.Contains(t, r.refused(t, fmt.Sprintf("redis.test.big[%d]", limit+1)),
				"has 1048577 bytes, more than the limit of 1048576 (option Plugins.RedisJobs.MaxAnswer)")
			require.Contains(t, r.refused(t, "redis.test.big[20000000]"), "more than the limit")
			lives(t)
		})
		t.Run("an error that is too long", func(t *testing.T) {
			text := r.refused(t, "redis.test.error[10000]")
			require.Contains(t, text, strings.Repeat("x", 1000))
			require.Less(t, len(text), 2048)
			lives(t)
		})
		t.Run("a check that takes too long", func(t *testing.T) {
			require.Contains(t, r.refused(t, "redis.test.sleep[60]"), "no answer")
			lives(t)
		})
		t.Run("runtime commands", func(t *testing.T) {
			for _, command := range []string{"userparameter_reload", "log_level_increase", "log_level_decrease", "metrics", "version"} {
				out, code := r.Control(t, command)
				require.Zero(t, code, "%s: %s", command, out)
				if command == "metrics" {
					require.Contains(t, out, "[RedisJobs]")
				}
				lives(t)
			}
		})
		t.Run("the stop signals of a service manager to the plugin alone", func(t *testing.T) {
			for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
				require.NoError(t, syscall.Kill(pid, signal))
				lives(t)
			}
		})
		r.Stop(t)
	})
}

func TestThePluginEndsWithTheAgent(t *testing.T) {
	server := redistest.Start(t, redistest.Config{})
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		t.Run("SIGTERM to the agent before a first check", func(t *testing.T) {
			r := start(t, a, setup{plugin: agent.Plugin(t)})
			require.Empty(t, r.AwaitNoPlugin(5*time.Second), "the process of the registration has ended")
			r.Stop(t)
			quietEnd(t, r)
		})
		t.Run("SIGTERM to the agent and the plugin at once", func(t *testing.T) {
			r := startBroken(t, a, server)
			require.NoError(t, syscall.Kill(r.servingPID(t), syscall.SIGTERM))
			r.Stop(t)
			quietEnd(t, r)
		})
		t.Run("SIGTERM while checks run", func(t *testing.T) {
			r := startBroken(t, a, server)
			asleep(t, r, 5)
			r.Stop(t)
		})
		t.Run("SIGKILL to the agent", func(t *testing.T) {
			r := startBroken(t, a, server)
			r.servingPID(t)
			killedAt := time.Now()
			r.Kill()
			require.Empty(t, r.AwaitNoPlugin(2*time.Second))
			t.Logf("the plugin was gone %v after the agent's SIGKILL", time.Since(killedAt).Round(time.Millisecond))
		})
		t.Run("SIGKILL while checks run", func(t *testing.T) {
			r := startBroken(t, a, server)
			asleep(t, r, 5)
			r.Kill()
			require.Empty(t, r.AwaitNoPlugin(2*time.Second))
		})
	})
}

// quietEnd wants the agent to have closed the plugin's socket first: an agent
// 6.0 that comes second logs thousands of lines until it does.
func quietEnd(t *testing.T, r *asked) {
	t.Helper()
	require.Zero(t, strings.Count(r.Log(), "failed to read response"))
}

// asleep has checks run in the plugin that do not end before their timeout.
func asleep(t *testing.T, r *asked, checks int) {
	t.Helper()
	var group sync.WaitGroup
	for range checks {
		group.Go(func() { _, _ = r.Get("redis.test.sleep[60]") })
	}
	// They end with the agent.
	t.Cleanup(group.Wait)
	await(t, 2*time.Second, "the checks run", func() bool {
		return r.document(t, "redis.pool.get").in(t, "process").number(t, "checks") > float64(checks)
	})
}

func TestAWrongOptionKeepsTheAgentFromStarting(t *testing.T) {
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		for name, c := range map[string]struct {
			line string
			want []string
		}{
			"an unknown option":   {"Timeuot=3", []string{"Plugins.RedisJobs.Timeuot", "Timeout"}},
			"one of a session":    {"Sessions.Prod.Urii=tcp://x", []string{"Plugins.RedisJobs.Sessions.Prod.Urii"}},
			"one out of range":    {"MaxConnections=65", []string{"Plugins.RedisJobs.MaxConnections", "1-64"}},
			"a word for a number": {"KeepAlive=long", []string{"Plugins.RedisJobs.KeepAlive"}},
			"a password in a Uri": {"Sessions.Prod.Uri=redis://:" + secretInURI + "@127.0.0.1",
				[]string{"Plugins.RedisJobs.Sessions.Prod.Uri", "password"}},
		} {
			t.Run(name, func(t *testing.T) {
				began := time.Now()
				r, err := agent.Launch(t, a, setup{plugin: agent.Plugin(t), lines: []string{c.line}}.config(t))
				require.ErrorContains(t, err, "ended with code 1")
				for _, want := range c.want {
					require.Contains(t, r.Log(), want)
				}
				require.NotContains(t, r.Log(), secretInURI)
				require.Empty(t, r.AwaitNoPlugin(2*time.Second))
				t.Logf("after %v: %s", time.Since(began).Round(10*time.Millisecond), lastLine(r.Log()))
			})
		}
	})
}

// TestABrokenSessionIsWarnedAboutAtStart: the agent starts, and says in its log
// which items will be errors.
func TestABrokenSessionIsWarnedAboutAtStart(t *testing.T) {
	server := redistest.Start(t, redistest.Config{})
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		empty := filepath.Join(t.TempDir(), "empty")
		require.NoError(t, os.WriteFile(empty, nil, 0o600))
		r := start(t, a, setup{plugin: agent.Plugin(t), lines: []string{
			"Sessions.Good.Uri=tcp://" + server.Addr, "Sessions.Empty.Uri=tcp://" + server.Addr, "Sessions.Empty.PasswordFile=" + empty,
			"Sessions.CA.Uri=rediss://" + server.Addr, "Sessions.CA.TLSCAFile=/nonexistent", "Sessions.NoUri.User=u", "KeepAlive=60", "KeepAlive=70",
		}})
		require.Empty(t, r.pluginLines(), "docs/troubleshooting.md says that the agent starts the plugin for the first item")
		require.Equal(t, "1", r.value(t, "redis.ping[Good]"))
		log := strings.Join(r.pluginLines(), "")
		for _, want := range []string{
			"Plugins.RedisJobs.Sessions.Empty.PasswordFile: the file is empty: items of the session Empty are errors until this is corrected",
			"Plugins.RedisJobs.Sessions.CA.TLSCAFile: the file cannot be read: no such file or directory: items of the session CA are errors",
			"Plugins.RedisJobs.Sessions.NoUri.Uri is not set, so that this session leads to tcp://localhost:6379",
			"Plugins.RedisJobs.KeepAlive is set twice with different values",
		} {
			require.Contains(t, log, want)
		}
		require.Contains(t, r.refused(t, "redis.ping[Empty]"), "the file is empty")
		require.NoError(t, os.WriteFile(empty, []byte("p"), 0o600))
		await(t, 30*time.Second, "the file is read again", func() bool {
			value, refused, err := r.get("redis.ping[Empty]")
			return err == nil && refused == nil && value == "0" // the server has no password, and refuses one
		})
	})
}

// TestAnAgentThatRefusesThePluginSaysSo: agents from 7.0 on would wait in
// silence for ever if the plugin did not end.
func TestAnAgentThatRefusesThePluginSaysSo(t *testing.T) {
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		for name, c := range map[string]struct {
			line string
			want []string
		}{
			"the plugin under a second name": {"Plugins.Other.System.Path=" + agent.Plugin(t), []string{"Other", "RedisJobs"}},
			"a key that is taken":            {"UserParameter=redis.get,echo 1", []string{"redis.get"}},
		} {
			t.Run(name, func(t *testing.T) {
				conf := setup{plugin: agent.Plugin(t)}.config(t)
				conf.ConfLines = append(conf.ConfLines, c.line)
				began := time.Now()
				r, err := agent.Launch(t, a, conf)
				require.ErrorContains(t, err, "ended with code")
				for _, want := range c.want {
					require.Contains(t, r.Log(), want)
				}
				require.Empty(t, r.AwaitNoPlugin(15*time.Second))
				t.Logf("after %v: %s", time.Since(began).Round(10*time.Millisecond), lastLine(r.Log()))
			})
		}
	})
}

func lastLine(log string) string {
	log = strings.TrimSpace(log)
	return log[strings.LastIndex(log, "\n")+1:]
}

func TestTheAgentsOwnChecksOfAConfiguration(t *testing.T) {
	server := redistest.Start(t, redistest.Config{})
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		good := setup{plugin: agent.Plugin(t), lines: []string{"Sessions.Prod.Uri=tcp://" + server.Addr}}.config(t)

		out, code := agent.Check(t, a, good, "-t", "redis.ping[Prod]")
		require.Zero(t, code, out)
		require.Contains(t, out, "[s|1]")
		out, code = agent.Check(t, a, good, "-t", "redis.get[Prod]")
		require.Zero(t, code, out)
		require.Contains(t, out, `"up":1`)
		if a.Dialect() == agent.Plain {
			return // agents before 7.0 have no -T
		}
		out, code = agent.Check(t, a, good, "-T")
		require.Zero(t, code, out)
		require.Contains(t, out, "Validation successful")
		out, code = agent.Check(t, a, setup{plugin: agent.Plugin(t), lines: []string{"Timeout=99"}}.config(t), "-T")
		require.NotZero(t, code, out)
		require.Contains(t, out, "Plugins.RedisJobs.Timeout")
	})
}
