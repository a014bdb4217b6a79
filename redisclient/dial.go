package redisclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// dialer finds a peer that vanished without a word within about a minute of
// idling, so that Alive sees it. TCP_NODELAY is Go's default.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{
		Enable:   true,
		Idle:     30 * time.Second,
		Interval: 10 * time.Second,
		Count:    3,
	},
}

// Dial connects and, if asked to, does the TLS handshake, all within ctx. Each
// address that the name resolves to is tried in turn, for its share of the
// time that is left. No command is written yet, so a wrong password shows in
// the first DoAll. An error is an *Error with the Op dial or tls.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	start := time.Now()
	cfg.stage("connecting to " + cfg.Address)
	raw, err := dialer.DialContext(ctx, cfg.network(), cfg.Address)
	if err != nil {
		return nil, &Error{Op: "dial", Reason: ReasonOf(err), Err: withoutRoute(err)}
	}
	c := newConn(raw, cfg)
	c.info.Connect = time.Since(start)
	c.info.At = start
	c.info.Anonymous = (cfg.User == "" || cfg.User == "default") && cfg.Password == ""
	if cfg.TLS == nil {
		return c, nil
	}
	c.noCertificate = len(cfg.TLS.Certificates) == 0 && cfg.TLS.GetClientCertificate == nil
	start = time.Now()
	cfg.stage("TLS handshake with " + raw.RemoteAddr().String() + ": does it speak TLS on this port?")
	secured := tls.Client(c.stream, cfg.tls())
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, c.handshakeError(err, secured.ConnectionState().Version == 0)
	}
	c.info.TLS = time.Since(start)
	if certs := secured.ConnectionState().PeerCertificates; len(certs) > 0 {
		c.info.CertNotAfter = certs[0].NotAfter
	}
	c.stream, c.secured = secured, secured
	c.flow.src = secured
	return c, nil
}

// handshakeError has the reason tls for whatever the peer did: most faults of
// a handshake have no type of their own, and a server that hangs up in it most
// likely speaks no TLS. unanswered: it has not said hello. Redis and Valkey from
// 5.0 to 9.1 take a ClientHello for the beginning of a line and wait for its
// end; a server that hangs is as silent, so the reason stays timeout.
func (c *Conn) handshakeError(err error, unanswered bool) error {
	reason := ReasonOf(err)
	if reason != ReasonTimeout && reason != ReasonClosed {
		reason = ReasonTLS
	}
	err = withoutRoute(err)
	if reason == ReasonTimeout || reason == ReasonClosed {
		err = InWords(Words(err), err)
	}
	switch {
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the server closed the connection: %w", err)
	case reason == ReasonTimeout && unanswered:
		err = fmt.Errorf("the server did not answer the TLS handshake: does it speak TLS on this port? (%w)", err)
	}
	return &Error{Op: "tls", Reason: reason, Err: err, NoCertificate: c.noCertificate}
}

// withoutRoute takes from a network error what varies from try to try, such as
// our own port, and what Error.Op says already, and keeps the address that was
// dialed.
func withoutRoute(err error) error {
	var (
		op   *net.OpError
		call *os.SyscallError
	)
	if !errors.As(err, &op) {
		return err
	}
	switch {
	case op.Op == "dial" && op.Addr != nil:
		return fmt.Errorf("%s: %w", op.Addr, op.Err)
	case op.Op != "dial" && errors.As(op.Err, &call):
		return call.Err
	case op.Op == "dial", op.Op == "read", op.Op == "write":
		return op.Err
	default:
		return err
	}
}
