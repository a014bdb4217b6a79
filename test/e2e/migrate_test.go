//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// TestInstallingAndMigratingKeepTheAnswers: an item of a session of the built-in
// plugin has the same value before the plugin is installed, after it, after the
// change to it, and back; and when the plugin is removed.
func TestInstallingAndMigratingKeepTheAnswers(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		s := redistest.Start(t, redistest.Config{Password: secretDefault})
		dir := t.TempDir()
		main := filepath.Join(dir, "zabbix_agent2.conf")
		plugins := filepath.Join(dir, "plugins.d")
		require.NoError(t, os.Mkdir(plugins, 0o755))
		write := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o640)) }
		write(main, "Server=127.0.0.1\nInclude="+plugins+"/*.conf\n")
		write(filepath.Join(plugins, "builtin.conf"),
			"Plugins.Redis.Sessions.Old.Uri=tcp://"+s.Addr+"\nPlugins.Redis.Sessions.Old.Password="+secretDefault+"\n")
		migrate := func(args ...string) string {
			c := exec.Command(agent.Plugin(t), append([]string{"migrate", "-c", main}, args...)...)
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.NotContains(t, string(out), secretDefault)
			return string(out)
		}
		ping := func(step, key, want string) {
			t.Helper()
			r := agent.Start(t, a, agent.Config{Includes: []string{plugins + "/*.conf"}})
			value, err := r.Get(key)
			if strings.HasPrefix(want, "no session") {
				require.ErrorContains(t, err, want, step)
			} else {
				require.NoError(t, err, step)
				require.Equal(t, want, value, step)
			}
			r.Stop(t)
		}
		ping("before", "redis.ping[Old]", "1")

		text, err := os.ReadFile(filepath.Join(agent.Root(t), "packaging", "redisjobs.conf"))
		require.NoError(t, err)
		write(filepath.Join(plugins, "redisjobs.conf"), string(shippedPath.ReplaceAllLiteral(text, []byte("Plugins.RedisJobs.System.Path="+agent.Plugin(t)))))
		require.Contains(t, migrate("--on-install"), "the built-in plugin Redis is configured")
		ping("installed", "redis.ping[Old]", "1")
		ping("installed", "redis.server.ping[tcp://"+s.Addr+","+secretDefault+"]", "1")

		require.Contains(t, migrate("--apply"), "ok       Old (tcp://"+s.Addr+") answers")
		ping("migrated", "redis.ping[Old]", "1")
		ping("migrated", "redis.server.ping[Old]", "1")
		ping("migrated", "redis.ping[Odl]", "no session named Odl; did you mean Old?; sessions: Old; restart the agent after a change")

		require.Contains(t, migrate("--back", "--apply"), "Done.")
		ping("back", "redis.ping[Old]", "1")
		ping("back", "redis.ping[Odl]", "0")

		// As the package's postremove.sh does.
		migrate("--apply")
		for _, name := range []string{"redisjobs.conf", "redisjobs-aliases.conf", "redisjobs-migrated.conf"} {
			require.NoError(t, os.Rename(filepath.Join(plugins, name), filepath.Join(plugins, name+".removed")))
		}
		ping("removed", "redis.ping[Old]", "1")
	})
}
