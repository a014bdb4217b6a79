package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Older versions of Asynq lack keys that newer ones have. What such a key would tell is
// unknown then, and never 0: other keys tell which version writes a queue. Since when a
// task waits is kept from 0.19.1 on, totals from 0.20 on, and leases from 0.22 on.
// Sources: CHANGELOG.md of v0.26.0; internal/rdb/rdb.go of v0.18.6, v0.21.0 and v0.22.1.

const (
	// asynqDays is how many days a counter of one day is kept, that day included, and
	// maxAsynqDays bounds those that are looked for in one poll.
	asynqDays    = 91
	maxAsynqDays = 10_000
	// asynqLists is after how many seconds a living server has in its list what it runs.
	// It writes that every five.
	asynqLists = 15
)

var (
	errAsynqTotal = errors.New("this version of Asynq keeps counters of single days and no total, as versions from 0.20 on do")
	errAsynqSince = errors.New("its record does not tell since when it waits: a server put it back when it stopped, or Asynq is older than 0.19.1")
)

// asynqTotals reads the total counters of a queue. Versions that keep them write them
// together with those of the day: where there are just the latter, for one of the last
// days, an older version writes them.
func asynqTotals(p *poll, q *queue, days int) {
	k := "asynq:{" + q.Name + "}:"
	names, totals := []figure{figProcessed, figFailedTotal}, []float64{0, 0}
	set := func() {
		for i, f := range names {
			q.Set(f, totals[i])
		}
	}
	kept := false
	for i, key := range []string{k + "processed", k + "failed"} {
		p.Ask(func(v resp.Value, err error) {
			if totals[i], err = number(v, err); err != nil {
				q.Miss(names[i], "GET: "+err.Error())
			}
			kept = kept || !v.IsNull()
			switch {
			case i == 0:
			case kept:
				set()
			default:
				asynqOfDays(p, q, k, days, set)
			}
		}, "GET", key)
	}
}

// asynqOfDays calls none where there is no counter of one of the last days. The server's
// time is known.
func asynqOfDays(p *poll, q *queue, k string, days int, none func()) {
	cmd := redisclient.Command{"EXISTS"}
	today := time.Unix(int64(p.Now()), 0).UTC()
	for i := range days {
		cmd = append(cmd, k+"processed:"+today.AddDate(0, 0, -i).Format(time.DateOnly))
	}
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err == nil && n > 0 {
			err = errAsynqTotal
		}
		if err == nil {
			none()
			return
		}
		q.Miss(figProcessed, err.Error())
		q.Miss(figFailedTotal, err.Error())
	}, cmd...)
}

// asynqSince reads since when a task waits, and its state.
func asynqSince(v resp.Value) (float64, error) {
	fields, err := hashFields(2, v, nil)
	switch {
	case err != nil:
		return 0, err
	case !fields[0].IsNull():
		return epochOf(fields[0])
	case fields[1].IsNull():
		return 0, errNoRecord
	}
	return 0, errAsynqSince
}

// asynqOlder finds the orphaned tasks of versions without leases. A task has a deadline
// there, which may be hours away. But a server lists what it runs as long as it lives.
type asynqOlder struct {
	p       *poll
	r       *reading
	queues  []*asynqDeadlines
	servers []*asynqRuns
}

// asynqDeadlines are n active tasks of a queue that have a deadline and no lease.
type asynqDeadlines struct {
	q *queue
	n float64
	// began has when those began that were looked at, 0 where that is not known.
	began map[string]float64
}

// asynqRuns is what a server says that it runs, or why that is not known.
type asynqRuns struct {
	w     *worker
	tasks map[string]bool
	err   error
}

func (o *asynqOlder) server(w *worker) *asynqRuns {
	runs := &asynqRuns{w: w, tasks: make(map[string]bool)}
	o.servers = append(o.servers, runs)
	return runs
}

// read asks for the tasks of a queue that have a deadline.
func (o *asynqOlder) read(q *queue) {
	p, k := o.p, "asynq:{"+q.Name+"}:"
	d := &asynqDeadlines{q: q, began: make(map[string]float64)}
	o.queues = append(o.queues, d)
	asynqWithoutLease(p, d, k)
	p.Strings(func(pairs []string, err error) {
		var ids []string
		var deadlines map[string]float64
		if err == nil {
			ids, deadlines, err = scored(pairs)
		}
		if err == nil && !p.FollowUps(len(ids)) {
			err = errManyFollowUps
		}
		if err != nil {
			q.Miss(figOrphaned, "deadlines: "+err.Error())
			return
		}
		for _, id := range ids {
			p.Ask(func(v resp.Value, err error) {
				fields, err := hashFields(3, v, err)
				switch {
				case err != nil:
					q.Miss(figOrphaned, "a running task: "+err.Error())
				case string(fields[0].Str) == "active": // it may have ended
					d.began[id] = asynqBegan(deadlines[id], fields[1], fields[2])
				default:
					d.n--
				}
			}, "HMGET", k+"t:"+id, "state", "timeout", "deadline")
		}
	}, "ZRANGE", k+"deadlines", "0", strconv.Itoa(maxLeases-1), "WITHSCORES")
}

// asynqBegan is when a task was taken, by its time that is over then, in unix seconds: at
// the end of its timeout, or at a deadline of its own if that is earlier. 0 when it does
// not follow.
func asynqBegan(over float64, timeout, deadline resp.Value) float64 {
	after, err := number(timeout, nil)
	own, err2 := number(deadline, nil)
	if err != nil || err2 != nil || after <= 0 || own > 0 && own <= over {
		return 0
	}
	return over - after
}

// asynqWithoutLease counts the active tasks that have neither a lease nor a deadline: it was
// evicted, or lost in a failover. Asynq recovers tasks by these, so such tasks stay active
// forever.
// Source: asynq issues 1144 and 1051; internal/rdb/rdb.go, dequeueCmd
func asynqWithoutLease(p *poll, d *asynqDeadlines, k string) {
	var held [2]float64
	var heldErr error
	for i, set := range []string{"lease", "deadlines"} {
		p.Ask(func(v resp.Value, err error) {
			held[i], err = number(v, err)
			heldErr = cmp.Or(heldErr, err)
		}, "ZCARD", k+set)
	}
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err = cmp.Or(heldErr, err); err != nil {
			d.q.Miss(figOrphaned, "leases: "+err.Error())
			return
		}
		d.q.Add(figOrphaned, max(0, n-held[0]-held[1]))
		d.n = min(n, held[1])
	}, "LLEN", k+"active")
}

// settle says which of the tasks with a deadline are orphaned, when all is read.
func (o *asynqOlder) settle() {
	known := !o.r.missed(figWorkersAlive)
	lives := slices.ContainsFunc(o.r.Workers, func(w worker) bool { return w.Alive })
	listed, all := o.lists()
	for _, d := range o.queues {
		if d.n <= 0 {
			continue
		}
		if known && !lives && !o.r.cut() {
			d.q.Add(figOrphaned, d.n)
			continue
		}
		orphans, unsure := 0.0, max(0, d.n-float64(len(d.began)))
		for id, began := range d.began {
			switch {
			case listed[id]:
			case !known || !all || began == 0:
				unsure++
			case o.p.Age(began) > asynqLists:
				orphans++
			}
		}
		if orphans == 0 && unsure > 0 {
			d.q.Miss(figOrphaned, fmt.Sprintf("this version of Asynq keeps no lease of a task, and of %.0f it is not known whether a living server runs it", unsure))
		} else {
			d.q.Add(figOrphaned, orphans)
		}
	}
}

// lists returns what living servers say that they run; all: none of them does not say it.
func (o *asynqOlder) lists() (listed map[string]bool, all bool) {
	listed, all = make(map[string]bool), !o.r.cut()
	for _, s := range o.servers {
		if s.w.Alive {
			maps.Copy(listed, s.tasks)
			all = all && s.err == nil
		}
	}
	return listed, all
}
