package redistest

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServerAnswersOnEverySocketItWasAskedFor(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{
		Password: "pass word", UnixSocket: true, TLS: true,
		Users: []string{"reader on >secret ~* +@read +ping"},
		Args:  []string{"--maxclients", "20"},
	})
	require.Equal(t, "PONG", s.Do(t, "PING"))
	require.Equal(t, "maxclients\n20", s.Do(t, "CONFIG", "GET", "maxclients"))

	unix, err := net.Dial("unix", s.Socket)
	require.NoError(t, err)
	defer unix.Close()
	secured, err := tls.Dial("tcp", s.TLSAddr, s.ClientTLS())
	require.NoError(t, err)
	defer secured.Close()
	for _, conn := range []net.Conn{unix, secured} {
		in := bufio.NewReader(conn)
		_, err = io.WriteString(conn, encode([]string{"AUTH", "reader", "secret"})+encode([]string{"PING"}))
		require.NoError(t, err)
		for _, want := range []string{"OK", "PONG"} {
			got, err := readReply(in)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	require.Equal(t, "3", s.InfoField(t, "stats", "total_connections_received"))
}

func TestServerLosesItsDataByARestartAndKeepsItsAddress(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{})
	addr := s.Addr
	s.Do(t, "SET", "k", "v")
	require.Equal(t, "v", s.Do(t, "GET", "k"))
	s.Restart(t)
	require.Equal(t, addr, s.Addr)
	require.Empty(t, s.Do(t, "GET", "k"))
	s.Kill(t)
	_, err := s.TryDo("PING")
	require.Error(t, err)
}

func TestAPausedServerStillAcceptsAndAnswersWhenResumed(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{})
	s.Pause(t)
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, encode([]string{"PING"}))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	s.Resume(t)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	got, err := readReply(bufio.NewReader(conn))
	require.NoError(t, err)
	require.Equal(t, "PONG", got)
}

func TestTheFakePlaysEachScriptOnItsConnectionAndTheLastOneForEver(t *testing.T) {
	t.Parallel()
	f := NewFake(t,
		Script{Answer("+one\r\n"), Close()},
		Script{Expect(2), Write("+two\r\n"), Reset()})
	for _, want := range []string{"+one\r\n", "+two\r\n", "+two\r\n"} {
		conn, err := net.Dial("tcp", f.Addr)
		require.NoError(t, err)
		_, err = io.WriteString(conn, encode([]string{"A"})+encode([]string{"B"}))
		require.NoError(t, err)
		b := make([]byte, len(want))
		_, err = io.ReadFull(conn, b)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
		_, err = conn.Read(b)
		require.Error(t, err)
		require.NoError(t, conn.Close())
	}
	require.Equal(t, 3, f.Accepted())
	require.Equal(t, []string{"A"}, f.Got()[0])
}

func TestAPipeObeysTheFakeClockOfABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		reached := make(chan struct{})
		_, conn := NewPipe(t, Script{Answer("+a"), Signal(reached), StallUntil(released), Drip("bc", time.Hour)})
		defer conn.Close()
		start := time.Now()
		_, err := io.WriteString(conn, encode([]string{"PING"}))
		require.NoError(t, err)
		b := make([]byte, 4)
		_, err = io.ReadFull(conn, b[:2])
		require.NoError(t, err)
		<-reached
		close(released)
		_, err = io.ReadFull(conn, b[2:])
		require.NoError(t, err)
		require.Equal(t, "+abc", string(b))
		require.Equal(t, 2*time.Hour, time.Since(start))
	})
}
