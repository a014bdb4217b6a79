package conf

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, file, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestLoadFileFollowsIncludes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := write(t, filepath.Join(dir, "zabbix_agent2.conf"), `# an agent's file
Server=127.0.0.1
Hostname=h
Timeout=9
Alias=redis.ping:redis.server.ping
Plugins.SystemRun.LogRemoteCommands=1
Plugins.RedisJobs.Sessions.A.Uri=tcp://a
Include=./plugins.d/*.conf
Include=`+filepath.Join(dir, "more")+`/*.conf
`)
	write(t, filepath.Join(dir, "plugins.d", "redisjobs.conf"), `Plugins.RedisJobs.System.Path=/x
Plugins.RedisJobs.KeepAlive = 2m
Plugins.RedisJobs.Sessions.B.Uri=tcp://b
Plugins.RedisJobs.Sessions.B.Password=p#a s=s%"
`)
	write(t, filepath.Join(dir, "plugins.d", "ignored.txt"), "Plugins.RedisJobs.KeepAlive=900\n")
	write(t, filepath.Join(dir, "more", "z.conf"), "Plugins.RedisJobs.Sessions.B.User=late\nInclude=./plugins.d/ignored.txt\n")
	o, err := LoadFile(main)
	require.NoError(t, err)
	require.Equal(t, 9*time.Second, o.Timeout)
	require.Equal(t, 15*time.Minute, o.KeepAlive, "a nested Include starts from the first file too")
	require.Equal(t, []SessionInfo{{Name: "A", URI: "tcp://a:6379"}, {Name: "B", URI: "tcp://b:6379"}}, o.Sessions())
	b := mustResolve(t, o, Ref{Conn: "B"})
	require.Equal(t, "late", b.User())
	require.Equal(t, `p#a s=s%"`, password(t, b))
}

func TestLoadFileTakesThePluginsOwnFileAlone(t *testing.T) {
	t.Parallel()
	o, err := LoadFile(write(t, filepath.Join(t.TempDir(), "redisjobs.conf"), "Plugins.RedisJobs.MaxConnections=7\n"))
	require.NoError(t, err)
	require.Equal(t, 7, o.MaxConnections)
	require.Equal(t, 3*time.Second, o.Timeout)

	o, err = LoadFile(write(t, filepath.Join(t.TempDir(), "empty.conf"), ""))
	require.NoError(t, err)
	require.Equal(t, 2, o.MaxConnections)
}

func TestLoadFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.conf")
	_, err := LoadFile(missing)
	require.EqualError(t, err, missing+" does not exist (no such file or directory)")

	wrong := write(t, filepath.Join(dir, "wrong.conf"), "Server=x\n\nPlugins.RedisJobs.Timeout=99\n")
	_, err = LoadFile(wrong)
	require.EqualError(t, err, "Plugins.RedisJobs.Timeout (line 3): is out of range 1-30")

	require.NoError(t, os.Remove(wrong))
	_, err = LoadFile(wrong)
	require.ErrorContains(t, err, "no such file or directory", "the same path again")

	for name, text := range map[string]string{
		"no assignment":     "Server\n",
		"a missing Include": "Include=" + missing + "\n",
		"a Timeout of text": "Timeout=soon\n",
	} {
		file := write(t, filepath.Join(dir, "f.conf"), text)
		_, err = LoadFile(file)
		require.ErrorContains(t, err, file, name)
	}
}

// TestASessionThatIsNotThereIsLookedForWhereTheOptionsComeFrom: only an agent has to be
// restarted.
func TestASessionThatIsNotThereIsLookedForWhereTheOptionsComeFrom(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.conf")
	require.NoError(t, os.WriteFile(file, []byte("Plugins.RedisJobs.Sessions.Prod.Uri=h\n"), 0o600))
	read, err := LoadFile(file)
	require.NoError(t, err)
	none, err := Load(nil)
	require.NoError(t, err)
	for o, want := range map[*Options]string{
		mustDecode(t, "Sessions.Prod.Uri=h"): "no session named Pord; did you mean Prod?; sessions: Prod; restart the agent after a change",
		read:                                 "no session named Pord; did you mean Prod?; sessions: Prod",
		none:                                 "no session named Pord; no configuration was read: name the file with -c",
	} {
		require.Equal(t, want, mustResolve(t, o, Ref{Conn: "Pord"}).Hint())
		_, err := o.Session("Pord")
		require.EqualError(t, err, want)
	}
}
