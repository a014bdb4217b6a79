//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

const healthTemplate = "RedisJobs plugin health"

// healthScenes are faults of the plugin and of the connections that it has.
func (w *world) healthScenes(t testing.TB) []*scene {
	var out []*scene
	host := func(name string, macros map[string]string, lines ...string) *scene {
		return &scene{host: name, templates: []string{healthTemplate}, macros: macros, ownAgent: true, lines: lines}
	}

	// The agent ends, and is replaced.
	server := redistest.Start(t, redistest.Config{})
	sc := host("plugin", map[string]string{"{$REDISJOBS.UPTIME.MIN}": "30s", "{$REDISJOBS.DIALS.RATE.MAX.WARN}": "10"}, "Sessions.Prod.Uri=tcp://"+server.Addr)
	gone := sc
	const restarted = "RedisJobs: Plugin was restarted"
	sc.templates = append(sc.templates, redisTemplate, stormTemplate)
	sc.macros["{$REDIS.CONN}"], sc.macros["{$STORM.CONN}"] = "Prod", "Prod"
	sc.steps = []step{
		{name: "an agent that is killed", do: func(testing.TB) { gone.running.Kill() },
			want: []string{"RedisJobs: No data from the plugin", "Redis: No data from the plugin", "Storm: No data from the plugin"},
			undo: func(t testing.TB) { w.newAgent(t, gone) }, may: []string{restarted}},
		{name: "a restart of the agent", do: func(t testing.TB) { gone.running.Kill(); w.newAgent(t, gone) }, want: []string{restarted}},
		{name: "an upgrade of the plugin", want: []string{"RedisJobs: Version has changed"}, stay: []string{"RedisJobs: Version has changed"}, may: []string{restarted},
			do: func(t testing.TB) {
				next := filepath.Join(t.TempDir(), "next")
				build := exec.Command("go", "build", "-ldflags", "-X main.version=99.0.0", "-o", next, ".")
				build.Dir = agent.Root(t)
				said, err := build.CombinedOutput()
				require.NoError(t, err, "%s", said)
				gone.running.Kill()
				gone.config.Plugin = next
				w.newAgent(t, gone)
			}},
	}
	sc.lacks = []string{`rj\.storm\..*`}
	out = append(out, sc)

	// Connections that are cut, targets that fail, memory.
	target := redistest.Start(t, redistest.Config{})
	sc = host("connections", map[string]string{"{$REDISJOBS.DIALS.RATE.MAX.WARN}": "0.1", `{$REDISJOBS.PERIOD:"session"}`: "1m"}, "Sessions.Prod.Uri=tcp://"+target.Addr)
	cut := sc
	sc.steps = []step{
		during("connections that are cut", func(testing.TB) {
			cut.running.Get("redis.key.ttl[Prod,,,x]") // items enough to need a connection in every interval
			target.TryDo("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}, "RedisJobs: Connections are reopened too often"),
		{name: "a target that fails", want: []string{"RedisJobs: Targets are failing"},
			may: []string{"RedisJobs: Session Prod does not answer", "RedisJobs: Connections are reopened too often"}, // each try is one made
			do:  target.Stop, undo: target.Restart},
		{name: "a session that does not answer", want: []string{"RedisJobs: Session Prod does not answer"},
			may: []string{"RedisJobs: Connections are reopened too often"},
			do: func(t testing.TB) {
				w.macro(t, cut, "{$REDISJOBS.TARGETS.FAILING.MAX.WARN}", "5")
				target.Stop(t)
			}, undo: target.Restart},
		{name: "a plugin that is larger than it may be", want: []string{"RedisJobs: Plugin uses too much memory"},
			do:   func(t testing.TB) { w.macro(t, cut, "{$REDISJOBS.MEMORY.MAX.WARN}", "1M") },
			undo: func(t testing.TB) { w.macro(t, cut, "{$REDISJOBS.MEMORY.MAX.WARN}", "1G") }},
	}
	out = append(out, sc)

	// A server that answers more slowly than it is asked, and a single connection to it.
	busy := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "local"}})
	busy.Do(t, "DEBUG", "POPULATE", "20000")
	network := newLazy(t, busy.Addr)
	sc = host("waiting", map[string]string{"{$REDISJOBS.DIALS.RATE.MAX.WARN}": "100", "{$REDISJOBS.TARGETS.FAILING.MAX.WARN}": "5",
		"{$REDISJOBS.INTERVAL}": "5s", `{$REDISJOBS.PERIOD:"timeouts"}`: "15s"},
		"Sessions.Prod.Uri=tcp://"+network.addr, "MaxConnections=1", "Timeout=1")
	asked := sc
	slow := func(name string, keys []string, want string, may ...string) step {
		var stops []func()
		end := func() {
			network.delay.Store(0)
			for _, stop := range stops {
				stop()
			}
			stops = nil
		}
		return step{name: name, want: []string{want}, may: may, undo: func(testing.TB) { end() },
			do: func(t testing.TB) {
				t.Cleanup(end)
				network.delay.Store(int64(200 * time.Millisecond))
				for n, key := range keys {
					stops = append(stops, every(time.Duration(10+30*n)*time.Millisecond, func() { asked.running.GetWithin(key, time.Second) }))
				}
			}}
	}
	var single, many []string
	for n := range 8 {
		single = append(single, fmt.Sprintf("redis.key.ttl[Prod,,,k%d]", n))
		// Its many round trips wait for a connection again and again, until one waits when the time is over.
		many = append(many, "storm.job.discovery[Prod]")
	}
	const waits = "RedisJobs: Requests wait for connections"
	sc.steps = []step{
		slow("a slow server", single, waits, "RedisJobs: Requests time out waiting for a connection"),
		slow("a slow server that is asked much", append(many, single...), "RedisJobs: Requests time out waiting for a connection",
			waits, "RedisJobs: Session Prod does not answer"),
	}
	out = append(out, sc)

	return out
}
