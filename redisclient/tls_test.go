package redisclient

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

func TestAHandshakeThatFailsNamesItsCause(t *testing.T) {
	t.Parallel()
	good := redistest.Start(t, redistest.Config{TLS: true})
	expired := redistest.Start(t, redistest.Config{TLS: true, CertNotAfter: time.Now().Add(-time.Hour)})
	old := redistest.Start(t, redistest.Config{TLS: true, Args: []string{"--tls-protocols", "TLSv1.2"}})
	hangsUp := redistest.NewFake(t, redistest.Script{redistest.Close()})
	noTLS := redistest.NewFake(t, redistest.Script{redistest.Write("-ERR Protocol error\r\n")})
	wrongHost := good.ClientTLS()
	wrongHost.ServerName = "redis.example"
	only13 := old.ClientTLS()
	only13.MinVersion = tls.VersionTLS13
	for _, tt := range []struct {
		name, addr string
		tls        *tls.Config
		want       string
	}{
		{"an authority we do not know", good.TLSAddr, redistest.NewCA(t).ClientTLS(), "unknown authority"},
		{"the name of another host", good.TLSAddr, wrongHost, "redis.example"},
		{"an expired certificate", expired.TLSAddr, expired.ClientTLS(), "expired"},
		{"no common version", old.TLSAddr, only13, "protocol version"},
		{"a server that speaks no TLS", noTLS.Addr, good.ClientTLS(), "first record does not look like a TLS handshake"},
		{"a server that hangs up", hangsUp.Addr, good.ClientTLS(), "connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Dial(soon(t), Config{Address: tt.addr, TLS: tt.tls})
			e := failure(t, err)
			require.Equal(t, "tls", e.Op)
			require.Equal(t, ReasonTLS, e.Reason)
			require.ErrorContains(t, err, tt.want)
		})
	}
	t.Run("a server that stops in the middle", func(t *testing.T) {
		t.Parallel()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		hello := good.ClientTLS()
		go func() {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			defer raw.Close()
			corked := &firstWrite{Conn: raw}
			_ = tls.Server(corked, redistest.NewCA(t).ServerTLS(t)).Handshake()
		}()
		hello.MaxVersion = tls.VersionTLS12 // its first flight is more than a record
		_, err = Dial(within(t, 500*time.Millisecond), Config{Address: ln.Addr().String(), TLS: hello})
		require.Equal(t, ReasonTimeout, ReasonOf(err), err)
		require.NotContains(t, err.Error(), "does it speak TLS", "it does")
	})
}

// firstWrite sends the first 100 bytes and keeps the rest to itself.
type firstWrite struct {
	net.Conn
	sent bool
}

func (c *firstWrite) Write(b []byte) (int, error) {
	if !c.sent {
		c.sent = true
		_, err := c.Conn.Write(b[:min(len(b), 100)])
		return len(b), err
	}
	return len(b), nil
}

// Redis waits for the end of what looks like a line to it, and its TLS port
// hangs up on what is no handshake.
func TestThePlainAndTheTLSPortMistakenForEachOther(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{TLS: true})
	_, err := Dial(within(t, 200*time.Millisecond), Config{Address: s.Addr, TLS: s.ClientTLS()})
	require.Equal(t, "tls", failure(t, err).Op)
	require.Equal(t, ReasonTimeout, ReasonOf(err), "a TLS server that hangs is as silent")
	require.ErrorContains(t, err, "TLS: the server did not answer the TLS handshake: does it speak TLS on this port? (")

	// With a name the connection is made once more without it first.
	for _, cfg := range []Config{{}, {Password: "secret"}} {
		cfg.Address = s.TLSAddr
		c := dial(t, cfg)
		_, err = c.DoAll(soon(t), ping)
		require.Equal(t, ReasonTCP, ReasonOf(err))
		require.ErrorContains(t, err, ", before its first answer: does it want TLS on this port?")
	}
}

// A unix socket has no TLS port beside it, and what speaks TLS is not asked whether
// it does.
func TestOnlyAPlainTCPPortIsSuspectedOfWantingTLS(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	hangsUp := redistest.Script{redistest.Expect(1), redistest.Close()}
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		if conn, err := ln.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.Close()
		}
	}()
	for name, cfg := range map[string]Config{
		"tcp":  {Address: redistest.NewFake(t, hangsUp).Addr},
		"tls":  {Address: redistest.NewTLSFake(t, ca.ServerTLS(t), hangsUp).Addr, TLS: ca.ClientTLS()},
		"unix": {Network: "unix", Address: socket},
	} {
		_, err := dial(t, cfg).DoAll(soon(t), ping)
		require.Equal(t, ReasonTCP, ReasonOf(err), name)
		require.True(t, IsRefused(err), name)
		require.Equal(t, name == "tcp", strings.Contains(err.Error(), "does it want TLS on this port?"), err)
	}
}

// With TLS 1.3 the client's handshake is over before the server has seen the
// client's certificate, so its refusal is read in place of the first reply.
func TestAMissingClientCertificateIsATLSRefusal(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{TLS: true, Args: []string{"--tls-auth-clients", "yes"}})
	c, err := Dial(soon(t), Config{Address: s.TLSAddr, TLS: s.ClientTLS()})
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		_, err = c.DoAll(soon(t), ping)
	}
	require.Equal(t, ReasonTLS, ReasonOf(err), err)
	require.True(t, IsRefused(err))
	require.ErrorContains(t, err, "certificate required")

	pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	require.NoError(t, err)
	with := s.ClientTLS()
	with.Certificates = []tls.Certificate{pair}
	require.Equal(t, "PONG", ask(t, dial(t, Config{Address: s.TLSAddr, TLS: with}), "PING"))
}

func TestTheServerNameIsTheHostOfTheAddress(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{TLS: true})
	unnamed := s.ClientTLS()
	unnamed.ServerName = ""
	require.Equal(t, "PONG", ask(t, dial(t, Config{Address: s.TLSAddr, TLS: unnamed}), "PING"))
	require.Empty(t, unnamed.ServerName, "the caller's configuration is not changed")
}

// cork keeps what is written until it is pulled, so that several TLS records
// arrive together.
type cork struct {
	net.Conn
	mu   sync.Mutex
	in   bool
	kept bytes.Buffer
}

func (c *cork) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in {
		return c.kept.Write(b)
	}
	return c.Conn.Write(b)
}

func (c *cork) set(in bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = in
	_, err := c.kept.WriteTo(c.Conn)
	return err
}

// A second record that came with the first is inside crypto/tls: neither in
// our buffer nor in the kernel's.
func TestARecordTooManyClosesTheConnection(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		raw, err := ln.Accept()
		if err != nil {
			served <- err
			return
		}
		defer raw.Close()
		corked := &cork{Conn: raw}
		conn := tls.Server(corked, ca.ServerTLS(t))
		if _, err = conn.Read(make([]byte, 100)); err != nil {
			served <- err
			return
		}
		_ = corked.set(true)
		_, _ = io.WriteString(conn, "+ONE\r\n")
		_, _ = io.WriteString(conn, "+TWO\r\n")
		served <- corked.set(false)
		_, _ = io.Copy(io.Discard, conn)
	}()
	c := dial(t, Config{Address: ln.Addr().String(), TLS: ca.ClientTLS()})
	_, err = c.DoAll(soon(t), ping)
	require.NoError(t, <-served)
	require.ErrorIs(t, err, errSurplus)
	poisoned(t, c, err)
}
