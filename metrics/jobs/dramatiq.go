package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// dramatiq reads Dramatiq's Redis broker. The prefix is the broker's namespace.
//
// A queue is a list of ids, beside a hash with the messages of all that are in it or
// were fetched and not acknowledged. Each has a second one for delayed messages and
// retries, <queue>.DQ, whose messages a worker fetches long before their time and
// keeps in its memory, and a sorted set of dead letters, <queue>.XQ. What a broker has
// fetched of a queue is in a set, <namespace>:__acks__.<broker>.<queue>.
//
// Each command of a broker is its sign of life, also that of one that only sends
// messages. So it is known that no worker lives when no broker shows one, and not how
// many do.
//
// A message says when it was made. One whose delay is over does not say that it had
// any, so that this counts as since when it waits only when no delayed message of its
// queue was seen since.
// Sources: dramatiq/brokers/redis.py and redis/dispatch.lua, worker.py and
// middleware/retries.py of 2.2.1.
type dramatiq struct{}

const (
	dramatiqHeartbeats = ":__heartbeats__"
	// dramatiqAlive is heartbeat_timeout's default, in seconds: how long after its last
	// command a broker counts as living.
	dramatiqAlive = 60
)

var dramatiqSpec = &spec{
	Name:          "dramatiq",
	Lists:         true,
	EmptyIsGone:   true,
	DefaultPrefix: "dramatiq",
	Markers:       func(prefix string) []marker { return []marker{{Key: prefix + dramatiqHeartbeats, Type: "zset"}} },
	Clue:          dramatiqClue,
	Lacks: slices.Concat(
		lackEverywhere("the time is inside each delayed message, and workers keep those in their memory", figOverdue),
		lackEverywhere("failed messages that are tried again are among the scheduled ones", figRetry),
		lackEverywhere("a message is deleted when it is acknowledged", figCompleted),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackOfQueues("there are no counters", figProcessed, figFailedTotal, figArrival, figDrain),
		lackOfSystem("there are no counters", figProcessed, figFailedTotal),
		lackOfSystem("brokers of workers cannot be told from brokers that only send messages",
			figWorkers, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation),
		lackOfSystem("a fetched message does not say when it began", figOldestRunning),
	),
	Commands:        []string{"hget", "hlen", "lindex", "llen", "scard", "zcard", "zrange"},
	FailureCommands: []string{"hmget", "hstrlen", "type", "zcard", "zcount", "zrange"},
	Keys:            func(prefix string, _ []string) []string { return []string{prefix + ":*"} },
}

// dramatiqClue recognizes the hash of a queue's messages. Names of queues have no
// colons.
// Source: dramatiq/broker.py, its check of a queue's name.
func dramatiqClue(key string) (clue, bool) {
	i := strings.LastIndexByte(key, ':')
	if i < 1 {
		return clue{}, false
	}
	prefix, name := key[:i], key[i+1:]
	c := clue{Prefix: prefix, Proof: []redisclient.Command{{"TYPE", prefix + dramatiqHeartbeats}}, Proves: areTypes("zset")}
	if ":"+name == dramatiqHeartbeats {
		return c, true
	}
	queue, ok := strings.CutSuffix(name, ".msgs")
	for _, suffix := range []string{".DQ", ".XQ"} {
		queue = strings.TrimSuffix(queue, suffix)
	}
	if !ok || queue == "" {
		return clue{}, false
	}
	c.Name = queue
	c.Proof = append(c.Proof, redisclient.Command{"TYPE", key})
	c.Proves = areTypes("zset", "hash")
	return c, true
}

func (dramatiq) Spec() *spec { return dramatiqSpec }

func (dramatiq) Read(p *poll, r *reading) {
	d := &dramatiqReading{p: p, r: r}
	k := r.Prefix + ":"
	queues := r.Open(r.Found)
	r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", k+q.Name) })
	for _, q := range queues {
		q.Prompt = true
		p.Ask(func(v resp.Value, err error) { dramatiqOldest(p, k, q, v, err) }, "LINDEX", k+q.Name, "0")
		p.Count(&q.figures, figScheduled, "HLEN", k+q.Name+".DQ.msgs")
		p.Count(&q.figures, figFailed, "ZCARD", k+q.Name+".XQ")
		var waiting float64
		var waitingErr error
		p.Ask(func(v resp.Value, err error) {
			if waiting, err = number(v, err); err != nil {
				waitingErr = err
				q.Miss(figWaiting, "LLEN: "+err.Error())
				return
			}
			q.Set(figWaiting, waiting)
		}, "LLEN", k+q.Name)
		p.Ask(func(v resp.Value, err error) {
			all, err := number(v, err)
			if err = errors.Join(err, waitingErr); err != nil {
				q.Miss(figActive, "HLEN: "+err.Error())
				return
			}
			q.Set(figActive, max(0, all-waiting))
		}, "HLEN", k+q.Name+".msgs")
	}
	var size float64
	var sizeErr error
	p.Ask(func(v resp.Value, err error) { size, sizeErr = number(v, err) }, "ZCARD", k+"__heartbeats__")
	p.Strings(func(pairs []string, err error) {
		var ids []string
		var scores map[string]float64
		if err = errors.Join(err, sizeErr); err == nil {
			ids, scores, err = scored(pairs)
		}
		d.brokers(queues, ids, scores, int(size), err)
	}, "ZRANGE", k+"__heartbeats__", fmt.Sprint(-maxWorkers), "-1", "WITHSCORES")
}

type dramatiqReading struct {
	p *poll
	r *reading
}

// brokers looks for what dead brokers have fetched, with their ids by their last sign
// of life. All other replies of the round trip have been read.
func (d *dramatiqReading) brokers(queues []*queue, ids []string, scores map[string]float64, size int, err error) {
	if err != nil {
		d.r.Miss(figWorkersAlive, err.Error())
		d.r.Miss(figOrphaned, err.Error())
		return
	}
	var dead []string
	for _, id := range ids {
		if d.p.Age(scores[id]/1000) > dramatiqAlive {
			dead = append(dead, id)
		}
	}
	if len(dead) == len(ids) {
		d.r.Set(figWorkersAlive, 0)
	} else {
		d.r.Miss(figWorkersAlive, "brokers live, and one that sends messages and one of a worker are the same")
	}
	for _, q := range queues {
		active, known := q.Get(figActive)
		switch {
		case !known:
			q.Miss(figOrphaned, "it is not known whether any message was fetched")
			continue
		case active == 0:
			q.Set(figOrphaned, 0)
			continue
		case size > len(ids) && len(dead) > 0:
			q.Miss(figOrphaned, tooMany(size, "brokers", maxWorkers).Error())
			continue
		case !d.p.FollowUps(len(dead)):
			q.Miss(figOrphaned, errManyFollowUps.Error())
			continue
		}
		q.Set(figOrphaned, 0)
		for _, id := range dead {
			d.p.Count(&q.figures, figOrphaned, "SCARD", d.r.Prefix+":__acks__."+id+"."+q.Name)
		}
	}
}

// dramatiqOldest follows the id of the oldest message to the message.
func dramatiqOldest(p *poll, k string, q *queue, v resp.Value, err error) {
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
	q.Head = id
	p.AskPayload(func(v resp.Value, err error) {
		if err == nil && v.IsNull() {
			err = errors.New("it is gone")
		}
		p.oldest(q, v, err, func(text []byte) (oldestJob, error) {
			job, err := parseDramatiqMessage(text)
			if job.id = id; !job.again {
				q.Made = job.at
			}
			return job, err
		})
	}, "HGET", k+q.Name+".msgs", id)
}

// parseDramatiqMessage reads when a message was made, in milliseconds. One that was
// tried before does not say since when it waits again.
func parseDramatiqMessage(text []byte) (oldestJob, error) {
	var raw struct {
		Made    json.Number `json:"message_timestamp"`
		Options struct {
			Retries json.Number `json:"retries"`
		} `json:"options"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return oldestJob{}, err
	}
	var job oldestJob
	if n, err := raw.Options.Retries.Float64(); err == nil && n > 0 {
		job.again = true
	}
	var err error
	if job.at, err = parseEpoch(raw.Made.String()); err != nil {
		return oldestJob{}, errors.New("it does not say when it was made")
	}
	return job, nil
}
