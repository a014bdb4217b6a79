//go:build packages && linux

package packages

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// extract unpacks the archive of a system and returns its one folder.
func extract(t testing.TB, system, ending string) string {
	t.Helper()
	dir := t.TempDir()
	archive := one(t, environment(t, "REDISJOBS_DIST"), "*-"+system+ending)
	if ending == ".zip" {
		command(t, "python3", "-m", "zipfile", "-e", archive, dir)
	} else {
		command(t, "tar", "-C", dir, "--no-same-owner", "-xzf", archive)
	}
	return one(t, dir, "*")
}

// onABareRoot runs the program where nothing else is: no library, no shell, no
// /etc, no /proc, no certificates.
func onABareRoot(t *testing.T, system string, emulator ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: only root can change the root folder")
	}
	r := root(extract(t, system, ".tar.gz"))
	server := redistest.Start(t, redistest.Config{Password: "s3cret"})
	require.NoError(t, os.WriteFile(r.path("password"), []byte("s3cret\n"), 0o600))
	run := func(code int, args ...string) string {
		t.Helper()
		words := append(append([]string{}, emulator...), "/"+name)
		words = append(words, args...)
		c := r.command(words[0], words[1:]...)
		out, err := c.Output()
		require.Equal(t, code, c.ProcessState.ExitCode(), "%q: %v\n%s", args, err, out)
		return string(out)
	}
	for _, path := range emulator {
		copyFile(t, fetched(t, filepath.Base(path)), r.path(path))
		require.NoError(t, os.Chmod(r.path(path), 0o755))
	}
	require.Contains(t, run(0, "-V"), "Version "+environment(t, "REDISJOBS_VERSION"))
	require.Contains(t, run(0, "-h"), "Usage:")
	require.Contains(t, run(0, "completion", "bash"), "complete -F")
	require.Contains(t, run(0, "-acl", "server"), "ACL SETUSER zabbix on >PASSWORD")

	text := read(t, r.path("redisjobs.conf")) + "Plugins.RedisJobs.Sessions.Prod.Uri=tcp://" + server.Addr +
		"\nPlugins.RedisJobs.Sessions.Prod.PasswordFile=/password\n"
	require.NoError(t, os.WriteFile(r.path("redisjobs.conf"), []byte(text), 0o640))
	require.Equal(t, "1\n", run(0, "-c", "/redisjobs.conf", "-t", "redis.server.ping[Prod]"))
	require.Contains(t, run(0, "-c", "/redisjobs.conf", "-t", "redis.get[Prod]"), `"up":1`)
	require.Contains(t, run(0, "-c", "/redisjobs.conf", "-t", "redis.status[tcp://nowhere.invalid:6379]"), `"reason":"dns"`,
		"there is no /etc/resolv.conf")
	run(0, "record", "backup", "--redis", "tcp://"+server.Addr, "--password-file", "/password", "--status", "SUCCESS")
	require.Equal(t, "6\n", run(0, "-c", "/redisjobs.conf", "-t", "storm.job.status[Prod,,,backup]"))
	require.Contains(t, run(1, "doctor", "-c", "/redisjobs.conf"), "Prod")
}

func TestTheArchiveOnABareRoot(t *testing.T) {
	t.Parallel()
	onABareRoot(t, "linux-"+runtime.GOARCH)
}

func TestTheArchiveOfArm64OnABareRoot(t *testing.T) {
	t.Parallel()
	fetched(t, "qemu-aarch64")
	onABareRoot(t, "linux-arm64", "/qemu-aarch64")
}
