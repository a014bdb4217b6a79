package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// failsAfter answers that many round trips, and then breaks off.
func failsAfter(calls int, d redisclient.Doer) redisclient.DoerFunc {
	return func(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
		if calls--; calls < 0 {
			return nil, errors.New("broken off")
		}
		return d.DoAll(ctx, cmds...)
	}
}

// namesSent are the commands that a server got, without their arguments.
func namesSent(d *metrictest.ScriptDoer) (out []string) {
	for _, cmd := range d.Sent {
		out = append(out, strings.Join(cmd, " "))
	}
	d.Sent = nil
	return out
}

func TestWhatGetAsksForInASecondRoundTrip(t *testing.T) {
	t.Parallel()
	first := []string{"PING", "INFO everything", "SLOWLOG LEN", "SLOWLOG GET 1", "CONFIG GET max*", "LATENCY LATEST"}
	for _, tt := range []struct {
		name, info string
		more       []string // of the first poll; a later one asks for it at once
		always     []string // what each poll asks for in a second round trip
	}{
		{"nothing", "# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:0\r\n# Keyspace\r\n", nil, nil},
		{"a node of a cluster", "# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n", []string{"CLUSTER INFO"}, nil},
		{"a server without a keyspace", "# Server\r\ngarnet_version:1.0.0\r\n", []string{"DBSIZE"}, nil},
		{"Garnet's keyspace is always empty", "# Server\r\ngarnet_version:1.0.84\r\n# Keyspace\r\n\r\n# Modules\r\n", []string{"DBSIZE"}, nil},
		{"an empty Dragonfly", "# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.38.0\r\n# Keyspace\r\n", nil, nil},
		{"both", "# Server\r\ngarnet_version:1.0.0\r\n# Cluster\r\ncluster_enabled:1\r\n", []string{"CLUSTER INFO", "DBSIZE"}, nil},
		{"a sentinel has no keys", "# Server\r\nredis_version:7.4.0\r\nredis_mode:sentinel\r\n", nil, nil},
		{"a replica without its master", "# Server\r\nredis_version:7.4.0\r\n# Replication\r\nrole:slave\r\nmaster_link_status:down\r\n# Keyspace\r\n", nil, []string{"DBSIZE"}},
		{"a word elsewhere", "# Server\r\nredis_version:7.4.0\r\n# Cluster\r\nx:1\r\n# My\r\ncluster_enabled:1\r\nlink_status:down\r\n# Replication\r\nrole:master\r\n# Keyspace\r\n", nil, nil},
	} {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"PING": "+PONG\r\n", "INFO everything": metrictest.Bulk(tt.info), "SLOWLOG LEN": ":3\r\n", "SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n",
			"LATENCY LATEST": "*0\r\n", "CLUSTER INFO": metrictest.Bulk("cluster_state:ok\r\n"), "DBSIZE": ":7\r\n",
		}}
		target := metrictest.NewTarget(d)
		answer, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		require.Equal(t, append(append(append([]string{}, first...), tt.more...), tt.always...), namesSent(d), tt.name)
		require.Equal(t, map[string]any{}, metrictest.Decode(t, answer)["unavailable"], tt.name)
		again, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		require.Equal(t, append(append(append([]string{}, first...), tt.more...), tt.always...), namesSent(d), tt.name)
		calls := map[bool]int{true: 2, false: 1}
		require.Equal(t, calls[len(tt.more)+len(tt.always) > 0]+calls[len(tt.always) > 0], d.Calls, tt.name)
		for _, text := range []string{answer, again} {
			doc := metrictest.Decode(t, text)
			_, size := doc["dbsize"]
			require.Equal(t, len(tt.more) > 0 && tt.more[len(tt.more)-1] == "DBSIZE", size, tt.name)
			if len(tt.more) > 0 && tt.more[0] == "CLUSTER INFO" {
				require.Equal(t, map[string]any{"cluster_enabled": 1.0, "cluster_state": "ok"}, doc["cluster"], tt.name)
			}
		}
	}
}

func TestASecondRoundTripThatFailsCostsItsOwnPartsAlone(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"PING": "+PONG\r\n", "INFO everything": metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:1\r\n"), "SLOWLOG LEN": ":3\r\n",
		"SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n", "LATENCY LATEST": "*0\r\n", "CLUSTER INFO": ":1\r\n", "DBSIZE": "+x\r\n",
	}}
	answer, err := metrictest.Collect(t, Get, failsAfter(1, d))
	require.NoError(t, err)
	doc := metrictest.Decode(t, answer)
	require.InDelta(t, 1, doc["up"], 0)
	require.Equal(t, map[string]any{"cluster_info": "broken off", "dbsize": "broken off"}, doc["unavailable"])
	require.Equal(t, map[string]any{"cluster_enabled": 1.0}, doc["cluster"])
	require.Equal(t, map[string]any{"length": 3.0}, doc["slowlog"])

	answer, err = metrictest.Collect(t, Get, d)
	require.NoError(t, err)
	unavailable := metrictest.Section(t, metrictest.Decode(t, answer), "unavailable")
	require.Contains(t, unavailable["cluster_info"], "expected the text of INFO")
	require.Contains(t, unavailable, "dbsize", "answers that cannot be read")
	require.Len(t, unavailable, 2)
}

func TestAServerThatBreaksOffBeforeItsInfoIsDown(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": "+PONG\r\n", "INFO": metrictest.Bulk("# Server\r\nredis_version:2.8.0\r\n")}}
	for calls, up := range map[int]float64{0: 0, 1: 0, 2: 0, 3: 1} {
		answer, err := metrictest.Collect(t, Get, failsAfter(calls, d))
		require.NoError(t, err)
		require.InDelta(t, up, metrictest.Decode(t, answer)["up"], 0, "%d", calls)
	}
}
