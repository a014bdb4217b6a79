package keys

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// seedKeys writes a key of each type.
func seedKeys(t testing.TB, s *redistest.Server) {
	t.Helper()
	s.Do(t, "SET", "string", "hello")
	s.Do(t, "SET", "empty", "")
	s.Do(t, "RPUSH", "list", "a", "b", "c")
	s.Do(t, "SADD", "set", "a", "b")
	s.Do(t, "ZADD", "zset", "1.5", "a")
	s.Do(t, "HSET", "hash", "f", "v", "g", "")
	s.Do(t, "XADD", "stream", "*", "f", "v")
	s.Do(t, "SET", "session", "x", "PX", "90000500")
}

func TestKeyGetOfEveryTypeIsOneRoundTripOnceTheTypeIsKnown(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	seedKeys(t, s)
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for _, tt := range []struct {
		key, typ string
		length   float64
	}{
		{"string", "string", 5}, {"empty", "string", 0}, {"list", "list", 3},
		{"set", "set", 2}, {"zset", "zset", 1}, {"hash", "hash", 2}, {"stream", "stream", 1},
	} {
		want := map[string]any{
			"schema_version": 1.0, "up": 1.0, "reason": "", "error": "", "target": target.Name, "key": tt.key, "exists": true,
			"type": tt.typ, "length": tt.length, "expires": false, "unavailable": map[string]any{},
		}
		for poll, trips := range []int{2, 1, 1} {
			before := wire.Calls
			text, err := metrictest.OfKey(t, Get, target, tt.key)
			require.NoError(t, err)
			doc := metrictest.Decode(t, text)
			require.Positive(t, doc["memory"])
			require.NotEmpty(t, doc["encoding"])
			delete(doc, "memory")
			delete(doc, "encoding")
			require.Equal(t, want, doc)
			require.Equal(t, trips, wire.Calls-before, "poll %d of %s", poll, tt.key)
		}
		length, err := metrictest.OfKey(t, Length, target, tt.key)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(int(tt.length)), length)
	}
	text, err := metrictest.OfKey(t, Get, target, "session")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, true, doc["expires"])
	require.InDelta(t, 90000, doc["ttl"], 30)

	text, err = metrictest.OfKey(t, Get, target, "nothing")
	require.NoError(t, err)
	require.Equal(t, `{"schema_version":1,"up":1,"reason":"","error":"","target":"`+target.Name+`","key":"nothing",`+
		`"exists":false,"type":"none","length":0,"expires":false,"unavailable":{}}`, text)
	require.Equal(t, "0", s.InfoField(t, "stats", "total_error_replies"), "no poll raises the server's errors")
}

// TestAnExpiredKeyOfAReplica does not exist: it is there until its primary deletes it,
// and no command finds it but those that look at how it is stored.
func TestAnExpiredKeyOfAReplica(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-8.6", "valkey-8.0", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := redistest.Find(t, name).Bin
			primary := redistest.Start(t, redistest.Config{Bin: bin, Args: []string{"--repl-diskless-sync-delay", "0"}})
			replica := redistest.Start(t, redistest.Config{Bin: bin})
			host, port, err := net.SplitHostPort(primary.Addr)
			require.NoError(t, err)
			replica.Do(t, "REPLICAOF", host, port)
			require.Eventually(t, func() bool { return replica.InfoField(t, "replication", "master_link_status") == "up" }, 30*time.Second, 20*time.Millisecond)
			primary.Do(t, "SET", "k", "v", "PX", "5000")
			require.Equal(t, "1", primary.Do(t, "WAIT", "1", "5000"))
			primary.Kill(t) // it deletes nothing any more
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: replica.Addr})
			answer := func() map[string]any {
				return metrictest.Decode(t, metrictest.Must(metrictest.OfKey(t, Get, target, "k")))
			}
			require.Eventually(t, func() bool { return replica.Do(t, "PTTL", "k") == "-2" }, 20*time.Second, 10*time.Millisecond)
			require.Equal(t, "1", replica.Do(t, "DBSIZE"), "it is still there")
			doc := answer()
			require.Equal(t, []any{false, "none", 0.0, false, map[string]any{}}, []any{doc["exists"], doc["type"], doc["length"], doc["expires"], doc["unavailable"]})
			for _, unknown := range []string{"memory", "encoding", "ttl"} {
				require.NotContains(t, doc, unknown)
			}
		})
	}
}

func TestAKeyThatChangesItsTypeCostsOneError(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	length := func(want string, trips int) {
		t.Helper()
		before := wire.Calls
		got, err := metrictest.OfKey(t, Length, target, "k")
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, trips, wire.Calls-before)
	}
	length("0", 1)
	s.Do(t, "RPUSH", "k", "a", "b")
	length("2", 2)
	length("2", 1)
	s.Do(t, "DEL", "k")
	length("0", 1)
	s.Do(t, "RPUSH", "k", "a")
	length("1", 1)
	require.Equal(t, "0", s.InfoField(t, "stats", "total_error_replies"))
	s.Do(t, "DEL", "k")
	s.Do(t, "SADD", "k", "a", "b", "c")
	length("3", 2)
	length("3", 1)
	length("3", 1)
	require.Equal(t, "1", s.InfoField(t, "stats", "total_error_replies"))
	s.Do(t, "DEL", "k")
	s.Do(t, "RPUSH", "k", "a")
	length("1", 2)
	length("1", 1)
	require.Equal(t, "2", s.InfoField(t, "stats", "total_error_replies"), "a wrong type is not remembered as a refusal")
}

func TestKeyOfAModuleHasNoLength(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"TYPE j": "+ReJSON-RL\r\n", "PTTL j": ":1500\r\n", "MEMORY USAGE j": ":99\r\n", "OBJECT ENCODING j": metrictest.Bulk("raw"),
	}}
	target := metrictest.NewTarget(d)
	_, err := metrictest.OfKey(t, Length, target, "j")
	require.EqualError(t, err, `the key "j" is of type ReJSON-RL: no command tells its length`)
	text, err := metrictest.OfKey(t, Get, target, "j")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, "ReJSON-RL", doc["type"])
	require.Equal(t, 1.5, doc["ttl"])
	require.NotContains(t, doc, "length")
	require.Contains(t, doc["unavailable"], "length")
	require.Equal(t, 2, d.Calls)
}

func TestKeyGetWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"TYPE k": "+list\r\n", "PTTL k": "-NOPERM ttl\r\n", "LLEN k": ":4\r\n", "OBJECT ENCODING k": ":1\r\n", "MEMORY USAGE k": "+x\r\n",
	}}
	target := metrictest.NewTarget(d)
	for range 2 {
		text, err := metrictest.OfKey(t, Get, target, "k")
		require.NoError(t, err)
		require.Equal(t, `{"schema_version":1,"up":1,"reason":"","error":"","target":"tcp://127.0.0.1:6379","key":"k","exists":true,`+
			`"type":"list","length":4,"encoding":"1","unavailable":{"ttl":"NOPERM ttl","memory":"\"x\" is no integer"}}`, text)
	}
	require.Equal(t, 1, strings.Count(strings.Join(metrictest.Flat(d.Sent), "\n"), "PTTL"), "a refusal is remembered")

	d = &metrictest.ScriptDoer{Replies: map[string]string{"TYPE k": "-NOPERM no such pattern\r\n", "PTTL k": ":-1\r\n"}}
	text, err := metrictest.OfKey(t, Get, metrictest.NewTarget(d), "k")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1.0, doc["up"])
	for _, member := range []string{"exists", "type", "length"} {
		require.NotContains(t, doc, member)
	}
	require.Equal(t, "NOPERM no such pattern", doc["unavailable"].(map[string]any)["type"])
	_, err = metrictest.OfKey(t, Length, metrictest.NewTarget(d), "k")
	require.EqualError(t, err, "NOPERM no such pattern")

	d = &metrictest.ScriptDoer{Replies: map[string]string{
		"TYPE k": "+none\r\n", "PTTL k": ":-2\r\n", "MEMORY USAGE k": "-ERR no such key\r\n", "OBJECT ENCODING k": "-ERR no such key\r\n",
	}}
	text, err = metrictest.OfKey(t, Get, metrictest.NewTarget(d), "k")
	require.NoError(t, err)
	require.Empty(t, metrictest.Decode(t, text)["unavailable"], "a fork that answers so says nothing new")

	metrictest.RequireDown(t, Get, "", "", "", "k")
	text, err = metrictest.OfKey(t, Get, metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{"TYPE k": "-LOADING wait\r\n"}}), "k")
	require.NoError(t, err)
	require.Equal(t, "loading", metrictest.Decode(t, text)["reason"])
	_, err = Get.ParseArgs(nil)
	require.EqualError(t, err, "parameter 4 (Key) is required")
}

func TestARefusedLengthAfterAMovedKeyIsAskedAgain(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"TYPE k": "-MOVED 12706 10.0.0.2:6379\r\n"}}
	target := metrictest.NewTarget(d)
	_, err := metrictest.OfKey(t, Length, target, "k")
	require.EqualError(t, err, "MOVED 12706 10.0.0.2:6379")
	d.Replies = map[string]string{"TYPE k": "+list\r\n", "LLEN k": ":2\r\n"}
	got, err := metrictest.OfKey(t, Length, target, "k")
	require.NoError(t, err)
	require.Equal(t, "2", got)
}

func TestKeyTTL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, reply, want, wantErr string }{
		{"with milliseconds", ":1500\r\n", "1.5", ""},
		{"three decimals", ":90000123\r\n", "90000.123", ""},
		{"whole seconds", ":2000\r\n", "2", ""},
		{"about to go", ":0\r\n", "0", ""},
		{"no expiry", ":-1\r\n", "-1", ""},
		{"no key", ":-2\r\n", "-2", ""},
		{"a refusal", "-NOPERM no\r\n", "", "NOPERM no"},
		{"a null", "$-1\r\n", "", "PTTL: the reply is null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := metrictest.OfKey(t, TTL, metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{"PTTL k": tt.reply}}), "k")
			if tt.wantErr != "" {
				require.EqualError(t, err, tt.wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
