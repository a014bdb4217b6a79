package jobs

import (
	"math"
	"time"
)

const (
	// minWindow is the shortest time that rates are made of. It is long against the ten
	// seconds for which a process of Sidekiq keeps what it has done to itself: of two
	// polls between two of its heartbeats the one would count twice as much, and the
	// other nothing. It is the same for all systems, and for any number of items that
	// poll one.
	minWindow = 30 * time.Second
	// stuckAfter is how long nothing must have moved for a queue to be stuck.
	stuckAfter = time.Minute
	// keepUnlisted is for how long workers are remembered that do not register.
	keepUnlisted = time.Hour
	// maxSamples bounds the queues whose last figures are remembered.
	maxSamples = 4 * maxQueues
)

// sampleKey names a queue; that of a whole system has no queue.
type sampleKey struct {
	instance
	queue string
}

// moment is what a poll saw of a queue or system.
type moment struct {
	at                  float64
	waiting, done, more float64
	hasWaiting          bool
	hasDone             bool // done is known: the total counter of jobs taken
	hasMore             bool // more is known: the total counter of jobs added
	// uncounted is for how long done has not been added to, on average, where workers do
	// so in steps.
	uncounted float64
	// attempts is a counter of attempts to add a job, and kept are all jobs that there
	// are, waiting, running or done, where hasAttempts.
	attempts, kept float64
	hasAttempts    bool
	head           string
	headAt         float64 // see queue.HeadAt
	delayed        bool    // the queue has jobs that wait for their time, or may have
	nobody         bool    // no living worker is registered in the system
}

// sample is what is remembered of a queue or system between polls.
type sample struct {
	base moment // what the rates are made from
	last moment // of the last poll
	// first is when it was seen first.
	first float64
	// since is when the jobs that wait began to wait for nothing; 0 when they do
	// not.
	since float64
	// held is when something was last seen that kept workers from the queue; 0 for
	// never.
	held float64
	// oldest is the id of the job that had waited longest, where that is not the next one.
	oldest string
	// stamped is the job whose time is the latency, see stamp.
	stamped stamp
	// headAt is when last.head was first seen.
	headAt float64
	// clearFrom and clearTo are the first and last of the polls, one after the other,
	// that found no delayed jobs; the last such ones. 0 for none.
	clearFrom, clearTo float64
	// unlisted is when it was last seen that workers live that do not register; 0 for
	// never.
	unlisted float64
	rates    figures
}

func newMoment(now float64, f *figures, head string) moment {
	m := moment{at: now, head: head}
	m.waiting, m.hasWaiting = f.Get(figWaiting)
	m.done, m.hasDone = f.Get(figProcessed)
	m.more, m.hasMore = f.Get(figAdded)
	scheduled, known := f.Get(figScheduled)
	m.delayed = !known || scheduled > 0
	return m
}

// rates compares the figures of r with those of earlier polls.
func (s *state) rates(p *poll, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := p.Now()
	// What the whole system has done since the last poll is evidence for queues
	// that have no counter of their own.
	systemMoved := false
	key := sampleKey{instance: r.instance}
	if r.only == "" {
		m, old := newMoment(now, &r.figures, ""), s.sampleOf(key)
		for i, q := range r.Queues { // those of a system are those of its queues
			if i == 0 {
				m.hasAttempts = r.Truncated == 0
			}
			m.count(q)
		}
		m.uncounted = r.uncounted
		alive, known := r.Get(figWorkersAlive)
		m.nobody = known && alive == 0
		systemMoved = old.moved(m)
		unlisted := systemMoved && m.nobody && old.last.nobody
		s.observe(key, old, m, &r.figures)
		if unlisted {
			old.unlisted = now
		}
	} else if processed, ok := r.Get(figProcessed); ok {
		if old := s.samples[key]; old != nil && old.last.hasDone {
			systemMoved = processed != old.last.done
		}
	}
	s.missUnlisted(key, now, r)
	for _, q := range r.Queues {
		key.queue = q.Name
		m := newMoment(now, &q.figures, q.Head)
		m.headAt = max(0, q.HeadAt)
		m.hasAttempts = true
		m.count(q)
		old := s.sampleOf(key)
		stalled, known := old.stalled(m, q.HeadRepeats && systemMoved)
		// No job has been waiting for longer than the oldest one.
		if latency, ok := q.Get(figLatency); ok && latency < stalled {
			stalled, old.since = latency, now-latency
		}
		old = s.observe(key, old, m, &q.figures)
		old.oldest = q.oldestID
		old.stamped.remember(q)
		if reason := old.unexplained(q); reason != "" {
			q.Miss(figArrival, reason)
			q.Miss(figDrain, reason)
		}
		if !known {
			q.Miss(figStalled, "it is not known whether jobs were taken")
			q.Miss(figStuck, "it is not known whether jobs were taken")
			continue
		}
		q.Set(figStalled, stalled)
		why := r.holds(q)
		if why != heldByNothing {
			old.held = now
		}
		r.judge(q, stalled, min(stalled, now-old.held), why)
	}
}

// missUnlisted makes workers_alive unknown where none is registered and jobs were
// taken between two polls that found none: workers for Sidekiq's or Resque's layout in
// other languages need not register.
// Source: go-workers2 pull request 75, before which its workers did not
func (s *state) missUnlisted(system sampleKey, now float64, r *reading) {
	old := s.sampleOf(system)
	if old == nil || old.unlisted == 0 || now-old.unlisted > keepUnlisted.Seconds() {
		return
	}
	if alive, known := r.Get(figWorkersAlive); known && alive == 0 {
		r.Miss(figWorkersAlive, "no living worker is registered, and yet jobs are processed")
	}
}

// keptFigures are the states of all jobs that there are.
var keptFigures = []figure{figWaiting, figActive, figScheduled, figFailed, figCompleted, figWaitingChildren}

// count takes the counter of attempts and the jobs there are, if all are known.
func (m *moment) count(q *queue) {
	m.attempts += q.attempts
	m.hasAttempts = m.hasAttempts && q.hasAttempts
	for _, f := range keptFigures {
		n, known := q.Get(f)
		m.kept += n
		m.hasAttempts = m.hasAttempts && (known || f == figWaitingChildren && !q.missed(f))
	}
}

// explained reports whether the jobs that there are account for what a counter of attempts
// has grown by: then none was refused, and none was deleted when it was done. Figures that
// are read one after the other differ a little on a busy queue.
func explained(a, b moment) bool {
	more := b.kept - a.kept
	return a.hasAttempts && b.hasAttempts && more >= 0 && math.Abs(b.attempts-a.attempts-more) <= more/20
}

// unexplained is why it is not known how many jobs come and go, of a queue that has but a
// counter of attempts; "" where it is known, or not yet.
func (old *sample) unexplained(q *queue) string {
	if _, known := old.rates.Get(figArrival); known {
		return ""
	}
	switch {
	case q.attemptsErr != nil:
		return "GET: " + q.attemptsErr.Error()
	case q.hasAttempts && old.base.at > old.first:
		return "the counter of ids has grown by jobs that were refused, or jobs were deleted when they were done; it is known if the workers keep metrics"
	}
	return ""
}

// sameHead reports whether the same job is the oldest in both. When it was added may not
// be known now and then.
func (m moment) sameHead(o moment) bool {
	return m.head == o.head && (m.headAt == o.headAt || m.headAt == 0 || o.headAt == 0)
}

// moved reports whether a total counter has changed since the last poll.
func (old *sample) moved(m moment) bool {
	return old != nil && old.last.hasDone && m.hasDone && old.last.done != m.done
}

// sampleOf returns what is remembered of a queue or system, nil for nothing.
func (s *state) sampleOf(key sampleKey) *sample { return s.samples[key] }

// observe makes the rates and remembers the moment, in what is remembered already
// or, for nil, in a new sample.
func (s *state) observe(key sampleKey, old *sample, m moment, f *figures) *sample {
	if old == nil {
		if s.samples == nil || len(s.samples) >= maxSamples {
			s.samples = make(map[sampleKey]*sample)
		}
		old = &sample{base: m, first: m.at, headAt: m.at}
		s.samples[key] = old
		if m.hasWaiting && m.waiting > 0 {
			old.since = m.at
		}
	}
	if m.at < old.last.at { // another server's clock: what was seen by the other one says nothing
		old.base, old.rates = m, figures{}
		old.since, old.held = min(old.since, m.at), min(old.held, m.at)
		old.clearFrom, old.clearTo = 0, 0
	}
	if !m.delayed {
		if old.last.delayed || old.clearFrom == 0 {
			old.clearFrom = m.at
		}
		old.clearTo = m.at
	}
	if m.at-old.base.at >= minWindow.Seconds() {
		old.rates = ratesBetween(old.base, m)
		old.base = m
	}
	if !m.sameHead(old.last) && old.last.at != 0 {
		old.headAt = m.at
	}
	old.headAt = min(old.headAt, m.at)
	if m.headAt == 0 && m.sameHead(old.last) {
		m.headAt = old.last.headAt
	}
	old.last = m
	old.rates.Each(f.Set)
	growth, ok := old.rates.Get(figGrowth)
	switch {
	case !m.hasWaiting:
	case m.waiting == 0:
		f.Set(figTimeToEmpty, 0)
	case ok && growth < 0:
		f.Set(figTimeToEmpty, m.waiting/-growth)
	}
	return old
}

// ratesBetween are the rates between two moments. Of a counter that was reset
// there is none.
func ratesBetween(a, b moment) figures {
	var out figures
	seconds := b.at - a.at
	if !a.hasWaiting || !b.hasWaiting {
		return out
	}
	growth := (b.waiting - a.waiting) / seconds
	out.Set(figGrowth, growth)
	counted := seconds + a.uncounted - b.uncounted
	switch {
	case a.hasDone && b.hasDone && b.done >= a.done:
		if counted < seconds/2 { // the workers hang
			break
		}
		drain := (b.done - a.done) / counted
		out.Set(figDrain, drain)
		out.Set(figArrival, max(0, growth+drain))
	case explained(a, b):
		arrival := (b.kept - a.kept) / seconds
		out.Set(figArrival, arrival)
		out.Set(figDrain, max(0, arrival-growth))
	case a.hasMore && b.hasMore && b.more >= a.more:
		arrival := (b.more - a.more) / seconds
		out.Set(figArrival, arrival)
		out.Set(figDrain, max(0, arrival-growth))
	}
	return out
}

// sight gives the latency of queues whose oldest job does not tell since when it
// waits: the time since it was seen first. A queue that was never looked at before
// has none yet.
func (s *state) sight(p *poll, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range r.Queues {
		old := s.sampleOf(sampleKey{r.instance, q.Name})
		switch {
		case q.FirstSeen:
			sightHead(p, q, old)
		case q.Made > 0:
			sightMade(p, q, old)
		}
		q.seen(p, old)
	}
}

// sightHead gives the latency of a queue whose oldest job tells nothing at all.
func sightHead(p *poll, q *queue, old *sample) {
	if old == nil {
		q.Miss(figLatency, "oldest job: it was tried before or promoted, and not seen yet when it was put back")
		return
	}
	age := 0.0
	if old.last.sameHead(moment{head: q.Head, headAt: q.HeadAt}) {
		age = p.Age(old.headAt)
	}
	if known, _ := q.Get(figLatency); age >= known {
		q.Set(figLatency, age)
	}
}

// sightMade gives the latency of a queue whose oldest job says when it was made, and
// not whether it was delayed then. It was not when no delayed ones were there at a
// poll after it was made, and for no longer than since the last poll when it was
// made after that. Otherwise it waits since it was seen first, or longer.
func sightMade(p *poll, q *queue, old *sample) {
	switch {
	case old != nil && (old.clearFrom > 0 && q.Made >= old.clearFrom && q.Made <= old.clearTo || q.Made >= old.last.at):
		q.waits(p, q.Made)
	case old != nil && old.last.sameHead(moment{head: q.Head, headAt: q.HeadAt}):
		q.Set(figLatency, p.Age(old.headAt))
	default:
		q.Miss(figLatency, "oldest job: it does not say whether it was delayed before, and was not seen yet")
	}
}

// stalled is how long jobs wait and none was seen to be taken. unsure: an
// unchanged head proves nothing. It is asked before the moment is observed; nothing
// may be remembered yet.
func (old *sample) stalled(m moment, unsure bool) (seconds float64, known bool) {
	if !m.hasWaiting {
		return 0, false
	}
	if m.waiting == 0 {
		if old != nil {
			old.since = 0
		}
		return 0, true
	}
	if m.head == "" && !m.hasDone {
		return 0, false
	}
	if old == nil {
		return 0, true
	}
	taken := m.waiting < old.last.waiting || m.hasDone && old.last.hasDone && m.done != old.last.done ||
		!m.sameHead(old.last) || unsure
	if taken || old.since == 0 {
		old.since = m.at
	}
	return max(0, m.at-old.since), true
}
