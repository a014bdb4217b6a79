//go:build !windows

package targets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// vault is a program that prints the password in a file, counts its runs and ends
// with the exit code in another file, if there is one.
type vault struct{ program, password, exit, runs string }

func newVault(t *testing.T) *vault {
	t.Helper()
	dir := t.TempDir()
	v := &vault{filepath.Join(dir, "vault"), filepath.Join(dir, "password"), filepath.Join(dir, "exit"), filepath.Join(dir, "runs")}
	require.NoError(t, os.WriteFile(v.program, []byte(fmt.Sprintf(
		"#!/bin/sh\necho run >>%s\n[ \"$1\" = 'the token' ] || exit 9\necho said-on-stderr >&2\n[ -f %s ] && exit $(cat %s)\ncat %s\n",
		v.runs, v.exit, v.exit, v.password)), 0o700))
	return v
}

func (v *vault) set(t *testing.T, password string) {
	t.Helper()
	require.NoError(t, os.WriteFile(v.password, []byte(password+"\n"), 0o600))
}

func (v *vault) count(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(v.runs)
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	return strings.Count(string(data), "run")
}

// TestPasswordsOfACommandFollowTheServer: an ACL user whose password rotates, as
// those of clouds do. The connections that there were go on; a login that is
// refused has the command run again, once and within the same check.
func TestPasswordsOfACommandFollowTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"app on >one ~* +@all"}})
	v := newVault(t)
	v.set(t, "one")
	const p = "Plugins.RedisJobs.Sessions.A."
	rt := loaded(t, p+"Uri=tcp://"+s.Addr+"\n"+p+"User=app\n"+p+"PasswordCommand="+v.program+` "the token"`+"\n")
	up := func() {
		t.Helper()
		value, err := rt.item(t, "redis.server.ping", "A")
		require.NoError(t, err)
		require.Equal(t, "1", value)
	}
	for range 20 {
		up()
	}
	require.Equal(t, 1, v.count(t))
	rotate := func(password string) {
		s.Do(t, "ACL", "SETUSER", "app", "resetpass", ">"+password)
		up() // the connection was let in before
		v.set(t, password)
		s.Do(t, "CLIENT", "KILL", "USER", "app")
	}
	rotate("turn-1")
	up()
	require.Equal(t, 2, v.count(t))
	require.Contains(t, s.Do(t, "ACL", "LOG"), "auth", "the old password was refused, and no check noticed")
	rotate("turn-2") // so soon that the first pause must pass
	require.Eventually(t, func() bool {
		value, err := rt.item(t, "redis.server.ping", "A")
		return err == nil && value == "1"
	}, 40*time.Second, 200*time.Millisecond)
	require.Equal(t, 3, v.count(t))
	for _, name := range []string{"redis.get", "redis.status", "redis.pool.get"} {
		params := []string{"A"}
		if name == "redis.pool.get" {
			params = nil
		}
		value, err := rt.item(t, name, params...)
		require.NoError(t, err)
		require.NotContains(t, value, "turn-")
		require.NotContains(t, value, "the token")
	}
}

// TestACommandThatFailsIsAnErrorOfItsSession and of no other, and names the option,
// and nothing that was printed.
func TestACommandThatFailsIsAnErrorOfItsSession(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "secret"})
	v := newVault(t)
	v.set(t, "secret")
	require.NoError(t, os.WriteFile(v.exit, []byte("7"), 0o600))
	const p = "Plugins.RedisJobs.Sessions."
	rt := loaded(t, p+"A.Uri=tcp://"+s.Addr+"\n"+p+"A.PasswordCommand="+v.program+" 'the token'\n"+
		p+"B.Uri=tcp://"+s.Addr+"\n"+p+"B.Password=secret\n")
	for _, key := range []string{"redis.server.ping", "redis.get", "redis.status", "redis.server.info", "redis.get"} {
		value, err := rt.item(t, key, "A")
		require.ErrorContains(t, err, p+"A.PasswordCommand: the command failed with exit code 7", "%s: %s", key, value)
		require.NotContains(t, err.Error(), "said-on-stderr")
		require.NotContains(t, err.Error(), "the token")
	}
	require.Equal(t, 1, v.count(t), "it is not run for each check")
	value, err := rt.item(t, "redis.server.ping", "B")
	require.NoError(t, err)
	require.Equal(t, "1", value)
}

// TestAServerThatRefusesWhateverIsPrintedHasTheCommandRunTwice and then, with
// pauses, seldom; the answer is that of the server.
func TestAServerThatRefusesWhateverIsPrintedHasTheCommandRunTwice(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "secret"})
	v := newVault(t)
	v.set(t, "wrong")
	const p = "Plugins.RedisJobs.Sessions.A."
	rt := loaded(t, p+"Uri=tcp://"+s.Addr+"\n"+p+"PasswordCommand="+v.program+" 'the token'\n")
	for range 20 {
		value, err := rt.item(t, "redis.status", "A")
		require.NoError(t, err)
		require.Contains(t, value, `"reason":"auth"`)
		require.Contains(t, value, "WRONGPASS")
	}
	require.Equal(t, 2, v.count(t))
}

// TestNodesOfAClusterShareARun: all servers that one session leads to log in with
// the password of one run.
func TestNodesOfAClusterShareARun(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Find(t, "valkey-9.1"), redistest.Config{Password: "secret", Args: []string{"--masterauth", "secret"}})
	v := newVault(t)
	v.set(t, "secret")
	const p = "Plugins.RedisJobs.Sessions.A."
	rt := loaded(t, p+"Uri=tcp://"+nodes[0].Addr+"\n"+p+"PasswordCommand="+v.program+" 'the token'\n")
	value, err := rt.item(t, "redis.cluster.get", "A")
	require.NoError(t, err)
	require.Contains(t, value, `"partial":false`)
	require.Equal(t, 1, v.count(t))
}

// TestARefusedLoginNamesTheSettingOfThisTarget: an item key may have a password of its
// own, and sentinels have theirs.
func TestARefusedLoginNamesTheSettingOfThisTarget(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "right"})
	sentinel := redistest.Start(t, redistest.Config{Password: "right", Args: []string{"--sentinel"}})
	const p = "Plugins.RedisJobs.Sessions."
	rt := loaded(t, p+"A.Uri=tcp://"+s.Addr+"\n"+p+"A.Password=wrong\n"+
		p+"S.Uri=sentinel://"+s.Addr+"/m\n"+p+"S.Password=right\n"+p+"S.SentinelPassword=wrong2\n"+
		p+"None.Uri=sentinel://"+sentinel.Addr+"/m\n"+p+"None.Password=right\n")
	for want, ref := range map[string]conf.Ref{
		"Correct Password of the session.":                              {Conn: "A"},
		"Correct the parameter Password of the item key.":               {Conn: s.Addr, Password: "wrong3"},
		"Correct SentinelPassword of the session.":                      {Conn: "S"},
		"Set SentinelPassword or SentinelPasswordFile of the session.":  {Conn: "None"},
		"Set the parameter Password of the item key, or a session with": {Conn: s.Addr},
	} {
		resolved, err := rt.options.Resolve(ref)
		require.NoError(t, err)
		_, err = rt.target(resolved).view().DoAll(soon(t), redisclient.Command{"PING"})
		require.ErrorContains(t, err, want)
	}
}
