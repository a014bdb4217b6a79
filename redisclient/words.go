package redisclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"redisjobs/redisclient/resp"
)

// phases are the words for the phases of a conversation, Error.Op, where these are
// a programmer's.
var phases = map[string]string{"dial": "connect", "tls": "TLS"}

// Error names the phase and the cause, and says what to do where that is known.
func (e *Error) Error() string {
	op := e.Op
	if word, ok := phases[op]; ok {
		op = word
	}
	return op + ": " + e.plainly()
}

// plainly is the text of an error in which the words of Go and of the system are
// replaced by a cause and a cure. The well-known part of the system's words stays,
// so that they can be searched for.
func (e *Error) plainly() string {
	op, err := e.Op, e.Err
	text := err.Error()
	put := func(found error, words string) {
		if words != "" {
			text = strings.Replace(text, found.Error(), words, 1)
		}
	}
	var (
		dns    *net.DNSError
		call   *os.SyscallError
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  *net.OpError
		refuse *resp.ServerError
	)
	if errors.As(err, &alert) { // "dial tcp 127.0.0.1:49152->...:"
		put(alert, withoutRoute(alert).Error())
	}
	switch {
	case errors.As(err, &dns):
		put(dns, resolving(dns))
	case errors.As(err, &call):
		put(call, calling(op, call))
	case errors.As(err, &verify):
		put(verify, certifying(verify))
	case errors.As(err, &record):
		put(record, "no TLS on this port (first record does not look like a TLS handshake): write tcp:// in place of rediss://, or TLSConnect=disabled")
	case errors.As(err, &alert) && alert.Op == "remote error":
		put(alert, endedBy(strings.TrimPrefix(alert.Err.Error(), "tls: "), e.NoCertificate))
	case errors.As(err, &refuse):
		put(refuse, refusing(refuse))
	case errors.Is(err, os.ErrDeadlineExceeded):
		put(os.ErrDeadlineExceeded, late(op))
	}
	text = strings.Replace(text, "no answer to the first command: no answer in time", "no answer to the first command in time", 1)
	for _, end := range []string{": EOF", ": unexpected EOF"} { // "the server closed the connection" says it
		text = strings.Replace(text, "closed the connection"+end, "closed the connection", 1)
		text = strings.Replace(text, "within a reply"+end, "within a reply", 1)
	}
	return text
}

// endedBy is about an end of the handshake that the server gives a reason for. A
// server that wants a certificate ends it with one of several alerts.
func endedBy(why string, noCertificate bool) string {
	text := "the server ends the TLS handshake (" + why + ")"
	switch {
	case noCertificate && (strings.Contains(why, "certificate") || why == "handshake failure"):
		text += ": it may want a client certificate, and none is set (TLSCertFile, TLSKeyFile)"
	case strings.Contains(why, "certificate"):
		text += ": does the server accept the certificate in TLSCertFile?"
	}
	return text
}

// refusing is about a server that does not let us in.
func refusing(e *resp.ServerError) string {
	text := e.Error()
	switch serverReason(e) {
	case ReasonProtected:
		return "DENIED Redis is running in protected mode: on the server, set requirepass or ACL users, or protected-mode no"
	case ReasonMaxClients:
		return text + ": look for clients that do not close their connections, or raise maxclients on the server"
	}
	if strings.Contains(text, "DB index is out of range") {
		return text + ": correct Database, or the path of the Uri"
	}
	return ""
}

func late(op string) string {
	if op == "dial" {
		return "no answer in time (timeout): is the host up, and does a firewall drop packets?"
	}
	return "no answer in time (timeout)"
}

func resolving(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return "the name " + e.Name + " does not resolve (no such host): check its spelling, and the resolver of this machine"
	case e.IsTimeout:
		return "the name " + e.Name + " could not be resolved: the resolver of this machine does not answer"
	}
	return "the name " + e.Name + " could not be resolved: the resolver of this machine answers with an error (" + e.Err + ")"
}

// calling is about a call of the system that failed.
func calling(op string, e *os.SyscallError) string {
	system := e.Err.Error()
	switch {
	case errors.Is(e, syscall.ECONNREFUSED):
		return system + ": is the server up, and does it listen at this address (bind, port)?"
	case errors.Is(e, syscall.ENOENT):
		return "there is no such socket (" + system + "): is the server up, and is this its unixsocket?"
	case errors.Is(e, syscall.EACCES), errors.Is(e, syscall.EPERM):
		return system + ": may the agent's user use it (unixsocketperm; SELinux)?"
	case errors.Is(e, syscall.EHOSTUNREACH), errors.Is(e, syscall.ENETUNREACH):
		return system + ": is the address right, and does a firewall reject it?"
	case errors.Is(e, syscall.ETIMEDOUT):
		return system + ": is the host up, and does a firewall drop packets?"
	case op == "dial":
		return system
	}
	return ""
}

// IsNameless reports whether a certificate has no name that can be compared with a
// host's: a common name alone is none.
func IsNameless(c *x509.Certificate) bool {
	return c != nil && len(c.DNSNames) == 0 && len(c.IPAddresses) == 0
}

// certifying is about a certificate that is not accepted.
func certifying(e *tls.CertificateVerificationError) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	why := strings.TrimPrefix(e.Err.Error(), "x509: ")
	switch {
	case errors.As(e, &unknown):
		return "the server's certificate is not trusted (certificate signed by unknown authority): name the authority's certificate in TLSCAFile"
	case errors.As(e, &host) && IsNameless(host.Certificate):
		return "the server's certificate has no subjectAltName: make one that has, or set TLSConnect=verify_ca, which takes any name"
	case errors.As(e, &host):
		return "the server's certificate has another name (" + why + "): set TLSServerName, or write its name into the Uri"
	case errors.As(e, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate is not valid now (" + why + "): renew it, or correct the clock"
	}
	return "the server's certificate is not accepted: " + why
}

// isEnd reports whether the peer ended the stream.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// explainEnd puts the end of the stream in words.
func explainEnd(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the server closed the connection: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the server closed the connection within a reply: %w", err)
	default:
		return err
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
