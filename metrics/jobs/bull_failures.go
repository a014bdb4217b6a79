package jobs

import (
	"encoding/json"
	"errors"

	"redisjobs/redisclient/resp"
)

// bullFailedFields are what is read of a failed job.
var bullFailedFields = []string{"name", "failedReason", "stacktrace", "finishedOn", "data"}

// ReadFailures reads the newest failed jobs of each queue. One that is to be tried
// again is among the delayed or waiting ones, and those that are deleted when they
// fail (removeOnFail) are nowhere; where the workers keep metrics, these are missed.
func (bullmq) ReadFailures(p *poll, f *failures) { f.bullFailures(p) }

// ReadFailures is that of bullmq.
func (bull) ReadFailures(p *poll, f *failures) { f.bullFailures(p) }

func (f *failures) bullFailures(p *poll) {
	queues := f.Open(f.Found)
	for _, q := range queues {
		k := f.Prefix + ":" + q.Name + ":"
		if f.only != "" {
			for _, suffix := range []string{"id", "meta", "failed"} {
				p.Ask(func(v resp.Value, err error) {
					q.Exists = q.Exists || err != nil || string(v.Str) != "none"
				}, "TYPE", k+suffix)
			}
		}
		p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			f.uncounted = f.uncounted || err != nil || v.IsNull()
			if f.problem("missed", err); err == nil && !v.IsNull() {
				f.counters = append(f.counters, failureCounter{k + "metrics:failed", q.Name, n})
			}
		}, "HGET", k+"metrics:failed", "count")
		f.size(p, "failed", "ZCARD", k+"failed")
		f.newest(p, idList{key: k + "failed", n: perList(len(queues)), at: func(ms float64) float64 { return ms / 1000 }},
			func(e newFailed) {
				f.fields(p, k+e.id, bullFailedFields, func(values []resp.Value) { f.bullJob(q.Name, e, values) })
			})
	}
}

// bullJob takes a failed job.
func (f *failures) bullJob(queue string, e newFailed, values []resp.Value) {
	if values[0].IsNull() && values[3].IsNull() {
		f.unreadable++
		f.problem("jobs", errJobGone)
		return
	}
	message := string(values[1].Str)
	class := ""
	if stack, err := parseBullStack(values[2].Str); err == nil {
		class = parseStack(stack, message)
	}
	out := newFailure(e.key, string(values[0].Str), class, message, argsOf(values[4]))
	out.queue, out.at, out.dead = queue, e.score/1000, true
	if at, err := epochOf(values[3]); err == nil {
		out.at = at
	}
	f.add(out, e.known)
}

var errJobGone = errors.New("the record of a failed job is gone")

// parseBullStack reads the stack of the last attempt.
func parseBullStack(text []byte) (string, error) {
	var stacks []json.RawMessage
	if err := parseJSON(text, &stacks); err != nil {
		return "", err
	}
	if len(stacks) == 0 {
		return "", errors.New("it has no stack")
	}
	var stack string
	err := parseJSON(stacks[len(stacks)-1], &stack)
	return stack, err
}
