package jobs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/redisclient/resp"
)

// TestWhatIsAbsent of what an item key names, and what may be there.
func TestWhatIsAbsent(t *testing.T) {
	t.Parallel()
	with := func(system string, change func(r *reading)) *reading {
		r := readingOf(t, system)
		r.named, r.Marked = true, r.spec.Markers != nil
		change(r)
		r.missAbsent()
		return r
	}
	nothing := func(r *reading) { r.Set(figWaiting, 0); r.Set(figQueueCount, 0) }
	for name, change := range map[string]func(r *reading){
		"exists": func(r *reading) { r.Exists = true }, "found": func(r *reading) { r.found = true }, "doubt": func(r *reading) { r.doubt = true },
		"all": func(r *reading) { r.named = false },
	} {
		r := with("sidekiq", func(r *reading) { nothing(r); change(r) })
		want(t, &r.figures, figWaiting, 0)
		require.Empty(t, r.Problems, name)
	}
	r := with("sidekiq", nothing)
	for _, f := range []figure{figWaiting, figWorkersAlive, figLatency, figQueueCount} {
		wantUnknown(t, &r.figures, f, `there is no key of sidekiq under the prefix ""`)
	}
	wantNothing(t, &r.figures, figCompleted, figOrphaned, figDeferred, figAdded)
	r = with("bullmq", nothing)
	wantUnknown(t, &r.figures, figWaiting, `no queue of bullmq was found under the prefix "bull"`)
	for _, change := range []func(r *reading){
		func(r *reading) { r.Queues = []*queue{{}} }, func(r *reading) { r.Truncated = 1 }, func(r *reading) { r.only = "a" },
	} {
		r = with("bullmq", func(r *reading) { nothing(r); change(r) })
		want(t, &r.figures, figWaiting, 0)
	}
	r = with("plain", nothing) // does not know better
	want(t, &r.figures, figWaiting, 0)

	queue1 := func(change func(r *reading, q *queue)) *queue {
		return with("sidekiq", func(r *reading) {
			q := &queue{Name: "a"}
			q.Set(figWaiting, 0)
			q.Set(figAdded, 0)
			r.only, r.Queues, r.Exists, r.hasList = "a", []*queue{q}, true, true
			change(r, q)
		}).Queues[0]
	}
	q := queue1(func(*reading, *queue) {})
	for _, f := range []figure{figWaiting, figAdded, figStuck, figLatency, figPaused} {
		wantUnknown(t, &q.figures, f, "there is no such queue in the list of queues")
	}
	wantNothing(t, &q.figures, figFailed, figDeferred)
	for name, change := range map[string]func(r *reading, q *queue){
		"listed": func(_ *reading, q *queue) { q.Listed = true }, "exists": func(_ *reading, q *queue) { q.Exists = true },
		"configured": func(r *reading, _ *queue) { r.extra = []string{"a"} }, "no list": func(r *reading, _ *queue) { r.hasList = false },
		"used":            func(_ *reading, q *queue) { q.Set(figActive, 1) },
		"used and paused": func(_ *reading, q *queue) { q.Set(figActive, 1); q.Set(figPaused, 1) },
	} {
		q = queue1(change)
		require.Empty(t, q.Problems, name)
	}
	for _, f := range []figure{figPaused, figSchedulersAlive} { // are of the system, or of what was
		q = queue1(func(_ *reading, q *queue) { q.Set(f, 1) })
		wantUnknown(t, &q.figures, figWaiting, "there is no such queue in the list of queues")
	}
	q = with("bullmq", func(r *reading) { r.only, r.Queues = "a", []*queue{{Name: "a"}} }).Queues[0]
	wantUnknown(t, &q.figures, figWaiting, "there is no such queue: none of its keys exists")
	q = with("sidekiq", func(r *reading) { r.Queues, r.Exists, r.hasList = []*queue{{Name: "a"}}, true, true }).Queues[0]
	require.Empty(t, q.Problems, "no queue was named")
}

// TestTheDocumentSaysWhatIsLeftOut, and why.
func TestTheDocumentSaysWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	s := seeded(t, "SADD queues a", "SADD queues "+strings.Repeat("q", 300))
	d := dial(t, s, "", 0)
	target := metrictest.NewTarget(d)
	d.at = fieldAt
	doc := askJobs(t, get, target)
	require.Equal(t, "1 names have no row among the queues: 1 longer than 255 bytes", doc["systems"].([]any)[0].(map[string]any)["unavailable"].(map[string]any)["names"])
	require.NotContains(t, doc["discovery"], "masters")

	s.Do(t, "SREM", "queues", strings.Repeat("q", 300))
	doc = askJobs(t, get, target)
	require.NotContains(t, doc["systems"].([]any)[0].(map[string]any)["unavailable"], "names")

	s.Do(t, "ACL", "SETUSER", "noscan", "on", "nopass", "~*", "+@all", "-scan")
	poor := dial(t, s, "noscan", 0)
	poor.at = fieldAt
	doc = askJobs(t, get, metrictest.NewTarget(poor))
	require.Contains(t, doc["unavailable"].(map[string]any)["search"], "NOPERM")
	require.NotContains(t, doc["discovery"], "as_of")
	require.Equal(t, 0.0, doc["discovery"].(map[string]any)["complete"])
}

func TestRepliesThatTellASize(t *testing.T) {
	t.Parallel()
	require.Equal(t, 9, size(resp.Value{Kind: resp.TooLarge, Int: 9, Str: []byte("x")}))
	require.Equal(t, 5, size(resp.Value{Kind: resp.Array, Elems: []resp.Value{bulkOf("ab"), arrayOf("c", "de")}}))
	require.Zero(t, size(resp.Value{Kind: resp.Integer, Int: 9}))
}
