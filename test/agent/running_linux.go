package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"redisjobs/internal/child"
	"redisjobs/internal/ports"
)

const (
	startWithin = 20 * time.Second // agents 7.x wait for a plugin's registration without a limit of their own
	stopWithin  = 20 * time.Second // 5 s are the agents' own limit, more on a busy machine
	orphanGrace = 3 * time.Second
	poll        = 20 * time.Millisecond
)

// Running is an agent that has been started.
type Running struct {
	Agent Agent
	Addr  string // where it answers passive checks
	Conf  string // its configuration file

	config  Config
	cmd     *exec.Cmd
	log     string
	sockets string
	done    <-chan struct{} // closed when the agent has ended
}

// Start runs an agent and waits until it answers. It ends the test, with the agent's log, when the agent does not get
// that far. Whatever is left of the agent and its plugin when the test ends is killed.
func Start(t testing.TB, a Agent, c Config) *Running {
	t.Helper()
	r, err := Launch(t, a, c)
	if err != nil {
		t.Fatalf("%s: %v\n%s", a.Name, err, r.Log())
	}
	return r
}

// Launch is Start for agents that may refuse to start. The error says whether the agent ended, with which code, or
// still does not answer after 20 seconds; its log tells why.
func Launch(t testing.TB, a Agent, c Config) (*Running, error) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		r := launch(t, a, c)
		err := r.awaitReady()
		// Between finding a free port and the agent's binding it, somebody else may have taken it.
		if err == nil || attempt == 3 || !strings.Contains(r.Log(), "address already in use") {
			return r, err
		}
		r.Kill()
	}
}

func launch(t testing.TB, a Agent, c Config) *Running {
	t.Helper()
	dir := folder(t)
	port := ports.Free(t)
	r := &Running{
		Agent:   a,
		Addr:    fmt.Sprintf("127.0.0.1:%d", port),
		Conf:    filepath.Join(dir, "agent.conf"),
		config:  c,
		log:     filepath.Join(dir, "agent.log"),
		sockets: dir,
	}
	if err := os.WriteFile(r.Conf, []byte(c.text(port, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()

	r.cmd = exec.Command(a.Path, "-c", r.Conf, "-f")
	r.cmd.Dir = dir
	r.cmd.Env = append(os.Environ(), c.Env...)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if r.done, err = child.Start(r.cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Kill()
		killAll(r.PluginPIDs())
		if !t.Failed() {
			return
		}
		if said := tail(usual.ReplaceAllLiteralString(r.Log(), ""), 100); said != "" {
			t.Logf("log of %s %s:\n%s", a.Name, a.Version, said)
		}
	})
	return r
}

func (r *Running) awaitReady() error {
	within := cmp.Or(r.config.StartWithin, startWithin)
	late := time.After(within)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		value, err := Query(ctx, r.Addr, Plain, "agent.ping", time.Second)
		cancel()
		if err == nil && value == "1" {
			return nil
		}
		select {
		case <-r.done:
			return fmt.Errorf("agent ended with code %d before it answered", r.cmd.ProcessState.ExitCode())
		case <-late:
			return fmt.Errorf("agent does not answer after %v: %w", within, err)
		case <-time.After(poll):
		}
	}
}

// Get asks for one item with the timeout of the agent's configuration. A *NotSupported error is the agent's answer that
// the item cannot be read; any other error is none of the item's.
func (r *Running) Get(key string) (string, error) {
	return r.GetWithin(key, r.config.timeout())
}

// GetWithin asks for one item with an item timeout. Agents before 7.0 cannot be told it and use their own.
func (r *Running) GetWithin(key string, timeout time.Duration) (string, error) {
	// The agent answers a late item itself, some time after the timeout; only then is the agent at fault.
	ctx, cancel := context.WithTimeout(context.Background(), max(timeout, r.config.timeout())+10*time.Second)
	defer cancel()
	return Query(ctx, r.Addr, r.Agent.Dialect(), key, timeout)
}

// PluginPIDs returns the processes of the agent's plugin that are alive: those that were started for the agent's plugin
// socket, the agent's children or orphans.
func (r *Running) PluginPIDs() []int {
	return processes(filepath.Join(r.sockets, pluginSocket))
}

// PID is the agent's process.
func (r *Running) PID() int { return r.cmd.Process.Pid }

// Signal sends a signal to the agent.
func (r *Running) Signal(signal os.Signal) error { return r.cmd.Process.Signal(signal) }

// Alive reports whether the agent's process has not ended.
func (r *Running) Alive() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// Wait waits until the agent has ended and returns its exit code (-1: by a signal), or an error when it is still alive
// after the given time.
func (r *Running) Wait(within time.Duration) (code int, err error) {
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode(), nil
	case <-time.After(within):
		return 0, fmt.Errorf("%s is still alive after %v", r.Agent.Name, within)
	}
}

// Stop ends the agent as a service manager would, with SIGTERM. It fails the test when the agent does not end, ends
// with a code other than 0, or leaves a process of its plugin behind.
func (r *Running) Stop(t testing.TB) {
	t.Helper()
	if err := r.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stopping %s: %v", r.Agent.Name, err)
	}
	code, err := r.Wait(stopWithin)
	if err != nil {
		t.Errorf("SIGTERM: %v", err)
		return
	}
	if code != 0 {
		t.Errorf("%s ended with code %d", r.Agent.Name, code)
	}
	if orphans := r.AwaitNoPlugin(orphanGrace); len(orphans) > 0 {
		t.Errorf("%s left plugin processes behind: %v", r.Agent.Name, orphans)
	}
}

// AwaitNoPlugin waits until no process of the plugin is alive and returns those that are after the given time.
func (r *Running) AwaitNoPlugin(within time.Duration) []int {
	late := time.After(within)
	for {
		left := r.PluginPIDs()
		if len(left) == 0 {
			return nil
		}
		select {
		case <-late:
			return left
		case <-time.After(poll):
		}
	}
}

// Kill ends the agent with SIGKILL and waits for its end. Its plugin is left to notice on its own.
func (r *Running) Kill() {
	r.cmd.Process.Kill()
	<-r.done
}

// Log returns what the agent has logged so far.
func (r *Running) Log() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Control sends a runtime command (agent option -R, for example userparameter_reload) to the agent.
func (r *Running) Control(t testing.TB, command string) (output string, code int) {
	t.Helper()
	return run(t, r.Agent, nil, "-c", r.Conf, "-R", command)
}

// usual are the lines that every agent begins with.
var usual = regexp.MustCompile(`(?m)^(?:.* using plugin '\w+' .*|.* Starting Zabbix Agent 2 .*|.* OpenSSL library .*|.* using configuration file: .*|` +
	`.* lowering the plugin \w+ capacity .*|.* Plugin communication protocol version .*|.* Zabbix Agent2 hostname: .*|Press Ctrl\+C to exit\.)\n`)

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
