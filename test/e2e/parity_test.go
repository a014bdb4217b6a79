//go:build e2e && linux

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// builtin starts an agent without the aliases: redis.info is the built-in
// plugin's there, and redis.server.info ours.
func builtin(t *testing.T, a agent.Agent) *asked {
	t.Helper()
	return start(t, a, setup{plugin: agent.Plugin(t), noAliases: true})
}

// both asks the built-in plugin and ours for the same. The key is that of the
// built-in one without "redis.": info[...].
func (r *asked) both(t *testing.T, key string) (theirs, ours string) {
	t.Helper()
	return r.value(t, "redis."+key), r.value(t, "redis.server."+key)
}

// golden is an INFO text with what the built-in plugin makes of it.
type golden struct{ name, info, json string }

func goldens(t *testing.T) []golden {
	t.Helper()
	dir := filepath.Join(agent.Root(t), "metrics", "server", "testdata", "golden")
	files, err := filepath.Glob(filepath.Join(dir, "*.info.txt"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 7)
	var out []golden
	for _, file := range files {
		info, err := os.ReadFile(file)
		require.NoError(t, err)
		json, err := os.ReadFile(strings.TrimSuffix(file, ".info.txt") + ".builtin.json")
		require.NoError(t, err)
		out = append(out, golden{
			name: strings.TrimSuffix(filepath.Base(file), ".info.txt"), info: string(info), json: strings.TrimSpace(string(json))})
	}
	return out
}

// goldenConfig is the answer to CONFIG GET *, names and values in turn.
func goldenConfig(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(agent.Root(t), "metrics", "server", "testdata", "golden", "redis7.0.15_config_all.raw.txt"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	require.Zero(t, len(lines)%2)
	return lines
}

// frozen is a server that always says the same.
func frozen(t *testing.T, info string, config []string) *redistest.Fake {
	t.Helper()
	bulk := func(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
	return redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			reply := "-ERR unknown command\r\n"
			switch strings.ToUpper(cmd[0]) {
			case "PING":
				reply = "+PONG\r\n"
			case "CLIENT":
				reply = "+OK\r\n"
			case "INFO":
				reply = bulk(info)
			case "CONFIG":
				reply = "*" + strconv.Itoa(len(config)) + "\r\n"
				for _, s := range config {
					reply += bulk(s)
				}
			}
			if err := redistest.Write(reply)(p); err != nil {
				return err
			}
		}
	}})
}

func TestParityOnTheGoldenFilesByteForByte(t *testing.T) {
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		r := builtin(t, a)
		compared := 0
		for _, g := range goldens(t) {
			t.Run(g.name, func(t *testing.T) {
				fake := frozen(t, strings.ReplaceAll(strings.ReplaceAll(g.info, "\r\n", "\n"), "\n", "\r\n"), nil)
				key := "info[tcp://" + fake.Addr + "]"
				if strings.HasPrefix(g.json, "PANIC") {
					// The built-in plugin would take the agent with it.
					require.Contains(t, parse(t, r.value(t, "redis.server."+key)), "Keyspace")
					return
				}
				theirs, ours := r.both(t, key)
				require.Equal(t, g.json, ours)
				require.Equal(t, theirs, ours)
				compared++
			})
		}
		require.GreaterOrEqual(t, compared, 6)

		t.Run("CONFIG GET *", func(t *testing.T) {
			fake := frozen(t, "", goldenConfig(t))
			theirs, ours := r.both(t, "config[tcp://"+fake.Addr+",,*]")
			require.Equal(t, theirs, ours)
			require.Len(t, parse(t, ours), len(goldenConfig(t))/2)
		})
		t.Run("a password is masked", func(t *testing.T) {
			fake := frozen(t, "", []string{"maxclients", "10000", "requirepass", "s3cret", "masterauth", ""})
			theirs, ours := r.both(t, "config[tcp://"+fake.Addr+"]")
			require.Equal(t, `{"masterauth":"","maxclients":"10000","requirepass":"s3cret"}`, theirs)
			require.Equal(t, `{"masterauth":"","maxclients":"10000","requirepass":"***"}`, ours)
		})
		r.Stop(t)
	})
}

// volatile are the fields of INFO that move between two questions on a server
// that is left alone: clocks, its use of memory and CPU, and the traces of the
// questions themselves. What is compared of them is whether they are numbers.
var volatile = regexp.MustCompile(`^(Server\.(uptime_in_seconds|server_time_usec|lru_clock)` +
	`|Clients\.client_recent_max_(in|out)put_buffer` +
	`|Memory\.(used_memory(_rss|_peak|_overhead|_dataset)?(_human|_perc)?|total_system_memory` +
	`|allocator_(allocated|active|resident|frag_ratio|frag_bytes|rss_ratio|rss_bytes)|rss_overhead_(ratio|bytes)` +
	`|mem_fragmentation_(ratio|bytes)|mem_clients_(normal|slaves)|mem_total_replication_buffers|mem_replication_backlog` +
	`|mem_not_counted_for_evict|mem_overhead_db_hashtable_rehashing)` +
	`|Persistence\.current_.*` +
	`|Stats\.(total_commands_processed|instantaneous_.*|total_net_.*|total_(reads|writes)_processed|total_active_defrag_time` +
	`|current_active_defrag_time|eventloop_.*|expire_cycle_cpu_milliseconds|reply_buffer_(shrinks|expands))` +
	`|Replication\.(master_last_io_seconds_ago|master_repl_offset|slave_(read_)?repl_offset|repl_backlog_histlen|slave\d+\.(offset|lag))` +
	`|CPU\..*|Threads\..*` +
	`|Commandstats\.cmdstat_(info|ping|replconf)\.(calls|usec|usec_per_call)` +
	`|Latencystats\.latency_percentiles_usec_(info|ping|replconf))$`)

// leaves flattens a document: Section.field or Section.field.part to value.
func leaves(t *testing.T, prefix string, o object, out map[string]string) map[string]string {
	t.Helper()
	for name, value := range o {
		switch v := value.(type) {
		case string:
			out[prefix+name] = v
		case map[string]any:
			out[prefix+name] = "{}"
			leaves(t, prefix+name+".", v, out)
		default:
			require.Fail(t, "neither a string nor an object", "%s%s: %v", prefix, name, value)
		}
	}
	return out
}

var digits = regexp.MustCompile(`[0-9]+`)

// same wants two documents to agree in every field, in volatile ones but for
// the digits.
func same(t *testing.T, theirs, ours string) (fields, steady int) {
	t.Helper()
	want, got := leaves(t, "", parse(t, theirs), map[string]string{}), leaves(t, "", parse(t, ours), map[string]string{})
	for name, value := range want {
		require.Contains(t, got, name, "only the built-in plugin has it")
		if !volatile.MatchString(name) {
			require.Equal(t, value, got[name], name)
			steady++
			continue
		}
		shape := func(s string) string {
			s = strings.TrimPrefix(s, "-")
			return strings.TrimSuffix(strings.TrimSuffix(digits.ReplaceAllString(s, "0"), "K"), "M")
		}
		require.Equal(t, shape(value), shape(got[name]), name)
	}
	for name := range got {
		require.Contains(t, want, name, "only our plugin has it")
	}
	return len(want), steady
}

func TestParityOnARealServer(t *testing.T) {
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		// Servers that nobody else asks: the two answers must not differ by what
		// others do.
		master := redistest.Start(t, redistest.Config{Args: []string{"--repl-diskless-sync-delay", "0"}})
		replica := redistest.Start(t, redistest.Config{})
		fill(t, master)
		host, port, err := net.SplitHostPort(master.Addr)
		require.NoError(t, err)
		replica.Do(t, "REPLICAOF", host, port)
		await(t, 20*time.Second, "the replica is in step", func() bool {
			return replica.InfoField(t, "replication", "master_link_status") == "up" &&
				strings.Contains(master.Do(t, "INFO", "replication"), "state=online") &&
				master.InfoField(t, "persistence", "rdb_bgsave_in_progress") == "0"
		})
		secured := redistest.Start(t, redistest.Config{Password: secretDefault, UnixSocket: true})
		_, err = secured.TryDo("NOSUCHCOMMAND")
		require.Error(t, err, "something for errorstats")

		r := builtin(t, a)
		for name, server := range map[string]struct {
			conn, password string
		}{
			"master":        {conn: "tcp://" + master.Addr},
			"replica":       {conn: "tcp://" + replica.Addr},
			"by password":   {conn: secured.Addr, password: secretDefault},
			"a unix socket": {conn: "unix:" + secured.Socket, password: secretDefault},
		} {
			t.Run(name, func(t *testing.T) { serverParity(t, r, server.conn, server.password) })
		}
		t.Run("keys of the official template", func(t *testing.T) { officialKeys(t, r) })
		t.Run("ping of what is down", func(t *testing.T) {
			for _, conn := range []string{"tcp://" + ports.FreeAddr(t), secured.Addr + ",wrong", secured.Addr, "unix:/nonexistent"} {
				theirs, ours := r.both(t, "ping["+conn+"]")
				require.Equal(t, "0", theirs)
				require.Equal(t, "0", ours)
			}
		})
		t.Run("slowlog", func(t *testing.T) { slowlogParity(t, r) })
		t.Run("where we differ on purpose", func(t *testing.T) { deviations(t, r, master) })
		r.Stop(t)
	})
}

var infoSections = []string{"", "default", "all", "everything", "ALL", "Keyspace", "server", "clients", "memory", "persistence",
	"stats", "replication", "cpu", "modules", "cluster", "commandstats", "errorstats", "latencystats"}

// serverParity compares the four keys. The server has none of the missing sections of INFO.
func serverParity(t *testing.T, r *asked, conn, password string, missing ...string) {
	params := "[" + conn + "," + password + "]"
	// Connections and each command's first use come before the comparison, so
	// that it adds nothing new itself.
	for _, key := range []string{"ping", "config", "slowlog.count", "info"} {
		theirs, ours := r.both(t, key+params)
		if key == "ping" {
			require.Equal(t, "1", theirs)
			require.Equal(t, "1", ours)
		}
	}
	var seen []string
	for _, section := range infoSections {
		key := "info[" + conn + "," + password + "," + section + "]"
		if slices.Contains(missing, section) { // the built-in plugin of newer agents gives no answer
			_, err := r.Get("redis." + key)
			require.Error(t, err, section)
			require.Contains(t, r.refused(t, "redis.server."+key), "the server has no INFO section")
			continue
		}
		theirs, ours := r.both(t, key)
		fields, steady := same(t, theirs, ours)
		seen = append(seen, fmt.Sprintf("%s %d/%d", section, steady, fields))
	}
	t.Logf("INFO, equal fields of all: %s", strings.Join(seen, ", "))

	for _, pattern := range []string{"maxmemory", "maxmem*", "save", "maxclients", "tcp-keepalive", "appendonl?", "[a-c]*"} {
		theirs, ours := r.both(t, "config["+conn+","+password+`,"`+pattern+`"]`)
		require.Equal(t, theirs, ours, pattern)
	}
	theirs, ours := r.both(t, "config["+conn+","+password+",*]")
	if password != "" {
		require.Equal(t, password, parse(t, theirs)["requirepass"])
		theirs = strings.Replace(theirs, `"requirepass":"`+password+`"`, `"requirepass":"***"`, 1)
	}
	require.Equal(t, theirs, ours)
	t.Logf("CONFIG *: %d parameters, equal byte for byte", len(parse(t, ours)))
}

// slowlogParity has a server of its own: others must not read its log.
func slowlogParity(t *testing.T, r *asked) {
	s := redistest.Start(t, redistest.Config{})
	conn := "[tcp://" + s.Addr + "]"
	theirs, ours := r.both(t, "slowlog.count"+conn)
	require.Equal(t, "0", theirs)
	require.Equal(t, "0", ours)
	for range 2 {
		count := slowCommands(t, s)
		theirs, ours = r.both(t, "slowlog.count"+conn)
		require.Equal(t, count, theirs)
		require.Equal(t, count, ours)
	}
	t.Logf("slow log entries: %s", ours)

	// The log is empty, its ids go on: the built-in plugin falls to 0 and
	// jumps back, ours stays.
	s.Do(t, "SLOWLOG", "RESET")
	theirs, after := r.both(t, "slowlog.count"+conn)
	require.Equal(t, "0", theirs)
	require.Equal(t, ours, after)
	count := slowCommands(t, s)
	theirs, ours = r.both(t, "slowlog.count"+conn)
	require.Equal(t, count, theirs)
	require.Equal(t, count, ours)
}

// deviations are the documented ones, but for those that other tests show: the
// masked password, the slow log after RESET, odd lines of INFO.
func deviations(t *testing.T, r *asked, s *redistest.Server) {
	conn := "tcp://" + s.Addr
	t.Run("a parameter's name in capital letters", func(t *testing.T) {
		theirs, ours := r.both(t, "config["+conn+",,MAXCLIENTS]")
		require.Equal(t, "", theirs)
		require.Equal(t, "10000", ours)
	})
	// The built-in plugin has no value for these either. From 7.0.20 on it does not even answer, which a server takes for a
	// network error.
	none := func(t *testing.T, key string) {
		value, err := r.Get(key)
		require.Error(t, err, "%s has the value %q", key, value)
		var refused *agent.NotSupported
		require.Equal(t, !r.Agent.AtLeast(7, 0, 20), errors.As(err, &refused), "agent %s, %s: %v", r.Agent.Version, key, err)
	}
	t.Run("an unknown section", func(t *testing.T) {
		none(t, "redis.info["+conn+",,nosuch]")
		require.Contains(t, r.refused(t, "redis.server.info["+conn+",,nosuch]"), `the server has no INFO section "nosuch"`)
	})
	t.Run("a session that there is not", func(t *testing.T) {
		theirs, err := r.Get("redis.ping[NoSuchSession]")
		require.NoError(t, err)
		require.Equal(t, "0", theirs)
		require.Contains(t, r.refused(t, "redis.server.ping[NoSuchSession]"), "no session named NoSuchSession; no session is configured")
	})
	t.Run("an unknown parameter", func(t *testing.T) {
		none(t, "redis.config["+conn+",,nosuch]")
		require.Contains(t, r.refused(t, "redis.server.config["+conn+",,nosuch]"), `no configuration parameter matches "nosuch"`)
	})
}
