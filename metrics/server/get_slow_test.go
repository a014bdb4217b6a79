package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestACommandThatHangsCostsItsOwnFigures: the server answers PING and INFO at
// once, and one of the commands behind them not in time. Garnet with a storage
// tier takes minutes for DBSIZE.
// Source: https://github.com/microsoft/garnet/issues/1436
func TestACommandThatHangsCostsItsOwnFigures(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"PING": "+PONG\r\n", "SLOWLOG LEN": ":3\r\n", "SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n",
		"INFO everything": metrictest.Bulk("# Server\r\ngarnet_version:1.0.87\r\n# Clients\r\nconnected_clients:4\r\n"),
		"LATENCY LATEST":  "*0\r\n", "DBSIZE": ":7\r\n",
	}
	for _, tt := range []struct {
		hangs string
		up    float64
		lost  []string
	}{
		{"PING", 0, nil},
		{"INFO everything", 0, nil},
		{"SLOWLOG LEN", 1, []string{"slowlog", "config", "latency_events", "dbsize"}},
		{"LATENCY LATEST", 1, []string{"latency_events", "dbsize"}},
		{"DBSIZE", 1, []string{"dbsize"}},
	} {
		d := &metrictest.ScriptDoer{Replies: answers}
		hanging := ""
		target := metrictest.NewTarget(redisclient.DoerFunc(func(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
			values, err := d.DoAll(ctx, cmds...)
			for i, name := range namesSent(d) {
				if err == nil && name == hanging {
					return nil, &redisclient.Unfinished{Cmds: cmds, Replies: values[:i], Err: &redisclient.Error{
						Op: "read", Reason: redisclient.ReasonTimeout, Err: errors.New("i/o timeout"),
					}}
				}
			}
			return values, err
		}))
		_, err := metrictest.CollectFrom(t, Get, target) // from the next poll on DBSIZE is asked for along with INFO
		require.NoError(t, err)
		hanging = tt.hangs
		for range 3 {
			answer, err := metrictest.CollectFrom(t, Get, target)
			require.NoError(t, err)
			doc := metrictest.Decode(t, answer)
			require.Equal(t, tt.up, doc["up"], "%s: %s", tt.hangs, answer)
			if tt.up == 0 {
				require.Equal(t, "timeout", doc["reason"], tt.hangs)
				continue
			}
			require.Equal(t, 4.0, metrictest.Section(t, doc, "clients")["connected_clients"])
			unavailable := doc["unavailable"].(map[string]any)
			require.Len(t, unavailable, len(tt.lost), tt.hangs)
			for _, name := range tt.lost {
				require.Contains(t, unavailable[name], "timeout", tt.hangs)
			}
		}
	}
}

// TestTheIDOfTheNewestSlowCommandOfAThreadIsNoCounter: Dragonfly's ids grow in each
// thread alone.
func TestTheIDOfTheNewestSlowCommandOfAThreadIsNoCounter(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][]string{
		"dragonfly_version:df-v1.38.0": {"length", "newest"}, "redis_version:7.4.0": {"last_id", "length", "newest"},
	} {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"PING": "+PONG\r\n", "SLOWLOG LEN": ":3\r\n", "SLOWLOG GET 1": metrictest.SlowlogEntry(":1"),
			"INFO everything": metrictest.Bulk("# Server\r\n" + version + "\r\n# Keyspace\r\n"),
		}}
		slowlog := metrictest.Section(t, metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Get, d))), "slowlog")
		require.Equal(t, want, slices.Sorted(maps.Keys(slowlog)), version)
	}
}
