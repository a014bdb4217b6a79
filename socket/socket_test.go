package socket

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair are the two ends of a connection, the first one quick.
func pair(t *testing.T, network, addr string) (quick, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	require.NoError(t, err)
	defer ln.Close()
	plain, err := net.Dial(network, ln.Addr().String())
	require.NoError(t, err)
	peer, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { plain.Close(); peer.Close() })
	return Quick(plain), peer
}

// each runs a test for each kind of socket.
func each(t *testing.T, test func(t *testing.T, quick, peer net.Conn)) {
	t.Helper()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			quick, peer := pair(t, network, addr)
			test(t, quick, peer)
		})
	}
}

func TestALongTextArrivesWhole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, quick, peer net.Conn) {
		text := make([]byte, 8<<20) // more than the kernel takes at once
		_, _ = rand.Read(text)
		go func() {
			_, _ = io.Copy(peer, peer)
			_ = peer.Close()
		}()
		sent := make(chan error, 1)
		go func() {
			n, err := quick.Write(text)
			if err == nil && n != len(text) {
				err = io.ErrShortWrite
			}
			sent <- err
		}()
		got := make([]byte, len(text))
		_, err := io.ReadFull(quick, got)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.True(t, bytes.Equal(text, got))
		n, err := quick.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// sameError fails unless the quick end of a new connection fails as a plain one does.
func sameError(t *testing.T, network string, do func(conn, peer net.Conn) error) {
	t.Helper()
	var errs [2]error
	for i := range errs {
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = filepath.Join(t.TempDir(), "s")
		}
		ln, err := net.Listen(network, addr)
		require.NoError(t, err)
		conn, err := net.Dial(network, ln.Addr().String())
		require.NoError(t, err)
		peer, err := ln.Accept()
		require.NoError(t, err)
		if i == 1 {
			conn = Quick(conn)
		}
		errs[i] = do(conn, peer)
		require.Error(t, errs[i])
		_, _, _ = conn.Close(), peer.Close(), ln.Close()
	}
	if plain, ok := errs[0].(*net.OpError); ok {
		quick, ok := errs[1].(*net.OpError)
		require.True(t, ok, "%v", errs[1])
		require.Equal(t, []any{plain.Op, plain.Net, plain.Err}, []any{quick.Op, quick.Net, quick.Err})
		require.Equal(t, plain.Source == nil, quick.Source == nil)
		require.Equal(t, plain.Timeout(), quick.Timeout())
		return
	}
	require.Equal(t, errs[0], errs[1])
}

func TestErrorsAreThoseOfPackageNet(t *testing.T) {
	t.Parallel()
	var one [1]byte
	read := func(conn net.Conn) error { _, err := conn.Read(one[:]); return err }
	write := func(conn net.Conn) (err error) {
		for err == nil { // until nothing more fits, or the peer is noticed to be gone
			_, err = conn.Write(make([]byte, 1<<20))
		}
		return err
	}
	for _, network := range []string{"tcp", "unix"} {
		for name, do := range map[string]func(conn, peer net.Conn) error{
			"the end": func(conn, peer net.Conn) error { _ = peer.Close(); return read(conn) },
			"a deadline of a read": func(conn, _ net.Conn) error {
				_ = conn.SetDeadline(time.Now().Add(time.Millisecond))
				return read(conn)
			},
			"a deadline of a write": func(conn, _ net.Conn) error {
				_ = conn.SetDeadline(time.Now().Add(time.Millisecond))
				return write(conn)
			},
			"a past deadline": func(conn, _ net.Conn) error { _ = conn.SetDeadline(time.Unix(1, 0)); return read(conn) },
			"closed, read":    func(conn, _ net.Conn) error { _ = conn.Close(); return read(conn) },
			"closed, write":   func(conn, _ net.Conn) error { _ = conn.Close(); return write(conn) },
			"closed while it reads": func(conn, _ net.Conn) error {
				time.AfterFunc(time.Millisecond, func() { _ = conn.Close() })
				return read(conn)
			},
			"no reader": func(conn, peer net.Conn) error { _ = peer.Close(); return write(conn) },
		} {
			t.Run(network+" "+name, func(t *testing.T) { sameError(t, network, do) })
		}
	}
	t.Run("a reset", func(t *testing.T) {
		sameError(t, "tcp", func(conn, peer net.Conn) error {
			_ = peer.(*net.TCPConn).SetLinger(0)
			_ = peer.Close()
			return read(conn)
		})
	})
}

// TestADeadlineEndsAReadThatWaits, as it ends a conversation whose check has no time
// left.
func TestADeadlineEndsAReadThatWaits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, quick, peer net.Conn) {
		ended := make(chan error, 1)
		go func() {
			var one [1]byte
			_, err := quick.Read(one[:])
			ended <- err
		}()
		require.NoError(t, quick.SetDeadline(time.Unix(1, 0)))
		var timeout net.Error
		require.ErrorAs(t, <-ended, &timeout)
		require.True(t, timeout.Timeout())
		require.NoError(t, quick.SetDeadline(time.Time{}))
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		var one [1]byte
		_, err = quick.Read(one[:])
		require.NoError(t, err, "it may be used again")
	})
}

func TestACallAllocatesNothing(t *testing.T) {
	quick, peer := pair(t, "tcp", "127.0.0.1:0")
	go func() { _, _ = io.Copy(peer, peer) }()
	text, got := []byte("ping"), make([]byte, 4)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = quick.Write(text)
		_, _ = io.ReadFull(quick, got)
	}))
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	t.Parallel()
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	require.Equal(t, one, Quick(one))
}
