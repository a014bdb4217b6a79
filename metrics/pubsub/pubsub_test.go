package pubsub

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

func pubsubOf(t *testing.T, target *item.Target, channels ...string) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target, "", "", "", strings.Join(channels, " "))
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// serverOf is a server with counts of channels, patterns and shard channels; a
// negative one is not told.
func serverOf(channels, patterns, shards int, replies map[string]string) *metrictest.ScriptDoer {
	var stats []string
	for _, c := range []struct {
		field string
		n     int
	}{{"pubsub_channels", channels}, {"pubsub_patterns", patterns}, {"pubsubshard_channels", shards}} {
		if c.n >= 0 {
			stats = append(stats, fmt.Sprint(c.field, ":", c.n))
		}
	}
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"INFO": metrictest.Bulk("# Server\r\nredis_version:8.2.0\r\n# Clients\r\npubsub_clients:4\r\n# Stats\r\n" + strings.Join(stats, "\r\n") + "\r\n"),
	}}
	for cmd, reply := range replies {
		d.Replies[cmd] = reply
	}
	return d
}

func numsub(pairs ...any) string {
	out := fmt.Sprintf("*%d\r\n", len(pairs))
	for _, p := range pairs {
		if n, ok := p.(int); ok {
			out += fmt.Sprintf(":%d\r\n", n)
		} else {
			out += metrictest.Bulk(p.(string))
		}
	}
	return out
}

func TestWhoIsHeard(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                       string
		channels, patterns, shards int
		own, shard                 string
		named                      any
		unheard                    any
		missing                    map[string]any
	}{
		{"both", 2, 3, 1, numsub("a", 2, "b", 0), numsub("a", 0, "b", 1), []any{
			map[string]any{"channel": "a", "subscribers": 2.0, "shard_subscribers": 0.0, "heard": 1.0},
			map[string]any{"channel": "b", "subscribers": 0.0, "shard_subscribers": 1.0, "heard": 1.0},
		}, 0.0, map[string]any{}},
		{"nobody listens to one", 1, 0, 0, numsub("a", 2, "b", 0), numsub("a", 0, "b", 0), []any{
			map[string]any{"channel": "a", "subscribers": 2.0, "shard_subscribers": 0.0, "heard": 1.0},
			map[string]any{"channel": "b", "subscribers": 0.0, "shard_subscribers": 0.0, "heard": 0.0},
		}, 1.0, map[string]any{}},
		{"a pattern may match it", 1, 1, 0, numsub("a", 2, "b", 0), numsub("a", 0, "b", 0), []any{
			map[string]any{"channel": "a", "subscribers": 2.0, "shard_subscribers": 0.0, "heard": 1.0},
			map[string]any{"channel": "b", "subscribers": 0.0, "shard_subscribers": 0.0},
		}, nil, map[string]any{}},
		{"patterns are not told", 1, -1, 0, numsub("a", 2, "b", 0), numsub("a", 0, "b", 0), []any{
			map[string]any{"channel": "a", "subscribers": 2.0, "shard_subscribers": 0.0, "heard": 1.0},
			map[string]any{"channel": "b", "subscribers": 0.0, "shard_subscribers": 0.0},
		}, nil, map[string]any{}},
		{"an old server has no shard channels", 1, 0, -1, numsub("a", 2, "b", 0), "", []any{
			map[string]any{"channel": "a", "subscribers": 2.0, "heard": 1.0}, map[string]any{"channel": "b", "subscribers": 0.0, "heard": 0.0},
		}, 1.0, map[string]any{}},
		{"shard channels are refused", 1, 0, 0, numsub("a", 2, "b", 0), "-NOPERM no\r\n", []any{
			map[string]any{"channel": "a", "subscribers": 2.0, "heard": 1.0}, map[string]any{"channel": "b", "subscribers": 0.0},
		}, nil, map[string]any{"shard_named": "NOPERM no"}},
		{"refused", 0, 0, -1, "-NOPERM no\r\n", "", nil, nil, map[string]any{"named": "NOPERM no"}},
		{"another list", 0, 0, -1, numsub("a", 2, "c", 0), "", nil, nil, map[string]any{"named": errNumsub.Error()}},
		{"no number", 0, 0, -1, numsub("a", 2, "b", "x"), "", nil, nil, map[string]any{"named": errNumsub.Error()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			replies := map[string]string{"PUBSUB NUMSUB a b": tt.own, "PUBSUB CHANNELS": metrictest.WireArray("z", "a")}
			if tt.shard != "" {
				replies["PUBSUB SHARDNUMSUB a b"] = tt.shard
			}
			d := serverOf(tt.channels, tt.patterns, tt.shards, replies)
			doc := pubsubOf(t, metrictest.NewTarget(d), "b", "a", "b")
			require.Equal(t, tt.named, doc["named"])
			require.Equal(t, tt.unheard, doc["unheard"])
			require.Equal(t, tt.missing, doc["unavailable"])
			require.Equal(t, float64(tt.channels), doc["channels"])
			require.Equal(t, 4.0, doc["clients"])
			require.Equal(t, "server", doc["view"])
			require.LessOrEqual(t, d.Calls, 2)
		})
	}
}

func TestNamesAreListedWhereThereAreFew(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf("c%03d%s", i, strings.Repeat("x", 1000)))
	}
	doc := pubsubOf(t, metrictest.NewTarget(serverOf(150, 0, 0, map[string]string{"PUBSUB CHANNELS": metrictest.WireArray(many...)})))
	require.Len(t, doc["names"], 100)
	require.Equal(t, map[string]any{"names": 50.0}, doc["truncated"])
	require.Len(t, []rune(doc["names"].([]any)[0].(string)), 128)
	require.NotContains(t, doc, "named")
	require.NotContains(t, doc, "unheard")

	d := serverOf(maxListed+1, 0, 0, nil)
	doc = pubsubOf(t, metrictest.NewTarget(d))
	require.NotContains(t, doc, "names", "the list was not asked for")
	require.Equal(t, 1, d.Calls)
	d = serverOf(0, 0, 0, nil)
	doc = pubsubOf(t, metrictest.NewTarget(d))
	require.Equal(t, []any{}, doc["names"])
	require.Equal(t, 1, d.Calls)
	require.Equal(t, 0.0, doc["channels"])

	require.EqualError(t, checkChannels(strings.Repeat("a ", 1)+strings.Join(many, " ")), "at most 100 channels can be named, got 151")
}

func TestPubsubWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	d := serverOf(0, 0, 0, map[string]string{"INFO": "-NOPERM no\r\n", "PUBSUB NUMSUB a": numsub("a", 0)})
	doc := pubsubOf(t, metrictest.NewTarget(d), "a")
	require.Equal(t, map[string]any{"info": "NOPERM no"}, doc["unavailable"])
	require.Equal(t, []any{map[string]any{"channel": "a", "subscribers": 0.0}}, doc["named"])
	for _, member := range []string{"channels", "patterns", "shard_channels", "clients", "names", "unheard"} {
		require.NotContains(t, doc, member)
	}
	d.Replies["INFO"] = "-LOADING Redis is loading\r\n"
	require.Equal(t, "loading", pubsubOf(t, metrictest.NewTarget(d))["reason"])
	metrictest.RequireDown(t, Get)
}

// listener is a connection that has subscribed.
func listener(t *testing.T, addr string, cmds ...string) {
	t.Helper()
	wire := metrictest.DialWire(t, addr)
	for _, cmd := range cmds {
		values, err := wire.DoAll(t.Context(), strings.Fields(cmd))
		require.NoError(t, err)
		require.NoError(t, values[0].Err())
	}
}

func TestPubsubOfRealServers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-5.0", "redis-6.2", "redis-8.0", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			listener(t, s.Addr, "SUBSCRIBE news")
			listener(t, s.Addr, "SUBSCRIBE news")
			listener(t, s.Addr, "SUBSCRIBE sport")
			doc := pubsubOf(t, target, "news", "weather")
			require.Equal(t, 2, wire.Calls)
			require.Empty(t, doc["unavailable"])
			require.Equal(t, []any{2.0, 0.0, []any{"news", "sport"}, 1.0}, []any{doc["channels"], doc["patterns"], doc["names"], doc["unheard"]})
			require.Equal(t, 2.0, metrictest.Row(t, doc["named"], "channel", "news")["subscribers"])
			require.Equal(t, 0.0, metrictest.Row(t, doc["named"], "channel", "weather")["heard"])
			listener(t, s.Addr, "PSUBSCRIBE w*")
			doc = pubsubOf(t, target, "news", "weather")
			require.Equal(t, 1.0, doc["patterns"])
			require.NotContains(t, metrictest.Row(t, doc["named"], "channel", "weather"), "heard", "the pattern may match it, and does")
			require.NotContains(t, doc, "unheard")
			if f.Is("redis", 5, 0) && !f.Is("redis", 7, 0) {
				require.NotContains(t, doc, "shard_channels")
				require.NotContains(t, s.Do(t, "INFO", "commandstats"), "shardnumsub")
				return
			}
			listener(t, s.Addr, "SSUBSCRIBE shard")
			doc = pubsubOf(t, target, "shard")
			require.Equal(t, 1.0, doc["shard_channels"])
			row := metrictest.Row(t, doc["named"], "channel", "shard")
			require.Equal(t, []any{0.0, 1.0, 1.0}, []any{row["subscribers"], row["shard_subscribers"], row["heard"]})
			if f.Is("redis", 8, 0) || f.Is("valkey", 8, 0) {
				require.Equal(t, 5.0, doc["clients"])
			}
		})
	}
}

func TestPubsubOfARealCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Find(t, "redis-8.0"), redistest.Config{})
	listener(t, nodes[1].Addr, "SUBSCRIBE news")
	listener(t, nodes[5].Addr, "SUBSCRIBE news")
	listener(t, nodes[0].Addr, "SSUBSCRIBE {b}") // slot 3300
	target, wire := metrictest.DialPeers(t, redisclient.Config{Address: nodes[3].Addr})
	doc := pubsubOf(t, target, "news", "weather", "{b}")
	require.Equal(t, 2, wire.Calls)
	require.Equal(t, "cluster", doc["view"])
	require.Equal(t, false, doc["partial"])
	require.Empty(t, doc["unavailable"])
	require.Equal(t, []any{2.0, 1.0}, []any{metrictest.Row(t, doc["named"], "channel", "news")["subscribers"], doc["unheard"]})
	require.Equal(t, 1.0, metrictest.Row(t, doc["named"], "channel", "{b}")["shard_subscribers"])

	listener(t, nodes[2].Addr, "PSUBSCRIBE *")
	doc = pubsubOf(t, target, "news", "weather")
	require.Equal(t, 1.0, doc["patterns"])
	require.NotContains(t, metrictest.Row(t, doc["named"], "channel", "weather"), "heard")
	nodes[2].Kill(t)
	require.Eventually(t, func() bool {
		doc = pubsubOf(t, target, "news", "weather")
		return doc["partial"] == true
	}, 20*time.Second, 20*time.Millisecond)
	require.NotContains(t, metrictest.Row(t, doc["named"], "channel", "weather"), "heard", "the node that is gone may have had a subscriber")
	require.Equal(t, nodes[2].Addr, metrictest.Rows(t, doc["unanswered"])[0]["addr"])

	target.Peer = func(string) (*item.Target, error) { return nil, errors.New("not now") }
	doc = pubsubOf(t, target, "news")
	require.Len(t, doc["unanswered"], 5)
	wire.Calls = 0
	require.Equal(t, "server", pubsubOf(t, target)["view"], "nothing is to be summed up")
	require.Equal(t, 1, wire.Calls)
}

func TestWhatOneNodeDoesNotTellIsUnknownOfAll(t *testing.T) {
	t.Parallel()
	require.Equal(t, info.Known(5), plus(info.Known(2), info.Known(3)))
	require.False(t, plus(info.Known(2), info.Reading{}).Known)
	require.False(t, plus(info.Reading{}, info.Known(2)).Known)
	require.Equal(t, []int64{4, 6}, plusAll([]int64{1, 2}, []int64{3, 4}))
	require.Nil(t, plusAll([]int64{1, 2}, nil))
	require.Nil(t, plusAll(nil, []int64{1, 2}))
}
