package clients

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Lines of CLIENT LIST as these servers print them.
const (
	redis70 = "id=5 addr=127.0.0.1:46318 laddr=127.0.0.1:6379 fd=9 name=worker age=7 idle=301 flags=N db=3 sub=0 psub=0 ssub=0 " +
		"multi=-1 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=22298 events=r " +
		"cmd=client|list user=default redir=-1 resp=2"
	redis3       = "id=9 addr=10.1.2.3:59144 fd=6 name= age=104 idle=0 flags=N db=0 sub=0 psub=0 multi=-1 qbuf=0 qbuf-free=32768 obl=0 oll=0 omem=512 events=r cmd=client"
	replica      = "id=6 addr=[2001:db8:1:2:3::4]:7000 name= age=9 idle=900 flags=S db=0 omem=0 tot-mem=30000 cmd=replconf user=repl lib-name= lib-ver="
	monitor      = "id=7 addr=10.1.2.9:1 name=m age=9 idle=900 flags=O db=0 omem=0 tot-mem=40000 cmd=monitor user=default lib-name=redis-py lib-ver=5"
	subscribe    = "id=8 addr=10.1.9.9:1 name=s age=9 idle=900 flags=P db=0 sub=2 omem=70000 tot-mem=90000 cmd=subscribe user=default lib-name=redis-py lib-ver=5"
	fieldBlocked = "id=10 addr=/run/my redis/x.sock:0 laddr=/run/my redis/x.sock:0 fd=3 name=b age=9 idle=900 flags=bU db=0 omem=0 tot-mem=1 cmd=blpop user=default"
)

func TestParseClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		ok         bool
		want       map[field]string
	}{
		{"Redis 7.0", redis70, true, map[field]string{
			fieldID: "5", fieldAddr: "127.0.0.1:46318", fieldName: "worker", fieldAge: "7", fieldIdle: "301",
			fieldFlags: "N", fieldDB: "3", fieldSub: "0", fieldPsub: "0", fieldSsub: "0", fieldOmem: "0",
			fieldTotMem: "22298", fieldCmd: "client|list", fieldUser: "default",
		}},
		{"a path with a blank", fieldBlocked, true, map[field]string{
			fieldID: "10", fieldAddr: "/run/my redis/x.sock:0", fieldName: "b", fieldAge: "9", fieldIdle: "900",
			fieldFlags: "bU", fieldDB: "0", fieldOmem: "0", fieldTotMem: "1", fieldCmd: "blpop", fieldUser: "default",
		}},
		{"a path that looks like fields", "id=10 addr=/run/my app=1/x cmd=get.sock:0 laddr=/run/db=1 a=b:0 fd=3 name=b db=2 cmd=blpop", true, map[field]string{
			fieldID: "10", fieldAddr: "/run/my app=1/x cmd=get.sock:0", fieldName: "b", fieldDB: "2", fieldCmd: "blpop",
		}},
		{"fields in another order, unknown ones, odd bytes", "zz=1 user=\xff=\x01 id=1 Name=x na_me=y name==", true,
			map[field]string{fieldUser: "\xff=\x01", fieldID: "1 Name=x na_me=y", fieldName: "="}},
		{"the first of two counts", "id=1 id=2 db=3 db=4 5", true, map[field]string{fieldID: "1", fieldDB: "3"}},
		{"empty fields", "id=1 name= user=", true, map[field]string{fieldID: "1", fieldName: "", fieldUser: ""}},
		{"no id, as Pika", "addr=1.2.3.4:5 name=x", true, map[field]string{fieldAddr: "1.2.3.4:5", fieldName: "x"}},
		{"an empty id", "id= name=x", false, map[field]string{fieldID: "", fieldName: "x"}},
		{"no address either", "fd=3 name=x", false, map[field]string{fieldName: "x"}},
		{"no pairs", "hello there", false, map[field]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, ok := parse([]byte(tt.line))
			require.Equal(t, tt.ok, ok)
			got := map[field]string{}
			for f := range fieldCount {
				if c[f] != nil {
					got[f] = string(c[f])
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestClientsAreGroupedByNetwork(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"10.1.2.3:5": "10.1.2.0/24", "[2001:db8:1:2:3::4]:7": "2001:db8:1:2::/64", "[::1]:7": "::/64",
		"[fe80::1%eth0]:7": "fe80::/64", "[::ffff:10.1.2.3]:7": "10.1.2.0/24", "2001:db8::1:7000": "2001:db8::/64",
		"/run/x:0": "unix", "": "unknown", "?:0": "unknown", "10.1.2.3": "unknown",
	} {
		c := client{fieldAddr: []byte(addr)}
		require.Equal(t, want, c.block(), addr)
	}
	c := client{fieldFlags: []byte("U"), fieldAddr: []byte("127.0.0.1:0")}
	require.Equal(t, "unix", c.block())
}

func document(t testing.TB, list string, own ...string) map[string]any {
	t.Helper()
	return documentOf(t, redisServer, list, own...)
}

// redisServer is what Redis says of itself.
const redisServer = "# Server\r\nredis_version:7.2.4\r\n"

func documentOf(t testing.TB, server, list string, own ...string) map[string]any {
	t.Helper()
	text, err := metrictest.Collect(t, Get,
		&metrictest.ScriptDoer{Replies: map[string]string{"CLIENT LIST": metrictest.Bulk(list), "INFO server": metrictest.Bulk(server)}},
		append([]string{"", "", ""}, own...)...)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

func TestClientsGetDocument(t *testing.T) {
	t.Parallel()
	list := strings.Join([]string{redis70, replica, monitor, subscribe, fieldBlocked, redis3}, "\n") + "\n"
	doc := document(t, list)
	for member, want := range map[string]any{
		"total": 6.0, "blocked": 1.0, "pubsub": 1.0, "replicas": 1.0, "monitors": 1.0,
		"output_buffer": 70512.0, "memory": 182299.0,
		"idle": map[string]any{"over": 300.0, "count": 1.0, "max": 301.0},
		"by_name": []any{
			map[string]any{"name": "", "count": 2.0}, map[string]any{"name": "b", "count": 1.0}, map[string]any{"name": "m", "count": 1.0},
			map[string]any{"name": "s", "count": 1.0}, map[string]any{"name": "worker", "count": 1.0},
		},
		"by_user": []any{map[string]any{"user": "default", "count": 4.0}, map[string]any{"user": "repl", "count": 1.0}},
		"by_address": []any{
			map[string]any{"address": "10.1.2.0/24", "count": 2.0}, map[string]any{"address": "10.1.9.0/24", "count": 1.0},
			map[string]any{"address": "127.0.0.0/24", "count": 1.0}, map[string]any{"address": "2001:db8:1:2::/64", "count": 1.0},
			map[string]any{"address": "unix", "count": 1.0},
		},
		"by_library": []any{map[string]any{"library": "redis-py", "count": 2.0}, map[string]any{"library": "", "count": 1.0}},
		"by_db":      []any{map[string]any{"db": 0.0, "count": 5.0}, map[string]any{"db": 3.0, "count": 1.0}},
		"others":     map[string]any{}, "truncated": map[string]any{}, "unavailable": map[string]any{},
		"longest_idle": []any{map[string]any{
			"id": 5.0, "addr": "127.0.0.1:46318", "name": "worker", "user": "default", "age": 7.0, "idle": 301.0,
			"cmd": "client|list", "output_buffer": 0.0, "memory": 22298.0,
		}},
	} {
		require.Equal(t, want, doc[member], member)
	}
	var ids []float64
	for _, row := range doc["largest"].([]any) {
		ids = append(ids, row.(map[string]any)["id"].(float64))
	}
	require.Equal(t, []float64{8, 7, 6, 5, 9, 10}, ids)

}

func TestClientsGetLeavesOutWhatTheServerDoesNotTell(t *testing.T) {
	t.Parallel()
	doc := document(t, redis3+"\n\r\nno client\n")
	for _, member := range []string{"memory", "by_user", "by_library"} {
		require.NotContains(t, doc, member)
	}
	require.NotContains(t, doc, "total")
	require.Equal(t, 512.0, doc["output_buffer"])
	require.Equal(t, map[string]any{"clients": "1 lines of CLIENT LIST have neither id nor addr"}, doc["unavailable"])
	require.NotContains(t, doc["largest"].([]any)[0], "memory")

	doc = document(t, "id=1\n")
	require.Equal(t, 1.0, doc["total"])
	for _, member := range []string{"blocked", "idle", "by_name", "by_address", "by_db", "output_buffer"} {
		require.NotContains(t, doc, member)
	}
}

func TestClientsGetWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	metrictest.RequireDown(t, Get)
	tooMany := fmt.Errorf("read: %w", resp.ErrTooLarge)
	for _, tt := range []struct {
		name string
		doer *metrictest.ScriptDoer
		why  string
	}{
		{"refused", &metrictest.ScriptDoer{Replies: map[string]string{"CLIENT LIST": "-NOPERM no\r\n"}}, "NOPERM no"},
		{"no text", &metrictest.ScriptDoer{Replies: map[string]string{"CLIENT LIST": ":1\r\n"}}, "got a reply of kind integer"},
		{"too many clients", &metrictest.ScriptDoer{Err: tooMany}, "reply too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, err := metrictest.Collect(t, Get, tt.doer)
			require.NoError(t, err)
			doc := metrictest.Decode(t, text)
			require.Equal(t, 1.0, doc["up"])
			require.NotContains(t, doc, "total")
			require.Contains(t, doc["unavailable"].(map[string]any)["clients"], tt.why)
		})
	}
	_, err := Get.ParseArgs([]string{"", "", "", "soon"})
	require.ErrorContains(t, err, "parameter 4 (IdleOver)")
}

// manyClients is what a server with n clients of as many names, users and
// networks prints.
func manyClients(n int) string {
	list, ends := mostClients()
	return list[:ends[n-1]]
}

// mostClients is the longest of them, with the end of each line.
var mostClients = sync.OnceValues(func() (string, []int) {
	const most = 200_000
	b := make([]byte, 0, most*360)
	ends := make([]int, most)
	for i := range most {
		for _, part := range []struct {
			text  string
			value int
		}{
			{"id=", i}, {" addr=10.", i >> 8 & 255}, {".", i & 255}, {".3:46318 laddr=127.0.0.1:6379 fd=9 name=worker-", i}, {" age=", i}, {" idle=", i},
			{" flags=N db=", i % 16}, {" sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 " +
				"omem=0 tot-mem=", i}, {" events=r cmd=get user=user-", i % 1000}, {" redir=-1 resp=2 lib-name=lib-", i % 7},
			{" lib-ver=5.0.1 io-thread=0 tot-net-in=1000 tot-net-out=1000 tot-cmds=", i},
		} {
			b = strconv.AppendInt(append(b, part.text...), int64(part.value), 10)
		}
		b = append(b, '\n')
		ends[i] = len(b)
	}
	return string(b), ends
})

func TestAHundredThousandClientsStayWithinBounds(t *testing.T) {
	const n = 100_000
	list := manyClients(n)
	reply, err := resp.NewReader(strings.NewReader(metrictest.Bulk(list)), resp.Limits{}).ReadReply()
	require.NoError(t, err, "it fits the limits of a connection")
	d := &fixedDoer{reply}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text, err := metrictest.Collect(t, Get, d, "", "", "", "600")
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	t.Logf("%.1f MB of CLIENT LIST: %.1f MB allocated, answer of %d bytes",
		float64(len(list))/(1<<20), float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), len(text))
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(48<<20))
	require.Less(t, len(text), 64<<10)
	doc := metrictest.Decode(t, text)
	require.EqualValues(t, n, doc["total"])
	require.Equal(t, map[string]any{"over": 600.0, "count": n - 601.0, "max": n - 1.0}, doc["idle"])
	require.Len(t, doc["by_name"], 100)
	require.Len(t, doc["by_address"], 100)
	require.Len(t, doc["by_db"], 16)
	require.Equal(t, map[string]any{"by_name": n - 100.0, "by_user": 90000.0, "by_address": float64(n - countShown(doc["by_address"]))}, doc["others"])
	require.EqualValues(t, n-100, doc["truncated"].(map[string]any)["by_name"])
	for _, member := range []string{"largest", "longest_idle"} {
		rows := doc[member].([]any)
		require.Len(t, rows, 10)
		require.EqualValues(t, n-1, rows[0].(map[string]any)["id"])
		require.EqualValues(t, n-10, rows[9].(map[string]any)["id"])
	}
}

func countShown(rows any) (n int) {
	for _, row := range rows.([]any) {
		n += int(row.(map[string]any)["count"].(float64))
	}
	return n
}

// fixedDoer answers everything with one value.
type fixedDoer struct{ value resp.Value }

func (d *fixedDoer) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if len(cmds) != 2 || cmds[0][0] != "CLIENT" || cmds[1][0] != "INFO" {
		return nil, errors.New("expected CLIENT LIST and INFO")
	}
	return []resp.Value{d.value, {Kind: resp.BulkString, Str: []byte(redisServer)}}, nil
}

func TestClientsGetOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{UnixSocket: true, Users: []string{"worker on nopass ~* +@all"}})
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, ClientName: "prober"})
	other := metrictest.DialConfig(t, redisclient.Config{Network: "unix", Address: s.Socket, User: "worker", Password: "x", ClientName: "w", Database: 3})
	_, err := other.DoAll(t.Context(), redisclient.Command{"PING"})
	require.NoError(t, err)
	text, err := metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	require.Equal(t, 1, wire.Calls)
	doc := metrictest.Decode(t, text)
	require.Empty(t, doc["unavailable"])
	require.GreaterOrEqual(t, doc["total"], 2.0)
	require.Contains(t, doc["by_name"], map[string]any{"name": "prober", "count": 1.0})
	require.Contains(t, doc["by_name"], map[string]any{"name": "w", "count": 1.0})
	require.Contains(t, doc["by_user"], map[string]any{"user": "worker", "count": 1.0})
	require.Contains(t, doc["by_address"], map[string]any{"address": "unix", "count": 1.0})
	require.Contains(t, doc["by_db"], map[string]any{"db": 3.0, "count": 1.0})
	require.Equal(t, 0.0, doc["idle"].(map[string]any)["count"])
	require.Positive(t, doc["largest"].([]any)[0].(map[string]any)["memory"])
}

func FuzzClientList(f *testing.F) {
	f.Add([]byte(redis70 + "\n" + redis3 + "\r\n" + replica))
	f.Add([]byte(monitor + "\n" + subscribe + "\n" + fieldBlocked + "\n"))
	f.Add([]byte("id=1 addr=[::ffff:1.2.3.4]:5 name=\xff=\n\nid=2 idle=99999999999999999999 db=-1 flags=\n"))
	f.Fuzz(func(t *testing.T, list []byte) {
		text, err := metrictest.Collect(t, Get, &fixedDoer{resp.Value{Kind: resp.BulkString, Str: list}})
		require.NoError(t, err)
		metrictest.RequireUniqueJSON(t, text)
		s := &summary{idleOver: 300}
		s.text(list)
		require.LessOrEqual(t, s.total+int64(s.unreadable), int64(strings.Count(string(list), "\n")+1))
	})
}
