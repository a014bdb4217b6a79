package plugin

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/targets"
)

// TestACheckThatIsBusyAtItsDeadlineIsAnsweredForIt, once, and its own answer is
// dropped.
func TestACheckThatIsBusyAtItsDeadlineIsAnsweredForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := &item.Metric{Key: "test.busy", Description: "Test.", Collect: func(_ context.Context, _ *item.Request, w *jsondoc.Writer) error {
			time.Sleep(10 * time.Second) // whatever its context says
			w.Text("too late")
			return nil
		}}
		a := startAgent(t, Server{Metrics: append(testMetrics(), busy)})
		a.configure(options())
		<-a.logs
		began := time.Now()
		r := a.export(3, "test.busy")
		require.Equal(t, 2962500*time.Microsecond, time.Since(began))
		require.Equal(t, "cannot get test.busy: wait: timeout: no answer within 2.85s, because the server is slow or its replies are too large", r.Error)
		time.Sleep(time.Minute)
		synctest.Wait()
		a.quiet()
		require.Equal(t, "x", a.export(3, "test.echo", "x").Value)
		a.terminate()
		a.exited()
	})
}

// TestALateDocumentIsADocument: over all keys that read a server, the guard's
// answer is that for a target that does not answer, and nothing is sent to it.
func TestALateDocumentIsADocument(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{redistest.Expect(1), redistest.Close()})
	decoded, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	decoded.CustomCommands = true
	s := &server{byKey: map[string]*item.Metric{}}
	rt, err := targets.New(decoded)
	require.NoError(t, err)
	defer rt.Close(time.Second)
	documents := 0
	for _, metric := range metrics.All() {
		if !metric.ReadsRedis() {
			continue
		}
		s.byKey[metric.Key] = metric
		params := []string{"tcp://" + f.Addr}
		for _, p := range metric.Params[1:] {
			value := p.Default
			switch {
			case p.Name == "System":
				value = "rq"
			case p.Required && value == "":
				value = "PING"
			}
			params = append(params, value)
		}
		answer, err := s.late(rt, request{key: metric.Key, params: params}, time.Second)
		text := strings.ReplaceAll(string(answer), `\"`, `"`)
		switch {
		case err != nil:
			require.ErrorContains(t, err, "tcp://"+f.Addr, metric.Key)
		case strings.HasPrefix(text, "{"):
			documents++
			require.Contains(t, text, `"up":0,"reason":"timeout"`, metric.Key)
			require.Contains(t, text, "no answer within 1s", metric.Key)
		}
		if strings.HasSuffix(metric.Key, ".get") && !strings.HasPrefix(metric.Key, "redis.instances") {
			require.NoError(t, err, metric.Key)
		}
	}
	require.Greater(t, documents, 12)
	require.Zero(t, f.Accepted())
}

// flooding sends a reply to INFO that does not end: lines without number.
func flooding(line string) redistest.Script {
	return redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			if cmd[0] == "CLIENT" {
				if err := redistest.Write("+OK\r\n")(p); err != nil {
					return err
				}
				continue
			}
			if err := redistest.Write("*1000000\r\n")(p); err != nil {
				return err
			}
			for {
				if err := redistest.Write(line)(p); err != nil {
					return err
				}
			}
		}
	}}
}

// TestEveryRequestIsAnsweredWhateverArrives: floods, and small pieces without
// end, at many checks at once.
func TestEveryRequestIsAnsweredWhateverArrives(t *testing.T) {
	t.Parallel()
	huge := bytes.Repeat([]byte("x"), 1<<20)
	scripts := map[string]redistest.Script{
		"a flood of small members": flooding("$1\r\nx\r\n:1\r\n$1\r\nx\r\n:1\r\n"),
		"a flood of large members": flooding(fmt.Sprintf("$%d\r\n%s\r\n", len(huge), huge)),
		"a flood of bytes":         flooding(string(huge)),
		"bytes that drip":          {redistest.Expect(1), redistest.Drip("+OK\r\n$100000000\r\n"+string(huge[:1000]), 5*time.Millisecond)},
	}
	a := startAgent(t, Server{Metrics: metrics.All()})
	a.configure(options())
	<-a.logs
	var asked []uint32
	for _, script := range scripts {
		f := redistest.NewFake(t, script)
		for _, key := range []string{"redis.get", "redis.server.info", "redis.clients.get", "redis.server.slowlog.count", "redis.status"} {
			asked = append(asked, a.ask(2, key, "tcp://"+f.Addr))
		}
	}
	for _, id := range asked { // no reply ever ends, and each request is answered
		r := a.exported(id)
		require.NotEmpty(t, fmt.Sprint(r.Value, r.Error))
		require.NotContains(t, fmt.Sprint(r.Value, r.Error), "deadline exceeded")
	}
}
