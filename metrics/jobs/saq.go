package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// saq reads SAQ, whose keys cannot be told another prefix. A queue has a key as long
// as it has jobs that are not done, or a worker.
//
// Its own count of scheduled jobs is what is left of all those that are not done; here
// it is those that have a time. Failed and completed jobs are in no list: each has a
// key for ten minutes.
// Sources: saq/queue/redis.py, saq/worker.py and saq/job.py of 0.26.4.
type saq struct{}

const (
	// saqActive bounds the running jobs of a queue that are looked at to see whether
	// their workers live, and saqJobs those of all queues together.
	saqActive = 100
	saqJobs   = maxPayloads / saqRunning
	// saqRunning bounds what is read of a running job, in bytes.
	saqRunning = 64 << 10
	// saqQueues bounds the other queues whose workers are counted for one queue.
	saqQueues = 100
)

var saqSpec = &spec{
	Name:   "saq",
	Lists:  true,
	Prefix: func(string) string { return "" },
	Clue: func(key string) (clue, bool) {
		rest, ok := strings.CutPrefix(key, "saq:")
		i := strings.LastIndexByte(rest, ':')
		if !ok || i < 1 {
			return clue{}, false
		}
		queue := rest[:i]
		c := clue{Name: queue}
		member := "saq:job:" + queue + ":"
		switch rest[i+1:] {
		case "incomplete":
			c.Proof = []redisclient.Command{{"ZRANGE", key, "0", "0"}}
		case "queued", "active":
			c.Proof = []redisclient.Command{{"LINDEX", key, "0"}}
		case "stats": // of the workers
			c.Proof = []redisclient.Command{{"ZRANGE", key, "0", "0"}}
			member = "saq:" + queue + ":worker_info:"
		default:
			return clue{}, false
		}
		c.Proves = func(replies []resp.Value) bool {
			text, err := firstText(replies[0], nil)
			return err == nil && strings.HasPrefix(text, member)
		}
		return c, true
	},
	Lacks: slices.Concat(
		lackEverywhere("failed jobs that are tried again are among those scheduled or waiting", figRetry),
		lackEverywhere("each job that is done has a key of its own for some minutes, and is in no list", figFailed, figCompleted),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackOfQueues("there are no counters but those of living workers", figProcessed, figFailedTotal, figArrival, figDrain),
		lackOfSystem("there are no counters but those of living workers", figProcessed, figFailedTotal),
		lackOfSystem("a dead worker's registration ends after some seconds", figWorkersDead),
		lackOfSystem("workers do not report what they run, nor how many jobs they could run", figWorkersBusy, figWorkersSlots, figUtilisation, figWorkersQuiet),
	),
	Commands: []string{"exists", "get", "getrange", "lindex", "llen", "lrange", "zcount", "zrange"},
	Keys:     func(string, []string) []string { return []string{"saq:*"} },
}

func (saq) Spec() *spec { return saqSpec }

func (saq) Read(p *poll, r *reading) {
	queues := r.Open(r.Found)
	r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", "saq:"+q.Name+":queued") })
	if r.only != "" {
		saqOthers(p, r)
	}
	limit := min(saqActive, max(1, saqJobs/max(1, len(queues))))
	for _, q := range queues {
		s := &saqQueue{p: p, r: r, q: q, key: "saq:" + q.Name + ":", workers: make(map[string]int)}
		p.Count(&q.figures, figWaiting, "LLEN", s.key+"queued")
		p.Count(&q.figures, figScheduled, "ZCOUNT", s.key+"incomplete", "(0", "+inf")
		p.Ask(s.oldest, "LINDEX", s.key+"queued", "0")
		p.Ask(func(v resp.Value, err error) {
			// The server's time is known by now.
			p.Count(&q.figures, figOverdue, "ZCOUNT", s.key+"incomplete", "(0", p.OverdueArg(1))
			p.Ask(s.alive, "ZCOUNT", s.key+"stats", p.NowArg(1000), "+inf")
			n, err := number(v, err)
			if err != nil {
				q.Miss(figActive, "LLEN: "+err.Error())
				return
			}
			q.Set(figActive, n)
		}, "LLEN", s.key+"active")
		p.Strings(s.running, "LRANGE", s.key+"active", "0", strconv.Itoa(limit-1))
	}
}

// saqQueue reads one queue.
type saqQueue struct {
	p   *poll
	r   *reading
	q   *queue
	key string // begins its keys
	// living are its workers; livingErr is why they are not known.
	living    float64
	livingErr error
	// workers has, by worker, how many of the jobs that were looked at it runs; looked
	// counts them.
	workers map[string]int
	looked  int
}

var (
	errNoRecord = errors.New("its record is gone")
	errNoJobID  = errors.New("it is no id of a job")
)

// oldest follows the id of the next job to its record.
func (s *saqQueue) oldest(v resp.Value, err error) {
	id, err := firstText(v, err)
	if err == nil && len(id) > maxJobID {
		err = errNoJobID
	}
	switch {
	case err != nil:
		s.q.Miss(figLatency, "oldest job: "+err.Error())
	case id == "":
		s.q.Set(figLatency, 0)
	default:
		s.p.AskPayload(func(v resp.Value, err error) {
			if err == nil && v.IsNull() {
				err = errNoRecord
			}
			attempts := 0.0
			s.p.oldest(s.q, v, err, func(text []byte) (oldestJob, error) {
				job, err := saqOldest(text)
				attempts = job.attempts
				return job, err
			})
			s.q.Head = id
			if attempts > 0 { // an application may touch it, and only a worker tries it again
				s.q.Head, s.q.Rewrites = fmt.Sprint(id, "/", attempts), rewriteUpdates
			}
		}, "GET", id)
	}
}

// alive counts the workers. Each serves just one queue, and says every ten seconds
// until when it is to be taken for living.
func (s *saqQueue) alive(v resp.Value, err error) {
	if s.living, s.livingErr = number(v, err); s.livingErr != nil {
		for _, f := range []figure{figWorkers, figWorkersAlive} {
			s.r.Miss(f, "ZCOUNT: "+s.livingErr.Error())
		}
		return
	}
	s.q.Exists = s.q.Exists || s.living > 0
	saqServe(s.r, s.q.Name, int(s.living))
}

// saqServe notes n workers of a queue.
func saqServe(r *reading, queue string, n int) {
	read := min(n, max(0, maxWorkers-len(r.Workers)))
	for range read {
		r.Workers = append(r.Workers, worker{Alive: true, Queues: []string{queue}, Busy: -1, Slots: -1})
	}
	r.CutWorkers += n - read
}

// saqOthers counts the workers of the other queues where one alone is wanted; for those
// of the system are those of all. Without a search these are not known.
func saqOthers(p *poll, r *reading) {
	var others []string
	for _, name := range slices.Concat(r.Found, r.extra) {
		if name != r.only && !slices.Contains(others, name) && checkQueue(name) == nil {
			others = append(others, name)
		}
	}
	switch {
	case !r.searched:
		r.partWorkers = "each queue has workers of its own, and the other queues are not known: job.get searches for them"
		return
	case len(others) > saqQueues || !p.FollowUps(len(others)):
		r.partWorkers = fmt.Sprintf("each queue has workers of its own, and there are more than %d other queues: see job.get", saqQueues)
		return
	}
	p.Ask(func(resp.Value, error) {
		for _, name := range others { // the server's time is known by now
			p.Ask(func(v resp.Value, err error) {
				n, err := number(v, err)
				if err != nil {
					r.Miss(figWorkers, "ZCOUNT: "+err.Error())
					r.Miss(figWorkersAlive, "ZCOUNT: "+err.Error())
					return
				}
				saqServe(r, name, int(n))
			}, "ZCOUNT", "saq:"+name+":stats", p.NowArg(1000), "+inf")
		}
	}, "LLEN", "saq:"+r.only+":queued")
}

// running looks at the oldest running jobs. What a dead worker ran stays where it is
// until another one sweeps it.
func (s *saqQueue) running(ids []string, err error) {
	if err == nil && !s.p.FollowUps(2*len(ids)) {
		err = errManyFollowUps
	}
	if err == nil && slices.ContainsFunc(ids, func(id string) bool { return id == "" || len(id) > maxJobID }) {
		err = errNoJobID
	}
	if err != nil {
		s.fail(err)
		return
	}
	if len(ids) == 0 {
		s.q.Set(figOrphaned, 0)
	}
	for i, id := range ids {
		s.p.AskPayload(func(v resp.Value, err error) {
			s.look(i == 0, v, err)
			if s.looked++; s.looked == len(ids) {
				s.askWorkers()
			}
		}, "GETRANGE", id, "0", strconv.Itoa(saqRunning))
	}
}

// fail says that there is a running job of which nothing is known.
func (s *saqQueue) fail(err error) {
	s.q.Miss(figOrphaned, "a running job: "+err.Error())
	s.r.UnknownRun("a running job: " + err.Error())
}

// look reads a running job; oldest: the others began later.
func (s *saqQueue) look(oldest bool, v resp.Value, err error) {
	if err == nil && v.Kind == resp.BulkString && len(v.Str) == 0 {
		return // it has ended, and was not kept
	}
	var job saqJob
	if err == nil {
		job, err = parseSaqRunning(v)
	}
	switch {
	case err != nil:
		s.fail(err)
	case job.status != "active": // it is about to begin, or has just ended
	default:
		if oldest {
			s.r.Began(job.started)
		}
		s.workers[job.worker]++
	}
}

// askWorkers asks for those whose jobs were looked at. Each has a record that ends
// when it is dead, as its registration does. Without any that lives, all jobs are
// orphans.
func (s *saqQueue) askWorkers() {
	if s.livingErr != nil {
		s.q.Miss(figOrphaned, "ZCOUNT: "+s.livingErr.Error())
		return
	}
	unnamed := s.workers[""]
	delete(s.workers, "")
	orphans, left := 0, len(s.workers)
	done := func() {
		n, known := s.q.Get(figActive)
		switch lives := s.living > 0 || s.q.Held > 0; {
		case !known:
			s.q.Miss(figOrphaned, "it is not known how many jobs run")
		case !lives:
			s.q.Set(figOrphaned, n)
		case unnamed > 0:
			s.q.Miss(figOrphaned, saqUnnamed)
		case orphans == 0 && int(n) > s.looked:
			s.q.Miss(figOrphaned, fmt.Sprintf("%.0f jobs run, and %d of them were looked at", n, s.looked))
		default:
			s.q.Set(figOrphaned, float64(orphans))
		}
	}
	if left == 0 {
		done()
	}
	for _, id := range slices.Sorted(maps.Keys(s.workers)) {
		s.p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			if err != nil {
				s.q.Miss(figOrphaned, "EXISTS: "+err.Error())
			} else if n == 0 {
				orphans += s.workers[id]
			} else {
				s.q.Held += float64(s.workers[id])
			}
			if left--; left == 0 {
				done()
			}
		}, "EXISTS", s.key+"worker_info:"+id)
	}
}

const saqUnnamed = "running jobs do not name their workers, as they do in newer versions of SAQ"

// saqJob is what is wanted of a running job.
type saqJob struct {
	status, worker string
	started        float64
}

// parseSaqRunning reads the beginning of a running job, which is all of it if it is
// not too long.
func parseSaqRunning(v resp.Value) (saqJob, error) {
	text, err := payload(v)
	if err == nil && len(text) > saqRunning {
		err = fmt.Errorf("it has more than the %d bytes that are looked into", saqRunning)
	}
	if err != nil {
		return saqJob{}, err
	}
	var raw struct {
		Status  string      `json:"status"`
		Worker  string      `json:"worker_id"`
		Started json.Number `json:"started"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return saqJob{}, err
	}
	job := saqJob{status: raw.Status, worker: raw.Worker}
	if len(job.worker) > maxJobID {
		return saqJob{}, errors.New("the name of its worker is too long")
	}
	if job.status == "active" {
		job.started, err = parseEpoch(raw.Started.String())
	}
	return job, err
}

// saqOldest reads a waiting job. One that had a time waits since then, and one that
// failed since it was touched, or when it was delayed again since a moment that it
// does not tell.
func saqOldest(text []byte) (oldestJob, error) {
	var raw struct {
		Key       string      `json:"key"`
		Queued    json.Number `json:"queued"`    // ms
		Scheduled json.Number `json:"scheduled"` // s
		Touched   json.Number `json:"touched"`   // ms
		Attempts  json.Number `json:"attempts"`
		Delay     json.Number `json:"retry_delay"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return oldestJob{}, err
	}
	job := oldestJob{id: raw.Key}
	if n, err := raw.Attempts.Float64(); err == nil && n > 0 {
		job.attempts = n
		if delay, err := raw.Delay.Float64(); err == nil && delay > 0 {
			job.again = true
			return job, nil
		}
		at, err := parseEpoch(raw.Touched.String())
		job.at = at
		return job, err
	}
	at, err := parseEpoch(raw.Queued.String())
	if err != nil {
		return job, err
	}
	job.at = at
	if due, err := parseEpoch(raw.Scheduled.String()); err == nil {
		job.at = max(at, due)
	}
	return job, nil
}
