package redisclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"redisjobs/redisclient/resp"
)

// Reason is why a target could not be asked, in one word that alerts and
// value maps may rely on.
type Reason string

// The reasons. "" is used where nothing is wrong.
const (
	ReasonDNS        Reason = "dns"        // the name does not resolve
	ReasonTCP        Reason = "tcp"        // refused, unreachable, reset; also for unix sockets
	ReasonTLS        Reason = "tls"        // handshake or certificate
	ReasonAuth       Reason = "auth"       // NOAUTH, WRONGPASS, no such user
	ReasonACL        Reason = "acl"        // NOPERM
	ReasonProtected  Reason = "protected"  // DENIED: protected mode
	ReasonLoading    Reason = "loading"    // LOADING: reading its data set
	ReasonMasterDown Reason = "masterdown" // MASTERDOWN: replica without its master
	ReasonMaxClients Reason = "maxclients" // the server has no free client slot
	ReasonBusy       Reason = "busy"       // BUSY: a script blocks the server
	ReasonTimeout    Reason = "timeout"    // no answer within the deadline
	ReasonPool       Reason = "pool"       // every connection of the target is taken
	ReasonProtocol   Reason = "protocol"   // the answer is no RESP, or cut
	ReasonDatabase   Reason = "database"   // SELECT refused
	ReasonConfig     Reason = "config"     // a file of the session cannot be read
	ReasonCommand    Reason = "command"    // the server refused the command otherwise
	ReasonSentinel   Reason = "sentinel"   // the sentinels name no master, or a server that is none; or they are no sentinels
	ReasonClosed     Reason = "closed"     // the plugin is stopping
)

// Error is a failure of the conversation with a server. After it the
// connection is closed.
type Error struct {
	// Op is the phase that failed: dial, tls, auth, select, write, read or
	// close; or, told by the pool's owner, wait.
	Op     string
	Reason Reason
	Err    error
	// Stale: the connection had served before, and it ended before the first
	// byte of this reply. The commands may be sent once more on another one.
	Stale bool
	// Refused: the server was reached, and it did not let us in or did not
	// answer the very first commands. Dialing again at once will not help.
	Refused bool
	// HungUp: the server had let us in, and it ended the connection while a
	// command had no reply, or no whole one. A server that goes down does so, and
	// one that hangs up on a command.
	HungUp bool
	// Unnamed: the server hung up where it should have answered CLIENT SETNAME,
	// which some proxies do at every command they do not know. A connection
	// without Config.ClientName may be served. Never together with Refused.
	Unnamed bool
	// NoCertificate: TLS is used, and no certificate of ours was set, which some
	// servers want and say only in the alert that ends the connection.
	NoCertificate bool
}

func (e *Error) Unwrap() error { return e.Err }

// IsStale reports whether err only says that a reused connection had ended
// meanwhile, so that asking again on a fresh one is safe.
func IsStale(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Stale
}

// IsRefused reports whether err means that a fresh connection was of no use,
// so that the target counts as failing.
func IsRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Refused
}

// IsUnnamed reports whether err means that the server may not know CLIENT
// SETNAME and hung up for it.
func IsUnnamed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Unnamed
}

// IsHungUp reports whether err means that a server that had let us in ended the
// connection while a command had no whole reply.
func IsHungUp(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.HungUp
}

// ReasonOf classifies any error of this package or of a reply. It returns ""
// for nil and ReasonCommand for a server error it has no own word for.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Reason != "" {
		return e.Reason
	}
	var se *resp.ServerError
	if errors.As(err, &se) {
		return serverReason(se)
	}
	return ioReason(err)
}

// serverReason reads the error codes that Redis documents; the two refusals
// at connect time have no code of their own.
// Sources: redis src/server.c (shared objects), src/networking.c (acceptCommonHandler).
func serverReason(e *resp.ServerError) Reason {
	switch e.Code {
	case "NOAUTH", "WRONGPASS":
		return ReasonAuth
	case "NOPERM":
		return ReasonACL
	case "DENIED":
		return ReasonProtected
	case "LOADING":
		return ReasonLoading
	case "MASTERDOWN":
		return ReasonMasterDown
	case "BUSY":
		return ReasonBusy
	}
	switch {
	case strings.Contains(e.Message, "max number of clients"):
		return ReasonMaxClients
	// Redis 5 and older answer AUTH with a plain ERR.
	case strings.Contains(e.Message, "invalid password"),
		strings.Contains(e.Message, "no password is set"),
		strings.Contains(e.Message, "without any password configured"):
		return ReasonAuth
	}
	return ReasonCommand
}

// ioReason classifies what the standard library returns from resolving,
// dialing, handshaking and reading.
func ioReason(err error) Reason {
	var (
		protocol *resp.ProtocolError
		dns      *net.DNSError
		file     *fs.PathError
		netErr   net.Error
	)
	switch {
	case errors.As(err, &protocol), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonProtocol
	// Nobody cancels but who stops; and who closes does so on purpose.
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return ReasonClosed
	case errors.As(err, &dns):
		return ReasonDNS
	case isTLS(err):
		return ReasonTLS
	// Before the network's errors, which it would pass for: both wrap an errno.
	case errors.As(err, &file):
		return ReasonConfig
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return ReasonTimeout
	case errors.As(err, &netErr), errors.Is(err, io.EOF):
		return ReasonTCP
	default:
		// What is left are replies of another shape than the command's.
		return ReasonProtocol
	}
}

// isTLS knows the errors of crypto/tls and crypto/x509 that have a type, and
// the alerts, which have none of their own.
func isTLS(err error) bool {
	var (
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		roots   x509.SystemRootsError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &record), errors.As(err, &verify), errors.As(err, &unknown),
		errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &roots):
		return true
	case errors.As(err, &op):
		return op.Op == "remote error" || op.Op == "local error"
	default:
		return false
	}
}
