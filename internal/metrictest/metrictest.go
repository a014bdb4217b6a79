package metrictest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// ScriptDoer answers commands from a table of replies as they are on the wire;
// a command of which nothing is in it is answered as a server does that has no
// such command, other arguments of one that is as arguments that it does not take.
type ScriptDoer struct {
	mu      sync.Mutex
	Replies map[string]string
	Err     error
	Calls   int                   // round trips
	Sent    []redisclient.Command // all commands, in order
}

func (d *ScriptDoer) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Calls++
	d.Sent = append(d.Sent, cmds...)
	if d.Err != nil {
		return nil, d.Err
	}
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		wire, ok := d.Replies[strings.Join(cmd, " ")]
		if !ok {
			wire = "-ERR unknown command '" + cmd[0] + "'\r\n"
			if d.knows(cmd[0]) {
				wire = "-ERR wrong number of arguments for '" + strings.ToLower(cmd[0]) + "' command\r\n"
			}
		}
		var err error
		if values[i], err = resp.NewReader(strings.NewReader(wire), resp.Limits{}).ReadReply(); err != nil {
			return nil, fmt.Errorf("script for %q: %w", cmd, err)
		}
	}
	return values, nil
}

func (d *ScriptDoer) knows(command string) bool {
	for name := range d.Replies {
		if first, _, _ := strings.Cut(name, " "); first == command {
			return true
		}
	}
	return false
}

// Bulk is a text as a bulk string on the wire.
func Bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// wireDoer is one connection to a real server; it counts round trips.
type wireDoer struct {
	*redisclient.Conn
	Calls int
}

func (d *wireDoer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	d.Calls++
	return d.Conn.DoAll(ctx, cmds...)
}

func DialWire(t testing.TB, addr string) *wireDoer {
	t.Helper()
	return DialConfig(t, redisclient.Config{Address: addr})
}

func DialConfig(t testing.TB, cfg redisclient.Config) *wireDoer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := redisclient.Dial(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &wireDoer{Conn: conn}
}

// DialTarget is a target behind one connection to a real server.
func DialTarget(t testing.TB, cfg redisclient.Config) (*item.Target, *wireDoer) {
	t.Helper()
	d := DialConfig(t, cfg)
	target := NewTarget(d)
	target.Name = "tcp://" + cfg.Address
	target.ConnInfo = func() (redisclient.ConnInfo, bool) { return d.Info(), true }
	return target, d
}

// DialPeers is DialTarget whose peers are real servers too, each behind one connection
// with the same settings.
func DialPeers(t testing.TB, cfg redisclient.Config) (*item.Target, *wireDoer) {
	t.Helper()
	target, d := DialTarget(t, cfg)
	var mu sync.Mutex
	peers := map[string]*item.Target{}
	target.Peer = func(addr string) (*item.Target, error) {
		mu.Lock()
		defer mu.Unlock()
		addr, _, _ = strings.Cut(addr, ",")
		if peers[addr] == nil {
			there := cfg
			there.Address = addr
			peers[addr], _ = DialTarget(t, there)
		}
		return peers[addr], nil
	}
	return target, d
}

func NewTarget(d redisclient.Doer) *item.Target {
	return &item.Target{Doer: d, Name: "tcp://127.0.0.1:6379", Memory: &item.Memory{}}
}

// Collect asks m of a new target behind d.
func Collect(t testing.TB, m *item.Metric, d redisclient.Doer, raw ...string) (string, error) {
	t.Helper()
	return CollectFrom(t, m, NewTarget(d), raw...)
}

func CollectFrom(t testing.TB, m *item.Metric, target *item.Target, raw ...string) (string, error) {
	t.Helper()
	args, err := m.ParseArgs(raw)
	require.NoError(t, err)
	return m.Answer(context.Background(), &item.Request{Target: target, Args: args, Env: &item.Env{}})
}

// RequireUniqueJSON fails when text is no JSON or an object in it has one
// member twice. Names that are no UTF-8 may become one another.
func RequireUniqueJSON(t testing.TB, text string) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var value func() error
	value = func() error {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'):
			seen := map[string]bool{}
			for dec.More() {
				key, err := dec.Token()
				if err != nil {
					return err
				}
				name := key.(string)
				if seen[name] && !strings.ContainsRune(name, '\ufffd') {
					return fmt.Errorf("member %q occurs twice", name)
				}
				seen[name] = true
				if err := value(); err != nil {
					return err
				}
			}
			_, err = dec.Token()
		case json.Delim('['):
			for dec.More() {
				if err := value(); err != nil {
					return err
				}
			}
			_, err = dec.Token()
		case nil:
			return fmt.Errorf("null in a document")
		}
		return err
	}
	require.NoError(t, value(), "%s", text)
	require.True(t, json.Valid([]byte(text)))
	require.False(t, bytes.Contains([]byte(text), []byte("\n")))
}

// Decode reads a document, after a look at its form.
func Decode(t testing.TB, text string) map[string]any {
	t.Helper()
	RequireUniqueJSON(t, text)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	return doc
}

// Allocated is how many bytes f allocates.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// AnswerWith is redistest.Answer that allocates nothing while it answers.
func AnswerWith(text string) redistest.Step {
	raw := []byte(text)
	return func(p *redistest.Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		_, err := p.Write(raw)
		return err
	}
}

// Rows returns a list of the document as rows.
func Rows(t testing.TB, list any) []map[string]any {
	t.Helper()
	require.IsType(t, []any{}, list)
	out := []map[string]any{}
	for _, e := range list.([]any) {
		out = append(out, e.(map[string]any))
	}
	return out
}

func Section(t testing.TB, doc map[string]any, name string) map[string]any {
	t.Helper()
	require.IsType(t, map[string]any{}, doc[name], name)
	return doc[name].(map[string]any)
}

// SlowlogWire is a slow log that holds the ids from first to last, newest
// first as the server sends them.
func SlowlogWire(first, last int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", last-first+1)
	for id := last; id >= first; id-- {
		fmt.Fprintf(&b, "*6\r\n:%d\r\n:1795254114\r\n:%d\r\n%s%s%s", id, 1000*(id+1),
			WireArray("GET", fmt.Sprint("key", id)), Bulk("10.0.0.9:4711"), Bulk("worker"))
	}
	return b.String()
}

func WireArray(texts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(texts))
	for _, text := range texts {
		b.WriteString(Bulk(text))
	}
	return b.String()
}

// RequireDown wants the shared document of a target that cannot be reached.
func RequireDown(t *testing.T, m *item.Metric, raw ...string) {
	t.Helper()
	gone := &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
	target := NewTarget(&ScriptDoer{Err: gone})
	text, err := CollectFrom(t, m, target, raw...)
	require.NoError(t, err)
	doc := Decode(t, text)
	require.Equal(t, map[string]any{
		"schema_version": 1.0, "up": 0.0, "reason": "tcp", "target": target.Name,
		"error": "Cannot query " + target.Name + ": connect: connection refused",
	}, doc)
}

// Row is the object in a list that has the value.
func Row(t testing.TB, list any, member, value string) map[string]any {
	t.Helper()
	for _, e := range list.([]any) {
		if r := e.(map[string]any); r[member] == value {
			return r
		}
	}
	require.Fail(t, "no such row", "%s=%s", member, value)
	return nil
}

func Must(text string, err error) string {
	if err != nil {
		panic(err)
	}
	return text
}

// StalledDoer answers nothing until its caller gives up.
type StalledDoer struct{}

func (StalledDoer) DoAll(ctx context.Context, _ ...redisclient.Command) ([]resp.Value, error) {
	<-ctx.Done()
	return nil, &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: ctx.Err()}
}

type PanickingDoer struct{}

func (PanickingDoer) DoAll(context.Context, ...redisclient.Command) ([]resp.Value, error) {
	panic("of the test")
}

// OfKey asks m about a key.
func OfKey(t testing.TB, m *item.Metric, target *item.Target, key string, own ...string) (string, error) {
	t.Helper()
	return CollectFrom(t, m, target, append([]string{"", "", "", key}, own...)...)
}

func Flat(cmds []redisclient.Command) (out []string) {
	for _, cmd := range cmds {
		out = append(out, strings.Join(cmd, " "))
	}
	return out
}

func DefaultStorm() item.StormOptions {
	return item.StormOptions{
		KeyPattern: "storm:job:{job}", IndexKey: "storm:jobs", HeartbeatKey: "storm:jobs:heartbeat",
		StateKey: "storm:jobs:state", StaleAfter: 5 * time.Minute, ScanBudget: 10000,
	}
}

func DefaultJobs() item.JobsOptions {
	return item.JobsOptions{ScanBudget: 100_000, Interval: 10 * time.Minute}
}

func SlowlogEntry(id string) string {
	return "*1\r\n*4\r\n" + id + "\r\n:1795254114\r\n:9\r\n*1\r\n$4\r\nPING\r\n"
}

// Replies of Redis 7.0.
const (
	StreamWire = "*20\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n" +
		"$17\r\nlast-generated-id\r\n$15\r\n1795254100000-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n" +
		"$13\r\nentries-added\r\n:9\r\n$23\r\nrecorded-first-entry-id\r\n$15\r\n1795254000000-0\r\n$6\r\ngroups\r\n:1\r\n" +
		"$11\r\nfirst-entry\r\n*2\r\n$15\r\n1795254000000-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n" +
		"$10\r\nlast-entry\r\n*2\r\n$15\r\n1795254100000-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
	GroupsWire = "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:2\r\n$7\r\npending\r\n:1\r\n" +
		"$17\r\nlast-delivered-id\r\n$15\r\n1795254050000-7\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n$-1\r\n"
)

// RediSearch1 starts a server of a flavour ("" for the machine's own) with
// RediSearch 1.2.
func RediSearch1(t *testing.T, bin string, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Config{Bin: bin, Args: append(redistest.RediSearch(t), args...)})
}
