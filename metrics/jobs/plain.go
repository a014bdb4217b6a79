package jobs

import (
	"errors"
	"slices"

	"redisjobs/redisclient/resp"
)

// plain reads lists, sorted sets, sets and streams that are used as queues
// without a job system. Which they are is configured, or said in the item key;
// a queue's name is its key.
//
//   - A list: all its members wait. It does not tell since when.
//   - A sorted set whose scores are times, in seconds or milliseconds: members
//     whose time has come wait, since then; the others are scheduled. With other
//     scores all members wait.
//   - A set: all its members wait.
//   - A stream: what the group that is furthest behind has not read waits; what
//     groups have read and not acknowledged is active. Without a group all
//     entries wait. redis.stream.get tells of each group.
type plain struct{}

var plainSpec = &spec{
	Name:   "plain",
	Prefix: func(string) string { return "" },
	Lacks: slices.Concat(
		lackOfQueues("a plain queue does not keep it", figOverdue, figRetry, figFailed, figCompleted, figPaused, figProcessed, figFailedTotal),
		lackOfSystem("a plain queue does not keep it", figOverdue, figRetry, figFailed, figCompleted, figProcessed, figFailedTotal, figOrphaned),
		lackOfSystem("workers do not register", figWorkers, figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figUtilisation,
			figOldestRunning, figWorkersQuiet),
	),
	Commands: []string{"lindex", "llen", "scard", "type", "xinfo|groups", "xinfo|stream", "xlen", "xrange", "zcard", "zcount",
		"zrange"},
	Keys: func(_ string, queues []string) []string { return queues },
}

func (plain) Spec() *spec { return plainSpec }

func (plain) Read(p *poll, r *reading) {
	for _, q := range r.Open(nil) {
		p.Ask(func(v resp.Value, err error) {
			var typ string
			if err == nil {
				typ, err = v.Text()
			}
			if err == nil && !plainQueue(p, q, typ) {
				err = errors.New("a key of type " + typ + " is no queue")
			}
			if err != nil {
				for _, f := range []figure{figWaiting, figActive, figScheduled, figLatency} {
					q.Miss(f, "TYPE: "+err.Error())
				}
			}
		}, "TYPE", q.Name)
	}
}

// plainQueue asks for what a key of that type tells.
func plainQueue(p *poll, q *queue, typ string) bool {
	lack := func(reason string, figures ...figure) {
		for _, f := range figures {
			q.Miss(f, reason)
		}
	}
	switch typ {
	case "none":
		q.Set(figWaiting, 0)
		q.Set(figLatency, 0)
		lack("there is no such key now", figActive, figScheduled, figArrival, figDrain)
	case "list":
		p.Count(&q.figures, figWaiting, "LLEN", q.Name)
		p.AskPayload(func(v resp.Value, err error) { // which end is the older one nobody knows
			if text, err := firstText(v, err); err == nil {
				q.Head, q.HeadRepeats = text[:min(len(text), maxName)], true
			}
		}, "LINDEX", q.Name, "-1")
		lack("a list does not keep it", figActive, figScheduled, figLatency, figArrival, figDrain)
	case "set":
		p.Count(&q.figures, figWaiting, "SCARD", q.Name)
		lack("a set does not keep it", figActive, figScheduled, figLatency, figArrival, figDrain)
	case "zset":
		plainZset(p, q)
		lack("a sorted set does not keep it", figActive, figArrival, figDrain)
	case "stream":
		plainStream(p, q)
		lack("a stream does not keep it", figScheduled)
	default:
		return false
	}
	return true
}

// plainZset reads a sorted set. Its first member tells what the scores are.
func plainZset(p *poll, q *queue) {
	var all float64
	var allErr error
	p.Ask(func(v resp.Value, err error) { all, allErr = number(v, err) }, "ZCARD", q.Name)
	p.Strings(func(pair []string, err error) {
		var names []string
		var scores map[string]float64
		if err = errors.Join(err, allErr); err == nil {
			names, scores, err = scored(pair)
		}
		if err != nil {
			for _, f := range []figure{figWaiting, figScheduled, figLatency} {
				q.Miss(f, err.Error())
			}
			return
		}
		if len(names) == 0 { // emptied in the meantime
			q.Set(figWaiting, 0)
			q.Set(figScheduled, 0)
			q.Set(figLatency, 0)
			return
		}
		perSecond := 1.0
		first := scores[names[0]]
		if first > 1e11 {
			perSecond = 1000
		}
		q.Head, q.HeadAt, q.Rewrites = names[0][:min(len(names[0]), maxName)], first, rewriteMoves
		if at := first / perSecond; at < moment2000 || at > moment2200 {
			q.Set(figWaiting, all)
			q.Miss(figScheduled, "the scores are no times")
			q.Miss(figLatency, "the scores are no times")
			return
		}
		q.waits(p, first/perSecond)
		p.Ask(func(v resp.Value, err error) {
			due, err := number(v, err)
			if err != nil {
				q.Miss(figWaiting, "ZCOUNT: "+err.Error())
				q.Miss(figScheduled, "ZCOUNT: "+err.Error())
				return
			}
			q.Set(figWaiting, due)
			q.Set(figScheduled, max(0, all-due))
		}, "ZCOUNT", q.Name, "-inf", p.NowArg(perSecond))
	}, "ZRANGE", q.Name, "0", "0", "WITHSCORES")
}
