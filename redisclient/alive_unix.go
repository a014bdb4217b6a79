//go:build unix

package redisclient

import (
	"errors"
	"net"
	"syscall"
)

var (
	errEnded   = errors.New("the server closed the idle connection")
	errWaiting = errors.New("bytes are waiting on the idle connection")
)

// peek looks at what the kernel holds for a socket without taking it. The
// callback is made once, so that a look allocates nothing.
type peek struct {
	socket syscall.RawConn // nil for what is no socket
	look   func(fd uintptr)
	n      int
	err    error
	buf    [1]byte
}

func (p *peek) init(conn net.Conn) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	socket, err := sc.SyscallConn()
	if err != nil {
		return
	}
	p.socket = socket
	p.look = func(fd uintptr) {
		for {
			p.n, _, p.err = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if p.err != syscall.EINTR {
				return
			}
		}
	}
}

// Alive reports, without blocking, why an idle connection must not be used
// again: it has failed, the server has closed it, or bytes are waiting. Nobody
// asked for those: they are a late answer to an abandoned question, the last
// words of a server that hangs up, or TLS's notice of that, and the next
// question would get them for an answer. Only before the first conversation
// may bytes wait: TLS session tickets, or a refusal that DoAll will report.
//
// It must not be called during a conversation. Systems without MSG_PEEK answer
// what Err says.
func (c *Conn) Alive() error {
	if err := c.Err(); err != nil {
		return err
	}
	if c.peek.socket == nil {
		return nil
	}
	// Control, not Read, which would fail once the deadline of the last
	// conversation is over.
	if err := c.peek.socket.Control(c.peek.look); err != nil {
		return err
	}
	switch {
	case c.peek.err == syscall.EAGAIN:
		return nil
	case c.peek.err != nil:
		return c.peek.err
	case c.peek.n == 0:
		return errEnded
	case c.served:
		return errWaiting
	default:
		return nil
	}
}
