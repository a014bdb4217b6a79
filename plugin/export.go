package plugin

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
	"redisjobs/targets"
)

// export starts a check. Only its reading and bounding happen here, in the
// goroutine that reads the agent's socket.
func (s *server) export(m *message) {
	select {
	case s.running <- struct{}{}:
	default:
		_ = s.out.sendError(m.Id, fmt.Sprintf(
			"too many checks at once: %d are running (is a server hanging, or the agent's capacity set too high?)", maxRunning))
		return
	}
	r := request{time.Now(), m.Id, m.Key, m.Params, m.Timeout}
	select {
	case s.requests <- r:
	default:
		go s.work(r)
	}
}

// request is one check that the agent asked for.
type request struct {
	began   time.Time
	id      uint32
	key     string
	params  []string
	timeout int // of the item, in seconds; 0 if the agent sent none
}

// parkedWorkers is how many goroutines wait for the next check instead of
// ending, because their stacks have grown already, and workerIdle for how long.
const (
	parkedWorkers = 16
	workerIdle    = time.Second
)

// work runs a check, and further ones while it is one of the few that wait.
func (s *server) work(r request) {
	s.run(r)
	defer s.parked.Add(-1)
	if s.parked.Add(1) > parkedWorkers {
		return
	}
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		select {
		case r, open := <-s.requests:
			if !open {
				return
			}
			s.run(r)
			idle.Reset(workerIdle)
		case <-idle.C:
			return
		}
	}
}

// run answers one check.
func (s *server) run(r request) {
	defer func() { <-s.running }()
	g := s.guardAnswer(r)
	buf := answers.Get().(*[]byte)
	answer, err := s.check(r, (*buf)[:0])
	// An error of the write means that the agent is gone; the goroutine that
	// reads its socket ends the process.
	switch {
	case !g.claim(): // the agent has an answer already
	case err != nil:
		_ = s.out.sendError(r.id, clip(err.Error()))
	default:
		_ = s.out.sendValue(r.id, answer)
	}
	if cap(answer) <= keepBuffer {
		*buf = answer
		answers.Put(buf)
	}
}

// lateAnswer sees to it that a request is answered in time, and once. A check
// ends at its deadline by itself as long as it waits for a server; one that is
// busy with what a server sent does not.
type lateAnswer struct {
	s        *server
	rt       *targets.Runtime
	r        request
	answered atomic.Bool
	timer    *time.Timer
}

// guardAnswer starts the guard of a request.
func (s *server) guardAnswer(r request) *lateAnswer {
	g := &lateAnswer{s: s, rt: s.current.Load(), r: r}
	if g.rt != nil {
		g.timer = time.AfterFunc(time.Until(r.began.Add(g.rt.Latest(r.timeout))), g.fire)
	}
	return g
}

// claim reports whether the caller is the one to answer.
func (g *lateAnswer) claim() bool {
	if g.timer != nil {
		g.timer.Stop()
	}
	return g.answered.CompareAndSwap(false, true)
}

// fire answers in place of a check that is late.
func (g *lateAnswer) fire() {
	if !g.answered.CompareAndSwap(false, true) {
		return
	}
	if answer, err := g.s.late(g.rt, g.r, g.rt.Allowed(g.r.timeout)); err != nil {
		_ = g.s.out.sendError(g.r.id, clip(err.Error()))
	} else {
		_ = g.s.out.sendValue(g.r.id, answer)
	}
}

// late is the guard's answer.
func (s *server) late(rt *targets.Runtime, r request, allowed time.Duration) (answer []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			answer, err = nil, fmt.Errorf("internal error in %s: %v", r.key, reason)
		}
	}()
	metric := s.byKey[r.key]
	if metric == nil {
		return nil, metrics.UnknownKey(r.key)
	}
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	w := jsondoc.NewQuoted(nil)
	err = rt.Late(ctx, metric, r.params, allowed, w)
	return w.Bytes(), err
}

// answers are buffers for answers on their way to the agent.
var answers = sync.Pool{New: func() any { return new([]byte) }}

// check appends one item's answer to dst, as the inside of a JSON string. A
// panic becomes its error.
func (s *server) check(r request, dst []byte) (answer []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			s.log.errorf("panic in %s: %v\n%s", r.key, reason, debug.Stack())
			answer, err = nil, fmt.Errorf("internal error in %s: %v (the agent's log has the details)", r.key, reason)
		}
	}()
	metric := s.byKey[r.key]
	if metric == nil {
		return nil, metrics.UnknownKey(r.key)
	}
	rt := s.current.Load()
	if rt == nil {
		if text := s.confErr.Load(); text != nil {
			return nil, fmt.Errorf("%s", *text)
		}
		return nil, fmt.Errorf("the plugin is not configured yet")
	}
	ctx, cancel := context.WithDeadline(context.Background(), r.began.Add(rt.Allowed(r.timeout)))
	defer cancel()
	w := jsondoc.NewQuoted(dst)
	err = rt.Collect(ctx, metric, r.params, w)
	return w.Bytes(), err
}
