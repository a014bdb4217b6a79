//go:build linux && !race

package socket

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// Quick returns conn with quick Read and Write. Each of the two may be used by one
// goroutine at a time. What is no socket is returned as it is.
func Quick(conn net.Conn) net.Conn {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return conn
	}
	c := &quick{Conn: conn, raw: raw}
	c.in = call{number: syscall.SYS_READ}
	c.out = call{number: syscall.SYS_WRITE}
	c.in.once, c.out.once = c.in.try, c.out.try
	return c
}

// quick is a socket whose calls the scheduler does not hear of.
type quick struct {
	net.Conn
	raw     syscall.RawConn
	in, out call
}

// call is one direction. What it calls is made once, so that a call allocates
// nothing.
type call struct {
	number uintptr
	once   func(fd uintptr) bool
	p      []byte
	n      int
	errno  syscall.Errno
}

// try calls the kernel once. It reports false when the socket is not ready.
func (c *call) try(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(c.number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.p))), uintptr(len(c.p)))
		switch errno {
		case 0:
			c.n, c.errno = int(n), 0
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			c.n, c.errno = 0, errno
			return true
		}
	}
}

// do calls the kernel until it has done something.
func (c *call) do(p []byte, wait func(func(uintptr) bool) error) error {
	c.p, c.n, c.errno = p, 0, 0
	err := wait(c.once)
	c.p = nil
	return err
}

func (q *quick) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	err := q.in.do(p, q.raw.Read)
	switch {
	case err != nil:
		return 0, renamed("read", err)
	case q.in.errno != 0:
		return 0, q.failed("read", q.in.errno)
	case q.in.n == 0:
		return 0, io.EOF
	}
	return q.in.n, nil
}

func (q *quick) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		err := q.out.do(p[written:], q.raw.Write)
		if err != nil {
			return written, renamed("write", err)
		}
		if q.out.errno != 0 {
			return written, q.failed("write", q.out.errno)
		}
		written += q.out.n
	}
	return written, nil
}

// failed is the error that package net makes of the kernel's.
func (q *quick) failed(op string, errno syscall.Errno) error {
	return &net.OpError{
		Op: op, Net: q.LocalAddr().Network(), Source: q.LocalAddr(), Addr: q.RemoteAddr(), Err: os.NewSyscallError(op, errno),
	}
}

// renamed is an error of the wait under the name that package net has for the
// whole call.
func renamed(op string, err error) error {
	if e, ok := err.(*net.OpError); ok {
		e.Op = op
	}
	return err
}
