package jobs

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient/resp"
)

const (
	// rqMonitored is the least time that the record of a busy worker has to live after
	// a heartbeat, in milliseconds: job_monitoring_interval is added to it, after which
	// the next one comes.
	rqMonitored = 60_000
	// rqLate is how much less it has when its worker is dead.
	rqLate = 5_000
)

// rqSigns are signs of life of workers that are not in their records. A record
// outlives its worker by up to eight minutes, or by a minute and a half when it was
// busy. But a worker names its connection, subscribes to a channel of its own, and
// waits for jobs in a blocking command. Any one of these can be missing while it
// lives, because it connected again or its thread ended; of a dead one all are.
// Sources: rq/worker.py of 1.13.0, rq/worker/base.py and rq/queue.py of 3.0.0.
type rqSigns struct {
	known bool
	names map[string]bool // of clients
	// waiting are the clients that wait for jobs of lists, or did so a short time ago;
	// living, the workers that show other signs and may be among them: that are not busy.
	waiting, living int
	// judge has what is to be done with each worker, when all records have arrived.
	judge []func()
	left  int // of the records
	// subscribers of the channel of each worker; one that is not there is not known.
	subscribers map[string]float64
}

// rqWaits are what waits for jobs of lists; of other systems, too.
var rqWaits = []string{"blmove", "blpop"}

// take reads the clients of the database. In a cluster each node has its own, and a
// channel's subscribers are not known.
func (s *rqSigns) take(out *lookout, nodes [][]client, err error) {
	if err != nil || len(nodes) != 1 {
		return
	}
	s.known, s.names = true, make(map[string]bool)
	defer out.keep()
	for _, c := range nodes[0] {
		s.known = s.known && !c.silent
		if out.sees(c, rqWaits) {
			s.waiting++
		}
		if c.name != "" {
			s.names[c.name] = true
		}
	}
}

// listen asks for the subscribers of the channels of all workers at once.
func (s *rqSigns) listen(p *poll, prefix string, keys []string) {
	if len(keys) == 0 {
		return
	}
	cmd := []string{"PUBSUB", "NUMSUB"}
	for _, key := range keys {
		cmd = append(cmd, prefix+":pubsub:"+rqWorkerName(prefix, key))
	}
	p.Ask(func(v resp.Value, _ error) {
		pairs, err := v.Array()
		if err != nil || len(pairs) != 2*len(keys) {
			return
		}
		s.subscribers = make(map[string]float64, len(keys))
		for i, key := range keys {
			if n, err := pairs[2*i+1].Float64(); err == nil {
				s.subscribers[rqWorkerName(prefix, key)] = n
			}
		}
	}, cmd...)
}

// rqWorkerName is the name of the worker of a record.
func rqWorkerName(prefix, key string) string { return strings.TrimPrefix(key, prefix+":worker:") }

// arrived notes that one more record has arrived, or is not to be had, with what is to
// be done with its worker once all have.
func (s *rqSigns) arrived(judge func()) {
	if judge != nil {
		s.judge = append(s.judge, judge)
	}
	if s.left--; s.left > 0 {
		return
	}
	for _, judge := range s.judge {
		judge()
	}
}

// shows reports whether a worker shows a sign of life that is its own; true as well when
// that is not known.
func (s *rqSigns) shows(name string) bool {
	subscribers, known := s.subscribers[name]
	return !s.known || !known || subscribers != 0 || s.names[name]
}

// gone reports whether the worker of a record is certainly dead. left is how long
// the record has to live, in milliseconds, negative when that is not known. No client
// may wait for jobs that is none of the workers that show another sign.
func (s *rqSigns) gone(name string, busy bool, left float64) bool {
	switch {
	case s.shows(name):
		return false
	case busy:
		return left >= 0 && left < rqMonitored-rqLate
	}
	return s.waiting <= s.living
}

func rqReadWorker(p *poll, r *reading, signs *rqSigns, key string, w *worker) {
	w.Busy, w.Slots = 0, 1
	left := -1.0
	p.Ask(func(v resp.Value, err error) {
		if n, err := number(v, err); err == nil && n >= 0 {
			left = n
		}
	}, "PTTL", key)
	// RQ 3 names what a worker runs here, and no more in its record.
	var executions []string
	var executionsErr error
	p.Ask(func(v resp.Value, err error) { _, executions, executionsErr = scanned(v, err) }, "SSCAN", key+":executions", "0", "COUNT", "10")
	p.Ask(func(v resp.Value, err error) {
		fields, err := hashFields(5, v, err)
		if err != nil {
			r.MissWorker(err)
			signs.arrived(nil)
			return
		}
		state, job := string(fields[0].Str), fields[1]
		if !fields[0].IsNull() && state != "busy" && signs.shows(rqWorkerName(r.Prefix, key)) {
			signs.living++
		}
		signs.arrived(func() {
			w.Alive = !fields[0].IsNull() && !signs.gone(rqWorkerName(r.Prefix, key), state == "busy", left)
			w.Quiet = state == "suspended"
			for _, count := range fields[3:] {
				if n, err := number(count, nil); err == nil {
					w.Done += n
				}
			}
			if queues := string(fields[2].Str); queues != "" {
				w.Queues = strings.Split(queues, ",")
			}
			if state == "busy" && !w.Alive {
				id, err := jobID(job)
				if err == nil {
					executions = append(executions, id)
				}
				rqOrphans(p, r, w.Queues, executions)
				return
			}
			if state != "busy" {
				return
			}
			w.Busy = 1
			if executionsErr == nil && len(executions) > 0 {
				rqExecutions(p, r, w, executions)
				return
			}
			id, err := jobID(job)
			if err != nil {
				r.UnknownRun("a worker does not name its job")
				return
			}
			p.Ask(func(v resp.Value, err error) {
				if err == nil {
					w.RunningSince, err = parseRQTime(v)
				}
				if err != nil {
					r.UnknownRun("a running job: " + err.Error())
				}
			}, "HGET", r.Prefix+":job:"+id, "started_at")
		})
	}, "HMGET", key, "state", "current_job", "queues", "successful_job_count", "failed_job_count")
}

const (
	// rqStarted is how many started jobs of a queue are looked at: those first whose
	// heartbeat is the oldest.
	rqStarted = 100
	// rqSlack is how much later than now, in seconds, the time of a job must be over for
	// it to be in a worker's hands: a record and its job are not renewed at once.
	rqSlack = 5
)

// rqOrphans counts what a dead worker ran as orphaned as soon as the worker counts as
// dead. Its jobs, or their executions, are members of the started ones of a queue that
// it served; from RQ 2 on these are executions, which begin with the job.
func rqOrphans(p *poll, r *reading, served, runs []string) {
	if len(runs) == 0 {
		return
	}
	for _, q := range r.Queues {
		if !slices.Contains(served, q.Name) {
			continue
		}
		if !p.FollowUps(1) {
			q.Miss(figOrphaned, errManyFollowUps.Error())
			continue
		}
		p.Strings(func(pairs []string, err error) {
			var names []string
			var scores map[string]float64
			if err == nil {
				names, scores, err = scored(pairs)
			}
			if err != nil {
				q.Miss(figOrphaned, err.Error())
				return
			}
			for _, name := range names {
				job, _, _ := strings.Cut(name, ":")
				if scores[name] > math.Floor(p.Now()) && (slices.Contains(runs, name) || slices.Contains(runs, job)) {
					q.Add(figOrphaned, 1)
					if scores[name] >= math.Floor(p.Now())+rqSlack {
						q.Held--
					}
				}
			}
		}, "ZRANGE", r.Prefix+":wip:"+q.Name, "0", strconv.Itoa(rqStarted-1), "WITHSCORES")
	}
}

// rqExecutions asks when what a worker runs was begun; it is one, but for a
// moment.
func rqExecutions(p *poll, r *reading, w *worker, executions []string) {
	for _, execution := range executions[:min(len(executions), 10)] {
		if execution == "" || len(execution) > 2*maxJobID {
			r.UnknownRun("a running job: it is no id of an execution")
			continue
		}
		p.Ask(func(v resp.Value, err error) {
			if err == nil && v.IsNull() {
				return // it has ended in the meantime
			}
			var at float64
			if err == nil {
				at, err = epochOf(v)
			}
			if err != nil {
				r.UnknownRun("a running job: " + err.Error())
				return
			}
			if w.RunningSince == 0 || at < w.RunningSince {
				w.RunningSince = at
			}
		}, "HGET", r.Prefix+":execution:"+execution, "created_at")
	}
}
