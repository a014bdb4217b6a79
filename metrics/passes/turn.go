package passes

import (
	"context"
	"errors"
	"time"
)

const (
	// turn is how long a pass works before it goes to the end of the queue of those
	// that wait, so that none holds its place however many keys there are.
	turn = 10 * time.Second
	// startWait is how long a check waits for the pass that it asked for to begin, so
	// that it can say whether it has to wait; and waitShown, how long one may wait
	// before it is said.
	startWait = 50 * time.Millisecond
	waitShown = 100 * time.Millisecond
)

// wait waits for something to happen, but not for long.
func wait(ctx context.Context, happened <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-happened:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// queue has a turn of the pass done in the background, and then the next one.
func (s *state) queue(background func(work func(ctx context.Context), failed func(err error))) {
	background(func(ctx context.Context) {
		if more := s.work(ctx, turn); more {
			s.queue(background)
		}
	}, s.failed)
}

// work carries the pass on until it is finished, or cannot or need not go on, or
// its turn is over, when there is more to do; a turn of 0 has no end.
func (s *state) work(ctx context.Context, turn time.Duration) (more bool) {
	s.mu.Lock()
	pass := s.pass
	s.state, s.queued = passRunning, time.Time{}
	if s.begun != nil {
		close(s.begun)
		s.begun = nil
	}
	s.mu.Unlock()
	if pass.until = (time.Time{}); turn > 0 {
		pass.until = time.Now().Add(turn)
	}
	err := pass.run(ctx, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, errTurnOver) {
		s.queued = time.Now()
		return true
	}
	s.state, s.err = passResting, err
	s.endLocked()
	var other *otherServerError
	var endless *endlessError
	switch {
	case err == nil:
		before := s.last
		s.last, s.pass, s.state, s.problem = pass.result(time.Now()), nil, "", nil
		s.last.keep(before)
	case errors.As(err, &other):
		s.restartLocked(err.Error())
		s.pass, s.state, s.err = nil, "", nil
	case errors.As(err, &endless):
		s.ended, s.problem = time.Now(), err
		s.pass, s.state, s.err = nil, "", nil
	case errors.Is(err, errUnasked), ctx.Err() != nil:
		s.err = nil
	}
	return false
}

// endLocked wakes those who wait for the end of the pass.
func (s *state) endLocked() {
	if s.passEnd != nil {
		close(s.passEnd)
		s.passEnd = nil
	}
}

// shown is the state of the pass as it is shown: one that waits for its turn.
func (s *state) shown() string {
	if !s.queued.IsZero() && time.Since(s.queued) > waitShown {
		return passWaiting
	}
	return s.state
}
