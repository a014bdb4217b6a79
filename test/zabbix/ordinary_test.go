//go:build zabbix && shop && linux

package zabbix

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// chore is something that operators and applications do in an ordinary hour.
type chore struct {
	name  string
	every time.Duration // of an hour; shorter runs do it as often
	once  float64       // or once, after this part of the run
	do    func(t testing.TB)
	// says are problems that tell of it: what was changed on purpose is told, and that is all.
	says []string
}

// plant is a server with a replica and sentinels, and a cluster, under load.
type plant struct {
	*world
	watched *redistest.Watched
	nodes   []*redistest.Node
	dir     string
}

// TestServersAtWork is an hour of ordinary work of Redis servers: load, applications that are deployed, backups by
// redis-cli --rdb, saves, a daily job, resharding, a failover of the sentinels and one of the cluster. All templates
// have their defaults. Nobody is alarmed.
func TestServersAtWork(t *testing.T) {
	all := stacks(t)
	w := newWorld(t, all[len(all)-1], false)
	const password = "of-the-servers"
	p := &plant{world: w, dir: t.TempDir(), watched: redistest.NewWatched(t, "", password, password)}
	p.nodes = redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--cluster-node-timeout", "15000", "--save", "60 1000"}})
	for _, s := range p.watched.Servers {
		s.Do(t, "CONFIG", "SET", "appendonly", "yes", "save", "60 1000", "maxmemory", "500mb")
	}
	sentinels := make([]string, 3)
	for i, s := range p.watched.Sentinels {
		sentinels[i] = s.Addr
	}
	lines := []string{
		"Sessions.First.Uri=tcp://" + p.watched.Servers[0].Addr, "Sessions.First.Password=" + password,
		"Sessions.Second.Uri=tcp://" + p.watched.Servers[1].Addr, "Sessions.Second.Password=" + password,
		"Sessions.Watched.Uri=sentinel://" + strings.Join(sentinels, ",") + "/mymaster",
		"Sessions.Watched.Password=" + password, "Sessions.Watched.SentinelPassword=" + password,
	}
	shared := agent.Start(t, w.agent, w.plugin(t, "", lines))
	hosts := map[string][]string{ // each with its template, and what it is about
		"first": {redisTemplate, "{$REDIS.CONN}", "First"}, "second": {redisTemplate, "{$REDIS.CONN}", "Second"},
		"master": {redisTemplate, "{$REDIS.CONN}", "Watched"}, "sentinels": {sentinelTemplate, "{$SENTINEL.CONN}", "Watched"},
		"cluster": {clusterTemplate, "{$CLUSTER.CONN}", "tcp://" + p.nodes[0].Addr}, "all": {sessionsTemplate}, "agent": {healthTemplate},
		"keys": {keysTemplate, "{$KEYS.CONN}", "Watched"},
	}
	for name, h := range hosts {
		macros := w.defaults(t, h[0])
		if len(h) > 1 {
			macros[h[1]] = h[2]
		}
		w.host(t, name, shared.Addr, h[:1], macros)
	}
	stop := make(chan struct{})
	defer close(stop)
	go p.load(stop)

	chores := p.chores(t)
	began := time.Now()
	done, told := make([]int, len(chores)), map[string]bool{}
	allowed := []string{": Server was restarted", ": Plugin was restarted"} // for this test
	for time.Since(began) < *shopTime {
		time.Sleep(time.Second)
		passed := float64(time.Since(began)) / float64(*shopTime)
		for i, c := range chores {
			due := int(passed * float64(time.Hour) / float64(max(c.every, 1)))
			if c.every == 0 {
				due = 0
				if passed >= c.once {
					due = 1
				}
			}
			if done[i] < due {
				done[i]++
				allowed = append(allowed, c.says...)
				at := time.Now()
				c.do(t)
				t.Logf("%v: %s, %v", at.Sub(began).Round(time.Second), c.name, time.Since(at).Round(time.Millisecond))
			}
		}
		for host := range hosts {
			for _, name := range w.open(host) {
				if told[host+name] {
					continue
				}
				told[host+name] = true
				if slices.ContainsFunc(allowed, func(a string) bool { return strings.HasSuffix(name, a) }) {
					t.Logf("%v: %s: told: %s", time.Since(began).Round(time.Second), host, name)
					continue
				}
				t.Errorf("after %v of ordinary work: %s: %s", time.Since(began).Round(time.Second), host, name)
			}
		}
	}
	require.Empty(t, w.faults)
	for i, c := range chores {
		require.Positive(t, done[i], c.name)
	}
}

// defaults are all macros as a template has them.
func (w *world) defaults(t testing.TB, template string) map[string]string {
	t.Helper()
	macros := map[string]string{}
	var defined []struct{ Macro, Value string }
	w.api.call(t, "usermacro.get", o{"output": []string{"macro", "value"}, "hostids": w.api.id(t, "template", "templateid", "host", template)}, &defined)
	for _, m := range defined {
		macros[m.Macro] = m.Value
	}
	return macros
}

// master is the server of those that sentinels watch that takes writes.
func (p *plant) master() *redistest.Server {
	for _, s := range p.watched.Servers {
		if role, err := s.TryDo("ROLE"); err == nil && strings.HasPrefix(role, "master") {
			return s
		}
	}
	return p.watched.Servers[0]
}

// load is an application: it reads and writes some thousand times a second, and what is old expires. Like every client, it
// looks for the master anew, and goes where a node of the cluster sends it.
func (p *plant) load(stop chan struct{}) {
	homes := map[string]*redistest.Node{"a": p.nodes[0], "b": p.nodes[0], "c": p.nodes[0], "d": p.nodes[0], "e": p.nodes[0]}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		k := strconv.Itoa(n % 50_000)
		s := p.master()
		_, _ = s.TryDo("SET", "session:"+k, strings.Repeat("x", 200), "EX", "600")
		_, _ = s.TryDo("EVAL", "for i = 1, 40 do redis.call('GET', KEYS[1]) redis.call('INCR', KEYS[2]) end", "2", "session:"+k, "views:"+k)
		for tag, node := range homes {
			_, err := node.TryDo("SET", "cart:{"+tag+"}:"+k, strings.Repeat("x", 100), "EX", "600")
			if err == nil {
				continue
			}
			if at := slices.IndexFunc(p.nodes, func(n *redistest.Node) bool { return strings.HasSuffix(err.Error(), " "+n.Addr) }); at >= 0 {
				homes[tag] = p.nodes[at]
			}
		}
	}
}

// client runs redis-cli.
func (p *plant) client(t testing.TB, args ...string) {
	out, err := exec.Command("redis-cli", args...).CombinedOutput()
	if err != nil {
		t.Errorf("redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (p *plant) chores(t testing.TB) []chore {
	const password = "of-the-servers"
	var open []net.Conn
	deploy := func(testing.TB) {
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
		for range 60 {
			if c, err := net.Dial("tcp", p.master().Addr); err == nil {
				_, _ = fmt.Fprintf(c, "AUTH %s\r\nGET a\r\nSUBSCRIBE news\r\n", password)
				open = append(open, c)
			}
		}
	}
	changed := []string{": Configuration was changed"}
	return []chore{
		{name: "a deployment: all connections of an application end, others begin", every: 4 * time.Minute, do: deploy},
		{name: "a backup of the master and of the replica", every: 20 * time.Minute, do: func(t testing.TB) {
			for i, s := range p.watched.Servers {
				p.client(t, "-p", portOf(s.Addr), "--no-auth-warning", "-a", password, "--rdb", filepath.Join(p.dir, strconv.Itoa(i)))
			}
			p.client(t, "-p", portOf(p.nodes[1].Addr), "--rdb", filepath.Join(p.dir, "node"))
		}},
		{name: "a daily job writes and deletes 50,000 keys", every: 20 * time.Minute, do: func(t testing.TB) {
			for from := range 50 {
				p.master().Do(t, "EVAL", fmt.Sprintf("for i = 1, 1000 do redis.call('SET', 'report:%d:' .. i, string.rep('x', 500), 'EX', 120) end", from), "0")
			}
		}},
		{name: "a rewrite of the AOF", every: 15 * time.Minute, do: func(t testing.TB) { _, _ = p.master().TryDo("BGREWRITEAOF") }},
		{name: "200 slots move to another node", once: 0.3, says: []string{": Failover or slot change"}, do: func(t testing.TB) {
			p.client(t, "--cluster", "reshard", p.nodes[0].Addr, "--cluster-from", p.nodes[0].ID, "--cluster-to", p.nodes[1].ID, "--cluster-slots", "200", "--cluster-yes")
		}},
		{name: "a failover that an operator asks the sentinels for", once: 0.5,
			says: append([]string{"Master mymaster has changed", "Role has changed", "Role has changed to master", "Role has changed to slave"}, changed...),
			do:   func(t testing.TB) { p.watched.Sentinels[0].Do(t, "SENTINEL", "FAILOVER", "mymaster") }},
		{name: "a failover that an operator asks the cluster for", once: 0.7, says: []string{": Failover or slot change"}, do: func(t testing.TB) {
			p.nodes[4].Do(t, "CLUSTER", "FAILOVER")
		}},
	}
}
