package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

func symfonyQueue(more map[string]float64) map[string]float64 {
	out := map[string]float64{
		"waiting": 0, "active": 0, "orphaned": 0, "scheduled": 0, "overdue": 0, "failed": 0, "latency": 0, "processed_total": 0,
	}
	for name, value := range more {
		out[name] = value
	}
	return out
}

func symfonyCases() []conformance {
	// messenger:stats of the run said 3 for messages and 1 for the failure transport. The
	// worker was killed when it had just taken a message.
	figures := func(at, orphaned, overdue float64) map[string]float64 {
		return symfonyQueue(map[string]float64{
			"waiting": 3, "active": 1, "orphaned": orphaned, "scheduled": 2, "overdue": overdue, "failed": 1, "latency": at - 1795950297.277,
			"added_total": 5, "workers": 1, "oldest_running": at - 1795950765.221, "queue_count": 2, "queues_stuck": 0,
		})
	}
	queues := func(at, orphaned, overdue float64) map[string]map[string]float64 {
		return map[string]map[string]float64{
			"messages": symfonyQueue(map[string]float64{
				"waiting": 3, "active": 1, "orphaned": orphaned, "scheduled": 2, "overdue": overdue, "latency": at - 1795950297.277, "added_total": 4,
			}),
			"failed": symfonyQueue(map[string]float64{"failed": 1, "added_total": 1}),
		}
	}
	const now, later = 1795950770.221, 1795950770.221 + 3595
	alive := figures(now, 0, 1)
	alive["workers_alive"], alive["workers_dead"] = 1, 0
	return []conformance{
		{
			name: "7.4", system: "symfony", db: 7, second: true, at: now, figures: alive, queues: queues(now, 0, 1),
			many: func(n int) (out [][]string) {
				for i := range n {
					s := fmt.Sprintf("s%04d", i)
					out = append(out, []string{"XADD", s, "1795950000000-1", "message", "{}"}, []string{"XGROUP", "CREATE", s, "symfony", "0"},
						[]string{"ZADD", s + "__queue", "1795953897278", `{"body":"late","headers":[],"uniqid":"x"}`})
				}
				return out
			},
		},
		{
			name: "7.4, an hour later", system: "symfony", db: 7, second: true, at: later, figures: figures(later, 1, 2), queues: queues(later, 1, 2),
			unknown: map[string][]figure{"": {figWorkersAlive, figWorkersDead}},
		},
	}
}

// TestFailureTransportsOfSymfony: what is in one has failed, and does not wait.
func TestFailureTransportsOfSymfony(t *testing.T) {
	t.Parallel()
	message := func(body string) string {
		text := fmt.Sprintf(`{"body":%q,"headers":[]}`, body)
		return fmt.Sprintf(`s:%d:"%s";`, len(text), text)
	}
	f := newField(t)
	f.o.Queues = map[string][]string{"symfony": {"messenger_failed", "not_failed"}}
	stream := func(name, body string, consumers bool) {
		f.s.Do(t, "XADD", name, fmt.Sprint(fieldAt-90, "000-1"), "message", message(body))
		f.s.Do(t, "XGROUP", "CREATE", name, "symfony", "0")
		if consumers {
			f.s.Do(t, "XGROUP", "CREATECONSUMER", name, "symfony", "c")
		}
	}
	stream("async", `O:36:\"Envelope\" App\\Mail`, true)
	wantUnknown(t, &f.poll(0, "symfony/").figures, figFailed, "no failure transport was found")
	stream("mail-async", `Stamp\\\\SentToFailureTransportStamp\";a`, true)
	stream("messenger_failed", "encrypted", false)
	stream("not_failed", "encrypted", true)
	f.poll(0, "symfony/")
	f.poll(70, "symfony/")
	r := f.poll(70, "symfony/")
	want(t, &r.figures, figFailed, 2)
	want(t, &r.figures, figWaiting, 2)
	stuck := map[string]float64{}
	for _, q := range r.Queues {
		stuck[q.Name], _ = q.Get(figStuck)
	}
	require.Equal(t, map[string]float64{"async": 1, "mail-async": 0, "messenger_failed": 0, "not_failed": 1}, stuck)
}

// newer is what servers from 7.2 on tell of a consumer.
var newer = []string{"inactive", "5"}

func symfonyRow(name string, idle float64, more ...string) resp.Value {
	return arrayOf(append([]string{"name", name, "pending", "0", "idle", fmt.Sprintf("%.0f", idle*1000)}, more...)...)
}

func rowsOf(rows ...resp.Value) []resp.Value { return one(resp.Value{Kind: resp.Array, Elems: rows}) }

func symfonyGroupOf(pending, consumers string) []resp.Value {
	return rowsOf(arrayOf("name", "g", "consumers", consumers, "pending", pending, "last-delivered-id", "5-1", "entries-read", "3", "lag", "0"))
}

func readSymfony(t *testing.T, a answers) *reading {
	t.Helper()
	return readTold(t, "symfony", func(_ *poll, r *reading) { r.Found = []string{"high", "low"} }, a)
}

// symfonyConsumers are those of high and low.
func symfonyConsumers(high, low resp.Value) answers {
	return answers{
		"XINFO GROUPS high": symfonyGroupOf("0", "1"), "XINFO GROUPS low": symfonyGroupOf("0", "1"),
		"XINFO CONSUMERS high g": rowsOf(high), "XINFO CONSUMERS low g": rowsOf(low),
	}
}

// symfonyTaken adds messages that were taken from low.
func symfonyTaken(a answers, rows ...resp.Value) answers {
	a["XINFO GROUPS low"] = symfonyGroupOf(fmt.Sprint(len(rows)), "1")
	a["XPENDING low g - + 1000"] = rowsOf(rows...)
	return a
}

func symfonyPendingRow(consumer string, idle float64) resp.Value {
	return arrayOf("5-1", consumer, fmt.Sprintf("%.0f", idle*1000), "1")
}

// TestWorkersOfSymfony live when they ask for messages; one that handles a message does
// not ask.
func TestWorkersOfSymfony(t *testing.T) {
	t.Parallel()
	row, consumers, taken, pending := symfonyRow, symfonyConsumers, symfonyTaken, symfonyPendingRow
	const busy, older = "does not ask for others meanwhile", "as Redis does from 7.2 on"
	for name, tt := range map[string]struct {
		a                     answers
		alive, dead, orphaned float64
		unknown               string
	}{
		"idle": {a: consumers(row("c", 1, newer...), row("c", 60, newer...)), alive: 1}, "idle, on an older server": {a: consumers(row("c", 60), row("c", 90)), alive: 1},
		"two": {a: consumers(row("c", 1, newer...), row("d", 1, newer...)), alive: 2}, "dead": {a: consumers(row("c", 61, newer...), row("c", 90, newer...)), dead: 1},
		"one of two":                       {a: consumers(row("c", 61, newer...), row("d", 1, newer...)), alive: 1, dead: 1},
		"perhaps dead, on an older server": {a: consumers(row("c", 61), row("c", 90)), unknown: older},
		"busy":                             {a: taken(consumers(row("c", 61, newer...), row("c", 90, newer...)), pending("c", 90)), unknown: busy},
		"busy, and just begun":             {a: taken(consumers(row("c", 60, newer...), row("c", 90, newer...)), pending("c", 3599)), alive: 1},
		"dead for an hour":                 {a: taken(consumers(row("c", 61, newer...), row("c", 3600, newer...)), pending("c", 3600)), dead: 1, orphaned: 1},
		"nobody":                           {a: answers{"XINFO GROUPS high": symfonyGroupOf("0", "0"), "XINFO GROUPS low": symfonyGroupOf("0", "0")}},
	} {
		r := readSymfony(t, tt.a)
		r.finish(pollAt(fieldAt), stateOf(&item.Memory{}))
		if tt.unknown != "" {
			wantUnknown(t, &r.figures, figWorkersAlive, tt.unknown)
			wantUnknown(t, &r.figures, figWorkersDead, tt.unknown)
			continue
		}
		require.Empty(t, reasonOf(&r.figures, figWorkersAlive), name)
		want(t, &r.figures, figWorkersAlive, tt.alive)
		want(t, &r.figures, figWorkersDead, tt.dead)
		want(t, &r.figures, figOrphaned, tt.orphaned)
	}
	whole := func() answers { return consumers(row("c", 1, newer...), row("c", 1, newer...)) }
	r := readSymfony(t, taken(whole(), pending("c", 30), pending("gone", 90)))
	require.EqualValues(t, fieldAt-90, r.began)
	want(t, &r.Queues[1].figures, figProcessed, 1)
	for why, change := range map[string]func(a answers){
		"XINFO CONSUMERS: WRONGTYPE":         func(a answers) { a["XINFO CONSUMERS low g"] = one(wrongType) },
		errNoConsumer.Error():                func(a answers) { a["XINFO CONSUMERS low g"] = rowsOf(arrayOf("name", "c")) },
		"XPENDING: WRONGTYPE":                func(a answers) { taken(a, null)["XPENDING low g - + 1000"] = one(wrongType) },
		errNoPending.Error():                 func(a answers) { taken(a, arrayOf("5-1", "c", "x", "1")) },
		"there are 1001 messages were taken": func(a answers) { a["XINFO GROUPS low"] = symfonyGroupOf("1001", "1") },
		"there are 1001 consumers":           func(a answers) { a["XINFO GROUPS low"] = symfonyGroupOf("0", "1001") },
		errNoStream.Error(): func(a answers) {
			a["XINFO GROUPS low"] = one(resp.Value{Kind: resp.Error, Str: []byte("ERR no such key")})
		},
		"WRONGTYPE no": func(a answers) { a["XINFO GROUPS low"] = one(wrongType) },
	} {
		a := whole()
		change(a)
		r := readSymfony(t, a)
		wantUnknown(t, &r.figures, figWorkersAlive, why)
		if strings.HasPrefix(why, "XPENDING") || strings.Contains(why, "taken") {
			wantUnknown(t, &r.Queues[1].figures, figOrphaned, why)
			require.Equal(t, 1, r.runsUnknown)
		}
		want(t, &r.Queues[0].figures, figActive, 0)
	}
	r = readTold(t, "symfony", func(p *poll, r *reading) { r.Found, p.followUps = []string{"low"}, maxFollowUps-1 }, whole())
	wantUnknown(t, &r.figures, figWorkersAlive, errManyFollowUps.Error())
	wantUnknown(t, &r.Queues[0].figures, figOrphaned, errManyFollowUps.Error())
}

// TestGroupsOfSymfony: of several the one that is furthest behind counts.
func TestGroupsOfSymfony(t *testing.T) {
	t.Parallel()
	group := func(name, lag, read, pending string) resp.Value {
		return arrayOf("name", name, "consumers", "0", "pending", pending, "last-delivered-id", "5-1", "entries-read", read, "lag", lag)
	}
	for _, groups := range [][]resp.Value{
		{group("a", "1", "9", "2"), group("b", "4", "6", "1")}, {group("b", "4", "6", "1"), group("a", "1", "9", "2")},
	} {
		f := &readSymfony(t, answers{"XINFO GROUPS high": rowsOf(), "XINFO GROUPS low": rowsOf(groups...)}).Queues[1].figures
		want(t, f, figWaiting, 4)
		want(t, f, figProcessed, 5)
		want(t, f, figActive, 3)
	}
}

// TestSymfonyOnOlderServers, which do not know how far a group is: what waits is known
// where acknowledged messages are deleted.
func TestSymfonyOnOlderServers(t *testing.T) {
	t.Parallel()
	read := func(pending, delivered string, taken resp.Value) *figures {
		return &readSymfony(t, answers{
			"XINFO GROUPS high": rowsOf(), "XINFO GROUPS low": rowsOf(arrayOf("name", "g", "consumers", "0", "pending", pending, "last-delivered-id", delivered)),
			"XLEN low": one(intOf(9)), "XRANGE low - " + delivered + " COUNT 3": one(taken), "XRANGE low - " + delivered + " COUNT 1": one(taken),
		}).Queues[1].figures
	}
	want(t, read("2", "5-1", arrayOf("a", "b")), figWaiting, 7)
	want(t, read("2", "5-1", arrayOf("b")), figWaiting, 8) // one was acknowledged meanwhile
	want(t, read("0", "0-0", arrayOf()), figWaiting, 9)
	for why, f := range map[string]*figures{
		"acknowledged messages are kept": read("2", "5-1", arrayOf("a", "b", "c")), "WRONGTYPE": read("2", "5-1", wrongType),
		"does not know how far group": read("101", "5-1", arrayOf()),
	} {
		wantUnknown(t, f, figWaiting, why)
	}
}

// TestLowPrioritySymfony: a worker that is busy with another stream serves this one too.
func TestLowPrioritySymfony(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "symfony")
	r.Workers = []worker{{Alive: true, Queues: []string{"high", "low"}, Busy: 1, Slots: 1}}
	q := &queue{Name: "low", Prompt: true}
	q.Set(figActive, 0)
	q.Set(figWaiting, 5)
	require.Equal(t, heldByWork, r.holds(q))
	r.Workers[0].Busy = 0
	require.Equal(t, heldByNothing, r.holds(q))
}

// TestSymfonyStreamsOfAnyName are found by their group or their messages.
func TestSymfonyStreamsOfAnyName(t *testing.T) {
	t.Parallel()
	f := newField(t, "XGROUP CREATE shop:orders symfony 0 MKSTREAM", `XADD mails 1-1 message {"body":"a","headers":[]}`, "XGROUP CREATE mails workers 0",
		`XADD other 1-1 message {"body":"a"}`, "XGROUP CREATE other workers 0", "XGROUP CREATE bull:q:events symfony $ MKSTREAM")
	var names []string
	for _, q := range f.poll(0, "symfony/").Queues {
		names = append(names, q.Name)
	}
	require.Equal(t, []string{"mails", "shop:orders"}, names)
}

// TestSymfonyMessages are recognized as they lie in a stream and in the set of delayed
// ones.
func TestSymfonyMessages(t *testing.T) {
	t.Parallel()
	entry := func(fields ...string) resp.Value {
		return resp.Value{Kind: resp.Array, Elems: []resp.Value{bulkOf("1-1"), arrayOf(fields...)}}
	}
	const message = `s:54:"{"body":"{\"i\":2}","headers":{"type":"App\\Message"}}";`
	require.Equal(t, message, string(symfonyPayload(entry("message", message))))
	for _, e := range []resp.Value{entry(), entry("message"), entry("data", message), entry("message", message, "b", "c"), null, arrayOf("1-1")} {
		require.Nil(t, symfonyPayload(e))
	}
	for text, want := range map[string]bool{
		message: true, `{"body":"a","headers":[]}`: true, `{"body":"a"}`: false, `{"headers":[]}`: false, "s:": false, "": false, "[]": false, `{"body":1,"headers":[]}`: false,
	} {
		require.Equal(t, want, isSymfonyMessage([]byte(text)), text)
	}
	c := clueFor(t, "symfony", "app_messages")
	require.True(t, c.Rare)
	group := func(name string) resp.Value {
		return resp.Value{Kind: resp.Array, Elems: []resp.Value{arrayOf("name", name, "pending", "0", "last-delivered-id", "0-0")}}
	}
	first := func(e resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: []resp.Value{e}} }
	none := resp.Value{Kind: resp.Array}
	for _, tt := range []struct {
		groups, entries resp.Value
		want            bool
	}{
		{group("symfony"), none, true}, {group("mine"), first(entry("message", message)), true}, {group("mine"), none, false},
		{group("mine"), first(entry("data", message)), false}, {none, first(entry("message", message)), false}, {wrongType, wrongType, false},
	} {
		require.Equal(t, tt.want, c.Proves([]resp.Value{tt.groups, tt.entries}))
	}
	require.False(t, clueFor(t, "symfony", "failed").Rare)
	c = clueFor(t, "symfony", "mine__queue")
	require.True(t, c.Proves([]resp.Value{arrayOf(`{"body":"late","headers":[],"uniqid":"x"}`)}))
	require.False(t, c.Proves([]resp.Value{arrayOf("late")}))
	require.False(t, c.Proves([]resp.Value{wrongType}))
}

func FuzzSymfony(f *testing.F) {
	f.Add([]byte(`s:54:"{"body":"{\"i\":2}","headers":{"type":"App\\Message"}}";`))
	f.Add([]byte(`{"body":"late","headers":[],"uniqid":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if isSymfonyMessage(text) {
			require.Contains(t, string(text), "{")
		}
		v := resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.BulkString, Str: text}, {Kind: resp.BulkString, Str: text}, {Kind: resp.BulkString, Str: text}}}}}
		rows, err := parseSymfonyPending(v, nil)
		require.True(t, err != nil || rows[0].idle >= 0)
		_, _ = parseSymfonyConsumers(v, nil)
	})
}
