package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// rqCronTTL is the time to live of the record of a cron scheduler of RQ; it is
	// renewed with each heartbeat, and they come every minute at the least.
	rqCronTTL = 120
	// rqCronDead is the age of a heartbeat from which its scheduler is dead. RQ itself
	// waits for the end of the record.
	rqCronDead = 75
	// rqSchedulerMark begins the name of a process of rq-scheduler among those that
	// SCAN found.
	rqSchedulerMark = "\x00scheduler "
	// maxInterval bounds what is taken for the interval of rq-scheduler, in seconds.
	maxInterval = 86400
	rqInstance  = "rq:scheduler_instance:"
)

// rqCron reads the schedulers that `rq cron` starts, and their jobs. Names of jobs
// need not be unique. The scores of the registry are heartbeats by the scheduler's
// clock; the record's time to live is by that of Redis, and comes first.
// Source: rq/cron.py and cron_scheduler_registry.py of 2.6.1, 2.10.0 and 3.0.0.
func rqCron(p *poll, r *reading) {
	s := r.schedule("rq-cron", graceShort)
	s.fades = true
	registry := r.Prefix + ":cron_schedulers"
	alive, aliveErr := 0.0, error(nil)
	s.alive = func() (float64, error) { return alive, aliveErr }
	p.Strings(func(pairs []string, err error) {
		var names []string
		var scores map[string]float64
		if err == nil {
			names, scores, err = scored(pairs)
		}
		if err != nil {
			aliveErr = err
			s.fail("cron_schedulers", err)
			return
		}
		s.used = len(names) > 0
		for _, name := range names {
			if len(name) > 2*maxName {
				continue
			}
			key := r.Prefix + ":cron_scheduler:" + name
			p.Ask(func(v resp.Value, err error) {
				ttl, err := number(v, err)
				switch {
				case err != nil:
					aliveErr = err
				case ttl > 0 && ttl/1000 > rqCronTTL-rqCronDead, ttl <= 0 && isMoment(scores[name]) && p.Now()-scores[name] < rqCronDead:
					alive++
				}
			}, "PTTL", key)
			p.AskPayload(func(v resp.Value, err error) { rqCronJobs(s, v, err) }, "HGET", key, "cron_jobs")
		}
	}, "ZRANGE", registry, strconv.Itoa(-maxSchedulers), "-1", "WITHSCORES")
}

// rqCronJobs reads the jobs of a scheduler's record; their arguments are not looked
// at. RQ 2.6 to 2.9 keep none.
func rqCronJobs(s *scheduler, v resp.Value, err error) {
	if err == nil && v.IsNull() {
		return
	}
	var text []byte
	if err == nil {
		text, err = payload(v)
	}
	var jobs []struct {
		Name     string  `json:"name"`
		Func     string  `json:"func_name"`
		Queue    string  `json:"queue_name"`
		Interval float64 `json:"interval"`
		Cron     string  `json:"cron"`
		Latest   string  `json:"latest_enqueue_time"`
		Next     string  `json:"next_enqueue_time"`
	}
	if err == nil {
		err = parseJSON(text, &jobs)
	}
	if err != nil {
		s.fail("cron_jobs", err)
		return
	}
	if len(jobs) > maxPeriodic {
		s.unread += len(jobs) - maxPeriodic
		jobs = jobs[:maxPeriodic]
	}
	seen := make(map[string]int)
	for _, raw := range jobs {
		j := &periodicJob{name: raw.Name, queueName: raw.Queue, schedule: raw.Cron}
		if j.name == "" {
			j.name = raw.Func
		}
		if j.schedule == "" {
			j.schedule = everyText(raw.Interval)
		}
		// The same name in one scheduler is another job.
		if seen[j.name]++; seen[j.name] > 1 {
			j.key = strconv.Itoa(seen[j.name])
		}
		j.last, _ = parseDate(raw.Latest, rqLayout)
		j.next, _ = parseDate(raw.Next, rqLayout)
		s.add(j)
	}
}

// rqLayout is how RQ writes times.
const rqLayout = "2006-01-02T15:04:05.999999Z07:00"

// rqSchedulerClue recognizes the registration of a process of rq-scheduler.
func rqSchedulerClue(key string) (clue, bool) {
	name, ok := strings.CutPrefix(key, rqInstance)
	if !ok || name == "" || len(name) > maxName {
		return clue{}, false
	}
	return clue{
		Prefix: "rq", Name: rqSchedulerMark + name, Rare: true,
		Proof: []redisclient.Command{{"HMGET", key, "birth"}},
		Proves: func(replies []resp.Value) bool {
			fields, err := replies[0].Array()
			return err == nil && len(fields) == 1 && !fields[0].IsNull()
		},
	}, true
}

// rqScheduler reads rq-scheduler, a program of its own, whose keys begin with rq
// whatever RQ_KEY_PREFIX says. Its processes are in keys of their own and in no
// registry. It looks for due jobs once a minute, if it is told nothing else. A job's
// schedule is pickled with what the application notes of it, and its words are looked
// for there; jobs that run but once are among the others.
// Source: rq_scheduler/scheduler.py of 0.14.0.
func rqScheduler(p *poll, r *reading) {
	s := r.schedule("rq-scheduler", gracePolled)
	const set = "rq:scheduler:scheduled_jobs"
	rqSchedulerAlive(p, r, s)
	s.earliest = true
	p.Ask(func(v resp.Value, err error) {
		size, err := number(v, err)
		if err != nil {
			s.fail("scheduled_jobs", err)
			return
		}
		s.used = s.used || size > 0
		s.unread += int(size)
	}, "ZCARD", set)
	p.Strings(func(pairs []string, err error) {
		var ids []string
		var scores map[string]float64
		if err == nil {
			ids, scores, err = scored(pairs)
		}
		if err != nil {
			s.fail("scheduled_jobs", err)
			return
		}
		s.unread = max(0, s.unread-len(ids))
		for i, id := range ids {
			if id == "" || len(id) > maxJobID || !p.FollowUps(1) {
				s.unread += len(ids) - i
				return
			}
			rqScheduledJob(p, s, id, scores[id])
		}
	}, "ZRANGE", set, "0", strconv.Itoa(maxPeriodic-1), "WITHSCORES")
}

// rqSchedulerAlive counts the processes of rq-scheduler. A stopped one says so, and is
// there for another minute; a new one is found by SCAN.
func rqSchedulerAlive(p *poll, r *reading, s *scheduler) {
	alive, problem := 0.0, error(nil)
	var names []string
	for _, name := range r.Found {
		name, ok := strings.CutPrefix(name, rqSchedulerMark)
		if !ok {
			continue
		}
		names = append(names, name)
		p.Ask(func(v resp.Value, err error) {
			var fields []resp.Value
			if err == nil {
				fields, err = v.Array()
			}
			switch {
			case err != nil:
				problem = err
			case len(fields) == 2 && !fields[0].IsNull() && fields[1].IsNull():
				alive++
			}
		}, "HMGET", rqInstance+name, "birth", "death")
		// It is renewed for ten seconds longer than the interval at which it looks.
		p.Ask(func(v resp.Value, err error) {
			if ttl, err := number(v, err); err == nil && ttl > 0 && ttl < maxInterval*1000 {
				s.grace = max(s.grace, p.state.longestTTL(r.instance, s.name, ttl/1000)+graceShort)
			}
		}, "PTTL", rqInstance+name)
	}
	s.alive = func() (float64, error) {
		if alive > 0 || problem != nil {
			return alive, problem
		}
		if p.sawAll { // of a small Redis
			for _, key := range p.keys {
				if name, ok := strings.CutPrefix(key, rqInstance); ok && !slices.Contains(names, name) {
					return 0, errors.New("one that has just begun is read by the next poll")
				}
			}
			return 0, nil
		}
		since := p.state.lastAlive(r.instance, s.name)
		if asOf := p.state.lastSearch(); asOf.IsZero() || !asOf.After(since) {
			return 0, errors.New("none that is known lives, and the search for others has not come round since")
		}
		return 0, nil
	}
}

// lastSearch is when the last pass over all keys began that came to its end.
func (s *state) lastSearch() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.search.asOf
}

// rqScheduledJob reads a job of rq-scheduler. Its description begins with the name of
// the function; what follows are arguments, which are not shown.
func rqScheduledJob(p *poll, s *scheduler, id string, next float64) {
	j := &periodicJob{name: id, key: id, next: next}
	s.jobs = append(s.jobs, j)
	p.AskPayload(func(v resp.Value, err error) {
		fields, err := hashFields(4, v, err)
		if err != nil {
			j.lastWhy = "its record cannot be read"
			return
		}
		j.once = !bytes.Contains(fields[3].Str, []byte("cron_string")) && !bytes.Contains(fields[3].Str, []byte("interval"))
		j.schedule = rqSchedule(fields[3].Str)
		j.queueName = string(fields[0].Str)
		if at, err := parseRQTime(fields[1]); err == nil {
			j.last = at
		}
		if name, _, ok := strings.Cut(string(fields[2].Str[:min(len(fields[2].Str), maxName)]), "("); ok && name != "" {
			j.name = fmt.Sprintf("%s %s", name, id)
		}
	}, "HMGET", "rq:job:"+id, "origin", "enqueued_at", "description", "meta")
}

// rqSchedule is the schedule of a job of rq-scheduler, which is among what the application
// notes of it; "" where that is not sure.
func rqSchedule(meta []byte) string {
	if len(meta) > maxPayload {
		return ""
	}
	noted, err := pickledPairs(meta)
	if err != nil {
		return ""
	}
	if cron := noted["cron_string"]; cron != "" {
		return cron
	}
	seconds, _ := strconv.ParseFloat(noted["interval"], 64)
	return everyText(seconds)
}
