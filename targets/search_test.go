package targets

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestASearchForACommandIsBounded: a server that hangs up on nearly everything
// does not cost a connection for each command.
func TestASearchForACommandIsBounded(t *testing.T) {
	t.Parallel()
	f := hangingUpOn(t, func(cmd []string) bool { return strings.HasPrefix(cmd[0], "EVIL") })
	_, target := reached(t, f.Addr)
	var cmds []redisclient.Command
	for i := range 2 * maxHangUps { // none as another, so that each has to be found
		cmds = append(cmds, redisclient.Command{"EVIL" + string(rune('a'+i)), "x"})
	}
	_, err := target.batch.DoAll(soon(t), cmds...)
	require.True(t, redisclient.IsHungUp(err), "%v", err)
	// What came on a connection that had served before is sent once more.
	require.Greater(t, hangUpsOf(f), maxHangUps)
	require.LessOrEqual(t, hangUpsOf(f), 2*(1+maxHangUps))
	require.NotEmpty(t, target.hangUps, "those that were found are remembered")
	require.Less(t, len(target.hangUps), maxHangUps)
}

// hangUpsOf counts the commands that a fake hung up on.
func hangUpsOf(f *redistest.Fake) (n int) {
	for _, cmd := range f.Got() {
		if strings.HasPrefix(cmd[0], "EVIL") {
			n++
		}
	}
	return n
}

// TestAskingIsNeverPartedFromItsCommand: alone it would make the command behind it
// one of another kind.
func TestAskingIsNeverPartedFromItsCommand(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"asking", "EVIL x"}, {"GET a", "ASKING", "EVIL x", "GET b"}} {
		f := hangingUpOn(t, func(cmd []string) bool { return strings.HasPrefix(cmd[0], "EVIL") })
		_, target := reached(t, f.Addr)
		var cmds []redisclient.Command
		for _, w := range words {
			cmds = append(cmds, cmd(w))
		}
		_, err := target.batch.DoAll(soon(t), cmds...)
		require.True(t, redisclient.IsHungUp(err), "%v: %v", words, err)
		require.Empty(t, target.hangUps)
		got := f.Got()
		for i, cmd := range got {
			if strings.HasPrefix(cmd[0], "EVIL") {
				require.Equal(t, "ASKING", strings.ToUpper(got[i-1][0]), "%v", got)
			}
		}
	}
	f := hangingUpOn(t, func(cmd []string) bool { return strings.HasPrefix(cmd[0], "EVIL") })
	_, target := reached(t, f.Addr)
	got := texts(t, target, cmd("EVIL x"), cmd("ASKING"), cmd("GET a"), cmd("GET b"))
	require.Equal(t, []string{"ASKING", "GET a", "GET b"}, got[1:])
	require.Contains(t, got[0], hangUpCode)
}

// TestAServerThatIsGoneIsNotHiddenByWhatItRefuses.
func TestAServerThatIsGoneIsNotHiddenByWhatItRefuses(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	f := hangingUpOn(t, func(cmd []string) bool { return cmd[0] == "EVIL" || down.Load() })
	_, target := reached(t, f.Addr)
	require.Contains(t, texts(t, target, cmd("EVIL x"))[0], hangUpCode)
	down.Store(true)
	for _, cmds := range [][]redisclient.Command{{cmd("EVIL x")}, {cmd("EVIL x"), cmd("GET a")}} {
		_, err := target.batch.DoAll(soon(t), cmds...)
		require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(err))
	}
	require.Len(t, target.hangUps, 1)
}

// TestAConnectionWithAnOldPasswordIsNotUsedAgain once another one was made with the
// new one.
func TestAConnectionWithAnOldPasswordIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Borrow(t)
	server.Do(t, "ACL", "SETUSER", "u", "on", ">one", ">two", "+@all", "~*")
	file := filepath.Join(t.TempDir(), "pw")
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
	rt, err := New(decoded(t, "MaxConnections=2", "Sessions.A.Uri=tcp://"+server.Addr, "Sessions.A.User=u", "Sessions.A.PasswordFile="+file))
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	target := rt.targetAt(t, "A")
	for _, c := range []struct {
		password string
		open     int
	}{{"one", 2}, {"two", 1}} {
		rt.pool.Renew(target.conf)
		require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
		blocked := make(chan error, 1)
		go func() {
			_, err := target.batch.DoAll(soon(t), cmd("BLPOP list 0"))
			blocked <- err
		}()
		for !strings.Contains(server.Do(t, "CLIENT", "LIST"), "cmd=blpop") {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, os.WriteFile(file, []byte(c.password), 0o600))
		require.Equal(t, []string{"PONG"}, texts(t, target, cmd("PING")))
		server.Do(t, "LPUSH", "list", "x")
		require.NoError(t, <-blocked)
		require.Equal(t, c.open, rt.pool.Stats().Open(), c.password)
	}
}

// TestAFileThatIsGoneIsTheConfigurationsFault, with the option's name.
func TestAFileThatIsGoneIsTheConfigurationsFault(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	rt, err := New(decoded(t, "Sessions.A.Uri=rediss://127.0.0.1:1", "Sessions.A.TLSCAFile="+ca.File))
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	require.NoError(t, os.Remove(ca.File))
	_, err = rt.targetAt(t, "A").batch.DoAll(soon(t), cmd("PING"))
	require.Equal(t, redisclient.ReasonConfig, redisclient.ReasonOf(err))
	require.ErrorContains(t, err, "TLSCAFile")
}
