package metrics

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/acllog"
	"redisjobs/metrics/advice"
	"redisjobs/metrics/clients"
	"redisjobs/metrics/config"
	"redisjobs/metrics/hot"
	"redisjobs/metrics/item"
	"redisjobs/metrics/keys"
	"redisjobs/metrics/pubsub"
	"redisjobs/metrics/search"
	"redisjobs/metrics/server"
	"redisjobs/metrics/slow"
	"redisjobs/metrics/streams"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// fuzzDoer answers with whatever replies the bytes hold, and with the last one
// over and over.
type fuzzDoer struct {
	reader *resp.Reader
	last   resp.Value
}

func (d *fuzzDoer) next() resp.Value {
	if v, err := d.reader.ReadReply(); err == nil {
		d.last = v
	}
	return d.last
}

func (d *fuzzDoer) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		values[i] = d.next()
		// Let the fuzzer reach what lies behind these.
		switch cmd[0] {
		case "TYPE":
			values[i] = resp.Value{Kind: resp.SimpleString, Str: []byte("stream")}
		case "TIME":
			values[i] = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Integer, Int: 1795254114}, {Kind: resp.Integer}}}
		}
	}
	return values, nil
}

// FuzzReplies gives any RESP to the keys whose replies are more than a text:
// each answers with a document or an error.
func FuzzReplies(f *testing.F) {
	f.Add(metrictest.SlowlogWire(3, 5) + ":3\r\n" + metrictest.Bulk("# Server\r\nrun_id:a\r\n"))
	f.Add("*1\r\n*4\r\n+fork\r\n:1795254114\r\n:12\r\n:400\r\n*2\r\n+get\r\n*4\r\n+calls\r\n:3\r\n+histogram_usec\r\n*4\r\n:1\r\n:2\r\n:2\r\n:3\r\n")
	// Two polls of redis.latency.get: an event, its history, and COMMANDLOG.
	f.Add("*1\r\n*4\r\n+fork\r\n:1\r\n:1\r\n:4\r\n*0\r\n" + metrictest.Bulk("# Server\r\nvalkey_version:8.1.1\r\n") +
		"*2\r\n*2\r\n:1\r\n:4\r\n*2\r\n:9\r\n:5\r\n:1\r\n" + metrictest.SlowlogWire(1, 2))
	f.Add("+PONG\r\n" + metrictest.Bulk("# Cluster\r\ncluster_enabled:1\r\n") + ":0\r\n*0\r\n*0\r\n*0\r\n" + metrictest.Bulk("cluster_state:ok\r\n") + ":5\r\n")
	f.Add(metrictest.StreamWire + metrictest.GroupsWire + "*0\r\n*0\r\n*0\r\n")
	f.Add("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n")
	f.Add(metrictest.Bulk("# Server\r\nredis_version:8.2.0\r\n# Memory\r\nmaxmemory:0\r\nused_memory:5\r\n# Replication\r\nrole:slave\r\nmaster_host:a\r\nmaster_port:1\r\n") +
		metrictest.WireArray("save", "", "timeout", "0"))
	f.Add(metrictest.Bulk("# Server\r\nredis_mode:sentinel\r\n# Sentinel\r\nmaster0:name=m,status=ok\r\n") + "*1\r\n" + metrictest.WireArray("name", "m", "quorum", "2", "num-slaves", "1", "num-other-sentinels", "2"))
	f.Add(metrictest.Bulk("# Server\r\nredis_version:8.6.0\r\n# Cluster\r\ncluster_enabled:1\r\n") + "*0\r\n*1\r\n*2\r\n+by-cpu-time-us\r\n*2\r\n+k\r\n:5\r\n" +
		strings.Repeat("*1\r\n*2\r\n:9\r\n*2\r\n+cpu-usec\r\n:4\r\n", 4))
	f.Add("-NOPERM no\r\n*-1\r\n$-1\r\n")
	f.Fuzz(func(t *testing.T, wire string) {
		for m, raw := range map[*item.Metric][]string{
			server.Get: nil, slow.Log: nil, slow.Latency: nil, clients.Get: nil,
			keys.Get: {"", "", "", "k"}, keys.Length: {"", "", "", "k"}, keys.TTL: {"", "", "", "k"},
			keys.Value: {"", "", "", "k", "1"}, keys.Count: {"", "", "", "*", "5000"}, streams.Get: {"", "", "", "k"},
			search.Get: nil, advice.Get: nil, config.Get: nil, acllog.Get: nil, pubsub.Get: {"", "", "", "a b"},
			hot.Get: nil,
		} {
			d := &fuzzDoer{reader: resp.NewReader(strings.NewReader(wire), resp.Limits{MaxElements: 1000})}
			args, err := m.ParseArgs(raw)
			require.NoError(t, err)
			target := metrictest.NewTarget(d)
			for range 2 { // the second poll remembers the first
				text, err := m.Answer(context.Background(), &item.Request{Target: target, Args: args, Env: &item.Env{SlowlogArguments: true}})
				if err == nil && (strings.HasSuffix(m.Key, ".get") || m == keys.Count) {
					metrictest.RequireUniqueJSON(t, text)
				}
			}
		}
	})
}
