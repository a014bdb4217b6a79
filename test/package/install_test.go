//go:build packages && linux

package packages

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
)

// inside tells a second run of this test binary that it may change the system
// it sees.
const inside = "REDISJOBS_INSIDE"

const (
	program = "/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs"
	conf    = "/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf"
	aliases = "/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs-aliases.conf"
	name    = "zabbix-agent2-plugin-redisjobs"
)

// TestTheDebOnThisDebian runs TestInside on a copy of this machine's files that
// lasts as long as the test: an overlay in a mount namespace. Nothing of the
// machine is changed.
func TestTheDebOnThisDebian(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: only root can install packages")
	}
	if release, _ := os.ReadFile("/etc/os-release"); !strings.Contains(string(release), "ID=debian") {
		t.Skip("NOT RUN: this is no Debian")
	}
	s := redistest.Start(t, redistest.Config{})
	packages := t.TempDir()
	clone := filepath.Join(packages, "files", "clone")
	require.NoError(t, os.MkdirAll(filepath.Dir(clone), 0o755))
	require.NoError(t, os.Rename(copyTree(t), clone))
	require.NoError(t, os.CopyFS(filepath.Join(clone, "dist"), os.DirFS(environment(t, "REDISJOBS_DIST"))))
	copyFile(t, newer(t).deb, filepath.Join(packages, "files", "second.deb"))

	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, "-test.run", "^TestInside$", "-test.v", "-test.timeout", "8m")
	c.Env = append(os.Environ(), inside+"="+packages, "REDISJOBS_REDIS="+s.Addr)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestInside")
	for _, path := range []string{program, conf} {
		require.NoFileExists(t, path, "this machine has not been touched")
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o644))
}

// enter makes an overlay of the root folder the root folder. What is in the
// folder files of packages is then in /packages.
func enter(t testing.TB, packages string) {
	t.Helper()
	mount := func(source, target, kind string, flags uintptr, data string) {
		require.NoError(t, os.MkdirAll(target, 0o755))
		require.NoError(t, syscall.Mount(source, target, kind, flags, data), "mount %s on %s", kind, target)
	}
	require.NoError(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	base := filepath.Join(packages, "overlay")
	mount("tmpfs", base, "tmpfs", 0, "mode=755")
	upper, work, root := filepath.Join(base, "upper"), filepath.Join(base, "work"), filepath.Join(base, "root")
	for _, dir := range []string{upper, work} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	require.NoError(t, os.CopyFS(filepath.Join(upper, "packages"), os.DirFS(filepath.Join(packages, "files"))))
	mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir="+upper+",workdir="+work)
	mount("proc", filepath.Join(root, "proc"), "proc", 0, "")
	mount("/dev", filepath.Join(root, "dev"), "", syscall.MS_BIND|syscall.MS_REC, "")
	mount("tmpfs", filepath.Join(root, "tmp"), "tmpfs", 0, "mode=1777")
	mount("tmpfs", filepath.Join(root, "run"), "tmpfs", 0, "mode=755")
	require.NoError(t, syscall.Chroot(root))
	require.NoError(t, os.Chdir("/"))
	// What packages are allowed to start: nothing.
	require.NoError(t, os.WriteFile("/usr/sbin/policy-rc.d", []byte("#!/bin/sh\nexit 101\n"), 0o755))
	// apt without questions, whoever calls it.
	require.NoError(t, os.WriteFile("/etc/apt/apt.conf.d/99test", []byte(`quiet "2"; Dpkg::Use-Pty "0"; APT::Sandbox::User "root";
APT::Get::Assume-Yes "true"; APT::Install-Recommends "false";
`), 0o644))
	require.NoError(t, os.Setenv("DEBIAN_FRONTEND", "noninteractive"))
}

// owner is a file's mode, owner and group, or "" when there is none.
func owner(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		return ""
	}
	return strings.TrimSpace(command(t, "stat", "-c", "%a %U:%G", path))
}

// TestInside is the life of the deb: installed where there was no agent, as
// README.md says, serving in the distribution's agent, upgraded, removed and
// purged. Then the plugin is installed from source.
func TestInside(t *testing.T) {
	packages := os.Getenv(inside)
	if packages == "" {
		t.Skip("a part of TestTheDebOnThisDebian")
	}
	redis := os.Getenv("REDISJOBS_REDIS")
	enter(t, packages)
	apt := func(args ...string) { command(t, "apt-get", args...) }

	apt("update")
	newcomer := newReader(t, "/packages/clone", redis)
	newcomer.follow(t, "README.md", "From nothing to graphs")
	require.Equal(t, "755 root:root", owner(t, program))
	require.Equal(t, "640 root:zabbix", owner(t, conf), "the agent came first, and its group with it")
	require.Contains(t, command(t, name, "-V"), "Version "+environment(t, "REDISJOBS_VERSION"))
	differs, _ := exec.Command("dpkg", "-V", name).Output() // its exit code says that there is something
	require.Regexp(t, `^\S+ c `+conf+`\n$`, string(differs), "the reader has written there, and no other file differs")

	require.Equal(t, "644 root:root", owner(t, aliases))
	require.Contains(t, read(t, aliases), "\nAlias=redis.ping[*]:redis.server.ping[*]\n", "nothing of the built-in plugin was configured")

	port := strconv.Itoa(ports.Free(t))
	addr := net.JoinHostPort("127.0.0.1", port)
	// The agent's own configuration, on a port of the test's.
	write(t, "/etc/zabbix/zabbix_agent2.d/test.conf", "ListenIP=127.0.0.1\nServerActive=\nListenPort="+port+"\n")
	serves(t, addr, "Prod")

	own, err := os.ReadFile(conf)
	require.NoError(t, err)
	apt("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "install", "/packages/second.deb")
	require.Contains(t, command(t, name, "-V"), "Version 99.0.0")
	text, err := os.ReadFile(conf)
	require.NoError(t, err)
	require.Equal(t, string(own), string(text), "what the user wrote is kept")
	require.Equal(t, "640 root:zabbix", owner(t, conf))
	require.FileExists(t, conf+".dpkg-dist", "the newer one is beside it")
	serves(t, addr, "Prod")

	apt("remove", name)
	require.Empty(t, owner(t, program))
	require.Empty(t, owner(t, conf))
	require.Equal(t, "640 root:zabbix", owner(t, conf+".removed"))
	pings(t, addr, "tcp://"+redis, "1", "the agent starts, and the built-in plugin answers again")
	apt("install", "/packages/second.deb")
	require.Equal(t, string(own), read(t, conf), "the sessions are back")
	serves(t, addr, "Prod")
	apt("remove", name)
	apt("purge", name)
	for _, path := range []string{conf, conf + ".removed", conf + ".dpkg-dist", aliases, aliases + ".removed", program, filepath.Dir(program), "/usr/bin/" + name, "/usr/share/" + name} {
		require.Empty(t, owner(t, path), "%s is left", path)
	}
	require.FileExists(t, "/etc/zabbix/zabbix_agent2.conf", "the agent is still there")

	besideTheBuiltIn(t, apt, addr, redis)

	newcomer.follow(t, "docs/install.md", "From source")
	require.Equal(t, "755 root:root", owner(t, program))
	require.Equal(t, "640 root:zabbix", owner(t, conf))
	require.Contains(t, command(t, name, "doctor"), "problems: 0, warnings: 0")
	serves(t, addr, "tcp://"+redis)
}

// besideTheBuiltIn installs the package where the built-in plugin has a session, whose
// item keeps its value from before the installation to after the removal.
func besideTheBuiltIn(t *testing.T, apt func(args ...string), addr, redis string) {
	t.Helper()
	const builtin, migrated = "/etc/zabbix/zabbix_agent2.d/builtin.conf", "/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs-migrated.conf"
	write(t, builtin, "Plugins.Redis.Sessions.Old.Uri=tcp://"+redis+"\n")
	pings(t, addr, "Old", "1", "before")
	apt("install", "/packages/second.deb")
	require.Contains(t, read(t, aliases), "\n#Alias=redis.ping[*]:redis.server.ping[*]\n", "they are off")
	pings(t, addr, "Old", "1", "installed")
	out := command(t, name, "migrate", "--apply")
	require.Contains(t, out, "ok       Old (tcp://"+redis+") answers")
	require.Contains(t, out, "Done.")
	require.Equal(t, "640 root:zabbix", owner(t, migrated), "as the file that it is copied from")
	pings(t, addr, "Old", "1", "migrated")
	serves(t, addr, "Old")
	require.Contains(t, command(t, name, "doctor"), "problems: 0, warnings: 0")
	require.Contains(t, command(t, name, "migrate", "--back", "--apply"), "Done.")
	pings(t, addr, "Old", "1", "back")
	apt("purge", name)
	require.Empty(t, owner(t, migrated))
	require.Empty(t, owner(t, migrated+".removed"))
	pings(t, addr, "Old", "1", "purged")
	require.NoError(t, os.Remove(builtin))
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o640)) // the mode of a file that is there stays
	command(t, "chgrp", "zabbix", path)
}

// serves starts the distribution's agent and asks it for items that the plugin
// answers.
func serves(t *testing.T, addr, conn string) {
	t.Helper()
	withAgent(t, addr, func(ask func(key string) (string, error)) {
		value, err := ask("redis.ping[" + conn + "]")
		require.NoError(t, err)
		require.Equal(t, "1", value)
		value, err = ask("redis.get[" + conn + "]")
		require.NoError(t, err)
		require.Contains(t, value, `"up":1`)
	})
}

// pings starts the distribution's agent and compares the value of redis.ping.
func pings(t *testing.T, addr, conn, want, when string) {
	t.Helper()
	withAgent(t, addr, func(ask func(key string) (string, error)) {
		value, err := ask("redis.ping[" + conn + "]")
		require.NoError(t, err, when)
		require.Equal(t, want, value, when)
	})
}

// withAgent runs the distribution's agent as its own user with its own
// configuration.
func withAgent(t *testing.T, addr string, use func(ask func(key string) (string, error))) {
	t.Helper()
	command(t, "install", "-d", "-o", "zabbix", "-g", "zabbix", "/run/zabbix", "/var/log/zabbix")
	c := exec.Command("runuser", "-u", "zabbix", "--", "/usr/sbin/zabbix_agent2", "-c", "/etc/zabbix/zabbix_agent2.conf")
	c.SysProcAttr = &syscall.SysProcAttr{}
	runAgent(t, c, addr, "/var/log/zabbix/zabbix_agent2.log", use)
}
