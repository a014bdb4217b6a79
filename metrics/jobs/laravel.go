package jobs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// laravel reads the queues of Laravel 8 to 13. Its prefix is that of the
// connection to Redis, before "queues:": the name of the application with _database_,
// from Laravel 12 on with -database-, or nothing. What Horizon adds is in another
// place, with another prefix, and read as a system of its own.
// Sources: src/Illuminate/Queue/RedisQueue.php of 8.83.26 and 13.26.1.
type laravel struct{}

// laravelPrefix is that of an application without a name of its own.
const laravelPrefix = "laravel_database_"

// laravelReserved is the least that an application gives to a job, its retry_after, in
// seconds: by default it is 90. A request of the web is over sooner.
const laravelReserved = 10

var laravelSpec = &spec{
	Name:          "laravel",
	DefaultPrefix: laravelPrefix,
	AppPrefix:     true,
	Lists:         true,
	EmptyIsGone:   true,
	// It may be written as keys begin, so that one of nothing can be named.
	Prefix: func(prefix string) string { return strings.TrimSuffix(prefix, "queues:") },
	Clue: func(key string) (clue, bool) {
		prefix, queue, ok := strings.Cut(key, "queues:")
		if !ok || queue == "" {
			return clue{}, false
		}
		c := clue{Prefix: prefix, Name: queue}
		isSet := false
		for _, suffix := range []string{":delayed", ":reserved"} {
			if name, ok := strings.CutSuffix(queue, suffix); ok {
				c.Name, isSet = name, true
			}
		}
		// The wake-up calls of :notify are a list too, but of no jobs.
		if c.Name == "" || strings.HasSuffix(queue, ":notify") {
			return clue{}, false
		}
		c.Proof = []redisclient.Command{{"LINDEX", key, "0"}}
		if isSet {
			c.Proof = []redisclient.Command{{"ZRANGE", key, "0", "0"}}
		}
		c.Proves = func(replies []resp.Value) bool {
			text, err := firstText(replies[0], nil)
			if err != nil {
				return false
			}
			return isLaravelJob([]byte(text))
		}
		c.Open = func([]resp.Value) bool { return true }
		return c, true
	},
	Lacks: slices.Concat(
		lackEverywhere("jobs that are tried again are among the scheduled ones", figRetry),
		lackEverywhere("failed jobs are in a database, not in Redis", figFailed, figFailedTotal),
		lackEverywhere("a job is deleted when it is done", figCompleted),
		lackOfQueues("jobs are not counted", figProcessed, figArrival, figDrain),
		lackOfSystem("jobs are not counted", figProcessed),
		lackOfQueues("pausing is kept in the cache of the application", figPaused),
		lackOfSystem("workers do not register", figWorkers, figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figUtilisation,
			figWorkersQuiet),
		lackOfSystem("a reserved job does not say when it began", figOldestRunning),
	),
	Commands: []string{"client|id", "client|list", "lindex", "llen", "zcard", "zcount", "zrange"},
	Keys: func(prefix string, _ []string) []string {
		out := []string{prefix + "queues:*"}
		if prefix == laravelPrefix {
			out = append(out, "laravel-database-queues:*")
		}
		return out
	},
}

func (laravel) Spec() *spec { return laravelSpec }

func (laravel) Read(p *poll, r *reading) {
	// Scripts take jobs, and others put them in; the last command tells no more.
	p.holders(r, holder{takes: []string{"blpop", "eval", "evalsha", "zrem"}, asks: []string{"blpop"}, since: laravelReserved, brief: true})
	queues := r.Open(r.Found)
	r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", r.Prefix+"queues:"+q.Name) })
	for _, q := range queues {
		k := r.Prefix + "queues:" + q.Name
		p.Count(&q.figures, figWaiting, "LLEN", k)
		p.Count(&q.figures, figScheduled, "ZCARD", k+":delayed")
		p.Count(&q.figures, figActive, "ZCARD", k+":reserved")
		p.AskPayload(func(v resp.Value, err error) {
			// The server's time is known by now. A reserved job's score is when another
			// worker may take it.
			p.Count(&q.figures, figOverdue, "ZCOUNT", k+":delayed", "-inf", p.OverdueArg(1))
			p.Ask(func(v resp.Value, err error) {
				n, err := number(v, err)
				if err != nil {
					q.Miss(figOrphaned, "ZCOUNT: "+err.Error())
					return
				}
				r.lapsed(q, n)
			}, "ZCOUNT", k+":reserved", "-inf", p.NowArg(1))
			p.oldest(q, v, err, laravelOldest)
		}, "LINDEX", k, "0")
	}
}

// isLaravelJob recognizes a job by what each one has.
func isLaravelJob(text []byte) bool {
	if len(text) > maxPayload {
		return hasShape(text, map[string]string{"id": `"`, "job": `"`})
	}
	_, err := parseLaravelJob(text)
	return err == nil
}

// parseLaravelJob reads a job; at is 0 when it does not say when it was pushed. One
// that was delayed waits since the delay is over, which Laravel from 13 on says in
// it. One that was tried before does not say since when it waits again.
func parseLaravelJob(text []byte) (oldestJob, error) {
	var raw struct {
		ID       *string     `json:"id"`
		UUID     string      `json:"uuid"`
		Job      *string     `json:"job"`
		Created  json.Number `json:"createdAt"`
		PushedAt json.Number `json:"pushedAt"` // Horizon's
		Attempts json.Number `json:"attempts"`
		Delay    any         `json:"delay"` // seconds
	}
	if err := parseJSON(text, &raw); err != nil {
		return oldestJob{}, err
	}
	if raw.ID == nil || raw.Job == nil {
		return oldestJob{}, errors.New("it has no id and job")
	}
	job := oldestJob{id: *raw.ID}
	for _, at := range []json.Number{raw.Created, raw.PushedAt} {
		if t, err := parseEpoch(at.String()); err == nil {
			job.at = t
			break
		}
	}
	if n, err := raw.Attempts.Float64(); err == nil && n > 0 {
		job.again = true
	}
	switch delay := raw.Delay.(type) {
	case nil:
	case float64:
		if delay >= 0 && delay < 1e10 {
			job.at += delay
		} else {
			job.problem = errDelay
		}
	default:
		job.problem = errDelay
	}
	return job, nil
}

// laravelOldest is parseLaravelJob of a job that must say when it was pushed.
func laravelOldest(text []byte) (oldestJob, error) {
	job, err := parseLaravelJob(text)
	if err == nil {
		err = job.problem
	}
	if err == nil && job.at < moment2000 {
		err = errors.New("it does not say when it was pushed, as Laravel from 12.11 on and Horizon do")
	}
	return job, err
}
