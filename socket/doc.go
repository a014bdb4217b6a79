// Package socket reads and writes sockets without telling Go's scheduler.
//
// The scheduler takes a call of the kernel for one that may block: when it lasts
// longer than about 20 microseconds, a process with one processor gives that to
// another thread, which finds nothing to do, and the thread that watches over this
// never sleeps for longer than these 20 microseconds. That was up to a
// sixth of the time that a check takes of a processor. But the calls of a socket that does not block
// are short: a write over the loopback interface takes as long as that because the
// kernel delivers the bytes in it.
package socket
