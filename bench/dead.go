package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"redisjobs/internal/ports"
)

// A dead server is one of these. All are made on the loopback device, without
// a touch to the machine's network.

// stalled returns the address of a server that accepts connections and never
// says a word.
func stalled(s *scope) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { listener.Close() })
	go func() {
		var held []net.Conn // else the collector would close them
		for {
			conn, err := listener.Accept()
			if err != nil {
				for _, c := range held {
					c.Close()
				}
				return
			}
			held = append(held, conn)
		}
	}()
	return listener.Addr().String()
}

// blackhole returns an address that takes no notice of who connects, as behind
// a firewall that drops packets: the listener's queue is full and nobody
// empties it, so the kernel ignores further attempts.
func blackhole(s *scope) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		s.Fatal(os.NewSyscallError("socket", err))
	}
	s.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		syscall.Listen(fd, 0),
	); err != nil {
		s.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		s.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 8 {
		conn, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			return addr
		}
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { conn.Close() })
	}
	s.Fatalf("the queue of %s does not fill up", addr)
	return ""
}

// deadServers returns n addresses, a third of them of each kind, the first one
// stalled.
func deadServers(s *scope, n int) []string {
	kinds := []func(*scope) string{stalled, blackhole, func(s *scope) string { return ports.FreeAddr(s) }}
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = kinds[i%len(kinds)](s)
	}
	return addrs
}
