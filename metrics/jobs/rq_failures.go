package jobs

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"redisjobs/redisclient/resp"
)

// rqFailedFields are what is read of a failed job.
var rqFailedFields = []string{"data", "exc_info", "ended_at", "failure_ttl"}

// rqFailureTTL is how long a failed job is kept, in seconds, if it does not say so.
const rqFailureTTL = 31536000

// ReadFailures reads the newest jobs of the registries of failed jobs. A job that is
// to be tried again is in none. The registry's scores are the times at which jobs
// are deleted from it: the newest are at its end as long as all jobs are kept
// equally long (failure_ttl, a year), or it has no more than are looked at.
func (rq) ReadFailures(p *poll, f *failures) {
	prefix := f.Prefix + ":"
	p.Members(maxListed, func(keys []string, size int, err error) {
		names := trimAll(f.reading, keys, prefix+"queue:")
		if err != nil {
			f.problem("failures", err)
		}
		queues := f.OpenListed(names, size-len(keys)+len(names), err)
		for _, q := range queues {
			key := prefix + "failed:" + q.Name
			f.size(p, "failed", "ZCARD", key)
			f.newest(p, idList{key: key, n: perList(len(queues))}, func(e newFailed) { f.rqJob(p, prefix, q.Name, e) })
		}
	}, prefix+"queues")
}

// rqJob asks for a failed job, and for its last result, which has the error from
// RQ 1.12 on.
func (f *failures) rqJob(p *poll, prefix, queue string, e newFailed) {
	var result rqResult
	if f.budget.jobs > 0 {
		p.AskPayload(func(v resp.Value, err error) {
			if err != nil {
				f.problem("failures", fmt.Errorf("XREVRANGE: %w", err))
				return
			}
			result, _ = parseRQResult(v)
		}, "XREVRANGE", prefix+"results:"+e.id, "+", "-", "COUNT", "1")
	}
	f.fields(p, prefix+"job:"+e.id, rqFailedFields, func(values []resp.Value) {
		data, trace := values[0], result.trace
		if trace == "" && values[1].Kind != resp.TooLarge {
			if text, err := inflate(values[1].Str, maxDetail); err == nil {
				trace = string(text)
			}
		}
		class, args := parseRQData(data)
		err, message := parseTraceback(trace)
		out := newFailure(e.key, class, err, message, args)
		out.queue, out.dead = queue, true
		out.at = rqFailedAt(values[2], values[3], result.at, e.score)
		f.add(out, e.known)
	})
}

// rqFailedAt is when a job failed: as it says itself, or its result. One that was
// given up because its worker is dead says nothing up to RQ 1; but its score is when
// it will have been kept for as long as it should be.
func rqFailedAt(ended, ttl resp.Value, result, score float64) float64 {
	if at, err := parseRQTime(ended); err == nil {
		return at
	}
	if result > 0 {
		return result
	}
	kept, err := ttl.Float64()
	if err != nil {
		kept = rqFailureTTL
	}
	if at := score - kept; kept > 0 && at >= moment2000 && at <= moment2200 {
		return at
	}
	return 0
}

// rqResult is the result of a job that failed.
type rqResult struct {
	trace string
	at    float64
}

// parseRQResult reads the newest entry of a job's stream of results.
func parseRQResult(v resp.Value) (rqResult, error) {
	entries, err := v.Array()
	if err != nil || len(entries) != 1 {
		return rqResult{}, errors.Join(err, errNoResult)
	}
	entry, err := entries[0].Array()
	if err != nil || len(entry) != 2 {
		return rqResult{}, errNoResult
	}
	var out rqResult
	ms, _, _ := strings.Cut(string(entry[0].Str), "-")
	out.at, _ = parseEpoch(ms)
	fields, err := entry[1].Pairs()
	if err != nil {
		return out, err
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if string(fields[i].Str) != "exc_string" || len(fields[i+1].Str) > maxDetail {
			continue
		}
		packed, err := base64.StdEncoding.DecodeString(string(fields[i+1].Str))
		if err != nil {
			return out, errNoResult
		}
		text, err := inflate(packed, maxDetail)
		if err != nil {
			return out, err
		}
		out.trace = string(text)
	}
	return out, nil
}

var errNoResult = errors.New("it is not the result that it should be")

// parseRQData reads the function of a job and its arguments: (function, object,
// args, kwargs), as a pickle or with RQ's serializer for JSON as that, packed.
func parseRQData(data resp.Value) (function string, args *argValues) {
	args = &argValues{over: data.Kind == resp.TooLarge}
	text, err := inflate(data.Str, maxDetail)
	if err != nil {
		args.over = true
		return "", args
	}
	var call []json.RawMessage
	if json.Unmarshal(text, &call) == nil && len(call) > 0 {
		_ = json.Unmarshal(call[0], &function)
		for _, raw := range call[1:] {
			args.any(raw)
		}
		return function, args
	}
	first := true
	err = pickled(text, func(s string) {
		if first {
			function, first = s, false
			return
		}
		args.any([]byte(s))
	}, args.number)
	if err != nil {
		args.printable(text)
	}
	return function, args
}
