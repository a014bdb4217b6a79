package driver

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdkplugin "golang.zabbix.com/sdk/plugin"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/internal/child"
	"redisjobs/test/agent"
	"redisjobs/test/stall"
)

// patience bounds every wait for the process itself.
const patience = 20 * time.Second

// Config says what process a test wants.
type Config struct {
	Program string   // the executable; the plugin as `make build` makes it if empty
	Options []string // lines below Plugins.RedisJobs., as "Sessions.A.Uri=tcp://localhost"
	Timeout int      // the agent's Timeout in seconds; 3 if 0
	Env     []string // additions to the environment, NAME=value
}

// Plugin is a running process and the agent's end of its socket. Its methods may be used by many goroutines.
type Plugin struct {
	timeout int
	cmd     *exec.Cmd
	conn    net.Conn
	output  output
	exited  <-chan struct{}

	writing sync.Mutex // one frame after the other

	mu      sync.Mutex // guards everything below
	reading *sync.Cond // signalled when paused changes
	paused  bool
	nextID  uint32
	checks  map[uint32]*Check // sent and not answered; nil when the socket has ended
	given   map[uint32]bool   // given up
	strays  []string
	logs    []string
}

// Start runs the plugin and configures it. When the test ends the process is told to go; it must end with 0, unless the
// test has ended it or hung up, and have left no stray answer and nothing on stdout and stderr.
func Start(t testing.TB, c Config) *Plugin {
	t.Helper()
	p := Launch(t, c)
	p.Configure(t, c.Options...)
	t.Cleanup(func() {
		if p.Alive() {
			p.Terminate(t)
		}
		p.check(t)
	})
	return p
}

// Launch is Start that neither configures the plugin nor looks at it when the test ends.
func Launch(t testing.TB, c Config) *Plugin {
	t.Helper()
	stall.Watch()
	if c.Program == "" {
		c.Program = agent.Plugin(t)
	}
	if c.Timeout == 0 {
		c.Timeout = 3
	}
	dir, err := os.MkdirTemp("", "rj") // a socket's path is limited to about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_ = listener.(*net.UnixListener).SetDeadline(time.Now().Add(patience))

	p := &Plugin{
		timeout: c.Timeout,
		checks:  map[uint32]*Check{},
		given:   map[uint32]bool{},
	}
	p.reading = sync.NewCond(&p.mu)
	p.run(t, exec.Command(c.Program, socket, "false"), c.Env)
	if p.conn, err = listener.Accept(); err != nil {
		t.Fatalf("the plugin does not connect: %v\n%s", err, p.Output())
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.conn.Close()
		p.ResumeReading()
		<-p.exited
		if t.Failed() {
			t.Logf("log of the plugin:\n%s\n%s", strings.Join(p.Logs(), "\n"), p.Output())
		}
	})
	go p.read()
	return p
}

func (p *Plugin) run(t testing.TB, cmd *exec.Cmd, env []string) {
	t.Helper()
	p.cmd = cmd
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	var err error
	if p.exited, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// Configure sends a configuration as agents do after the process was started. There is no answer to it.
func (p *Plugin) Configure(t testing.TB, options ...string) {
	t.Helper()
	p.send(t, comms.ConfigureRequest{
		Common:         comms.Common{Id: p.id(), Type: comms.ConfigureRequestType},
		GlobalOptions:  &sdkplugin.GlobalOptions{Timeout: p.timeout},
		PrivateOptions: tree(options),
	})
	p.send(t, comms.StartRequest{Common: comms.Common{Id: p.id(), Type: comms.StartRequestType}})
}

func (p *Plugin) send(t testing.TB, request any) {
	t.Helper()
	if err := p.write(request); err != nil {
		t.Fatalf("writing to the plugin: %v\n%s", err, p.Output())
	}
}

func (p *Plugin) write(request any) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return comms.Write(p.conn, request)
}

// Write sends bytes as they are, between two requests.
func (p *Plugin) Write(b []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.conn.Write(b)
	return err
}

// SendTerminate asks the process to end and does not wait for that.
func (p *Plugin) SendTerminate() error {
	return p.write(comms.TerminateRequest{Common: comms.Common{Id: p.id(), Type: comms.TerminateRequestType}})
}

// Terminate asks the process to end, as an agent does, and fails the test unless it ends with 0.
func (p *Plugin) Terminate(t testing.TB) {
	t.Helper()
	if err := p.SendTerminate(); err != nil {
		t.Errorf("the plugin has hung up before it was terminated: %v", err)
		return
	}
	switch code, ended := p.Wait(patience); {
	case !ended:
		t.Errorf("the plugin has not ended %v after it was terminated", patience)
	case code != 0:
		t.Errorf("the plugin ended with %d after it was terminated", code)
	}
}

// HangUp closes the agent's end of the socket, as the end of an agent does.
func (p *Plugin) HangUp() { _ = p.conn.Close() }

// Wait waits for the end of the process and returns its exit code, -1 after a signal.
func (p *Plugin) Wait(within time.Duration) (code int, ended bool) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), true
	case <-time.After(within):
		return 0, false
	}
}

// Alive reports whether the process has not ended.
func (p *Plugin) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the process.
func (p *Plugin) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// PID is the process's number.
func (p *Plugin) PID() int { return p.cmd.Process.Pid }

// Output is what the process has printed, which should be nothing.
func (p *Plugin) Output() string { return p.output.String() }

// Logs are the lines that the process has sent for the agent's log.
func (p *Plugin) Logs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.logs...)
}

// Logged reports whether a log line holds the text.
func (p *Plugin) Logged(text string) bool {
	for _, line := range p.Logs() {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// Strays are the frames that answer nothing which was asked and not yet answered.
func (p *Plugin) Strays() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.strays...)
}

// check is what must hold of any process at the end.
func (p *Plugin) check(t testing.TB) {
	t.Helper()
	if strays := p.Strays(); len(strays) > 0 {
		t.Errorf("%d answers to nothing, such as %s", len(strays), strays[0])
	}
	if text := p.Output(); text != "" {
		t.Errorf("the plugin has printed: %s", text)
	}
}

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
