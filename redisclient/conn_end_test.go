package redisclient

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// A server that dies in the cruellest way, restarts, kills its client or loses
// patience with it: each time the next question is known to be safe to repeat.
func TestAReusedConnectionThatEndedMeanwhileIsStale(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s *redistest.Server){
		"killed client": func(t *testing.T, s *redistest.Server) {
			s.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		},
		"restart":      func(t *testing.T, s *redistest.Server) { s.Restart(t) },
		"crash":        func(t *testing.T, s *redistest.Server) { s.Kill(t) },
		"idle timeout": func(t *testing.T, s *redistest.Server) { s.Do(t, "CONFIG", "SET", "timeout", "1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Config{UnixSocket: true, TLS: true, Args: []string{"--hz", "100"}})
			type kind struct{ cfg Config }
			kinds := map[string]kind{
				"tcp":  {Config{Address: s.Addr}},
				"unix": {Config{Network: "unix", Address: s.Socket}},
				"tls":  {Config{Address: s.TLSAddr, TLS: s.ClientTLS()}},
			}
			conns := map[string]*Conn{}
			for kind, k := range kinds {
				conns[kind] = dial(t, k.cfg)
				require.Equal(t, "PONG", ask(t, conns[kind], "PING"))
				require.NoError(t, conns[kind].Alive())
			}
			end(t, s)
			for kind, c := range conns {
				require.Eventually(t, func() bool { return c.Alive() != nil }, 20*time.Second, 5*time.Millisecond, kind)
				require.NoError(t, c.Err(), "looking does not judge")
				_, err := c.DoAll(soon(t), ping, ping)
				e := failure(t, err)
				require.True(t, e.Stale, "%s: %v", kind, err)
				require.False(t, e.Refused)
				require.Equal(t, ReasonTCP, e.Reason)
				poisoned(t, c, err)
			}
		})
	}
}

func TestAFreshConnectionThatEndsIsRefusedAndNeverStale(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]redistest.Script{
		"closed at once":               {redistest.Close()},
		"closed after the question":    {redistest.Expect(1), redistest.Close()},
		"reset after the question":     {redistest.Expect(1), redistest.Reset()},
		"cut within the first reply":   {redistest.Expect(1), redistest.Write("+PO"), redistest.Close()},
		"reset within the first reply": {redistest.Expect(1), redistest.Write("+PO"), redistest.Reset()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.NewFake(t, script)
			c := dial(t, Config{Address: f.Addr})
			_, err := c.DoAll(soon(t), ping)
			require.False(t, IsStale(err))
			require.True(t, IsRefused(err), err)
			require.Contains(t, []Reason{ReasonTCP, ReasonProtocol}, ReasonOf(err))
			poisoned(t, c, err)
		})
	}
}

// As twemproxy does, which answers nothing of what came together with a command
// that it does not know. Nobody is refused for that.
func TestAHangUpAtTheNameIsToldApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg     Config
		script  redistest.Script
		unnamed bool
	}{
		"a name":                       {Config{ClientName: "n"}, redistest.Script{redistest.Expect(2), redistest.Close()}, true},
		"a name, and a reset":          {Config{ClientName: "n"}, redistest.Script{redistest.Expect(2), redistest.Reset()}, false},
		"a name behind an answer":      {Config{ClientName: "n", Database: 1}, redistest.Script{redistest.Expect(3), redistest.Write("+OK\r\n"), redistest.Close()}, true},
		"no name":                      {Config{Database: 1}, redistest.Script{redistest.Expect(2), redistest.Close()}, false},
		"after the answer to the name": {Config{ClientName: "n"}, redistest.Script{redistest.Expect(2), redistest.Write("+OK\r\n"), redistest.Close()}, false},
		"after a word why":             {Config{ClientName: "n"}, redistest.Script{redistest.Expect(2), redistest.Write("-NOAUTH no\r\n"), redistest.Close()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Address = redistest.NewFake(t, c.script).Addr
			conn := dial(t, c.cfg)
			_, err := conn.DoAll(soon(t), ping)
			require.Error(t, err)
			require.Equal(t, c.unnamed, IsUnnamed(err), err)
			require.False(t, c.unnamed && IsRefused(err))
			poisoned(t, conn, err)
		})
	}
}

func TestAReplyThatIsCutIsNeverStale(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"within the first reply": "$5\r\nhel",
		"within a line":          "+PON",
		"between two replies":    "+PONG\r\n",
		"within a second reply":  "+PONG\r\n:1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.NewFake(t, redistest.Script{
				redistest.Answer("+PONG\r\n"), redistest.Expect(2), redistest.Write(text), redistest.Close(),
			})
			c := dial(t, Config{Address: f.Addr})
			require.Equal(t, "PONG", ask(t, c, "PING"))
			values, err := c.DoAll(soon(t), ping, ping)
			require.Nil(t, values)
			require.Error(t, err)
			require.False(t, IsStale(err))
			require.False(t, IsRefused(err))
			poisoned(t, c, err)
		})
	}
}

func TestRepliesNobodyAskedForCloseTheConnection(t *testing.T) {
	t.Parallel()
	t.Run("with the reply", func(t *testing.T) {
		t.Parallel()
		f := redistest.NewFake(t, redistest.Script{redistest.Answer("+PONG\r\n+MORE\r\n")})
		c := dial(t, Config{Address: f.Addr})
		values, err := c.DoAll(soon(t), ping)
		require.Nil(t, values)
		require.ErrorIs(t, err, errSurplus)
		require.Equal(t, ReasonProtocol, ReasonOf(err))
		poisoned(t, c, err)
	})
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		f := redistest.NewFake(t, redistest.Script{
			redistest.Answer("+PONG\r\n"), redistest.StallUntil(release), redistest.Write("+MORE\r\n"),
		})
		c := dial(t, Config{Address: f.Addr})
		require.Equal(t, "PONG", ask(t, c, "PING"))
		require.NoError(t, c.Alive())
		close(release)
		require.Eventually(t, func() bool { return c.Alive() != nil }, 20*time.Second, time.Millisecond)
		require.ErrorContains(t, c.Alive(), "bytes are waiting")
	})
	t.Run("the end of the stream is told apart", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		f := redistest.NewFake(t, redistest.Script{redistest.Answer("+PONG\r\n"), redistest.StallUntil(release), redistest.Close()})
		c := dial(t, Config{Address: f.Addr})
		require.Equal(t, "PONG", ask(t, c, "PING"))
		close(release)
		require.Eventually(t, func() bool { return c.Alive() != nil }, 20*time.Second, time.Millisecond)
		require.ErrorContains(t, c.Alive(), "closed the idle connection")
	})
}

// Redis before 6 knows AUTH with a password alone. Source: redis 5.0 src/server.c.
func TestAUserOnAServerThatKnowsNoneIsNamed(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{redistest.Expect(2), redistest.Write("-ERR wrong number of arguments for 'auth' command\r\n"), redistest.StallUntil(nil)})
	_, err := dial(t, Config{Address: f.Addr, User: "zabbix", Password: "secret"}).DoAll(soon(t), ping)
	require.Equal(t, ReasonAuth, ReasonOf(err))
	require.EqualError(t, err, "auth: ERR wrong number of arguments for 'auth' command: servers before Redis 6 have no users, so leave the user out")
	_, err = dial(t, Config{Address: f.Addr, Password: "secret"}).DoAll(soon(t), ping)
	require.NotContains(t, err.Error(), "leave the user out")
}
