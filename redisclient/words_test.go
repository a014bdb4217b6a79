package redisclient

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

// TestErrorsAreInPlainWords: what Go and the system say becomes a cause and a cure,
// and its well-known part stays.
func TestErrorsAreInPlainWords(t *testing.T) {
	t.Parallel()
	addr := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 6379}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: err} }
	call := func(name string, errno syscall.Errno) error { return os.NewSyscallError(name, errno) }
	cert := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for _, c := range []struct {
		op   string
		err  error
		want string
	}{
		{"dial", dial(call("connect", syscall.ECONNREFUSED)), "connect: 10.0.0.1:6379: connection refused: is the server up, and does it listen at this address (bind, port)?"},
		{"dial", dial(call("connect", syscall.EHOSTUNREACH)), "connect: 10.0.0.1:6379: no route to host: is the address right, and does a firewall reject it?"},
		{"dial", dial(os.ErrDeadlineExceeded), "connect: 10.0.0.1:6379: no answer in time (timeout): is the host up, and does a firewall drop packets?"},
		{"dial", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "prod", Server: "1.1.1.1:53", IsNotFound: true}},
			"connect: the name prod does not resolve (no such host): check its spelling, and the resolver of this machine"},
		{"dial", &net.DNSError{Err: "i/o timeout", Name: "prod", Server: "1.1.1.1:53", IsTimeout: true}, "connect: the name prod could not be resolved: the resolver of this machine does not answer"},
		{"dial", &net.DNSError{Err: "server misbehaving", Name: "prod", IsTemporary: true}, "connect: the name prod could not be resolved: the resolver of this machine answers with an error (server misbehaving)"},
		{"dial", fmt.Errorf("/run/x: %w", call("connect", syscall.ENOENT)), "connect: /run/x: there is no such socket (no such file or directory): is the server up, and is this its unixsocket?"},
		{"dial", fmt.Errorf("/run/x: %w", call("connect", syscall.EACCES)), "connect: /run/x: permission denied: may the agent's user use it (unixsocketperm; SELinux)?"},
		{"read", &net.OpError{Op: "read", Net: "tcp", Addr: addr, Err: call("read", syscall.ECONNRESET)}, "read: connection reset by peer"},
		{"read", os.ErrDeadlineExceeded, "read: no answer in time (timeout)"},
		{"read", explainEnd(io.EOF), "read: the server closed the connection"},
		{"read", explainEnd(io.ErrUnexpectedEOF), "read: the server closed the connection within a reply"},
		{"tls", cert(x509.UnknownAuthorityError{}), "TLS: the server's certificate is not trusted (certificate signed by unknown authority): name the authority's certificate in TLSCAFile"},
		{"tls", cert(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "b"}),
			"TLS: the server's certificate has another name (certificate is valid for a, not b): set TLSServerName, or write its name into the Uri"},
		{"tls", cert(x509.HostnameError{Certificate: &x509.Certificate{Subject: pkix.Name{CommonName: "b"}}, Host: "b"}),
			"TLS: the server's certificate has no subjectAltName: make one that has, or set TLSConnect=verify_ca, which takes any name"},
		{"tls", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
			"TLS: no TLS on this port (first record does not look like a TLS handshake): write tcp:// in place of rediss://, or TLSConnect=disabled"},
		{"tls", &net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}, "TLS: the server ends the TLS handshake (protocol version not supported)"},
		{"tls", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, "TLS: the server ends the TLS handshake (bad certificate): does the server accept the certificate in TLSCertFile?"},
		{"select", resp.NewServerError([]byte("ERR DB index is out of range")), "select: ERR DB index is out of range: correct Database, or the path of the Uri"},
		{"read", resp.NewServerError([]byte("DENIED Redis is running in protected mode because protected mode is enabled and " + strings.Repeat("x", 600))),
			"read: DENIED Redis is running in protected mode: on the server, set requirepass or ACL users, or protected-mode no"},
		{"read", errors.New("other words"), "read: other words"},
	} {
		got := (&Error{Op: c.op, Err: c.err}).Error()
		require.Equal(t, c.want, got)
		require.Less(t, len(got), 200, "documents have room for 255 characters, the target included")
		for _, bare := range []string{"dial ", "x509:", "lookup ", "EOF", "i/o timeout", "tls: ", "connect: connect"} {
			require.NotContains(t, got, bare)
		}
	}
	for why, want := range map[string]string{
		"certificate required":           "TLS: the server ends the TLS handshake (certificate required): it may want a client certificate, and none is set (TLSCertFile, TLSKeyFile)",
		"handshake failure":              "TLS: the server ends the TLS handshake (handshake failure): it may want a client certificate, and none is set (TLSCertFile, TLSKeyFile)",
		"protocol version not supported": "TLS: the server ends the TLS handshake (protocol version not supported)",
	} {
		alert := &net.OpError{Op: "remote error", Err: errors.New("tls: " + why)}
		require.Equal(t, want, (&Error{Op: "tls", Err: alert, NoCertificate: true}).Error())
	}
	expired := (&Error{Op: "tls", Err: cert(x509.CertificateInvalidError{Cert: &x509.Certificate{NotAfter: time.Unix(0, 0)}, Reason: x509.Expired, Detail: "d"})}).Error()
	require.Equal(t, "TLS: the server's certificate is not valid now (certificate has expired or is not yet valid: d): renew it, or correct the clock", expired)
}
