package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

func taskiqCases() []conformance {
	message := func(id int) string {
		return fmt.Sprintf(`{"task_id": "%032x", "task_name": "tkapp:ok", "labels": {}, "labels_types": {}, "args": [], "kwargs": {}}`, id)
	}
	stream := func(key string, ids ...string) (out [][]string) {
		for i, id := range ids {
			out = append(out, []string{"XADD", key, id, "data", message(i)})
		}
		return out
	}
	pickle := "\x80\x05}\x94(\x8c\x07task_id\x94\x8c\x01a\x94\x8c\x09task_name\x94\x8c\x01b\x94u."
	seed := append(stream("taskiq", "1795949980920-0", "1795949980959-0", "1795949980961-0", "1795949980963-0", "1795950748676-0", "1795950748678-0"),
		[]string{"XGROUP", "CREATE", "taskiq", "taskiq", "0"}, []string{"XREADGROUP", "GROUP", "taskiq", "517070ef", "COUNT", "4", "STREAMS", "taskiq", ">"},
		[]string{"XACK", "taskiq", "taskiq", "1795949980920-0"},
		[]string{"LPUSH", "shop:taskiq:list", message(7), message(8), message(9)}, []string{"LPUSH", "taskiq-pickled", pickle},
		// An idle queue whose group was made by a worker, and one whose messages are no JSON.
		[]string{"XGROUP", "CREATE", "taskiq:idle", "taskiq", "$", "MKSTREAM"},
		[]string{"XADD", "mails", "1795950700000-0", "data", pickle}, []string{"XGROUP", "CREATE", "mails", "workers", "0"},
		// What looks like a queue and is none.
		[]string{"SET", "autoclaim:taskiq:taskiq", "token"}, []string{"RPUSH", "taskiq:log", "line"}, []string{"XADD", "taskiq:events", "1-0", "data", "x"},
		[]string{"HSET", "taskiq:cache", "task_id", "task_name"}, []string{"SET", "taskiq:4023c92250904849ad9af1146ac9879a", pickle})
	list := []figure{figActive, figOrphaned, figLatency, figArrival, figDrain}
	return []conformance{
		{
			name: "streams and lists", system: "taskiq", db: 20, at: 1795950800, shapeless: true, seed: seed,
			options: &item.JobsOptions{ScanBudget: 100_000, Interval: 10 * time.Minute, Queues: map[string][]string{"taskiq": {"mails"}}}, // for its user
			figures: map[string]float64{"waiting": 7, "latency": 100, "workers_alive": 0, "queue_count": 5, "queues_stuck": 0},
			queues: map[string]map[string]float64{
				"taskiq":           {"waiting": 2, "active": 3, "orphaned": 0, "latency": 1795950800 - 1795950748.676, "added_total": 6},
				"taskiq:idle":      {"waiting": 0, "active": 0, "orphaned": 0, "latency": 0, "added_total": 0},
				"mails":            {"waiting": 1, "active": 0, "orphaned": 0, "latency": 100, "added_total": 1},
				"shop:taskiq:list": {"waiting": 3}, "taskiq-pickled": {"waiting": 1},
			},
			unknown: map[string][]figure{"": {figActive, figOrphaned, figAdded}, "shop:taskiq:list": list, "taskiq-pickled": list},
		},
		{
			name: "many", system: "taskiq", db: 21, at: 1795950800, shapeless: true,
			many: func(n int) (out [][]string) {
				for i := range n {
					out = append(out, []string{"LPUSH", fmt.Sprintf("taskiq:q%04d", i), message(i)})
				}
				return out
			},
		},
	}
}

// TestMessagesThatAreNotConfirmed: those of consumers that have not been seen for as
// long were left by dead ones.
func TestMessagesThatAreNotConfirmed(t *testing.T) {
	t.Parallel()
	row := func(values ...resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: values} }
	consumer := func(name string, idle int64) resp.Value {
		return row(bulkOf("name"), bulkOf(name), bulkOf("pending"), intOf(1), bulkOf("idle"), intOf(idle))
	}
	pending := func(consumer string, idle int64) resp.Value {
		return row(bulkOf("1795949980920-0"), bulkOf(consumer), intOf(idle), intOf(1))
	}
	read := func(pendingCount, consumers int64, more answers) *figures {
		a := answers{
			"TYPE q": one(bulkOf("stream")),
			"XINFO GROUPS q": one(row(row(bulkOf("name"), bulkOf("taskiq"), bulkOf("consumers"), intOf(consumers), bulkOf("pending"), intOf(pendingCount),
				bulkOf("last-delivered-id"), bulkOf("1795949980920-0"), bulkOf("lag"), intOf(0)))),
			"XINFO CONSUMERS q taskiq":   one(row(consumer("alive", 900), consumer("dead", taskiqIdle))),
			"XPENDING q taskiq - + 1000": one(row(pending("alive", 900_000), pending("dead", taskiqIdle-1), pending("dead", taskiqIdle), pending("gone", taskiqIdle))),
		}
		for cmd, v := range more {
			a[cmd] = v
		}
		r := readTold(t, "taskiq", func(_ *poll, r *reading) { r.Found = []string{"q"} }, a)
		return &r.Queues[0].figures
	}
	want(t, read(4, 2, nil), figOrphaned, 2)
	want(t, read(4, 2, nil), figActive, 4)
	want(t, read(0, 2, nil), figOrphaned, 0)
	want(t, read(taskiqPending+1, taskiqPending, nil), figOrphaned, 2)
	wantUnknown(t, read(4, taskiqPending+1, nil), figOrphaned, "there are 1001 consumers, more than the 1000 that are read")
	fresh := answers{"XPENDING q taskiq - + 1000": one(row(pending("alive", 5)))}
	want(t, read(taskiqPending, 2, fresh), figOrphaned, 0)
	wantUnknown(t, read(taskiqPending+1, 2, answers{"XPENDING q taskiq - + 1000": one(row(pending("alive", 5)))}), figOrphaned,
		"there are 1001 messages that are not confirmed, more than the 1000 that are read")
	for name, a := range map[string]answers{
		"XPENDING: WRONGTYPE":                       {"XPENDING q taskiq - + 1000": one(wrongType)},
		"XPENDING: expected 4":                      {"XPENDING q taskiq - + 1000": one(row(row(bulkOf("1-1"))))},
		"XPENDING: ":                                {"XPENDING q taskiq - + 1000": one(row(row(bulkOf("1-1"), bulkOf("a"), bulkOf("x"), intOf(1))))},
		"XINFO CONSUMERS: WRONGTYPE":                {"XINFO CONSUMERS q taskiq": one(wrongType)},
		"XINFO CONSUMERS: a consumer does not tell": {"XINFO CONSUMERS q taskiq": one(row(row(bulkOf("name"), bulkOf("a"))))},
		"XINFO CONSUMERS: ":                         {"XINFO CONSUMERS q taskiq": one(row(row(bulkOf("name"))))},
		"WRONGTYPE":                                 {"XINFO GROUPS q": one(wrongType)},
	} {
		wantUnknown(t, read(4, 2, a), figOrphaned, name)
	}
	wantUnknown(t, read(4, 2, answers{"TYPE q": one(bulkOf("zset"))}), figWaiting, "TYPE: a key of type zset is no queue")
	wantUnknown(t, read(4, 2, answers{"TYPE q": one(bulkOf("list"))}), figLatency, "a list does not keep it")
}

// TestStreamsOfAnyName are found by Taskiq's group or by a message, and those of others
// are not taken for its.
func TestStreamsOfAnyName(t *testing.T) {
	t.Parallel()
	f := newField(t, `XADD orders 1-1 data {"task_id":"a","task_name":"b"}`, "XGROUP CREATE mails taskiq $ MKSTREAM", "XADD log 1-1 data x",
		`XADD shop 1-1 message {"task_id":"a","task_name":"b"}`, "XGROUP CREATE shop workers 0", "XGROUP CREATE x:events taskiq $ MKSTREAM",
		`LPUSH list {"task_id":"a","task_name":"b"}`)
	names := func(r *reading) (out []string) {
		for _, q := range r.Queues {
			out = append(out, q.Name)
		}
		return out
	}
	require.Equal(t, []string{"mails", "orders"}, names(f.poll(0, "taskiq/")))
	f.s.Do(t, "XGROUP", "CREATE", "new", "taskiq", "$", "MKSTREAM")
	f.poll(1, "taskiq/")
	require.Equal(t, []string{"mails", "new", "orders"}, names(f.poll(1, "taskiq/")), "by the second poll")

	// A server that does not know the option has its other systems.
	look := newScanning(&search{}, &f.o)
	look.judgeStreams(resp.Value{Kind: resp.Error, Str: []byte("ERR syntax error")})
	require.Empty(t, look.clues)
	var keys []string
	for i := range maxRare + 1 {
		keys = append(keys, fmt.Sprint("s", i))
	}
	look.judgeStreams(scanOf("0", keys...))
	require.Len(t, look.clues, 2*maxRare, "for each of two systems")
}

// TestTaskiqWithoutAWorkerIsStuck, and with one that is busy it is not.
func TestTaskiqWithoutAWorkerIsStuck(t *testing.T) {
	t.Parallel()
	f := newField(t, fmt.Sprintf("XADD taskiq %d000-0 data x", fieldAt-9), fmt.Sprintf("XADD taskiq %d000-0 data x", fieldAt-5), "XGROUP CREATE taskiq taskiq 0")
	worker := dial(t, f.s, "", 0)
	_, err := worker.Conn.DoAll(t.Context(), strings.Fields("XREADGROUP GROUP taskiq w COUNT 1 STREAMS taskiq >"))
	require.NoError(t, err)
	taskiqOf := func(r *reading) *figures { return &r.Queues[0].figures }
	f.poll(0, "taskiq/")
	q := taskiqOf(f.poll(70, "taskiq/"))
	want(t, q, figStuck, 0)
	want(t, q, figSaturated, 1)
	want(t, q, figLatency, 75)
	require.NoError(t, worker.Close())
	awaitGone(t, f.s, "xreadgroup")
	q = taskiqOf(f.poll(1, "taskiq/"))
	want(t, q, figStuck, 1)
	want(t, q, figSaturated, 0)
	r := pollOnce(t, f.d, f.m, f.o, query{System: "taskiq", Queue: "nope"}).Systems[0]
	wantUnknown(t, &r.Queues[0].figures, figWaiting, "it is empty, or there is no such queue; Jobs.Queues=taskiq:nope")
	f.s.Do(t, "LPUSH", "emails", "{}") // whose name does not tell
	r = pollOnce(t, f.d, f.m, f.o, query{System: "taskiq", Queue: "emails"}).Systems[0]
	want(t, &r.Queues[0].figures, figWaiting, 1)
}

func FuzzTaskiq(f *testing.F) {
	f.Add("*1\r\n*4\r\n$4\r\nname\r\n$1\r\na\r\n$4\r\nidle\r\n:900000\r\n")
	f.Add("*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\na\r\n:900000\r\n:1\r\n")
	f.Add("*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$4\r\ndata\r\n$20\r\n{\"task_id\",task_name}\r\n")
	f.Fuzz(func(t *testing.T, reply string) {
		v, err := resp.NewReader(strings.NewReader(reply), resp.Limits{}).ReadReply()
		if err != nil {
			return
		}
		idle, err := parseConsumers(v, nil)
		require.True(t, err == nil || idle == nil)
		if n, err := countAbandoned(v, nil, idle); err == nil {
			require.LessOrEqual(t, n, float64(len(v.Elems)))
		}
		for _, typ := range []string{"stream", "list"} {
			_ = isTaskiq([]resp.Value{statusOf(typ)[0], v, v, v})
		}
	})
}
