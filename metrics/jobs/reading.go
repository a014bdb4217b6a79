package jobs

import "slices"

const (
	// maxQueues bounds the queues that are read in one poll, all systems
	// together.
	maxQueues = 1000
	// maxWorkers bounds the workers that are read of one system, as maxListed does.
	maxWorkers = maxListed
	// maxName is the longest name of a queue, in bytes.
	maxName = 255
)

// reading is what one poll learns of one instance of a system.
type reading struct {
	instance
	// Found are the names that SCAN found, as the system's Clue calls them;
	// sorted.
	Found []string
	// Exists tells whether one of the Markers is there, as far as Marked.
	Exists, Marked bool

	figures
	Queues  []*queue
	Workers []worker
	// Rest are queues beyond the limit, of which only Waiting is read, for the sums.
	Rest []*queue

	// Truncated are the queues that are not in Queues, and Unread those of them
	// that are not in Rest either.
	Truncated, Unread int
	// Skipped are the names that have no row, by what is wrong with them. They are among
	// Truncated but for those that name no queue.
	Skipped map[misname]int
	// CutWorkers are the workers that were not read. CutDead: it is known that they
	// are dead.
	CutWorkers int
	CutDead    bool
	// CutPeriodic are the periodic jobs that have no row.
	CutPeriodic int

	// schedulers are those of periodic jobs, see scheduler.go.
	schedulers []*scheduler

	// settle, if a system has it, is called when all is read.
	settle func()
	// running counts the jobs that workers say they run, of a system that keeps them
	// nowhere else. deadTell: the records of dead workers say which jobs are orphaned.
	running  *running
	deadTell bool

	spec  *spec
	extra []string // configured names of queues
	only  string   // the one queue that is wanted; "" for all
	names []string // of the queues that were found; only for suggestions
	share *share
	// began is when the oldest running job began that is not among those of Workers;
	// 0 for none. runsUnknown counts what does not tell it, and runsWhy is a reason.
	began       float64
	runsUnknown int
	runsWhy     string
	// uncounted is for how long the living workers have kept what they have done to
	// themselves, on average, where they add to the counters in steps.
	uncounted float64
	// counted: listeners are the clients that may be workers, of a system whose workers
	// do not register; listenersErr is why that is not known.
	counted      bool
	listeners    int
	listenersErr error
	// holders are the clients that may have jobs whose time is over, see lapsed.go;
	// holdersErr is why that is not known.
	holders    int
	holdersErr error
	// named: the item key says which prefix or queue.
	named bool
	// found: a search has found the instance. searched: all keys were looked at not
	// long ago. doubt: it is not known whether its markers are there.
	found, searched, doubt bool
	// hasList: the system's own list of queues was read, or which queues it has is known
	// otherwise; partList: not all of it. ownList: it has one, and it was read.
	hasList, partList, ownList bool
	// partWhy says what a queue that is not listed means where partList, if that is not
	// the number of names.
	partWhy string
	// elsewhere are the prefixes under which there are queues of the name that is
	// wanted, where the item key names none and there are several.
	elsewhere []string
	// partWorkers is why Workers are not all of the system, but those of the one queue
	// that is wanted, or may be just those; "" when they are all. ownAlive: one of them
	// lives.
	partWorkers string
	ownAlive    bool
}

// share parts the queues that are read in one poll among the systems.
type share struct {
	left   int // queues that may still be opened
	others int // systems that have opened none yet
}

// reserved is what a system leaves for each of those that come after it.
const reserved = 50

// take is how many of n queues a system may open.
func (s *share) take(n int) int {
	s.others = max(0, s.others-1)
	n = min(n, max(s.left-min(s.others*reserved, maxQueues/2), 0))
	s.left -= n
	return n
}

// queue is one queue.
type queue struct {
	Name string
	figures
	// Listed: the system's own list has it. Configured names may be missing in
	// it.
	Listed bool
	// absent says why there is no such queue, once for all figures; "" where there is.
	absent string
	// Head tells the oldest waiting job from the next one; "" when not known. HeadAt is
	// when it was added, as far as it says that, and tells it from a later one of the same
	// id: ids begin anew when a queue is emptied, and an application may choose them.
	Head   string
	HeadAt float64
	// attempts is a counter of attempts to add a job, where hasAttempts: also of those that
	// were refused, because there is one of that id.
	attempts    float64
	hasAttempts bool
	attemptsErr error
	// oldestID and oldestAt are the job that has waited longest of those that were looked
	// at; "" for none.
	oldestID string
	oldestAt float64
	// stamped is the job whose time is the latency.
	stamped stamp
	// HeadRepeats: two jobs may have the same Head.
	HeadRepeats bool
	// Rewrites is how HeadAt may change while the job at the head stays, and HeadTwice that
	// its id was seen in the queue once more: see entry.go.
	Rewrites  rewrite
	HeadTwice bool
	// Made is when the job at the head was made, in unix seconds, of a system whose jobs
	// do not say that they were delayed before; 0 for none.
	Made float64
	// Exists: what the system keeps of a queue as long as there is one was found.
	Exists bool
	// Prompt: workers that live and have a free slot take what waits within seconds,
	// so that nobody serves a queue of which no job runs and none is taken.
	Prompt bool
	// FirstSeen: a job at the head does not tell since when it waits, and waits since
	// it was seen there first, or longer.
	FirstSeen bool
	// Orphans are jobs among Active that no living worker runs, and Held those that one
	// certainly does: it renews its hold on them. The others are neither.
	Orphans, Held float64
	// Seen are the jobs that workers said they run, also where Active is not known because
	// not all was read.
	Seen float64
}

// worker is one process that registered as a worker.
type worker struct {
	Alive bool
	Quiet bool
	// Capsules are its parts when it has several, see capsule; else Queues are those
	// that it serves, nil when that is not known.
	Capsules []capsule
	Queues   []string
	// Busy are the jobs that it runs, Slots those that it could run at once;
	// negative when not known.
	Busy, Slots float64
	// Done are the jobs that it has done, if it counts them.
	Done float64
	// RunningSince is when the oldest of its running jobs began, in unix seconds;
	// 0 for none.
	RunningSince float64
	// Uncounted is for how long it has not added to the counters, in seconds, where it
	// does so in steps.
	Uncounted float64
}

// Lacks is what the system does not keep.
func (r *reading) Lacks() []lack { return r.spec.Lacks }

// Open returns the queues to read: of those names and the configured ones, each
// once and sorted by name, those that are wanted and within the limit. What is
// beyond it gets into Rest.
func (r *reading) Open(names []string) []*queue {
	listed := slices.Clone(names)
	slices.Sort(listed)
	r.names = listed
	want := slices.Concat(names, r.extra)
	if r.only != "" {
		want = []string{r.only}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	queues := make([]queue, 0, len(want)) // one piece of memory for all
	opened := make([]*queue, 0, len(want))
	for _, name := range want {
		if wrong := misnamed(name); wrong != "" {
			r.skip(wrong, name)
			continue
		}
		_, isListed := slices.BinarySearch(listed, name)
		queues = append(queues, queue{Name: name, Listed: isListed})
		opened = append(opened, &queues[len(queues)-1])
	}
	n := r.share.take(len(opened))
	r.Rest = append(r.Rest, opened[n:]...)
	r.Truncated += len(opened) - n
	r.Queues = append(r.Queues, opened[:n]...)
	return opened[:n]
}

// ReadRest asks for what is waiting in each queue of Rest, of which one costs that
// many commands.
func (r *reading) ReadRest(p *poll, commands int, ask func(q *queue)) {
	for i, q := range r.Rest {
		if !p.FollowUps(commands) {
			r.Unread += len(r.Rest) - i
			r.Rest = r.Rest[:i]
			return
		}
		ask(q)
	}
}

// OpenWorkers returns the workers to read of those names, sorted, and notes how
// many of size there are besides.
func (r *reading) OpenWorkers(names []string, size int) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	if len(names) > maxWorkers {
		names = names[:maxWorkers]
	}
	r.CutWorkers = max(0, size-len(names))
	return names
}

// cut reports whether there are workers of which nothing was read, so that any of them
// may live.
func (r *reading) cut() bool { return r.CutWorkers > 0 && !r.CutDead }

// OpenListed opens the queues of a list that was read as far as names, or could
// not be; it has size of them.
func (r *reading) OpenListed(names []string, size int, err error) []*queue {
	if err != nil {
		return r.MissQueues(err)
	}
	if size > len(names) {
		if r.only == "" {
			r.Truncated += size - len(names)
			r.Unread += size - len(names)
		}
		r.partList = true
	}
	r.hasList, r.ownList = true, true
	return r.Open(names)
}

// MissQueues says that the names of the queues could not be read: then nothing
// is known of any, and no sum. It opens the configured ones, or the one that is
// asked for.
func (r *reading) MissQueues(err error) []*queue {
	r.MissSums(err)
	return r.Open(nil)
}

// MissSums says that there may be more queues than are opened.
func (r *reading) MissSums(err error) {
	for _, f := range slices.Concat(summed, []figure{figLatency, figQueueCount, figQueuesPaused, figQueuesStuck}) {
		if (r.always(f) || f >= figQueueCount) && r.settable(f) && !r.spec.lacks(f, true) {
			r.Miss(f, "queues: "+err.Error())
		}
	}
}

// MissWorkers says that nothing is known of the workers.
func (r *reading) MissWorkers(err error) {
	for _, f := range workerFigures {
		if !r.spec.lacks(f, false) {
			r.Miss(f, err.Error())
		}
	}
}

// Began notes when a running job began.
func (r *reading) Began(at float64) {
	if r.began == 0 || at < r.began {
		r.began = at
	}
}

// UnknownRun notes that it is not known when a running job began, or some of them,
// and why.
func (r *reading) UnknownRun(reason string) {
	r.runsUnknown++
	if r.runsWhy == "" {
		r.runsWhy = reason
	}
}

// MissWorker says that nothing is known of one worker, but that it registered.
func (r *reading) MissWorker(err error) {
	for _, f := range workerFigures {
		if f != figWorkers && f != figOldestRunning && !r.spec.lacks(f, false) {
			r.Miss(f, "a worker: "+err.Error())
		}
	}
	r.UnknownRun("a worker: " + err.Error())
}

// listed reports whether the system's own list of queues has one, if that is known.
func (r *reading) listed(q *queue) (listed, known bool) {
	return q.Listed, r.ownList && (q.Listed || !r.partList)
}

// FlagOf sets a figure to whether a list of names has the queue.
func (q *queue) FlagOf(name figure, list []string, err error) {
	if err != nil {
		q.Miss(name, err.Error())
		return
	}
	q.Flag(name, slices.Contains(list, q.Name))
}
