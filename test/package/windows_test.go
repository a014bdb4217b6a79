//go:build packages && linux

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// wine runs programs of Windows; what it writes goes to a folder of the test.
type wine struct{ root, dir string }

// command prepares a program of Windows; dir is its drive C:, beside Windows itself.
func (w wine) command(name string, args ...string) *exec.Cmd {
	const script = `mount --bind "$1" "$2/tmp"; mount -t proc proc "$2/proc"; mount --rbind /dev "$2/dev"; shift
		root=$1; shift; cd "$root/tmp"; exec chroot "$root" /usr/lib/wine/wine64 "$@"`
	c := exec.Command("unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script, "sh", w.dir, w.root, name}, args...)...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/tmp", "WINEPREFIX=/tmp/wine", "WINEDEBUG=-all", "WINESERVER=/usr/lib/wine/wineserver64"}
	return c
}

// TestTheProgramOfWindowsUnderWine runs the program of the zip with its
// configuration beside an agent's, as they are on Windows. There is no agent.
func TestTheProgramOfWindowsUnderWine(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: only root can mount folders")
	}
	w := wine{root: fetched(t, "wine"), dir: t.TempDir()}
	require.NoError(t, os.CopyFS(filepath.Join(w.dir, "zip"), os.DirFS(extract(t, "windows-amd64", ".zip"))))
	// The first program that runs makes Windows' folders and its registry.
	out, err := w.command(`Z:\tmp\zip\`+name+".exe", "-V").CombinedOutput()
	require.NoError(t, err, "%s", out)
	folder := filepath.Join(w.dir, "wine/drive_c/Program Files/Zabbix Agent 2")
	require.NoError(t, os.MkdirAll(filepath.Dir(folder), 0o755))
	require.NoError(t, os.Rename(filepath.Join(w.dir, "zip"), folder))
	exe := `C:\Program Files\Zabbix Agent 2\` + name + ".exe"
	run := func(code int, args ...string) string {
		t.Helper()
		c := w.command(exe, args...)
		var said strings.Builder
		c.Stderr = &said
		out, err := c.Output()
		require.Equal(t, code, c.ProcessState.ExitCode(), "%q: %v\n%s%s", args, err, out, &said)
		return strings.ReplaceAll(string(out), "\r\n", "\n")
	}
	require.Contains(t, run(0, "-V"), "Version "+environment(t, "REDISJOBS_VERSION"))
	require.Contains(t, run(0, "completion", "bash"), "complete -F")
	require.Contains(t, run(0, "-acl", "server"), "ACL SETUSER zabbix on >PASSWORD")
	run(2, "-nosuch")

	server := redistest.Start(t, redistest.Config{Password: "s3cret", TLS: true})
	conf := filepath.Join(folder, "redisjobs.conf")
	text := read(t, conf)
	require.Contains(t, text, "\nPlugins.RedisJobs.System.Path="+exe+"\n", "what the zip has in place of the path of Linux")
	copyFile(t, server.CAFile, filepath.Join(folder, "ca.pem"))
	for path, text := range map[string]string{
		conf: text + "Plugins.RedisJobs.Sessions.Prod.Uri=tcp://" + server.Addr + "\n" +
			`Plugins.RedisJobs.Sessions.Prod.PasswordFile=C:\Program Files\Zabbix Agent 2\password` + "\n" +
			"Plugins.RedisJobs.Sessions.Tls.Uri=rediss://" + server.TLSAddr + "\nPlugins.RedisJobs.Sessions.Tls.Password=s3cret\n" +
			`Plugins.RedisJobs.Sessions.Tls.TLSConnect=verify_ca` + "\n" + `Plugins.RedisJobs.Sessions.Tls.TLSCAFile=C:\Program Files\Zabbix Agent 2\ca.pem` + "\n",
		filepath.Join(folder, "password"): "s3cret\r\n", // as an editor of Windows writes it
		filepath.Join(folder, "zabbix_agent2.conf"): strings.ReplaceAll("LogFile=C:\\zabbix_agent2.log\nServer=127.0.0.1\n"+
			`Include=C:\Program Files\Zabbix Agent 2\redisjobs.conf`+"\n", "\n", "\r\n"),
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, session := range []string{"Prod", "Tls"} {
		require.Equal(t, "1\n", run(0, "-t", "redis.server.ping["+session+"]"), "the agent's configuration is found in its usual place")
		require.Contains(t, run(0, "-t", "redis.get["+session+"]"), `"up":1`)
	}
	require.Contains(t, run(0, "-t", "redis.status[tcp://127.0.0.1:1]"), `"reason":"tcp"`)
	said := run(0, "doctor")
	require.Contains(t, said, "problems: 0")
	require.Contains(t, said, "Prod")
}
