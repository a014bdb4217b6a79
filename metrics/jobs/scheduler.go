package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"redisjobs/metrics/ask"
)

// Periodic jobs are those that a scheduler puts into their queues again and again:
// the entries of a crontab. Each system keeps them in its own way, and its own
// processes act on them; here they all have one shape. A system gives a scheduler to
// its reading for each kind of them, with what it found; the figures follow here.
//
// What a system does not use is left out: a scheduler counts when there is a trace of
// it in Redis, or when this program has seen one alive in the last day, so that one
// that was stopped and took its keys with it reads 0.
//
// A periodic job is overdue when it should have been put into its queue longer ago
// than its scheduler's grace, which is a little more than the scheduler takes by
// itself. One that is switched off, or whose queue is paused, is not.

const (
	// graceShort is for schedulers that act when a job is due. Half a minute is for
	// what they do meanwhile, and for clocks.
	graceShort = 30
	// gracePolled is for those that look for due jobs every 30 s, or every minute.
	gracePolled = 90

	// maxPeriodic bounds the periodic jobs that are read of one scheduler.
	maxPeriodic = 1000
	// maxPeriodicRows bounds the rows of a document, all systems together.
	maxPeriodicRows = 500
	// maxSchedulers bounds the processes of one kind that are looked at.
	maxSchedulers = 100
	// maxSchedule is the longest text of a schedule or a name, in characters.
	maxSchedule = 128
	// keepSchedulers is how long one that has lived is missed.
	keepSchedulers = 24 * time.Hour
)

// scheduler is one kind of scheduler of a system.
type scheduler struct {
	name  string
	grace float64
	// used: there is a trace of it in Redis.
	used bool
	// alive counts its processes that live, when all has arrived.
	alive func() (float64, error)
	// ofWorkers: it is a part of workers, which live without it as well.
	ofWorkers bool
	// jobs are its periodic jobs, each once.
	jobs []*periodicJob
	// unread are those beyond jobs; earliest: they are not due before all of jobs.
	unread   int
	earliest bool
	// problem is why it is not known which there are. unreadable: a key could not be
	// read.
	problem    error
	unreadable bool
	// fades: its periodic jobs are in no key when it is dead.
	fades bool
}

// periodicJob is what is known of one. Times are in unix seconds, and 0 when they are
// not known.
type periodicJob struct {
	// name is shown; key, if it is not "", tells it from others of the name.
	name, key  string
	schedule   string
	queue      *queue // or:
	queueName  string
	disabled   bool
	last, next float64
	// ended is why it does not run again, "" if it does.
	ended string
	// stale is how old last and next may be, in seconds.
	stale float64
	// lastWhy and nextWhy are why they are not known.
	lastWhy, nextWhy string
	// tick, of a scheduler that does not keep next, is the first time after a moment
	// at which the job is to run; made is when it was defined, if that is known.
	tick func(after float64) (float64, error)
	made float64

	id      string
	late    float64
	overdue bool
	judged  bool // late is known
}

// schedule adds a scheduler to what is read. It is not asked for when one queue is.
func (r *reading) schedule(name string, grace float64) *scheduler {
	s := &scheduler{name: name, grace: grace}
	r.schedulers = append(r.schedulers, s)
	return s
}

// add notes a periodic job. Of several processes that have the same one, the newest
// times are right.
func (s *scheduler) add(j *periodicJob) {
	for _, old := range s.jobs {
		if old.name == j.name && old.key == j.key {
			old.last, old.next, old.stale = max(old.last, j.last), max(old.next, j.next), max(old.stale, j.stale)
			return
		}
	}
	s.jobs = append(s.jobs, j)
}

// fail notes why the periodic jobs are not known, or some of them.
func (s *scheduler) fail(what string, err error) {
	s.unreadable = true
	if s.problem == nil {
		s.problem = fmt.Errorf("%s: %w", what, err)
	}
}

// livingWorkers is an alive of schedulers that are parts of workers; quiet ones have
// ended theirs.
func (r *reading) livingWorkers() (float64, error) {
	n, ok := r.Get(figWorkersAlive)
	quiet, ok2 := r.Get(figWorkersQuiet)
	if !ok || !ok2 {
		return 0, errors.New("it is not known which workers live")
	}
	return n - quiet, nil
}

// schedulerKey names a kind of scheduler in what is remembered of a target.
type schedulerKey struct {
	instance
	name string
}

// schedulerMemory is what is remembered of one.
type schedulerMemory struct {
	// aliveAt is when one was last seen alive, by this machine's clock; zero for never.
	// seen is when it was last read.
	aliveAt, seen time.Time
	// jobs are those of then, when they fade.
	jobs []*periodicJob
	// expiry is when a lock ends if it is not renewed, and renewed when that was last
	// seen to change, both by the server's clock.
	expiry, renewed float64
	// since are the definitions of jobs, and when they were first seen; 0 for those
	// that were there when they were first looked at.
	since map[string]definition
}

type definition struct {
	text string
	at   float64
}

// memoryOf is what is remembered of a scheduler; s.mu is held.
func (s *state) memoryOf(key schedulerKey) *schedulerMemory {
	now := time.Now()
	for k, m := range s.schedulers {
		if now.Sub(m.seen) > keepSchedulers {
			delete(s.schedulers, k)
		}
	}
	m := s.schedulers[key]
	if m == nil {
		m = &schedulerMemory{}
		if s.schedulers == nil || len(s.schedulers) >= maxSamples {
			s.schedulers = make(map[schedulerKey]*schedulerMemory)
		}
		s.schedulers[key] = m
	}
	m.seen = now
	return m
}

// lastAlive is when a scheduler was last seen alive; zero for never.
func (s *state) lastAlive(i instance, name string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.schedulers[schedulerKey{i, name}]; m != nil {
		return m.aliveAt
	}
	return time.Time{}
}

// sinceRenewal is for how long the lock of a scheduler was not seen to be renewed: its
// end does not move then. ttl is the time that it still has.
func (s *state) sinceRenewal(i instance, name string, now, ttl float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.memoryOf(schedulerKey{i, name})
	if expiry := now + ttl; m.renewed == 0 || m.renewed > now || math.Abs(expiry-m.expiry) > 2 {
		m.expiry, m.renewed = expiry, now
	}
	return now - m.renewed
}

// sumSchedulers makes the figures of a system's schedulers, and the rows of their
// periodic jobs.
func (r *reading) sumSchedulers(p *poll, s *state) {
	var sum schedulerSum
	for _, c := range r.schedulers {
		alive, err := c.alive()
		s.mu.Lock()
		m := s.memoryOf(schedulerKey{r.instance, c.name})
		if err == nil && alive > 0 && !c.ofWorkers {
			m.aliveAt = m.seen
		}
		lived := m.seen.Sub(m.aliveAt) < keepSchedulers
		if c.fades && err == nil && alive == 0 && len(c.jobs) == 0 && lived {
			c.jobs = copyJobs(m.jobs)
		}
		if c.fades && err == nil && alive == 0 && len(c.jobs) == 0 && c.problem == nil {
			c.problem = errors.New("no scheduler lives, and its periodic jobs are in no key without one")
		}
		c.used = c.used || len(c.jobs) > 0 || lived
		if c.used {
			c.judge(p.Now(), m)
		}
		m.jobs = nil
		if c.fades {
			m.jobs = copyJobs(c.jobs)
		}
		s.mu.Unlock()
		switch {
		case c.used:
			sum.add(r, c, alive, err)
		case c.unreadable:
			sum.problem = cmp.Or(sum.problem, c.problem)
		}
	}
	sum.finish(r)
}

// copyJobs copies periodic jobs, that a later poll may judge them anew.
func copyJobs(jobs []*periodicJob) []*periodicJob {
	out := make([]*periodicJob, len(jobs))
	for i, j := range jobs {
		c := *j
		out[i] = &c
	}
	return out
}

// judge says of each periodic job how late it is.
func (c *scheduler) judge(now float64, m *schedulerMemory) {
	since := make(map[string]definition, len(c.jobs))
	first := m.since == nil
	for _, j := range c.jobs {
		id := j.name + "\x00" + j.key
		held := j.held()
		d := definition{text: j.schedule + "\x00" + held}
		if old, has := m.since[id]; has && old.text == d.text {
			d = old
		} else if !first {
			d.at = now
		}
		since[id] = d
		j.judge(now, max(j.last, j.made, d.at), c.grace, held)
	}
	m.since = since
}

// held says why a periodic job is not to run, "" if it is.
func (j *periodicJob) held() string {
	if j.disabled {
		return "it is disabled"
	}
	if j.ended != "" {
		return j.ended
	}
	if j.queue != nil {
		if paused, _ := j.queue.Get(figPaused); paused > 0 {
			return "its queue is paused"
		}
	}
	return ""
}

// judge says how late a job is; base is the last moment of which it is known that it
// was in time.
func (j *periodicJob) judge(now, base, grace float64, held string) {
	if held != "" {
		j.next, j.nextWhy, j.judged = 0, held, true
		return
	}
	if j.tick != nil {
		next, err := 0.0, errors.New("it has not run yet, and it is not known when it was defined")
		if base > 0 {
			next, err = j.tick(base)
		}
		if j.next = next; err != nil {
			j.next, j.nextWhy = 0, err.Error()
		}
	}
	if j.queue != nil && j.queue.missed(figPaused) {
		j.nextWhy = "it is not known whether its queue is paused"
		return
	}
	if j.judged = j.next > 0; j.judged {
		if j.late = max(0, now-j.next); j.late <= j.stale {
			j.late = 0
		}
		j.overdue = j.late > grace
	}
}

// schedulerSum makes one of the schedulers of a system.
type schedulerSum struct {
	used                bool
	alive               float64
	hasAlive            bool
	aliveErr, problem   error
	jobs, overdue, late float64
	unknown             int
	unknownWhy          string
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
		sum.jobs++
		switch {
		case !j.judged:
			sum.unknown++
			sum.unknownWhy = cmp.Or(sum.unknownWhy, j.nextWhy, "it does not say when it is due")
		case j.overdue:
			sum.overdue++
		}
		sum.late = max(sum.late, j.late)
		allDue = allDue && (j.overdue || j.next == 0)
		j.name = printable(j.name)
		j.id = r.ID() + "/" + c.name + "/" + j.name
		if ids[j.id]++; ids[j.id] > 1 {
			j.id += fmt.Sprintf("#%d", ids[j.id])
		}
	}
	sum.jobs += float64(c.unread)
	if c.unread > 0 && (!c.earliest || allDue) {
		sum.unread += c.unread
	}
}

// finish sets the figures. A count of what is late is that of those that are known,
// as long as it is not 0.
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
	case sum.unknown > 0:
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

// limitPeriodic bounds the rows of all systems together: where there are more, those
// that are late come first.
func limitPeriodic(readings []*reading) {
	type row struct {
		c *scheduler
		j *periodicJob
	}
	var rows []row
	for _, r := range readings {
		for _, c := range r.schedulers {
			if !c.used {
				c.jobs = nil
			}
			for _, j := range c.jobs {
				rows = append(rows, row{c, j})
			}
			r.CutPeriodic += c.unread
		}
	}
	if len(rows) <= maxPeriodicRows {
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.j.late, a.j.late) })
	drop := make(map[*periodicJob]bool)
	for _, row := range rows[maxPeriodicRows:] {
		drop[row.j] = true
	}
	for _, r := range readings {
		for _, c := range r.schedulers {
			before := len(c.jobs)
			c.jobs = slices.DeleteFunc(slices.Clone(c.jobs), func(j *periodicJob) bool { return drop[j] })
			r.CutPeriodic += before - len(c.jobs)
		}
	}
}

// isMoment reports whether a score can be a time in unix seconds.
func isMoment(score float64) bool { return score >= moment2000 && score <= moment2200 }

// printable is a text that a stranger chose, as it is shown.
func printable(text string) string { return ask.Line(text, maxSchedule) }

// everyText is how an interval in seconds is shown: every 1h30m.
func everyText(seconds float64) string {
	if seconds <= 0 || seconds > 1e9 {
		return ""
	}
	text := time.Duration(seconds * float64(time.Second)).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return "every " + text
}
