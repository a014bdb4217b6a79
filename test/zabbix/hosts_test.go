//go:build zabbix && linux

package zabbix

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

const hostsTemplate = "Redis hosts by RedisJobs"

var (
	hostCount = flag.Int("hosts", 6, "TestHosts gives its agent so many `sessions`")
	playbooks = flag.String("ansible", "", "`program` ansible-playbook with the collection community.zabbix; TestHosts runs the example of docs/hosts.md with it")
)

// found is a host that was discovered.
type found struct {
	Hostid, Host, Name, Status string
	HostDiscovery              any
	ParentTemplates            []struct{ Host string }
	Interfaces                 []struct{ IP, Port string }
	Macros                     []struct{ Macro, Value string }
	Tags                       []struct{ Tag, Value string }
	Groups                     []struct{ Name string } // 6.0
	HostGroups                 []struct{ Name string } `json:"hostgroups"`
	Maintenance                string                  `json:"maintenance_status"`
}

func (f *found) macro(name string) string {
	for _, m := range f.Macros {
		if m.Macro == name {
			return m.Value
		}
	}
	return ""
}

// lost: its row is no longer discovered, and it is deleted some time.
func (f *found) lost() bool {
	discovery, ok := f.HostDiscovery.(o) // an empty list when it is just being deleted
	return !ok || discovery["ts_delete"] != "0"
}

func (f *found) tags() map[string]string {
	out := map[string]string{}
	for _, t := range f.Tags {
		out[t.Tag] = t.Value
	}
	return out
}

func (f *found) groups() (out []string) {
	for _, g := range append(f.Groups, f.HostGroups...) {
		out = append(out, g.Name)
	}
	slices.Sort(out)
	return out
}

// discoveredHosts are all hosts that rules have made, by their technical names.
func (s *stack) discoveredHosts(t testing.TB) map[string]*found {
	t.Helper()
	const discovered = 4
	groups := "selectGroups"
	if s.newer() {
		groups = "selectHostGroups"
	}
	var rows []*found
	s.api.call(t, "host.get", o{"output": []string{"host", "name", "status", "maintenance_status"}, "filter": o{"flags": discovered},
		"selectHostDiscovery": "extend", "selectParentTemplates": []string{"host"}, "selectInterfaces": []string{"ip", "port"},
		"selectMacros": []string{"macro", "value"}, "selectTags": "extend", groups: []string{"name"}}, &rows)
	out := map[string]*found{}
	for _, r := range rows {
		out[r.Host] = r
	}
	return out
}

// hostsWorld are the servers, and the agent that reaches them.
type hostsWorld struct {
	*world
	sessions []string // lines of the configuration
	plain    *redistest.Server
	six      string // the port of a server that listens on ::1 alone
	cluster  []*redistest.Node
	watched  *redistest.Watched
	machine  *scene   // the host of the agent
	others   []string // the other hosts that this agent serves
}

// TestHosts: one link makes hosts that are as good as those that were made by hand.
func TestHosts(t *testing.T) {
	for _, s := range stacks(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := &hostsWorld{world: newWorld(t, s, true), plain: redistest.Start(t, redistest.Config{})}
			six := redistest.Start(t, redistest.Config{})
			six.Do(t, "CONFIG", "SET", "bind", "::1")
			w.six = portOf(six.Addr)
			servers := []*redistest.Server{redistest.Start(t, redistest.Config{}), redistest.Start(t, redistest.Config{})}
			for k := range *hostCount {
				w.sessions = append(w.sessions, fmt.Sprintf("Sessions.S_%02d.Uri=tcp://%s/%d", k, servers[k%2].Addr, k/2%16))
			}
			w.cluster = redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{})
			w.watched = redistest.NewWatched(t, "", "", "")
			w.machine = &scene{host: "web-1", templates: []string{hostsTemplate}, config: w.plugin(t, "", w.sessions),
				// Other tests have servers on this machine, too.
				macros: map[string]string{"{$HOSTS.LLD.FILTER.LISTENING.MATCHES}": portOf(w.plain.Addr) + "$|" + w.six + "$|" + portOf(servers[0].Addr) + "$",
					"{$HOSTS.GROUP}": "Team/Redis", "{$REDIS.LATENCY.MAX.WARN}": "7"}}
			w.machine.running = agent.Start(t, w.agent, w.machine.config)
			w.machine.hostid = w.host(t, w.machine.host, w.machine.running.Addr, w.machine.templates, w.machine.macros)
			w.others = []string{
				w.host(t, "cart", w.machine.running.Addr, []string{"Redis Cluster by RedisJobs", "Redis Cluster hosts by RedisJobs"},
					map[string]string{"{$CLUSTER.CONN}": "tcp://" + w.cluster[0].Addr, "{$NODES.PREFIX}": "cart ", "{$NODES.GROUP}": "Team/Redis"}),
				w.host(t, "watch", w.machine.running.Addr, []string{"Redis Sentinel by RedisJobs", "Redis Sentinel hosts by RedisJobs"},
					map[string]string{"{$SENTINEL.CONN}": "tcp://" + w.watched.Sentinels[0].Addr}),
			}
			want := w.wanted()
			t.Run("made", func(t *testing.T) { w.made(t, want) })
			t.Run("values", func(t *testing.T) { w.values(t, want) })
			t.Run("maintenance", func(t *testing.T) { w.maintain(t) })
			t.Run("script", w.script)
			t.Run("ansible", w.ansible)
			t.Run("silent", w.silent)
			t.Run("gone", w.gone)
			require.Empty(t, s.complaints(t))
		})
	}
}

// wanted are the technical names of the hosts that there must be, with what they ask.
func (w *hostsWorld) wanted() map[string]string {
	out := map[string]string{
		"web-1 " + strings.ReplaceAll(w.plain.Addr, ":", "-"): "tcp://" + w.plain.Addr,
		"web-1 __1-" + w.six: "tcp://[::1]:" + w.six,
	}
	for k := range w.sessions {
		name := fmt.Sprintf("S_%02d", k)
		out["web-1 "+name] = name
	}
	for _, n := range w.cluster {
		out["cart "+strings.ReplaceAll(n.Addr, ":", "-")] = "tcp://" + n.Addr
	}
	var sentinels []string
	for _, s := range w.watched.Sentinels {
		sentinels = append(sentinels, s.Addr)
	}
	slices.Sort(sentinels)
	out["mymaster"] = "sentinel://" + strings.Join(sentinels, ",") + "/mymaster"
	return out
}

func (w *hostsWorld) made(t *testing.T, want map[string]string) {
	awaitWithin(t, 2*patience, "the hosts", func() string {
		got := slices.Sorted(maps.Keys(w.discoveredHosts(t)))
		if names := slices.Sorted(maps.Keys(want)); !slices.Equal(names, got) {
			return fmt.Sprintf("there must be %q\nand there are %q\n%s", names, got, strings.Join(w.ruleErrors(t), "\n"))
		}
		return ""
	})
	// A host comes first, and what it has a little later.
	for name, conn := range want {
		groups := "Redis servers"
		switch {
		case !w.newer(): // each prototype would need a group of its own
		case name == "mymaster":
			groups += ", Redis servers/Discovered"
		default:
			groups += ", Team/Redis"
		}
		wanted := []string{conn, redisTemplate, "127.0.0.1:" + portOf(w.machine.running.Addr), "0", groups}
		awaitWithin(t, 2*patience, name+" to be whole", func() string {
			h, got := w.discoveredHosts(t)[name], []string{}
			if h != nil && len(h.ParentTemplates) == 1 && len(h.Interfaces) == 1 {
				got = []string{h.macro("{$REDIS.CONN}"), h.ParentTemplates[0].Host, h.Interfaces[0].IP + ":" + h.Interfaces[0].Port, h.Status,
					strings.Join(h.groups(), ", ")}
			}
			if !slices.Equal(wanted, got) {
				return fmt.Sprintf("it must have %q and has %q\n%s", wanted, got, strings.Join(w.ruleErrors(t), "\n"))
			}
			return ""
		})
	}
	h := w.discoveredHosts(t)["web-1 S_01"]
	require.Equal(t, "Redis S_01 (web-1)", h.Name)
	require.Equal(t, "S_01", h.tags()["session"])
	require.Equal(t, "web-1", h.tags()["agent"])
	require.Equal(t, "7", h.macro("{$REDIS.LATENCY.MAX.WARN}"), "it has the thresholds of the agent's host")
	require.Empty(t, w.ruleErrors(t))
}

// ruleErrors is what rules say that made no hosts.
func (w *hostsWorld) ruleErrors(t testing.TB) (out []string) {
	var rules []struct{ Name, Error string }
	w.api.call(t, "discoveryrule.get", o{"output": []string{"name", "error"}, "monitored": true}, &rules)
	for _, r := range rules {
		if r.Error != "" {
			out = append(out, r.Name+": "+r.Error)
		}
	}
	return out
}

// values: every host has what its server says.
func (w *hostsWorld) values(t *testing.T, want map[string]string) {
	await(t, "values of all hosts", func() string {
		var missing []string
		for name, h := range w.discoveredHosts(t) {
			var items []struct{ Lastvalue string }
			w.api.call(t, "item.get", o{"hostids": h.Hostid, "output": []string{"lastvalue"}, "filter": o{"key_": "rj.redis.up"}}, &items)
			if len(items) != 1 || items[0].Lastvalue != "1" {
				missing = append(missing, fmt.Sprint(name, items))
			}
		}
		return strings.Join(missing, "\n")
	})
	require.Len(t, w.discoveredHosts(t), len(want))
}

// maintain: maintenance of the group is that of each host.
func (w *hostsWorld) maintain(t *testing.T) {
	group := w.api.id(t, "hostgroup", "groupid", "name", "Redis servers")
	now := time.Now().Unix()
	params := o{"name": "Upgrade", "active_since": now - 60, "active_till": now + 3600, "groups": []o{{"groupid": group}},
		"timeperiods": []o{{"timeperiod_type": 0, "start_date": now - 60, "period": 3600}}}
	w.api.call(t, "maintenance.create", params, nil)
	await(t, "the maintenance", func() string {
		var without []string
		for name, h := range w.discoveredHosts(t) {
			if h.Maintenance != "1" {
				without = append(without, name)
			}
		}
		return strings.Join(without, ", ")
	})
}

// silent: without the agent each template that makes hosts says so. TestTemplates has no scene for these triggers.
func (w *hostsWorld) silent(t *testing.T) {
	want := map[string]string{"web-1": "Hosts: No data from the plugin", "cart": "Nodes: No data from the plugin", "watch": "Masters: No data from the plugin"}
	other := func(opened bool) string {
		for host, name := range want {
			if slices.Contains(w.open(host), name) != opened {
				return fmt.Sprintf("%s has %q", host, w.open(host))
			}
		}
		return ""
	}
	w.machine.running.Kill()
	await(t, "a problem of each template", func() string { return other(true) })
	w.newAgent(t, w.machine)
	for _, host := range w.others {
		var rows []o
		w.api.call(t, "hostinterface.get", o{"hostids": host, "output": []string{"interfaceid"}}, &rows)
		w.api.call(t, "hostinterface.update", o{"interfaceid": rows[0]["interfaceid"], "port": portOf(w.machine.running.Addr)}, nil)
	}
	await(t, "the end of the problems", func() string { return other(false) })
}

// gone: a session that is taken away takes its host with it.
func (w *hostsWorld) gone(t *testing.T) {
	before := len(w.discoveredHosts(t))
	without := func(n int) {
		w.machine.running.Kill()
		w.machine.config = w.plugin(t, "", w.sessions[:len(w.sessions)-n])
		w.newAgent(t, w.machine)
	}
	last := func(n int) *found { return w.discoveredHosts(t)[fmt.Sprintf("web-1 S_%02d", len(w.sessions)-n)] }
	without(1)
	await(t, "a host to be lost", func() string {
		h := last(1)
		switch {
		case h == nil:
			t.Fatal("the host is gone at once, with its history")
		case !h.lost():
			return "it is not lost"
		case w.newer() && h.Status != "1":
			return "it is not disabled"
		}
		return ""
	})
	require.Equal(t, "0", last(2).Status)
	w.macro(t, w.machine, "{$HOSTS.KEEP}", "0")
	without(2)
	await(t, "lost hosts to be deleted", func() string {
		if last(1) != nil || last(2) != nil {
			return "one is still there"
		}
		return ""
	})
	require.Len(t, w.discoveredHosts(t), before-2)
}

// script runs the one of docs/hosts.md, for an agent whose host has no template.
func (w *hostsWorld) script(t *testing.T) {
	file := w.example(t, "python")
	rows, err := agent.Query(t.Context(), w.machine.running.Addr, w.agent.Dialect(), "redis.sessions.discovery", 5*time.Second)
	require.NoError(t, err)
	w.host(t, "web-2", w.machine.running.Addr, nil, nil)
	token := w.newToken(t, "script")
	run := func() string {
		cmd := exec.Command("python3", file, "web-2")
		cmd.Env = append(os.Environ(), "ZABBIX_URL="+w.web, "ZABBIX_TOKEN="+token)
		cmd.Stdin = strings.NewReader(rows)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Equal(t, len(w.sessions), strings.Count(run(), "made web-2 S_"))
	require.Empty(t, run(), "a second time there is nothing to make")
	for k := range w.sessions {
		id := w.api.id(t, "host", "hostid", "host", fmt.Sprintf("web-2 S_%02d", k))
		w.sees(t, &scene{host: "web-2", hostid: id}, "rj.redis.up", "1")
	}
}

// example is a file with the block of docs/hosts.md in that language.
func (w *hostsWorld) example(t *testing.T, language string) string {
	text, err := os.ReadFile(filepath.Join(agent.Root(t), "docs/hosts.md"))
	require.NoError(t, err)
	_, code, ok := strings.Cut(string(text), "```"+language+"\n")
	require.True(t, ok)
	code, _, ok = strings.Cut(code, "```")
	require.True(t, ok)
	file := filepath.Join(t.TempDir(), "example."+language)
	require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
	return file
}

func (w *hostsWorld) newToken(t *testing.T, name string) string {
	var made struct{ Tokenids []string }
	w.api.call(t, "token.create", o{"name": name, "userid": w.api.id(t, "user", "userid", "username", "Admin")}, &made)
	var tokens []struct{ Token string }
	w.api.call(t, "token.generate", made.Tokenids, &tokens)
	return tokens[0].Token
}

// ansible runs the playbook of docs/hosts.md, with this frontend in the place of its own.
func (w *hostsWorld) ansible(t *testing.T) {
	if *playbooks == "" {
		t.Skip("NOT RUN: the playbook of docs/hosts.md wants ansible-playbook with community.zabbix, which the flag -ansible names")
	}
	address, port, _ := strings.Cut(strings.TrimPrefix(w.web, "http://"), ":")
	own, err := json.Marshal(o{"ansible_host": address, "ansible_httpapi_port": port, "ansible_httpapi_use_ssl": false,
		"ansible_zabbix_auth_key": w.newToken(t, "ansible"), "agent": "web-3", "agent_ip": "127.0.0.1", "sessions": []string{"S_00", "S_01"}})
	require.NoError(t, err)
	inventory := filepath.Join(t.TempDir(), "inventory")
	require.NoError(t, os.WriteFile(inventory, []byte("[zabbix]\nfrontend\n"), 0o600))
	for range 2 { // a second time there is nothing to make
		out, err := exec.Command(*playbooks, "-i", inventory, "-e", string(own), w.example(t, "yaml")).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	var hosts []*found
	w.api.call(t, "host.get", o{"output": []string{"host"}, "search": o{"host": "web-3 "}, "selectParentTemplates": []string{"host"},
		"selectMacros": []string{"macro", "value"}, "selectTags": "extend"}, &hosts)
	require.Len(t, hosts, 2)
	for _, h := range hosts {
		require.Equal(t, "web-3 "+h.macro("{$REDIS.CONN}"), h.Host)
		require.Equal(t, redisTemplate, h.ParentTemplates[0].Host)
		require.Equal(t, "web-3", h.tags()["agent"])
	}
}
