package keys

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// discovering is a target that is polled for its keys; passes wait for work.
type discovering struct {
	t       testing.TB
	target  *item.Target
	options item.KeyspaceOptions
	works   []func(ctx context.Context)
}

func newDiscovering(t testing.TB, target *item.Target) *discovering {
	return &discovering{t: t, target: target, options: item.KeyspaceOptions{KeysPerSecond: 1_000_000, SliceTime: time.Millisecond}}
}

func (d *discovering) answer(raw ...string) (string, error) {
	d.t.Helper()
	args, err := Discovery.ParseArgs(append([]string{"", "", ""}, raw...))
	require.NoError(d.t, err)
	return Discovery.Answer(context.Background(), &item.Request{Target: d.target, Args: args, Env: &item.Env{
		Keyspace: d.options, Background: func(work func(ctx context.Context), _ func(err error)) { d.works = append(d.works, work) },
	}})
}

func (d *discovering) ask(raw ...string) map[string]any {
	d.t.Helper()
	text, err := d.answer(raw...)
	require.NoError(d.t, err)
	return metrictest.Decode(d.t, text)
}

func (d *discovering) work() {
	for len(d.works) > 0 {
		work := d.works[0]
		d.works = d.works[1:]
		work(context.Background())
	}
}

// pass asks, lets the background work and asks again.
func (d *discovering) pass(raw ...string) map[string]any {
	d.t.Helper()
	d.ask(raw...)
	require.Len(d.t, d.works, 1)
	d.work()
	return d.ask(raw...)
}

func TestKeysDiscoveryOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for _, cmd := range []string{
		"RPUSH queue:a 1 2 3", "SET queue:b xx EX 100", "SADD queue:c 1 2", "ZADD queue:d 1 a", "HSET queue:e f v", "XADD queue:f * f v", "SET other x",
	} {
		s.Do(t, strings.Fields(cmd)...)
	}
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	d := newDiscovering(t, target)
	first := d.ask("queue:*")
	require.NotContains(t, first, "keys", "unknown is not empty")
	require.NotContains(t, first, "count")
	require.Contains(t, metrictest.Section(t, first, "unavailable")["keys"], "first pass")
	d.work()
	before := wire.Calls
	doc := d.ask("queue:*")
	require.Equal(t, 2, wire.Calls-before, "the second for lengths of types that were not known")
	require.Empty(t, doc["unavailable"])
	require.Empty(t, doc["truncated"])
	require.Equal(t, []any{"queue:*", true, false, 6.0, 0.0, 5.0, 7.0},
		[]any{doc["pattern"], doc["complete"], doc["partial"], doc["count"], doc["gone"], doc["without_ttl"], doc["dbsize"]})
	rows := metrictest.Rows(t, doc["keys"])
	require.Len(t, rows, 6)
	memory := 0.0
	for i, want := range []struct {
		typ    string
		length float64
	}{{"list", 3}, {"string", 2}, {"set", 2}, {"zset", 1}, {"hash", 1}, {"stream", 1}} {
		row, name := rows[i], fmt.Sprintf("queue:%c", 'a'+i)
		require.Equal(t, []any{name, name, want.typ, want.typ, true, want.length, want.typ == "string"},
			[]any{row["{#KEY}"], row["key"], row["{#TYPE}"], row["type"], row["exists"], row["length"], row["expires"]})
		require.Greater(t, row["memory"], 20.0)
		memory += row["memory"].(float64)
	}
	require.Equal(t, memory, doc["memory"])
	require.InDelta(t, 100, rows[1]["ttl"], 20)
	require.NotContains(t, rows[0], "ttl")

	require.Equal(t, "0", s.InfoField(t, "stats", "total_error_replies"))

	// What is polled again costs one round trip, and shows what has changed.
	s.Do(t, "DEL", "queue:a")
	s.Do(t, "RPUSH", "queue:c2", "x")
	s.Do(t, "DEL", "queue:c")
	s.Do(t, "RPUSH", "queue:c", "x", "y", "z")
	before = wire.Calls
	d.ask("queue:*")
	require.Equal(t, 2, wire.Calls-before, "one has another type")
	before = wire.Calls
	doc = d.ask("queue:*")
	require.Equal(t, 1, wire.Calls-before)
	require.Empty(t, d.works, "the pass serves all polls until the next one")
	require.Equal(t, map[string]any{"{#KEY}": "queue:a", "{#TYPE}": "list", "key": "queue:a", "exists": false, "length": 0.0},
		metrictest.Row(t, doc["keys"], "key", "queue:a"), "an empty list is no key")
	require.Equal(t, 3.0, metrictest.Row(t, doc["keys"], "key", "queue:c")["length"])
	require.Equal(t, 1.0, doc["gone"])

	// What has gone is shown once more after the next pass, and then not.
	d.options.Interval = time.Nanosecond
	names := func(doc map[string]any) (out []any) {
		for _, row := range metrictest.Rows(t, doc["keys"]) {
			out = append(out, row["key"])
		}
		return out
	}
	d.ask("queue:*")
	d.work()
	require.Equal(t, []any{"queue:a", "queue:b", "queue:c", "queue:c2", "queue:d", "queue:e", "queue:f"}, names(d.ask("queue:*")))
	d.work()
	doc = d.ask("queue:*")
	require.Equal(t, []any{"queue:b", "queue:c", "queue:c2", "queue:d", "queue:e", "queue:f"}, names(doc))
	require.Equal(t, 6.0, doc["count"])
	require.Empty(t, doc["truncated"])
}

// TestTwoHundredThousandKeysBlockNoServer: neither the passes nor the polls take any server ten milliseconds at once.
func TestTwoHundredThousandKeysBlockNoServer(t *testing.T) {
	t.Parallel()
	const all = 200_000
	for _, name := range []string{"redis-5.0", redistest.Machine, "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--slowlog-log-slower-than", "10000", "--slowlog-max-len", "1000"}})
			for from := 0; from < all; from += 10_000 {
				s.Do(t, "EVAL", "for i=ARGV[1],ARGV[1]+9999 do redis.call('SET','session:'..i,'x') end", "0", fmt.Sprint(from))
			}
			s.Do(t, "EVAL", "for i=0,1999 do redis.call('RPUSH',string.format('queue:%04d',i),'x') end", "0")
			s.Do(t, "SLOWLOG", "RESET")
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			d := newDiscovering(t, target)
			d.options.KeysPerSecond = 0 // as fast as it can
			for _, pattern := range []string{"queue:*", "*", "queue:1* s?ssion:7"} {
				doc := d.pass(pattern, "100000000")
				require.Equal(t, true, doc["complete"], pattern)
				require.Equal(t, 202_000.0, doc["scanned"], pattern)
				require.Empty(t, doc["unavailable"], pattern)
				before := wire.Calls
				doc = d.ask(pattern, "100000000")
				require.Equal(t, 1, wire.Calls-before)
				want := map[string]int{"queue:*": 2000, "*": 202_000, "queue:1* s?ssion:7": 1001}[pattern]
				if pattern == "queue:*" || want < 2000 {
					require.Equal(t, float64(want), doc["count"])
				} else {
					require.InDelta(t, want, doc["count"], float64(want)/100, "some may be given twice")
				}
				require.Len(t, doc["keys"], 1000)
				require.InDelta(t, doc["count"].(float64)-1000, metrictest.Section(t, doc, "truncated")["keys"], 0)
				require.Equal(t, "queue:0000", metrictest.Rows(t, d.ask("queue:*", "100000000")["keys"])[0]["key"])
			}
			requireNotSlow(t, s, "scan", "type", "pttl", "memory", "llen", "strlen", "dbsize")
		})
	}
}

// requireNotSlow looks at what the server itself says of the commands that were sent. A machine under load may make any
// command slow now and then: they are not slow on the average, and no more than one in fifty is in the slow log.
func requireNotSlow(t *testing.T, s *redistest.Server, commands ...string) {
	t.Helper()
	slow := map[string]int{}
	values, err := metrictest.DialWire(t, s.Addr).DoAll(t.Context(), redisclient.Command{"SLOWLOG", "GET", "1000"})
	require.NoError(t, err)
	for _, entry := range values[0].Elems {
		args, err := entry.Elems[3].Strings()
		require.NoError(t, err)
		slow[strings.ToLower(args[0])]++
	}
	seen := 0
	for line := range strings.Lines(s.Do(t, "INFO", "commandstats")) {
		name, figures, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		name, _, _ = strings.Cut(name, "|")
		if !slices.Contains(commands, name) {
			continue
		}
		var calls, usec int
		var each float64
		_, err := fmt.Sscanf(figures, "calls=%d,usec=%d,usec_per_call=%f", &calls, &usec, &each)
		require.NoError(t, err, line)
		require.Less(t, each, 1000.0, "microseconds of %s", name)
		require.LessOrEqual(t, slow[name], 1+calls/50, "%s is in the slow log", name)
		seen++
	}
	require.GreaterOrEqual(t, seen, len(commands)-1)
}

// TestKeysDiscoveryReadsNamesOfAReplicaAndFiguresOfItsMaster.
func TestKeysDiscoveryReadsNamesOfAReplicaAndFiguresOfItsMaster(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Config{Lines: []string{"repl-diskless-sync-delay 0"}})
	master.Do(t, "EVAL", "for i=1,3000 do redis.call('SET','k:'..i,'x') end redis.call('RPUSH','queue','a','b')", "0")
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Lines: []string{"replicaof " + host + " " + port, "repl-diskless-sync-delay 0"}})
	require.Eventually(t, func() bool {
		return strings.Contains(master.Do(t, "INFO", "replication"), "state=online") && replica.InfoField(t, "replication", "master_link_status") == "up"
	}, 20*time.Second, 10*time.Millisecond)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: master.Addr})
	target.Peer = func(addr string) (*item.Target, error) {
		require.Equal(t, replica.Addr, addr)
		peer, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
		return peer, nil
	}
	master.Do(t, "CONFIG", "RESETSTAT")
	d := newDiscovering(t, target)
	doc := d.pass("q*")
	require.Equal(t, []any{map[string]any{"server": replica.Addr, "role": "replica", "keys": 1.0}}, doc["servers"])
	require.Contains(t, master.Do(t, "INFO", "commandstats"), "cmdstat_scan:calls=1,", "the first look alone")
	require.Equal(t, 2.0, metrictest.Rows(t, doc["keys"])[0]["length"])
	master.Do(t, "RPUSH", "queue", "c")
	require.Equal(t, 3.0, metrictest.Rows(t, d.ask("q*")["keys"])[0]["length"])
	require.NotContains(t, replica.Do(t, "INFO", "commandstats"), "cmdstat_llen")
}

func TestKeysDiscoveryOfARealCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{Name: redistest.Machine}, redistest.Config{})
	for i := range 60 {
		for _, n := range nodes[:3] { // one of them has the slot
			if _, err := n.TryDo("RPUSH", fmt.Sprintf("queue:%02d", i), "x"); err == nil {
				break
			}
		}
	}
	entry, wire := metrictest.DialTarget(t, redisclient.Config{Address: nodes[0].Addr})
	peers := map[string]*item.Target{}
	entry.Peer = func(addr string) (*item.Target, error) {
		if peers[addr] == nil {
			conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: addr})
			if err != nil {
				return nil, err
			}
			t.Cleanup(func() { _ = conn.Close() })
			peers[addr] = metrictest.NewTarget(conn)
			peers[addr].Name = "tcp://" + addr
		}
		return peers[addr], nil
	}
	nodes[0].Do(t, "CONFIG", "RESETSTAT")
	d := newDiscovering(t, entry)
	doc := d.pass("queue:*")
	require.Equal(t, []any{true, false, 60.0, 60.0, 60.0}, []any{doc["complete"], doc["partial"], doc["count"], doc["scanned"], doc["dbsize"]})
	require.Len(t, doc["servers"], 3)
	rows := metrictest.Rows(t, doc["keys"])
	require.Len(t, rows, 60)
	for i, row := range rows {
		require.Equal(t, []any{fmt.Sprintf("queue:%02d", i), "list", 1.0}, []any{row["key"], row["type"], row["length"]})
	}
	before := wire.Calls
	d.ask("queue:*")
	require.Equal(t, 1, wire.Calls-before, "one round trip to each master, side by side")
	require.NotContains(t, nodes[0].Do(t, "INFO", "errorstats"), "MOVED")

	// A master is gone: its keys have no figures, and a new pass is partial.
	nodes[2].Kill(t)
	doc = d.ask("queue:*")
	require.Equal(t, 1.0, doc["up"])
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["masters"], nodes[2].Addr)
	require.Len(t, doc["keys"], 60)
	require.NotContains(t, doc, "without_ttl")
	unread := slices.DeleteFunc(metrictest.Rows(t, doc["keys"]), func(row map[string]any) bool { return row["type"] != nil })
	require.NotEmpty(t, unread)
	require.NotContains(t, unread[0], "length", "unknown is not zero")
	again := *entry
	again.Memory = &item.Memory{}
	delete(peers, nodes[2].Addr)
	doc = newDiscovering(t, &again).pass("queue:*")
	require.Equal(t, []any{false, true}, []any{doc["complete"], doc["partial"]})
	require.Less(t, doc["count"], 60.0)
	require.NotContains(t, doc, "dbsize")
}

func TestKeysDiscoveryRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	for _, raw := range []struct {
		pattern, budget, says string
	}{
		{"", "", "parameter 4 (Pattern) is required"},
		{"  ", "", "parameter 4 (Pattern): expected 1-20 patterns separated by blanks"},
		{strings.Repeat("a ", 21), "", "parameter 4 (Pattern): expected 1-20 patterns separated by blanks"},
		{"a", "999", "parameter 5 (Budget): expected a number of keys, 1000-100000000"},
		{"a", "x", "parameter 5 (Budget): expected a number of keys, 1000-100000000"},
	} {
		_, err := Discovery.ParseArgs([]string{"", "", "", raw.pattern, raw.budget})
		require.EqualError(t, err, raw.says)
	}
	f := redistest.Find(t, "redis-5.0")
	s := redistest.Start(t, redistest.Config{Bin: f.Bin})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for _, pattern := range []string{"*a*a*a*b", "queue:* *a*a*a*b"} {
		_, err := newDiscovering(t, target).answer(pattern)
		require.ErrorContains(t, err, `the pattern "*a*a*a*b" has 4 stars, which may block this server for seconds: it is redis 5.`)
	}
	require.NotContains(t, s.Do(t, "INFO", "commandstats"), "scan", "it is not sent")
	metrictest.RequireDown(t, Discovery, "", "", "", "a")
}

// TestKeysDiscoveryOnTheCommandLine: the check itself makes the pass.
func TestKeysDiscoveryOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SET", "a", "b")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Discovery, target, "", "", "", "a*")))
	require.Equal(t, "a", metrictest.Rows(t, doc["keys"])[0]["key"])
}
