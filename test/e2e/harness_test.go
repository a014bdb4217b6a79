//go:build e2e && linux

// Package e2e tests the built plugin as its users run it: inside real Zabbix
// agents, with the shipped configuration, against real Redis servers.
package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
	"redisjobs/test/stall"
)

// eachAgent runs a test in every agent, side by side.
func eachAgent(t *testing.T, test func(t *testing.T, a agent.Agent)) {
	for _, a := range agent.List(t) {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			test(t, a)
		})
	}
}

// setup is what an agent is to run with.
type setup struct {
	plugin     string   // the executable
	noAliases  bool     // leave redis.info and the like to the built-in plugin
	debugLevel string   // 3 if empty
	lines      []string // of the plugin's options, without "Plugins.RedisJobs."
}

var (
	shippedPath = regexp.MustCompile(`(?m)^Plugins\.RedisJobs\.System\.Path=.*$`)
)

// config writes the shipped configuration with the path of the plugin put in,
// and a file of the user's own options beside it.
func (s setup) config(t testing.TB) agent.Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(agent.Root(t), "packaging", "redisjobs.conf"))
	require.NoError(t, err)
	require.Len(t, shippedPath.FindAll(text, -1), 1)
	text = shippedPath.ReplaceAllLiteral(text, []byte("Plugins.RedisJobs.System.Path="+s.plugin))
	var own strings.Builder
	for _, line := range s.lines {
		own.WriteString("Plugins.RedisJobs." + line + "\n")
	}
	// Agents read globs in alphabetical order: the user's file comes second.
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "redisjobs.conf"), text, 0o600))
	if !s.noAliases {
		aliases, err := os.ReadFile(filepath.Join(agent.Root(t), "packaging", "redisjobs-aliases.conf"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "redisjobs-aliases.conf"), aliases, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sessions.conf"), []byte(own.String()), 0o600))
	c := agent.Config{Includes: []string{filepath.Join(dir, "*.conf")}}
	if s.debugLevel != "" {
		c.ConfLines = []string{"DebugLevel=" + s.debugLevel}
	}
	return c
}

// asked is an agent that remembers its answers.
type asked struct {
	*agent.Running

	mu      sync.Mutex
	answers []string
}

func start(t testing.TB, a agent.Agent, s setup) *asked {
	t.Helper()
	stall.Watch()
	return &asked{Running: agent.Start(t, a, s.config(t))}
}

// agentTimeout is what an agent says when its plugin is late.
var agentTimeout = regexp.MustCompile(`^(?i)timeout (occurred|while|[0-9.]+s reached)`)

// get is one item: its value, or the reason why it is not supported. The plugin answers shortly before the agent's time
// is over; when the machine stood still just then the item is asked again.
func (r *asked) get(key string) (value string, refused *agent.NotSupported, err error) {
	for {
		began := time.Now()
		value, err = r.Get(key)
		ended := time.Now()
		if !errors.As(err, &refused) {
			break
		}
		value, err = "", nil
		if !agentTimeout.MatchString(refused.Text) || ended.Sub(began)-stall.Awake(began, ended) < 100*time.Millisecond {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, value)
	if refused != nil {
		r.answers = append(r.answers, refused.Text)
	}
	return value, refused, err
}

// value is the value of an item that must have one.
func (r *asked) value(t testing.TB, key string) string {
	t.Helper()
	value, refused, err := r.get(key)
	require.NoError(t, err, key)
	require.Nil(t, refused, "%s: %v", key, refused)
	return value
}

// refused is why an item is not supported, which it must not be.
func (r *asked) refused(t testing.TB, key string) string {
	t.Helper()
	value, refused, err := r.get(key)
	require.NoError(t, err, key)
	require.NotNil(t, refused, "%s has a value: %s", key, value)
	return refused.Text
}

// document is the value of an item that is a JSON object.
func (r *asked) document(t testing.TB, key string) object {
	t.Helper()
	return parse(t, r.value(t, key))
}

// pluginLines are the lines that the plugin has written into the agent's log.
func (r *asked) pluginLines() []string {
	var lines []string
	for line := range strings.Lines(r.Log()) {
		if strings.Contains(line, "[RedisJobs]") {
			lines = append(lines, line)
		}
	}
	return lines
}

// servingPID is the plugin's process; there must be exactly one.
func (r *asked) servingPID(t testing.TB) int {
	t.Helper()
	var pids []int
	await(t, 10*time.Second, "one plugin process", func() bool { // that of the registration may be about to end
		pids = r.PluginPIDs()
		return len(pids) == 1
	})
	return pids[0]
}

// object is a JSON object.
type object map[string]any

func parse(t testing.TB, text string) object {
	t.Helper()
	var o object
	require.NoError(t, json.Unmarshal([]byte(text), &o), "%s", text)
	return o
}

func parseRows(t testing.TB, text string) []object {
	t.Helper()
	var rows []object
	require.NoError(t, json.Unmarshal([]byte(text), &rows), "%s", text)
	return rows
}

// in is an object inside of another.
func (o object) in(t testing.TB, name string) object {
	t.Helper()
	inner, ok := o[name].(map[string]any)
	require.True(t, ok, "no object %q in %v", name, o)
	return inner
}

// rows is a list of objects inside of another.
func (o object) rows(t testing.TB, name string) []object {
	t.Helper()
	list, ok := o[name].([]any)
	require.True(t, ok, "no list %q in %v", name, o)
	rows := make([]object, len(list))
	for i, e := range list {
		rows[i], ok = e.(map[string]any)
		require.True(t, ok, "%q has a row that is no object: %v", name, e)
	}
	return rows
}

// number is a JSON number inside of an object.
func (o object) number(t testing.TB, name string) float64 {
	t.Helper()
	n, ok := o[name].(float64)
	require.True(t, ok, "no number %q in %v", name, o)
	return n
}

// row finds the row whose member has that value.
func row(t testing.TB, rows []object, member string, value any) object {
	t.Helper()
	for _, r := range rows {
		if r[member] == value {
			return r
		}
	}
	require.Fail(t, "no such row", "%s=%v in %v", member, value, rows)
	return nil
}

// await polls until the condition holds.
func await(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for late := time.Now().Add(within); !holds(); {
		if time.Now().After(late) {
			require.Fail(t, "waited in vain", "%s within %v", what, within)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
