package jobs

import "fmt"

// A worker that renews a lock, a lease or a heartbeat on its job lives, whether it
// registered or not: it may write another name for its connection than the one that is
// known, or none, or its registration was lost. So where such a job runs, that no worker
// was seen does not mean that none lives.

// held is how many jobs of the queues are certainly in the hands of living workers.
func (r *reading) held() float64 {
	n := 0.0
	for q := range r.all() {
		n += q.Held
	}
	return n
}

// believeJobs makes what is known of the workers unknown where no living one was seen,
// and yet one holds a job.
func (r *reading) believeJobs() {
	alive, known := r.Get(figWorkersAlive)
	held := r.held()
	if !known || alive > 0 || held == 0 {
		return
	}
	reason := fmt.Sprintf("%.0f jobs are held by living workers, and none of those was found: "+
		"they did not register, or do not name their connections", held)
	for _, f := range workerFigures {
		value, known := r.Get(f)
		switch {
		case f == figOldestRunning, !known:
		case f != figWorkers, value == 0:
			r.Miss(f, reason)
		}
	}
}
