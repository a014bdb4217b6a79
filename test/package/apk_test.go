//go:build packages && linux

package packages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestTheAPKInARoot does with the apk what Alpine's apk does, in a root folder whose shell and tools are busybox: the
// scripts run, the files come and go. The program of apk itself is not to be had on Debian.
func TestTheAPKInARoot(t *testing.T) {
	t.Parallel()
	r := newRoot(t, "busybox")
	redis := redistest.Start(t, redistest.Config{}).Addr
	group := strconv.Itoa(zabbix)
	// The agent's package comes first.
	command(t, "cp", filepath.Join(fetched(t, "root"), "usr/sbin/zabbix_agent2"), r.path("usr/sbin/"))
	r.run(t, "/usr/bin/sh", "-ec", `
		echo zabbix:x:`+group+`: >>/etc/group; echo zabbix:x:`+group+`:`+group+`::/:/sbin/nologin >>/etc/passwd
		mkdir -p /etc/zabbix/zabbix_agent2.d/plugins.d /run/zabbix /var/log/zabbix; chown zabbix:zabbix /run/zabbix /var/log/zabbix`)
	r.write(t, "/etc/zabbix/zabbix_agent2.conf", agentConf)
	addr := r.listenHere(t)

	first := readAPK(t, one(t, environment(t, "REDISJOBS_DIST"), "*_"+rpmArch+".apk"))
	require.Contains(t, first.info, "\ndepend = zabbix-agent2\n")
	require.Contains(t, first.info, fmt.Sprintf("\ndatahash = %x\n", sha256.Sum256(first.data)), "apk compares it")
	version := regexp.MustCompile(`(?m)^pkgver = (.*)$`).FindStringSubmatch(first.info)[1]
	first.script(t, r, ".pre-install", version)
	first.unpack(t, r)
	first.script(t, r, ".post-install", version)
	require.Equal(t, "640 0:"+group, owned(t, r.path(conf)))
	require.Equal(t, "755 0:0", owned(t, r.path(program)))
	require.Contains(t, r.read(t, aliases), "\nAlias=redis.ping[*]:redis.server.ping[*]\n")
	require.Contains(t, r.run(t, "/usr/bin/"+name, "-V"), "Version "+environment(t, "REDISJOBS_VERSION"))
	text := r.read(t, conf) + "Plugins.RedisJobs.Sessions.Prod.Uri=tcp://" + redis + "\n"
	require.NoError(t, os.WriteFile(r.path(conf), []byte(text), 0o640))
	r.pings(t, addr, "redis.ping[Prod]", "1")

	// An upgrade runs the scripts .pre-upgrade and .post-upgrade. apk keeps a changed file below /etc.
	second := readAPK(t, newer(t).apk)
	require.NotContains(t, second.control, ".pre-upgrade")
	require.NotContains(t, second.control, ".post-upgrade")
	second.unpack(t, r)
	require.NoError(t, os.WriteFile(r.path(conf), []byte(text), 0o640))
	require.Contains(t, r.run(t, "/usr/bin/"+name, "-V"), "Version "+newerVersion)
	r.pings(t, addr, "redis.ping[Prod]", "1")

	// A removal takes all files but those below /etc that were changed, and then runs the script.
	require.NoError(t, os.RemoveAll(r.path(filepath.Dir(program))))
	require.NoError(t, os.Remove(r.path("usr/bin/"+name)))
	second.script(t, r, ".post-deinstall", version)
	require.Empty(t, owned(t, r.path(conf)))
	require.Empty(t, owned(t, r.path(aliases)))
	r.pings(t, addr, "redis.ping[tcp://"+redis+"]", "1") // the agent starts, and the built-in plugin answers

	first.script(t, r, ".pre-install", version)
	require.True(t, text == r.read(t, conf), "the sessions are back")
}

// apk is the content of an apk: two gzip streams, of which apk hashes the second.
type apk struct {
	info    string // .PKGINFO
	control map[string]string
	data    []byte // as it is in the file
}

func readAPK(t testing.TB, path string) apk {
	t.Helper()
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	rest := bytes.NewReader(whole)
	stream, err := gzip.NewReader(rest)
	require.NoError(t, err)
	stream.Multistream(false)
	control, err := io.ReadAll(stream)
	require.NoError(t, err)
	a := apk{data: whole[len(whole)-rest.Len():]}

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+".tar", control, 0o644))
	command(t, "tar", "-C", dir, "--ignore-zeros", "-xf", dir+".tar")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	a.control = map[string]string{}
	for _, e := range entries {
		a.control[e.Name()] = read(t, filepath.Join(dir, e.Name()))
	}
	a.info = a.control[".PKGINFO"]
	return a
}

// script runs one of the scripts as apk does: in the root, with the version.
func (a apk) script(t testing.TB, r root, name, version string) {
	t.Helper()
	text := a.control[name]
	require.True(t, strings.HasPrefix(text, "#!/bin/sh\n"), name)
	require.NoError(t, os.WriteFile(r.path("tmp/script"), []byte(text), 0o755))
	r.run(t, "/tmp/script", version)
}

// unpack puts the files into the root, owned by the users of the root.
func (a apk) unpack(t testing.TB, r root) {
	t.Helper()
	require.NoError(t, os.WriteFile(r.path("tmp/data.tar.gz"), a.data, 0o644))
	r.run(t, "/usr/bin/tar", "-C", "/", "-xzf", "/tmp/data.tar.gz")
}
