//go:build packages && linux

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// rpmArch is this machine's architecture in the words of rpm and Alpine.
var rpmArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]

// rpm runs this machine's rpm on the root.
func (r root) rpm(args ...string) (string, error) {
	out, err := exec.Command("rpm", append([]string{"--root", string(r), "--force-debian"}, args...)...).CombinedOutput()
	return string(out), err
}

// agentRPM makes a package of the agent with the files, the group and the
// configuration that Zabbix' own has for Red Hat and its like; the program is Debian's.
func agentRPM(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"agent.conf": agentConf,
		"preinstall.sh": `#!/bin/sh
grep -q ^zabbix: /etc/group || echo zabbix:x:` + strconv.Itoa(zabbix) + `: >>/etc/group
grep -q ^zabbix: /etc/passwd || echo zabbix:x:` + strconv.Itoa(zabbix) + ":" + strconv.Itoa(zabbix) + `::/:/sbin/nologin >>/etc/passwd
`,
		"nfpm.yaml": `{name: zabbix-agent2, arch: ` + runtime.GOARCH + `, version: 7.0.22, maintainer: "Test <test@example.org>",
description: the agent, scripts: {preinstall: ` + dir + `/preinstall.sh}, contents: [
{src: "` + fetched(t, "root") + `/usr/sbin/zabbix_agent2", dst: /usr/sbin/zabbix_agent2},
{src: "` + dir + `/agent.conf", dst: /etc/zabbix/zabbix_agent2.conf, type: config|noreplace},
{dst: /etc/zabbix/zabbix_agent2.d, type: dir}, {dst: /etc/zabbix/zabbix_agent2.d/plugins.d, type: dir},
{dst: /run/zabbix, type: dir, file_info: {owner: zabbix, group: zabbix, mode: 0755}},
{dst: /var/log/zabbix, type: dir, file_info: {owner: zabbix, group: zabbix, mode: 0755}}]}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	nfpm, err := filepath.Abs("../../build/package/bin/nfpm")
	require.NoError(t, err)
	command(t, nfpm, "package", "--config", filepath.Join(dir, "nfpm.yaml"), "--packager", "rpm", "--target", dir+"/")
	return one(t, dir, "*.rpm")
}

// TestTheRPMInARoot is the life of the rpm: rpm itself installs it into a root folder with the layout of Red Hat and its
// like, beside an agent that runs there; it is upgraded, removed and installed again.
func TestTheRPMInARoot(t *testing.T) {
	t.Parallel()
	r := newRoot(t, "bash")
	redis := redistest.Start(t, redistest.Config{}).Addr
	own := one(t, environment(t, "REDISJOBS_DIST"), "*."+rpmArch+".rpm")
	rpm := func(args ...string) string {
		t.Helper()
		out, err := r.rpm(args...)
		require.NoError(t, err, "%s", out)
		require.NotContains(t, out, "warning: %", "a script has failed")
		return out
	}

	out, err := r.rpm("--install", own)
	require.Error(t, err)
	require.Contains(t, out, "zabbix-agent2 is needed by", "there is no agent")

	rpm("--install", own, agentRPM(t)) // rpm has to find the order
	require.Equal(t, "640 0:"+strconv.Itoa(zabbix), owned(t, r.path(conf)))
	require.Equal(t, "755 0:0", owned(t, r.path(program)))
	require.Empty(t, rpm("--verify", name), "all files are as the package has them")
	require.Contains(t, r.read(t, aliases), "\nAlias=redis.ping[*]:redis.server.ping[*]\n", "nothing of the built-in plugin was configured")
	require.Contains(t, r.run(t, "/usr/bin/"+name, "-V"), "Version "+environment(t, "REDISJOBS_VERSION"))

	addr := r.listenHere(t)
	text := r.read(t, conf) + "Plugins.RedisJobs.Sessions.Prod.Uri=tcp://" + redis + "\n"
	require.NoError(t, os.WriteFile(r.path(conf), []byte(text), 0o640))
	r.pings(t, addr, "redis.ping[Prod]", "1")

	rpm("--upgrade", newer(t).rpm)
	require.Contains(t, r.run(t, "/usr/bin/"+name, "-V"), "Version "+newerVersion)
	require.True(t, text == r.read(t, conf), "what the user wrote is kept")
	require.True(t, strings.HasPrefix(r.read(t, conf+".rpmnew"), "# A newer configuration.\n"))
	require.FileExists(t, r.path(aliases), "the script after removal is about removals only")
	r.pings(t, addr, "redis.ping[Prod]", "1")

	rpm("--erase", name)
	for _, path := range []string{filepath.Dir(program), conf, aliases, "/usr/bin/" + name, "/usr/share/" + name, "/usr/share/doc/" + name} {
		require.Empty(t, owned(t, r.path(path)), "%s is left", path)
	}
	r.pings(t, addr, "redis.ping[tcp://"+redis+"]", "1") // the agent starts, and the built-in plugin answers

	// rpm itself keeps what the user wrote, and does not use it again.
	require.True(t, text == r.read(t, conf+".rpmsave"))
	rpm("--install", newer(t).rpm)
	require.NoError(t, os.Rename(r.path(conf+".rpmsave"), r.path(conf)))
	require.Contains(t, r.read(t, aliases), "\nAlias=redis.ping[*]:redis.server.ping[*]\n")
	r.pings(t, addr, "redis.ping[Prod]", "1")
}

// owned is a file's mode and the numbers of its owner and group, or "" when there is none.
func owned(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		return ""
	}
	return strings.TrimSpace(command(t, "stat", "-c", "%a %u:%g", path))
}
