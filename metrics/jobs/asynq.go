package jobs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"redisjobs/redisclient/resp"
)

// asynq reads Asynq, whose keys cannot be told another prefix. Each queue's keys
// have it in braces, so that they are in one slot of a cluster.
// Sources: internal/base/base.go and internal/rdb/inspect.go of v0.26.0, and of older
// ones in asynq_older.go.
type asynq struct{}

var asynqSpec = &spec{
	Name:   "asynq",
	Lists:  true,
	Prefix: func(string) string { return "" },
	Markers: func(string) []marker {
		return []marker{
			{Key: "asynq:queues", Type: "set"}, {Key: "asynq:servers", Type: "zset"}, {Key: "asynq:schedulers", Type: "zset"},
		}
	},
	Clue: asynqClue,
	Commands: []string{"exists", "get", "hlen", "hmget", "hscan", "lindex", "llen", "lrange", "scard", "sscan", "zcard",
		"zcount", "zrange", "zrangebyscore"},
	FailureCommands: []string{"get", "hmget", "hstrlen", "scard", "sscan", "zcard", "zcount", "zrange"},
	Keys:            func(string, []string) []string { return []string{"asynq:*"} },
}

func (asynq) Spec() *spec { return asynqSpec }

func (asynq) Read(p *poll, r *reading) {
	older := &asynqOlder{p: p, r: r}
	r.settle = older.settle
	asynqQueues(p, r, func(names []string, size int, err error) {
		queues := r.OpenListed(names, size, err)
		for _, q := range queues {
			asynqQueue(p, q, max(10, maxFollowed/len(queues)))
			asynqTotals(p, q, min(asynqDays, max(2, maxAsynqDays/len(queues))))
			older.read(q)
		}
		r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", "asynq:{"+q.Name+"}:pending") })
	})
	// The score is when a server is taken for dead; those that are stay listed.
	p.scoredWorkers(r, "asynq:servers",
		func(until float64) bool { return until >= p.Now() },
		func(name string, w *worker) { asynqServer(p, r, name, w, older.server(w)) })
	if r.only == "" {
		asynqScheduler(p, r)
	}
}

// asynqQueue asks for a queue's figures, and for what is in its groups when there
// are not more than maxGroups. The server's time is known.
func asynqQueue(p *poll, q *queue, maxGroups int) {
	k := "asynq:{" + q.Name + "}:"
	p.Count(&q.figures, figWaiting, "LLEN", k+"pending")
	p.Count(&q.figures, figActive, "LLEN", k+"active")
	p.Count(&q.figures, figScheduled, "ZCARD", k+"scheduled")
	p.Count(&q.figures, figRetry, "ZCARD", k+"retry")
	p.Count(&q.figures, figFailed, "ZCARD", k+"archived")
	p.Count(&q.figures, figCompleted, "ZCARD", k+"completed")
	p.Count(&q.figures, figPaused, "EXISTS", k+"paused")
	for _, set := range []string{"scheduled", "retry"} {
		p.Count(&q.figures, figOverdue, "ZCOUNT", k+set, "-inf", p.OverdueArg(1))
	}
	asynqOrphans(p, q, k)
	q.Set(figAggregating, 0)
	p.AllMembers(maxGroups, "groups", func(groups []string, err error) {
		if err == nil && !p.FollowUps(len(groups)) {
			err = errManyFollowUps
		}
		if err != nil {
			q.Miss(figAggregating, err.Error())
			return
		}
		for _, group := range groups {
			p.Count(&q.figures, figAggregating, "ZCARD", k+"g:"+group)
		}
	}, k+"groups")
	p.Ask(func(v resp.Value, err error) {
		id, err := firstText(v, err)
		if err != nil {
			q.Miss(figLatency, "LINDEX: "+err.Error())
			return
		}
		q.Set(figLatency, 0)
		if id == "" {
			return
		}
		q.Head = id
		p.addedAt(q, asynqSince, "HMGET", k+"t:"+id, "pending_since", "state")
	}, "LINDEX", k+"pending", "-1")
}

// maxLeases is how many leases that are over are looked at.
const maxLeases = 100

// asynqOrphans counts the tasks whose worker is dead. A worker renews its lease on
// each of its tasks. A lease may also stay behind without its task, when that was
// deleted; Asynq passes it over.
// Source: internal/rdb/rdb.go, listLeaseExpiredCmd
func asynqOrphans(p *poll, q *queue, k string) {
	now := p.NowArg(1)
	p.Ask(func(v resp.Value, err error) {
		if n, err := number(v, err); err == nil { // some may be leases of tasks that were deleted
			active, _ := q.Get(figActive)
			q.Held = min(n, active)
		}
	}, "ZCOUNT", k+"lease", "("+now, "+inf")
	p.Count(&q.figures, figOrphaned, "ZCOUNT", k+"lease", "-inf", now)
	p.Strings(func(ids []string, err error) {
		if err == nil && !p.FollowUps(len(ids)) {
			err = errManyFollowUps
		}
		if err != nil {
			q.Miss(figOrphaned, err.Error())
			return
		}
		for _, id := range ids {
			p.Ask(func(v resp.Value, err error) {
				n, err := number(v, err)
				if err != nil {
					q.Miss(figOrphaned, "EXISTS: "+err.Error())
					return
				}
				q.Add(figOrphaned, n-1)
			}, "EXISTS", k+"t:"+id)
		}
	}, "ZRANGEBYSCORE", k+"lease", "-inf", now, "LIMIT", "0", fmt.Sprint(maxLeases))
}

// asynqServer asks what a server runs, and how much it could. key is that of its
// record, which ends some seconds after its death; the tasks that it runs have one of
// the same end, and are noted in runs.
func asynqServer(p *poll, r *reading, key string, w *worker, runs *asynqRuns) {
	p.Ask(func(v resp.Value, err error) {
		if err == nil && v.IsNull() {
			return // it is dead, or has stopped in the meantime
		}
		var info asynqServerInfo
		if err == nil {
			info, err = parseAsynqServer(v.Str)
		}
		if err != nil {
			r.Miss(figWorkersQuiet, "a server's record: "+err.Error())
			return
		}
		w.Alive = true
		w.Slots, w.Quiet, w.Queues = info.concurrency, info.status == "stopped", info.queues
		p.state.heard(r.instance, info.queues...)
	}, "GET", key)
	tasksKey := strings.Replace(key, "asynq:servers:", "asynq:workers:", 1)
	p.Ask(func(v resp.Value, err error) {
		if n, err := number(v, err); err == nil {
			w.Busy = n
		}
	}, "HLEN", tasksKey)
	p.Fields(maxTasks, func(tasks []resp.Value, more bool, err error) {
		if err == nil && more {
			err = fmt.Errorf("a server has more than the %d tasks that are read", maxTasks)
		}
		if err != nil {
			r.UnknownRun(err.Error())
			runs.err = err
			return
		}
		for i := 1; i < len(tasks); i += 2 {
			runs.tasks[string(tasks[i-1].Str)] = true
			at, err := parseAsynqTask(tasks[i].Str)
			if err != nil {
				r.UnknownRun("a running task: " + err.Error())
				continue
			}
			if w.RunningSince == 0 || at < w.RunningSince {
				w.RunningSince = at
			}
		}
	}, tasksKey)
}

// asynqServerInfo is what is wanted of message ServerInfo.
type asynqServerInfo struct {
	concurrency float64
	status      string
	queues      []string // nil when it names none
}

// parseAsynqServer reads message ServerInfo of internal/proto/asynq.proto: the
// number of tasks that it runs at once, its queues, and its state.
func parseAsynqServer(text []byte) (asynqServerInfo, error) {
	var out asynqServerInfo
	err := eachField(text, func(number int, value uint64, bytes []byte) {
		switch number {
		case 4:
			out.concurrency = float64(int32(value))
		case 5: // an entry of a map: its key is 1
			_ = eachField(bytes, func(number int, _ uint64, name []byte) {
				if number == 1 {
					out.queues = append(out.queues, string(name))
				}
			})
		case 7:
			out.status = string(bytes)
		}
	})
	if err == nil && out.concurrency < 0 {
		err = errors.New("its concurrency is negative")
	}
	return out, err
}

// parseAsynqTask reads message WorkerInfo: when the task was begun, in unix
// seconds.
func parseAsynqTask(text []byte) (float64, error) {
	var began []byte
	if err := eachField(text, func(number int, _ uint64, bytes []byte) {
		if number == 8 {
			began = bytes
		}
	}); err != nil {
		return 0, err
	}
	return parseTimestamp(began)
}

// parseTimestamp reads a google.protobuf.Timestamp as unix seconds.
func parseTimestamp(text []byte) (float64, error) {
	var seconds, nanos uint64
	if err := eachField(text, func(number int, value uint64, _ []byte) {
		switch number {
		case 1:
			seconds = value
		case 2:
			nanos = value
		}
	}); err != nil {
		return 0, err
	}
	if seconds < moment2000 || seconds > moment2200 {
		return 0, errMoment
	}
	return float64(seconds) + float64(nanos%1e9)/1e9, nil
}

// eachField goes through the fields of a message in protocol buffers' encoding:
// value is that of a number, bytes the text or message of another field.
// Source: https://protobuf.dev/programming-guides/encoding/
func eachField(message []byte, do func(number int, value uint64, bytes []byte)) error {
	if len(message) > maxPayload {
		return fmt.Errorf("it has %d bytes, more than the %d that are looked into", len(message), maxPayload)
	}
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return errMessage
		}
		message = message[n:]
		var value uint64
		var bytes []byte
		size := 0
		switch tag & 7 {
		case 0:
			if value, size = binary.Uvarint(message); size <= 0 {
				return errMessage
			}
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return errMessage
			}
			size = n + int(length)
			bytes = message[n:size]
		case 5:
			size = 4
		default:
			return errMessage
		}
		if size > len(message) {
			return errMessage
		}
		message = message[size:]
		do(int(tag>>3), value, bytes)
	}
	return nil
}

var errMessage = errors.New("it is not the protocol buffer that it should be")
