package jobs

import (
	"encoding/json"
	"strconv"

	"redisjobs/redisclient/resp"
)

// horizonFailedFields are what is read of a failed job.
var horizonFailedFields = []string{"name", "queue", "exception", "failed_at", "payload"}

// ReadFailures reads the newest jobs that were given up, for all queues together;
// Horizon keeps them for a week. Their scores are negative times.
func (horizon) ReadFailures(p *poll, f *failures) {
	key := f.Prefix + "failed_jobs"
	f.size(p, "failed", "ZCARD", key)
	f.newest(p, idList{key: key, n: maxNewest, negative: true, at: func(s float64) float64 { return s }}, func(e newFailed) {
		f.fields(p, f.Prefix+e.id, horizonFailedFields, func(values []resp.Value) {
			if values[0].IsNull() && values[2].IsNull() {
				f.unreadable++
				f.problem("jobs", errJobGone)
				return
			}
			err, message := parsePHPError(string(values[2].Str))
			out := newFailure(e.key, string(values[0].Str), err, message, horizonArgs(values[4]))
			out.queue, out.at, out.dead = string(values[1].Str), e.score, true
			if at, err := strconv.ParseFloat(string(values[3].Str), 64); err == nil && at >= moment2000 && at <= moment2200 {
				out.at = at
			}
			f.add(out, e.known)
		})
	})
}

// horizonArgs are the arguments of a job: the properties of the object that PHP has
// serialized, or the data of a job that is none.
func horizonArgs(v resp.Value) *argValues {
	args := &argValues{over: v.Kind == resp.TooLarge}
	var payload struct {
		Data json.RawMessage `json:"data"`
	}
	var object struct {
		Command string `json:"command"`
	}
	switch {
	case parseJSON(v.Str, &payload) != nil:
		args.any(v.Str)
	case parseJSON(payload.Data, &object) == nil && object.Command != "":
		args.any([]byte(object.Command))
	default:
		args.any(payload.Data)
	}
	return args
}
