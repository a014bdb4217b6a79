//go:build !linux || race

package socket

import "net"

// Quick returns conn. On Linux its Read and Write are quick, but under the race
// detector, which learns of the order of events from those of package net.
func Quick(conn net.Conn) net.Conn { return conn }
