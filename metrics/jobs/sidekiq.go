package jobs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// sidekiq reads Sidekiq 6 to 8, with and without redis-namespace.
// Sources: lib/sidekiq/api.rb and launcher.rb of 6.4.1, 7.3.10 and 8.1.7.
type sidekiq struct{}

var sidekiqSpec = &spec{
	Name:   "sidekiq",
	Prefix: withoutColon,
	Markers: func(prefix string) []marker {
		p := rubyPrefix(prefix)
		return []marker{{p + "stat:processed", "string"}, {p + "processes", "set"}, {p + "queues", "set"}}
	},
	Clue: func(key string) (clue, bool) {
		prefix, ok := strings.CutSuffix(key, ":processes")
		if !ok || prefix == "" {
			return clue{}, false
		}
		return clue{
			Prefix: prefix,
			Proof:  []redisclient.Command{{"TYPE", key}, {"TYPE", prefix + ":queues"}},
			Proves: areTypes("set", "set"),
		}, true
	},
	Lacks: slices.Concat(
		lackOfQueues("it is kept for all queues together", figScheduled, figOverdue, figRetry, figFailed),
		lackOfQueues("all queues are counted together", figProcessed, figFailedTotal, figArrival, figDrain),
		lackEverywhere("a job is deleted when it is done", figCompleted),
		lackOfSystem("the jobs of a killed worker are lost, and in no key", figOrphaned),
	),
	Commands: []string{"get", "hgetall", "hmget", "lindex", "llen", "smembers", "zcard", "zcount"},
	Keys: func(prefix string, _ []string) []string {
		p := rubyPrefix(prefix)
		// HOST:PID:NONCE, whose nonce is twelve digits, so that no key of another kind
		// can be read. Source: sidekiq lib/sidekiq/component.rb, identity
		process := p + "*:[0-9]*:" + strings.Repeat("[0-9a-f]", 12)
		return []string{p + "queues", p + "queue:*", p + "processes", p + "paused", p + "schedule", p + "retry",
			p + "dead", p + "stat:processed", p + "stat:failed", process, process + ":work", process + ":workers"}
	},
}

// withoutColon is a namespace, with or without the colon that follows it in keys.
func withoutColon(prefix string) string { return strings.TrimSuffix(prefix, ":") }

// rubyPrefix is what a namespace puts before each key.
func rubyPrefix(namespace string) string {
	if namespace == "" {
		return ""
	}
	return namespace + ":"
}

func (sidekiq) Spec() *spec { return sidekiqSpec }

func (sidekiq) Read(p *poll, r *reading) {
	k := rubyPrefix(r.Prefix)
	p.Count(&r.figures, figProcessed, "GET", k+"stat:processed")
	p.Count(&r.figures, figFailedTotal, "GET", k+"stat:failed")
	p.Count(&r.figures, figScheduled, "ZCARD", k+"schedule")
	p.Count(&r.figures, figRetry, "ZCARD", k+"retry")
	p.Count(&r.figures, figFailed, "ZCARD", k+"dead")
	// Pro's; without it nothing is ever paused.
	var paused []string
	var pausedErr error
	p.Strings(func(names []string, err error) { paused, pausedErr = names, err }, "SMEMBERS", k+"paused")

	var queues []*queue
	p.Strings(func(names []string, err error) {
		queues = r.OpenListed(names, err)
		for _, q := range queues {
			p.Count(&q.figures, figWaiting, "LLEN", k+"queue:"+q.Name)
			p.AskPayload(func(v resp.Value, err error) { p.oldest(q, v, err, parseSidekiqJob) }, "LINDEX", k+"queue:"+q.Name, "-1")
			q.FlagOf(figPaused, paused, pausedErr)
		}
		// The server's time is known by now.
		for _, set := range []string{"schedule", "retry"} {
			p.Count(&r.figures, figOverdue, "ZCOUNT", k+set, "-inf", p.NowArg(1))
		}
	}, "SMEMBERS", k+"queues")
	p.Strings(func(names []string, err error) {
		if err != nil {
			r.MissWorkers(err)
			newRunning(r, queues).fail(err)
			return
		}
		names = r.OpenWorkers(names)
		r.Workers = make([]worker, len(names))
		jobs := newRunning(r, queues)
		for i, name := range names {
			sidekiqWorker(p, k+name, &r.Workers[i], jobs) // identities have no prefix of their own
		}
	}, "SMEMBERS", k+"processes")
}

// parseSidekiqJob reads a job. Its times are seconds with a fraction, from
// Sidekiq 8 on whole milliseconds.
func parseSidekiqJob(text []byte) (oldestJob, error) {
	var raw struct {
		JID      string      `json:"jid"`
		Enqueued json.Number `json:"enqueued_at"`
		Created  json.Number `json:"created_at"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return oldestJob{}, err
	}
	job := oldestJob{id: raw.JID}
	var err error
	if job.at, err = parseEpoch(raw.Enqueued.String()); err != nil {
		job.at, err = parseEpoch(raw.Created.String())
	}
	if err != nil {
		return oldestJob{}, errors.New("it does not say when it was enqueued")
	}
	return job, nil
}

// sidekiqWorker reads one process and the jobs it runs. It is dead when its hash
// is gone, a minute after its last heartbeat.
func sidekiqWorker(p *poll, key string, w *worker, jobs *running) {
	w.Busy, w.Slots = -1, -1
	p.Ask(func(v resp.Value, err error) {
		var fields []resp.Value
		if err == nil {
			fields, err = v.Array()
		}
		if err == nil && len(fields) != 4 {
			err = errors.New("HMGET: expected 4 members")
		}
		if err != nil {
			jobs.r.MissWorkers(err)
			return
		}
		busy, concurrency, quiet, info := fields[0], fields[1], fields[2], fields[3]
		if busy.IsNull() && info.IsNull() {
			return
		}
		w.Alive = true
		w.Quiet = string(quiet.Str) == "true"
		if n, err := busy.Float64(); err == nil && n >= 0 {
			w.Busy = n
		}
		n, err := concurrency.Float64()
		if err != nil { // only from 8.1.2 on a field of its own
			n, err = parseSidekiqInfo(info.Str)
		}
		if err == nil && n >= 0 {
			w.Slots = n
		}
	}, "HMGET", key, "busy", "concurrency", "quiet", "info")
	for _, suffix := range []string{":work", ":workers"} { // the latter up to 6.4.1
		p.AskPayload(func(v resp.Value, err error) {
			var pairs []resp.Value
			if err == nil {
				pairs, err = v.Pairs()
			}
			if err != nil {
				jobs.fail(err)
				return
			}
			for i := 1; i < len(pairs); i += 2 {
				queue, at, err := parseSidekiqWork(pairs[i].Str)
				if err != nil {
					jobs.fail(err)
					continue
				}
				jobs.count(queue)
				if w.RunningSince == 0 || at < w.RunningSince {
					w.RunningSince = at
				}
			}
		}, "HGETALL", key+suffix)
	}
}

// parseSidekiqInfo reads the concurrency of a process.
func parseSidekiqInfo(text []byte) (float64, error) {
	var info struct {
		Concurrency json.Number `json:"concurrency"`
	}
	if err := parseJSON(text, &info); err != nil {
		return 0, err
	}
	return info.Concurrency.Float64()
}

// parseSidekiqWork reads a running job: its queue, and when it began.
func parseSidekiqWork(text []byte) (queue string, at float64, err error) {
	var work struct {
		Queue string      `json:"queue"`
		RunAt json.Number `json:"run_at"`
	}
	if err := parseJSON(text, &work); err != nil {
		return "", 0, err
	}
	at, err = parseEpoch(work.RunAt.String())
	return work.Queue, at, err
}
