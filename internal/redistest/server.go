package redistest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"redisjobs/internal/child"
	"redisjobs/internal/ports"
)

// patience bounds every wait for a real process or its answer.
const patience = 20 * time.Second

// Config says what server a test wants. The zero value is one without a
// password on a TCP port.
type Config struct {
	// Password is the default user's; "" for none.
	Password string
	// Users are further ACL users, each as in ACL SETUSER:
	// "reader on >secret ~* +@read".
	Users []string
	// UnixSocket asks for a unix socket beside the port.
	UnixSocket bool
	// TLS asks for a TLS port beside the plain one. Client certificates are
	// accepted but not demanded; Args may say "--tls-auth-clients", "yes".
	TLS bool
	// CertNotAfter is when the server's certificate ends; in 30 days if zero.
	CertNotAfter time.Time
	// ClusterBus asks for a free port of its own for the bus of a cluster (Redis
	// 7.0 and newer); else it is the port and 10000.
	ClusterBus bool
	// Args are further options as on the command line: "--maxclients", "10".
	Args []string
	// Bin is the server's executable; redis-server if empty.
	Bin string
	// Lines go into the configuration file as they are, behind all others.
	Lines []string
}

// Server is a redis-server of the test's own. Its methods may be used by
// several goroutines, but for those that stop and start it.
type Server struct {
	Addr     string // host:port, plain
	Password string // of the default user
	Socket   string // path of the unix socket, or ""
	BusPort  string // of the cluster's bus, or ""
	TLSAddr  string // host:port, or ""
	CAFile   string // PEM, or ""
	CertFile string // a client certificate signed by the CA, or ""
	KeyFile  string // its key, or ""
	CA       *CA    // nil without TLS

	bin      string
	args     []string
	confFile string
	process  *process // nil while stopped

	mu      sync.Mutex // one command at a time on the test's own connection
	admin   net.Conn
	buf     *bufio.Reader
	changed bool // by more than keys, see Borrow
}

// Start starts a server, waits until it answers, and stops it when the test
// ends. A missing executable fails the test.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	dir := t.TempDir() // before the cleanup that kills, so that it is removed after
	s := startIn(t, dir, cfg)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// startIn starts a server that has its files in dir. A socket's folder ends with
// the test.
func startIn(t testing.TB, dir string, cfg Config) *Server {
	t.Helper()
	bin := cfg.Bin
	if bin == "" {
		bin = "redis-server"
	}
	path, err := exec.LookPath(bin)
	if err != nil {
		t.Fatalf("this test needs %s on PATH (Debian package redis-server): %v", bin, err)
	}
	s := &Server{bin: path, args: cfg.Args, Password: cfg.Password}
	if cfg.UnixSocket {
		// Not t.TempDir: a socket's path must stay under about 100 bytes.
		dir, err := os.MkdirTemp("", "rt")
		if err != nil {
			t.Fatalf("socket folder: %v", err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		s.Socket = filepath.Join(dir, "s")
	}
	var tlsLines []string
	if cfg.TLS {
		tlsLines = s.issueCertificates(t, cfg.CertNotAfter)
	}
	s.confFile = filepath.Join(dir, "redis.conf")
	// A free port, or that of a cluster's bus 10000 above it, may be taken by
	// another process before the server binds it.
	for attempt := 0; ; attempt++ {
		s.Addr = ports.FreeAddr(t)
		if cfg.TLS {
			s.TLSAddr = ports.FreeAddr(t)
		}
		if cfg.ClusterBus {
			s.BusPort = portOf(ports.FreeAddr(t))
		}
		s.writeConf(t, dir, cfg, tlsLines)
		err := s.launch()
		if err == nil {
			return s
		}
		if attempt == 9 || !strings.Contains(err.Error(), "already in use") {
			s.Kill(t)
			t.Fatalf("start %s: %v", bin, err)
		}
	}
}

func (s *Server) issueCertificates(t testing.TB, notAfter time.Time) []string {
	t.Helper()
	if notAfter.IsZero() {
		notAfter = time.Now().AddDate(0, 0, 30)
	}
	s.CA = NewCA(t)
	s.CAFile = s.CA.File
	certFile, keyFile := s.CA.Issue(t, "server", notAfter, "localhost", "127.0.0.1")
	s.CertFile, s.KeyFile = s.CA.Issue(t, "client", time.Now().AddDate(0, 0, 30))
	return []string{
		"tls-cert-file " + strconv.Quote(certFile),
		"tls-key-file " + strconv.Quote(keyFile),
		"tls-ca-cert-file " + strconv.Quote(s.CAFile),
		"tls-auth-clients optional",
	}
}

func (s *Server) writeConf(t testing.TB, dir string, cfg Config, tlsLines []string) {
	t.Helper()
	lines := append([]string{
		"bind 127.0.0.1",
		"port " + portOf(s.Addr),
		"dir " + strconv.Quote(dir),
		"daemonize no",
		`save ""`,
		"appendonly no",
	}, tlsLines...)
	if cfg.TLS {
		lines = append(lines, "tls-port "+portOf(s.TLSAddr))
	}
	if s.BusPort != "" {
		lines = append(lines, "cluster-port "+s.BusPort)
	}
	if s.Socket != "" {
		lines = append(lines, "unixsocket "+strconv.Quote(s.Socket))
	}
	if cfg.Password != "" {
		lines = append(lines, "requirepass "+strconv.Quote(cfg.Password))
	}
	for _, u := range cfg.Users {
		lines = append(lines, "user "+u)
	}
	lines = append(lines, cfg.Lines...)
	if err := os.WriteFile(s.confFile, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatalf("redis.conf: %v", err)
	}
}

// ClientTLS trusts the server's authority and expects the name localhost.
func (s *Server) ClientTLS() *tls.Config { return s.CA.ClientTLS() }

// InfoField reads one field of INFO, such as "total_connections_received" of
// the section "stats". A missing field fails the test.
func (s *Server) InfoField(t testing.TB, section, field string) string {
	t.Helper()
	for line := range strings.Lines(s.Do(t, "INFO", section)) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("INFO %s has no field %s", section, field)
	return ""
}

// Stop asks the server to end and waits for it.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, terminate)
}

// Kill ends the server at once, as a crash would. It does nothing to a server
// that is stopped.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(t, (*os.Process).Kill)
}

// Restart stops the server if it runs and starts it on the same addresses.
// What was not saved is lost.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := s.launch(); err != nil {
		t.Fatalf("restart: %v", err)
	}
}

// Pause freezes the process: the kernel still accepts connections and bytes
// for it, nobody answers.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	s.changed = true // it is not lent again: it would not answer
	s.mu.Unlock()
	if err := pause(s.process.cmd.Process); err != nil {
		t.Fatalf("pause: %v", err)
	}
}

// Resume ends Pause.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if err := resume(s.process.cmd.Process); err != nil {
		t.Fatalf("resume: %v", err)
	}
}

func (s *Server) end(t testing.TB, how func(*os.Process) error) {
	t.Helper()
	s.mu.Lock()
	s.changed = true
	s.mu.Unlock()
	if s.process == nil {
		return
	}
	// A paused process takes no signal but SIGKILL until it goes on.
	_ = resume(s.process.cmd.Process)
	_ = how(s.process.cmd.Process)
	select {
	case <-s.process.exited:
	case <-time.After(patience):
		_ = s.process.cmd.Process.Kill()
		<-s.process.exited
	}
	s.process = nil
	s.mu.Lock()
	s.disconnect()
	s.mu.Unlock()
}

// launch starts the process and returns when it serves.
func (s *Server) launch() error {
	p := &process{ready: make(chan struct{})}
	p.cmd = exec.Command(s.bin, append([]string{s.confFile}, s.args...)...)
	p.cmd.Stdout = p
	p.cmd.Stderr = p
	var err error
	if p.exited, err = child.Start(p.cmd, syscall.SIGKILL); err != nil {
		return err
	}
	s.process = p
	select {
	case <-p.ready:
	case <-p.exited:
		s.process = nil
		return fmt.Errorf("it ended at once: %s", p.output())
	case <-time.After(patience):
		return fmt.Errorf("not ready after %v: %s", patience, p.output())
	}
	// Any answer will do: a replica may have to refuse.
	var refused refusal
	if _, err := s.TryDo("PING"); err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// process collects the server's log. Its "Ready to accept connections", or a
// Sentinel's "Sentinel ID is", is written after every socket is bound, so that
// an answer on the port cannot be that of another server.
type process struct {
	cmd    *exec.Cmd
	ready  chan struct{}
	exited <-chan struct{}

	mu      sync.Mutex
	log     bytes.Buffer
	isReady bool
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log.Write(b)
	if !p.isReady && (bytes.Contains(p.log.Bytes(), []byte("Ready to accept connections")) ||
		bytes.Contains(p.log.Bytes(), []byte("Sentinel ID is"))) {
		p.isReady = true
		close(p.ready)
	}
	return len(b), nil
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
