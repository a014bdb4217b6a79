package plugin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkplugin "golang.zabbix.com/sdk/plugin"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/conf"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// agent is the other end of the socket: it speaks through the SDK's own
// reading and writing, so that the protocol is not tested against itself.
type agent struct {
	t       *testing.T
	conn    net.Conn
	nextID  uint32
	frames  chan frame // everything the plugin sends but log lines
	logs    chan string
	exit    chan int // what Serve returned
	pending map[uint32]frame
}

type frame struct {
	comms.Common
	body []byte
}

// startAgent serves one end of a pipe and returns the other.
func startAgent(t *testing.T, s Server) *agent {
	t.Helper()
	ours, theirs := net.Pipe()
	a := &agent{
		t: t, conn: ours,
		frames:  make(chan frame, 10_000),
		logs:    make(chan string, 10_000),
		exit:    make(chan int, 1),
		pending: map[uint32]frame{},
	}
	go func() { a.exit <- s.Serve(theirs) }()
	go func() {
		defer close(a.frames)
		for {
			c, body, err := comms.Read(ours)
			if err != nil {
				return
			}
			if c.Type != comms.LogRequestType {
				a.frames <- frame{c, body}
				continue
			}
			var m comms.LogRequest
			if json.Unmarshal(body, &m) == nil {
				a.logs <- m.Message
			}
		}
	}()
	t.Cleanup(func() { _ = ours.Close() })
	return a
}

// id numbers the requests.
func (a *agent) id() uint32 {
	a.nextID++
	return a.nextID
}

func (a *agent) write(v any) {
	a.t.Helper()
	require.NoError(a.t, comms.Write(a.conn, v))
}

// answer waits for the frame with that id.
func (a *agent) answer(id uint32) frame {
	a.t.Helper()
	for {
		if f, ok := a.pending[id]; ok {
			delete(a.pending, id)
			return f
		}
		f, ok := <-a.frames
		require.True(a.t, ok, "the plugin closed the socket before it answered request %d", id)
		a.pending[f.Id] = f
	}
}

func (a *agent) register(version string) comms.RegisterResponse {
	a.t.Helper()
	id := a.id()
	a.write(comms.RegisterRequest{Common: comms.Common{Id: id, Type: comms.RegisterRequestType}, ProtocolVersion: version})
	var r comms.RegisterResponse
	require.NoError(a.t, json.Unmarshal(a.answer(id).body, &r))
	require.EqualValues(a.t, comms.RegisterResponseType, r.Type)
	return r
}

func (a *agent) validate(options any) comms.ValidateResponse {
	a.t.Helper()
	id := a.id()
	a.write(comms.ValidateRequest{Common: comms.Common{Id: id, Type: comms.ValidateRequestType}, PrivateOptions: options})
	var r comms.ValidateResponse
	require.NoError(a.t, json.Unmarshal(a.answer(id).body, &r))
	require.EqualValues(a.t, comms.ValidateResponseType, r.Type)
	return r
}

// configure sends what agents send before Start; there is no answer to it.
func (a *agent) configure(options any) {
	a.t.Helper()
	a.write(comms.ConfigureRequest{
		Common:         comms.Common{Id: a.id(), Type: comms.ConfigureRequestType},
		GlobalOptions:  &sdkplugin.GlobalOptions{Timeout: 3},
		PrivateOptions: options,
	})
	a.write(comms.StartRequest{Common: comms.Common{Id: a.id(), Type: comms.StartRequestType}})
}

// ask sends a check and returns its id.
func (a *agent) ask(timeout int, key string, params ...string) uint32 {
	a.t.Helper()
	id := a.id()
	a.write(comms.ExportRequest{
		Common: comms.Common{Id: id, Type: comms.ExportRequestType}, Key: key, Params: params, Timeout: timeout,
	})
	return id
}

// export runs one check.
func (a *agent) export(timeout int, key string, params ...string) comms.ExportResponse {
	a.t.Helper()
	return a.exported(a.ask(timeout, key, params...))
}

func (a *agent) exported(id uint32) comms.ExportResponse {
	a.t.Helper()
	var r comms.ExportResponse
	f := a.answer(id)
	require.NoError(a.t, json.Unmarshal(f.body, &r), "%s", f.body)
	require.EqualValues(a.t, comms.ExportResponseType, r.Type)
	return r
}

func (a *agent) terminate() {
	a.t.Helper()
	a.write(comms.TerminateRequest{Common: comms.Common{Id: a.id(), Type: comms.TerminateRequestType}})
}

// options makes the tree in which agents send a configuration, from lines as
// "Sessions.Prod.Uri=tcp://...". A line without "=" has a null value.
func options(lines ...string) map[string]any {
	root := map[string]any{"Name": conf.PluginName, "Nodes": []any{}, "Line": 1}
	for i, line := range lines {
		name, value, hasValue := cut(line)
		node := root
		for _, part := range name {
			node = child(node, part, i+2)
		}
		var v any
		if hasValue {
			v = base64.StdEncoding.EncodeToString([]byte(value))
		}
		node["Nodes"] = append(node["Nodes"].([]any), map[string]any{"Value": v, "Line": i + 2})
	}
	return root
}

func cut(line string) (name []string, value string, hasValue bool) {
	for i := range line {
		if line[i] == '=' {
			return splitDots(line[:i]), line[i+1:], true
		}
	}
	return splitDots(line), "", false
}

func splitDots(s string) []string {
	var out []string
	start := 0
	for i := range s {
		if s[i] == '.' {
			out, start = append(out, s[start:i]), i+1
		}
	}
	return append(out, s[start:])
}

func child(node map[string]any, name string, line int) map[string]any {
	for _, n := range node["Nodes"].([]any) {
		if m := n.(map[string]any); m["Name"] == name {
			return m
		}
	}
	m := map[string]any{"Name": name, "Nodes": []any{}, "Line": line}
	node["Nodes"] = append(node["Nodes"].([]any), m)
	return m
}

// testMetrics are metrics without a server behind them.
func testMetrics() []*item.Metric {
	text := item.Param{Name: "Text"}
	own := func(key string, collect func(ctx context.Context, r *item.Request) (string, error)) *item.Metric {
		return &item.Metric{Key: key, Description: "Test.", Params: []item.Param{text}, Collect: func(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
			text, err := collect(ctx, r)
			w.Text(text)
			return err
		}}
	}
	return []*item.Metric{
		own("test.echo", func(_ context.Context, r *item.Request) (string, error) { return r.Arg("Text"), nil }),
		own("test.repeat", func(_ context.Context, r *item.Request) (string, error) {
			n, text, _ := strings.Cut(r.Arg("Text"), " ")
			times, err := strconv.Atoi(n)
			return strings.Repeat(text, times), err
		}),
		own("test.error", func(_ context.Context, r *item.Request) (string, error) {
			return "", fmt.Errorf("%s", r.Arg("Text"))
		}),
		own("test.panic", func(context.Context, *item.Request) (string, error) { panic("100% wrong\nsecond line") }),
		own("test.hang", func(ctx context.Context, _ *item.Request) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}),
	}
}

// serving is an agent whose plugin runs the test metrics and is configured.
func serving(t *testing.T, lines ...string) *agent {
	t.Helper()
	a := startAgent(t, Server{Metrics: testMetrics()})
	a.configure(options(lines...))
	require.Contains(t, <-a.logs, "is configured")
	return a
}

// quiet asserts that nothing came from the plugin.
func (a *agent) quiet() {
	a.t.Helper()
	select {
	case f := <-a.frames:
		require.Fail(a.t, "unexpected frame", "%s", f.body)
	default:
	}
}

// exited waits for the end of Serve.
func (a *agent) exited() int {
	a.t.Helper()
	select {
	case code := <-a.exit:
		return code
	case <-time.After(time.Minute):
		require.Fail(a.t, "the plugin did not end")
		return -1
	}
}
