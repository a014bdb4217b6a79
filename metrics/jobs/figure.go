package jobs

import (
	"math"
	"math/bits"
)

// figure is one number that is known of a queue or of a whole system. Its text
// is the member's name in documents.
type figure uint8

// The figures. Jobs are counted, ages and times are in seconds by the server's
// clock, rates are per second. Total counters only grow, until they are reset.
const (
	// figWaiting are the jobs that a free worker would take now.
	figWaiting figure = iota
	// figActive are the jobs that workers have taken and not finished.
	figActive
	// figScheduled are the jobs that wait for their time.
	figScheduled
	// figOverdue are those scheduled, or to be tried again, whose time came more than
	// overdueAfter seconds ago and that nobody has put into their queue.
	figOverdue
	// figRetry are the failed jobs that wait to be tried again.
	figRetry
	// figFailed are the jobs that were given up and are kept to be looked at.
	figFailed
	// figCompleted are the finished jobs that are still kept.
	figCompleted
	// figPaused is 1 when workers do not take jobs from the queue, otherwise 0.
	figPaused
	// figLatency is the age of the oldest waiting job, 0 when none waits; of a system
	// the greatest that is known of its queues, see figLatencyUnknown. Where a job can be
	// put before others (lifo, priorities, at_front) it is that of the oldest of those at
	// the ends of the queue and of each priority that is looked at, and the one that had
	// waited longest at the last poll: another one may be older. A job whose time lies in
	// the future, by a clock that is ahead, is as old as the time since it was seen first.
	figLatency
	// figProcessed and figFailedTotal are total counters; each system has its own rule
	// whether failed attempts count as processed.
	figProcessed
	figFailedTotal
	// figAdded is the total counter of jobs that were ever added.
	figAdded
	// figOrphaned are the active jobs whose worker is dead; if not all are read, those
	// among the oldest ones. Where a system keeps just when a job was taken, it is not known
	// while a client is connected that may be its worker.
	figOrphaned

	// figDeferred wait for other jobs to end.
	figDeferred
	// figCanceled were taken back and are still kept.
	figCanceled
	// figPrioritized are those among figWaiting that have a priority.
	figPrioritized
	// figWaitingChildren are parents that wait for the jobs they consist of.
	figWaitingChildren
	// figAggregating wait to be put together with others.
	figAggregating
	// figRateLimited wait until a rate limit lets them into their queue.
	figRateLimited
	// figUnacked were handed to a worker that has not yet confirmed them: running,
	// fetched ahead, or waiting in it for their time.
	figUnacked
	// figOldestUnacked is the time since the oldest of figUnacked was handed out.
	figOldestUnacked
	// figUnackedExpired are those of figUnacked that were handed out longer ago than
	// Jobs.CeleryVisibilityTimeout: no worker is alive that would deliver them again.
	figUnackedExpired

	// figWorkers are the processes that registered, also those that are dead.
	figWorkers
	// figWorkersAlive are those of figWorkers that show a sign of life.
	figWorkersAlive
	// figWorkersDead are the others.
	figWorkersDead
	// figWorkersBusy are jobs that living workers run.
	figWorkersBusy
	// figWorkersSlots are jobs that living workers could run at once. Of those that take
	// no more (figWorkersQuiet) only what they still run counts.
	figWorkersSlots
	// figUtilisation is figWorkersBusy / figWorkersSlots, 0-1, of the busiest of the
	// groups of workers that serve the same queues, because slots of one group do not
	// help the queues of another. Groups that take no more jobs are left out where others
	// do.
	figUtilisation
	// figWorkersQuiet are living workers that take no more jobs.
	figWorkersQuiet
	// figOldestRunning is the time since the oldest running job began, 0 when none
	// runs; of those of which it is known, see figRunningUnknown.
	figOldestRunning
	// figSchedulersAlive are processes that put scheduled or periodic jobs into their
	// queues; if there are several kinds of them, or one for each queue, the smallest
	// of those numbers.
	figSchedulersAlive
	// figPeriodicJobs are the entries of the schedulers: jobs that are put into their
	// queues again and again.
	figPeriodicJobs
	// figSchedulerOverdue are those of figPeriodicJobs that are due longer than a
	// grace (30 s, or 90 s for schedulers that look only every 30 s or every minute)
	// and were not put into their queue: those of which it is known, see
	// figSchedulerUnknown.
	figSchedulerOverdue
	// figSchedulerLate is for how long the latest of figPeriodicJobs has been due, 0
	// when none is.
	figSchedulerLate

	// figGrowth is the change of figWaiting, per second, between the last polls that were
	// at least 30 s apart.
	figGrowth
	// figArrival and figDrain are the rates at which jobs come and go, over the same time.
	// Processes of Sidekiq add to the counter every ten seconds only, which is accounted
	// for.
	figArrival
	figDrain
	// figTimeToEmpty is when figWaiting will be 0 if it goes on as between the last
	// polls. It is left out while the queue does not shrink.
	figTimeToEmpty
	// figStalled is how long jobs have been waiting and none was seen to be taken.
	figStalled
	// figStuck is 1 when figStalled is at least stuckAfter though workers live and
	// nothing holds the queue back: it is neither paused nor rate limited, none of its
	// jobs runs, and workers that serve it have a free slot, or none serves it.
	// Otherwise it is 0. In Celery and Huey, whose workers do not say what they run,
	// it is 1 when no client is connected that may be a worker, and not known when
	// there is one. In Symfony Messenger, arq and Dramatiq, whose workers take at once
	// what waits, it does not matter whether a worker is known to be alive.
	figStuck
	// figSaturated is 1 when figStalled is at least stuckAfter because all slots are
	// taken that serve the queue, or its own jobs run on and on, else 0.
	figSaturated
	// figLatencyUnknown counts a system's queues whose latency is not known; jobs
	// wait in them, or may.
	figLatencyUnknown
	// figRunningUnknown counts the running jobs, or workers, that do not say since
	// when they run, and so are not in figOldestRunning.
	figRunningUnknown
	// figSchedulerUnknown counts the periodic jobs of which it is not known whether they
	// are overdue.
	figSchedulerUnknown
	// figAbandoned, of a queue or system, is 1 when jobs wait and no worker of the
	// system is alive, else 0; it is missing where either is not known.
	figAbandoned
	// figQueuesSaturated counts a system's queues.
	figQueuesSaturated

	// figQueueCount, figQueuesPaused and figQueuesStuck count a system's queues; the
	// last two are left out when they are 0 of those queues that are known, and
	// something is not known of others.
	figQueueCount
	figQueuesPaused
	figQueuesStuck

	figureCount
)

var figureNames = [figureCount]string{
	figWaiting: "waiting", figActive: "active", figScheduled: "scheduled", figOverdue: "overdue", figRetry: "retry",
	figFailed: "failed", figCompleted: "completed", figPaused: "paused", figLatency: "latency", figProcessed: "processed_total",
	figFailedTotal: "failed_total", figAdded: "added_total", figOrphaned: "orphaned", figDeferred: "deferred",
	figCanceled: "canceled", figPrioritized: "prioritized", figWaitingChildren: "waiting_children",
	figAggregating: "aggregating", figRateLimited: "rate_limited", figUnacked: "unacked", figOldestUnacked: "oldest_unacked",
	figUnackedExpired: "unacked_expired", figWorkers: "workers",
	figWorkersAlive: "workers_alive", figWorkersDead: "workers_dead", figWorkersBusy: "workers_busy",
	figWorkersSlots: "workers_slots", figUtilisation: "utilisation", figWorkersQuiet: "workers_quiet",
	figOldestRunning: "oldest_running", figSchedulersAlive: "schedulers_alive",
	figPeriodicJobs: "periodic_jobs", figSchedulerOverdue: "scheduler_overdue", figSchedulerLate: "scheduler_late", figGrowth: "growth_rate",
	figArrival: "arrival_rate", figDrain: "drain_rate", figTimeToEmpty: "time_to_empty", figStalled: "stalled", figStuck: "stuck",
	figSaturated: "saturated", figLatencyUnknown: "latency_unknown", figRunningUnknown: "oldest_running_unknown", figSchedulerUnknown: "scheduler_unknown",
	figAbandoned: "abandoned", figQueuesSaturated: "queues_saturated",
	figQueueCount: "queue_count", figQueuesPaused: "queues_paused", figQueuesStuck: "queues_stuck",
}

// plainFigureNames are the names as bytes without anything to escape.
var plainFigureNames = func() (names [figureCount][]byte) {
	for f, name := range figureNames {
		names[f] = []byte(name)
	}
	return names
}()

func (f figure) String() string { return figureNames[f] }

// figuresOfQueues and systemFigures are what every system either tells of each of
// its queues, and of itself, or says in its Spec to lack. The conformance suite
// holds it to that.
var (
	figuresOfQueues = []figure{
		figWaiting, figActive, figScheduled, figOverdue, figRetry, figFailed, figCompleted, figPaused, figLatency, figProcessed, figFailedTotal,
		figArrival, figDrain, figStalled,
	}
	systemFigures = []figure{
		figWaiting, figActive, figScheduled, figOverdue, figRetry, figFailed, figCompleted, figLatency, figProcessed, figFailedTotal,
		figWorkers, figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figUtilisation, figOldestRunning, figOrphaned,
	}
)

// problem says why a figure that the system keeps is missing.
type problem struct {
	Figure figure
	Reason string
}

// figures are the numbers that are known of one queue or system. The zero value
// knows none.
type figures struct {
	known    uint64
	values   [figureCount]float64
	Problems []problem
}

// Set makes a figure known. What is no finite number is not.
func (f *figures) Set(name figure, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		f.Miss(name, "it is no finite number")
		return
	}
	if f.missed(name) {
		return
	}
	f.known |= 1 << name
	f.values[name] = value
}

// Add is Set of the sum with what is known already.
func (f *figures) Add(name figure, value float64) {
	f.Set(name, f.values[name]+value)
}

// Flag is Set of 1 or 0.
func (f *figures) Flag(name figure, on bool) {
	f.Set(name, 0)
	if on {
		f.Set(name, 1)
	}
}

// Get returns a figure, if it is known.
func (f *figures) Get(name figure) (value float64, ok bool) {
	return f.values[name], f.known&(1<<name) != 0
}

// Miss makes a figure unknown, for good: what is set or added later does not
// bring it back. The first reason is the one that is kept.
func (f *figures) Miss(name figure, reason string) {
	f.known &^= 1 << name
	f.values[name] = 0
	if !f.missed(name) {
		f.Problems = append(f.Problems, problem{name, reason})
	}
}

func (f *figures) missed(name figure) bool {
	for _, p := range f.Problems {
		if p.Figure == name {
			return true
		}
	}
	return false
}

// Each calls do with all figures that are known, in a fixed order.
func (f *figures) Each(do func(name figure, value float64)) {
	for rest := f.known; rest != 0; rest &= rest - 1 {
		name := figure(bits.TrailingZeros64(rest))
		do(name, f.values[name])
	}
}
