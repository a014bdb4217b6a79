package jobs

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// rq reads RQ 1 to 3 (python-rq). Its counts are those that RQ's own API gives,
// which removes what has expired before it counts; but what a dead worker ran is active,
// and orphaned, as in other systems. The prefix is RQ_KEY_PREFIX of RQ 3, as it is.
//
// A job that a rate limit of RQ 3 holds back is in no queue until there is a slot
// for it. One that a worker is about to take is for a moment in no place but
// <queue>:intermediate; when the worker dies then, RQ gives it up after a minute.
// Sources: rq/registry.py, rq/queue.py, rq/worker.py and rq/rate_limit.py of
// 1.13.0, 2.10.0 and 3.0.0.
type rq struct{}

var rqSpec = &spec{
	Name:          "rq",
	Lists:         true,
	DefaultPrefix: "rq",
	Markers: func(prefix string) []marker {
		return []marker{
			{Key: prefix + ":queues", Type: "set"}, {Key: prefix + ":workers", Type: "set"},
			{Key: prefix + ":cron_schedulers", Type: "zset"}, {Key: prefix + ":scheduler:scheduled_jobs", Type: "zset"},
		}
	},
	Clue: func(key string) (clue, bool) {
		if c, ok := rqSchedulerClue(key); ok {
			return c, true
		}
		fields := []string{"origin", "created_at"}
		prefix, name, ok := strings.Cut(key, ":job:")
		if !ok {
			prefix, name, ok = strings.Cut(key, ":worker:")
			fields = []string{"birth", "queues"}
		}
		// <prefix>:job:<id>:dependents is no record.
		if !ok || prefix == "" || name == "" || strings.Contains(name, ":") {
			return clue{}, false
		}
		return clue{
			Prefix:        prefix,
			Proof:         []redisclient.Command{{"TYPE", prefix + ":queues"}, append(redisclient.Command{"HMGET", key}, fields...)},
			Proves:        rqProves,
			OncePerPrefix: true,
		}, true
	},
	Lacks: slices.Concat(
		lackEverywhere("a job to be tried again is among those scheduled or waiting", figRetry),
		lackOfQueues("there are no counters but those of living workers", figProcessed, figFailedTotal, figArrival, figDrain),
		lackOfSystem("there are no counters but those of living workers", figProcessed, figFailedTotal),
	),
	Commands: []string{"client|id", "client|list", "get", "hget", "hmget", "lindex", "llen", "pttl", "pubsub|numsub", "scard", "sscan",
		"zcard", "zcount", "zrange"},
	FailureCommands: []string{"hmget", "hstrlen", "scard", "sscan", "xrevrange", "zcard", "zcount", "zrange"},
	Keys:            func(prefix string, _ []string) []string { return []string{prefix + ":*"} },
}

// rqProves: the record is one of RQ's own, and not of an application that has a
// list of queues as well.
func rqProves(replies []resp.Value) bool {
	fields, err := replies[1].Array()
	return err == nil && areTypes("set")(replies[:1]) && !slices.ContainsFunc(fields, resp.Value.IsNull)
}

func (rq) Spec() *spec { return rqSpec }

func (rq) Read(p *poll, r *reading) {
	prefix := r.Prefix + ":"
	signs := new(rqSigns)
	p.clients(func(nodes [][]client, err error) { signs.take(p.lookout(r.instance), nodes, err) })
	suspended, suspendedErr := false, error(nil)
	p.Ask(func(v resp.Value, err error) { suspended, suspendedErr = !v.IsNull(), err }, "GET", prefix+"suspended")
	p.Members(maxListed, func(keys []string, size int, err error) {
		names := trimAll(r, keys, prefix+"queue:")
		queues := r.OpenListed(names, size-len(keys)+len(names), err)
		r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", prefix+"queue:"+q.Name) })
		for _, q := range queues {
			if suspendedErr != nil {
				q.Miss(figPaused, "suspended: "+suspendedErr.Error())
			} else {
				q.Flag(figPaused, suspended)
			}
			rqReadQueue(p, r, q)
			rqIntermediate(p, r, prefix, q)
		}
	}, prefix+"queues")
	p.Members(maxWorkers, func(keys []string, size int, err error) {
		if err != nil {
			r.MissWorkers(err)
			return
		}
		keys = r.OpenWorkers(keys, size)
		r.deadTell = true
		r.Workers = make([]worker, len(keys))
		signs.left = len(keys)
		signs.listen(p, r.Prefix, keys)
		for i, key := range keys {
			rqReadWorker(p, r, signs, key, &r.Workers[i])
		}
	}, prefix+"workers")
	if r.only == "" {
		rqCron(p, r)
		if r.Prefix == "rq" {
			rqScheduler(p, r)
		}
		p.AllMembers(maxFollowed, "rate limits", func(limits []string, err error) { rqReadLimits(p, r, limits, err) }, prefix+"rl-keys")
	}
}

// rqReadLimits counts what rate limits hold back. They have no queue; an
// application may have one for each of its users.
func rqReadLimits(p *poll, r *reading, limits []string, err error) {
	if err == nil && !p.FollowUps(len(limits)) {
		err = errManyFollowUps
	}
	if err != nil {
		r.Miss(figRateLimited, err.Error())
		return
	}
	r.Set(figRateLimited, 0)
	for _, limit := range limits {
		p.Count(&r.figures, figRateLimited, "ZCARD", r.Prefix+":rl:"+limit+":rate_limited")
	}
}

// trimAll takes a prefix off full keys; what does not have it is skipped.
func trimAll(r *reading, keys []string, prefix string) []string {
	var out []string
	for _, key := range keys {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			out = append(out, name)
		} else {
			r.skip(nameForeign, key)
		}
	}
	return out
}

func rqReadQueue(p *poll, r *reading, q *queue) {
	f, now, prefix := &q.figures, p.NowArg(1), r.Prefix+":"
	p.Count(f, figWaiting, "LLEN", prefix+"queue:"+q.Name)
	p.Ask(func(v resp.Value, err error) { rqLatency(p, prefix, q, v, err) }, "LINDEX", prefix+"queue:"+q.Name, "0")
	rqOlder(p, r, q)
	// A started job whose time has run out was left by a worker that died; see also
	// rqOrphans.
	p.Count(f, figActive, "ZCARD", prefix+"wip:"+q.Name)
	p.Count(f, figOrphaned, "ZCOUNT", prefix+"wip:"+q.Name, "0", now)
	p.Ask(func(v resp.Value, err error) {
		if n, err := number(v, err); err == nil {
			q.Held += n
		}
	}, "ZCOUNT", prefix+"wip:"+q.Name, strconv.FormatFloat(math.Floor(p.Now())+rqSlack, 'f', -1, 64), "+inf")
	for figure, set := range map[figure]string{figCompleted: "finished:", figFailed: "failed:"} {
		p.Count(f, figure, "ZCARD", prefix+set+q.Name)
		p.Subtract(f, figure, "ZCOUNT", prefix+set+q.Name, "0", now)
	}
	p.Count(f, figDeferred, "ZCARD", prefix+"deferred:"+q.Name)
	p.Count(f, figCanceled, "ZCARD", prefix+"canceled:"+q.Name)
	p.Count(f, figScheduled, "ZCARD", prefix+"scheduled:"+q.Name)
	p.Count(f, figOverdue, "ZCOUNT", prefix+"scheduled:"+q.Name, "-inf", p.OverdueArg(1))
	p.Ask(func(v resp.Value, err error) {
		if err != nil {
			q.Miss(figSchedulersAlive, err.Error())
			return
		}
		q.Flag(figSchedulersAlive, !v.IsNull())
	}, "GET", prefix+"scheduler-lock:"+q.Name)
}

// rqIntermediate counts jobs that a worker took and died before it began them: they are
// in no other list. While a worker lives it looks after those of its queues; without
// one they are orphaned. All workers are known when the list is asked for again.
// Sources: rq issues 2061 and 2236; rq/intermediate_queue.py of RQ 2.10
func rqIntermediate(p *poll, r *reading, prefix string, q *queue) {
	list := prefix + "queue:" + q.Name + ":intermediate"
	p.Ask(func(v resp.Value, err error) {
		taken, err := number(v, err)
		switch {
		case err != nil:
			q.Miss(figOrphaned, "LLEN: "+err.Error())
		case taken > 0:
			p.Ask(func(v resp.Value, err error) {
				still, err := number(v, err)
				if err != nil {
					q.Miss(figOrphaned, "LLEN: "+err.Error())
					return
				}
				switch n := min(taken, still); {
				case n == 0, slices.ContainsFunc(r.Workers, func(w worker) bool { return w.Alive }):
				case r.cut() || r.missed(figWorkersAlive):
					const reason = "a worker took a job and did not begin it, and it is not known whether workers live"
					q.Miss(figOrphaned, reason)
					q.Miss(figActive, reason)
				default:
					q.Add(figOrphaned, n)
					q.Add(figActive, n) // which is in no other list
				}
			}, "LLEN", list)
		}
	}, "LLEN", list)
}

// rqLatency follows the id of the oldest job to its record.
func rqLatency(p *poll, prefix string, q *queue, v resp.Value, err error) {
	if err == nil && v.IsNull() {
		q.Set(figLatency, 0)
		return
	}
	var id string
	if err == nil {
		id, err = jobID(v)
	}
	if err != nil {
		q.Miss(figLatency, "oldest job: "+err.Error())
		return
	}
	q.Head, q.Rewrites = id, rewriteAdds
	p.addedAt(q, parseRQTime, "HGET", prefix+"job:"+id, "enqueued_at")
}

// rqOlder looks at jobs that may be older than the next one: at_front puts a job before
// all others. What cannot be read of them does not matter.
func rqOlder(p *poll, r *reading, q *queue) {
	seen := make(map[string]bool)
	look := func(id string) {
		if id == "" || len(id) > maxJobID || id == q.Head || seen[id] || !p.FollowUps(1) {
			return
		}
		seen[id] = true
		p.Ask(func(v resp.Value, err error) {
			fields, err := hashFields(2, v, err)
			if err != nil || string(fields[0].Str) != "queued" {
				return
			}
			if at, err := parseRQTime(fields[1]); err == nil {
				q.waitsSince(p, id, at)
			}
		}, "HMGET", r.Prefix+":job:"+id, "status", "enqueued_at")
	}
	indexes := []string{"1", "2", "-1"}
	if len(r.Queues) > manyQueues {
		indexes = indexes[2:]
	}
	for _, i := range indexes {
		p.Ask(func(v resp.Value, err error) {
			id, err := firstText(v, err)
			if err != nil {
				return
			}
			waiting, _ := q.Get(figWaiting)
			q.HeadTwice = q.HeadTwice || id != "" && id == q.Head && (i != "-1" || waiting > 1)
			look(id)
		}, "LINDEX", r.Prefix+":queue:"+q.Name, i)
	}
	look(p.state.waitedLongest(r.instance, q.Name))
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
