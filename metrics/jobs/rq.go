package jobs

import (
	"errors"
	"slices"
	"strings"

	"redisjobs/redisclient/resp"
)

// rq reads RQ 1 to 3 (python-rq). Its counts are those that RQ's own API gives,
// which removes what has expired before it counts.
// Sources: rq/registry.py, rq/queue.py and rq/worker.py of 1.13.0, 2.10.0 and 3.0.0.
type rq struct{}

var rqSpec = &Spec{
	Name:          "rq",
	DefaultPrefix: "rq",
	Prefix:        func(string) string { return "rq" }, // there is no other
	Markers:       func(string) []Marker { return []Marker{{"rq:queues", "set"}, {"rq:workers", "set"}} },
	Lacks: slices.Concat(
		lackOfQueues("a job to be tried again is among those scheduled or waiting", Retry),
		lackOfSystem("a job to be tried again is among those scheduled or waiting", Retry),
		lackOfQueues("there are no counters but those of living workers", Processed, FailedTotal, Arrival, Drain),
		lackOfSystem("there are no counters but those of living workers", Processed, FailedTotal),
	),
	Commands: []string{"get", "hget", "hmget", "lindex", "llen", "smembers", "zcard", "zcount"},
	Keys:     func(string, []string) []string { return []string{"rq:*"} },
}

func (rq) Spec() *Spec { return rqSpec }

const rqQueue, rqWorker = "rq:queue:", "rq:worker:"

func (rq) Read(p *Poll, r *Reading) {
	suspended, suspendedErr := false, error(nil)
	p.Ask(func(v resp.Value, err error) { suspended, suspendedErr = !v.IsNull(), err }, "GET", "rq:suspended")
	p.Strings(func(keys []string, err error) {
		var queues []*Queue
		if err != nil {
			queues = r.MissQueues(err)
		} else {
			queues = r.Open(trimAll(r, keys, rqQueue))
		}
		for _, q := range queues {
			if suspendedErr != nil {
				q.Miss(Paused, "suspended: "+suspendedErr.Error())
			} else {
				q.Flag(Paused, suspended)
			}
			rqReadQueue(p, q)
		}
	}, "SMEMBERS", "rq:queues")
	p.Strings(func(keys []string, err error) {
		if err != nil {
			r.MissWorkers(err)
			return
		}
		keys = r.OpenWorkers(keys)
		r.Workers = make([]Worker, len(keys))
		for i, key := range keys {
			rqReadWorker(p, r, key, &r.Workers[i])
		}
	}, "SMEMBERS", "rq:workers")
}

// trimAll takes a prefix off full keys; what does not have it is skipped.
func trimAll(r *Reading, keys []string, prefix string) []string {
	var out []string
	for _, key := range keys {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			out = append(out, name)
		} else {
			r.Skipped++
		}
	}
	return out
}

func rqReadQueue(p *Poll, q *Queue) {
	f, now := &q.Figures, p.NowArg(1)
	p.Count(f, Waiting, "LLEN", rqQueue+q.Name)
	p.Ask(func(v resp.Value, err error) { rqLatency(p, q, v, err) }, "LINDEX", rqQueue+q.Name, "0")
	// A started job whose time has run out was left by a worker that died.
	p.Count(f, Active, "ZCARD", "rq:wip:"+q.Name)
	p.Subtract(f, Active, "ZCOUNT", "rq:wip:"+q.Name, "0", now)
	p.Count(f, Orphaned, "ZCOUNT", "rq:wip:"+q.Name, "0", now)
	for figure, set := range map[Figure]string{Completed: "rq:finished:", Failed: "rq:failed:"} {
		p.Count(f, figure, "ZCARD", set+q.Name)
		p.Subtract(f, figure, "ZCOUNT", set+q.Name, "0", now)
	}
	p.Count(f, Deferred, "ZCARD", "rq:deferred:"+q.Name)
	p.Count(f, Canceled, "ZCARD", "rq:canceled:"+q.Name)
	p.Count(f, Scheduled, "ZCARD", "rq:scheduled:"+q.Name)
	p.Count(f, Overdue, "ZCOUNT", "rq:scheduled:"+q.Name, "-inf", now)
	p.Ask(func(v resp.Value, err error) {
		if err != nil {
			q.Miss(SchedulersAlive, err.Error())
			return
		}
		q.Flag(SchedulersAlive, !v.IsNull())
	}, "GET", "rq:scheduler-lock:"+q.Name)
}

// rqLatency follows the id of the oldest job to its record.
func rqLatency(p *Poll, q *Queue, v resp.Value, err error) {
	if err == nil && v.IsNull() {
		q.Set(Latency, 0)
		return
	}
	var id string
	if err == nil {
		id, err = jobID(v)
	}
	if err != nil {
		q.Miss(Latency, "oldest job: "+err.Error())
		return
	}
	q.Head = id
	p.Ask(func(v resp.Value, err error) {
		var at float64
		if err == nil {
			at, err = parseRQTime(v)
		}
		if err != nil {
			q.Miss(Latency, "oldest job: "+err.Error())
			return
		}
		q.Set(Latency, p.Age(at))
	}, "HGET", "rq:job:"+id, "enqueued_at")
}

// maxJobID bounds what is taken for the id of a job, in bytes.
const maxJobID = 1024

// jobID is the id that a list of ids has; it becomes a part of a key.
func jobID(v resp.Value) (string, error) {
	id, err := v.Text()
	if err == nil && (id == "" || len(id) > maxJobID) {
		err = errors.New("it is no id of a job")
	}
	return id, err
}

func rqReadWorker(p *Poll, r *Reading, key string, w *Worker) {
	w.Busy, w.Slots = 0, 1
	p.Ask(func(v resp.Value, err error) {
		var fields []resp.Value
		if err == nil {
			fields, err = v.Array()
		}
		if err == nil && len(fields) != 2 {
			err = errors.New("HMGET: expected 2 members")
		}
		if err != nil {
			r.MissWorkers(err)
			return
		}
		state, job := string(fields[0].Str), fields[1]
		w.Alive = !fields[0].IsNull() // the record ends some time after the last heartbeat
		w.Quiet = state == "suspended"
		if state != "busy" {
			return
		}
		w.Busy = 1
		id, err := jobID(job)
		if err != nil {
			r.Miss(OldestRunning, "a worker does not name its job")
			return
		}
		p.Ask(func(v resp.Value, err error) {
			if err == nil {
				w.RunningSince, err = parseRQTime(v)
			}
			if err != nil {
				r.Miss(OldestRunning, "a running job: "+err.Error())
			}
		}, "HGET", "rq:job:"+id, "started_at")
	}, "HMGET", key, "state", "current_job")
}

// parseRQTime reads a time in a job's record.
func parseRQTime(v resp.Value) (float64, error) {
	text, err := v.Text()
	if errors.Is(err, resp.ErrNull) {
		return 0, errors.New("its record does not tell the time, or is gone")
	}
	if err != nil {
		return 0, err
	}
	return parseDate(text, "2006-01-02T15:04:05.999999Z07:00")
}
