//go:build packages && linux

package packages

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/test/agent"
)

// fetched is the path of something that fetch.sh has fetched; a test that there
// is nothing for on this machine is skipped.
func fetched(t testing.TB, name string) string {
	t.Helper()
	list := environment(t, "REDISJOBS_PACKAGES")
	text, err := os.ReadFile(list)
	require.NoError(t, err, "run make test-package")
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		switch {
		case len(fields) != 3 || fields[0] != name:
		case fields[1] == "-":
			t.Skip("NOT RUN: " + fields[2])
		default:
			return fields[2]
		}
	}
	require.Fail(t, "not in the list", "%s has no %s", list, name)
	return ""
}

// root is a folder that programs take for the whole system.
type root string

// zabbix is the user and the group of the agent in a root, whose numbers are those of
// nobody on the machine.
const zabbix = 991

// newRoot makes a system of its own with a shell and the libraries of an agent, and no agent.
func newRoot(t testing.TB, shell string) root {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: only root can change the root folder")
	}
	r := root(filepath.Join(t.TempDir(), "root"))
	command(t, "cp", "-a", fetched(t, "root"), string(r))
	for _, of := range []string{"etc/zabbix", "usr/sbin/zabbix_agent2"} {
		require.NoError(t, os.RemoveAll(r.path(of)))
	}
	for _, dir := range []string{"etc", "tmp", "dev", "run", "var/lib/rpm", "var/log"} {
		require.NoError(t, os.MkdirAll(r.path(dir), 0o755))
	}
	require.NoError(t, syscall.Mknod(r.path("dev/null"), syscall.S_IFCHR|0o666, 1<<8|3))
	require.NoError(t, os.Chmod(r.path("dev/null"), 0o666))
	r.write(t, "/etc/passwd", "root:x:0:0::/:/bin/sh\n")
	r.write(t, "/etc/group", "root:x:0:\n")
	r.run(t, "/usr/bin/busybox", "--install", "-s", "/usr/bin")
	_ = os.Remove(r.path("usr/bin/sh"))
	require.NoError(t, os.Symlink(shell, r.path("usr/bin/sh")))
	return r
}

// path is where a file of the root is on this machine.
func (r root) path(name string) string { return filepath.Join(string(r), name) }

// command prepares a program of the root.
func (r root) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir, c.Env = "/", []string{"PATH=/usr/sbin:/usr/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: string(r)}
	return c
}

// run runs a program of the root and returns what it printed.
func (r root) run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := r.command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

func (r root) write(t testing.TB, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(r.path(name), []byte(text), 0o644))
}

func (r root) read(t testing.TB, name string) string {
	t.Helper()
	return read(t, r.path(name))
}

// agentConf is the agent's main file of Zabbix' own packages for Red Hat and its like, without its comments.
const agentConf = `PidFile=/run/zabbix/zabbix_agent2.pid
LogFile=/var/log/zabbix/zabbix_agent2.log
LogFileSize=0
Server=127.0.0.1
Include=/etc/zabbix/zabbix_agent2.d/*.conf
PluginSocket=/run/zabbix/agent.plugin.sock
ControlSocket=/run/zabbix/agent.sock
Include=/etc/zabbix/zabbix_agent2.d/plugins.d/*.conf
`

// listenHere gives the agent of the root a port of the test's.
func (r root) listenHere(t testing.TB) (addr string) {
	t.Helper()
	port := strconv.Itoa(ports.Free(t))
	r.write(t, "/etc/zabbix/zabbix_agent2.d/test.conf", "Hostname=test\nListenIP=127.0.0.1\nServerActive=\nListenPort="+port+"\n")
	return net.JoinHostPort("127.0.0.1", port)
}

// withAgent runs the root's agent as its own user.
func (r root) withAgent(t *testing.T, addr string, use func(ask func(key string) (string, error))) {
	t.Helper()
	c := r.command("/usr/sbin/zabbix_agent2", "-c", "/etc/zabbix/zabbix_agent2.conf")
	c.SysProcAttr.Credential = &syscall.Credential{Uid: zabbix, Gid: zabbix}
	runAgent(t, c, addr, r.path("var/log/zabbix/zabbix_agent2.log"), use)
}

// pings asks the root's agent for redis.ping or the like.
func (r root) pings(t *testing.T, addr, key, want string) {
	t.Helper()
	r.withAgent(t, addr, func(ask func(key string) (string, error)) {
		value, err := ask(key)
		require.NoError(t, err, key)
		require.Equal(t, want, value, key)
	})
}

// runAgent runs an agent, waits until it answers, and ends it with all that it has started.
func runAgent(t *testing.T, c *exec.Cmd, addr, log string, use func(ask func(key string) (string, error))) {
	t.Helper()
	var printed strings.Builder
	c.Stdout, c.Stderr = &printed, &printed
	c.SysProcAttr.Setpgid = true
	require.NoError(t, c.Start())
	defer func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		_ = c.Wait()
		timer.Stop()
	}()
	ask := func(key string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return agent.Query(ctx, addr, agent.Plain, key, 0)
	}
	var err error
	for began := time.Now(); time.Since(began) < 60*time.Second; time.Sleep(100 * time.Millisecond) {
		if _, err = ask("agent.ping"); err == nil {
			break
		}
	}
	if err != nil {
		said, _ := os.ReadFile(log)
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
		require.NoError(t, err, "%s%s", printed.String(), said)
	}
	use(ask)
}
