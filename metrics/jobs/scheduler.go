package jobs

import (
	"cmp"
	"errors"
	"fmt"
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
	// graceBusy is for those that are parts of workers, while one of the queue runs a
	// job: they may all be busy, and then it is they who are late.
	graceBusy = 300

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
	// fades: its periodic jobs are in no key when it is dead. keeps: each is in no key
	// but when it runs; what was seen is remembered for a day.
	fades, keeps bool
	// partial: some of its periodic jobs are in no key before they ran.
	partial bool
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
	// once: it runs but once, and has no row.
	once bool
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
		if c.partial && err == nil && len(c.jobs) == 0 && c.problem == nil {
			c.problem = errors.New("none is in Redis, where those of a configuration file are not before they ran")
		}
		if c.keeps {
			c.remember(p.Now(), m.jobs)
		}
		c.used = c.used || len(c.jobs) > 0 || lived
		if c.used {
			c.judge(p.Now(), m, r.busyWith)
		}
		m.jobs = nil
		if c.fades || c.keeps {
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

// busyWith reports whether those who serve the queue of a periodic job live, and may all
// be at work.
func (r *reading) busyWith(j *periodicJob) bool {
	q := j.queue
	for i := 0; q == nil && i < len(r.Queues); i++ {
		if r.Queues[i].Name == j.queueName {
			q = r.Queues[i]
		}
	}
	return q != nil && r.holds(q) == heldByWork && r.someLives()
}

// judge says of each periodic job how late it is.
func (c *scheduler) judge(now float64, m *schedulerMemory, busy func(*periodicJob) bool) {
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
		grace := c.grace
		if c.ofWorkers && busy(j) {
			grace = max(grace, graceBusy)
		}
		j.judge(now, max(j.last, j.made, d.at), grace, held)
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
