package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

func momentOf(at, waiting float64) moment { return moment{at: at, waiting: waiting, hasWaiting: true} }

// TestRatesBetweenMoments: the counter of jobs taken comes first, then that of jobs
// added; of one that was reset there is none.
func TestRatesBetweenMoments(t *testing.T) {
	t.Parallel()
	counters := func(m moment, done, more float64) moment {
		m.done, m.hasDone, m.more, m.hasMore = done, done >= 0, more, more >= 0
		return m
	}
	uncounted := func(m moment, seconds float64) moment {
		m.uncounted = seconds
		return m
	}
	for _, tt := range []struct {
		name                   string
		a, b                   moment
		growth, arrival, drain float64 // negative rates: not known
	}{
		{"no counter", momentOf(100, 10), momentOf(120, 30), 1, -1, -1},
		{"taken", counters(momentOf(100, 10), 50, -1), counters(momentOf(120, 30), 90, -1), 1, 3, 2},
		{"nothing taken", counters(momentOf(100, 10), 50, -1), counters(momentOf(120, 30), 50, -1), 1, 1, 0},
		{"taken, and jobs went otherwise", counters(momentOf(100, 90), 50, -1), counters(momentOf(120, 10), 70, -1), -4, 0, 1},
		{"added", counters(momentOf(100, 10), -1, 50), counters(momentOf(120, 30), -1, 90), 1, 2, 1},
		{"nothing added", counters(momentOf(100, 30), -1, 50), counters(momentOf(120, 10), -1, 50), -1, 0, 1},
		{"added, and jobs came otherwise", counters(momentOf(100, 10), -1, 50), counters(momentOf(120, 90), -1, 70), 4, 1, 0},
		{"both", counters(momentOf(100, 10), 50, 7), counters(momentOf(120, 30), 90, 900), 1, 3, 2},
		{"one was reset", counters(momentOf(100, 10), 50, 50), counters(momentOf(120, 30), 0, 90), 1, 2, 1},
		{"both were reset", counters(momentOf(100, 10), 50, 50), counters(momentOf(120, 30), 0, 0), 1, -1, -1},
		{"known at the end", momentOf(100, 10), counters(momentOf(120, 30), 90, 90), 1, -1, -1},
		{"known at the beginning", counters(momentOf(100, 10), 0, 0), momentOf(120, 30), 1, -1, -1},
		{"counted before", uncounted(counters(momentOf(100, 30), 50, -1), 2), uncounted(counters(momentOf(120, 10), 62, -1), 10), -1, 0, 1},
		{"counted since", uncounted(counters(momentOf(100, 30), 50, -1), 10), uncounted(counters(momentOf(120, 10), 80, -1), 0), -1, 0, 1},
		{"counted too seldom", uncounted(counters(momentOf(100, 30), 50, -1), 1), uncounted(counters(momentOf(120, 10), 80, -1), 12), -1, -1, -1},
	} {
		got := ratesBetween(tt.a, tt.b)
		want(t, &got, figGrowth, tt.growth)
		for f, rate := range map[figure]float64{figArrival: tt.arrival, figDrain: tt.drain} {
			if rate < 0 {
				wantNothing(t, &got, f)
			} else {
				want(t, &got, f, rate)
			}
		}
	}
	for _, pair := range [][2]moment{{{at: 100}, momentOf(120, 3)}, {momentOf(100, 3), {at: 120}}} {
		got := ratesBetween(pair[0], pair[1])
		wantNothing(t, &got, figGrowth)
	}
}

// TestObservedMoments: rates are made of half a minute at least, and stand until the
// next ones; a clock that goes back begins anew.
func TestObservedMoments(t *testing.T) {
	t.Parallel()
	s := stateOf(&item.Memory{})
	key := sampleKey{queue: "a"}
	see := func(m moment) *figures {
		var f figures
		s.observe(key, s.sampleOf(key), m, &f)
		return &f
	}
	wantNothing(t, see(momentOf(100, 50)), figGrowth, figTimeToEmpty)
	wantNothing(t, see(momentOf(129.9, 20)), figGrowth)
	f := see(momentOf(130, 20))
	want(t, f, figGrowth, -1)
	want(t, f, figTimeToEmpty, 20)
	f = see(momentOf(145, 90))
	want(t, f, figGrowth, -1)
	want(t, f, figTimeToEmpty, 90)
	f = see(momentOf(160, 20))
	want(t, f, figGrowth, 0)
	wantNothing(t, f, figTimeToEmpty) // it does not shrink
	f = see(momentOf(190, 0))
	want(t, f, figTimeToEmpty, 0)
	f = see(moment{at: 191})
	want(t, f, figGrowth, -2./3)
	wantNothing(t, f, figTimeToEmpty)
	f = see(momentOf(90, 10)) // the clock went back
	wantNothing(t, f, figGrowth)
	want(t, see(momentOf(120, 40)), figGrowth, 1)

	// When the oldest job was first seen at the head.
	head := func(at float64, head string) float64 {
		s.observe(sampleKey{queue: "b"}, s.sampleOf(sampleKey{queue: "b"}), moment{at: at, head: head}, &figures{})
		return s.sampleOf(sampleKey{queue: "b"}).headAt
	}
	require.EqualValues(t, 100, head(100, "x"))
	require.EqualValues(t, 100, head(110, "x"))
	require.EqualValues(t, 120, head(120, "y"))
	require.EqualValues(t, 120, head(130, "y"))
	require.EqualValues(t, 50, head(50, "y"), "not later than now")

	// As many queues as are remembered, and then none of them.
	s = stateOf(&item.Memory{})
	for i := range maxSamples {
		s.observe(sampleKey{queue: fmt.Sprint(i)}, s.sampleOf(sampleKey{queue: fmt.Sprint(i)}), momentOf(1, 1), &figures{})
	}
	require.Len(t, s.samples, maxSamples)
	s.observe(sampleKey{queue: "0"}, s.sampleOf(sampleKey{queue: "0"}), momentOf(2, 1), &figures{})
	require.Len(t, s.samples, maxSamples)
	s.observe(sampleKey{queue: "more"}, s.sampleOf(sampleKey{queue: "more"}), momentOf(2, 1), &figures{})
	require.Len(t, s.samples, 1)
}

// TestWhenJobsWaitForNothing: what shows that one was taken, and what does not.
func TestWhenJobsWaitForNothing(t *testing.T) {
	t.Parallel()
	base := moment{at: 100, waiting: 5, hasWaiting: true, head: "x", done: 7, hasDone: true}
	for name, tt := range map[string]struct {
		next    func(m *moment)
		unsure  bool
		stalled float64
		known   bool
	}{
		"nothing moves":         {func(*moment) {}, false, 60, true},
		"more wait":             {func(m *moment) { m.waiting = 9 }, false, 60, true},
		"fewer wait":            {func(m *moment) { m.waiting = 4 }, false, 0, true},
		"one was taken":         {func(m *moment) { m.done = 8 }, false, 0, true},
		"the counter was reset": {func(m *moment) { m.done = 0 }, false, 0, true},
		"the counter is gone":   {func(m *moment) { m.done, m.hasDone = 0, false }, false, 60, true},
		"another head":          {func(m *moment) { m.head = "y" }, false, 0, true},
		"the head repeats":      {func(*moment) {}, true, 0, true},
		"none waits":            {func(m *moment) { m.waiting = 0 }, false, 0, true},
		"it is not known":       {func(m *moment) { m.hasWaiting = false }, false, 0, false},
		"no head, a counter":    {func(m *moment) { m.head = "" }, false, 0, true},
		"neither":               {func(m *moment) { m.head, m.hasDone = "", false }, false, 0, false},
	} {
		s := stateOf(&item.Memory{})
		key := sampleKey{queue: "a"}
		stalled, known := s.sampleOf(key).stalled(base, false)
		require.True(t, known)
		require.Zero(t, stalled)
		s.observe(key, s.sampleOf(key), base, &figures{})
		next := base
		next.at = 160
		tt.next(&next)
		stalled, known = s.sampleOf(key).stalled(next, tt.unsure)
		require.Equal(t, tt.known, known, name)
		require.Equal(t, tt.stalled, stalled, name)
	}
	// Jobs that came to an empty queue wait since then.
	s := stateOf(&item.Memory{})
	key := sampleKey{queue: "a"}
	step := func(at, waiting float64) float64 {
		m := moment{at: at, waiting: waiting, hasWaiting: true, head: "x"}
		stalled, known := s.sampleOf(key).stalled(m, false)
		require.True(t, known)
		s.observe(key, s.sampleOf(key), m, &figures{})
		return stalled
	}
	for _, tt := range [][3]float64{{100, 0, 0}, {110, 1, 0}, {150, 1, 40}, {160, 0, 0}, {170, 1, 0}, {175, 1, 5}, {90, 1, 0}, {100, 1, 10}} {
		require.Equal(t, tt[2], step(tt[0], tt[1]), "at %v", tt[0])
	}
	require.False(t, s.sampleOf(sampleKey{queue: "new"}).moved(base))
}

// TestJobsThatAreOnlySeen to wait: their age is the time since they were first seen
// at the head, where no other job of the queue tells a greater one.
func TestJobsThatAreOnlySeen(t *testing.T) {
	t.Parallel()
	p := pollAt(1000)
	sight := func(q *queue, seen *moment) *figures {
		s := stateOf(&item.Memory{})
		if seen != nil {
			s.observe(sampleKey{instance{"bull", "bull"}, q.Name}, s.sampleOf(sampleKey{instance{"bull", "bull"}, q.Name}), *seen, &figures{})
		}
		r := readingOf(t, "bull")
		r.Queues = []*queue{q}
		s.sight(p, r)
		return &q.figures
	}
	seen := &moment{at: 900, head: "x"}
	known := func(age float64) *queue {
		q := &queue{Name: "a", Head: "x", FirstSeen: true}
		q.Set(figLatency, age)
		return q
	}
	want(t, sight(known(0), seen), figLatency, 100)
	want(t, sight(known(500), seen), figLatency, 500)
	other := known(30)
	other.Head = "y"
	want(t, sight(other, seen), figLatency, 30)
	wantUnknown(t, sight(known(30), nil), figLatency, "not seen yet when it was put back")
	told := known(30)
	told.FirstSeen = false
	want(t, sight(told, seen), figLatency, 30)
	want(t, sight(&queue{Name: "a", Head: "y", FirstSeen: true}, seen), figLatency, 0)
}

// TestWhatHoldsAQueueBack is said of it before what others do.
func TestWhatHoldsAQueueBack(t *testing.T) {
	t.Parallel()
	free, busy := worker{Alive: true, Busy: 1, Slots: 2}, worker{Alive: true, Busy: 2, Slots: 2}
	mute, dead, quiet := worker{Alive: true, Busy: -1, Slots: -1}, worker{Busy: 0, Slots: 9}, worker{Alive: true, Quiet: true, Slots: 9}
	elsewhere := worker{Alive: true, Busy: 0, Slots: 9, Queues: []string{"b"}}
	own, shared := worker{Alive: true, Busy: -1, Slots: -1, Queues: []string{"a"}}, worker{Alive: true, Busy: 1, Slots: -1, Queues: []string{"a", "b"}}
	idle := worker{Alive: true, Busy: 0, Slots: -1, Queues: []string{"a", "b"}}
	const unknown = -1
	for name, tt := range map[string]struct {
		paused, limited, active, orphaned float64
		orphans                           float64
		cut                               int
		workers                           []worker
		want                              hold
	}{
		"paused":                    {1, 5, 5, 0, 0, 0, []worker{busy}, heldByPause},
		"limited":                   {0, 5, 5, 0, 0, 0, []worker{busy}, heldByLimit},
		"its own jobs run":          {0, 0, 2, 1, 0, 0, []worker{free}, heldByWork},
		"those are of dead workers": {0, 0, 2, 2, 0, 0, []worker{free}, heldByNothing},
		"those are of dead workers, as is known of the jobs": {0, 0, 2, 0, 2, 0, []worker{free}, heldByNothing},
		"one of them is not":                      {0, 0, 2, 1, 1, 0, []worker{free}, heldByWork},
		"a slot is free":                          {0, 0, 0, 0, 0, 0, []worker{busy, free}, heldByNothing},
		"all are taken":                           {0, 0, 0, 0, 0, 0, []worker{busy, busy}, heldByWork},
		"the free are not for it":                 {0, 0, 0, 0, 0, 0, []worker{busy, elsewhere}, heldByWork},
		"nobody serves it":                        {0, 0, 0, 0, 0, 0, []worker{elsewhere}, heldByNothing},
		"the free are dead or quiet":              {0, 0, 0, 0, 0, 0, []worker{busy, dead, quiet}, heldByWork},
		"the dead come first":                     {0, 0, 0, 0, 0, 0, []worker{dead, quiet, busy}, heldByWork},
		"a capsule of others is first":            {0, 0, 0, 0, 0, 0, []worker{{Alive: true, Capsules: []capsule{{[]string{"b"}, 0, 1}, {[]string{"a"}, 1, 1}}}}, heldByWork},
		"one does not tell":                       {0, 0, 0, 0, 0, 0, []worker{busy, mute}, heldUnknown},
		"one does not tell, beside a free one":    {0, 0, 0, 0, 0, 0, []worker{free, mute}, heldByNothing},
		"one does not tell, and serves no other":  {0, 0, 0, 0, 0, 0, []worker{busy, own}, heldByNothing},
		"one serves others as well":               {0, 0, 0, 0, 0, 0, []worker{shared}, heldUnknown},
		"one does not tell, and runs nothing":     {0, 0, 0, 0, 0, 0, []worker{idle}, heldByNothing},
		"one does not tell, nor jobs":             {0, 0, unknown, 0, 0, 0, []worker{busy, mute}, heldUnknown},
		"jobs are not known":                      {0, 0, unknown, 0, 0, 0, []worker{free}, heldByNothing},
		"jobs are not known, and not all workers": {0, 0, unknown, 0, 0, 1, []worker{free}, heldUnknown},
		"all that were read are busy":             {0, 0, 0, 0, 0, 1, []worker{busy}, heldUnknown},
		"none of those that were read serves it":  {0, 0, 0, 0, 0, 1, []worker{elsewhere}, heldUnknown},
		"one of those that were read is free":     {0, 0, 0, 0, 0, 1, []worker{busy, free}, heldByNothing},
		"jobs are not known, nor any worker":      {0, 0, unknown, 0, 0, 0, nil, heldUnknown},
	} {
		r := readingOf(t, "asynq")
		r.Workers, r.CutWorkers = tt.workers, tt.cut
		q := &queue{Name: "a", Orphans: tt.orphans}
		for f, value := range map[figure]float64{figPaused: tt.paused, figRateLimited: tt.limited, figActive: tt.active, figOrphaned: tt.orphaned} {
			if value != unknown {
				q.Set(f, value)
			}
		}
		require.Equal(t, tt.want, r.holds(q), name)
	}
	for _, tt := range []struct {
		queues []string
		want   bool
	}{{nil, true}, {[]string{}, false}, {[]string{"b", "a"}, true}, {[]string{"b"}, false}, {[]string{"x*"}, true}} {
		require.Equal(t, tt.want, (&capsule{Queues: tt.queues}).mayServe("a"), "%q", tt.queues)
	}
}

// TestStuckAndSaturated after a minute, and not before.
func TestStuckAndSaturated(t *testing.T) {
	t.Parallel()
	const none = -1
	for name, tt := range map[string]struct {
		stalled, freeFor, alive float64
		why                     hold
		stuck, saturated        float64
	}{
		"a minute":              {60, 60, 1, heldByNothing, 1, 0},
		"less":                  {59.9, 60, 1, heldByNothing, 0, 0},
		"free for less":         {60, 59.9, 1, heldByNothing, 0, 0},
		"nobody lives":          {60, 60, 0, heldByNothing, 0, 0},
		"busy":                  {60, 60, 1, heldByWork, 0, 1},
		"busy for less":         {59.9, 60, 1, heldByWork, 0, 0},
		"paused":                {60, 60, 1, heldByPause, 0, 0},
		"unknown":               {60, 60, 1, heldUnknown, none, none},
		"unknown, for less":     {59.9, 60, 1, heldUnknown, 0, none},
		"unknown, nobody lives": {60, 60, 0, heldUnknown, 0, none},
		"workers unknown":       {60, 60, none, heldByNothing, none, 0},
		"and waiting for less":  {59.9, 60, none, heldByNothing, 0, 0},
	} {
		r, q := readingOf(t, "asynq"), &queue{}
		if tt.alive != none {
			r.Set(figWorkersAlive, tt.alive)
		}
		r.judge(q, tt.stalled, tt.freeFor, tt.why)
		for f, value := range map[figure]float64{figStuck: tt.stuck, figSaturated: tt.saturated} {
			got, ok := q.Get(f)
			require.Equal(t, value != none, ok, "%s: %s", name, f)
			require.Equal(t, max(0, value), got, "%s: %s", name, f)
		}
		require.Equal(t, name == "unknown" || name == "workers unknown", q.missed(figStuck), name)
	}
	counted := func(stalled float64, listeners int, err error) *figures {
		r, q := readingOf(t, "celery"), &queue{}
		r.counted, r.listeners, r.listenersErr = true, listeners, err
		r.judge(q, stalled, stalled, heldByNothing)
		return &q.figures
	}
	want(t, counted(59.9, 0, errAsked), figStuck, 0)
	want(t, counted(60, 0, nil), figStuck, 1)
	wantUnknown(t, counted(60, 1, nil), figStuck, "workers are connected")
	wantUnknown(t, counted(60, 0, errAsked), figStuck, "it is not known whether workers live: it was refused")
	for listeners, stuck := range []float64{1, 0} { // what runs is nobody's, or keeps its worker busy
		r, q := readingOf(t, "celery"), &queue{}
		r.counted, r.listeners = true, listeners
		q.Set(figActive, 1)
		r.judge(q, 60, 60, r.holds(q))
		want(t, &q.figures, figStuck, stuck)
		want(t, &q.figures, figSaturated, 1-stuck)
	}
}

// TestCapsules of a process of Sidekiq: jobs are counted where they may run, first
// in those that serve the fewest queues.
func TestCapsules(t *testing.T) {
	t.Parallel()
	fill := func(queues ...string) []float64 {
		capsules := []capsule{{[]string{"a", "b", "c"}, 0, 2}, {[]string{"a"}, 0, 1}, {[]string{"b", "a"}, 0, 1}}
		w := &worker{Capsules: capsules, Slots: 4}
		w.fillCapsules(queues, true)
		require.Len(t, capsules[0].Queues, 1)
		require.Len(t, capsules[2].Queues, 3)
		return []float64{capsules[0].Busy, capsules[1].Busy, capsules[2].Busy}
	}
	require.Equal(t, []float64{0, 0, 0}, fill())
	require.Equal(t, []float64{1, 0, 0}, fill("a"))
	require.Equal(t, []float64{1, 1, 0}, fill("a", "a"))
	require.Equal(t, []float64{1, 1, 2}, fill("a", "a", "a", "a"))
	require.Equal(t, []float64{2, 1, 2}, fill("a", "a", "a", "a", "a"), "one is too many")
	require.Equal(t, []float64{0, 1, 1}, fill("b", "b"))
	require.Equal(t, []float64{0, 0, 1}, fill("c", "elsewhere"))

	info, err := parseSidekiqInfo([]byte(`{"queues":["a"],"capsules":{"x":{"concurrency":3,"weights":{"b":1,"a":0}},"y":{"concurrency":2,"weights":{"c":0}}}}`))
	require.NoError(t, err)
	require.EqualValues(t, 5, info.concurrency, "that of its capsules together")
	require.Equal(t, []string{"a"}, info.queues)
	require.ElementsMatch(t, []capsule{{[]string{"a", "b"}, 0, 3}, {[]string{"c"}, 0, 2}}, info.capsules)
	for _, odd := range []string{`{"concurrency":0,"weights":{"c":0}}`, `{"concurrency":-1,"weights":{"c":0}}`, `{"concurrency":2,"weights":{}}`, `{}`} {
		info, err = parseSidekiqInfo([]byte(`{"concurrency":7,"capsules":{"y":` + odd + `}}`))
		require.NoError(t, err)
		require.Nil(t, info.capsules, odd)
		require.EqualValues(t, 7, info.concurrency)
	}

	r := readingOf(t, "sidekiq")
	r.Workers = []worker{
		{Alive: true, Busy: 1, Slots: 4, Queues: []string{"a", "b"}}, {Alive: true, Busy: 2, Slots: 2, Queues: []string{"b", "a", "a"}},
		{Alive: true, Busy: 1, Slots: 3, Queues: []string{"c"}}, {Alive: true, Queues: []string{"d"}}, {Busy: 9, Slots: 1},
	}
	part, known := r.fullest()
	require.True(t, known)
	require.InDelta(t, 0.5, part, 1e-9, "workers of the same queues are one group")
}
