//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

const sessionsTemplate = "Redis sessions by RedisJobs"

// together is one step of many, each with its own session's fault: every
// problem must name the session that it is of.
func together(name string, all ...step) step {
	out := step{name: name,
		do: func(t testing.TB) {
			for _, s := range all {
				s.do(t)
			}
		},
		undo: func(t testing.TB) {
			for _, s := range all {
				if s.undo != nil {
					s.undo(t)
				}
			}
		}}
	for _, s := range all {
		out.want, out.stay, out.may = append(out.want, s.want...), append(out.stay, s.stay...), append(out.may, s.may...)
	}
	return out
}

// sessionsScenes are the faults of several servers that one agent watches for one host.
func (w *world) sessionsScenes(t testing.TB) []*scene {
	of := func(session string, problems ...string) (out []string) {
		for _, p := range problems {
			out = append(out, "Session "+session+": "+p)
		}
		return out
	}
	const down, restarted, role = "Server is down", "Server was restarted", "Role has changed"
	const near, full = "Memory is near its limit", "Memory limit is reached"

	main := redistest.Start(t, redistest.Config{})
	old := redistest.Start(t, redistest.Config{})
	memory := redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "40mb"}})
	unlimited := redistest.Start(t, redistest.Config{})
	cache := redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"}})
	busy := redistest.Start(t, redistest.Config{Args: []string{"--maxclients", "20"}})
	slow := redistest.Start(t, redistest.Config{Args: quietSlowlog})
	network := newLazy(t, slow.Addr)
	disk := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	disk.Do(t, "SET", "a", "1")
	upstream := redistest.Start(t, redistest.Config{Args: []string{"--repl-diskless-sync-delay", "0"}})
	follower := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(upstream.Addr)}})
	secure := redistest.Start(t, redistest.Config{TLS: true})

	sc := &scene{host: "sessions", templates: []string{sessionsTemplate}, ownAgent: true,
		macros: map[string]string{
			`{$SESSIONS.UPTIME.MIN:"Shop_main"}`: "30s",
			`{$SESSIONS.PERIOD:"rejected"}`:      "40s",
			// Of one session alone; others are slow while the machine has other work.
			"{$SESSIONS.SLOWLOG.RATE.MAX.WARN}":             "1000",
			`{$SESSIONS.SLOWLOG.RATE.MAX.WARN:"slow"}`:      "0.1",
			"{$SESSIONS.LATENCY.MAX.WARN}":                  "10",
			`{$SESSIONS.LATENCY.MAX.WARN:"slow"}`:           "0.3",
			`{$SESSIONS.EVICTED.RATE.MAX.WARN:"cache"}`:     "0.1",
			`{$SESSIONS.MEMORY.PUSED.MAX.WARN:"Unlimited"}`: fmt.Sprint(60 * 100.0 / float64(machineMemory(t))),
		},
		lacks: []string{`rj\.sessions\.failing\[.*`, `rj\.redis\.(link\.(up|host)|tls\.\w+|slowlog\.rate|hit_ratio|lag|lag_bytes)\[.*`},
		lines: []string{
			"Sessions.Shop_main.Uri=tcp://" + main.Addr, "Sessions.memory.Uri=tcp://" + memory.Addr, "Sessions.Unlimited.Uri=tcp://" + unlimited.Addr,
			"Sessions.cache.Uri=tcp://" + cache.Addr + "/3", "Sessions.CLIENTS.Uri=tcp://" + busy.Addr, "Sessions.slow.Uri=tcp://" + network.addr,
			"Sessions.disk.Uri=tcp://" + disk.Addr, "Sessions.replica_2.Uri=tcp://" + follower.Addr,
			"Sessions.Secure.Uri=rediss://" + secure.TLSAddr, "Sessions.Secure.TLSConnect=required",
			// What must become no item: it would not answer, and its problem would be seen.
			"Sessions.storm_ui.Uri=http://127.0.0.1:1", "Sessions.sentinel.Uri=tcp://127.0.0.1:26379",
			"Sessions.Old.Uri=tcp://" + old.Addr,
		}}
	host := sc

	show := func(t testing.TB, name string, until time.Time) {
		cert, key := secure.CA.Issue(t, name, until, "localhost", "127.0.0.1")
		secure.Do(t, "CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key)
		secure.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	n := 0
	evictions := during("evictions", func(t testing.TB) {
		for range 20 {
			n++
			cache.Do(t, "SET", fmt.Sprint("k", n), strings.Repeat("x", 100<<10))
		}
	}, of("cache", "Keys are evicted")...)
	var few, many func()
	sc.steps = []step{
		together("faults of many servers",
			step{do: main.Stop, want: of("Shop_main", down), undo: main.Restart, may: of("Shop_main", restarted)},
			step{do: func(t testing.TB) { fillTo(t, memory, "a", 87) }, want: of("memory", near), undo: func(t testing.TB) { memory.Do(t, "FLUSHALL") }},
			step{do: func(t testing.TB) { fill(t, unlimited, "a", 70) }, want: of("Unlimited", "Memory has no limit and the host is running out of memory"),
				undo: func(t testing.TB) { unlimited.Do(t, "FLUSHALL") }},
			evictions,
			step{do: func(t testing.TB) { few = clients(t, busy.Addr, 16) }, undo: func(testing.TB) { few() }, want: of("CLIENTS", "Number of clients is near the limit")},
			step{do: func(testing.TB) { network.delay.Store(int64(450 * time.Millisecond)) }, undo: func(testing.TB) { network.delay.Store(0) },
				want: of("slow", "Response time is high")},
			step{want: of("disk", "RDB save failed"),
				do: func(t testing.TB) {
					disk.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "10000000")
					disk.Do(t, "BGSAVE")
					disk.KillChild(t)
				},
				undo: func(t testing.TB) {
					disk.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "0")
					disk.Do(t, "BGSAVE")
				}},
			step{do: upstream.Kill, undo: upstream.Restart, want: of("replica_2", "Link to the master is down")},
			step{want: of("Secure", "TLS certificate expires soon"),
				do:   func(t testing.TB) { show(t, "week", time.Now().AddDate(0, 0, 7)) },
				undo: func(t testing.TB) { show(t, "month", time.Now().AddDate(0, 1, 0)) }},
		),
		together("more of them",
			step{do: main.Restart, want: of("Shop_main", restarted)},
			step{do: func(t testing.TB) { fillTo(t, memory, "a", 98) }, want: of("memory", full), may: of("memory", near),
				undo: func(t testing.TB) { memory.Do(t, "FLUSHALL") }},
			slowCommands(slow, of("slow", "Too many slow commands")...),
			step{do: func(t testing.TB) { follower.Do(t, "REPLICAOF", "NO", "ONE") }, want: of("replica_2", role), stay: of("replica_2", role)},
			step{want: of("CLIENTS", "Connections are rejected", "Number of clients is near the limit"),
				do: func(t testing.TB) {
					many = clients(t, busy.Addr, 20-atoi(t, busy.InfoField(t, "clients", "connected_clients")))
					for range 5 {
						c, err := net.Dial("tcp", busy.Addr)
						require.NoError(t, err)
						c.Read(make([]byte, 100))
						c.Close()
					}
				},
				undo: func(testing.TB) { many() }},
		),
		// A server that is given up: its problem ends with its session, not with its items.
		{name: "a session that is taken away", want: of("Old", down), do: old.Stop,
			undo: func(t testing.TB) {
				w.sees(t, host, "rj.sessions.configured", "11")
				w.sees(t, host, "rj.sessions.down", "1")
				host.running.Kill()
				host.config = w.plugin(t, "", host.lines[:len(host.lines)-1])
				w.newAgent(t, host)
				w.sees(t, host, "rj.sessions.configured", "10")
				w.sees(t, host, "rj.sessions.down", "0")
			}},
		w.silence(sc, "Sessions: No data from the plugin"),
	}
	out := []*scene{sc}

	// One host may have the templates of the agent, of its sessions and of one server.
	one := redistest.Start(t, redistest.Config{})
	sc = &scene{host: "sessions-beside", templates: []string{sessionsTemplate, healthTemplate, redisTemplate}, ownAgent: true,
		macros: map[string]string{"{$REDIS.CONN}": "One", "{$SESSIONS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$SESSIONS.LATENCY.MAX.WARN}": "10",
			"{$REDIS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$REDIS.LATENCY.MAX.WARN}": "10"},
		lacks: host.lacks,
		lines: []string{"Sessions.One.Uri=tcp://" + one.Addr}}
	sc.steps = []step{{name: "a server that is stopped", do: one.Stop, undo: one.Restart,
		want: append(of("One", down), "Redis: Server is down", "RedisJobs: Targets are failing"),
		may:  []string{"RedisJobs: Session One does not answer", "RedisJobs: Connections are reopened too often"}}}
	out = append(out, sc)

	// The active variant, of an agent that has many more sessions.
	active := redistest.Start(t, redistest.Config{})
	sc = &scene{host: "sessions-active", templates: []string{sessionsTemplate + " active"}, active: true,
		macros: map[string]string{"{$SESSIONS.LLD.FILTER.SESSION.MATCHES}": "^Only_this$", "{$SESSIONS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$SESSIONS.LATENCY.MAX.WARN}": "10"},
		lacks:  host.lacks,
		lines:  []string{"Sessions.Only_this.Uri=tcp://" + active.Addr}}
	sc.steps = []step{{name: "a server that is stopped", do: active.Stop, want: of("Only_this", down), undo: active.Restart}}
	return append(out, sc)
}
