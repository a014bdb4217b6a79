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

// sawWorker remembers that a client was connected that is a worker and no other, and
// how many jobs ran then.
func (s *state) sawWorker(i instance, active float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected == nil || len(s.connected) >= maxSamples {
		s.connected = make(map[instance]float64)
	}
	s.connected[i] = active
}

// workerSeen is how many jobs ran when such a client was last seen.
func (s *state) workerSeen(i instance) (active float64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	active, ok = s.connected[i]
	return active, ok
}

// listened is what is remembered of clients that may be workers of a system.
type listened struct {
	since time.Time // of the first look
	// sent has when clients, by their addresses, last sent what only workers send.
	sent map[string]time.Time
}

const (
	// listenedFor is how long a client that stays connected counts as a worker after
	// that. One whose slots are all taken by long jobs does not look for others.
	listenedFor = 24 * time.Hour
	// firstLooks is how long a worker may be there of which that was not seen so far.
	firstLooks = 2 * time.Minute
	// newcomerFor is as much for a client that has just connected: a worker that is
	// started anew may take a job before its first look for another.
	newcomerFor   = 15 * time.Second
	maxListeners  = 1000
	maxListenedOf = 100 // instances
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
	return &lookout{s, i, before, listened{before.since, make(map[string]time.Time)}}
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

// enqueues are what clients that are no workers send all the time, over connections that
// may be new with each.
var enqueues = []string{"lpush", "zadd"}

// begins reports whether a client that was not seen to send what only workers send may
// be one nevertheless: it has just sent something, and it is new, or these are the first
// looks, in which little was seen yet.
func (l *lookout) begins(c client) bool {
	first := time.Since(l.before.since) < firstLooks
	return c.fresh && (first || c.young && !slices.Contains(enqueues, c.cmd))
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
