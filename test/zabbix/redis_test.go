//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

const redisTemplate = "Redis by RedisJobs"

// redisScenes are the faults of single servers and of a master with a replica.
func (w *world) redisScenes(t testing.TB) []*scene {
	host := func(name, conn string, macros map[string]string) *scene {
		if macros == nil {
			macros = map[string]string{}
		}
		macros["{$REDIS.CONN}"] = conn
		// A busy machine makes commands and answers slow; one scene is about that.
		for name, value := range map[string]string{"{$REDIS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$REDIS.LATENCY.MAX.WARN}": "10",
			"{$REDIS.CPU.MAIN.MAX.WARN}": "1000",
			// Faults are made by CONFIG SET, are findings themselves, or are refusals: setupScene and groupScenes are about those.
			`{$REDIS.CHECK:"Configuration was changed"}`: "0", `{$REDIS.CHECK:"Setup has findings of high severity"}`: "0",
			`{$REDIS.CHECK:"Settings of replicas differ"}`: "0", "{$REDIS.REFUSED.MAX.WARN}": "1000000"} {
			if _, ok := macros[name]; !ok {
				macros[name] = value
			}
		}
		return &scene{host: name, templates: []string{redisTemplate}, macros: macros}
	}
	uri := func(s *redistest.Server) string { return "tcp://" + s.Addr }
	var out []*scene

	// A server that goes away and comes back.
	down := redistest.Start(t, redistest.Config{})
	restarts := host("down", uri(down), map[string]string{"{$REDIS.UPTIME.MIN}": "25s", `{$REDIS.PERIOD:"restarts"}`: "60s", "{$REDIS.RESTARTS.MAX.WARN}": "4"})
	const restarted = "Redis: Server was restarted"
	restarts.steps = []step{
		{name: "a server that is stopped", do: down.Stop, want: []string{"Redis: Server is down"}, undo: down.Restart, may: []string{restarted}},
		{name: "a restart", do: down.Restart, want: []string{restarted}},
		{name: "restarts", want: []string{"Redis: Server restarts repeatedly"}, may: []string{restarted}, do: func(t testing.TB) {
			for range 4 { // more than the limit with the run before them, and not with the two starts of the other steps
				down.Restart(t)
				w.sees(t, restarts, "rj.redis.run_id", down.InfoField(t, "server", "run_id"))
			}
		}},
	}
	out = append(out, restarts)

	// At the default interval a server that is down is a problem within two minutes, and what it takes to store it.
	minute := redistest.Start(t, redistest.Config{})
	sc := host("minute", uri(minute), map[string]string{"{$REDIS.INTERVAL}": "58s", "{$REDIS.DOWN.POLLS}": "#2", "{$REDIS.NODATA.PERIOD}": "10m"})
	sc.slow = true
	var stopped time.Time
	sc.steps = []step{{name: "a server that is stopped, polled every minute", want: []string{"Redis: Server is down"},
		do: func(t testing.TB) { stopped = time.Now(); minute.Stop(t) },
		undo: func(t testing.TB) {
			require.Less(t, w.since(t, "minute", "Redis: Server is down").Sub(stopped), 120*time.Second, "from the fault to the problem")
			minute.Restart(t)
		}}}
	out = append(out, sc)

	// The active variant: the server alone.
	active := redistest.Start(t, redistest.Config{})
	sc = host("active", uri(active), nil)
	sc.templates, sc.active = []string{redisTemplate + " active"}, true
	sc.steps = []step{{name: "a server that is stopped", do: active.Stop, want: []string{"Redis: Server is down"}, undo: active.Restart}}
	out = append(out, sc)

	// Memory with a limit.
	memory := redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "40mb"}})
	sc = host("memory", uri(memory), nil)
	sc.steps = []step{
		{name: "a memory that is nearly full", want: []string{"Redis: Memory is near its limit"},
			do: func(t testing.TB) { fillTo(t, memory, "a", 87) }},
		{name: "a memory that is full", want: []string{"Redis: Memory limit is reached"}, may: []string{"Redis: Memory is near its limit"},
			do: func(t testing.TB) { fillTo(t, memory, "a", 98) }, undo: func(t testing.TB) { memory.Do(t, "FLUSHALL") }},
	}
	sc.steps[0].undo = func(t testing.TB) { memory.Do(t, "FLUSHALL") }
	out = append(out, sc)

	// Memory without a limit, on a machine that counts as full from 60 MiB on.
	unlimited := redistest.Start(t, redistest.Config{})
	sc = host("unlimited", uri(unlimited), map[string]string{
		"{$REDIS.MEMORY.PUSED.MAX.WARN}": fmt.Sprint(60 * 100.0 / float64(machineMemory(t))), "{$REDIS.MEMORY.FRAG.BYTES.MIN}": "20M"})
	sc.steps = []step{
		{name: "a memory without a limit", want: []string{"Redis: Memory has no limit and the host is running out of memory"},
			do: func(t testing.TB) { fill(t, unlimited, "a", 70) }, undo: func(t testing.TB) { unlimited.Do(t, "FLUSHALL") }},
		{name: "a fragmented memory", want: []string{"Redis: Memory is fragmented"},
			do: func(t testing.TB) {
				// Every page keeps one of its values. In parts, so that the server answers meanwhile.
				for _, part := range []string{"redis.call('SET', 'f' .. i, string.rep('x', 70))", "if i % 40 ~= 0 then redis.call('DEL', 'f' .. i) end"} {
					for from := range 40 {
						unlimited.Do(t, "EVAL", fmt.Sprintf("for i = %d, %d do %s end", from*10_000+1, (from+1)*10_000, part), "0")
					}
				}
			},
			undo: func(t testing.TB) { unlimited.Do(t, "FLUSHALL"); unlimited.Do(t, "MEMORY", "PURGE") },
			may:  []string{"Redis: Memory has no limit and the host is running out of memory"}},
	}
	out = append(out, sc)

	// A cache that is full: its memory is no problem, and evictions are one only for those who say so.
	cache := redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"}})
	sc = host("cache", uri(cache), map[string]string{"{$REDIS.EVICTED.RATE.MAX.WARN}": "0.1"})
	n := 0
	sc.steps = []step{during("evictions", func(t testing.TB) {
		for range 20 {
			n++
			cache.Do(t, "SET", fmt.Sprint("k", n), strings.Repeat("x", 100<<10))
		}
	}, "Redis: Keys are evicted")}
	out = append(out, sc)

	// Clients.
	busy := redistest.Start(t, redistest.Config{Args: []string{"--maxclients", "20"}})
	sc = host("clients", uri(busy), map[string]string{"{$REDIS.ERROR.RATE.MAX.WARN}": "0.1", `{$REDIS.PERIOD:"rejected"}`: "40s"})
	var closeAll func()
	sc.steps = []step{
		{name: "many clients", want: []string{"Redis: Number of clients is near the limit"},
			do:   func(t testing.TB) { closeAll = clients(t, busy.Addr, 16) },
			undo: func(testing.TB) { closeAll() }},
		{name: "too many clients", want: []string{"Redis: Number of clients is near the limit", "Redis: Connections are rejected"},
			do: func(t testing.TB) {
				n := atoi(t, busy.InfoField(t, "clients", "connected_clients"))
				closeAll = clients(t, busy.Addr, 20-n)
				for range 5 {
					c, err := net.Dial("tcp", busy.Addr)
					require.NoError(t, err)
					c.Read(make([]byte, 100))
					c.Close()
				}
			},
			undo: func(testing.TB) { closeAll() }},
		during("wrong passwords", func(testing.TB) { busy.TryDo("AUTH", "nobody", "wrong") }, "Redis: Clients get WRONGPASS errors"),
	}
	out = append(out, sc)

	// Time.
	slow := redistest.Start(t, redistest.Config{Args: quietSlowlog})
	network := newLazy(t, slow.Addr)
	sc = host("slow", "tcp://"+network.addr, map[string]string{"{$REDIS.SLOWLOG.RATE.MAX.WARN}": "0.1", "{$REDIS.LATENCY.MAX.WARN}": "0.15"})
	sc.steps = []step{
		{name: "a slow network", want: []string{"Redis: Response time is high"},
			do: func(testing.TB) { network.delay.Store(int64(250 * time.Millisecond)) }, undo: func(testing.TB) { network.delay.Store(0) }},
		slowCommands(slow, "Redis: Too many slow commands"),
	}
	out = append(out, sc)

	// A server that is replaced by one of another version, behind one address.
	old, next := redistest.Start(t, redistest.Config{}), redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "valkey-8.0").Bin})
	address := newLazy(t, old.Addr)
	sc = host("version", "tcp://"+address.addr, nil)
	sc.steps = []step{{name: "an upgrade", want: []string{"Redis: Version has changed"}, stay: []string{"Redis: Version has changed"},
		do: func(t testing.TB) { address.to.Store(next.Addr); old.Stop(t) }}}
	out = append(out, sc)

	// The disk.
	disk := redistest.Start(t, redistest.Config{Args: []string{"--appendonly", "yes", "--enable-debug-command", "yes"}})
	disk.Do(t, "SET", "a", "1")
	sc = host("disk", uri(disk), map[string]string{"{$REDIS.RDB.AGE.MAX.WARN}": "0", "{$REDIS.FORK.TIME.MAX.WARN}": "1000",
		`{$REDIS.ERROR.RATE.MAX.WARN:"MISCONF"}`: "1"}) // it is polled every three seconds
	delay := func(t testing.TB, usec string) { disk.Do(t, "CONFIG", "SET", "rdb-key-save-delay", usec) }
	heal := func(t testing.TB, command, field string) {
		delay(t, "0")
		disk.Do(t, command)
		await(t, command, func() string {
			if v := disk.InfoField(t, "persistence", field); v != "ok" {
				return v
			}
			return ""
		})
	}
	sc.steps = []step{
		{name: "a save that is killed", hold: 20 * time.Second, want: []string{"Redis: RDB save failed"},
			do: func(t testing.TB) {
				disk.Do(t, "CONFIG", "SET", "save", "3600 100000") // so that it takes no writes from now on
				delay(t, "10000000")
				disk.Do(t, "BGSAVE")
				disk.KillChild(t)
			},
			undo: func(t testing.TB) { heal(t, "BGSAVE", "rdb_last_bgsave_status") }},
		{name: "a rewrite that is killed", want: []string{"Redis: AOF rewrite failed"},
			do:   func(t testing.TB) { delay(t, "10000000"); disk.Do(t, "BGREWRITEAOF"); disk.KillChild(t) },
			undo: func(t testing.TB) { heal(t, "BGREWRITEAOF", "aof_last_bgrewrite_status") }},
		{name: "a full disk", hold: 20 * time.Second, want: []string{"Redis: AOF write failed"},
			do: func(t testing.TB) {
				// The next file of the log is one that is always full.
				dir := filepath.Join(dirOf(t, disk), "appendonlydir")
				for n := range 40 {
					name := filepath.Join(dir, fmt.Sprintf("appendonly.aof.%d.incr.aof", n))
					if _, err := os.Stat(name); err != nil {
						require.NoError(t, os.Symlink("/dev/full", name))
					}
				}
				disk.Do(t, "BGREWRITEAOF")
				disk.TryDo("SET", "b", "2")
				t.Cleanup(func() {})
			},
			undo: func(t testing.TB) {
				dir := filepath.Join(dirOf(t, disk), "appendonlydir")
				links, err := filepath.Glob(filepath.Join(dir, "*.incr.aof"))
				require.NoError(t, err)
				for _, l := range links {
					if to, err := os.Readlink(l); err == nil && to == "/dev/full" {
						require.NoError(t, os.Remove(l))
					}
				}
				heal(t, "BGREWRITEAOF", "aof_last_write_status")
			}},
	}
	out = append(out, sc)

	// Saves and forks.
	saves := redistest.Start(t, redistest.Config{})
	sc = host("saves", uri(saves), map[string]string{"{$REDIS.RDB.AGE.MAX.WARN}": "15", "{$REDIS.FORK.TIME.MAX.WARN}": "1000"})
	sc.steps = []step{
		{name: "changes that nobody saves", want: []string{"Redis: Last RDB save is too old"},
			do: func(t testing.TB) { saves.Do(t, "SET", "a", "1") }, undo: func(t testing.TB) { saves.Do(t, "BGSAVE") }},
	}
	out = append(out, sc)
	forks := redistest.Start(t, redistest.Config{})
	sc = host("forks", uri(forks), map[string]string{"{$REDIS.FORK.TIME.MAX.WARN}": "0.000001"})
	sc.steps = []step{{name: "a fork", want: []string{"Redis: Fork is slow"}, do: func(t testing.TB) { forks.Do(t, "BGSAVE") }}}
	out = append(out, sc)

	// More databases than an answer has rows for.
	many := redistest.Start(t, redistest.Config{Args: []string{"--databases", "1100"}})
	sc = host("rows", uri(many), map[string]string{"{$REDIS.LLD.FILTER.DATABASE.MATCHES}": "^db0$"})
	sc.steps = []step{{name: "a thousand databases", want: []string{"Redis: Some rows are truncated"},
		do: func(t testing.TB) {
			for n := range 1050 {
				many.Do(t, "SELECT", strconv.Itoa(n))
				many.Do(t, "SET", "a", "1")
			}
		},
		undo: func(t testing.TB) { many.Do(t, "FLUSHALL") }}}
	out = append(out, sc)

	// A user who may not see everything. What was refused is asked again after an hour, or by a new agent.
	guarded := redistest.Start(t, redistest.Config{Password: "secret", Users: []string{"zabbix on >zabbix " + permissions(t)}})
	sc = host("permissions", "Guarded", nil)
	sc.lines = []string{"Sessions.Guarded.Uri=tcp://" + guarded.Addr, "Sessions.Guarded.User=zabbix", "Sessions.Guarded.Password=zabbix"}
	sc.ownAgent = true
	guardedHost := sc
	sc.steps = []step{{name: "a permission that is taken away", want: []string{"Redis: Some metrics are unavailable"},
		do: func(t testing.TB) { guarded.Do(t, "ACL", "SETUSER", "zabbix", "-slowlog") },
		undo: func(t testing.TB) {
			guarded.Do(t, "ACL", "SETUSER", "zabbix", "+slowlog")
			guardedHost.running.Kill()
			w.newAgent(t, guardedHost)
		}}}
	out = append(out, sc)

	// Certificates.
	secure := redistest.Start(t, redistest.Config{TLS: true})
	sc = host("certificate", "Secure", nil)
	sc.lines = []string{"Sessions.Secure.Uri=rediss://" + secure.TLSAddr, "Sessions.Secure.TLSConnect=required"}
	show := func(t testing.TB, name string, until time.Time) {
		cert, key := secure.CA.Issue(t, name, until, "localhost", "127.0.0.1")
		secure.Do(t, "CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key)
		secure.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	sc.steps = []step{
		{name: "a certificate that ends in a week", want: []string{"Redis: TLS certificate expires soon"},
			do: func(t testing.TB) { show(t, "week", time.Now().AddDate(0, 0, 7)) }, undo: func(t testing.TB) { show(t, "month", time.Now().AddDate(0, 1, 0)) }},
		{name: "a certificate that ends now", want: []string{"Redis: TLS certificate expires soon", "Redis: TLS certificate has expired"},
			do:   func(t testing.TB) { show(t, "now", time.Now().Add(20*time.Second)) },
			undo: func(t testing.TB) { show(t, "year", time.Now().AddDate(1, 0, 0)) }},
	}
	out = append(out, sc)

	// A master, its replica and the link between them.
	master := redistest.Start(t, redistest.Config{Args: []string{"--repl-diskless-sync-delay", "0", "--appendonly", "yes", "--maxmemory", "100mb"}})
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(master.Addr)}})
	name := func(s *redistest.Server) string { return "127.0.0.1:" + portOf(s.Addr) }
	sc = host("master", uri(master), map[string]string{"{$REDIS.REPLICA.LAG.MAX.WARN}": "5", "{$REDIS.REPLICA.LAG.BYTES.MAX.WARN}": "10K"})
	masterHost := sc
	behind := "Redis: Replica " + name(replica) + " is behind" // while it copies everything anew
	sc.steps = []step{
		{name: "a replica that hangs", want: []string{"Redis: Replica " + name(replica) + " lags"},
			do: replica.Pause, undo: replica.Resume},
		{name: "a replica that cannot follow", want: []string{"Redis: Replica " + name(replica) + " is behind"},
			do: func(t testing.TB) {
				w.macro(t, masterHost, "{$REDIS.REPLICA.LAG.MAX.WARN}", "1000")
				replica.Pause(t)
				fill(t, master, "a", 1)
			}, undo: replica.Resume},
		{name: "a replica that is lost", want: []string{"Redis: Replica " + name(replica) + " is lost or out of sync"}, do: replica.Kill, undo: replica.Restart,
			may: []string{behind}},
		{name: "a replica that is needed", want: []string{"Redis: Too few replicas"},
			do: func(t testing.TB) {
				w.macro(t, masterHost, "{$REDIS.REPLICAS.MIN}", "1")
				replica.Kill(t)
			},
			undo: replica.Restart, may: []string{behind, "Redis: Replica " + name(replica) + " is lost or out of sync"}},
	}
	out = append(out, sc)

	upstream := redistest.Start(t, redistest.Config{Args: []string{"--repl-diskless-sync-delay", "0"}})
	follower := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(upstream.Addr)}})
	sc = host("replica", uri(follower), map[string]string{"{$REDIS.LINK.IDLE.MAX.WARN}": "11"})
	sc.steps = []step{
		{name: "a master that hangs", want: []string{"Redis: No data from the master"}, do: upstream.Pause, undo: upstream.Resume},
		{name: "a master that is lost", want: []string{"Redis: Link to the master is down"}, do: upstream.Kill, undo: upstream.Restart},
		{name: "a replica that becomes a master", want: []string{"Redis: Role has changed"}, stay: []string{"Redis: Role has changed"},
			do: func(t testing.TB) { follower.Do(t, "REPLICAOF", "NO", "ONE") }},
	}
	out = append(out, sc)
	return append(out, setupScene(t))
}
