//go:build packages && linux

package packages

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// TestThePackagesOfArm64HoldTheProgramOfArm64 takes the program out of each package, so that what the tests below run
// is what is in all of them.
func TestThePackagesOfArm64HoldTheProgramOfArm64(t *testing.T) {
	t.Parallel()
	dist := environment(t, "REDISJOBS_DIST")
	dir := t.TempDir()
	command(t, "dpkg-deb", "-x", one(t, dist, "*_arm64.deb"), filepath.Join(dir, "deb"))
	for _, format := range []string{"rpm", "apk"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, format), 0o755))
	}
	command(t, "sh", "-ec", `rpm2archive -n - <"$1" | tar -C "$2" -xf -`, "sh", one(t, dist, "*.aarch64.rpm"), filepath.Join(dir, "rpm"))
	command(t, "sh", "-ec", `gzip -dc "$1" | tar -C "$2" --ignore-zeros -xf -`, "sh", one(t, dist, "*_aarch64.apk"), filepath.Join(dir, "apk"))
	digest := func(path string) string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return fmt.Sprintf("%x", sha256.Sum256(data))
	}
	want := digest(filepath.Join("../../build/package/linux-arm64", name))
	require.Equal(t, want, digest(filepath.Join(extract(t, "linux-arm64", ".tar.gz"), name)))
	for _, format := range []string{"deb", "rpm", "apk"} {
		require.Equal(t, want, digest(filepath.Join(dir, format, program)), format)
	}
}

// TestArm64InAnAgentOfArm64 runs Debian's agent of arm64 with the program in it, both emulated, against a real Redis. The
// agent starts the program by a script that names the emulator, as the kernel of this machine does not know it.
func TestArm64InAnAgentOfArm64(t *testing.T) {
	t.Parallel()
	emulator, files := fetched(t, "qemu-aarch64"), fetched(t, "root-arm64")
	libc, err := filepath.Glob(filepath.Join(files, "usr/lib/*/libc.so.6"))
	require.NoError(t, err)
	require.Len(t, libc, 1)
	plugin, err := filepath.Abs(filepath.Join("../../build/package/linux-arm64", name))
	require.NoError(t, err)
	dir := t.TempDir()
	script := func(file string, words ...string) string {
		t.Helper()
		path := filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nexec '"+strings.Join(words, "' '")+"' \"$@\"\n"), 0o755))
		return path
	}
	arm64 := agent.Agent{Name: "arm64", Path: script("agent", emulator,
		one(t, filepath.Join(files, "usr/lib"), "ld-linux-aarch64.so.*"), "--library-path", filepath.Dir(libc[0]), filepath.Join(files, "usr/sbin/zabbix_agent2"))}
	version := strings.Fields(command(t, arm64.Path, "-V"))
	arm64.Version = version[2]
	require.True(t, arm64.AtLeast(7, 0), "%q", version)

	redis := redistest.Start(t, redistest.Config{})
	redis.Do(t, "SADD", "queues", "default")
	redis.Do(t, "LPUSH", "queue:default", `{"class":"OkJob","args":[1],"jid":"8be5ba93d1c33a404cba26a2","enqueued_at":1700000000.5}`)
	r := agent.Start(t, arm64, agent.Config{Plugin: script("plugin", emulator, plugin), Timeout: 20, StartWithin: 2 * time.Minute,
		ConfLines: []string{"Plugins.RedisJobs.Sessions.Prod.Uri=tcp://" + redis.Addr}})
	value := func(key string) string {
		t.Helper()
		value, err := r.Get(key)
		require.NoError(t, err, key)
		return value
	}
	require.Equal(t, "1", value("redis.server.ping[Prod]"))
	require.Contains(t, value("redis.get[Prod]"), `"up":1`)
	require.Equal(t, value("redis.info[tcp://"+redis.Addr+",,keyspace]"), value("redis.server.info[Prod,,keyspace]"), "the built-in plugin and this one")
	require.Contains(t, value("job.get[Prod]"), `"sidekiq"`)
	require.Contains(t, value("system.uname"), "aarch64")
	require.Contains(t, value("redis.pool.get"), strconv.Quote(environment(t, "REDISJOBS_VERSION")))
	r.Stop(t)
}
