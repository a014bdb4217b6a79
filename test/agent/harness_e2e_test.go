//go:build e2e && linux

package agent

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachAgentStartsAnswersAndStops(t *testing.T) {
	for _, a := range List(t) {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			r := Start(t, a, Config{ConfLines: []string{"UserParameter=test.slow,sleep 2; echo late"}})
			require.True(t, r.Alive())
			require.Empty(t, r.PluginPIDs())

			version, err := r.Get("agent.version")
			require.NoError(t, err)
			require.Equal(t, a.Version, version)

			_, err = r.Get("no.such.key")
			var notSupported *NotSupported
			require.ErrorAs(t, err, &notSupported)
			require.Contains(t, notSupported.Text, "no.such.key")

			if a.Dialect() == JSON {
				_, err = r.GetWithin("test.slow", time.Second)
				require.ErrorAs(t, err, &notSupported, "the item's timeout reaches the agent")
			}
			value, err := r.GetWithin("test.slow", 3*time.Second)
			require.NoError(t, err)
			require.Equal(t, "late", value)

			out, code := r.Control(t, "version")
			require.Zero(t, code, out)
			require.Contains(t, out, a.Version)

			r.Stop(t)
			require.False(t, r.Alive())
		})
	}
}

func TestAgentThatIsKilledIsSeenAsDead(t *testing.T) {
	a := List(t)[0]
	r := Start(t, a, Config{})
	require.NoError(t, r.Signal(syscall.SIGKILL))
	code, err := r.Wait(5 * time.Second)
	require.NoError(t, err)
	require.Equal(t, -1, code)
	_, err = r.Get("agent.ping")
	require.Error(t, err)
}

func TestAgentWithABadConfigurationIsReported(t *testing.T) {
	for _, a := range List(t) {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			r, err := Launch(t, a, Config{ConfLines: []string{"NoSuchOption=1"}})
			require.ErrorContains(t, err, "ended with code 1")
			require.Contains(t, r.Log(), "NoSuchOption")
		})
	}
}

func TestCheckRunsOneItemInAnAgentOfItsOwn(t *testing.T) {
	for _, a := range List(t) {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			out, code := Check(t, a, Config{}, "-t", "agent.version")
			require.Zero(t, code, out)
			require.Contains(t, out, a.Version)
		})
	}
}

func TestPluginProcessesAreCountedAndGoneAfterStopAndKill(t *testing.T) {
	plugin := Plugin(t)
	for _, a := range List(t) {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			for name, end := range map[string]func(*Running){
				"stop": func(r *Running) { r.Stop(t) },
				"kill": func(r *Running) { r.Kill() },
			} {
				r := Start(t, a, Config{Plugin: plugin})
				_, err := r.Get("redis.pool.get")
				require.NoError(t, err)
				pids := r.PluginPIDs()
				require.Len(t, pids, 1, "the registration process has ended, the serving one is alive")
				rss, err := RSS(pids[0])
				require.NoError(t, err)
				require.Positive(t, rss)

				end(r)
				require.False(t, r.Alive(), name)
				require.Empty(t, r.AwaitNoPlugin(orphanGrace), name)
			}
		})
	}
}
