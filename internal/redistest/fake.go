package redistest

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Step is one thing the fake does with a connection. An error ends the script
// and closes the connection.
type Step func(*Peer) error

// Script is what the fake does with one connection, in order. After the last
// step the connection stays open and unanswered until the client closes it.
type Script []Step

// Peer is the fake's end of one connection.
type Peer struct {
	net.Conn
	in   *bufio.Reader
	fake *Fake
}

// ReadCommand reads a whole command and notes it for Fake.Got.
func (p *Peer) ReadCommand() ([]string, error) {
	cmd, err := readCommand(p.in)
	if err == nil {
		p.fake.mu.Lock()
		p.fake.got = append(p.fake.got, cmd)
		p.fake.mu.Unlock()
	}
	return cmd, err
}

// Expect reads n whole commands.
func Expect(n int) Step {
	return func(p *Peer) error {
		for range n {
			if _, err := p.ReadCommand(); err != nil {
				return err
			}
		}
		return nil
	}
}

// Write sends text in one write.
func Write(text string) Step {
	return func(p *Peer) error {
		_, err := io.WriteString(p, text)
		return err
	}
}

// Answer reads one command and sends text.
func Answer(text string) Step {
	return func(p *Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		return Write(text)(p)
	}
}

// Drip sends text byte by byte, one every pause.
func Drip(text string, pause time.Duration) Step {
	return func(p *Peer) error {
		for i := range len(text) {
			time.Sleep(pause)
			if _, err := io.WriteString(p, text[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// StallUntil does nothing until released is closed or the test ends.
func StallUntil(released <-chan struct{}) Step {
	return func(p *Peer) error {
		select {
		case <-released:
			return nil
		case <-p.fake.done:
			return net.ErrClosed
		}
	}
}

// Signal closes reached, to tell the test how far the script is.
func Signal(reached chan<- struct{}) Step {
	return func(*Peer) error {
		close(reached)
		return nil
	}
}

// Close ends the connection in the orderly way.
func Close() Step {
	return func(p *Peer) error { return io.EOF }
}

// Reset ends a TCP connection with RST, so that the client sees a reset and
// bytes not yet read by it may be lost.
func Reset() Step {
	return func(p *Peer) error {
		conn := p.Conn
		if t, ok := conn.(*tls.Conn); ok {
			conn = t.NetConn()
		}
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
			_ = t.Close()
		}
		return io.EOF
	}
}

// Fake is a scripted server.
type Fake struct {
	// Addr is host:port, "" for a pipe.
	Addr string

	scripts []Script
	tls     *tls.Config
	done    chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	ended    bool // guarded by mu, as is everything below
	accepted int
	got      [][]string
	open     map[net.Conn]struct{}
}

// NewFake listens on a loopback port. The first connection is served by the
// first script and so on, all further ones by the last.
func NewFake(t testing.TB, scripts ...Script) *Fake {
	t.Helper()
	return listen(t, nil, scripts)
}

// NewTLSFake is NewFake behind TLS.
func NewTLSFake(t testing.TB, cfg *tls.Config, scripts ...Script) *Fake {
	t.Helper()
	return listen(t, cfg, scripts)
}

// NewPipe serves one end of a net.Pipe by the script and returns the other, so
// that a test may run in a synctest bubble.
func NewPipe(t testing.TB, script Script) (*Fake, net.Conn) {
	t.Helper()
	f := newFake(nil, []Script{script})
	client, server := net.Pipe()
	f.serve(server)
	t.Cleanup(f.end)
	return f, client
}

func newFake(cfg *tls.Config, scripts []Script) *Fake {
	return &Fake{scripts: scripts, tls: cfg, done: make(chan struct{}), open: map[net.Conn]struct{}{}}
}

func listen(t testing.TB, cfg *tls.Config, scripts []Script) *Fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("fake server: %v", err)
	}
	f := newFake(cfg, scripts)
	f.Addr = ln.Addr().String()
	f.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.serve(conn)
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		f.end()
	})
	return f
}

// Got returns the commands received so far, over all connections.
func (f *Fake) Got() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]string(nil), f.got...)
}

// Accepted counts the connections so far.
func (f *Fake) Accepted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted
}

func (f *Fake) serve(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		_ = conn.Close()
		return
	}
	f.open[conn] = struct{}{}
	var script Script
	if n := len(f.scripts); n > 0 {
		script = f.scripts[min(f.accepted, n-1)]
	}
	f.accepted++
	f.running.Go(func() {
		f.play(conn, script)
		_ = conn.Close()
		f.mu.Lock()
		delete(f.open, conn)
		f.mu.Unlock()
	})
}

func (f *Fake) play(raw net.Conn, script Script) {
	conn := raw
	if f.tls != nil {
		secured := tls.Server(raw, f.tls)
		if secured.Handshake() != nil {
			return
		}
		conn = secured
	}
	p := &Peer{Conn: conn, in: bufio.NewReader(conn), fake: f}
	for _, step := range script {
		if step(p) != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, p.in)
}

// end closes what is open and waits for every script.
func (f *Fake) end() {
	close(f.done)
	f.mu.Lock()
	f.ended = true
	for conn := range f.open {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
}
