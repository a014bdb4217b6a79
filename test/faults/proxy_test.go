//go:build e2e && linux

package faults

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between the plugin and a server and does to TCP connections what networks do.
type proxy struct {
	addr string
	done sync.WaitGroup

	mu       sync.Mutex // guards everything below, and the flows' states
	changed  *sync.Cond
	backend  string
	mute     bool // new flows are lost
	flows    map[*flow]bool
	accepted int
	closed   bool

	holdUp   bool // bytes to the server are not taken from the client
	holdDown bool // bytes to the client wait here
	credit   int  // so many chunks to the client pass all the same
	waiting  int  // chunks that wait
}

// flow is one connection through the proxy.
type flow struct {
	client, server net.Conn
	lost           bool // nothing passes any more, and nobody is told
	forgotten      bool // the client is told when it says something
}

func newProxy(t testing.TB, backend string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveProxy(t, listener, backend)
}

func serveProxy(t testing.TB, listener net.Listener, backend string) *proxy {
	t.Helper()
	p := &proxy{addr: listener.Addr().String(), backend: backend, flows: map[*flow]bool{}}
	p.changed = sync.NewCond(&p.mu)
	p.done.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.update(func() { p.closed = true })
		p.cut()
		p.done.Wait()
	})
	return p
}

// update changes the state and wakes up whoever waits for that.
func (p *proxy) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

func (p *proxy) serve(client net.Conn) {
	p.mu.Lock()
	p.accepted++
	backend, f := p.backend, &flow{client: client, lost: p.mute}
	p.mu.Unlock()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		reset(client)
		return
	}
	f.server = server
	p.mu.Lock()
	closed := p.closed
	p.flows[f] = true
	p.mu.Unlock()
	if closed {
		reset(client)
	}
	p.done.Go(func() { p.copy(f, server, client, false) })
	p.copy(f, client, server, true)
}

// copy forwards chunks until one side ends or the flow is lost; then the other side hears nothing of it.
func (p *proxy) copy(f *flow, from, to net.Conn, up bool) {
	buf := make([]byte, 64<<10)
	for {
		if up {
			p.mu.Lock()
			for p.holdUp && !p.closed {
				p.changed.Wait()
			}
			p.mu.Unlock()
		}
		n, err := from.Read(buf)
		p.mu.Lock()
		if !up && n > 0 {
			p.waiting++
			for p.holdDown && p.credit == 0 && !p.closed && !f.lost {
				p.changed.Wait()
			}
			p.waiting--
			if p.holdDown && p.credit > 0 {
				p.credit--
			}
		}
		lost, forgotten := f.lost, f.forgotten
		p.mu.Unlock()
		switch {
		case up && forgotten:
			reset(f.client)
			err = net.ErrClosed
		case n > 0 && !lost:
			_, _ = to.Write(buf[:n])
		}
		if err == nil {
			continue
		}
		// The client's end is the end of a lost flow too, the server's is not.
		if up || !lost && !forgotten {
			_ = f.client.Close()
		}
		_ = f.server.Close()
		if up {
			p.mu.Lock()
			delete(p.flows, f)
			p.mu.Unlock()
		}
		return
	}
}

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// each runs a function on every flow.
func (p *proxy) each(do func(*flow)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for f := range p.flows {
		do(f)
	}
}

// cut resets all flows.
func (p *proxy) cut() {
	p.each(func(f *flow) { reset(f.client); _ = f.server.Close() })
}

// lose makes the network a black hole: what is on its way is lost, connections are made and nothing passes. The flows
// stay lost after restore.
func (p *proxy) lose() {
	p.each(func(f *flow) { f.lost = true })
	p.update(func() { p.mute = true })
}

// restore lets new flows pass.
func (p *proxy) restore() { p.update(func() { p.mute = false }) }

// forget drops the flows as a firewall does with idle ones: the client hears of it when it says something.
func (p *proxy) forget() {
	p.each(func(f *flow) { f.forgotten = true; _ = f.server.Close() })
}

// hold keeps what servers say from their clients until release.
func (p *proxy) hold()    { p.update(func() { p.holdDown = true }) }
func (p *proxy) release() { p.update(func() { p.holdDown, p.credit = false, 0 }) }

// pass lets n chunks through that hold keeps.
func (p *proxy) pass(n int) { p.update(func() { p.credit += n }) }

// held counts the flows on which something waits for release.
func (p *proxy) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// choke takes nothing more from clients, or goes on.
func (p *proxy) choke(on bool) { p.update(func() { p.holdUp = on }) }

// move leads new flows to another server.
func (p *proxy) move(backend string) { p.update(func() { p.backend = backend }) }

// say sends text to all clients as if it came from the server.
func (p *proxy) say(text string) {
	p.each(func(f *flow) { _, _ = f.client.Write([]byte(text)) })
}

// count is how many flows there were.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}
