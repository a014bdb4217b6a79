package redisclient

import (
	"net"
	"time"
)

// ConnInfo describes how a connection came about.
type ConnInfo struct {
	// Addr is the address that answered, after name resolution.
	Addr string
	// Here: the server is on this machine, by the addresses of the connection: its own
	// end and the server's are the same one, or the server's is a loopback address.
	Here bool
	// Connect is the time for name resolution and the TCP or unix connect.
	Connect time.Duration
	// TLS is the time for the TLS handshake; 0 without TLS.
	TLS time.Duration
	// Auth is the time from the first write to the last handshake reply. The
	// first command travels in the same write.
	Auth time.Duration
	// CertNotAfter is when the server's certificate ends; zero without TLS.
	CertNotAfter time.Time
	// At is when the connection was made.
	At time.Time
	// Anonymous: no password was sent. A server that answers all the same lets
	// anybody in as its user default.
	Anonymous bool
}

// isHere reports whether a connection leads to this machine itself: from one of its
// own addresses the system dials that same one.
func isHere(raw net.Conn) bool {
	remote, ok1 := raw.RemoteAddr().(*net.TCPAddr)
	local, ok2 := raw.LocalAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return raw.RemoteAddr().Network() == "unix"
	}
	return remote.IP.IsLoopback() || remote.IP.Equal(local.IP)
}
