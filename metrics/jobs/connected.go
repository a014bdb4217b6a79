package jobs

import "fmt"

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
