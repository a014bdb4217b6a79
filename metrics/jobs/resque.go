package jobs

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// resque reads Resque 2 and 3, resque-scheduler 5, and node-resque 9, which keeps
// their layout but for the heartbeats, counts among the processed jobs only those
// that succeeded, and writes times as JavaScript does.
// Sources: lib/resque/{worker,data_store,failure/redis_multi_queue}.rb of Resque
// 3.0.0; lib/resque/scheduler/{delaying_extensions,lock/base}.rb;
// src/core/worker.ts of node-resque 9.7.1.
type resque struct{}

const (
	// resquePrune is the age of a heartbeat from which Resque takes a worker for
	// dead, its prune_interval. They beat every minute.
	resquePrune = 300
	// maxTimestamps bounds the moments that resque-scheduler has jobs for: each
	// has a list of its own.
	maxTimestamps = 5000
)

var resqueSpec = &spec{
	Name:          "resque",
	Lists:         true,
	DefaultPrefix: "resque",
	Prefix:        withoutColon,
	Markers: func(prefix string) []marker {
		p := rubyPrefix(prefix)
		return []marker{
			{Key: p + "queues", Type: "set"}, {Key: p + "workers", Type: "set"}, {Key: p + "stat:processed", Type: "string"},
		}
	},
	Clue: func(key string) (clue, bool) {
		prefix, ok := strings.CutSuffix(key, ":workers:heartbeat")
		if !ok || prefix == "" {
			return rubyQueueClue(key, false)
		}
		return clue{
			Prefix: prefix,
			Proof:  []redisclient.Command{{"TYPE", key}, {"TYPE", prefix + ":workers"}},
			Proves: areTypes("hash", "set"),
		}, true
	},
	Lacks: slices.Concat(
		lackEverywhere("a job does not say when it was enqueued", figLatency),
		lackOfQueues("there is one set for all queues", figScheduled, figOverdue, figFailed),
		lackOfQueues("the counters are for all queues together", figProcessed, figFailedTotal, figArrival, figDrain),
		lackEverywhere("plugins for retries schedule the job again", figRetry),
		lackEverywhere("a job is deleted when it is done", figCompleted),
	),
	Commands:        []string{"get", "hscan", "lindex", "llen", "pttl", "scard", "sscan", "zcard", "zrange"},
	FailureCommands: []string{"llen", "lrange", "scard", "sscan"},
	Keys: func(prefix string, _ []string) []string {
		p := rubyPrefix(prefix)
		return []string{p + "*"}
	},
}

func (resque) Spec() *spec { return resqueSpec }

func (resque) Read(p *poll, r *reading) {
	k := rubyPrefix(r.Prefix)
	p.Count(&r.figures, figProcessed, "GET", k+"stat:processed")
	p.Count(&r.figures, figFailedTotal, "GET", k+"stat:failed")
	p.Count(&r.figures, figFailed, "LLEN", k+"failed")
	// The backend for failures with a list for each queue.
	p.AllMembers(maxFollowed, "lists of failed jobs", func(lists []string, err error) {
		if err == nil && !p.FollowUps(len(lists)) {
			err = errManyFollowUps
		}
		if err != nil {
			r.Miss(figFailed, "failed_queues: "+err.Error())
			return
		}
		for _, list := range lists {
			p.Count(&r.figures, figFailed, "LLEN", k+list)
		}
	}, k+"failed_queues")
	resqueDelayed(p, r, k)

	paused, pausedErr := false, error(nil)
	p.Ask(func(v resp.Value, err error) {
		paused, pausedErr = string(v.Str) == "true", err
	}, "GET", k+"pause-all-workers")
	var queues []*queue
	p.Members(maxListed, func(names []string, size int, err error) {
		queues = r.OpenListed(names, size, err)
		r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", k+"queue:"+q.Name) })
		for _, q := range queues {
			p.Count(&q.figures, figWaiting, "LLEN", k+"queue:"+q.Name)
			q.HeadRepeats = true // jobs have no ids
			p.AskPayload(func(v resp.Value, _ error) { q.Head = headHash(v) }, "LINDEX", k+"queue:"+q.Name, "0")
			if pausedErr != nil {
				q.Miss(figPaused, "pause-all-workers: "+pausedErr.Error())
			} else {
				q.Flag(figPaused, paused)
			}
		}
	}, k+"queues")

	var beats map[string]float64
	var beatsErr error
	p.Fields(maxWorkers, func(pairs []resp.Value, more bool, err error) {
		if err == nil && more {
			err = fmt.Errorf("it has more than the %d members that are read", maxWorkers)
		}
		beats, beatsErr = parseResqueBeats(pairs), err
	}, k+"workers:heartbeat")
	p.Members(maxWorkers, func(names []string, size int, err error) {
		jobs := newRunning(r, queues)
		if err == nil && beatsErr != nil {
			err = fmt.Errorf("workers:heartbeat: %w", beatsErr)
		}
		if err != nil {
			r.MissWorkers(err)
			r.Miss(figOrphaned, err.Error())
			jobs.fail(err)
			return
		}
		names = r.OpenWorkers(names, size)
		r.Workers = make([]worker, len(names))
		r.deadTell = true
		r.Set(figOrphaned, 0)
		for i, name := range names {
			resqueWorker(p, k, name, &r.Workers[i], beats, jobs)
		}
	}, k+"workers")
}

// resqueWorker reads what a worker is doing. Its key is there while it runs a
// job, and stays when it is killed.
func resqueWorker(p *poll, k, name string, w *worker, beats map[string]float64, jobs *running) {
	w.Slots = 1
	if beat, ok := beats[name]; ok {
		w.Alive = p.Age(beat) < resquePrune
		if parts := strings.SplitN(name, ":", 3); len(parts) > 1 { // host:pid:queues
			w.Queues = strings.Split(parts[len(parts)-1], ",")
		}
	} else {
		nodeResqueWorker(p, k, name, w, func(err error) {
			jobs.r.MissWorker(err)
			jobs.r.Miss(figOrphaned, "a worker: "+err.Error())
		})
	}
	p.AskPayload(func(v resp.Value, err error) {
		if err == nil && v.IsNull() {
			return
		}
		var text []byte
		if err == nil {
			text, err = payload(v)
		}
		var queue string
		if err == nil {
			queue, w.RunningSince, err = parseResqueWork(text)
		}
		if err == nil && w.RunningSince == 0 {
			jobs.r.UnknownRun("a running job: it does not tell the time when it was begun")
		}
		if err != nil {
			w.Busy = -1
			jobs.r.Miss(figOrphaned, "a worker: "+err.Error())
			jobs.fail(err)
			return
		}
		w.Busy = 1
		jobs.count(queue)
		if !w.Alive { // which was asked before
			jobs.orphan(queue)
		}
	}, "GET", k+"worker:"+name)
}

// resqueLayouts are how workers write times: Resque, Resque before 1.25 and Jesque,
// php-resque before 2014, and JavaScript.
var resqueLayouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006/01/02 15:04:05 -0700",
	"2006/01/02 15:04:05 MST", "Mon Jan 02 15:04:05 MST 2006", "Mon Jan 02 2006 15:04:05 GMT-0700"}

// parseResqueBeats reads the heartbeats of workers; one that is no time counts
// as none.
func parseResqueBeats(pairs []resp.Value) map[string]float64 {
	out := make(map[string]float64, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if at, err := parseDate(string(pairs[i+1].Str), resqueLayouts...); err == nil {
			out[string(pairs[i].Str)] = at
		}
	}
	return out
}

// parseResqueWork reads what a worker says of its job; at is 0 when it does not tell
// when that was begun.
func parseResqueWork(text []byte) (queue string, at float64, err error) {
	var work struct {
		Queue string          `json:"queue"`
		RunAt json.RawMessage `json:"run_at"`
	}
	if err := parseJSON(text, &work); err != nil {
		return "", 0, err
	}
	runAt := string(work.RunAt)
	_ = json.Unmarshal(work.RunAt, &runAt) // a number stays as it is written
	// JavaScript adds the name of the time zone.
	date, _, _ := strings.Cut(runAt, " (")
	if at, err = parseDate(date, resqueLayouts...); err != nil {
		at, _ = parseEpoch(runAt) // pyres writes unix time
	}
	return work.Queue, at, nil
}

var headSeed = maphash.MakeSeed()

// headHash is a Head made of all of a job; "" when there is none.
func headHash(v resp.Value) string {
	if v.Kind != resp.BulkString {
		return ""
	}
	return strconv.FormatUint(maphash.Bytes(headSeed, v.Str), 36)
}
