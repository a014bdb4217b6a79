//go:build linux && !race

package socket

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Quick returns conn with quick Read and Write. What is no socket is returned as it
// is.
func Quick(conn net.Conn) net.Conn {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return conn
	}
	return &quick{conn, raw}
}

// quick is a socket whose calls the scheduler does not hear of.
type quick struct {
	net.Conn
	raw syscall.RawConn
}

// calls are shared by all sockets: there are thousands that do nothing.
var calls = sync.Pool{New: func() any {
	c := new(call)
	c.once = c.try
	return c
}}

// call is a read or a write. What the socket calls is made once, so that a call
// allocates nothing.
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
func do(number uintptr, p []byte, wait func(func(uintptr) bool) error) (n int, errno syscall.Errno, err error) {
	c := calls.Get().(*call)
	defer calls.Put(c)
	c.number, c.p, c.n, c.errno = number, p, 0, 0
	err = wait(c.once)
	c.p = nil
	return c.n, c.errno, err
}

func (q *quick) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, errno, err := do(syscall.SYS_READ, p, q.raw.Read)
	switch {
	case err != nil:
		return 0, renamed("read", err)
	case errno != 0:
		return 0, q.failed("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (q *quick) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, errno, err := do(syscall.SYS_WRITE, p[written:], q.raw.Write)
		if err != nil {
			return written, renamed("write", err)
		}
		if errno != 0 {
			return written, q.failed("write", errno)
		}
		written += n
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
