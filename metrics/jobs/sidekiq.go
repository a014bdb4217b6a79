package jobs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// sidekiq reads Sidekiq 6 to 8, with and without redis-namespace, and Exq (Elixir),
// which keeps the same under its own namespace. Exq's processes do not tell how much
// they could run, and what a killed one ran is in a list from which it takes it up again.
// Sources: lib/sidekiq/api.rb and launcher.rb of 6.4.1, 7.3.10 and 8.1.7;
// lib/exq/redis/job_stat.ex, node/server.ex and serializers/json_serializer.ex of 0.23.0.
type sidekiq struct{}

// exqNamespace is Exq's default.
const exqNamespace = "exq"

var sidekiqSpec = &spec{
	Name:   "sidekiq",
	Lists:  true,
	Prefix: withoutColon,
	Markers: func(prefix string) []marker {
		p := rubyPrefix(prefix)
		// Resque without a namespace has the last two as well.
		return []marker{
			{Key: p + "processes", Type: "set"}, {Key: p + "workers:heartbeat", Type: "hash", Absent: true},
			{Key: p + "stat:processed", Type: "string"}, {Key: p + "queues", Type: "set"},
		}
	},
	Clue: func(key string) (clue, bool) {
		prefix, ok := strings.CutSuffix(key, ":processes")
		if key == exqNamespace+":queues" { // there is no process when none lives
			return clue{
				Prefix: exqNamespace,
				Proof:  []redisclient.Command{{"TYPE", key}, {"TYPE", exqNamespace + ":stat:processed"}},
				Proves: areTypes("set", "string"),
			}, true
		}
		if !ok || prefix == "" {
			if c, ok := rubyQueueClue(key, true); ok {
				return c, true
			}
			return sidekiqCronClue(key)
		}
		return clue{
			Prefix: prefix,
			Proof:  []redisclient.Command{{"TYPE", key}, {"TYPE", prefix + ":queues"}},
			Proves: areTypes("set", "set"),
		}, true
	},
	Lacks: slices.Concat(
		lackOfQueues("there is one set for all queues", figScheduled, figOverdue, figRetry, figFailed),
		lackOfQueues("the counters are for all queues together", figProcessed, figFailedTotal, figArrival, figDrain),
		lackEverywhere("a job is deleted when it is done", figCompleted),
		lackOfSystem("the jobs of a killed worker are lost; those that super_fetch of Sidekiq Pro keeps are not read", figOrphaned),
	),
	Commands:        []string{"get", "hmget", "hscan", "lindex", "llen", "pttl", "scard", "sscan", "zcard", "zcount", "zrange"},
	FailureCommands: []string{"bitfield_ro", "get", "hscan", "scard", "sscan", "zcard", "zcount", "zrange"},
	Keys: func(prefix string, _ []string) []string {
		p := rubyPrefix(prefix)
		if prefix == exqNamespace { // its processes have the names of hosts
			return []string{p + "*"}
		}
		// HOST:PID:NONCE, whose nonce is twelve digits, so that no key of another kind
		// can be read. Source: sidekiq lib/sidekiq/component.rb, identity
		process := p + "*:[0-9]*:" + strings.Repeat("[0-9a-f]", 12)
		return []string{p + "queues", p + "queue:*", p + "processes", p + "workers:heartbeat", p + "paused", p + "schedule", p + "retry",
			p + "dead", p + "stat:processed", p + "stat:failed", process, process + ":work", process + ":workers",
			// Counters of each minute by job class, and times: <class>-DD-HH:MM up to version 7,
			// where a class of Ruby begins with a capital.
			p + "j|[0-9]*|[0-9]*:[0-9]*", p + "h|*-[0-9]*-[0-9]*:[0-9]*", p + "[A-Z]*-[0-9][0-9]-[0-9][0-9]:[0-9]*",
			p + "cron_job*", p + "schedules", p + "sidekiq-scheduler:*"}
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
	p.AllMembers(maxListed, "paused queues", func(names []string, err error) { paused, pausedErr = names, err }, k+"paused")

	var queues []*queue
	p.Members(maxListed, func(names []string, size int, err error) {
		queues = r.OpenListed(names, size, err)
		r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", k+"queue:"+q.Name) })
		p.expect(2 * len(queues))
		for _, q := range queues {
			key := k + "queue:" + q.Name
			p.Count(&q.figures, figWaiting, "LLEN", key)
			p.AskPayload(func(v resp.Value, err error) { p.oldest(q, v, err, parseSidekiqJob) }, "LINDEX", key, "-1")
			q.FlagOf(figPaused, paused, pausedErr)
		}
		// The server's time is known by now.
		for _, set := range []string{"schedule", "retry"} {
			p.Count(&r.figures, figOverdue, "ZCOUNT", k+set, "-inf", p.OverdueArg(1))
		}
	}, k+"queues")
	p.Members(maxWorkers, func(names []string, size int, err error) {
		if err != nil {
			r.MissWorkers(err)
			newRunning(r, queues).fail(err)
			return
		}
		names = r.OpenWorkers(names, size)
		r.Workers = make([]worker, len(names))
		jobs := newRunning(r, queues)
		for i, name := range names {
			sidekiqWorker(p, k+name, &r.Workers[i], jobs) // identities have no prefix of their own
		}
	}, k+"processes")
	if r.only == "" {
		sidekiqCron(p, r, k)
		sidekiqScheduler(p, r, k)
	}
}

// parseSidekiqJob reads a job. Its times are seconds with a fraction, from
// Sidekiq 8 on whole milliseconds.
func parseSidekiqJob(text []byte) (oldestJob, error) {
	var jid, enqueued, created string
	usual := len(text) <= maxPayload
	usual = usual && membersOf(text, func(name, value []byte) {
		ok := true
		switch {
		case string(name) == "jid":
			jid, ok = plainText(value)
		case string(name) == "enqueued_at" && isNumber(value):
			enqueued = string(value)
		case string(name) == "created_at" && isNumber(value):
			created = string(value)
		default:
			for _, wanted := range []string{"jid", "enqueued_at", "created_at"} {
				ok = ok && !strings.EqualFold(string(name), wanted)
			}
		}
		usual = usual && ok
	}) && usual
	if !usual {
		return parseSidekiqJobByReflection(text)
	}
	return sidekiqJob(jid, enqueued, created)
}

// parseSidekiqJobByReflection reads a job of any form.
func parseSidekiqJobByReflection(text []byte) (oldestJob, error) {
	var raw struct {
		JID      string      `json:"jid"`
		Enqueued json.Number `json:"enqueued_at"`
		Created  json.Number `json:"created_at"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return oldestJob{}, err
	}
	return sidekiqJob(raw.JID, raw.Enqueued.String(), raw.Created.String())
}

func sidekiqJob(jid, enqueued, created string) (oldestJob, error) {
	job := oldestJob{id: jid}
	var err error
	if job.at, err = parseEpoch(enqueued); err != nil {
		job.at, err = parseEpoch(created)
	}
	if err != nil {
		return oldestJob{}, errors.New("it does not say when it was enqueued")
	}
	return job, nil
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
