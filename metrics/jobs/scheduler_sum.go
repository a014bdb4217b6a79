package jobs

import (
	"cmp"
	"fmt"
	"slices"
)

// schedulerSum makes one of the schedulers of a system.
type schedulerSum struct {
	used                bool
	alive               float64
	hasAlive            bool
	aliveErr, problem   error
	jobs, overdue, late float64
	// judged are those that are on and of which it is known whether they are late.
	judged, unknown int
	unknownWhy      string
	// unread are those that may be late though they were not read.
	unread int
}

func (sum *schedulerSum) add(r *reading, c *scheduler, alive float64, err error) {
	sum.used = true
	if err != nil {
		sum.aliveErr = cmp.Or(sum.aliveErr, fmt.Errorf("%s: %w", c.name, err))
	} else if !sum.hasAlive || alive < sum.alive {
		sum.alive, sum.hasAlive = alive, true
	}
	if c.problem != nil {
		sum.problem = cmp.Or(sum.problem, fmt.Errorf("%s: %w", c.name, c.problem))
	}
	allDue := true
	ids := make(map[string]int, len(c.jobs))
	for _, j := range c.jobs {
		if !j.once {
			sum.jobs++
		}
		switch {
		case !j.judged:
			sum.unknown++
			sum.unknownWhy = cmp.Or(sum.unknownWhy, j.nextWhy, "it does not say when it is due")
		case j.overdue:
			sum.overdue++
			fallthrough
		case j.held() == "":
			sum.judged++
		}
		sum.late = max(sum.late, j.late)
		allDue = allDue && (j.overdue || j.next == 0)
		j.name = printable(j.name)
		j.id = r.ID() + "/" + c.name + "/"
		if j.queue != nil {
			j.id += j.queue.Name + "/"
		}
		j.id += j.name
		if ids[j.id]++; ids[j.id] > 1 {
			j.id += fmt.Sprintf("#%d", ids[j.id])
		}
	}
	c.jobs = slices.DeleteFunc(c.jobs, func(j *periodicJob) bool { return j.once })
	sum.jobs += float64(c.unread)
	if c.unread > 0 && (!c.earliest || allDue) {
		sum.unread += c.unread
	}
}

// finish sets the figures. A count of what is late is that of those that are known; the
// others are counted apart, because some are never known.
func (sum *schedulerSum) finish(r *reading) {
	if !sum.used {
		if sum.problem != nil {
			for _, f := range schedulerFigures {
				r.Miss(f, sum.problem.Error())
			}
		}
		return
	}
	// One that is known to be dead is not hidden by another of which nothing is known.
	if sum.hasAlive && (sum.aliveErr == nil || sum.alive == 0) {
		r.Set(figSchedulersAlive, sum.alive)
	} else {
		r.Miss(figSchedulersAlive, sum.aliveErr.Error())
	}
	if sum.problem != nil {
		r.Miss(figPeriodicJobs, sum.problem.Error())
	} else {
		r.Set(figPeriodicJobs, sum.jobs)
	}
	r.Set(figSchedulerUnknown, float64(sum.unknown+sum.unread))
	why := ""
	switch {
	case sum.overdue > 0:
	case sum.problem != nil:
		why = sum.problem.Error()
	case sum.unknown > 0 && sum.judged == 0:
		why = fmt.Sprintf("it is not known of %d periodic jobs: %s", sum.unknown, sum.unknownWhy)
	case sum.unread > 0:
		why = fmt.Sprintf("%d periodic jobs were not read", sum.unread)
	}
	for f, value := range map[figure]float64{figSchedulerOverdue: sum.overdue, figSchedulerLate: sum.late} {
		if why != "" {
			r.Miss(f, why)
		} else {
			r.Set(f, value)
		}
	}
}

// schedulerFigures are those that sumSchedulers makes.
var schedulerFigures = []figure{figSchedulersAlive, figPeriodicJobs, figSchedulerOverdue, figSchedulerLate}
