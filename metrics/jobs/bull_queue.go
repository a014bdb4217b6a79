package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient/resp"
)

// bullReading reads what both have in common.
type bullReading struct {
	p *poll
	r *reading
	// waitsWith is the command that workers wait with, and exists asks whether there is a
	// queue.
	waitsWith string
	exists    func(p *poll, base string, then func())
	// unnamed are the clients without the name of a worker that have sent it last.
	unnamed int
	// serving are the workers of each queue, and living those of all.
	serving map[string]float64
	living  float64
}

func newBullReading(p *poll, r *reading, waitsWith string, exists func(p *poll, base string, then func())) *bullReading {
	b := &bullReading{p: p, r: r, waitsWith: waitsWith, exists: exists}
	r.settle = b.doubt
	p.clients(func(nodes [][]client, err error) {
		if err != nil {
			for _, f := range []figure{figWorkers, figWorkersAlive} {
				r.Miss(f, err.Error())
			}
			return
		}
		b.workers(nodes)
	})
	return b
}

// base begins the keys of a queue.
func (b *bullReading) base(q *queue) string { return b.r.Prefix + ":" + q.Name + ":" }

// waiting asks for what waits, but jobs with a priority in BullMQ.
func (b *bullReading) waiting(q *queue) {
	b.p.Count(&q.figures, figWaiting, "LLEN", b.base(q)+"wait")
	b.p.Count(&q.figures, figWaiting, "LLEN", b.base(q)+"paused")
}

// limit counts the jobs that a rate limit holds back: all that wait, while it is
// reached. Its counter ends with the limit's time; most, when the queue keeps it,
// is how far it may go, and otherwise only the workers know.
func (b *bullReading) limit(q *queue, most func() string) {
	k := b.base(q)
	var count float64
	var countErr error
	b.p.Ask(func(v resp.Value, err error) { count, countErr = number(v, err) }, "GET", k+"limiter")
	b.p.Ask(func(v resp.Value, err error) {
		left, err := number(v, err)
		if err = errors.Join(err, countErr); err != nil {
			q.Miss(figRateLimited, "limiter: "+err.Error())
			return
		}
		limit, err := strconv.ParseFloat(most(), 64)
		waiting, known := q.Get(figWaiting)
		switch {
		case left <= 0 || err == nil && count < limit:
			q.Set(figRateLimited, 0)
		case known:
			q.Set(figRateLimited, waiting)
		default:
			q.Miss(figRateLimited, "it is not known how many jobs wait")
		}
	}, "PTTL", k+"limiter")
}

// queue asks for the figures of one queue, but its oldest job.
func (b *bullReading) queue(q *queue) {
	p, k := b.p, b.base(q)
	b.waiting(q)
	p.Count(&q.figures, figActive, "LLEN", k+"active")
	p.Count(&q.figures, figScheduled, "ZCARD", k+"delayed")
	p.Count(&q.figures, figFailed, "ZCARD", k+"failed")
	p.Count(&q.figures, figCompleted, "ZCARD", k+"completed")
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			q.attemptsErr = err
			return
		}
		q.Exists = q.Exists || !v.IsNull()
		q.attempts, q.hasAttempts = n, true
	}, "GET", k+"id")
	b.processed(q)
	p.Ask(func(v resp.Value, err error) {
		p.Count(&q.figures, figOverdue, "ZCOUNT", k+"delayed", "-inf", p.OverdueArg(1000*bullDelay)) // the time is known by now
		var ids []string
		if err == nil {
			ids, err = v.Strings()
		}
		if err != nil {
			q.Miss(figOrphaned, err.Error())
			b.r.UnknownRun(err.Error())
			return
		}
		jobs := ids[:0]
		for _, id := range ids {
			if isMarker(id) {
				q.Add(figActive, -1)
			} else {
				jobs = append(jobs, id)
			}
		}
		b.running(q, jobs)
	}, "LRANGE", k+"active", bullOldest, "-1")
}

// processed reads the counters that workers keep when they are told to; what
// failed is counted apart.
func (b *bullReading) processed(q *queue) {
	k := b.base(q)
	var counts [2]float64
	var known [2]bool
	for i, key := range []string{"metrics:completed", "metrics:failed"} {
		b.p.Ask(func(v resp.Value, err error) {
			if err == nil && !v.IsNull() {
				counts[i], err = v.Float64()
				known[i] = err == nil
			}
			switch {
			case err != nil:
				q.Miss(figProcessed, err.Error())
				q.Miss(figFailedTotal, err.Error())
			case i == 0:
			case known[0] || known[1]:
				q.Set(figProcessed, counts[0]+counts[1])
				q.Set(figFailedTotal, counts[1])
			default:
				const reason = "the workers keep no metrics"
				q.Miss(figProcessed, reason)
				q.Miss(figFailedTotal, reason)
			}
		}, "HGET", k+key, "count")
	}
}

// running looks at the jobs that were running when the round before was
// answered. A worker holds a lock on each of its jobs, and renews it; without
// one the worker is dead, if the job has not ended in the meantime.
func (b *bullReading) running(q *queue, ids []string) {
	p, k := b.p, b.base(q)
	if len(ids) == 0 {
		q.Set(figOrphaned, 0)
		return
	}
	unlocked, locked := make(map[string]bool), make(map[string]bool)
	for _, id := range ids {
		p.Ask(func(v resp.Value, err error) {
			ttl, err := number(v, err)
			if err != nil {
				q.Miss(figOrphaned, err.Error())
			} else if ttl == -2 {
				unlocked[id] = true
			} else {
				locked[id] = true
			}
		}, "PTTL", k+id+":lock")
	}
	p.Strings(func(still []string, err error) {
		if err != nil {
			q.Miss(figOrphaned, err.Error())
			return
		}
		orphaned := 0
		for _, id := range still {
			if unlocked[id] {
				orphaned++
			} else if locked[id] {
				q.Held++
			}
		}
		if orphaned == 0 && len(ids) == bullActive {
			q.Miss(figOrphaned, fmt.Sprintf("%d jobs run or more, and not all were looked at", bullActive))
			return
		}
		q.Set(figOrphaned, float64(orphaned))
	}, "LRANGE", k+"active", bullOldest, "-1")
	// New ones are put before the others.
	p.Ask(func(v resp.Value, err error) {
		if err == nil && v.IsNull() {
			return // it has ended, and was not kept
		}
		var began float64
		if err == nil {
			began, err = epochOf(v)
		}
		if err != nil {
			b.r.UnknownRun("a running job: " + err.Error())
			return
		}
		b.r.Began(began)
	}, "HGET", k+ids[len(ids)-1], "processedOn")
}

// oldest asks commands for the id of the job that is next, and then for the time
// at which the oldest of them was added.
func (b *bullReading) oldest(q *queue, commands ...[]string) {
	p := b.p
	q.Set(figLatency, 0)
	for _, cmd := range commands {
		p.Ask(func(v resp.Value, err error) {
			id, err := firstText(v, err)
			if err != nil {
				q.Miss(figLatency, cmd[0]+": "+err.Error())
				return
			}
			switch {
			case id == "":
			case isMarker(id):
				q.Add(figWaiting, -1)
				behind := slices.Clone(cmd)
				behind[2] = "-2"
				p.Ask(func(v resp.Value, err error) {
					if id, err := firstText(v, err); err != nil {
						q.Miss(figLatency, cmd[0]+": "+err.Error())
					} else if id != "" {
						b.next(q, id)
					}
				}, behind...)
			default:
				b.next(q, id)
			}
		}, cmd...)
	}
}

func (b *bullReading) next(q *queue, id string) {
	q.Head += "/" + id
	b.since(q, id, true)
}

// older looks at jobs of lists that may be older than the next one, which is at their end:
// jobs that are added with lifo are put there.
func (b *bullReading) older(q *queue, lists ...string) {
	seen := make(map[string]bool)
	look := func(ids []string, err error) {
		for _, id := range ids {
			if err != nil || id == "" || len(id) > maxJobID || isMarker(id) || seen[id] || !b.p.FollowUps(1) {
				continue
			}
			seen[id] = true
			b.since(q, id, false)
		}
	}
	for _, list := range lists {
		b.p.Ask(func(v resp.Value, err error) {
			id, err := firstText(v, err)
			look([]string{id}, err)
		}, "LINDEX", list, "0")
		if len(b.r.Queues) <= manyQueues {
			b.p.Strings(look, "LRANGE", list, "-4", "-2")
		}
	}
	look([]string{b.p.state.waitedLongest(b.r.instance, q.Name)}, nil)
}

// bullPriority is what a job's priority is multiplied by in its score: the rest is a
// counter.
const bullPriority = 1 << 32

// priorities looks at the oldest job of the last priority, and at that of the one after
// the first; a job of low priority waits as long as others come. Servers before Redis
// 6.2 do not tell them.
func (b *bullReading) priorities(q *queue) {
	set := b.base(q) + "prioritized"
	first := func(priority float64) {
		b.p.Strings(func(ids []string, err error) {
			if err == nil && len(ids) == 1 && len(ids[0]) <= maxJobID {
				b.since(q, ids[0], false)
			}
		}, "ZRANGE", set, strconv.FormatFloat(priority*bullPriority, 'f', -1, 64), "+inf", "BYSCORE", "LIMIT", "0", "1")
	}
	b.score(set, "0", func(score float64) { first(math.Floor(score/bullPriority) + 1) })
	b.score(set, "-1", func(score float64) { first(math.Floor(score / bullPriority)) })
}

// score gives then the score of the member at that place of a sorted set, if there is one.
func (b *bullReading) score(set, at string, then func(score float64)) {
	b.p.Strings(func(pair []string, err error) {
		if err != nil || len(pair) != 2 {
			return
		}
		if score, err := strconv.ParseFloat(pair[1], 64); err == nil && score >= 0 {
			then(score)
		}
	}, "ZRANGE", set, at, at, "WITHSCORES")
}

// isMarker knows what BullMQ 4 puts beside the jobs of a list, to wake a worker for
// a delayed one: "0:" and its time. It stays when a newer version takes over.
// Source: bullmq src/commands/includes/getTargetQueueList.lua, getCounts-1.lua
func isMarker(id string) bool { return strings.HasPrefix(id, "0:") }

// since asks since when a waiting job waits. It was made at its timestamp, and
// waits since its delay is over: what a job scheduler made a day before has not
// waited for a day. A job that was tried already says when it was begun, and not
// when it came back; one that somebody has retried, or promoted before its time,
// says nothing at all. What one that is not the next says of itself only adds to what is
// known.
func (b *bullReading) since(q *queue, id string, head bool) {
	p := b.p
	p.AskPayload(func(v resp.Value, err error) {
		fields, err := hashFields(5, v, err)
		var made, delay float64
		if err == nil {
			made, err = epochOf(fields[0])
		}
		if err == nil {
			delay, err = bullDelayOf(fields[1])
		}
		if err != nil && !head {
			return
		}
		if err != nil {
			q.HeadAt = math.Inf(-1)
			q.Miss(figLatency, "oldest job: "+err.Error())
			return
		}
		tried := false
		for _, v := range fields[2:4] {
			n, err := number(v, nil)
			tried = tried || err == nil && n > 0
		}
		at := made + delay
		if !head {
			if !tried && fields[4].IsNull() && at <= p.Now() { // or it runs
				q.waitsSince(p, id, at)
			}
			return
		}
		q.HeadAt += made // there may be several heads
		switch {
		case tried && fields[4].IsNull():
			q.Miss(figLatency, "oldest job: somebody had it tried again, and it does not say when")
		case tried:
			q.FirstSeen = true
		case at > p.Now()+1: // its writer's clock is ahead, or it was promoted
			q.FirstSeen = true
			q.waitsSince(p, id, at)
		default:
			q.waitsSince(p, id, at)
		}
	}, "HMGET", b.base(q)+id, "timestamp", "opts", "atm", "attemptsMade", "processedOn")
}

// bullDelayOf reads the delay that a job was made with, in seconds, from its
// options; the field of that name is 0 as soon as the delay is over.
func bullDelayOf(opts resp.Value) (float64, error) {
	if opts.IsNull() || len(opts.Str) == 0 {
		return 0, nil
	}
	text, err := payload(opts)
	if err != nil {
		return 0, err
	}
	var raw struct {
		Delay json.Number `json:"delay"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return 0, err
	}
	if raw.Delay == "" {
		return 0, nil
	}
	ms, err := raw.Delay.Float64()
	if err != nil || ms < 0 || ms > 1e15 {
		return 0, errDelay
	}
	return ms / 1000, nil
}
