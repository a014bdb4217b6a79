package jobs

import (
	"fmt"
	"slices"
	"time"
)

// Workers of some systems do not register, and show only as clients of the server.
// How many there are is not known; that there is none is.

// aliveOfListeners says of such a system whether workers live.
func (r *reading) aliveOfListeners() {
	switch {
	case !r.counted:
	case r.listenersErr != nil:
		r.Miss(figWorkersAlive, "workers do not register: "+r.listenersErr.Error())
	case r.listeners > 0:
		r.Miss(figWorkersAlive, fmt.Sprintf("workers do not register: %d clients are connected that may be parts of workers", r.listeners))
	default:
		r.Set(figWorkersAlive, 0)
	}
}

// seenWorker is what is remembered of a client that is a worker and no other.
type seenWorker struct {
	// active is the greatest number of jobs that ran while such a client was connected, in
	// the last while; at is when.
	active float64
	at     time.Time
}

// sawWorker remembers that such a client was connected, and how many jobs ran then. Who
// had a free slot then had one with any smaller number, as there was in between.
func (s *state) sawWorker(i instance, active float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected == nil || len(s.connected) >= maxSamples {
		s.connected = make(map[instance]seenWorker)
	}
	if before, ok := s.connected[i]; !ok || active >= before.active || time.Since(before.at) > bystanderAfter {
		s.connected[i] = seenWorker{active, time.Now()}
	}
}

// workerSeen is how many jobs ran, at most, when such a client was last seen.
func (s *state) workerSeen(i instance) (active float64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, ok := s.connected[i]
	return seen.active, ok
}

// listened is what is remembered of clients that may be workers of a system.
type listened struct {
	since time.Time // of the first look
	// sent has when clients, by their addresses, last sent what only workers send.
	sent map[string]time.Time
	// others has since when there are clients that sent what others send as well.
	others map[string]time.Time
}

const (
	// listenedFor is how long a client that stays connected counts as a worker after
	// that. One whose slots are all taken by long jobs does not look for others.
	listenedFor = 24 * time.Hour
	// firstLooks is how long a worker may be there of which that was not seen so far.
	firstLooks = 2 * time.Minute
	// bystanderAfter is how long a client must be there, without having been seen to
	// look for jobs, to be taken for none that does.
	bystanderAfter = 10 * time.Minute
	maxListeners   = 1000
	maxListenedOf  = 100 // instances
)

// lookout looks at the clients of one poll, with what is remembered of them.
type lookout struct {
	state       *state
	instance    instance
	before, now listened
}

func (p *poll) lookout(i instance) *lookout {
	s := p.state
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.listened[i]
	if !ok {
		before.since = time.Now()
	}
	return &lookout{s, i, before, listened{before.since, make(map[string]time.Time), make(map[string]time.Time)}}
}

// listenedTo reports whether the client with that address was seen to send what only
// workers send, of any system.
func (s *state) listenedTo(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listened {
		if _, ok := l.sent[addr]; ok {
			return true
		}
	}
	return false
}

// enqueues are what clients that are no workers send all the time.
var enqueues = []string{"lpush", "zadd"}

// maySee reports whether a client that was not seen to send what only workers send may
// be one nevertheless, by what it has just sent. Its looks for jobs come in between, and
// polls at a fixed pace may miss them again and again where jobs come at such a pace.
func (l *lookout) maySee(c client) bool {
	first := time.Since(l.before.since) < firstLooks // little was seen yet
	return c.fresh && (first || !slices.Contains(enqueues, c.cmd))
}

// sees reports whether a client sends what only workers send, or did so a short time
// ago over this very connection.
func (l *lookout) sees(c client, takes []string) bool {
	at, ok := l.before.sent[c.addr]
	if slices.Contains(takes, c.cmd) {
		at, ok = time.Now(), true
	}
	if ok = ok && time.Since(at) < listenedFor; ok && c.addr != "" && len(l.now.sent) < maxListeners {
		l.now.sent[c.addr] = at
	}
	return ok
}

// bystander reports whether a client that does not look for jobs has been there for
// long.
func (l *lookout) bystander(c client) bool {
	if c.addr == "" || len(l.now.others) >= maxListeners {
		return false
	}
	since, ok := l.before.others[c.addr]
	if !ok {
		since = time.Now()
	}
	l.now.others[c.addr] = since
	return time.Since(since) >= bystanderAfter
}

// keep remembers what was seen.
func (l *lookout) keep() {
	s := l.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.listened[l.instance]; !ok && (s.listened == nil || len(s.listened) >= maxListenedOf) {
		s.listened = make(map[instance]listened)
	}
	s.listened[l.instance] = l.now
}
