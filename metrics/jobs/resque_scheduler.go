package jobs

import (
	"errors"
	"fmt"
	"strconv"

	"redisjobs/redisclient/resp"
)

// resqueDelayed reads what resque-scheduler keeps: a sorted set of moments, and
// a list of jobs for each.
func resqueDelayed(p *poll, r *reading, k string) {
	s := r.schedule("resque-scheduler", graceShort)
	resqueScheduler(p, r, s, k)
	r.Set(figScheduled, 0)
	r.Set(figOverdue, 0)
	size, sizeErr := 0.0, error(nil)
	p.Ask(func(v resp.Value, err error) {
		size, sizeErr = number(v, err)
		s.used = s.used || size > 0
	}, "ZCARD", k+"delayed_queue_schedule")
	p.Strings(func(moments []string, err error) {
		if err == nil && !p.FollowUps(len(moments)) {
			err = errManyFollowUps
		}
		if err = errors.Join(err, sizeErr); err != nil {
			r.Miss(figScheduled, "delayed_queue_schedule: "+err.Error())
			r.Miss(figOverdue, "delayed_queue_schedule: "+err.Error())
			return
		}
		cut := int(size) > len(moments)
		if cut {
			r.Miss(figScheduled, "delayed_queue_schedule: "+tooMany(int(size), "moments", maxTimestamps).Error())
		}
		resqueMoments(p, r, k, moments, cut)
	}, "ZRANGE", k+"delayed_queue_schedule", "0", strconv.Itoa(maxTimestamps-1))
}

// resqueMoments counts the jobs of those moments, the earliest first; cut: there
// are more.
func resqueMoments(p *poll, r *reading, k string, moments []string, cut bool) {
	over := true
	for _, moment := range moments { // the earliest first
		at, err := strconv.ParseFloat(moment, 64)
		if err != nil {
			r.Miss(figOverdue, "delayed_queue_schedule: a member is no time")
		}
		over = err != nil || at <= p.Now()-overdueAfter
		switch {
		case over:
			p.Ask(func(v resp.Value, err error) {
				n, err := number(v, err)
				if err != nil {
					r.Miss(figOverdue, "LLEN: "+err.Error())
					r.Miss(figScheduled, "LLEN: "+err.Error())
					return
				}
				r.Add(figOverdue, n)
				r.Add(figScheduled, n)
			}, "LLEN", k+"delayed:"+moment)
		case !cut:
			p.Count(&r.figures, figScheduled, "LLEN", k+"delayed:"+moment)
		}
	}
	if cut && over {
		r.Miss(figOverdue, fmt.Sprintf("delayed_queue_schedule: more than the %d moments that are read are over", maxTimestamps))
	}
}
