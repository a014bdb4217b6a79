package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// getDocument is what redis.get answers for a server with that INFO, which has
// none of the other commands.
func getDocument(text []byte) string { return getDocumentOf(newTarget(nil), text) }

// getDocumentOf is getDocument for one of several polls of a target.
func getDocumentOf(target *Target, text []byte) string {
	p := newGetParts(target)
	p.ping.value = resp.Value{Kind: resp.SimpleString, Str: []byte("PONG")}
	for _, part := range []*part{&p.length, &p.newest, &p.config, &p.events} {
		part.err = resp.NewServerError([]byte("ERR unknown command"))
	}
	return p.document(condition{target: target}, text)
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
