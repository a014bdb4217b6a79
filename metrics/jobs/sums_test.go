package jobs

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

var errAsked = errors.New("it was refused")

// readingOf is one of a system, as a poll of everything makes it.
func readingOf(t testing.TB, system string) *reading {
	t.Helper()
	s, ok := lookup(system)
	require.True(t, ok)
	spec := s.Spec()
	return &reading{instance: instance{system, spec.DefaultPrefix}, spec: spec, share: &share{left: maxQueues, others: 1}}
}

// pollAt is a poll at that time of the server.
func pollAt(now float64) *poll {
	return &poll{now: now, hasNow: true, state: stateOf(&item.Memory{}), options: &item.JobsOptions{}}
}

func queuesOf(r *reading, f figure, values ...float64) {
	for i, v := range values {
		if i == len(r.Queues) {
			r.Queues = append(r.Queues, &queue{Name: fmt.Sprint("q", i)})
		}
		if v >= 0 {
			r.Queues[i].Set(f, v)
		}
	}
}

// TestFigures: unknown is unknown for good, and what is no number is unknown.
func TestFigures(t *testing.T) {
	t.Parallel()
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		var f figures
		f.Set(figWaiting, value)
		wantUnknown(t, &f, figWaiting, "it is no finite number")
	}
	var f figures
	f.Add(figWaiting, 2)
	f.Add(figWaiting, 3)
	want(t, &f, figWaiting, 5)
	f.Flag(figPaused, true)
	f.Flag(figStuck, false)
	f.Set(figQueuesStuck, 7)
	var names []string
	f.Each(func(name figure, value float64) { names = append(names, fmt.Sprint(name, value)) })
	require.Equal(t, []string{"waiting 5", "paused 1", "stuck 0", "queues_stuck 7"}, names)
	f.Miss(figWaiting, "first")
	f.Miss(figWaiting, "second")
	f.Set(figWaiting, 1)
	f.Add(figWaiting, 1)
	wantUnknown(t, &f, figWaiting, "first")
	require.Len(t, f.Problems, 1)
	value, _ := f.Get(figWaiting)
	require.Zero(t, value)
	f.Flag(figPaused, false)
	want(t, &f, figPaused, 0)
	for name := range figureCount {
		require.NotEmpty(t, name.String(), name)
	}
}

// TestRowsAreShared: a system leaves some rows to each that comes after it, and all
// of them together get no more than half.
func TestRowsAreShared(t *testing.T) {
	t.Parallel()
	s := &share{left: maxQueues, others: 3}
	require.Equal(t, maxQueues-2*reserved, s.take(5000))
	require.Equal(t, 20, s.take(20))
	require.Equal(t, 80, s.take(5000))
	require.Zero(t, s.take(1))
	require.Zero(t, s.left)
	s = &share{left: maxQueues, others: 1000}
	require.Equal(t, maxQueues/2, s.take(5000))
	require.Zero(t, s.take(5000), "the rest is for those after it")
	require.Equal(t, maxQueues/2, s.left)

	r := readingOf(t, "sidekiq")
	r.share.left, r.extra = 3, []string{"z", "b", ""}
	opened := r.Open([]string{"c", "b", "a", "b"})
	require.Len(t, opened, 3)
	for i, name := range []string{"a", "b", "c"} {
		require.Equal(t, name, opened[i].Name)
		require.True(t, opened[i].Listed)
	}
	require.Equal(t, map[misname]int{nameEmpty: 1}, r.Skipped)
	require.Equal(t, 1, r.Truncated)
	require.Len(t, r.Rest, 1)
	require.Equal(t, "z", r.Rest[0].Name)
	require.False(t, r.Rest[0].Listed)
	r = readingOf(t, "sidekiq")
	r.only, r.extra = "b", []string{"z"}
	require.Len(t, r.Open([]string{"a", "b"}), 1)
	require.True(t, r.Queues[0].Listed)
}

// TestListsThatAreReadInPart: what was not read is counted, unless one queue is
// asked for.
func TestListsThatAreReadInPart(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "sidekiq")
	r.OpenListed([]string{"a", "b"}, 2, nil)
	require.True(t, r.hasList)
	require.False(t, r.partList)
	require.Zero(t, r.Truncated+r.Unread)
	r = readingOf(t, "sidekiq")
	r.OpenListed([]string{"a", "b"}, 5, nil)
	require.True(t, r.hasList && r.partList)
	require.Equal(t, []int{3, 3}, []int{r.Truncated, r.Unread})
	r = readingOf(t, "sidekiq")
	r.only = "x"
	r.OpenListed([]string{"a", "b"}, 5, nil)
	require.True(t, r.hasList && r.partList)
	require.Zero(t, r.Truncated+r.Unread)
	require.Equal(t, "it is not among the 3000 names that are read of the list of queues", r.noQueue(r.Queues[0]))

	r = readingOf(t, "sidekiq")
	r.extra = []string{"z"}
	require.Len(t, r.OpenListed(nil, 0, errAsked), 1)
	require.False(t, r.hasList)
	for _, f := range []figure{figWaiting, figActive, figLatency, figQueueCount, figQueuesPaused, figQueuesStuck} {
		wantUnknown(t, &r.figures, f, "queues: it was refused")
	}
	wantNothing(t, &r.figures, figAdded, figUnacked, figCompleted, figScheduled)

	names := make([]string, maxWorkers+1)
	for i := range names {
		names[i] = fmt.Sprintf("w%05d", maxWorkers-i)
	}
	r = readingOf(t, "sidekiq")
	opened := r.OpenWorkers(names, maxWorkers+9)
	require.Len(t, opened, maxWorkers)
	require.Equal(t, "w00000", opened[0])
	require.Equal(t, 9, r.CutWorkers)
	require.Equal(t, "w03000", names[0], "the caller's list is as it was")
	require.Len(t, r.OpenWorkers(names[:maxWorkers], maxWorkers), maxWorkers)
	require.Zero(t, r.CutWorkers)
	r.OpenWorkers(names[:2], 1) // one registered in between
	require.Zero(t, r.CutWorkers)

	// As many commands as a poll may send for lists, and no more.
	p := pollAt(0)
	p.followUps = maxFollowUps - 5
	r = readingOf(t, "celery")
	for i := range 4 {
		r.Rest = append(r.Rest, &queue{Name: fmt.Sprint(i)})
	}
	asked := 0
	r.ReadRest(p, 2, func(*queue) { asked++ })
	require.Equal(t, 2, asked)
	require.Equal(t, 2, r.Unread)
	require.Len(t, r.Rest, 2)
	require.True(t, p.FollowUps(1), "one is left")
	require.False(t, p.FollowUps(1))
	require.True(t, p.FollowUps(0))
	require.Equal(t, maxFollowUps, p.followUps)
}

// TestSumsOverQueues: a sum that lacks one is not shown.
func TestSumsOverQueues(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "asynq")
	queuesOf(r, figWaiting, 2, 3)
	queuesOf(r, figActive, 1, -1)
	queuesOf(r, figDeferred, -1, -1)
	r.Queues[1].Miss(figFailed, "x")
	r.Set(figProcessed, 70) // the system tells it itself
	queuesOf(r, figProcessed, 1, 1)
	r.sumQueues()
	want(t, &r.figures, figWaiting, 5)
	want(t, &r.figures, figProcessed, 70)
	wantUnknown(t, &r.figures, figActive, "it is not known of 1 queues")
	wantUnknown(t, &r.figures, figFailed, "it is not known of 2 queues")
	wantUnknown(t, &r.figures, figScheduled, "it is not known of 2 queues")
	wantNothing(t, &r.figures, figDeferred, figAdded)

	r = readingOf(t, "asynq")
	queuesOf(r, figWaiting, 2, 3)
	queuesOf(r, figAggregating, -1, -1)
	r.Queues[0].Miss(figAggregating, "too many groups")
	r.Truncated = 2
	r.Rest = []*queue{{Name: "x"}, {Name: "y"}}
	r.Rest[0].Set(figWaiting, 10)
	r.Rest[1].Set(figWaiting, 20)
	queuesOf(r, figActive, 1, 1)
	r.sumQueues()
	want(t, &r.figures, figWaiting, 35)
	wantUnknown(t, &r.figures, figActive, "2 queues were not read")
	wantUnknown(t, &r.figures, figAggregating, "it is not known of 4 queues")

	r = readingOf(t, "asynq") // there is no queue
	r.sumQueues()
	want(t, &r.figures, figWaiting, 0)
	want(t, &r.figures, figOrphaned, 0)
	wantNothing(t, &r.figures, figDeferred)
	want(t, &r.figures, figLatency, 0)
	want(t, &r.figures, figLatencyUnknown, 0)
}

// TestGreatestLatency is of the queues of which it is known; those of which nothing
// waits have none.
func TestGreatestLatency(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "asynq")
	queuesOf(r, figLatency, 5, 60, -1)
	r.Truncated, r.Unread = 4, 1
	r.Rest = []*queue{{Name: "empty"}, {Name: "full"}, {Name: "odd"}}
	r.Rest[0].Set(figWaiting, 0)
	r.Rest[1].Set(figWaiting, 3)
	r.greatestLatency()
	want(t, &r.figures, figLatency, 60)
	want(t, &r.figures, figLatencyUnknown, 4)

	r = readingOf(t, "asynq")
	queuesOf(r, figLatency, 0, -1)
	r.greatestLatency()
	wantUnknown(t, &r.figures, figLatency, "it is not known of 1 queues")
	want(t, &r.figures, figLatencyUnknown, 1)
	r = readingOf(t, "celery")
	queuesOf(r, figLatency, 5)
	r.greatestLatency()
	wantNothing(t, &r.figures, figLatency, figLatencyUnknown)
}

// TestCountsOfQueues: a count above 0 is shown as far as it is known; that there is
// none is only said when it is known of all.
func TestCountsOfQueues(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "asynq")
	queuesOf(r, figPaused, 1, 1, -1)
	queuesOf(r, figStuck, 0, 0, -1)
	queuesOf(r, figSaturated, 0, 0, -1)
	r.Truncated = 2
	r.countQueues()
	want(t, &r.figures, figQueueCount, 5)
	want(t, &r.figures, figQueuesPaused, 2)
	wantUnknown(t, &r.figures, figQueuesStuck, "it is not known of 3 queues")
	wantNothing(t, &r.figures, figQueuesSaturated)

	r = readingOf(t, "asynq")
	queuesOf(r, figPaused, -1)
	queuesOf(r, figStuck, 0)
	r.Set(figQueueCount, 9)
	r.countQueues()
	want(t, &r.figures, figQueueCount, 9)
	wantNothing(t, &r.figures, figQueuesPaused) // the first poll need not tell it
	want(t, &r.figures, figQueuesStuck, 0)
	r = readingOf(t, "asynq")
	queuesOf(r, figPaused, -1)
	r.Queues[0].Miss(figPaused, "x")
	r.countQueues()
	wantUnknown(t, &r.figures, figQueuesPaused, "it is not known of 1 queues")
	r = readingOf(t, "asynq")
	r.Truncated = 1
	r.countQueues()
	wantUnknown(t, &r.figures, figQueuesPaused, "it is not known of 1 queues")
	r = readingOf(t, "laravel") // whose workers do not register, and were not asked for
	queuesOf(r, figStuck, -1)
	r.Queues[0].Miss(figStuck, "x")
	r.countQueues()
	wantNothing(t, &r.figures, figQueuesStuck, figQueuesPaused)
	r.counted = true
	r.countQueues()
	wantUnknown(t, &r.figures, figQueuesStuck, "it is not known of 1 queues")
}

// TestSumsOverWorkers: dead ones are counted, and run nothing.
func TestSumsOverWorkers(t *testing.T) {
	t.Parallel()
	workers := []worker{
		{Alive: true, Busy: 1, Slots: 2, RunningSince: 900}, {Alive: true, Quiet: true, Busy: 0, Slots: 4, RunningSince: 800},
		{Busy: 5, Slots: 5, RunningSince: 1, Quiet: true}, {Alive: true, Busy: 3, Slots: 4, Queues: []string{"a"}},
	}
	r := readingOf(t, "asynq")
	r.Workers = workers
	r.sumWorkers(pollAt(1000))
	for f, value := range map[figure]float64{
		figWorkers: 4, figWorkersAlive: 3, figWorkersDead: 1, figWorkersBusy: 4, figWorkersSlots: 6, figWorkersQuiet: 1, figUtilisation: 0.75,
		figOldestRunning: 200, figRunningUnknown: 0,
	} {
		want(t, &r.figures, f, value)
	}
	// More than are read, of which nothing is known but that they registered.
	r = readingOf(t, "asynq")
	r.Workers, r.CutWorkers = workers, 6
	r.sumWorkers(pollAt(1000))
	want(t, &r.figures, figWorkers, 10)
	for _, f := range []figure{figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation} {
		wantUnknown(t, &r.figures, f, "there are 10 workers, more than the 3000 that are read")
	}
	want(t, &r.figures, figOldestRunning, 200)
	want(t, &r.figures, figRunningUnknown, 6)
	// Or that they are dead.
	r = readingOf(t, "asynq")
	r.Workers, r.CutWorkers, r.CutDead = workers, 6, true
	r.sumWorkers(pollAt(1000))
	want(t, &r.figures, figWorkersAlive, 3)
	want(t, &r.figures, figWorkersDead, 7)
	want(t, &r.figures, figRunningUnknown, 0)
	// One that does not tell what it runs, or could.
	for _, odd := range []worker{{Alive: true, Busy: -1, Slots: 1}, {Alive: true, Busy: 1, Slots: -1}} {
		r = readingOf(t, "asynq")
		r.Workers = []worker{{Alive: true, Busy: 1, Slots: 1}, odd, {Alive: true, Busy: 0, Slots: 0}}
		r.sumWorkers(pollAt(1000))
		want(t, &r.figures, figWorkersAlive, 3)
		unknown, known := figWorkersBusy, figWorkersSlots
		if odd.Busy > 0 {
			unknown, known = known, unknown
		}
		wantUnknown(t, &r.figures, unknown, "a worker does not tell it")
		_, ok := r.Get(known)
		require.True(t, ok)
		wantUnknown(t, &r.figures, figUtilisation, "a worker does not tell it")
	}
	// A quiet one that does not tell what it runs may still run something, and one whose
	// slots are not known has none but those.
	for _, odd := range []worker{{Alive: true, Quiet: true, Busy: -1, Slots: 2}, {Alive: true, Quiet: true, Busy: 1, Slots: -1}} {
		r = readingOf(t, "asynq")
		r.Workers = []worker{{Alive: true, Busy: 1, Slots: 2}, odd}
		r.sumWorkers(pollAt(1000))
		if odd.Busy > 0 {
			want(t, &r.figures, figWorkersSlots, 3)
			continue
		}
		wantUnknown(t, &r.figures, figWorkersSlots, "a worker that takes no more jobs does not tell how many it still runs")
		wantUnknown(t, &r.figures, figUtilisation, "a worker does not tell it")
	}
	// Of those that run, none says since when.
	r = readingOf(t, "asynq")
	r.UnknownRun("the first reason")
	r.UnknownRun("another one")
	r.sumWorkers(pollAt(1000))
	wantUnknown(t, &r.figures, figOldestRunning, "the first reason")
	want(t, &r.figures, figRunningUnknown, 2)
	r = readingOf(t, "asynq")
	r.CutWorkers = 1
	r.sumWorkers(pollAt(1000))
	wantUnknown(t, &r.figures, figOldestRunning, "there are 1 workers")
	// What runs beside the workers is the oldest.
	r = readingOf(t, "asynq")
	r.Workers = []worker{{Alive: true, RunningSince: 900}}
	for _, at := range []float64{950, 700, 800} {
		r.Began(at)
	}
	r.sumWorkers(pollAt(1000))
	want(t, &r.figures, figOldestRunning, 300)

	r = readingOf(t, "asynq")
	r.MissWorker(errAsked)
	for _, f := range []figure{figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation} {
		wantUnknown(t, &r.figures, f, "a worker: it was refused")
	}
	wantNothing(t, &r.figures, figWorkers, figOldestRunning)
	r = readingOf(t, "horizon")
	r.MissWorkers(errAsked)
	wantUnknown(t, &r.figures, figWorkers, "it was refused")
	wantNothing(t, &r.figures, figWorkersBusy)
}

// TestRunningJobs are counted in all and by queue; of those whose queue has no row
// only in all.
func TestRunningJobs(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "resque")
	queues := []*queue{{Name: "a"}, {Name: "b"}}
	c := newRunning(r, queues)
	for _, name := range []string{"a", "a", "elsewhere"} {
		c.count(name)
	}
	c.orphan("a")
	c.orphan("elsewhere")
	want(t, &r.figures, figActive, 3)
	want(t, &r.figures, figOrphaned, 2)
	want(t, &queues[0].figures, figActive, 2)
	want(t, &queues[1].figures, figActive, 0)
	require.Equal(t, []float64{1, 0}, []float64{queues[0].Orphans, queues[1].Orphans})
	c.fail(errAsked)
	wantUnknown(t, &r.figures, figActive, "running jobs: it was refused")
	wantUnknown(t, &queues[1].figures, figActive, "running jobs: it was refused")
	require.Equal(t, 1, r.runsUnknown)
	r = readingOf(t, "resque")
	r.only = "a"
	newRunning(r, queues).count("a")
	wantNothing(t, &r.figures, figActive)

	q := &queue{Name: "a"}
	q.FlagOf(figPaused, []string{"b", "a"}, nil)
	want(t, &q.figures, figPaused, 1)
	q.FlagOf(figPaused, []string{"b"}, nil)
	want(t, &q.figures, figPaused, 0)
	q.FlagOf(figPaused, []string{"a"}, errAsked)
	wantUnknown(t, &q.figures, figPaused, "it was refused")
}
