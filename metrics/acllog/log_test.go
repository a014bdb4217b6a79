package acllog

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// logEntry is an entry as a server sends it; without an id if that is negative.
func logEntry(id, count int, reason, object, user string, age float64) string {
	fields := []string{"count", fmt.Sprint(count), "reason", reason, "context", "toplevel", "object", object, "username", user,
		"age-seconds", fmt.Sprint(age), "client-info", "id=9 addr=10.0.0.9:4711 laddr=10.0.0.1:6379 fd=8 name=worker age=3 lib-name=redis-py lib-ver="}
	if id >= 0 {
		fields = append(fields, "entry-id", fmt.Sprint(id), "timestamp-created", "1", "timestamp-last-updated", "2")
	}
	return metrictest.WireArray(fields...)
}

func logWire(entries ...string) string {
	return fmt.Sprintf("*%d\r\n", len(entries)) + strings.Join(entries, "")
}

func serverWire(runID string, uptime int, stats ...string) string {
	return metrictest.Bulk(fmt.Sprintf("# Server\r\nredis_version:8.2.0\r\nrun_id:%s\r\nuptime_in_seconds:%d\r\n# Stats\r\n%s\r\n# Replication\r\nrepl_backlog_size:1048576\r\n",
		runID, uptime, strings.Join(stats, "\r\n")))
}

func logOf(t *testing.T, target *item.Target) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// fresh are the entries of a document: their objects and how often each is new.
func fresh(t *testing.T, doc map[string]any) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, row := range metrictest.Rows(t, doc["entries"]) {
		old, _ := out[row["object"].(string)].(float64)
		out[row["object"].(string)] = old + row["count"].(float64)
	}
	return out
}

func TestEachRefusalIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{}}
		target := metrictest.NewTarget(d)
		e := logEntry
		for _, step := range []struct {
			name, log, runID string
			uptime           int
			fresh            map[string]any
			first, restarted bool
			refused, missed  any
		}{
			{"the first poll has what there is", logWire(e(1, 2, "key", "k", "app", 5), e(0, 1, "command", "get", "app", 9)), "a", 1000,
				map[string]any{"k": 2.0, "get": 1.0}, true, false, nil, nil},
			{"nothing new", logWire(e(1, 2, "key", "k", "app", 65), e(0, 1, "command", "get", "app", 69)), "a", 1060, map[string]any{}, false, false, 0.0, 0.0},
			{"one again and a new one", logWire(e(2, 3, "auth", "AUTH", "eve", 1), e(1, 5, "key", "k", "app", 2), e(0, 1, "command", "get", "app", 129)), "a", 1120,
				map[string]any{"AUTH": 3.0, "k": 3.0}, false, false, 6.0, 0.0},
			{"some were dropped", logWire(e(9, 1, "key", "z", "app", 1), e(8, 1, "key", "y", "app", 2)), "a", 1180,
				map[string]any{"z": 1.0, "y": 1.0}, false, false, 2.0, 5.0},
			{"the log was reset", "*0\r\n", "a", 1240, map[string]any{}, false, false, 0.0, 0.0},
			{"and goes on", logWire(e(10, 1, "key", "n", "app", 1)), "a", 1300, map[string]any{"n": 1.0}, false, false, 1.0, 0.0},
			{"a restart begins anew", logWire(e(0, 2, "key", "k", "app", 1)), "b", 30, map[string]any{"k": 2.0}, false, true, 2.0, 0.0},
			{"a restart, and most is dropped already", logWire(e(9, 2, "key", "k", "app", 1)), "b2", 30, map[string]any{"k": 2.0}, false, true, 2.0, 9.0},
			{"another server has taken over", logWire(e(7, 4, "key", "k", "app", 1)), "c", 9000, map[string]any{"k": 4.0}, true, false, nil, nil},
			{"and goes on from there", logWire(e(8, 1, "key", "k", "app", 1), e(7, 4, "key", "k", "app", 61)), "c", 9060, map[string]any{"k": 1.0}, false, false, 1.0, 0.0},
		} {
			d.Replies["ACL LOG 128"], d.Replies["INFO"] = step.log, serverWire(step.runID, step.uptime)
			doc := logOf(t, target)
			require.Equal(t, step.fresh, fresh(t, doc), step.name)
			require.Equal(t, step.first, doc["first"], step.name)
			require.Equal(t, step.restarted, doc["restarted"], step.name)
			require.Equal(t, step.refused, doc["refused"], step.name)
			require.Equal(t, step.missed, doc["missed"], step.name)
			require.Empty(t, doc["unavailable"], step.name)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 10, d.Calls, "one round trip each")
	})
}

// TestEachRefusalIsToldOnceWithoutIDs is for servers before Redis 7.2.
func TestEachRefusalIsToldOnceWithoutIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"INFO": serverWire("a", 5000)}}
		target := metrictest.NewTarget(d)
		e := func(count int, object string, age float64) string {
			return logEntry(-1, count, "key", object, "app", age)
		}
		for _, step := range []struct {
			name, log string
			fresh     map[string]any
		}{
			{"first", logWire(e(2, "k", 5), e(1, "k", 500)), map[string]any{"k": 3.0}},
			{"nothing new", logWire(e(2, "k", 65.2), e(1, "k", 560.1)), map[string]any{}},
			{"a new one of the same kind", logWire(e(1, "k", 3), e(2, "k", 125), e(1, "k", 620)), map[string]any{"k": 1.0}},
			{"it grows", logWire(e(4, "k", 2), e(2, "k", 185), e(1, "k", 680)), map[string]any{"k": 3.0}},
			{"another one, and the oldest is gone", logWire(e(1, "z", 1), e(4, "k", 62), e(2, "k", 245)), map[string]any{"z": 1.0}},
			{"reset, and one of the same kind", logWire(e(1, "k", 1)), map[string]any{"k": 1.0}},
		} {
			d.Replies["ACL LOG 128"] = step.log
			doc := logOf(t, target)
			require.Equal(t, step.fresh, fresh(t, doc), step.name)
			require.NotContains(t, doc, "missed", "without ids nobody knows")
			time.Sleep(time.Minute)
		}
	})
}

func TestTheDocumentOfTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"ACL LOG 128": "*0\r\n", "INFO": serverWire("a", 5000,
			"rejected_connections:5", "sync_full:1", "sync_partial_ok:0", "sync_partial_err:0", "client_output_buffer_limit_disconnections:0")}}
		target := metrictest.NewTarget(d)
		doc := logOf(t, target)
		require.Equal(t, map[string]any{"total": 5.0}, metrictest.Section(t, doc, "counters")["rejected_connections"])
		require.NotContains(t, doc, "resync_cause", "nothing is known of the time before")
		time.Sleep(time.Minute)
		d.Replies["ACL LOG 128"] = logWire(logEntry(4, 3, "command", strings.Repeat("x", 500), "app", 2.5), logEntry(3, 1, "auth", "AUTH", "eve", 20), logEntry(2, 1, "tls-cert", "t", "eve", 30), "*1\r\n:1\r\n")
		d.Replies["INFO"] = serverWire("a", 5060, "rejected_connections:7", "sync_full:3", "sync_partial_ok:0", "sync_partial_err:2", "client_output_buffer_limit_disconnections:0")
		doc = logOf(t, target)
		require.Equal(t, 5.0, doc["refused"])
		require.Equal(t, map[string]any{"auth": 1.0, "command": 3.0, "key": 0.0, "channel": 0.0, "other": 1.0}, doc["denied"])
		require.Equal(t, []any{map[string]any{"user": "app", "count": 3.0}, map[string]any{"user": "eve", "count": 2.0}}, doc["by_user"])
		require.Equal(t, map[string]any{"entries": 1.0}, doc["unreadable"])
		require.Equal(t, map[string]any{"total": 7.0, "new": 2.0}, metrictest.Section(t, doc, "counters")["rejected_connections"])
		require.Equal(t, "a replica asked to go on where the backlog (repl_backlog_size 1048576) does not reach any more, or from another history of writes", doc["resync_cause"])
		row := metrictest.Rows(t, doc["entries"])[0]
		require.Equal(t, map[string]any{"id": 4.0, "time": float64(time.Now().Unix()) - 2.5, "reason": "command", "context": "toplevel",
			"object": strings.Repeat("x", 127) + "…", "user": "app", "address": "10.0.0.9:4711", "client_name": "worker", "library": "redis-py",
			"count": 3.0, "total": 3.0}, row)
		time.Sleep(time.Minute)
		for _, step := range []struct{ full, partial, closed, cause string }{
			{"3", "2", "0", ""},
			{"4", "2", "0", "a replica is new, or was restarted without its data: it asked for everything"},
			{"5", "2", "1", "a replica was disconnected at client-output-buffer-limit while it copied, and began anew"},
			{"6", "3", "2", "a replica was disconnected at client-output-buffer-limit, and what it lacks had left the backlog"},
		} {
			d.Replies["INFO"] = serverWire("a", 6000, "rejected_connections:7", "sync_full:"+step.full, "sync_partial_ok:0", "sync_partial_err:"+step.partial,
				"client_output_buffer_limit_disconnections:"+step.closed)
			require.Equal(t, step.cause, logOf(t, target)["resync_cause"])
		}
		d.Replies["INFO"] = serverWire("a", 6000, "rejected_connections:9", "sync_full:0", "sync_partial_err:0")
		doc = logOf(t, target)
		require.Equal(t, map[string]any{"total": 9.0}, metrictest.Section(t, doc, "counters")["rejected_connections"], "after CONFIG RESETSTAT no growth is known")
		require.NotContains(t, doc, "resync_cause")
	})
}

func TestWhatIsNoEntry(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string]string{
		"no map": ":1\r\n", "half a pair": metrictest.WireArray("count"), "no count": metrictest.WireArray("reason", "key", "age-seconds", "1"),
		"no reason": metrictest.WireArray("count", "1", "age-seconds", "1"), "no age": metrictest.WireArray("count", "1", "reason", "key"),
		"a count that is none": metrictest.WireArray("count", "x", "reason", "key", "age-seconds", "1"),
		"a count below zero":   metrictest.WireArray("count", "-1", "reason", "key", "age-seconds", "1"),
		"too many":             metrictest.WireArray("count", fmt.Sprint(maxCount+1), "reason", "key", "age-seconds", "1"),
		"an age that is none":  metrictest.WireArray("count", "1", "reason", "key", "age-seconds", "nan"),
		"an age of centuries":  metrictest.WireArray("count", "1", "reason", "key", "age-seconds", "1e9"),
	} {
		v, err := resp.NewReader(strings.NewReader(wire), resp.Limits{}).ReadReply()
		require.NoError(t, err)
		_, err = parseEntry(v)
		require.Error(t, err, name)
	}
	v, err := resp.NewReader(strings.NewReader(metrictest.WireArray("count", fmt.Sprint(maxCount), "reason", "key", "age-seconds", "-1")), resp.Limits{}).ReadReply()
	require.NoError(t, err)
	e, err := parseEntry(v)
	require.NoError(t, err)
	require.Equal(t, entry{id: -1, count: maxCount, reason: "key"}, e, "an age below zero is now")
}

func TestTheLogWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"ACL LOG 128": "-NOPERM no\r\n", "INFO": serverWire("a", 5, "evicted_clients:1")}}
	doc := logOf(t, metrictest.NewTarget(d))
	require.Equal(t, map[string]any{"log": "NOPERM no"}, doc["unavailable"])
	for _, member := range []string{"first", "entries", "refused", "denied", "by_user", "missed"} {
		require.NotContains(t, doc, member)
	}
	require.Contains(t, doc["counters"], "evicted_clients")
	d.Replies["ACL LOG 128"], d.Replies["INFO"] = logWire(logEntry(1, 1, "key", "k", "a", 1)), "-NOPERM no\r\n"
	doc = logOf(t, metrictest.NewTarget(d))
	require.Equal(t, map[string]any{"info": "NOPERM no"}, doc["unavailable"])
	require.NotContains(t, doc, "counters")
	require.Len(t, doc["entries"], 1)
	d.Replies["ACL LOG 128"] = "-LOADING Redis is loading\r\n"
	require.Equal(t, "loading", logOf(t, metrictest.NewTarget(d))["reason"])
	metrictest.RequireDown(t, Get)
}

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	var entries []string
	for i := range 400 {
		entries = append(entries, logEntry(i, 1, "key", strings.Repeat("k", 5000), fmt.Sprint("u", i, strings.Repeat("u", 5000)), 1))
	}
	d := &metrictest.ScriptDoer{Replies: map[string]string{"ACL LOG 128": logWire(entries...), "INFO": serverWire("a", 5)}}
	text, err := metrictest.Collect(t, Get, d)
	require.NoError(t, err)
	require.Less(t, len(text), 120_000)
	doc := metrictest.Decode(t, text)
	require.Len(t, doc["entries"], 128)
	require.Equal(t, map[string]any{"by_user": 78.0}, doc["truncated"])
}

func TestTheLogOfRealServers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-5.0", "redis-6.2", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--maxclients", "3", "--repl-diskless-sync-delay", "0"}})
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			target.Memory = &item.Memory{}
			doc := logOf(t, target)
			require.Equal(t, 1, wire.Calls)
			if f.Is("redis", 5, 0) && !f.Is("redis", 6, 0) {
				require.Contains(t, metrictest.Section(t, doc, "unavailable")["log"], "unknown command")
				require.Contains(t, doc["counters"], "rejected_connections")
				return
			}
			require.Empty(t, doc["unavailable"])
			require.Equal(t, true, doc["first"])
			require.Empty(t, doc["entries"])

			s.Do(t, "ACL", "SETUSER", "app", "on", ">pw", "~app:*", "resetchannels", "+get", "+set", "+publish")
			app := dialAs(t, s.Addr, "app", "pw")
			for range 3 {
				app("NOPERM", "FLUSHALL")
			}
			app("NOPERM", "GET", "secret:1")
			app("WRONGPASS", "AUTH", "app", "wrong")
			doc = logOf(t, target)
			require.Equal(t, map[string]any{"flushall": 3.0, "secret:1": 1.0, "AUTH": 1.0}, fresh(t, doc))
			require.Equal(t, map[string]any{"auth": 1.0, "command": 3.0, "key": 1.0, "channel": 0.0, "other": 0.0}, doc["denied"])
			require.Equal(t, 5.0, doc["refused"])
			row := metrictest.Row(t, doc["entries"], "object", "flushall")
			require.Equal(t, []any{"app", "command", "toplevel", 3.0}, []any{row["user"], row["reason"], row["context"], row["total"]})
			require.Contains(t, row["address"], "127.0.0.1:")
			require.InDelta(t, time.Now().Unix(), row["time"], 5)
			require.NotContains(t, fmt.Sprint(doc), "wrong", "no password")

			require.Empty(t, logOf(t, target)["entries"])
			app("NOPERM", "FLUSHALL")
			app("NOPERM", "PUBLISH", "c", "m")
			rejected := s.InfoField(t, "stats", "rejected_connections")
			_, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return s.InfoField(t, "stats", "rejected_connections") != rejected }, 20*time.Second, 10*time.Millisecond)
			doc = logOf(t, target)
			got := fresh(t, doc)
			require.Equal(t, 1.0, got["flushall"])
			require.Equal(t, 4.0, metrictest.Row(t, doc["entries"], "object", "flushall")["total"])
			require.Equal(t, map[string]any{"total": 1.0, "new": 1.0}, metrictest.Section(t, doc, "counters")["rejected_connections"])
			if f.Is("redis", 7, 2) || f.Is("valkey", 7, 2) {
				require.Equal(t, 1.0, metrictest.Section(t, metrictest.Section(t, doc, "counters"), "acl_access_denied_auth")["total"])
				require.Equal(t, map[string]any{"total": 4.0, "new": 1.0}, metrictest.Section(t, doc, "counters")["acl_access_denied_cmd"])
			}
			require.Equal(t, "", doc["resync_cause"])
			s.Do(t, "ACL", "LOG", "RESET")
			require.Empty(t, logOf(t, target)["entries"])

			s.Do(t, "CONFIG", "SET", "maxclients", "100")
			replica := redistest.Start(t, redistest.Config{Bin: f.Bin})
			host, port, _ := strings.Cut(s.Addr, ":")
			replica.Do(t, "REPLICAOF", host, port)
			require.Eventually(t, func() bool { return s.InfoField(t, "stats", "sync_full") != "0" }, 20*time.Second, 10*time.Millisecond)
			require.Contains(t, logOf(t, target)["resync_cause"], "a replica")
		})
	}
}

// TestAClientThatIsDisconnected is counted from Redis 7.2 on.
func TestAClientThatIsDisconnected(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis-8.6", "valkey-9.1"} {
		s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, name).Bin, Lines: []string{"client-output-buffer-limit normal 16mb 0 0"}})
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
		logOf(t, target)
		// More than the sockets take at once, and of values that are copied, so that the server has to keep it.
		s.Do(t, "SET", "big", strings.Repeat("x", 1000))
		get := make([]string, 0, 60_000)
		for range 60_000 {
			get = append(get, "big")
		}
		_, err := s.TryDo(append([]string{"MGET"}, get...)...)
		require.Error(t, err)
		require.Eventually(t, func() bool {
			n, _ := metrictest.Section(t, metrictest.Section(t, logOf(t, target), "counters"), "client_output_buffer_limit_disconnections")["total"].(float64)
			return n == 1
		}, 20*time.Second, 10*time.Millisecond)
	}
}

// dialAs returns a connection of a user, on which each command must be refused.
func dialAs(t *testing.T, addr, user, password string) func(code string, cmd ...string) {
	t.Helper()
	wire := metrictest.DialConfig(t, redisclient.Config{Address: addr, User: user, Password: password})
	return func(code string, cmd ...string) {
		t.Helper()
		values, err := wire.DoAll(t.Context(), cmd)
		require.NoError(t, err)
		require.ErrorContains(t, values[0].Err(), code)
	}
}

func FuzzLog(f *testing.F) {
	f.Add(logWire(logEntry(4, 3, "command", "x", "app", 2.5)), logWire(logEntry(-1, 3, "command", "x", "app", 1e300)))
	f.Add(logWire(logEntry(9223372036854775807, 9223372036854775807, "key", "", "", -1)), "*0\r\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		target := metrictest.NewTarget(nil)
		for _, wire := range []string{first, second} {
			if _, err := resp.NewReader(strings.NewReader(wire), resp.Limits{MaxElements: 1000}).ReadReply(); err != nil {
				return
			}
			target.Doer = &metrictest.ScriptDoer{Replies: map[string]string{"ACL LOG 128": wire, "INFO": serverWire("a", 5)}}
			text, err := metrictest.CollectFrom(t, Get, target)
			require.NoError(t, err)
			metrictest.RequireUniqueJSON(t, text)
			require.NotContains(t, text, `":-`, "no negative figure")
		}
	})
}
