package passes

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// sampled is a metric of the figures, as redis.keyspace.sample is one.
var sampled = &item.Metric{Key: memory, Params: item.ConnParams(), Collect: Figures}

var testOptions = item.KeyspaceOptions{
	KeysPerSecond: 1_000_000, SliceTime: 10 * time.Millisecond, Interval: time.Hour, Samples: 5, Top: 3,
	Groups: []*regexp.Regexp{regexp.MustCompile(`^(cart|session):`), regexp.MustCompile(`^queue$`)},
}

// keyspaceRun is a target that is asked for redis.keyspace.sample; what it would
// have done in the background waits for work.
type run struct {
	t       testing.TB
	target  *item.Target
	options item.KeyspaceOptions
	works   []func(ctx context.Context)
}

func newRun(t testing.TB, target *item.Target) *run {
	return &run{t: t, target: target, options: testOptions}
}

func (k *run) ask() map[string]any {
	k.t.Helper()
	text, err := sampled.Answer(context.Background(), &item.Request{Target: k.target, Env: &item.Env{
		Keyspace: k.options,
		Background: func(work func(ctx context.Context), _ func(err error)) {
			k.works = append(k.works, work)
		},
	}})
	require.NoError(k.t, err)
	return metrictest.Decode(k.t, text)
}

// work does what is waiting, turn after turn.
func (k *run) work() { k.workFor(context.Background()) }

func (k *run) workFor(ctx context.Context) {
	for len(k.works) > 0 {
		work := k.works[0]
		k.works = k.works[1:]
		work(ctx)
	}
}

// pass asks, lets the background work and asks again.
func (k *run) pass() map[string]any {
	k.t.Helper()
	k.ask()
	require.Len(k.t, k.works, 1)
	k.work()
	return k.ask()
}

// seedKeyspace writes keys of every type; there are 5015.
func seed(t testing.TB, s *redistest.Server) {
	t.Helper()
	s.Do(t, "DEBUG", "POPULATE", "4000", "session", "8")
	s.Do(t, "DEBUG", "POPULATE", "1000", "blob", "8")
	for i := range 5 {
		s.Do(t, "SET", fmt.Sprintf("cart:%d", i), "x", "EX", fmt.Sprint(55+3600*i))
		s.Do(t, "HSET", fmt.Sprintf("hash:%d", i), "f", "v", "g", "w")
	}
	for _, cmd := range []string{
		"SET big x", "SADD set 1 2 3", "ZADD zset 1 a 2 b", "XADD stream * f v",
	} {
		s.Do(t, strings.Fields(cmd)...)
	}
	s.Do(t, "SETRANGE", "big", "100000", "x")
	for range 100 {
		s.Do(t, "RPUSH", "queue", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
	}
}

func debugServer(t testing.TB, lines ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}, Lines: lines})
}

func TestKeyspaceOfARealServer(t *testing.T) {
	t.Parallel()
	s := debugServer(t)
	seed(t, s)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	k := newRun(t, target)

	doc := k.ask()
	require.Equal(t, 1.0, doc["up"])
	require.Equal(t, passWaiting, doc["pass"].(map[string]any)["state"])
	for _, figure := range figures {
		require.NotContains(t, doc, figure)
		require.Contains(t, doc["unavailable"].(map[string]any)[figure], "first pass")
	}
	k.ask()
	require.Len(t, k.works, 1, "one worker is enough")
	k.work()

	doc = k.ask()
	require.Empty(t, k.works, "the next pass is due in an hour")
	require.Empty(t, doc["unavailable"])
	require.NotContains(t, doc, "pass")
	require.Equal(t, false, doc["partial"])
	require.Less(t, doc["age"], 60.0)
	for member, want := range map[string]any{
		"keys": 5015.0, "dbsize": 5015.0, "gone": 0.0, "restarts": 0.0, "without_ttl": 5010.0,
		"servers": []any{map[string]any{"server": s.Addr, "role": "master", "keys": 5015.0}},
		"longest": []any{
			map[string]any{"key": "queue", "type": "list", "elements": 1000.0},
			map[string]any{"key": "set", "type": "set", "elements": 3.0},
			map[string]any{"key": doc["longest"].([]any)[2].(map[string]any)["key"], "type": doc["longest"].([]any)[2].(map[string]any)["type"], "elements": 2.0},
		},
	} {
		require.Equal(t, want, doc[member], member)
	}
	require.InDelta(t, 5010.0/5015, doc["without_ttl_share"], 1e-9)
	counts := func(list, member string) map[string]float64 {
		out := map[string]float64{}
		memory := 0.0
		for _, row := range doc[list].([]any) {
			row := row.(map[string]any)
			out[row[member].(string)] = row["count"].(float64)
			require.InDelta(t, row["count"].(float64)/5015, row["share"], 1e-9)
			memory += row["memory"].(float64)
		}
		require.Equal(t, doc["memory"], memory, "the rows of %s are all of it", list)
		return out
	}
	require.Equal(t, map[string]float64{"string": 5006, "hash": 5, "list": 1, "set": 1, "zset": 1, "stream": 1}, counts("types", "type"))
	require.Equal(t, map[string]float64{"session": 4000, "cart": 5, "^queue$": 1, "(other)": 1009}, counts("groups", "group"))
	biggest := doc["biggest"].([]any)
	require.Len(t, biggest, 3)
	require.Equal(t, "big", biggest[0].(map[string]any)["key"])
	require.Greater(t, biggest[0].(map[string]any)["memory"], 100000.0)
	require.Equal(t, "stream", biggest[1].(map[string]any)["key"], "%v", biggest)
	require.Equal(t, "queue", biggest[2].(map[string]any)["key"], "%v", biggest)
	ttl := []float64{}
	for _, row := range doc["ttl"].([]any) {
		ttl = append(ttl, row.(map[string]any)["count"].(float64))
	}
	require.Equal(t, []float64{1, 0, 4, 0, 0, 0}, ttl)
	require.Equal(t, map[string]any{"from": 3600.0, "below": 86400.0, "count": 4.0}, doc["ttl"].([]any)[2])
	require.NotContains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_keys")
	require.Equal(t, "0", s.InfoField(t, "stats", "total_error_replies"))
}

func TestKeyspaceOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc := newRun(t, target).pass()
	require.Empty(t, doc["unavailable"])
	require.Equal(t, 0.0, doc["keys"])
	require.NotContains(t, doc, "without_ttl_share")
	require.Empty(t, doc["types"])
}

// cutDoer ends the pass's context after so many conversations, as a plugin that
// stops does.
type cutDoer struct {
	redisclient.Doer
	left int
	then func()
}

func (d *cutDoer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if d.left--; d.left == 0 {
		d.then()
	}
	return d.Doer.DoAll(ctx, cmds...)
}

func TestKeyspaceGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	s := debugServer(t)
	seed(t, s)
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	ctx, cancel := context.WithCancel(context.Background())
	target.Doer = &cutDoer{wire, 15, cancel}
	k := newRun(t, target)
	k.ask()
	k.works[0](ctx)
	k.works = nil
	doc := k.ask()
	pass := doc["pass"].(map[string]any)
	require.Equal(t, 1.0, doc["up"], "%v", doc)
	require.Greater(t, pass["seen"], 500.0)
	require.Less(t, pass["seen"], 3000.0)
	require.Equal(t, 5015.0, pass["dbsize"])
	require.InDelta(t, pass["seen"].(float64)/5015, pass["progress"], 1e-9)
	require.Contains(t, doc["unavailable"].(map[string]any)["keys"], fmt.Sprintf("under way: %v of about 5015", pass["seen"]))
	before := wire.Calls
	k.work()
	doc = k.ask()
	require.Equal(t, 5015.0, doc["keys"])
	require.Equal(t, 0.0, doc["restarts"])
	require.Less(t, wire.Calls-before, 5015/maxSlice, "the rest only")
}

// reconnecting is a target as the pool makes one: a new connection when the old
// one has ended.
type reconnecting struct {
	t    testing.TB
	mu   sync.Mutex
	addr string
	conn *redisclient.Conn
	hook func(calls int)
	n    int
}

func (d *reconnecting) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	d.n++
	if d.hook != nil {
		d.hook(d.n)
	}
	for {
		if d.conn == nil {
			conn, err := redisclient.Dial(ctx, redisclient.Config{Address: d.addr})
			if err != nil {
				return nil, err
			}
			d.mu.Lock()
			d.conn = conn
			d.mu.Unlock()
		}
		values, err := d.conn.DoAll(ctx, cmds...)
		if err == nil {
			return values, nil
		}
		_ = d.conn.Close()
		d.conn = nil
		if !redisclient.IsStale(err) {
			return nil, err
		}
	}
}

func (d *reconnecting) target() *item.Target {
	target := metrictest.NewTarget(d)
	target.ConnInfo = func() (redisclient.ConnInfo, bool) {
		if d.conn == nil {
			return redisclient.ConnInfo{}, false
		}
		return d.conn.Info(), true
	}
	d.t.Cleanup(func() {
		if d.conn != nil {
			_ = d.conn.Close()
		}
	})
	return target
}

func TestKeyspaceBeginsAnewOnAnotherServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		move func(t *testing.T, d *reconnecting, s *redistest.Server)
	}{
		{"after a restart", func(t *testing.T, _ *reconnecting, s *redistest.Server) {
			s.Restart(t)
			s.Do(t, "DEBUG", "POPULATE", "700", "new", "8")
		}},
		{"after a failover", func(t *testing.T, d *reconnecting, s *redistest.Server) {
			other := debugServer(t)
			other.Do(t, "DEBUG", "POPULATE", "700", "new", "8")
			d.addr = other.Addr
			_ = d.conn.Close()
			d.conn = nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := debugServer(t)
			seed(t, s)
			d := &reconnecting{t: t, addr: s.Addr}
			d.hook = func(calls int) {
				if calls == 12 {
					tt.move(t, d, s)
				}
			}
			k := newRun(t, d.target())
			doc := k.pass()
			require.Equal(t, 1.0, doc["up"], "%v", doc)
			require.Equal(t, 1.0, doc["restarts"])
			require.Contains(t, doc["restarted_because"], "another one has taken its place")
			require.NotContains(t, doc, "keys")
			k.work()
			doc = k.ask()
			require.Equal(t, 700.0, doc["keys"], "nothing of the old server's")
			require.Equal(t, 700.0, doc["dbsize"])
		})
	}
}

func TestKeyspaceBeginsAnewAfterAFlush(t *testing.T) {
	t.Parallel()
	s := debugServer(t)
	seed(t, s)
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	target.Doer = &cutDoer{wire, 15, func() {
		s.Do(t, "FLUSHALL")
		s.Do(t, "DEBUG", "POPULATE", "300", "cart", "8")
	}}
	doc := newRun(t, target).pass()
	require.Equal(t, 300.0, doc["keys"])
	require.Equal(t, 1.0, doc["restarts"])
	require.Contains(t, doc["restarted_because"], "the database shrank from 5015 keys to 300")
	require.Equal(t, "cart", doc["groups"].([]any)[0].(map[string]any)["group"])
}

func TestKeyspaceReadsAReplica(t *testing.T) {
	t.Parallel()
	master := debugServer(t, "repl-diskless-sync-delay 0")
	seed(t, master)
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Lines: []string{"replicaof " + host + " " + port, "repl-diskless-sync-delay 0"}})
	require.Eventually(t, func() bool {
		return strings.Contains(master.Do(t, "INFO", "replication"), "state=online")
	}, 20*time.Second, 10*time.Millisecond)
	peers := map[string]string{replica.Addr: replica.Addr}
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: master.Addr})
	target.Peer = func(addr string) (*item.Target, error) {
		to, ok := peers[addr]
		if !ok {
			return nil, fmt.Errorf("unexpected address %s", addr)
		}
		peer, _ := metrictest.DialTarget(t, redisclient.Config{Address: to})
		return peer, nil
	}
	master.Do(t, "CONFIG", "RESETSTAT")
	doc := newRun(t, target).pass()
	require.Equal(t, []any{map[string]any{"server": replica.Addr, "role": "replica", "keys": 5015.0}}, doc["servers"])
	require.Contains(t, master.Do(t, "INFO", "commandstats"), "cmdstat_scan:calls=1,", "the first look, and then it is left in peace")

	// The address of a replica may lead elsewhere: here to a server that is none.
	stranger := redistest.Borrow(t)
	peers[replica.Addr] = stranger.Addr
	target.Memory = &item.Memory{}
	doc = newRun(t, target).pass()
	require.Equal(t, []any{map[string]any{
		"server": master.Addr, "role": "master", "keys": 5015.0,
		"why_not_replica": replica.Addr + ": it is no replica of this master",
	}}, doc["servers"])

	delete(peers, replica.Addr)
	target.Memory = &item.Memory{}
	doc = newRun(t, target).pass()
	require.Contains(t, doc, "servers", "%v", doc)
	require.Contains(t, doc["servers"].([]any)[0].(map[string]any)["why_not_replica"], "unexpected address")
}

func TestKeyspaceOfACluster(t *testing.T) {
	t.Parallel()
	var nodes [2]*redistest.Server
	for i, slots := range []string{"0-9999", "10000-16383"} {
		nodes[i] = debugServer(t, "cluster-enabled yes")
		first, last, _ := strings.Cut(slots, "-")
		nodes[i].Do(t, "CLUSTER", "ADDSLOTSRANGE", first, last)
	}
	host, port, err := net.SplitHostPort(nodes[1].Addr)
	require.NoError(t, err)
	nodes[0].Do(t, "CLUSTER", "MEET", host, port)
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			return strings.Contains(n.Do(t, "CLUSTER", "INFO"), "cluster_state:ok")
		}, 20*time.Second, 10*time.Millisecond)
	}
	for i := range 500 {
		for _, n := range nodes { // one of them has the slot
			_, _ = n.TryDo("SET", fmt.Sprintf("cart:%d", i), "x")
		}
	}
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: nodes[0].Addr})
	down := false
	target.Peer = func(addr string) (*item.Target, error) {
		require.Equal(t, nodes[1].Addr, addr)
		if down {
			return nil, fmt.Errorf("it is down")
		}
		peer, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
		return peer, nil
	}
	doc := newRun(t, target).pass()
	require.Equal(t, 500.0, doc["keys"], "%v", doc)
	require.Equal(t, 500.0, doc["dbsize"])
	require.Equal(t, false, doc["partial"])
	keys := map[string]float64{}
	for _, row := range doc["servers"].([]any) {
		row := row.(map[string]any)
		require.Equal(t, "master", row["role"])
		keys[row["server"].(string)] = row["keys"].(float64)
	}
	require.Len(t, keys, 2)
	require.Equal(t, 500.0, keys[nodes[0].Addr]+keys[nodes[1].Addr])
	require.Greater(t, keys[nodes[0].Addr], keys[nodes[1].Addr])

	down = true
	target.Memory = &item.Memory{}
	doc = newRun(t, target).pass()
	require.Equal(t, true, doc["partial"])
	require.Equal(t, keys[nodes[0].Addr], doc["keys"])
	require.Contains(t, doc["servers"], map[string]any{"server": nodes[1].Addr, "role": "master", "error": "it is down"})
}

func TestKeyspaceWithoutPermissions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, user string
		missing    []string
		errors     int
	}{
		{"the keys of others", "~nothing +@all", []string{"biggest", "longest", "memory", "ttl", "types", "without_ttl"}, 3},
		{"no MEMORY", "~* +@all -memory", []string{"biggest", "memory"}, 1},
		{"no TYPE", "~* +@all -type", []string{"longest", "types"}, 1},
		{"no lengths", "~* +@all -llen -scard -hlen -zcard -xlen", []string{"longest"}, 1},
		{"no DBSIZE, TIME and INFO", "~* +@all -dbsize -time -info", []string{"dbsize"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Config{
				Args: []string{"--enable-debug-command", "yes"}, Users: []string{"reader on >secret " + tt.user},
			})
			seed(t, s)
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "reader", Password: "secret"})
			k := newRun(t, target)
			k.options.Interval = 0
			doc := k.pass()
			require.Equal(t, 1.0, doc["up"], "%v", doc)
			require.Equal(t, 5015.0, doc["keys"])
			unavailable := doc["unavailable"].(map[string]any)
			require.Len(t, unavailable, len(tt.missing), "%v", unavailable)
			for _, figure := range tt.missing {
				require.NotContains(t, doc, figure)
				require.Contains(t, unavailable[figure], "NOPERM")
			}
			refused := s.InfoField(t, "stats", "total_error_replies")
			var errors int
			_, err := fmt.Sscan(refused, &errors)
			require.NoError(t, err)
			require.LessOrEqual(t, errors, tt.errors*2*firstSlice, "no more than a first slice")
			k.work()
			doc = k.ask()
			require.Equal(t, 5015.0, doc["keys"])
			require.Equal(t, refused, s.InfoField(t, "stats", "total_error_replies"), "not asked again for an hour")
		})
	}
}

// firstScan is what a check asks before the first pass.
const (
	firstScan = "SCAN 0 COUNT 1"
	noKeys    = "*2\r\n$1\r\n0\r\n*0\r\n"
)

func TestKeyspaceWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	metrictest.RequireDown(t, sampled)
	k := newRun(t, metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{firstScan: "-NOPERM no\r\n"}}))
	require.Equal(t, "acl", k.ask()["reason"])
	require.Empty(t, k.works, "a server that cannot be read is not looked at in the background")
	for _, tt := range []struct {
		name, scan, reason, text string
		tries                    int
	}{
		{"refused", "-NOPERM no\r\n", "acl", "SCAN: NOPERM no", 1},
		{"loading", "-LOADING wait\r\n", "loading", "LOADING wait", sliceTries},
		{"no cursor", "*0\r\n", "protocol", "SCAN: expected a cursor and keys", sliceTries},
		{"no keys", "*2\r\n$1\r\n0\r\n:1\r\n", "protocol", "SCAN: expected an array", sliceTries},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &metrictest.ScriptDoer{Replies: map[string]string{firstScan: noKeys, "SCAN 0 COUNT 16": tt.scan, "DBSIZE": ":1\r\n"}}
				k := newRun(t, metrictest.NewTarget(d))
				doc := k.pass()
				require.Equal(t, 0.0, doc["up"])
				require.Equal(t, tt.reason, doc["reason"])
				require.Contains(t, doc["error"], tt.text)
				require.Contains(t, doc["unavailable"].(map[string]any)["keys"], "no pass over the keys has been finished yet")
				count := func() (n int) {
					for _, cmd := range d.Sent {
						n += ask.Number(cmd[0] == "SCAN" && cmd[3] == "16")
					}
					return n
				}
				require.Equal(t, tt.tries, count())
				k.work()
				if tt.name == "refused" {
					require.Equal(t, tt.tries, count(), "not again within an hour")
					require.Equal(t, tt.reason, k.ask()["reason"])
				}
			})
		})
	}
}

func TestKeyspaceOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SET", "a", "b")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	text, err := metrictest.CollectFrom(t, sampled, target)
	require.NoError(t, err)
	require.Equal(t, 1.0, metrictest.Decode(t, text)["keys"], "the check itself makes the pass")
}
