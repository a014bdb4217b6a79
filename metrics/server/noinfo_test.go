package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

// A server that serves commands is up, whatever it makes of INFO: servers-28
// (renamed), peers-09 (no header), and the other members of that class.
func TestAServerWithoutINFOThatServesIsUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, everything, all, plain, says string }{
		{"refused", "-NOPERM no INFO\r\n", "", "", "INFO: NOPERM no INFO"},
		{"renamed", "", "", "", "INFO: ERR unknown command 'INFO'"},
		{"empty", "$0\r\n\r\n", "$0\r\n\r\n", "$0\r\n\r\n", "INFO: the reply is empty"},
		{"without a header", metrictest.Bulk("redis_version:7.0.0\r\nrole:master\r\nused_memory:5\r\n"), "", "",
			`cannot read the reply to INFO: "redis_version:7.0.0" stands before the first section`},
		{"some other text", "+hello\r\n", "", "", "the reply to INFO has no sections"},
		{"a number", ":1\r\n", "", "", "INFO: expected the text of INFO, got a reply of kind integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &metrictest.ScriptDoer{Replies: map[string]string{
				"PING": "+PONG\r\n", "SLOWLOG LEN": ":3\r\n", "SLOWLOG GET 1": metrictest.SlowlogEntry(":270"),
				"CONFIG GET max*": configReply("maxmemory", "100"), "LATENCY LATEST": "*0\r\n", "DBSIZE": ":6\r\n",
			}}
			for cmd, reply := range map[string]string{"INFO everything": tt.everything, "INFO all": tt.all, "INFO": tt.plain} {
				if reply != "" {
					d.Replies[cmd] = reply
				}
			}
			doc := metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Get, d)))
			require.EqualValues(t, 1, doc["up"])
			require.Equal(t, "", doc["reason"])
			require.Equal(t, map[string]any{"info": tt.says}, doc["unavailable"])
			require.Equal(t, map[string]any{"length": 3.0, "last_id": 270.0,
				"newest": map[string]any{"id": 270.0, "time": 1795254114.0, "duration": 9e-6, "command": "ping"}}, doc["slowlog"], "the rest stands")
			require.Equal(t, map[string]any{"maxmemory": 100.0}, doc["config"])
			require.NotContains(t, metrictest.Section(t, doc, "derived"), "keys")
		})
	}
}

func TestAServerWithoutINFOThatDoesNotServeIsDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, ping, info, reason string }{
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", "-NOPERM no INFO\r\n", "acl"},
		{"INFO tells the state", "+PONG\r\n", "-LOADING Redis is loading the dataset in memory\r\n", "loading"},
		{"not logged in", "+PONG\r\n", "-NOAUTH Authentication required.\r\n", "auth"},
		{"a stranger", "+HELLO\r\n", "-ERR what\r\n", "protocol"},
	} {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": tt.ping, "INFO everything": tt.info, "INFO all": tt.info, "INFO": tt.info}}
		doc := metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Get, d)))
		require.EqualValues(t, 0, doc["up"], tt.name)
		require.Equal(t, tt.reason, doc["reason"], tt.name)
	}
}

// A server counts each command that it does not know among its errors.
func TestARefusedINFOIsAskedForOnceAnHour(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--rename-command", "INFO", "MYINFO"}})
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	errorsSoFar := func() string { return s.Do(t, "MYINFO", "errorstats") }
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
	require.EqualValues(t, 1, doc["up"])
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["info"], "unknown command")
	before := errorsSoFar()
	d.Calls = 0
	for range 3 {
		doc = metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
		require.EqualValues(t, 1, doc["up"])
		require.Contains(t, metrictest.Section(t, doc, "unavailable")["info"], "unknown command")
	}
	require.Equal(t, 3, d.Calls)
	require.Equal(t, before, errorsSoFar())

	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": "+PONG\r\n"}}
		target := metrictest.NewTarget(d)
		metrictest.Must(metrictest.CollectFrom(t, Get, target))
		d.Replies["INFO everything"] = metrictest.Bulk("# Server\r\nredis_version:7.4.0\r\n# Keyspace\r\n")
		require.NotContains(t, metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target))), "server")
		time.Sleep(ask.RefusalMemory)
		require.Contains(t, metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target))), "server")
	})
}
