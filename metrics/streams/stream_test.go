package streams

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// emptyStreamWire is a stream whose entries were all deleted.
const emptyWire = "*6\r\n$6\r\nlength\r\n:0\r\n$17\r\nlast-generated-id\r\n$15\r\n1795254100000-0\r\n$11\r\nfirst-entry\r\n$-1\r\n"

func script(over map[string]string) *metrictest.ScriptDoer {
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"TIME": "*2\r\n$10\r\n1795254110\r\n$6\r\n500000\r\n", "TYPE s": "+stream\r\n",
		"XINFO STREAM s": metrictest.StreamWire, "XINFO GROUPS s": metrictest.GroupsWire,
		"XINFO CONSUMERS s g": "*2\r\n*6\r\n$4\r\nname\r\n$2\r\nw1\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:1500\r\n" +
			"*8\r\n$8\r\ninactive\r\n:12000\r\n$4\r\nname\r\n$2\r\nw2\r\n$7\r\npending\r\n:1\r\n$4\r\nidle\r\n:200\r\n",
		"XPENDING s g - + 1": "*1\r\n*4\r\n$15\r\n1795254040000-0\r\n$2\r\nw2\r\n:30500\r\n:3\r\n",
		"XRANGE s 1795254050000-8 + COUNT 5000": "*2\r\n*2\r\n$15\r\n1795254090000-0\r\n*0\r\n" +
			"*2\r\n$15\r\n1795254100000-0\r\n*0\r\n",
	}}
	for cmd, reply := range over {
		d.Replies[cmd] = reply
	}
	return d
}

func document(t testing.TB, target *item.Target) map[string]any {
	t.Helper()
	text, err := metrictest.OfKey(t, Get, target, "s")
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

func groupOf(doc map[string]any) map[string]any { return doc["groups"].([]any)[0].(map[string]any) }

// TestALagOfNothing: after XTRIM servers before Redis 8 count entries that are not
// there any more. Source: redis issue 13957
func TestALagOfNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for i := range 5 {
		s.Do(t, "XADD", "s", strconv.Itoa(i+1)+"-0", "f", "v")
	}
	s.Do(t, "XGROUP", "CREATE", "s", "g", "0")
	s.Do(t, "XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">")
	s.Do(t, "XTRIM", "s", "MAXLEN", "1")
	s.Do(t, "XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">")
	require.Contains(t, s.Do(t, "XINFO", "GROUPS", "s"), "lag\n3", "the server's own")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	got := groupOf(document(t, target))
	require.Equal(t, []any{0.0, true, 2.0, 2.0}, []any{got["lag"], got["lag_counted"], got["pending"], got["backlog"]})
}

// TestALagWithoutDeletedEntries: Redis before 7.2.7 and Valkey before 8.1.2 count
// entries that XDEL took away unread.
// Sources: redis issue 13337, valkey issue 1951
func TestALagWithoutDeletedEntries(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		deleted []string
		lag     float64
	}{
		"before the first entry": {[]string{"1-0", "2-0", "3-0"}, 2},
		"between others":         {[]string{"1-0", "4-0"}, 2},
		"nothing unread":         {[]string{"1-0"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Borrow(t)
			s.Do(t, "XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
			for i := range 5 {
				s.Do(t, "XADD", "s", strconv.Itoa(i+1)+"-0", "f", "v")
			}
			s.Do(t, "XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "s", ">")
			s.Do(t, append([]string{"XDEL", "s"}, tt.deleted...)...)
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			got := groupOf(document(t, target))
			require.Equal(t, []any{tt.lag, 2.0, tt.lag + 2}, []any{got["lag"], got["pending"], got["backlog"]})
		})
	}
}

func TestStreamGetDocument(t *testing.T) {
	t.Parallel()
	d := script(nil)
	target := metrictest.NewTarget(d)
	want := map[string]any{
		"schema_version": 1.0, "up": 1.0, "reason": "", "error": "", "target": target.Name, "key": "s", "exists": true,
		"length": 3.0, "entries_added": 9.0, "last_generated_id": "1795254100000-0", "oldest_age": 110.5,
		"groups": []any{map[string]any{
			"name": "g", "consumers": 2.0, "pending": 1.0, "last_delivered_id": "1795254050000-7",
			"lag": 2.0, "lag_counted": true, "backlog": 3.0, "oldest_undelivered_age": 20.5,
			"oldest_pending_age": 70.5, "oldest_pending_idle": 30.5, "oldest_pending_deliveries": 3.0,
			"members": []any{
				map[string]any{"name": "w2", "pending": 1.0, "idle": 0.2, "inactive": 12.0},
				map[string]any{"name": "w1", "pending": 0.0, "idle": 1.5},
			},
		}},
		"truncated": map[string]any{}, "unavailable": map[string]any{},
	}
	require.Equal(t, want, document(t, target))
	require.Equal(t, 4, d.Calls)
	require.Equal(t, want, document(t, target))
	require.Equal(t, 6, d.Calls, "two round trips once the type is known")
}

func group(lag, delivered string) string {
	return "*1\r\n*8\r\n$4\r\nname\r\n$1\r\ng\r\n$3\r\nlag\r\n" + lag + "$17\r\nlast-delivered-id\r\n" + metrictest.Bulk(delivered) +
		"$9\r\nconsumers\r\n:0\r\n"
}

func TestStreamLag(t *testing.T) {
	t.Parallel()
	const middle, unknown = "1795254050000-7", "$-1\r\n"
	const one = "XRANGE s 1795254050000-8 + COUNT 1"
	const all = "XRANGE s 1795254050000-8 + COUNT 5000"
	entry := "*2\r\n$15\r\n1795254090000-0\r\n*0\r\n"
	for _, tt := range []struct {
		name                           string
		over                           map[string]string
		lag, counted, atLeast, backlog any
		oldest                         any
	}{
		{"the server knows it", map[string]string{"XINFO GROUPS s": group(":2\r\n", middle), one: "*1\r\n" + entry}, 2.0, nil, nil, nil, 20.5},
		{"trimmed entries are in it", map[string]string{"XINFO GROUPS s": group(":9\r\n", "0-0")}, 9.0, nil, nil, nil, 110.5},
		{"unknown and nothing delivered: all there is", map[string]string{"XINFO GROUPS s": group(unknown, "0-0")}, 3.0, true, nil, nil, 110.5},
		{"unknown and all delivered", map[string]string{"XINFO GROUPS s": group(unknown, "1795254100000-0")}, 0.0, true, nil, nil, nil},
		{"unknown and counted", map[string]string{"XINFO GROUPS s": group(unknown, middle), all: "*1\r\n" + entry}, 1.0, true, nil, nil, 20.5},
		{"unknown and none left", map[string]string{"XINFO GROUPS s": group(unknown, middle), all: "*0\r\n"}, 0.0, true, nil, nil, nil},
		{"more than are counted", map[string]string{"XINFO GROUPS s": group(unknown, middle),
			all: "*5000\r\n" + strings.Repeat(entry, 5000)}, 5000.0, true, true, nil, 20.5},
		{"unknown and refused", map[string]string{"XINFO GROUPS s": group(unknown, middle), all: "-NOPERM no\r\n"}, nil, nil, nil, nil, nil},
		{"unknown and unreadable", map[string]string{"XINFO GROUPS s": group(unknown, middle), all: ":1\r\n"}, nil, nil, nil, nil, nil},
		{"unknown and the stream is empty", map[string]string{"XINFO GROUPS s": group(unknown, middle), "XINFO STREAM s": emptyWire}, 0.0, true, nil, nil, nil},
		{"no id to count from", map[string]string{"XINFO GROUPS s": group(unknown, "x")}, nil, nil, nil, nil, nil},
		{"a negative lag is none", map[string]string{"XINFO GROUPS s": group(":-1\r\n", "x")}, nil, nil, nil, nil, nil},
		{"with pending ones", map[string]string{all: "*1\r\n" + entry}, 1.0, true, nil, 2.0, 20.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			over := map[string]string{"XPENDING s g - + 1": "*0\r\n"}
			for k, v := range tt.over {
				over[k] = v
			}
			g := groupOf(document(t, metrictest.NewTarget(script(over))))
			require.Equal(t, tt.lag, g["lag"])
			require.Equal(t, tt.counted, g["lag_counted"])
			require.Equal(t, tt.atLeast, g["lag_at_least"])
			require.Equal(t, tt.backlog, g["backlog"])
			require.Equal(t, tt.oldest, g["oldest_undelivered_age"])
		})
	}
}

func TestEntriesThatAreCountedTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	s := &reading{}
	require.Equal(t, 5000, s.countLimit(1))
	require.Equal(t, 50, s.countLimit(100))
	s.info.entryMemory = 1 << 20
	require.Equal(t, 2, s.countLimit(1))
	require.Equal(t, 2, s.countLimit(100))
}

func TestStreamGetBoundsGroupsAndConsumers(t *testing.T) {
	t.Parallel()
	var groups, consumers strings.Builder
	fmt.Fprintf(&groups, "*%d\r\n", 130)
	fmt.Fprintf(&consumers, "*%d\r\n", 150)
	over := map[string]string{}
	for i := range 130 {
		name := fmt.Sprintf("g%03d", i)
		fmt.Fprintf(&groups, "*6\r\n$4\r\nname\r\n%s$9\r\nconsumers\r\n:150\r\n$7\r\npending\r\n:0\r\n", metrictest.Bulk(name))
	}
	for i := range 150 {
		fmt.Fprintf(&consumers, "*4\r\n$4\r\nname\r\n%s$7\r\npending\r\n:%d\r\n", metrictest.Bulk(fmt.Sprint("w", i)), i)
	}
	for i := range 130 {
		over[fmt.Sprintf("XINFO CONSUMERS s g%03d", i)] = consumers.String()
	}
	over["XINFO GROUPS s"] = groups.String()
	d := script(over)
	doc := document(t, metrictest.NewTarget(d))
	require.Len(t, doc["groups"], 100)
	require.Len(t, groupOf(doc)["members"], 100)
	require.Equal(t, "w149", groupOf(doc)["members"].([]any)[0].(map[string]any)["name"])
	require.Equal(t, map[string]any{"groups": 30.0, "consumers": 5000.0}, doc["truncated"])
	require.Equal(t, 4, d.Calls)
	require.Len(t, d.Sent, 104)
}

func TestStreamGetWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	metrictest.RequireDown(t, Get, "", "", "", "s")
	for _, tt := range []struct {
		name        string
		over        map[string]string
		unavailable map[string]any
		missing     []string
	}{
		{"no time, no ages", map[string]string{"TIME": "-NOPERM t\r\n"}, map[string]any{"time": "NOPERM t"}, []string{"oldest_age"}},
		{"an odd time", map[string]string{"TIME": "*1\r\n:1\r\n"}, map[string]any{"time": "expected seconds and microseconds, got 1 members"}, []string{"oldest_age"}},
		{"a time before all", map[string]string{"TIME": "*2\r\n:-1\r\n:1\r\n"}, map[string]any{"time": "a number is negative"}, []string{"oldest_age"}},
		{"no type", map[string]string{"TYPE s": "-NOPERM t\r\n"}, map[string]any{"type": "NOPERM t"}, []string{"exists", "length", "groups"}},
		{"no stream", map[string]string{"XINFO STREAM s": "-NOPERM t\r\n"}, map[string]any{"stream": "NOPERM t"}, []string{"length"}},
		{"an odd stream", map[string]string{"XINFO STREAM s": "*2\r\n+a\r\n:1\r\n"}, map[string]any{"stream": "the reply has no length"}, []string{"length"}},
		{"no groups", map[string]string{"XINFO GROUPS s": "-NOPERM t\r\n"}, map[string]any{"groups": "NOPERM t"}, []string{"groups"}},
		{"odd groups", map[string]string{"XINFO GROUPS s": "*1\r\n*2\r\n+a\r\n:1\r\n"}, map[string]any{"groups": "group 1: the reply is null"}, []string{"groups"}},
		{"no consumers", map[string]string{"XINFO CONSUMERS s g": "-NOPERM t\r\n"}, map[string]any{"consumers": "NOPERM t"}, nil},
		{"odd consumers", map[string]string{"XINFO CONSUMERS s g": "*1\r\n*1\r\n+a\r\n"}, map[string]any{"consumers": "consumer 1: expected pairs, got 1 members"}, nil},
		{"no pending ones", map[string]string{"XPENDING s g - + 1": "-NOPERM t\r\n"}, map[string]any{"pending": "NOPERM t"}, nil},
		{"odd pending ones", map[string]string{"XPENDING s g - + 1": "*1\r\n*1\r\n+a\r\n"},
			map[string]any{"pending": "expected id, consumer, idle time and deliveries, got 1 members"}, nil},
		{"a group that is gone by now", map[string]string{"XPENDING s g - + 1": "-NOGROUP No such key\r\n"}, map[string]any{"pending": "NOGROUP No such key"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := document(t, metrictest.NewTarget(script(tt.over)))
			require.Equal(t, 1.0, doc["up"])
			require.Equal(t, tt.unavailable, doc["unavailable"])
			for _, member := range tt.missing {
				require.NotContains(t, doc, member)
			}
		})
	}
	text, err := metrictest.OfKey(t, Get, metrictest.NewTarget(script(map[string]string{"TYPE s": "-LOADING wait\r\n"})), "s")
	require.NoError(t, err)
	require.Equal(t, "loading", metrictest.Decode(t, text)["reason"])
}

func TestARefusedXRANGEIsRememberedThoughItsArgumentsChange(t *testing.T) {
	t.Parallel()
	d := script(map[string]string{"XRANGE s 1795254050000-8 + COUNT 5000": "-NOPERM no\r\n"})
	target := metrictest.NewTarget(d)
	document(t, target)
	d.Replies["XINFO GROUPS s"] = group("$-1\r\n", "1795254060000-7")
	require.Equal(t, map[string]any{"undelivered": "NOPERM no"}, document(t, target)["unavailable"])
	require.Equal(t, 1, strings.Count(strings.Join(metrictest.Flat(d.Sent), "\n"), "XRANGE"))
}

func TestAgeOfAStreamID(t *testing.T) {
	t.Parallel()
	const now = 1_795_254_110_500
	for _, tt := range []struct {
		name string
		ms   uint64
		want float64
		ok   bool
	}{
		{"a second ago", now - 1000, 1, true},
		{"this moment", now, 0, true},
		{"just ahead of the clock", now + 59_000, 0, true},
		{"a number that somebody chose", 7, 0, false},
		{"far ahead", now + 61_000, 0, false},
		{"as far as it goes", math.MaxUint64, 0, false},
	} {
		age, ok := age(redisclient.StreamID{Ms: tt.ms}, now)
		require.Equal(t, tt.ok, ok, tt.name)
		require.Equal(t, tt.want, age, tt.name)
	}
}

func TestStreamGetOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc := document(t, target)
	require.Equal(t, false, doc["exists"])
	require.Equal(t, 0.0, doc["length"])
	require.Empty(t, doc["groups"])
	require.Equal(t, 1, wire.Calls)
	document(t, target)
	require.Equal(t, "0", s.InfoField(t, "stats", "total_error_replies"), "XINFO of a missing key would be an error")

	ms := time.Now().UnixMilli()
	for i := range 10 {
		s.Do(t, "XADD", "s", strconv.FormatInt(ms-int64(100-i)*1000, 10)+"-1", "f", "v")
	}
	s.Do(t, "XGROUP", "CREATE", "s", "g", "0")
	s.Do(t, "XGROUP", "CREATE", "s", "late", "$")
	s.Do(t, "XGROUP", "CREATE", "s", "middle", strconv.FormatInt(ms-96_000, 10)+"-1")
	s.Do(t, "XREADGROUP", "GROUP", "g", "w", "COUNT", "4", "STREAMS", "s", ">")
	before := wire.Calls
	doc = document(t, target)
	require.Equal(t, 4, wire.Calls-before)
	require.Empty(t, doc["unavailable"])
	require.Equal(t, 10.0, doc["length"])
	require.Equal(t, 10.0, doc["entries_added"])
	require.InDelta(t, 100, doc["oldest_age"], 20)
	byName := map[string]map[string]any{}
	for _, row := range doc["groups"].([]any) {
		g := row.(map[string]any)
		byName[g["name"].(string)] = g
	}
	g := byName["g"]
	require.Equal(t, 6.0, g["lag"])
	require.NotContains(t, g, "lag_counted")
	require.Equal(t, 4.0, g["pending"])
	require.Equal(t, 10.0, g["backlog"])
	require.InDelta(t, 96, g["oldest_undelivered_age"], 20)
	require.InDelta(t, 100, g["oldest_pending_age"], 20)
	require.Less(t, g["oldest_pending_idle"], 20.0)
	require.Equal(t, 1.0, g["oldest_pending_deliveries"])
	require.Equal(t, "w", g["members"].([]any)[0].(map[string]any)["name"])
	require.Equal(t, 0.0, byName["late"]["lag"])
	require.NotContains(t, byName["late"], "oldest_undelivered_age")
	middle := byName["middle"]
	require.Equal(t, 5.0, middle["lag"], "the server does not know it after the middle")
	require.Equal(t, true, middle["lag_counted"])
	require.InDelta(t, 95, middle["oldest_undelivered_age"], 20)

	before = wire.Calls
	document(t, target)
	require.Equal(t, 2, wire.Calls-before)
	s.Do(t, "XDEL", "s", strconv.FormatInt(ms-92_000, 10)+"-1")
	for _, row := range document(t, target)["groups"].([]any) {
		if g := row.(map[string]any); g["name"] == "g" {
			require.Equal(t, 5.0, g["lag"], "an undelivered entry was deleted")
			require.Equal(t, true, g["lag_counted"])
		}
	}
	s.Do(t, "DEL", "s")
	s.Do(t, "RPUSH", "s", "x")
	_, err := metrictest.OfKey(t, Get, target, "s")
	require.EqualError(t, err, `the key "s" is of type list and no stream`)
}

// TestALagOfNothingBehindTheLastEntry is none: who made the group gave more entries read
// than there were, which the server takes down to all of them (8.2, 8.6).
func TestALagOfNothingBehindTheLastEntry(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis-8.0", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, name).Bin})
			for _, id := range []string{"1-0", "2-0", "3-0", "4-0"} {
				s.Do(t, "XADD", "s", id, "f", "v")
			}
			s.Do(t, "XGROUP", "CREATE", "s", "g", "2-0", "ENTRIESREAD", "99")
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			g := document(t, target)["groups"].([]any)[0].(map[string]any)
			require.Equal(t, []any{2.0, true}, []any{g["lag"], g["lag_counted"]})
		})
	}
}
