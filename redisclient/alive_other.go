//go:build !unix

package redisclient

import "net"

type peek struct{}

func (*peek) init(net.Conn) {}

// Alive reports what Err says: this system cannot look at a socket without
// taking what it holds. A connection that ended meanwhile shows as a stale
// *Error in the next DoAll.
func (c *Conn) Alive() error { return c.Err() }
