//go:build zabbix && linux

package zabbix

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
)

// scene is a host, the servers behind it and what is done to them.
type scene struct {
	host      string
	templates []string
	macros    map[string]string
	lines     []string // of the plugin's configuration
	ownAgent  bool     // an agent that no other scene shares
	active    bool     // the host is served by active checks
	steps     []step
	// lacks are items that can have no value here, by regular expressions.
	lacks []string
	// slow is a template that polls every minute, of which none was made quick.
	slow bool
	// calm are problems that are open from the start.
	calm []string

	running *agent.Running
	config  agent.Config
	hostid  string
}

// step is one fault and its end.
type step struct {
	name string
	do   func(t testing.TB)
	// want are the problems that the fault opens: these, and no others meanwhile.
	want []string
	undo func(t testing.TB)
	// stay are those of want that only somebody's hand closes.
	stay []string
	// may are problems that may or may not be seen on the way.
	may []string
	// hold is how long the fault stays when its problems are open: no other may come with the next polls.
	hold time.Duration
}

// play does a scene's steps: each opens its problems and no other, and each problem ends with its cause.
func (w *world) play(t *testing.T, s *scene) {
	w.settle(t, s)
	for _, st := range s.steps {
		began := time.Now()
		extra := func() []string {
			return slices.DeleteFunc(w.open(s.host), func(n string) bool {
				return slices.Contains(st.want, n) || slices.Contains(st.may, n) || slices.Contains(s.calm, n)
			})
		}
		st.do(t)
		await(t, st.name+" to make its problems", func() string {
			require.Empty(t, extra(), "%s: these problems are not of this fault", st.name)
			for _, n := range st.want {
				if !slices.Contains(w.open(s.host), n) {
					return fmt.Sprintf("no %q; open are %q", n, w.open(s.host))
				}
			}
			return ""
		})
		opened := time.Since(began)
		for held := time.Now(); time.Since(held) < max(st.hold, *hold); time.Sleep(time.Second) {
			require.Empty(t, extra(), "%s: these problems are not of this fault", st.name)
		}
		if st.undo != nil {
			st.undo(t)
		}
		began = time.Now()
		await(t, st.name+" to be forgotten", func() string {
			require.Empty(t, extra(), "%s has ended: these problems are not of it", st.name)
			open := w.troubles(s)
			if len(open) == len(st.stay) {
				return ""
			}
			return fmt.Sprintf("open are still %q", open)
		})
		for _, n := range st.stay {
			w.close(t, s.host, n)
		}
		await(t, "all problems to be closed", func() string { return strings.Join(w.troubles(s), ", ") })
		t.Logf("%s: %v to open, %v to end", st.name, opened.Round(time.Second), time.Since(began).Round(time.Second))
	}
}

// troubles are the open problems but for those that are open from the start.
func (w *world) troubles(s *scene) []string {
	return slices.DeleteFunc(w.open(s.host), func(n string) bool { return slices.Contains(s.calm, n) })
}

// close closes a problem by hand.
func (w *world) close(t testing.TB, host, name string) {
	t.Helper()
	w.mu.Lock()
	var event string
	for _, p := range w.problems[host] {
		if p.name == name {
			event = p.event
		}
	}
	w.mu.Unlock()
	require.NotEmpty(t, event, name)
	w.api.call(t, "event.acknowledge", o{"eventids": []string{event}, "action": 1, "message": ""}, nil)
}

// settle waits until every item of the host has a value, and no problem is open.
func (w *world) settle(t testing.TB, s *scene) {
	t.Helper()
	var lacks []*regexp.Regexp
	for _, l := range append(s.lacks, mayLack...) {
		lacks = append(lacks, regexp.MustCompile("^(?:"+l+")$"))
	}
	w.discover(t, s)
	within := patience
	if s.slow {
		within *= 3
	}
	awaitWithin(t, within, s.host+": a value for every item", func() string {
		var items []struct {
			Key       string `json:"key_"`
			Lastclock string
			History   string
			State     string
			Error     string
		}
		if err := w.api.try("item.get", o{"output": []string{"key_", "lastclock", "history", "state", "error"}, "hostids": s.hostid}, &items); err != nil {
			return err.Error()
		}
		if len(items) < 5 {
			return "no items"
		}
		var without []string
		for _, i := range items {
			may := slices.ContainsFunc(lacks, func(l *regexp.Regexp) bool { return l.MatchString(i.Key) })
			if i.State == "1" && !may {
				without = append(without, i.Key+" ("+i.Error+")")
			}
			if i.History == "0" || i.Lastclock != "0" || may {
				continue
			}
			without = append(without, i.Key)
		}
		return strings.Join(without, "\n")
	})
	await(t, s.host+": no problem", func() string { return strings.Join(w.troubles(s), ", ") })
}

// sees waits until the last value of an item of the scene's host is that one.
func (w *world) sees(t testing.TB, s *scene, key, value string) {
	t.Helper()
	await(t, fmt.Sprintf("%s of %s to be %s", key, s.host, value), func() string {
		var items []struct{ Lastvalue string }
		if err := w.api.try("item.get", o{"hostids": s.hostid, "output": []string{"lastvalue"}, "filter": o{"key_": key}}, &items); err != nil {
			return err.Error()
		}
		if len(items) == 1 && items[0].Lastvalue == value {
			return ""
		}
		return fmt.Sprintf("the items are %v", items)
	})
}

// discover lets the server ask now for what the agent is asked for every ten minutes only.
func (w *world) discover(t testing.TB, s *scene) {
	t.Helper()
	const agentItem = 0
	var rules []struct{ Itemid string }
	w.api.call(t, "discoveryrule.get", o{"hostids": s.hostid, "output": []string{"itemid"}, "filter": o{"type": agentItem}}, &rules)
	for _, r := range rules {
		await(t, s.host+": what the agent discovers", func() string {
			// A server that does not know the rule yet forgets the request.
			if err := w.api.try("task.create", []o{{"type": 6, "request": o{"itemid": r.Itemid}}}, nil); err != nil {
				return err.Error()
			}
			time.Sleep(2 * time.Second)
			var rows []struct{ DiscoveryRule any }
			if err := w.api.try("item.get", o{"hostids": s.hostid, "output": []string{"itemid"}, "filter": o{"flags": 4}, "selectDiscoveryRule": []string{"itemid"}}, &rows); err != nil {
				return err.Error()
			}
			for _, row := range rows {
				if rule, ok := row.DiscoveryRule.(map[string]any); ok && rule["itemid"] == r.Itemid {
					return ""
				}
			}
			return "no item"
		})
	}
}

// newAgent starts an agent for a scene in the place of the one that has ended.
func (w *world) newAgent(t testing.TB, s *scene) {
	t.Helper()
	s.running = agent.Start(t, w.agent, s.config)
	var rows []o
	w.api.call(t, "hostinterface.get", o{"hostids": s.hostid, "output": []string{"interfaceid"}}, &rows)
	w.api.call(t, "hostinterface.update", o{"interfaceid": rows[0]["interfaceid"], "port": portOf(s.running.Addr)}, nil)
}

// silence is an agent that ends, and another in its place.
func (w *world) silence(s *scene, want ...string) step {
	return step{name: "an agent that is killed", want: want,
		do: func(testing.TB) { s.running.Kill() }, undo: func(t testing.TB) { w.newAgent(t, s) }}
}

// macro changes a macro of the scene's host, and waits until the server knows it.
func (w *world) macro(t testing.TB, s *scene, name, value string) {
	t.Helper()
	defer w.synced(t, s)
	var rows []o
	w.api.call(t, "usermacro.get", o{"hostids": s.hostid, "output": "extend"}, &rows)
	for _, r := range rows {
		if r["macro"] == name {
			w.api.call(t, "usermacro.update", o{"hostmacroid": r["hostmacroid"], "value": value}, nil)
			return
		}
	}
	w.api.call(t, "usermacro.create", o{"hostid": s.hostid, "macro": name, "value": value}, nil)
}

// synced waits until the server has read its configuration anew: until an item that is new has a value.
func (w *world) synced(t testing.TB, s *scene) {
	t.Helper()
	const calculated, unsigned = 15, 3
	var created struct{ Itemids []string }
	w.api.call(t, "item.create", o{"hostid": s.hostid, "name": "Synced", "key_": "synced", "type": calculated, "value_type": unsigned,
		"params": "1", "delay": "1s"}, &created)
	await(t, "the server to read its configuration", func() string {
		var items []struct{ Lastclock, Error string }
		if err := w.api.try("item.get", o{"itemids": created.Itemids, "output": []string{"lastclock", "error"}}, &items); err != nil {
			return err.Error()
		}
		if len(items) == 1 && items[0].Lastclock != "0" {
			return ""
		}
		return fmt.Sprint(items)
	})
	w.api.call(t, "item.delete", created.Itemids, nil)
}

// triggersOf are the names of all triggers of our templates, without the variants.
func (w *world) triggersOf(t testing.TB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, object := range []string{"trigger", "triggerprototype"} {
		var rows []struct {
			Description string
			Hosts       []struct{ Host string }
		}
		w.api.call(t, object+".get", o{"output": []string{"description"}, "templated": true, "selectHosts": []string{"host"}}, &rows)
		for _, r := range rows {
			// TestHosts has those of templates that make hosts.
			if h := r.Hosts[0].Host; strings.Contains(h, "RedisJobs") && !strings.HasSuffix(h, " active") && !strings.HasSuffix(h, " hosts by RedisJobs") {
				out[h] = append(out[h], r.Description)
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

// untouched are the triggers that made no problem, or one that did not end.
func (w *world) untouched(t testing.TB) (out []string) {
	t.Helper()
	macro := regexp.MustCompile(`\\\{#\w+\\\}`)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, names := range w.triggersOf(t) {
		for _, name := range names {
			like := regexp.MustCompile("^" + macro.ReplaceAllString(regexp.QuoteMeta(name), ".+") + "$")
			has := func(set map[string]bool) bool {
				for n := range set {
					if like.MatchString(n) {
						return true
					}
				}
				return false
			}
			if !has(w.opened) || !has(w.closed) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// only is for those who write a scene, and need not wait for all others.
var only = flag.String("scenes", "", "play only the scenes that this regular expression `matches`, and do not ask whether every trigger fired")

// hold is for those who want to know what else a fault brings when it stays.
var hold = flag.Duration("hold", 0, "let each fault stay for at least `this` long when its problems are open")

// TestMain lets all scenes run at once: they wait, they do not compute.
func TestMain(m *testing.M) {
	os.Args = append(os.Args[:1:1], append([]string{"-test.parallel=200"}, os.Args[1:]...)...)
	os.Exit(m.Run())
}

// TestTemplates plays every scene on every server, all at once.
func TestTemplates(t *testing.T) {
	for _, s := range stacks(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			w := newWorld(t, s, true)
			t.Logf("ready after %v", time.Since(began).Round(time.Second))
			w.checkImport(t)
			w.checkBeside(t)
			if *only == "^$" {
				return
			}
			scenes := w.scenes(t)
			if *only != "" {
				wanted := regexp.MustCompile(*only)
				scenes = slices.DeleteFunc(scenes, func(sc *scene) bool { return !wanted.MatchString(sc.host) })
				require.NotEmpty(t, scenes, "no scene matches %q", *only)
				t.Logf("ONLY SOME SCENES ARE PLAYED: -scenes %q", *only)
			}
			var lines, actives []string
			for _, sc := range scenes {
				if !sc.ownAgent {
					lines = append(lines, sc.lines...)
				}
				if sc.active {
					actives = append(actives, sc.host)
				}
			}
			shared := agent.Start(t, w.agent, w.plugin(t, "", lines))
			for _, sc := range scenes {
				sc.running = shared
				if sc.config.Plugin == "" {
					sc.config = w.plugin(t, "", sc.lines)
				}
				if sc.ownAgent {
					sc.running = agent.Start(t, w.agent, sc.config)
				}
				sc.hostid = w.host(t, sc.host, sc.running.Addr, sc.templates, sc.macros)
			}
			if len(actives) > 0 {
				// The server knows the hosts a little later; an agent that asks too early asks again after a minute.
				await(t, "the server to know its hosts", func() string {
					var items []struct{ Lastclock string }
					if err := s.api.try("item.get", o{"hostids": scenes[0].hostid, "output": []string{"lastclock"}}, &items); err != nil {
						return err.Error()
					}
					for _, i := range items {
						if i.Lastclock != "0" {
							return ""
						}
					}
					return "no value yet"
				})
				agent.Start(t, w.agent, w.plugin(t, strings.Join(actives, ","), lines))
			}
			t.Logf("hosts after %v", time.Since(began).Round(time.Second))
			t.Run("scenes", func(t *testing.T) {
				for _, sc := range scenes {
					t.Run(sc.host, func(t *testing.T) {
						t.Parallel()
						w.play(t, sc)
					})
				}
			})
			require.Empty(t, w.faults)
			require.Empty(t, s.complaints(t))
			if !t.Failed() && *only == "" {
				require.Empty(t, w.untouched(t), "no scene has made these problems and ended them")
			}
		})
	}
}
