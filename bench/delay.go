package main

import (
	"net"
	"sync"
	"time"
)

// delayed returns the address of a proxy to the server at addr that is oneWay
// away. A connect on loopback is done before the proxy knows; the round trip
// that it would have taken is added to the first bytes of the client.
func delayed(s *scope, addr string, oneWay time.Duration) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	var conns sync.WaitGroup
	s.Cleanup(conns.Wait)
	s.Cleanup(func() { listener.Close() })
	ended := make(chan struct{})
	s.Cleanup(func() { close(ended) })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			connect := 2 * oneWay
			conns.Go(func() { haul(far, near, oneWay, connect) })
			conns.Go(func() { haul(near, far, oneWay, 0) })
			go func() {
				<-ended
				near.Close()
				far.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// parcel is what was read at once, and when it is due.
type parcel struct {
	bytes []byte
	due   time.Time
}

// haul carries bytes from one socket to the other, late by the given time, the
// first ones by first more. It ends both when either ends.
func haul(to, from net.Conn, late, first time.Duration) {
	parcels := make(chan parcel, 1024)
	go func() {
		defer close(parcels)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			parcels <- parcel{buf[:n], time.Now().Add(late + first)}
			first = 0
		}
	}()
	for p := range parcels {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	to.Close()
	from.Close() // ends the reader, if it still reads
	for range parcels {
	}
}
