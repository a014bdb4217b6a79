package jobs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// huey reads Huey (Python), whose queues have the name that its instance was given,
// without all but letters, digits and underscores. The queue is a list of pickled
// messages; that of PriorityRedisHuey is a sorted set with the negative priority as
// score, in which the time goes before each message. Scheduled messages wait in the
// queue as well, until a consumer puts them into a sorted set by the second when they
// are due; so does it with those to be tried again later.
//
// Nothing tells what runs, and a killed consumer loses it. Consumers register nowhere;
// but one that lives takes jobs from the queue, and looks at the schedule once a second,
// so that a queue is stuck where no client's last command is of that kind.
// Sources: huey/storage.py and consumer.py of 3.5.4.
type huey struct{}

const (
	hueyQueue    = "huey.redis."
	hueySchedule = "huey.schedule."
	hueyResults  = "huey.results."
)

// hueyTakes are what a consumer sends last: it takes a message or waits for one, or its
// scheduler looks at the schedule with a script.
var hueyTakes = []string{"brpop", "bzpopmin", "eval", "evalsha", "rpop", "zpopmin"}

// hueyWorks are what a consumer sends over the same connections when it begins and ends
// a task (it asks whether the task was revoked by HMGET), or puts it back; until its
// scheduler's next look, nothing else shows.
var hueyWorks = []string{"exec", "hdel", "hexists", "hexpire", "hincrby", "hmget", "hset", "hsetnx", "lpush", "zadd"}

var hueySpec = &spec{
	Name:        "huey",
	Lists:       true,
	EmptyIsGone: true,
	Prefix:      func(string) string { return "" },
	Clue: func(key string) (clue, bool) {
		for prefix, types := range map[string][]string{hueyQueue: {"list", "zset"}, hueySchedule: {"zset"}, hueyResults: {"hash"}} {
			if name, ok := strings.CutPrefix(key, prefix); ok && name != "" {
				return clue{
					Name: name, Proof: []redisclient.Command{{"TYPE", key}},
					Proves: func(replies []resp.Value) bool {
						return slices.ContainsFunc(types, func(typ string) bool { return areTypes(typ)(replies) })
					},
				}, true
			}
		}
		return clue{}, false
	},
	Lacks: slices.Concat(
		lackEverywhere("running tasks are not kept in Redis", figActive),
		lackOfSystem("running tasks are not kept in Redis, and a killed consumer loses them", figOrphaned),
		lackEverywhere("a task to be tried again is among those scheduled or waiting", figRetry),
		lackEverywhere("results are pickled, are deleted when they are read, and stand beside locks", figFailed, figCompleted),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackOfQueues("there are no counters", figProcessed, figFailedTotal, figArrival, figDrain),
		lackOfSystem("there are no counters", figProcessed, figFailedTotal),
		lackOfSystem("consumers do not register", figWorkers, figWorkersDead, figWorkersBusy, figWorkersSlots, figUtilisation,
			figWorkersQuiet, figOldestRunning),
	),
	Commands: []string{"client|id", "client|list", "lindex", "llen", "type", "zcard", "zcount", "zrange", "zrangebyscore"},
	Keys: func(string, []string) []string {
		return []string{hueyQueue + "*", hueySchedule + "*", hueyResults + "*"}
	},
}

func (huey) Spec() *spec { return hueySpec }

func (huey) Read(p *poll, r *reading) {
	p.listeners(r, hueyTakes, hueyWorks)
	queues := r.Open(r.Found)
	r.ReadRest(p, 2, func(q *queue) { hueyRead(p, q, func(string) {}) })
	for _, q := range queues {
		p.Count(&q.figures, figScheduled, "ZCARD", hueySchedule+q.Name)
		p.Ask(func(v resp.Value, err error) { q.Exists = err == nil && string(v.Str) == "hash" }, "TYPE", hueyResults+q.Name)
		hueyRead(p, q, func(typ string) {
			p.Count(&q.figures, figOverdue, "ZCOUNT", hueySchedule+q.Name, "-inf", p.OverdueArg(1))
			switch typ {
			case "list":
				q.Miss(figLatency, "messages do not say since when they wait, but those of a queue with priorities")
				p.AskPayload(func(v resp.Value, _ error) { q.Head = headHash(v) }, "LINDEX", hueyQueue+q.Name, "-1")
			case "zset":
				hueyPriorities(p, q)
			}
		})
	}
}

// hueyRead asks for the type of a queue's key, and for what waits in it; then asks for
// more.
func hueyRead(p *poll, q *queue, then func(typ string)) {
	key := hueyQueue + q.Name
	p.Ask(func(v resp.Value, err error) {
		var typ string
		if err == nil {
			typ, err = v.Text()
		}
		if err != nil {
			typ = err.Error()
		}
		switch typ {
		case "none":
			q.Set(figWaiting, 0)
			q.Set(figLatency, 0)
		case "list":
			p.Count(&q.figures, figWaiting, "LLEN", key)
		case "zset":
			p.Count(&q.figures, figWaiting, "ZCARD", key)
		default:
			q.Miss(figWaiting, "the key of the queue is neither a list nor a sorted set: "+typ)
			q.Miss(figLatency, "the key of the queue is neither a list nor a sorted set: "+typ)
		}
		then(typ)
	}, "TYPE", key)
}

// hueyPriorities takes head and latency of a queue with priorities. Messages of one
// priority are in the order in which they were added, so that the oldest is the first
// one of its priority. When there are more priorities than two, it is not known.
func hueyPriorities(p *poll, q *queue) {
	key := hueyQueue + q.Name
	heads := make([]hueyHead, 2)
	errs := make([]error, 2)
	p.AskPayload(func(v resp.Value, err error) {
		heads[0], errs[0] = hueyFirst(v, err)
		q.Head = heads[0].hash
	}, "ZRANGE", key, "0", "0", "WITHSCORES")
	p.AskPayload(func(v resp.Value, err error) {
		last, err := hueyFirst(v, err)
		switch err = errors.Join(errs[0], err); {
		case err != nil:
			q.Miss(figLatency, "oldest job: "+err.Error())
		case heads[0].hash == "": // emptied in the meantime
			q.Set(figLatency, 0)
		case last.score == heads[0].score:
			q.waits(p, heads[0].at)
		default:
			hueyLast(p, q, heads[0], last.score)
		}
	}, "ZRANGE", key, "-1", "-1", "WITHSCORES")
}

// hueyLast looks at the first message of the last priority as well.
func hueyLast(p *poll, q *queue, first hueyHead, score string) {
	key := hueyQueue + q.Name
	of := make([]float64, 2)
	errs := make([]error, 2)
	for i, s := range []string{first.score, score} {
		p.Ask(func(v resp.Value, err error) { of[i], errs[i] = number(v, err) }, "ZCOUNT", key, s, s)
	}
	var all float64
	var allErr error
	p.Ask(func(v resp.Value, err error) { all, allErr = number(v, err) }, "ZCARD", key)
	p.AskPayload(func(v resp.Value, err error) {
		head, err := hueyFirst(v, err)
		err = errors.Join(append(errs, allErr, err)...)
		if err == nil && of[0]+of[1] != all {
			err = fmt.Errorf("%.0f jobs have a third priority", all-of[0]-of[1])
		}
		if err == nil && head.hash == "" {
			head.at = first.at
		}
		if err != nil {
			q.Miss(figLatency, "oldest job: "+err.Error())
			return
		}
		q.waits(p, min(first.at, head.at))
	}, "ZRANGEBYSCORE", key, score, score, "WITHSCORES", "LIMIT", "0", "1")
}

// hueyHead is a message of a queue with priorities: when it was added, and its score
// as the server writes it.
type hueyHead struct {
	hash, score string
	at          float64
}

// hueyFirst reads the first member of a range and its score.
func hueyFirst(v resp.Value, err error) (hueyHead, error) {
	var elems []resp.Value
	if err == nil {
		elems, err = v.Array()
	}
	if err == nil && len(elems) == 1 && elems[0].Kind == resp.Array { // RESP3 has a pair
		elems = elems[0].Elems
	}
	if err != nil || len(elems) == 0 {
		return hueyHead{}, err
	}
	if len(elems) != 2 {
		return hueyHead{}, errors.New("a member without a score")
	}
	score, err := elems[1].Float64()
	if err != nil {
		return hueyHead{}, errors.New("a score is no number")
	}
	at, err := parseHueyTime(elems[0].Str)
	return hueyHead{headHash(elems[0]), fmt.Sprint(score), at}, err
}

// parseHueyTime reads the microseconds that go before a message with a priority, eight
// bytes, the highest first.
func parseHueyTime(message []byte) (float64, error) {
	if len(message) < 8 {
		return 0, errMoment
	}
	at := float64(binary.BigEndian.Uint64(message)) / 1e6
	if at < moment2000 || at > moment2200 {
		return 0, errMoment
	}
	return at, nil
}
