package redisclient

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient/resp"
)

func TestADialThatFailsNamesItsReasonAndItsTarget(t *testing.T) {
	t.Parallel()
	closed := ports.FreeAddr(t)
	gone := filepath.Join(t.TempDir(), "none.sock")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		cfg    Config
		reason Reason
		text   string
	}{
		{"a closed port", t.Context(), Config{Address: closed}, ReasonTCP, "connect: " + closed + ": connection refused: is the server up, and does it listen at this address"},
		{"no such socket", t.Context(), Config{Network: "unix", Address: gone}, ReasonTCP, "connect: " + gone + ": there is no such socket (no such file or directory"},
		{"no such name", t.Context(), Config{Address: "no-such-host.invalid:6379"}, ReasonDNS, "no-such-host.invalid"},
		{"a deadline that is over", over, Config{Address: closed}, ReasonTimeout, "i/o timeout"},
		{"a caller that stops", canceled, Config{Address: closed}, ReasonClosed, "operation was canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(tt.ctx, 20*time.Second)
			defer cancel()
			c, err := Dial(ctx, tt.cfg)
			require.Nil(t, c)
			e := failure(t, err)
			require.Equal(t, "dial", e.Op)
			require.Equal(t, tt.reason, e.Reason)
			require.ErrorContains(t, err, tt.text)
			require.False(t, IsStale(err))
		})
	}
}

// A name with several addresses is tried through: here the first does not
// listen.
func TestEveryAddressOfANameIsTried(t *testing.T) {
	t.Parallel()
	addrs, err := net.LookupHost("localhost")
	require.NoError(t, err)
	if len(addrs) < 2 {
		t.Skip("localhost has one address on this machine")
	}
	s := redistest.Borrow(t) // on 127.0.0.1 alone
	_, port, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	require.Equal(t, "PONG", ask(t, dial(t, Config{Address: "localhost:" + port}), "PING"))
}

func TestARealServersRefusalsHaveAReason(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"reader on nopass ~* +ping"}})
	orphan := redistest.Start(t, redistest.Config{Args: []string{
		"--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no",
	}})
	busy := redistest.Start(t, redistest.Config{Args: []string{"--busy-reply-threshold", "10"}})
	for _, tt := range []struct {
		name string
		cfg  Config
		cmd  Command
		want Reason
	}{
		{"a forbidden command", Config{Address: s.Addr, User: "reader"}, Command{"INFO"}, ReasonACL},
		{"an unknown command", Config{Address: s.Addr}, Command{"NOSUCH"}, ReasonCommand},
		{"a wrong password in AUTH", Config{Address: s.Addr}, Command{"AUTH", "x", "y"}, ReasonAuth},
		{"a replica without its master", Config{Address: orphan.Addr}, Command{"GET", "k"}, ReasonMasterDown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, tt.cfg)
			values, err := c.DoAll(soon(t), tt.cmd)
			require.NoError(t, err)
			require.Equal(t, tt.want, ReasonOf(values[0].Err()), values[0].Err())
			require.NoError(t, c.Err())
			require.Equal(t, ReasonOf(nil), Reason(""))
		})
	}
	t.Run("a script that blocks the server", func(t *testing.T) {
		t.Parallel()
		runs := dial(t, Config{Address: busy.Addr})
		done := make(chan error, 1)
		go func() {
			_, err := runs.DoAll(soon(t), Command{"EVAL", "while true do end", "0"})
			done <- err
		}()
		c := dial(t, Config{Address: busy.Addr})
		require.Eventually(t, func() bool {
			values, err := c.DoAll(soon(t), Command{"GET", "k"})
			return err == nil && ReasonOf(values[0].Err()) == ReasonBusy
		}, 20*time.Second, time.Millisecond)
		require.Equal(t, "OK", ask(t, c, "SCRIPT", "KILL"))
		require.NoError(t, <-done)
	})
}

func TestEveryErrorHasAReason(t *testing.T) {
	t.Parallel()
	server := func(text string) error { return resp.NewServerError([]byte(text)) }
	_, missing := os.ReadFile(filepath.Join(t.TempDir(), "none"))
	for _, tt := range []struct {
		name string
		err  error
		want Reason
	}{
		{"nothing wrong", nil, ""},
		{"NOAUTH", server("NOAUTH Authentication required."), ReasonAuth},
		{"WRONGPASS", server("WRONGPASS invalid username-password pair"), ReasonAuth},
		{"a wrong password before 6.0", server("ERR invalid password"), ReasonAuth},
		{"a needless password", server("ERR AUTH <password> called without any password configured for the default user."), ReasonAuth},
		{"a needless password before 6.0", server("ERR Client sent AUTH, but no password is set"), ReasonAuth},
		{"NOPERM", server("NOPERM this user has no permissions to run the 'info' command"), ReasonACL},
		{"DENIED", server("DENIED Redis is running in protected mode"), ReasonProtected},
		{"LOADING", server("LOADING Redis is loading the dataset in memory"), ReasonLoading},
		{"MASTERDOWN", server("MASTERDOWN Link with MASTER is down"), ReasonMasterDown},
		{"BUSY", server("BUSY Redis is busy running a script."), ReasonBusy},
		{"full", server("ERR max number of clients reached"), ReasonMaxClients},
		{"full, cluster bus included", server("ERR max number of clients + cluster connections reached"), ReasonMaxClients},
		{"another refusal", server("WRONGTYPE Operation against a key"), ReasonCommand},
		{"a refusal in a reply", fmt.Errorf("info: %w", server("LOADING")), ReasonLoading},
		{"our own", fmt.Errorf("info: %w", &Error{Op: "wait", Reason: ReasonPool, Err: io.EOF}), ReasonPool},
		{"our own without a word", &Error{Op: "read", Err: io.EOF}, ReasonTCP},
		{"no RESP", &resp.ProtocolError{}, ReasonProtocol},
		{"cut", io.ErrUnexpectedEOF, ReasonProtocol},
		{"the end", io.EOF, ReasonTCP},
		{"null", resp.ErrNull, ReasonProtocol},
		{"another shape", errors.New("expected an array"), ReasonProtocol},
		{"deadline", context.DeadlineExceeded, ReasonTimeout},
		{"socket deadline", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, ReasonTimeout},
		{"cancel", fmt.Errorf("wait: %w", context.Canceled), ReasonClosed},
		{"closed", &net.OpError{Op: "read", Err: net.ErrClosed}, ReasonClosed},
		{"reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ReasonTCP},
		{"unreachable", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, ReasonTCP},
		{"no such name", &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, ReasonDNS},
		{"a name server that does not answer", &net.DNSError{IsTimeout: true}, ReasonDNS},
		{"alert", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, ReasonTLS},
		{"expired certificate", x509.CertificateInvalidError{Reason: x509.Expired}, ReasonTLS},
		{"unknown authority", x509.UnknownAuthorityError{}, ReasonTLS},
		{"wrong host", x509.HostnameError{Certificate: &x509.Certificate{}}, ReasonTLS},
		{"no system roots", x509.SystemRootsError{}, ReasonTLS},
		{"a file that cannot be read", missing, ReasonConfig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, ReasonOf(tt.err))
		})
	}
}

// The same failure has the same text each time, so that alerts do not change with
// our own port, and says nothing that the Op before it has said.
func TestANetworksErrorIsToldWithoutWhatVaries(t *testing.T) {
	t.Parallel()
	ours, theirs := &net.TCPAddr{Port: 54321}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 6379}
	fail := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Source: ours, Addr: theirs, Err: err}
	}
	lookup := &net.DNSError{Err: "no such host", Name: "redis"}
	for want, err := range map[string]error{
		"10.0.0.1:6379: connect: connection refused": fail("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"lookup redis: no such host":                 &net.OpError{Op: "dial", Net: "tcp", Err: lookup},
		"connection reset by peer":                   fail("read", os.NewSyscallError("read", syscall.ECONNRESET)),
		"broken pipe":                                fail("write", os.NewSyscallError("write", syscall.EPIPE)),
		"i/o timeout":                                fail("read", os.ErrDeadlineExceeded),
		"remote error: tls: bad certificate":         &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")},
		"EOF":                                        io.EOF,
	} {
		require.EqualError(t, withoutRoute(err), want)
		require.Equal(t, ReasonOf(err), ReasonOf(withoutRoute(err)), want)
	}
}

func TestStaleAndRefusedAreSeenThroughWrapping(t *testing.T) {
	t.Parallel()
	require.True(t, IsStale(fmt.Errorf("get: %w", &Error{Err: io.EOF, Stale: true})))
	require.False(t, IsStale(&Error{Err: io.EOF}))
	require.False(t, IsStale(io.EOF))
	require.True(t, IsRefused(fmt.Errorf("get: %w", &Error{Err: io.EOF, Refused: true})))
	require.False(t, IsRefused(nil))
}

// The kernel gives up on a peer that vanished: that is a dead connection, not
// a slow server.
func TestAPeerThatVanishedIsStaleNotSlow(t *testing.T) {
	t.Parallel()
	_, pipe := redistest.NewPipe(t, redistest.Script{redistest.Answer("+PONG\r\n"), redistest.Expect(1), redistest.StallUntil(nil)})
	c := newConn(pipe, Config{})
	t.Cleanup(func() { _ = c.Close() })
	require.Equal(t, "PONG", ask(t, c, "PING"))
	c.served = true
	c.stream = vanished{pipe}
	c.reader = resp.NewReader(c.stream, resp.Limits{})
	_, err := c.DoAll(soon(t), ping)
	e := failure(t, err)
	require.True(t, e.Stale)
	require.Equal(t, ReasonTCP, e.Reason)
}

type vanished struct{ net.Conn }

func (vanished) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
}
