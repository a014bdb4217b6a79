package jobs

import (
	"errors"
	"strings"

	"redisjobs/redisclient/resp"
)

func rqReadWorker(p *poll, r *reading, key string, w *worker) {
	w.Busy, w.Slots = 0, 1
	// RQ 3 names what a worker runs here, and no more in its record.
	var executions []string
	var executionsErr error
	p.Ask(func(v resp.Value, err error) { _, executions, executionsErr = scanned(v, err) }, "SSCAN", key+":executions", "0", "COUNT", "10")
	p.Ask(func(v resp.Value, err error) {
		var fields []resp.Value
		if err == nil {
			fields, err = v.Array()
		}
		if err == nil && len(fields) != 3 {
			err = errors.New("HMGET: expected 3 members")
		}
		if err != nil {
			r.MissWorker(err)
			return
		}
		state, job := string(fields[0].Str), fields[1]
		w.Alive = !fields[0].IsNull() // the record ends some time after the last heartbeat
		w.Quiet = state == "suspended"
		if queues := string(fields[2].Str); queues != "" {
			w.Queues = strings.Split(queues, ",")
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
	}, "HMGET", key, "state", "current_job", "queues")
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
