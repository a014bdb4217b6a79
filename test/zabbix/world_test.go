//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
)

// world is a stack with the templates in it, an agent with the plugin, and a watch over what becomes of them.
type world struct {
	*stack
	agent agent.Agent
	group string

	mu       sync.Mutex
	problems map[string][]problem // open ones by host
	opened   map[string]bool      // triggers that ever made a problem, by template and the template's own name
	closed   map[string]bool      // and those whose problem has ended
	names    map[string][2]string // trigger id: host and name
	faults   []string             // what must never be: items that are not supported, broken texts
	events   map[string]problem   // open ones by event
}

type problem struct {
	event, host, name string // name is the trigger's
	title, shows      string // as people see it
	since             time.Time
}

// newWorld imports the templates, their active variants too if so wanted, and starts the watch.
func newWorld(t *testing.T, s *stack, variants bool) *world {
	t.Helper()
	w := &world{
		stack: s, problems: map[string][]problem{}, opened: map[string]bool{}, closed: map[string]bool{},
		names: map[string][2]string{}, events: map[string]problem{},
	}
	for _, a := range agent.List(t) {
		if a.Name == map[bool]string{false: "agent-6.0", true: "agent-7.0-backports"}[s.newer()] {
			w.agent = a
		}
	}
	require.NotEmpty(t, w.agent.Path)
	s.start(t)
	began := time.Now()
	if variants {
		s.load(t, s.templateFile(t, "all_templates.yaml"))
	} else {
		for _, file := range s.templateFiles(t) {
			if !strings.HasSuffix(file, "_active.yaml") {
				s.load(t, file)
			}
		}
	}
	t.Logf("import of the templates: %v", time.Since(began).Round(time.Second))
	// PostgreSQL does so by itself some time; until then the query that links a template can take minutes.
	s.analyze(t)
	require.Empty(t, s.complaints(t))
	var created struct{ Groupids []string }
	s.api.call(t, "hostgroup.create", o{"name": "RedisJobs"}, &created)
	w.group = created.Groupids[0]
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			if err := w.look(n%5 == 0); err != nil {
				w.fault("%v", err)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return w
}

// templateFile is a file of the format that the server exports itself.
func (s *stack) templateFile(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(agent.Root(t), "packaging/templates", strings.TrimPrefix(s.name, "zabbix-"), name)
}

// templateFiles are those that have one template each.
func (s *stack) templateFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(s.templateFile(t, "*by_redisjobs*.yaml"))
	require.NoError(t, err)
	health, err := filepath.Glob(s.templateFile(t, "redisjobs_*.yaml"))
	require.NoError(t, err)
	require.Len(t, append(files, health...), 21)
	return append(files, health...)
}

// ids are all items and triggers of the templates.
func (s *stack) ids(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for object, names := range map[string][2]string{"item": {"itemid", "key_"}, "itemprototype": {"itemid", "key_"},
		"trigger": {"triggerid", "description"}, "triggerprototype": {"triggerid", "description"}, "discoveryrule": {"itemid", "key_"}} {
		var rows []o
		s.api.call(t, object+".get", o{"output": names[:], "templated": true, "selectHosts": []string{"host"}}, &rows)
		for _, r := range rows {
			host := r["hosts"].([]any)[0].(o)["host"].(string)
			if strings.Contains(host, "RedisJobs") {
				out[object+" "+r[names[0]].(string)] = host + ": " + r[names[1]].(string)
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(w.faults, text) && len(w.faults) < 50 {
		w.faults = append(w.faults, text)
	}
}

// unreadable is what no problem may say: macros that came to nothing, and JSON.
var unreadable = regexp.MustCompile(`\*UNKNOWN\*|\{[$#?]|\{ITEM|[\[{]"`)

// look takes the open problems, and now and then the items that are not supported.
func (w *world) look(items bool) error {
	var rows []struct{ Eventid, Objectid, Name, Opdata, Clock string }
	if err := w.api.try("problem.get", o{"output": []string{"eventid", "objectid", "name", "opdata", "clock"}, "source": 0, "object": 0, "groupids": w.group}, &rows); err != nil {
		return err
	}
	var unknown []string
	for _, r := range rows {
		if _, ok := w.names[r.Objectid]; !ok {
			unknown = append(unknown, r.Objectid)
		}
	}
	if len(unknown) > 0 {
		var triggers []struct {
			Triggerid, Description string
			Hosts                  []struct{ Host string }
		}
		if err := w.api.try("trigger.get", o{"triggerids": unknown, "output": []string{"description"}, "selectHosts": []string{"host"}}, &triggers); err != nil {
			return err
		}
		for _, tr := range triggers {
			w.names[tr.Triggerid] = [2]string{tr.Hosts[0].Host, tr.Description}
		}
	}
	events := map[string]problem{}
	byHost := map[string][]problem{}
	for _, r := range rows {
		n, ok := w.names[r.Objectid]
		if !ok {
			continue // removed in between
		}
		p := problem{event: r.Eventid, host: n[0], name: n[1], title: r.Name, shows: r.Opdata}
		if clock, err := strconv.ParseInt(r.Clock, 10, 64); err == nil {
			p.since = time.Unix(clock, 0)
		}
		events[p.event] = p
		byHost[p.host] = append(byHost[p.host], p)
		if unreadable.MatchString(p.title + p.shows) {
			w.fault("%s: the problem reads %q, %q", p.host, p.title, p.shows)
		}
	}
	w.mu.Lock()
	for event, p := range w.events {
		if _, ok := events[event]; !ok {
			w.closed[p.name] = true
		}
	}
	for _, p := range events {
		w.opened[p.name] = true
	}
	w.problems, w.events = byHost, events
	w.mu.Unlock()
	if !items {
		return nil
	}
	// A rule that makes only some of its things is not unsupported.
	var rules []struct {
		Name, Error string
		Hosts       []struct{ Host string }
	}
	if err := w.api.try("discoveryrule.get", o{"output": []string{"name", "error"}, "selectHosts": []string{"host"}, "groupids": w.group,
		"search": o{"error": "Cannot create"}}, &rules); err != nil {
		return err
	}
	for _, r := range rules {
		w.fault("%s: %s: %s", r.Hosts[0].Host, r.Name, r.Error)
	}
	for _, object := range []string{"item", "discoveryrule"} {
		var bad []struct {
			Key   string `json:"key_"`
			Error string
			Hosts []struct{ Host string }
		}
		if err := w.api.try(object+".get", o{"output": []string{"key_", "error"}, "selectHosts": []string{"host"}, "groupids": w.group,
			"filter": o{"state": 1}, "monitored": true}, &bad); err != nil {
			return err
		}
		for _, b := range bad {
			if b.Hosts[0].Host == "official" && (b.Key == "redis.persistence.aof_rewrite_buffer_length[]" ||
				strings.HasPrefix(b.Key, "proc.mem[") && strings.Contains(b.Error, "no such file")) {
				continue // see officialScene; and the agent's own key meets servers of other scenes that are just ending
			}
			if strings.Contains(b.Error, "{$") {
				continue // the server has read a new host before its macros; settle waits for the end of it
			}
			if strings.Contains(b.Error, "no session named Old") {
				continue // that is what is to be seen of a session that was taken away, until discovery deletes its items
			}
			w.fault("%s: %s is not supported: %s", b.Hosts[0].Host, b.Key, b.Error)
		}
	}
	return nil
}

// open are the names of a host's open problems.
func (w *world) open(host string) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.problems[host] {
		out = append(out, p.name)
	}
	slices.Sort(out)
	return out
}

// since is when a problem of a host was opened, by the server's clock in seconds.
func (w *world) since(t testing.TB, host, name string) time.Time {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(w.problems[host], func(p problem) bool { return p.name == name })
	require.GreaterOrEqual(t, at, 0, name)
	return w.problems[host][at].since
}

// speed are the macros that make a template quick, by what their names end in.
var speed = []struct {
	name  *regexp.Regexp
	value string
}{
	{regexp.MustCompile(`\.INTERVAL(:"[a-z]+")?\}$`), "3s"},
	{regexp.MustCompile(`\.NODATA\.PERIOD\}$`), "1m"}, // a busy machine is away for some seconds
	{regexp.MustCompile(`:"gone"\}$`), "1d"},
	{regexp.MustCompile(`\.PERIOD(:"[a-z]+")?\}$`), "10s"},
	{regexp.MustCompile(`\.UPTIME\.MIN\}$`), "1"},
	{regexp.MustCompile(`\.DOWN\.POLLS\}$`), "#3"},
	// What a machine that runs tests has to say of itself is no fault of a scene.
	{regexp.MustCompile(`\.ADVICE\.SILENCED\}$`), "swapped machine_memory_full"},
}

// host makes a host that an agent at that address serves.
func (w *world) host(t testing.TB, name, addr string, templates []string, macros map[string]string) (id string) {
	t.Helper()
	linked, list := []o{}, []o{}
	all := map[string]string{}
	for _, tmpl := range templates {
		tid := w.api.id(t, "template", "templateid", "host", tmpl)
		linked = append(linked, o{"templateid": tid})
		var defined []struct{ Macro string }
		w.api.call(t, "usermacro.get", o{"output": []string{"macro"}, "hostids": tid}, &defined)
		for _, m := range defined {
			for _, s := range speed {
				if s.name.MatchString(m.Macro) {
					all[m.Macro] = s.value
					break
				}
			}
		}
	}
	for k, v := range macros {
		all[k] = v
	}
	for k, v := range all {
		list = append(list, o{"macro": k, "value": v})
	}
	_, port, _ := strings.Cut(addr, ":")
	var created struct{ Hostids []string }
	w.api.call(t, "host.create", o{
		"host": name, "groups": []o{{"groupid": w.group}}, "templates": linked, "macros": list,
		"interfaces": []o{{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": port}},
	}, &created)
	return created.Hostids[0]
}

// plugin is the configuration of an agent that serves the Zabbix server with our plugin.
func (w *world) plugin(t testing.TB, hostnames string, lines []string) agent.Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(agent.Root(t), "packaging", "redisjobs.conf"))
	require.NoError(t, err)
	dir := t.TempDir()
	shipped := regexp.MustCompile(`(?m)^Plugins\.RedisJobs\.System\.Path=.*$`).ReplaceAllLiteral(text, nil)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "redisjobs.conf"), shipped, 0o600))
	aliases, err := os.ReadFile(filepath.Join(agent.Root(t), "packaging", "redisjobs-aliases.conf"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "redisjobs-aliases.conf"), aliases, 0o600))
	var own strings.Builder
	for _, line := range lines {
		own.WriteString("Plugins.RedisJobs." + line + "\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sessions.conf"), []byte(own.String()), 0o600))
	c := agent.Config{Plugin: agent.Plugin(t), Includes: []string{filepath.Join(dir, "*.conf")}}
	if hostnames != "" {
		c.ConfLines = []string{"Hostname=" + hostnames, "ServerActive=" + w.server, "RefreshActiveChecks=60", "BufferSend=1"}
	}
	return c
}
