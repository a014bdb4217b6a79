package jobs

import (
	"math"
	"math/bits"
)

// Figure is one number that is known of a queue or of a whole system. Its text
// is the member's name in documents.
type Figure uint8

// The figures. Jobs are counted, ages and times are in seconds by the server's
// clock, rates are per second. Total counters only grow, until they are reset.
const (
	// Waiting are the jobs that a free worker would take now.
	Waiting Figure = iota
	// Active are the jobs that workers have taken and not finished.
	Active
	// Scheduled are the jobs that wait for their time.
	Scheduled
	// Overdue are those scheduled, or to be tried again, whose time has come and
	// that nobody has put into their queue.
	Overdue
	// Retry are the failed jobs that wait to be tried again.
	Retry
	// Failed are the jobs that were given up and are kept to be looked at.
	Failed
	// Completed are the finished jobs that are still kept.
	Completed
	// Paused is 1 when workers leave the queue alone, else 0.
	Paused
	// Latency is the age of the oldest waiting job, 0 when none waits.
	Latency
	// Processed and FailedTotal are total counters; whether failed attempts are
	// among those processed is the system's own rule.
	Processed
	FailedTotal
	// Added is the total counter of jobs that were ever added.
	Added
	// Orphaned are the active jobs whose worker is dead.
	Orphaned

	// Deferred wait for other jobs to end.
	Deferred
	// Canceled were taken back and are still kept.
	Canceled
	// Prioritized are those among Waiting that have a priority.
	Prioritized
	// WaitingChildren are parents that wait for the jobs they consist of.
	WaitingChildren
	// Aggregating wait to be put together with others.
	Aggregating
	// RateLimited wait until a rate limit lets them into their queue.
	RateLimited
	// Unacked were handed to a worker that has not yet confirmed them: running,
	// fetched ahead, or waiting in it for their time.
	Unacked
	// OldestUnacked is the time since the oldest of Unacked was handed out.
	OldestUnacked
	// UnackedExpired are those of Unacked that were handed out longer ago than
	// Options.CeleryVisibility: nobody lives who would hand them out again.
	UnackedExpired

	// Workers are the processes that registered, also those that are dead.
	Workers
	// WorkersAlive are those of Workers that show a sign of life.
	WorkersAlive
	// WorkersDead are the others.
	WorkersDead
	// WorkersBusy are jobs that living workers run.
	WorkersBusy
	// WorkersSlots are jobs that living workers could run at once.
	WorkersSlots
	// Utilisation is WorkersBusy / WorkersSlots, 0-1.
	Utilisation
	// WorkersQuiet are living workers that take no more jobs.
	WorkersQuiet
	// OldestRunning is the time since the oldest running job began, 0 when none
	// runs.
	OldestRunning
	// SchedulersAlive are processes that put scheduled jobs into their queues.
	SchedulersAlive

	// Growth is the change of Waiting.
	Growth
	// Arrival and Drain are the rates at which jobs come and go.
	Arrival
	Drain
	// TimeToEmpty is when Waiting will be 0 if it goes on as between the last
	// polls. It is left out while the queue does not shrink.
	TimeToEmpty
	// Stalled is how long jobs have been waiting and none was seen to be taken.
	Stalled
	// Stuck is 1 when Stalled is at least StuckAfter though workers live and the
	// queue is not paused, else 0.
	Stuck

	// QueueCount, QueuesPaused and QueuesStuck count a system's queues.
	QueueCount
	QueuesPaused
	QueuesStuck

	figureCount
)

var figureNames = [figureCount]string{
	Waiting: "waiting", Active: "active", Scheduled: "scheduled", Overdue: "overdue", Retry: "retry",
	Failed: "failed", Completed: "completed", Paused: "paused", Latency: "latency", Processed: "processed_total",
	FailedTotal: "failed_total", Added: "added_total", Orphaned: "orphaned", Deferred: "deferred",
	Canceled: "canceled", Prioritized: "prioritized", WaitingChildren: "waiting_children",
	Aggregating: "aggregating", RateLimited: "rate_limited", Unacked: "unacked", OldestUnacked: "oldest_unacked",
	UnackedExpired: "unacked_expired", Workers: "workers",
	WorkersAlive: "workers_alive", WorkersDead: "workers_dead", WorkersBusy: "workers_busy",
	WorkersSlots: "workers_slots", Utilisation: "utilisation", WorkersQuiet: "workers_quiet",
	OldestRunning: "oldest_running", SchedulersAlive: "schedulers_alive", Growth: "growth_rate",
	Arrival: "arrival_rate", Drain: "drain_rate", TimeToEmpty: "time_to_empty", Stalled: "stalled", Stuck: "stuck",
	QueueCount: "queue_count", QueuesPaused: "queues_paused", QueuesStuck: "queues_stuck",
}

func (f Figure) String() string { return figureNames[f] }

// QueueFigures and SystemFigures are what every system either tells of each of
// its queues, and of itself, or says in its Spec to lack. The conformance suite
// holds it to that.
var (
	QueueFigures = []Figure{
		Waiting, Active, Scheduled, Overdue, Retry, Failed, Completed, Paused, Latency, Processed, FailedTotal,
		Arrival, Drain, Stalled,
	}
	SystemFigures = []Figure{
		Waiting, Active, Scheduled, Overdue, Retry, Failed, Completed, Latency, Processed, FailedTotal,
		Workers, WorkersAlive, WorkersDead, WorkersBusy, WorkersSlots, Utilisation, OldestRunning, Orphaned,
	}
)

// Problem says why a figure that the system keeps is missing.
type Problem struct {
	Figure Figure
	Reason string
}

// Figures are the numbers that are known of one queue or system. The zero value
// knows none.
type Figures struct {
	known    uint64
	values   [figureCount]float64
	Problems []Problem
}

// Set makes a figure known. What is no finite number is not.
func (f *Figures) Set(name Figure, value float64) {
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
func (f *Figures) Add(name Figure, value float64) {
	f.Set(name, f.values[name]+value)
}

// Flag is Set of 1 or 0.
func (f *Figures) Flag(name Figure, on bool) {
	f.Set(name, 0)
	if on {
		f.Set(name, 1)
	}
}

// Get returns a figure, if it is known.
func (f *Figures) Get(name Figure) (value float64, ok bool) {
	return f.values[name], f.known&(1<<name) != 0
}

// Miss makes a figure unknown, for good: what is set or added later does not
// bring it back. The first reason is the one that is kept.
func (f *Figures) Miss(name Figure, reason string) {
	f.known &^= 1 << name
	f.values[name] = 0
	if !f.missed(name) {
		f.Problems = append(f.Problems, Problem{name, reason})
	}
}

func (f *Figures) missed(name Figure) bool {
	for _, p := range f.Problems {
		if p.Figure == name {
			return true
		}
	}
	return false
}

// Each calls do with all figures that are known, in a fixed order.
func (f *Figures) Each(do func(name Figure, value float64)) {
	for rest := f.known; rest != 0; rest &= rest - 1 {
		name := Figure(bits.TrailingZeros64(rest))
		do(name, f.values[name])
	}
}
