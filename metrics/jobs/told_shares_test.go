package jobs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// sentFor are the commands of a kind that reading a system sends.
func sentFor(t *testing.T, system, kind string, prepare func(r *reading), a answers) []string {
	t.Helper()
	var d *told
	readTold(t, system, func(p *poll, r *reading) {
		d = p.doer.(*told)
		prepare(r)
	}, a)
	return slices.DeleteFunc(d.sent, func(cmd string) bool { return !strings.HasPrefix(cmd, kind) })
}

// TestListsShareWhatIsRead: the more there are, the less is read of each.
func TestListsShareWhatIsRead(t *testing.T) {
	t.Parallel()
	names := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("n", i))
		}
		return out
	}
	for n, count := range map[int]string{0: "3000", 1: "1500", 199: "100"} {
		sent := sentFor(t, "celery", "SSCAN", func(r *reading) { r.Found = names(n) }, answers{})
		require.Equal(t, "SSCAN _kombu.binding.celery.pidbox 0 COUNT 10", sent[0])
		sent = sent[1:]
		require.Len(t, sent, n+1)
		for _, cmd := range sent {
			require.True(t, strings.HasSuffix(cmd, " COUNT "+count), cmd)
		}
	}
	for n, count := range map[int]string{1: "1000", 2: "500", 500: "10"} {
		sent := sentFor(t, "asynq", "SSCAN asynq:{", func(*reading) {}, answers{"SSCAN asynq:queues 0 COUNT 3000": one(scanOf("0", names(n)...))})
		require.Len(t, sent, n)
		for _, cmd := range sent {
			require.True(t, strings.HasSuffix(cmd, " COUNT "+count), cmd)
		}
	}
}

// TestQueuesOfCelery: what their names become, and which lists they have.
func TestQueuesOfCelery(t *testing.T) {
	t.Parallel()
	const bindings = "SSCAN _kombu.binding.celery 0 COUNT 3000"
	binding := func(name string) string { return name + "\x06\x16\x06\x16" + name }
	long := strings.Repeat("q", maxName)
	r := readTold(t, "celery", func(_ *poll, r *reading) { r.extra = []string{"own*"} }, answers{
		bindings: one(scanOf("0", binding("a"), "b::b", binding(long), binding(long+"q"), binding(long+"qqq"), "odd")),
		"LLEN a": one(intOf(1)), "LLEN a\x06\x163": one(intOf(2)), "LLEN a\x06\x169": one(intOf(4)), "LLEN a\x06\x1610": one(intOf(100)),
		"LLEN b:1": one(intOf(8)), "LLEN b": one(wrongType), "LLEN own*": one(intOf(5)), "LINDEX a -1": one(bulkOf("x")),
	})
	got := map[string]float64{}
	for _, q := range r.Queues {
		got[q.Name], _ = q.Get(figWaiting)
	}
	require.Equal(t, map[string]float64{"a": 7, "b": 0, long: 0, "own*": 5}, got)
	require.Equal(t, map[misname]int{nameLong: 1, nameForeign: 1}, r.Skipped, "one name is too long, and one member is no binding")
	wantUnknown(t, &r.Queues[1].figures, figWaiting, "LLEN: WRONGTYPE")
	require.Equal(t, 3, strings.Count(r.Queues[0].Head, " "), "one for each list in which jobs wait")

	r = readTold(t, "celery", nil, answers{"SCARD _kombu.binding.celery": one(intOf(9)), bindings: one(scanOf("7", binding("a")))})
	wantUnknown(t, &r.figures, figWaiting, "queues: there are 9 bindings, more than the 1 that are read")
	for _, searched := range []bool{true, false} {
		r = readTold(t, "celery", func(_ *poll, r *reading) { r.searched = searched }, answers{bindings: one(scanOf("0", binding("a")))})
		require.Equal(t, searched, r.hasList, "there may be exchanges that no search has seen")
	}
	r = readTold(t, "celery", func(_ *poll, r *reading) { r.searched = true }, answers{bindings: one(wrongType)})
	require.False(t, r.hasList)
	expired := sentFor(t, "celery", "ZCOUNT", func(*reading) {}, answers{})
	require.Equal(t, []string{fmt.Sprintf("ZCOUNT unacked_index -inf %d", fieldAt-3600)}, expired)
}

// TestPollsInTheSameMoment leave the rates as they are.
func TestPollsInTheSameMoment(t *testing.T) {
	t.Parallel()
	s := stateOf(&item.Memory{})
	key := sampleKey{queue: "a"}
	for _, at := range []float64{100, 130, 130} {
		var f figures
		s.observe(key, s.sampleOf(key), momentOf(at, at), &f)
		if at > 100 {
			want(t, &f, figGrowth, 1)
		}
	}
}

// TestHeartbeatsOfResque: one that is no time counts as none.
func TestHeartbeatsOfResque(t *testing.T) {
	t.Parallel()
	beats := parseResqueBeats(arrayOf("a", "2026-11-29T11:00:00Z", "b", "x", "c", "2026/11/29 11:00:01 UTC", "odd").Elems)
	require.Equal(t, map[string]float64{"a": 1795950000, "c": 1795950001}, beats)
	require.Empty(t, headHash(null))
	require.NotEmpty(t, headHash(bulkOf("")))
	require.NotEqual(t, headHash(bulkOf("a")), headHash(bulkOf("b")))
}

// TestWhatConcernsAllSystems is written once.
func TestWhatConcernsAllSystems(t *testing.T) {
	t.Parallel()
	write := func(r *result) string {
		var w jsondoc.Writer
		w.BeginObject()
		writeFound(&w, r, "")
		w.EndObject()
		return string(w.Bytes())
	}
	require.JSONEq(t, `{"discovery":{"complete":0,"scanned":0},"truncated":{},"unavailable":{}}`, write(&result{}))
	require.JSONEq(t, `{"discovery":{"complete":1,"scanned":7,"masters":1},"truncated":{"queues":5,"workers":3,"clues":1},
		"unavailable":{"search":"it was refused","rq/rq":"it was refused"}}`, write(&result{
		Systems: []*reading{{Truncated: 2, CutWorkers: 3}, {Truncated: 3}},
		Discovery: discovery{Complete: true, Scanned: 7, Masters: 1, Dropped: 1, Err: errAsked,
			Unmarked: map[instance]error{{"rq", "rq"}: errAsked}},
	}))
}

// TestAJobOfThisMoment has waited for no time, and that is known.
func TestAJobOfThisMoment(t *testing.T) {
	t.Parallel()
	for text, latency := range map[string]float64{"2026-11-29T11:00:00Z": 0, "2026-11-29T11:00:01Z": 0, "2026-11-29T10:59:59Z": 1} {
		q := readTold(t, "rq", nil, answers{"SSCAN rq:queues 0 COUNT 3000": one(scanOf("0", "rq:queue:a")),
			"LINDEX rq:queue:a 0": one(bulkOf("j")), "HGET rq:job:j enqueued_at": one(bulkOf(text))}).Queues[0]
		want(t, &q.figures, figLatency, latency)
		require.Equal(t, "j", q.Head)
	}
}
