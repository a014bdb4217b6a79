//go:build zabbix && linux

package zabbix

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

const officialTemplate = "Redis by Zabbix agent 2"

var newestOfficial = flag.String("official", "", "`file` of a newer official template, for TestChangeOver on servers that read it")

// TestChangeOver does what docs/migration.md says, from the official template served by the agent's built-in plugin to ours:
// each step succeeds, nothing has an error, and the items that stay keep their history.
func TestChangeOver(t *testing.T) {
	for _, s := range stacks(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s, true)
			w.changeOver(t, "own", true)
			if *newestOfficial != "" && s.newer() {
				text, err := os.ReadFile(*newestOfficial)
				require.NoError(t, err)
				w.api.call(t, "configuration.import", o{"format": "yaml", "rules": w.importRules(), "source": string(text)}, nil)
				w.changeOver(t, "newest", false) // whose keys have parameters that the built-in plugin before 7.0.20 does not know
			}
			require.Empty(t, s.complaints(t))
		})
	}
}

func (w *world) changeOver(t *testing.T, which string, builtIn bool) {
	redis := redistest.Start(t, redistest.Config{Args: []string{"--appendonly", "yes"}})
	redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(redis.Addr)}})
	redis.Do(t, "SET", "a", "1", "EX", "10000")
	sc := &scene{host: "change " + which, templates: []string{officialTemplate},
		macros: map[string]string{"{$REDIS.CONN.URI}": "tcp://" + redis.Addr, "{$REDIS.CONN}": "tcp://" + redis.Addr, "{$REDIS.INTERVAL}": "3s"}}
	if !builtIn {
		sc.config = w.plugin(t, "", nil)
	}
	sc.running = agent.Start(t, w.agent, sc.config)
	sc.hostid = w.host(t, sc.host, sc.running.Addr, sc.templates, sc.macros)
	theirs := w.api.id(t, "template", "templateid", "host", officialTemplate)
	ours := w.api.id(t, "template", "templateid", "host", redisTemplate)
	link := func(t *testing.T, templates ...string) {
		t.Helper()
		list := []o{}
		for _, id := range templates {
			list = append(list, o{"templateid": id})
		}
		w.api.call(t, "host.update", o{"hostid": sc.hostid, "templates": list}, nil)
	}
	const kept = "redis.memory.used_memory"
	before := w.history(t, sc, kept, 1)

	// The plugin, with its aliases, takes the place of the built-in one: the same items go on.
	sc.running.Kill()
	sc.config = w.plugin(t, "", nil)
	w.newAgent(t, sc)
	after := w.history(t, sc, kept, before.values+1)
	require.Equal(t, before.itemid, after.itemid)
	require.Equal(t, before.first, after.first, "the history of the built-in plugin's days")

	link(t, theirs, ours) // beside it
	w.whole(t, sc, which+": beside the official one")
	link(t, ours) // Unlink: the items stay
	w.whole(t, sc, which+": after Unlink")
	after = w.history(t, sc, kept, before.values+1)
	require.Equal(t, before.itemid, after.itemid)
	require.Equal(t, before.first, after.first, "the history stays with the item")
	link(t) // and the other way round: linked only after Unlink
	link(t, theirs)
	link(t)
	link(t, ours)
	w.whole(t, sc, which+": linked after Unlink")
	// Not Unlink and clear: the frontend 7.0.9 takes discovered triggers for the host's own, which depend on the template's.
	link(t)
	link(t, theirs, ours) // and back
	w.whole(t, sc, which+": back")
}

// past is the history of an item.
type past struct {
	itemid, first string
	values        int
}

// history waits until an item of the scene's host has so many values.
func (w *world) history(t testing.TB, sc *scene, key string, atLeast int) (p past) {
	t.Helper()
	awaitWithin(t, 2*patience, fmt.Sprintf("%d values of %s", atLeast, key), func() string {
		var items []struct{ Itemid, Error string }
		w.api.call(t, "item.get", o{"hostids": sc.hostid, "output": []string{"itemid", "error"}, "filter": o{"key_": key}}, &items)
		if len(items) != 1 {
			return fmt.Sprintf("there are %d such items", len(items))
		}
		var rows []struct{ Clock string }
		w.api.call(t, "history.get", o{"itemids": items[0].Itemid, "history": 3, "sortfield": "clock", "output": []string{"clock"}}, &rows)
		if len(rows) < atLeast {
			return fmt.Sprintf("there are %d values; %s", len(rows), items[0].Error)
		}
		p = past{items[0].Itemid, rows[0].Clock, len(rows)}
		return ""
	})
	return p
}

// whole: the items of our template have values, its rules have made what they find, and none of the host's has an error.
func (w *world) whole(t *testing.T, sc *scene, step string) {
	t.Helper()
	awaitWithin(t, 2*patience, step+": items and graphs", func() string {
		var missing []string
		for _, key := range []string{"rj.redis.up", "rj.redis.memory.used", `rj.redis.db.keys["db0"]`, "rj.redis.aof.size[]"} {
			var items []struct{ Lastclock, Error string }
			w.api.call(t, "item.get", o{"hostids": sc.hostid, "output": []string{"lastclock", "error"}, "filter": o{"key_": key}}, &items)
			if len(items) != 1 || items[0].Lastclock == "0" || items[0].Error != "" {
				missing = append(missing, fmt.Sprint(key, " ", items))
			}
		}
		var rules []struct{ Name, Error string }
		w.api.call(t, "discoveryrule.get", o{"hostids": sc.hostid, "output": []string{"name", "error"}}, &rules)
		for _, r := range rules {
			if r.Error != "" {
				missing = append(missing, r.Name+": "+r.Error)
			}
		}
		var graphs []struct{ Name string }
		w.api.call(t, "graph.get", o{"hostids": sc.hostid, "output": []string{"name"}}, &graphs)
		names := ""
		for _, g := range graphs {
			names += g.Name + "\n"
		}
		for _, name := range []string{redisTemplate + ": Memory\n", "DB db0: Keys and keys with TTL\n"} {
			if !strings.Contains(names, name) {
				missing = append(missing, "no graph "+name)
			}
		}
		return strings.Join(missing, "\n")
	})
}
