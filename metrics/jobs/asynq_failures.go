package jobs

import (
	"redisjobs/redisclient/resp"
)

// ReadFailures reads of each queue the newest archived tasks, and of those that wait
// to be tried again those whose turn comes first: all of them when there are not
// many. The queue's own counter tells how many others there are.
func (asynq) ReadFailures(p *poll, f *failures) {
	asynqQueues(p, f.reading, func(names []string, size int, err error) {
		if err != nil {
			f.problem("failures", err)
		}
		queues := f.OpenListed(names, size, err)
		n := perList(2 * len(queues))
		for _, q := range queues {
			k := "asynq:{" + q.Name + "}:"
			f.counter(p, q.Name, nil, "GET", k+"failed")
			f.size(p, "retry", "ZCARD", k+"retry")
			f.size(p, "failed", "ZCARD", k+"archived")
			take := func(dead bool) func(e newFailed) {
				return func(e newFailed) {
					f.fields(p, k+"t:"+e.id, []string{"msg"}, func(values []resp.Value) { f.asynqTask(q.Name, e, dead, values[0]) })
				}
			}
			f.newest(p, idList{key: k + "archived", n: n, at: func(s float64) float64 { return s }}, take(true))
			f.newest(p, idList{key: k + "retry", n: n, retry: true}, take(false))
		}
	})
}

// asynqTask takes a failed task.
func (f *failures) asynqTask(queue string, e newFailed, dead bool, v resp.Value) {
	if v.IsNull() && !dead {
		f.miss(1) // it was tried again in the meantime
		return
	}
	text, err := payload(v)
	var task asynqFailed
	if err == nil {
		task, err = parseAsynqMessage(text)
	}
	if err != nil {
		f.unreadable++
		f.problem("jobs", err)
		return
	}
	var args argValues
	args.any(task.payload)
	out := newFailure(e.key, task.kind, "", task.message, &args)
	out.queue, out.at, out.dead = queue, task.failedAt, dead
	f.add(out, e.known)
}

// asynqFailed is what is wanted of message TaskMessage.
type asynqFailed struct {
	kind, message string
	payload       []byte
	failedAt      float64 // unix seconds, 0 if not known
}

// parseAsynqMessage reads message TaskMessage of internal/proto/asynq.proto.
func parseAsynqMessage(text []byte) (asynqFailed, error) {
	var out asynqFailed
	err := eachField(text, func(number int, value uint64, bytes []byte) {
		switch number {
		case 1:
			out.kind = string(bytes)
		case 2:
			out.payload = bytes
		case 7:
			out.message = string(bytes)
		case 11:
			if value >= moment2000 && value <= moment2200 {
				out.failedAt = float64(value)
			}
		}
	})
	return out, err
}
