package metrics

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
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// scriptDoer answers commands from a table of replies as they are on the wire;
// a command that is not in it is answered as a server does that has no such
// command.
type scriptDoer struct {
	mu      sync.Mutex
	replies map[string]string
	err     error
	calls   int                   // round trips
	sent    []redisclient.Command // all commands, in order
}

func (d *scriptDoer) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.sent = append(d.sent, cmds...)
	if d.err != nil {
		return nil, d.err
	}
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		wire, ok := d.replies[strings.Join(cmd, " ")]
		if !ok {
			wire = "-ERR unknown command '" + cmd[0] + "'\r\n"
		}
		var err error
		if values[i], err = resp.NewReader(strings.NewReader(wire), resp.Limits{}).ReadReply(); err != nil {
			return nil, fmt.Errorf("script for %q: %w", cmd, err)
		}
	}
	return values, nil
}

// bulk is a text as a bulk string on the wire.
func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// wireDoer is one connection to a real server; it counts round trips.
type wireDoer struct {
	*redisclient.Conn
	calls int
}

func (d *wireDoer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	d.calls++
	return d.Conn.DoAll(ctx, cmds...)
}

func dialWire(t testing.TB, addr string) *wireDoer {
	t.Helper()
	return dialConfig(t, redisclient.Config{Address: addr})
}

func dialConfig(t testing.TB, cfg redisclient.Config) *wireDoer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := redisclient.Dial(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &wireDoer{Conn: conn}
}

// dialTarget is a target behind one connection to a real server.
func dialTarget(t testing.TB, cfg redisclient.Config) (*Target, *wireDoer) {
	t.Helper()
	d := dialConfig(t, cfg)
	target := newTarget(d)
	target.Name = "tcp://" + cfg.Address
	target.ConnInfo = func() (redisclient.ConnInfo, bool) { return d.Info(), true }
	return target, d
}

func newTarget(d redisclient.Doer) *Target {
	return &Target{Doer: d, Name: "tcp://127.0.0.1:6379", Memory: &Memory{}}
}

// collect asks m of a new target behind d.
func collect(t testing.TB, m *Metric, d redisclient.Doer, raw ...string) (string, error) {
	t.Helper()
	return collectFrom(t, m, newTarget(d), raw...)
}

func collectFrom(t testing.TB, m *Metric, target *Target, raw ...string) (string, error) {
	t.Helper()
	args, err := m.ParseArgs(raw)
	require.NoError(t, err)
	return m.Collect(context.Background(), &Request{Target: target, Args: args, Env: &Env{}})
}

// requireUniqueJSON fails when text is no JSON or an object in it has one
// member twice. Names that are no UTF-8 may become one another.
func requireUniqueJSON(t testing.TB, text string) {
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

// decode reads a document, after a look at its form.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	requireUniqueJSON(t, text)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	return doc
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// answerWith is redistest.Answer that allocates nothing while it answers.
func answerWith(text string) redistest.Step {
	raw := []byte(text)
	return func(p *redistest.Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		_, err := p.Write(raw)
		return err
	}
}

// rows returns a list of the document as rows.
func rows(t testing.TB, list any) []map[string]any {
	t.Helper()
	require.IsType(t, []any{}, list)
	out := []map[string]any{}
	for _, e := range list.([]any) {
		out = append(out, e.(map[string]any))
	}
	return out
}

func section(t testing.TB, doc map[string]any, name string) map[string]any {
	t.Helper()
	require.IsType(t, map[string]any{}, doc[name], name)
	return doc[name].(map[string]any)
}

// slowlogWire is a slow log that holds the ids from first to last, newest
// first as the server sends them.
func slowlogWire(first, last int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", last-first+1)
	for id := last; id >= first; id-- {
		fmt.Fprintf(&b, "*6\r\n:%d\r\n:1795254114\r\n:%d\r\n%s%s%s", id, 1000*(id+1),
			wireArray("GET", fmt.Sprint("key", id)), bulk("10.0.0.9:4711"), bulk("worker"))
	}
	return b.String()
}

func wireArray(texts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(texts))
	for _, text := range texts {
		b.WriteString(bulk(text))
	}
	return b.String()
}

// requireDown wants the shared document of a target that cannot be reached.
func requireDown(t *testing.T, m *Metric, raw ...string) {
	t.Helper()
	gone := &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
	target := newTarget(&scriptDoer{err: gone})
	text, err := collectFrom(t, m, target, raw...)
	require.NoError(t, err)
	require.Equal(t, downDocument(target.Name, gone), text)
}

// row is the object in a list that has the value.
func row(t testing.TB, list any, member, value string) map[string]any {
	t.Helper()
	for _, e := range list.([]any) {
		if r := e.(map[string]any); r[member] == value {
			return r
		}
	}
	require.Fail(t, "no such row", "%s=%s", member, value)
	return nil
}

func must(text string, err error) string {
	if err != nil {
		panic(err)
	}
	return text
}

// stalledDoer answers nothing until its caller gives up.
type stalledDoer struct{}

func (stalledDoer) DoAll(ctx context.Context, _ ...redisclient.Command) ([]resp.Value, error) {
	<-ctx.Done()
	return nil, &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: ctx.Err()}
}

type panickingDoer struct{}

func (panickingDoer) DoAll(context.Context, ...redisclient.Command) ([]resp.Value, error) {
	panic("of the test")
}

// ofKey asks m about a key.
func ofKey(t testing.TB, m *Metric, target *Target, key string, own ...string) (string, error) {
	t.Helper()
	return collectFrom(t, m, target, append([]string{"", "", "", key}, own...)...)
}

func flat(cmds []redisclient.Command) (out []string) {
	for _, cmd := range cmds {
		out = append(out, strings.Join(cmd, " "))
	}
	return out
}

func defaultStorm() StormOptions {
	return StormOptions{
		KeyPattern: "storm:job:{job}", IndexKey: "storm:jobs", HeartbeatKey: "storm:jobs:heartbeat",
		StateKey: "storm:jobs:state", StaleAfter: 5 * time.Minute, ScanBudget: 10000,
	}
}

func defaultJobs() JobsOptions { return JobsOptions{ScanBudget: 100_000, Interval: 10 * time.Minute} }

func slowlogEntry(id string) string {
	return "*1\r\n*4\r\n" + id + "\r\n:1\r\n:9\r\n*1\r\n$4\r\nPING\r\n"
}

// Replies of Redis 7.0.
const (
	streamWire = "*20\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n" +
		"$17\r\nlast-generated-id\r\n$15\r\n1795254100000-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n" +
		"$13\r\nentries-added\r\n:9\r\n$23\r\nrecorded-first-entry-id\r\n$15\r\n1795254000000-0\r\n$6\r\ngroups\r\n:1\r\n" +
		"$11\r\nfirst-entry\r\n*2\r\n$15\r\n1795254000000-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n" +
		"$10\r\nlast-entry\r\n*2\r\n$15\r\n1795254100000-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
	groupsWire = "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:2\r\n$7\r\npending\r\n:1\r\n" +
		"$17\r\nlast-delivered-id\r\n$15\r\n1795254050000-7\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n$-1\r\n"
)

// rediSearch1 starts a server of a flavour ("" for the machine's own) with
// RediSearch 1.2.
func rediSearch1(t *testing.T, bin string, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Config{Bin: bin, Args: append(redistest.RediSearch(t), args...)})
}
