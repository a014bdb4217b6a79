package jobs

import (
	"errors"
	"strconv"
	"strings"
)

// arqCron reads the cron jobs of arq. Nothing in Redis says which there are: a worker
// puts each run into its queue a second before it is due, under the id
// <name>:<milliseconds> and with just these as its score, and nothing is left of it
// when it has ended. So a run is seen that waits or runs when a poll looks, and what
// was seen is remembered for a day. The workers are the schedulers.
// Source: arq/cron.py and worker.py of 0.28.0.
type arqCron struct{ s *scheduler }

// newArqCron adds arq's scheduler to a reading.
func newArqCron(r *reading) *arqCron {
	s := r.schedule("arq-cron", graceShort)
	s.keeps, s.ofWorkers = true, true
	s.alive = func() (float64, error) {
		n, ok := r.Get(figWorkersAlive)
		if !ok {
			return 0, errors.New("workers do not register")
		}
		return n, nil
	}
	return &arqCron{s}
}

// note takes the cron jobs among jobs that are due in a queue; runs are those that run.
func (c *arqCron) note(queue string, ids []string, scores map[string]float64, runs []bool) {
	for i, id := range ids {
		name, ok := arqCronName(id, scores[id])
		if !ok || len(c.s.jobs) >= maxPeriodic {
			continue
		}
		j := &periodicJob{name: name, key: queue, queueName: queue, last: scores[id] / 1000, nextWhy: arqNextWhy}
		if i >= len(runs) || !runs[i] {
			j.next = j.last
		}
		c.add(j)
	}
}

const arqNextWhy = "arq puts a run into its queue a second before it is due"

// add notes a run. Of several runs of a job that wait, the oldest says how late it is.
func (c *arqCron) add(j *periodicJob) {
	for _, old := range c.s.jobs {
		if old.name != j.name || old.key != j.key {
			continue
		}
		old.last = max(old.last, j.last)
		if old.next == 0 || j.next > 0 && j.next < old.next {
			old.next = j.next
		}
		return
	}
	c.s.jobs = append(c.s.jobs, j)
}

// arqCronName is the name of the cron job that a job is a run of.
func arqCronName(id string, score float64) (string, bool) {
	name, ms, ok := cutLast(id, ':')
	return name, ok && name != "" && len(name) <= maxName && isMoment(score/1000) && ms == strconv.FormatFloat(score, 'f', -1, 64)
}

// cutLast cuts a text at the last separator.
func cutLast(text string, separator byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}
