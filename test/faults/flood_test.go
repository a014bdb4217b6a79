//go:build e2e && linux

package faults

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/test/driver"
)

// flood answers the opening, and then writes a head and a part without end, with a pause after each.
func flood(head, part string, pause time.Duration) redistest.Step {
	return func(p *redistest.Peer) error {
		cmd, err := p.ReadCommand()
		if err != nil {
			return err
		}
		text := head
		if strings.EqualFold(cmd[0], "CLIENT") {
			text = "+OK\r\n" + head
		}
		for ; ; text = part {
			if _, err := io.WriteString(p, text); err != nil {
				return err
			}
			time.Sleep(pause)
		}
	}
}

// Servers that write slowly, fast, in pieces and not at all: each check of each key is answered once, in the time that
// an agent waits, and not with the words of Go. A second answer would be a stray, which fails the test.
func TestNoAnswerComesLateWhateverArrives(t *testing.T) {
	t.Parallel()
	kilobyte := strings.Repeat("field:123456789\r\n", 60)
	floods := map[string]redistest.Step{
		"a slow flood of a long text": flood("$100000000\r\n", kilobyte, 5*time.Millisecond),
		"a fast flood of a long text": flood("$60000000\r\n", strings.Repeat(kilobyte, 100), 0),
		"a slow flood of members":     flood("*1000000\r\n", "$1\r\nx\r\n", time.Millisecond),
		"a fast flood of members":     flood("*1000000\r\n", strings.Repeat("$1\r\nx\r\n:1\r\n", 2000), 0),
		"arrays in arrays":            flood("*10\r\n*10\r\n*10\r\n", ":1\r\n", 3*time.Millisecond),
		"pushes without end":          flood("", strings.Repeat(">2\r\n+message\r\n+x\r\n", 500), time.Millisecond),
		"replies without end":         flood("", strings.Repeat("+OK\r\n", 500), time.Millisecond),
		"half a reply and silence":    flood("$1000\r\nabc", "", time.Second),
		"silence":                     flood("", "", time.Second),
	}
	healthy := redis(t, redistest.Config{})
	p := start(t, "Sessions.Healthy.Uri=tcp://"+healthy.Addr)
	want(t, p, "Healthy", healthy, key(0))
	before := p.Resources(t)
	t.Run("floods", func(t *testing.T) { // the servers end with it
		type asked struct {
			*driver.Check
			what    string
			timeout int
		}
		addrs := map[string]string{}
		for name, step := range floods {
			addrs[name] = redistest.NewFake(t, redistest.Script{step}).Addr
		}
		addrs["a cluster of huge replies"] = newHugeCluster(t, 40, longInfo(62<<20))[0]
		stop := watch(t, p, "Healthy", healthy, time.Second)
		var checks []asked
		for name, addr := range addrs {
			for i, m := range metrics.All() {
				timeout := 1 + i%3
				if params, ok := floodParams(m, addr); ok {
					checks = append(checks, asked{p.Ask(timeout, m.Key, params...), m.Key + " of " + name, timeout})
				}
			}
		}
		longest := time.Duration(-1 << 62)
		for _, c := range checks {
			value, err := c.Answer()
			var no *driver.Refused
			if errors.As(err, &no) {
				value, err = no.Text, nil
			}
			require.NoError(t, err, c.what)
			require.NotContains(t, value, "deadline exceeded", c.what)
			beyond := c.TookAwake() - time.Duration(c.timeout)*time.Second
			require.Less(t, beyond, agentGrace, c.what)
			longest = max(longest, beyond)
		}
		stop()
		t.Logf("%d checks, the last came %v before its timeout", len(checks), -longest)
	})
	require.Zero(t, p.Pool(t).Replies.Used)
	awaitCalm(t, p, before)
}

// floodParams are parameters of a key that reads a server.
func floodParams(m *item.Metric, addr string) (params []string, ok bool) {
	for _, p := range m.Params {
		switch {
		case p.Kind == item.ParamConn:
			params, ok = append(params, "tcp://"+addr), true
		case p.Kind == item.ParamOwn && p.Required && len(ownParams[p.Name]) > 0:
			params = append(params, ownParams[p.Name][0])
		default:
			params = append(params, "")
		}
	}
	return params, ok && m.Web != item.WebOnly
}
