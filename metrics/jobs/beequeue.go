package jobs

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// beequeue reads Bee-Queue 1 and 2. Its keys begin with prefix:queue:, like those of
// Bull, and some have the same names. There is no list of queues, and none of workers.
//
// A job does not say when it was begun, nor who runs it. What a dead worker ran stays
// active until somebody calls checkStalledJobs, as each worker does once when it
// starts: all that is active is then noted as stalling, and a living worker takes its
// jobs out again within half of an interval.
// Sources: lib/queue.js, lib/job.js and lib/lua of 2.0.0.
type beequeue struct{}

const beeNotCounted = "jobs that are done are counted as long as they are kept, and no longer"

var beequeueSpec = &spec{
	Name:          "beequeue",
	Lists:         true,
	DefaultPrefix: "bq",
	Splits:        true,
	Clue: func(key string) (clue, bool) {
		base, ok := strings.CutSuffix(key, ":jobs")
		prefix, queue, ok2 := splitQueue("bq", base)
		if !ok || !ok2 {
			return clue{}, false
		}
		c := clue{Prefix: prefix, Name: queue}
		for _, k := range beeKeys {
			c.Proof = append(c.Proof, redisclient.Command{"TYPE", base + ":" + k.Key})
		}
		c.Proof = append(c.Proof, redisclient.Command{"HSCAN", key, "0", "COUNT", "1"})
		c.Proves = func(replies []resp.Value) bool {
			return isBeeQueue(replies[:len(beeKeys)]) && isBeeHash(replies[len(beeKeys)])
		}
		return c, true
	},
	Lacks: slices.Concat(
		lackEverywhere("failed jobs that are tried again are among those scheduled or waiting", figRetry),
		lackOfQueues("a queue is paused in its process alone", figPaused),
		lackEverywhere(beeNotCounted, figProcessed, figFailedTotal),
		lackOfSystem("workers do not register", figWorkers, figWorkersDead, figWorkersBusy, figWorkersSlots, figUtilisation,
			figWorkersQuiet),
		lackOfSystem("a job does not say when it began", figOldestRunning),
	),
	Commands: []string{"client|id", "client|list", "exists", "get", "hget", "hlen", "hscan", "lindex", "llen", "scard", "zcard", "zcount"},
	Keys:     func(prefix string, _ []string) []string { return []string{prefix + ":*"} },
}

// beeKeys are what a queue may have; it has all of its jobs in the first one, and each
// in one of those after it.
var beeKeys = []marker{
	{Key: "jobs", Type: "hash"}, {Key: "waiting", Type: "list"}, {Key: "active", Type: "list"}, {Key: "delayed", Type: "zset"},
	{Key: "succeeded", Type: "set"}, {Key: "failed", Type: "set"}, {Key: "id", Type: "string"}, {Key: "stalling", Type: "set"},
}

// isBeeQueue: the keys of beeKeys are of their types, the first is there, and so is
// one that has jobs. Bull has sorted sets of some of these names.
func isBeeQueue(types []resp.Value) bool {
	some := false
	for i, v := range types {
		typ, err := v.Text()
		if err != nil || typ != beeKeys[i].Type && (i == 0 || typ != "none") {
			return false
		}
		some = some || i > 0 && i < 6 && typ != "none"
	}
	return some
}

// isBeeHash: what lies in the hash may be jobs of Bee-Queue. One that is too large to
// be looked into may be one.
func isBeeHash(reply resp.Value) bool {
	parts, err := reply.Array()
	if err != nil || len(parts) != 2 {
		return reply.Kind == resp.TooLarge
	}
	pairs, err := parts[1].Pairs()
	if err != nil {
		return false
	}
	for i := 1; i < len(pairs); i += 2 {
		if len(pairs[i].Str) > maxPayload {
			continue
		}
		var job map[string]json.RawMessage
		if parseJSON(pairs[i].Str, &job) != nil || job["options"] == nil || job["status"] == nil {
			return false
		}
	}
	return true
}

func (beequeue) Spec() *spec { return beequeueSpec }

func (beequeue) Read(p *poll, r *reading) {
	// A worker waits for jobs, or says again and again that it runs one.
	p.listeners(r, []string{"brpoplpush", "srem"}, nil)
	queues := r.Open(r.Found)
	r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", r.Prefix+":"+q.Name+":waiting") })
	for _, q := range queues {
		k := r.Prefix + ":" + q.Name + ":"
		p.Count(&q.figures, figWaiting, "LLEN", k+"waiting")
		p.Count(&q.figures, figActive, "LLEN", k+"active")
		p.Count(&q.figures, figScheduled, "ZCARD", k+"delayed")
		p.Count(&q.figures, figFailed, "SCARD", k+"failed")
		p.Count(&q.figures, figCompleted, "SCARD", k+"succeeded")
		p.Ask(func(v resp.Value, err error) { beeAdded(q, v, err) }, "GET", k+"id")
		p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			q.Exists = q.Exists || err == nil && n > 0
		}, "HLEN", k+"jobs")
		p.Ask(func(v resp.Value, err error) { beeOldest(p, q, k, v, err) }, "LINDEX", k+"waiting", "-1")
		beeOrphans(p, r, q, k)
	}
}

// beeAdded reads the counter of jobs that were given their ids by it; an application
// may choose ids of its own.
func beeAdded(q *queue, v resp.Value, err error) {
	n, err := number(v, err)
	reason := "its jobs have ids of their own, which are not counted"
	switch {
	case err != nil:
		reason = "GET: " + err.Error()
	case !v.IsNull():
		q.Exists = true
		q.Set(figAdded, n)
		return
	}
	for _, f := range []figure{figAdded, figArrival, figDrain} {
		q.Miss(f, reason)
	}
}

// beeOldest follows the id of the next job to its record.
func beeOldest(p *poll, q *queue, k string, v resp.Value, err error) {
	id, err := firstText(v, err)
	if err == nil && len(id) > maxJobID {
		err = errNoJobID
	}
	switch {
	case err != nil:
		q.Miss(figLatency, "oldest job: "+err.Error())
	case id == "":
		q.Set(figLatency, 0)
	default:
		p.AskPayload(func(v resp.Value, err error) {
			if err == nil && v.IsNull() {
				err = errNoRecord
			}
			p.oldest(q, v, err, parseBeeJob)
			q.Head = id
		}, "HGET", k+"jobs", id)
	}
}

// parseBeeJob reads a waiting job. It was made at its timestamp, and waits since its
// delay is over. One that has failed before does not say when it was queued again.
// (Nor does one that was found to be stalled, and of that it does not say either.)
func parseBeeJob(text []byte) (oldestJob, error) {
	var raw struct {
		Options struct {
			Timestamp   json.Number       `json:"timestamp"`
			Delay       json.Number       `json:"delay"` // the moment, in ms
			Stacktraces []json.RawMessage `json:"stacktraces"`
		} `json:"options"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return oldestJob{}, err
	}
	if len(raw.Options.Stacktraces) > 0 {
		return oldestJob{again: true}, nil
	}
	at, err := parseEpoch(raw.Options.Timestamp.String())
	if err != nil {
		return oldestJob{}, err
	}
	if due, err := parseEpoch(raw.Options.Delay.String()); err == nil {
		at = max(at, due)
	}
	return oldestJob{at: at}, nil
}

// beeOrphans counts the active jobs whose worker is dead: all when no worker is
// connected, and else those that are still noted as stalling when the interval, in
// which a living worker would have taken them out, is over.
func beeOrphans(p *poll, r *reading, q *queue, k string) {
	stalling, stallingErr := 0.0, error(nil)
	p.Ask(func(v resp.Value, err error) { stalling, stallingErr = number(v, err) }, "SCARD", k+"stalling")
	p.Ask(func(v resp.Value, err error) { // is there for an interval after each check
		checking, err := number(v, err)
		p.Ask(func(v resp.Value, overdueErr error) {
			if n, err := number(v, overdueErr); err != nil {
				q.Miss(figOverdue, "ZCOUNT: "+err.Error())
			} else {
				q.Set(figOverdue, n)
			}
			// By now it is known who is connected, too.
			active, known := q.Get(figActive)
			switch err := cmp.Or(stallingErr, err); {
			case !known:
				q.Miss(figOrphaned, "it is not known how many jobs run")
			case active == 0:
				q.Set(figOrphaned, 0)
			case r.nobody():
				q.Set(figOrphaned, active)
			case err != nil:
				q.Miss(figOrphaned, "stalled jobs: "+err.Error())
			case checking == 0 && stalling > 0:
				q.Set(figOrphaned, min(stalling, active))
			default:
				q.Miss(figOrphaned, "jobs do not say who runs them, and none was found to be stalled")
			}
		}, "ZCOUNT", k+"delayed", "-inf", p.OverdueArg(1000)) // the server's time is known by now
	}, "EXISTS", k+"stallBlock")
}
