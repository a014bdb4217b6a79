package jobs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// arq reads arq (Python). A queue is a sorted set of job ids, whose scores are the
// milliseconds when they may run; its key is the queue's name, and any key will do.
// A job stays in it until it has ended. A worker that starts one sets
// arq:in-progress:<id>, which ends by itself when the job's time is out: so a killed
// worker's jobs run on for job_timeout and 10 seconds, 310 by default.
//
// Workers do not register. Those of a queue write one text under <queue>:health-check,
// once an hour by default, so that it tells no number of workers and no death. But a
// worker looks for jobs twice a second: when one is due for a minute and none runs,
// nobody serves the queue. And a worker with a free slot is a client whose last
// command is that look.
// Sources: arq/worker.py, connections.py and jobs.py of 0.28.0.
type arq struct{}

const (
	arqDefaultQueue = "arq:queue"
	arqHealthSuffix = ":health-check"
	// arqAlone is how long a job must be due, and none run, for the queue to have no
	// worker, in seconds.
	arqAlone = 60
	// arqMinLooked and arqMaxLooked bound the jobs at the head of a queue that are
	// looked at to see whether they run.
	arqMinLooked, arqMaxLooked = 20, 1000
)

var arqSpec = &spec{
	Name:        "arq",
	Lists:       true,
	EmptyIsGone: true,
	Prefix:      func(string) string { return "" },
	Markers: func(string) []marker {
		return []marker{{Key: arqDefaultQueue, Type: "zset"}, {Key: arqDefaultQueue + arqHealthSuffix, Type: "string"}}
	},
	Clue: arqClue,
	Lacks: slices.Concat(
		lackEverywhere("a scheduled job waits as soon as its time has come", figOverdue),
		lackEverywhere("a job to be tried again is among those scheduled or waiting", figRetry),
		lackEverywhere("each result is a key of its own, for an hour", figFailed, figCompleted),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackOfQueues("each worker counts for itself, and they overwrite each other", figProcessed, figFailedTotal, figArrival, figDrain),
		lackOfSystem("each worker counts for itself, and they overwrite each other", figProcessed, figFailedTotal),
		lackOfSystem("workers do not register", figWorkers, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation),
		lackOfSystem("a running job does not say when it began", figOldestRunning),
		lackOfSystem("a job whose worker is dead counts as running until its time is out, and waits then", figOrphaned),
	),
	Commands: []string{"client|id", "client|list", "exists", "get", "zcard", "zcount", "zrange"},
	Keys: func(_ string, queues []string) []string {
		out := []string{"arq:*"}
		for _, queue := range queues {
			out = append(out, queue, queue+arqHealthSuffix)
		}
		return out
	},
}

// arqClue recognizes what a worker writes of itself, whatever the queue is called,
// and sorted sets under arq's own prefix that are none of its other keys.
func arqClue(key string) (clue, bool) {
	if queue, ok := strings.CutSuffix(key, arqHealthSuffix); ok && queue != "" {
		return clue{
			Name: queue, Rare: true,
			Proof:  []redisclient.Command{{"GET", key}},
			Proves: func(replies []resp.Value) bool { return isArqHealth(replies[0].Str) },
		}, true
	}
	name, ok := strings.CutPrefix(key, "arq:")
	if !ok || name == "" || name == "abort" {
		return clue{}, false
	}
	for _, other := range []string{"job:", "in-progress:", "result:", "retry:"} {
		if strings.HasPrefix(name, other) {
			return clue{}, false
		}
	}
	return clue{Name: key, Proof: []redisclient.Command{{"TYPE", key}}, Proves: areTypes("zset")}, true
}

// isArqHealth recognizes a text as "Nov-29 11:12:42 j_complete=2 j_failed=0 j_retried=0
// j_ongoing=4 queued=14".
func isArqHealth(text []byte) bool {
	for _, field := range []string{" j_complete=", " j_failed=", " j_retried=", " j_ongoing=", " queued="} {
		_, rest, ok := bytes.Cut(text, []byte(field))
		if !ok || len(rest) == 0 || rest[0] < '0' || rest[0] > '9' {
			return false
		}
		text = rest
	}
	return true
}

func (arq) Spec() *spec { return arqSpec }

func (arq) Read(p *poll, r *reading) {
	a := &arqReading{p: p, r: r}
	p.clients(func(nodes [][]client, err error) { a.clients, a.clientsKnown = slices.Concat(nodes...), err == nil })
	if r.only != "" {
		p.Ask(func(resp.Value, error) { a.open(r.Found) }, "ZCARD", r.only)
		return
	}
	a.cron = newArqCron(r)
	names := slices.Clone(r.Found)
	there := false
	p.Ask(func(v resp.Value, err error) { there = err == nil && string(v.Str) == "zset" }, "TYPE", arqDefaultQueue)
	p.Ask(func(v resp.Value, err error) {
		if n, err := number(v, err); (there || err == nil && n > 0) && !slices.Contains(names, arqDefaultQueue) {
			names = append(names, arqDefaultQueue)
			p.state.found(r.instance, arqDefaultQueue)
		}
		a.open(names)
	}, "EXISTS", arqDefaultQueue+arqHealthSuffix)
}

// arqReading reads the queues of arq.
type arqReading struct {
	p    *poll
	r    *reading
	look int // jobs at the head of each queue that are looked at
	left int // queues that are not judged yet
	// alone: a queue has no worker. served: one has, or may have.
	alone, served bool
	problem       string // why it is not known of a queue
	clients       []client
	clientsKnown  bool
	cron          *arqCron
}

// open reads all queues. The server's time is known by now.
func (a *arqReading) open(names []string) {
	queues := a.r.Open(names)
	a.look = min(max(arqMinLooked, maxFollowUps/4/max(1, len(queues))), arqMaxLooked)
	for _, q := range queues {
		a.queue(q)
	}
	a.r.ReadRest(a.p, 4, a.queue)
	if a.left == 0 {
		a.alive()
	}
}

// queue asks for a queue's figures.
func (a *arqReading) queue(q *queue) {
	q.Prompt = true
	a.left++
	var health bool
	var all, due float64
	var healthErr, allErr error
	a.p.AskPayload(func(v resp.Value, err error) { health, healthErr = isArqHealth(v.Str), err }, "GET", q.Name+arqHealthSuffix)
	a.p.Ask(func(v resp.Value, err error) {
		all, allErr = number(v, err)
		q.Exists = health || allErr == nil && all > 0
	}, "ZCARD", q.Name)
	now := a.p.NowArg(1000)
	a.p.Ask(func(v resp.Value, err error) {
		due, err = number(v, err)
		if err = errors.Join(err, allErr); err != nil {
			q.Miss(figScheduled, "ZCOUNT: "+err.Error())
			return
		}
		q.Set(figScheduled, max(0, all-due))
	}, "ZCOUNT", q.Name, "-inf", now)
	a.p.AskPayload(func(v resp.Value, err error) {
		var pairs, ids []string
		var scores map[string]float64
		if err == nil {
			pairs, err = v.Strings()
		}
		if err == nil {
			ids, scores, err = scored(pairs)
		}
		if later := slices.IndexFunc(ids, func(id string) bool { return scores[id] > math.Floor(a.p.Now()*1000) }); later >= 0 {
			ids = ids[:later]
		}
		if err == nil && slices.ContainsFunc(ids, func(id string) bool { return len(id) > maxJobID }) {
			err = errors.New("it is no id of a job")
		}
		if err == nil && !a.p.FollowUps(len(ids)) {
			err = errManyFollowUps
		}
		h := &arqHead{arqReading: a, q: q, ids: ids, scores: scores, due: due, runs: make([]bool, len(ids)), served: health || healthErr != nil}
		if err != nil {
			h.unknown("ZRANGE: " + err.Error())
			return
		}
		h.ask()
	}, "ZRANGE", q.Name, "0", strconv.Itoa(a.look-1), "WITHSCORES")
}

// arqHead are the jobs of a queue that are due first.
type arqHead struct {
	*arqReading
	q      *queue
	ids    []string
	scores map[string]float64
	due    float64
	runs   []bool
	served bool // a worker has, or may have, written that it lives
	err    error
}

// ask asks which of them run.
func (h *arqHead) ask() {
	if len(h.ids) == 0 {
		h.told()
		return
	}
	for i, id := range h.ids {
		h.p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			h.err = cmp.Or(h.err, err)
			h.runs[i] = n > 0
			if i == len(h.ids)-1 {
				h.told()
			}
		}, "EXISTS", "arq:in-progress:"+id)
	}
}

// told sets what follows from it. Workers start jobs from this end: where the last of
// those looked at do not run, none behind them does.
func (h *arqHead) told() {
	q := h.q
	running := 0.0
	for _, runs := range h.runs {
		if runs {
			running++
		}
	}
	if h.err == nil && float64(len(h.ids)) < h.due && slices.Contains(h.runs[len(h.runs)*9/10:], true) {
		h.err = fmt.Errorf("%.0f of the %d that were looked at, and there are more", running, len(h.ids))
	}
	if h.err != nil {
		h.unknown("running jobs: " + h.err.Error())
		return
	}
	if h.cron != nil {
		h.cron.note(q.Name, h.ids, h.scores, h.runs)
	}
	q.Set(figActive, running)
	q.Set(figWaiting, max(0, h.due-running))
	h.oldest()
	latency, _ := q.Get(figLatency)
	alone := running == 0 && latency >= arqAlone
	h.judge(alone, !alone && (h.served || running > 0))
}

// oldest takes head and latency from the first job that does not run.
func (h *arqHead) oldest() {
	first := slices.Index(h.runs, false)
	if first < 0 {
		h.q.Set(figLatency, 0)
		return
	}
	id := h.ids[first]
	h.q.Head = id[:min(len(id), maxName)]
	at := h.scores[id] / 1000
	h.q.HeadAt = at
	if at < moment2000 || at > moment2200 { // that of a job to be aborted is 1
		h.q.Miss(figLatency, "oldest job: its score is no time")
		return
	}
	h.q.waits(h.p, at)
}

func (h *arqHead) unknown(reason string) {
	for _, f := range []figure{figActive, figWaiting, figLatency} {
		h.q.Miss(f, reason)
	}
	h.problem = cmp.Or(h.problem, reason)
	h.judge(false, true)
}

// judge notes whether a queue has workers; with the last one it is said of the system.
func (a *arqReading) judge(alone, served bool) {
	a.alone = a.alone || alone
	a.served = a.served || served
	if a.left--; a.left == 0 {
		a.alive()
	}
}

// alive says of the system whether workers live; how many there are is never known.
func (a *arqReading) alive() {
	nobody := a.nobody()
	switch {
	case a.alone && !a.served && a.r.only == "" || nobody:
		a.r.Set(figWorkersAlive, 0)
	case a.problem != "":
		a.r.Miss(figWorkersAlive, a.problem)
	default:
		a.r.Miss(figWorkersAlive, "workers do not register; that none lives is known once a job is due for a minute and none runs")
	}
}

// arqLooks is how a worker looks for jobs.
var arqLooks = []string{"zrangebyscore"}

// nobody reports whether certainly no worker is connected, and remembers one that is.
// The last command of one with a free slot is its look for jobs, twice a second, or
// until then what it has sent of a job over the same connection: the end of a
// transaction, as of a client that adds jobs. Such a one is no worker when it has been
// there for long and was never seen to look, while a job waits; and none has all slots
// taken when no more jobs run than when a worker was seen to look.
func (a *arqReading) nobody() bool {
	looks, ends, strangers := false, false, false
	out := a.p.lookout(a.r.instance)
	for _, c := range a.clients {
		if c.silent {
			return false
		}
		switch {
		case out.sees(c, arqLooks):
			looks = true
		case c.cmd == "exec":
			ends = true
			strangers = !out.bystander(c) || strangers
		}
	}
	if a.clientsKnown {
		out.keep()
	}
	active, waits := 0.0, false
	for q := range a.r.all() {
		n, known := q.Get(figActive)
		if !known {
			return false
		}
		active += n
		latency, known := q.Get(figLatency)
		waits = waits || known && latency > arqWaits
	}
	before, seen := a.p.state.workerSeen(a.r.instance)
	if looks && a.r.only == "" {
		a.p.state.sawWorker(a.r.instance, active)
	}
	switch {
	case !a.clientsKnown || looks:
		return false
	case !ends:
		return true
	case a.r.only != "": // jobs of other queues may run
		return false
	}
	return !strangers && waits && (active == 0 || seen && active <= before)
}

// arqWaits is from when on a job waits that a worker with a free slot would have taken,
// in seconds.
const arqWaits = 30
