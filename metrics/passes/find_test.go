package passes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// searching is a target whose keys are looked for; what would be done in the
// background waits for work.
type searching struct {
	t     testing.TB
	env   item.Env
	on    *item.Target
	works []func(ctx context.Context)
}

func newSearching(t testing.TB, target *item.Target) *searching {
	s := &searching{t: t, on: target}
	s.env = item.Env{Keyspace: testOptions, Background: func(work func(ctx context.Context), _ func(err error)) {
		s.works = append(s.works, work)
	}}
	return s
}

func (s *searching) find(want Want) *Finding {
	s.t.Helper()
	f, problem, err := Find(context.Background(), &item.Request{Target: s.on, Env: &s.env}, want)
	require.NoError(s.t, problem)
	require.NoError(s.t, err)
	return f
}

func (s *searching) work() {
	for len(s.works) > 0 {
		work := s.works[0]
		s.works = s.works[1:]
		work(context.Background())
	}
}

// pass asks, lets the background work and asks again.
func (s *searching) pass(want Want) *Finding {
	s.t.Helper()
	s.find(want)
	require.Len(s.t, s.works, 1)
	s.work()
	return s.find(want)
}

func (f *Finding) document(t testing.TB) map[string]any {
	w := jsondoc.New(0)
	var cut ask.Truncations
	w.BeginObject()
	f.Write(w, &cut)
	cut.Write(w)
	ask.Unavailable(w, f.Missing("keys")...)
	w.EndObject()
	return metrictest.Decode(t, w.Document())
}

func (f *Finding) names() (out []string) {
	for _, k := range f.Keys {
		out = append(out, k.Name)
	}
	return out
}

func groupsOf(key string) redisclient.Command { return redisclient.Command{"XINFO", "STREAM", key} }

func readGroups(v resp.Value) (int64, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return 0, err
	}
	n, _ := ask.FieldOf(pairs, "groups")
	return n.Int64()
}

// TestWhatIsFoundOnEveryServer: keys by one and by several patterns, and streams, also where SCAN knows no types.
func TestWhatIsFoundOnEveryServer(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "EVAL", "for i=1,3000 do redis.call('SET','k:'..i,'x') end for i=1,5 do redis.call('RPUSH','queue:'..i,'x') end", "0")
			for i := range 3 {
				s.Do(t, "XADD", fmt.Sprint("s:", i), "*", "f", "v")
			}
			s.Do(t, "XGROUP", "CREATE", "s:1", "g", "0")
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			run := newSearching(t, target)
			found := run.pass(Want{Pattern: "queue:*", Budget: 1_000_000})
			require.Equal(t, []string{"queue:1", "queue:2", "queue:3", "queue:4", "queue:5"}, found.names())
			doc := found.document(t)
			require.Equal(t, []any{true, 3008.0, 3008.0, 5.0, false}, []any{doc["complete"], doc["scanned"], doc["dbsize"], doc["count"], doc["partial"]})
			require.Empty(t, doc["unavailable"])
			require.Empty(t, doc["truncated"])
			require.Less(t, wire.Calls, 40, "slices of names are large")

			found = run.pass(Want{Pattern: "queue:[12] s:?", Budget: 1_000_000})
			require.Equal(t, []string{"queue:1", "queue:2", "s:0", "s:1", "s:2"}, found.names())
			found = run.pass(Want{Pattern: "*", Type: "stream", Budget: 1_000_000, Learn: groupsOf, Read: readGroups})
			require.Equal(t, []string{"s:0", "s:1", "s:2"}, found.names())
			require.Equal(t, []int64{0, 1, 0}, []int64{found.Keys[0].Learned, found.Keys[1].Learned, found.Keys[2].Learned})
			require.Greater(t, found.Keys[0].Bytes, 100)
			require.Equal(t, 3.0, found.document(t)["count"])
			require.NotContains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_keys")
			if f.Name != "redis-5.0" {
				require.NotContains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_type:", "SCAN itself looks at the type")
			}
		})
	}
}

// TestASearchKeepsToItsBudget: it says that it has not looked at all keys, and finds nearly the same ones the next time.
func TestASearchKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "EVAL", "for i=1,20000 do redis.call('SET','k:'..i,'x') end", "0")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	run := newSearching(t, target)
	want := Want{Pattern: "k:*", Budget: 5000}
	found := run.pass(want)
	doc := found.document(t)
	require.Equal(t, false, doc["complete"])
	require.InDelta(t, 5000, doc["scanned"], 1000)
	require.Equal(t, 20000.0, doc["dbsize"])
	require.InDelta(t, 5000, doc["count"], 2000)
	require.Len(t, found.Keys, maxFound)
	require.Equal(t, doc["count"].(float64)-maxFound, metrictest.Section(t, doc, "truncated")["keys"])
	again := *target
	again.Memory = &item.Memory{}
	same := 0
	for _, name := range newSearching(t, &again).pass(want).names() {
		same += ask.Number(slices.Contains(found.names(), name))
	}
	require.Greater(t, same, maxFound*8/10, "items do not come and go")
}

// TestOnePassServesAllPolls: until the next one is due nothing is asked, whoever asks.
func TestOnePassServesAllPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			firstScan: noKeys, "SCAN 0 MATCH k COUNT 16": "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n", "DBSIZE": ":1\r\n",
			"INFO": metrictest.Bulk("# Server\r\nrun_id:a\r\n"), "TIME": "*2\r\n:1\r\n:1\r\n",
		}}
		run := newSearching(t, metrictest.NewTarget(d))
		want := Want{Pattern: "k", Budget: 1000}
		first := run.find(want)
		require.False(t, first.Known())
		require.Contains(t, metrictest.Section(t, first.document(t), "unavailable")["keys"], "first pass")
		require.NotContains(t, first.document(t), "count", "unknown is not zero")
		run.work()
		calls := d.Calls
		for range 100 {
			require.Equal(t, []string{"k"}, run.find(want).names())
			time.Sleep(findInterval / 200)
		}
		require.Equal(t, calls, d.Calls)
		require.Empty(t, run.works)
		time.Sleep(findInterval / 2)
		require.Equal(t, []string{"k"}, run.find(want).names(), "what was found is shown while the next pass is under way")
		require.Len(t, run.works, 1)
		// It cannot go on: what it found before stands, and why.
		d.Replies["SCAN 0 MATCH k COUNT 16"] = "-NOPERM no\r\n"
		run.work()
		found := run.find(want)
		require.Equal(t, []string{"k"}, found.names())
		require.Equal(t, map[string]any{"pass": "SCAN: NOPERM no"}, found.document(t)["unavailable"])
	})
}

func TestSearchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{firstScan: noKeys}}
		run := newSearching(t, metrictest.NewTarget(d))
		want := func(i int) Want { return Want{Pattern: fmt.Sprint("k", i), Budget: 1000} }
		for i := range maxSearches {
			run.find(want(i))
			time.Sleep(time.Second)
		}
		_, problem, err := Find(t.Context(), &item.Request{Target: run.on, Env: &run.env}, want(100))
		require.NoError(t, err)
		require.ErrorContains(t, problem, "32 patterns of keys are looked for on this server already")
		time.Sleep(unasked - 10*time.Second)
		run.find(want(0)) // somebody asks about it
		time.Sleep(time.Minute)
		run.find(want(100))
		all := searchesOf(run.on)
		require.Len(t, all.states, maxSearches)
		name := func(i int) string { w := want(i); return w.memory() }
		require.Contains(t, all.states, name(0))
		require.NotContains(t, all.states, name(1), "nobody has asked about it for the longest time")
	})
}

func TestFoundKeysAreBoundedAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	lists := make([]*found, 2)
	for i := range lists {
		lists[i] = newFound(&Want{Pattern: "*"}, 1000, true)
	}
	for i := range 5000 {
		n := i
		for j, f := range lists {
			if j == 1 {
				n = 4999 - i
			}
			f.take(keyFigures{key: fmt.Sprintf("k%04d", n)}, &refusals{})
		}
	}
	require.Equal(t, lists[0].keys, lists[1].keys)
	require.Len(t, lists[0].keys, maxFound)
	require.Equal(t, "k0999", lists[0].keys[maxFound-1].Name)
	require.EqualValues(t, 5000, lists[0].matched)
	lists[0].take(keyFigures{key: "k0000"}, &refusals{})
	require.EqualValues(t, 5000, lists[0].matched, "SCAN gave it twice")

	f := newFound(&Want{Pattern: "*"}, 1000, true)
	for i := range 5000 {
		f.take(keyFigures{key: fmt.Sprintf("%05d%s", i, strings.Repeat("x", maxFoundName-5))}, &refusals{})
		require.LessOrEqual(t, f.bytes, maxFoundBytes)
	}
	require.Len(t, f.keys, maxFoundBytes/maxFoundName)
	for _, odd := range []string{"a\xffb", "a\nb", strings.Repeat("x", maxFoundName+1), "\u202e"} {
		require.False(t, f.take(keyFigures{key: odd}, &refusals{}))
	}
	require.EqualValues(t, 4, f.unlisted)
	require.False(t, f.take(keyFigures{key: "zzz"}, &refusals{}))
	total := newFound(&Want{Pattern: "*"}, 1000, true)
	lists[0].end(5000, true)
	lists[1].end(-1, true)
	total.merge(lists[0], 0)
	total.merge(lists[1], 1)
	require.Equal(t, lists[0].keys, total.keys, "a key that is on its way to another node stands once")
	require.True(t, total.dbUnknown)
}

// FuzzSearch gives any replies to the slices of a search, and shows what it has found.
func FuzzSearch(f *testing.F) {
	f.Add("*2\r\n:5\r\n:1\r\n*2\r\n$1\r\n0\r\n*2\r\n$1\r\nk\r\n$1\r\na\r\n:2\r\n")
	f.Add("*2\r\n$1\r\n5\r\n*1\r\n$1\r\na\r\n+stream\r\n*2\r\n+groups\r\n:3\r\n-NOPERM no\r\n")
	f.Add("-ERR syntax error\r\n*2\r\n$1\r\n0\r\n*1\r\n$3\r\na\xffb\r\n")
	f.Fuzz(func(t *testing.T, wire string) {
		reader := resp.NewReader(strings.NewReader(wire), resp.Limits{MaxElements: 1000})
		var last resp.Value
		for _, byType := range []bool{true, false} {
			want := Want{Pattern: "a* b", Type: "stream", Budget: 1000, Learn: groupsOf, Read: readGroups}
			target := metrictest.NewTarget(nil)
			p := newPass(target, purpose{want: &want}, time.Now())
			p.scansByType = byType
			src := &source{target: target}
			p.sources = []*source{src}
			src.begin(p)
			for range 5 {
				q := src.question(p.options, &p.refused)
				values := make([]resp.Value, len(q.cmds))
				for i := range values {
					if v, err := reader.ReadReply(); err == nil {
						last = v
					}
					values[i] = last
				}
				_, _ = q.take(src, values, &p.refused)
			}
			s := &state{last: p.result(time.Now())}
			found := s.finding()
			found.document(t)
			for _, k := range found.Keys {
				require.True(t, Listable(k.Name))
			}
			owners, keys := found.Owners(target, found.Keys)
			require.Len(t, keys, len(owners))
		}
	})
}
