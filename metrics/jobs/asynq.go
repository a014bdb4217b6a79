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
// Sources: internal/base/base.go and internal/rdb/inspect.go of v0.26.0.
type asynq struct{}

var asynqSpec = &spec{
	Name:   "asynq",
	Prefix: func(string) string { return "" },
	Markers: func(string) []marker {
		return []marker{{"asynq:queues", "set"}, {"asynq:servers", "zset"}}
	},
	Commands: []string{"exists", "get", "hget", "hvals", "lindex", "llen", "smembers", "zcard", "zcount", "zrange"},
	Keys:     func(string, []string) []string { return []string{"asynq:*"} },
}

func (asynq) Spec() *spec { return asynqSpec }

func (asynq) Read(p *poll, r *reading) {
	p.Strings(func(names []string, err error) {
		for _, q := range r.OpenListed(names, err) {
			asynqQueue(p, q)
		}
	}, "SMEMBERS", "asynq:queues")
	// The score is when a server is taken for dead; those that are stay listed.
	p.scoredWorkers(r, "asynq:servers",
		func(until float64) bool { return until >= p.Now() },
		func(name string, w *worker) { asynqServer(p, r, name, w) })
}

// asynqQueue asks for a queue's figures. The server's time is known.
func asynqQueue(p *poll, q *queue) {
	k := "asynq:{" + q.Name + "}:"
	p.Count(&q.figures, figWaiting, "LLEN", k+"pending")
	p.Count(&q.figures, figActive, "LLEN", k+"active")
	p.Count(&q.figures, figScheduled, "ZCARD", k+"scheduled")
	p.Count(&q.figures, figRetry, "ZCARD", k+"retry")
	p.Count(&q.figures, figFailed, "ZCARD", k+"archived")
	p.Count(&q.figures, figCompleted, "ZCARD", k+"completed")
	p.Count(&q.figures, figProcessed, "GET", k+"processed")
	p.Count(&q.figures, figFailedTotal, "GET", k+"failed")
	p.Count(&q.figures, figPaused, "EXISTS", k+"paused")
	for _, set := range []string{"scheduled", "retry"} {
		p.Count(&q.figures, figOverdue, "ZCOUNT", k+set, "-inf", p.NowArg(1))
	}
	// A worker renews its lease on each of its tasks.
	p.Count(&q.figures, figOrphaned, "ZCOUNT", k+"lease", "-inf", p.NowArg(1))
	q.Set(figAggregating, 0)
	p.Strings(func(groups []string, err error) {
		if err != nil {
			q.Miss(figAggregating, err.Error())
		}
		for _, group := range groups {
			p.Count(&q.figures, figAggregating, "ZCARD", k+"g:"+group)
		}
	}, "SMEMBERS", k+"groups")
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
		p.addedAt(q, epochOf, "HGET", k+"t:"+id, "pending_since")
	}, "LINDEX", k+"pending", "-1")
}

// asynqServer asks what a living server runs, and how much it could. key is that
// of its record; the tasks that it runs have one of the same end.
func asynqServer(p *poll, r *reading, key string, w *worker) {
	p.Ask(func(v resp.Value, err error) {
		if err == nil && v.IsNull() {
			return // it has stopped in the meantime
		}
		var info asynqServerInfo
		if err == nil {
			info, err = parseAsynqServer(v.Str)
		}
		if err != nil {
			r.Miss(figWorkersQuiet, "a server's record: "+err.Error())
			return
		}
		w.Slots, w.Quiet = info.concurrency, info.status == "stopped"
	}, "GET", key)
	p.Ask(func(v resp.Value, err error) {
		var tasks []resp.Value
		if err == nil {
			tasks, err = v.Array()
		}
		if err != nil {
			r.Miss(figOldestRunning, "HVALS: "+err.Error())
			return
		}
		w.Busy = float64(len(tasks))
		for _, task := range tasks {
			at, err := parseAsynqTask(task.Str)
			if err != nil {
				r.Miss(figOldestRunning, "a running task: "+err.Error())
				return
			}
			if w.RunningSince == 0 || at < w.RunningSince {
				w.RunningSince = at
			}
		}
	}, "HVALS", strings.Replace(key, "asynq:servers:", "asynq:workers:", 1))
}

// asynqServerInfo is what is wanted of message ServerInfo.
type asynqServerInfo struct {
	concurrency float64
	status      string
}

// parseAsynqServer reads message ServerInfo of internal/proto/asynq.proto: the
// number of tasks that it runs at once, and its state.
func parseAsynqServer(text []byte) (asynqServerInfo, error) {
	var out asynqServerInfo
	err := eachField(text, func(number int, value uint64, bytes []byte) {
		switch number {
		case 4:
			out.concurrency = float64(int32(value))
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
	var seconds, nanos uint64
	if err := eachField(began, func(number int, value uint64, _ []byte) { // a google.protobuf.Timestamp
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
