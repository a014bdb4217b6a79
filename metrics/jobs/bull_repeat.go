package jobs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redisjobs/redisclient/resp"
)

// repeats reads the job schedulers of BullMQ, or the repeatable jobs of Bull. No
// process runs them: a worker that takes up a job that was made for a scheduler makes
// the next one. So they stand still without a worker of their queue, and while all its
// workers are busy; then the job is late.
// Source: src/commands/{addJobScheduler,updateJobScheduler,storeJobScheduler} and
// src/classes/job-scheduler.ts of BullMQ 5.81.5 and 6.7.0; lib/repeatable.js of Bull
// 4.16.5.
func (b *bullReading) repeats(queues []*queue, entry func(s *scheduler, q *queue, member string, score float64)) {
	if b.r.only != "" || len(queues) == 0 {
		return
	}
	s := b.r.schedule(b.r.System, graceShort)
	s.earliest, s.ofWorkers = true, true
	var having []*queue
	s.alive = func() (float64, error) { return b.leastServing(having) }
	each := max(2, maxPeriodic/len(queues))
	for _, q := range queues {
		set := b.base(q) + "repeat"
		b.p.Strings(func(pairs []string, err error) {
			var members []string
			var scores map[string]float64
			if err == nil {
				members, scores, err = scored(pairs)
			}
			if err != nil {
				s.fail("repeat", err)
				return
			}
			if len(members) == 0 {
				return
			}
			s.used = true
			having = append(having, q)
			if len(members) == each {
				b.p.Ask(func(v resp.Value, err error) {
					if n, err := number(v, err); err == nil {
						s.unread += max(0, int(n)-len(members))
					}
				}, "ZCARD", set)
			}
			for i, member := range members {
				if len(member) > 2*maxName || !b.p.FollowUps(2) {
					s.unread += len(members) - i
					return
				}
				entry(s, q, member, scores[member])
			}
		}, "ZRANGE", set, "0", strconv.Itoa(each-1), "WITHSCORES")
	}
}

// leastServing is the least number of workers that one of the queues has that are not
// paused.
func (b *bullReading) leastServing(queues []*queue) (float64, error) {
	if _, ok := b.r.Get(figWorkersAlive); !ok {
		return 0, errors.New("it is not known which workers live")
	}
	least, some := 0.0, false
	for _, q := range queues {
		if paused, _ := q.Get(figPaused); paused > 0 {
			continue
		}
		n := b.serving[q.Name]
		if n == 0 && q.Held > 0 {
			return 0, fmt.Errorf("a worker of queue %q holds a job, and does not name its connection", q.Name)
		}
		if !some || n < least {
			least, some = n, true
		}
	}
	if !some { // nothing is to be run
		return b.r.values[figWorkersAlive], nil
	}
	return least, nil
}

// jobScheduler reads a job scheduler of BullMQ. It stays when it has come to its
// limit or end. The job that it made last was made when the one before was begun.
func (b *bullReading) jobScheduler(s *scheduler, q *queue, id string, score float64) {
	k := b.base(q) + "repeat:" + id
	j := &periodicJob{name: id, key: q.Name + "/" + id, queue: q, next: score / 1000}
	s.jobs = append(s.jobs, j)
	first := false // the job that it made last is its first one
	var every, end float64
	b.p.Ask(func(v resp.Value, err error) {
		fields, err := hashFields(6, v, err)
		if err != nil {
			j.next, j.nextWhy = 0, "its record cannot be read"
			return
		}
		every, _ = number(fields[0], nil)
		if j.schedule = everyText(every / 1000); j.schedule == "" && len(fields[1].Str) <= maxPayload {
			j.schedule = strings.TrimSpace(string(fields[1].Str) + " " + string(fields[2].Str))
		}
		limit, _ := number(fields[3], nil)
		count, _ := number(fields[4], nil)
		if limit > 0 && count >= limit {
			j.ended = "it has come to its limit"
		}
		end, _ = number(fields[5], nil)
		first = count <= 1
	}, "HMGET", k, "every", "pattern", "tz", "limit", "ic", "endDate")
	b.p.Ask(func(v resp.Value, err error) {
		fields, err := hashFields(2, v, err)
		var at float64
		if err == nil {
			at, err = epochOf(fields[0])
		}
		if err != nil {
			j.lastWhy = "the job that it made last does not say when it was made, or is gone"
		} else if !first {
			j.last = at
		}
		if waits := err == nil && fields[1].IsNull(); !waits && j.ended == "" && j.hasEnded(b.p.Now(), end/1000, every/1000) {
			j.ended = "it has come to its end"
		}
	}, "HMGET", k+":"+millis(score), "timestamp", "processedOn")
}

// millis is a score as JavaScript writes it into the id of a job.
func millis(score float64) string { return strconv.FormatFloat(score, 'f', -1, 64) }

// hasEnded reports whether a job whose run at next was taken up has none left before
// its end: then no other one was made.
func (j *periodicJob) hasEnded(now, end, every float64) bool {
	switch {
	case end <= 0 || j.next > now:
		return false
	case end < now:
		return true
	case every > 0:
		return j.next+every > end
	}
	c, err := parseCrontab(j.schedule, time.UTC)
	if err != nil {
		return false
	}
	next, err := c.next(j.next)
	return err == nil && next > end
}
