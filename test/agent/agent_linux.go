package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"redisjobs/internal/ports"
)

// Agent is one of the real agents that test/agents.sh has fetched.
type Agent struct {
	Name    string // agent-6.0, agent-7.0-backports, agent-7.0-stable, agent-7.0-newest
	Version string // as the agent says it itself: 7.0.9
	Path    string // the executable, which may be a wrapper that execs the agent
}

// Dialect is how the agent is asked for items.
func (a Agent) Dialect() Dialect {
	if strings.HasPrefix(a.Version, "6.") {
		return Plain
	}
	return JSON
}

// AtLeast says whether the agent's version is this one or newer.
func (a Agent) AtLeast(version ...int) bool {
	var own []int
	for part := range strings.SplitSeq(a.Version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return false
		}
		own = append(own, n)
	}
	return slices.Compare(own, version) >= 0
}

// List returns the agents named by the manifest in REDISJOBS_AGENTS, else by the one in the user's cache folder. It
// ends the test when there are none.
func List(t testing.TB) []Agent {
	t.Helper()
	path := os.Getenv("REDISJOBS_AGENTS")
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(cache, "redisjobs", "agents", "agents.txt")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no Zabbix agents to test with, run `make test-e2e`: %v", err)
	}
	agents, err := parseManifest(string(text))
	if err != nil {
		t.Fatalf("%s: %v; remove it and run `make test-e2e`", path, err)
	}
	return agents
}

// parseManifest reads lines of "name version path"; the path may hold blanks. A line "name - reason" is about an agent
// that cannot be had.
func parseManifest(text string) ([]Agent, error) {
	var agents []Agent
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) == 3 && fields[1] == "-" {
			continue
		}
		if len(fields) != 3 || !filepath.IsAbs(fields[2]) {
			return nil, fmt.Errorf("line %q is not \"name version path\"", line)
		}
		agents = append(agents, Agent{Name: fields[0], Version: fields[1], Path: fields[2]})
	}
	if len(agents) == 0 {
		return nil, errors.New("names no agent")
	}
	return agents, nil
}

// Plugin returns the path of the plugin that `make build` makes (or REDISJOBS_PLUGIN); it ends the test when it is not
// there.
func Plugin(t testing.TB) string {
	t.Helper()
	return built(t, "REDISJOBS_PLUGIN", "zabbix-agent2-plugin-redisjobs")
}

// TestPlugin returns the path of the plugin's test build, which has keys that break it on purpose.
func TestPlugin(t testing.TB) string {
	t.Helper()
	return built(t, "REDISJOBS_TEST_PLUGIN", "test-plugin")
}

func built(t testing.TB, variable, name string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join(Root(t), "build", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no plugin to test, run `make test-e2e`: %v", err)
	}
	return path
}

// Root returns the folder of the repository that the test runs in.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// Config is what differs between one agent of a test and another.
type Config struct {
	Plugin   string   // absolute path of the plugin's executable; none when empty
	Name     string   // the plugin's name, RedisJobs when empty
	Timeout  int      // the agent's Timeout in seconds, 3 when 0
	Includes []string // files to include, before the lines below
	// ConfLines are lines of the agent's configuration. Of a scalar option given twice the agent takes the last, so they
	// overrule the included files.
	ConfLines []string
	Env       []string // additions to the environment of the agent and its plugin, NAME=value
	// StartWithin is how long it may take until the agent answers, 20 s when 0.
	StartWithin time.Duration
}

func (c Config) timeout() time.Duration {
	if c.Timeout == 0 {
		return 3 * time.Second
	}
	return time.Duration(c.Timeout) * time.Second
}

// text returns the agent's configuration file. Sockets and port are the agent's own, so that any number of agents can
// live side by side.
func (c Config) text(port int, sockets string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("LogType=console")
	line("DebugLevel=3")
	line("Hostname=test")
	line("Server=127.0.0.1")
	line("ServerActive=")
	line("ListenIP=127.0.0.1")
	line("ListenPort=%d", port)
	line("PidFile=%s", filepath.Join(sockets, "agent.pid"))
	line("ControlSocket=%s", filepath.Join(sockets, "control.sock"))
	line("PluginSocket=%s", filepath.Join(sockets, pluginSocket))
	line("Timeout=%d", int(c.timeout().Seconds()))
	for _, file := range c.Includes {
		line("Include=%s", file)
	}
	if c.Plugin != "" {
		name := c.Name
		if name == "" {
			name = "RedisJobs"
		}
		line("Plugins.%s.System.Path=%s", name, c.Plugin)
	}
	for _, text := range c.ConfLines {
		line("%s", text)
	}
	return b.String()
}

const pluginSocket = "plugin.sock"

// folder makes a short-named folder: a socket's path is limited to about 100 bytes, which t.TempDir can exceed.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rj")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Check runs the agent with arguments such as -T or -t key on a configuration and sockets of its own, and returns what
// it printed and its exit code. It ends the test when the agent does not end within 30 seconds.
func Check(t testing.TB, a Agent, c Config, args ...string) (output string, code int) {
	t.Helper()
	dir := folder(t)
	path := filepath.Join(dir, "agent.conf")
	if err := os.WriteFile(path, []byte(c.text(ports.Free(t), dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { killAll(processes(filepath.Join(dir, pluginSocket))) })
	return run(t, a, c.Env, append([]string{"-c", path}, args...)...)
}

func run(t testing.TB, a Agent, env []string, args ...string) (output string, code int) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(a.Path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	// A plugin that outlives the agent would keep the pipe open.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		t.Fatalf("%s %v did not end within 30 s:\n%s", a.Name, args, out.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
