package pool_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/stretchr/testify/require"
)

// sock is a fake connection. Its fields are guarded by world.mu.
type sock struct {
	w      *world
	key    string
	id     int
	born   time.Time
	gone   chan struct{} // closed by Close
	slow   chan struct{} // if set, Close takes until it is closed
	made   time.Time
	rested int       // number of its last return; the greatest is the newest
	since  time.Time // of its last return
	idle   bool      // it was idle at the last check
	old    bool      // from before a Renew
	closed bool
	err    error // what Err says
	dead   error // what Alive says
	proven bool
	holder *call
}

func (s *sock) String() string { return fmt.Sprintf("%s#%d", s.key, s.id) }

func (s *sock) Alive() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.holder != nil {
		s.w.notef("Alive was called on %s in use", s)
	}
	return s.dead
}

func (s *sock) Err() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.err
}

func (s *sock) Close() error {
	runtime.Gosched() // whoever would take its place too soon may do so now
	if s.slow != nil {
		<-s.slow
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if !s.w.forced && (s.closed || s.holder != nil) {
		s.w.notef("%s was closed twice or in use", s)
	}
	if !s.closed {
		s.closed = true
		s.w.placeLocked(s.key, -1)
		close(s.gone)
	}
	if s.err == nil {
		s.err = net.ErrClosed
	}
	return nil
}

// dies ends an idle connection from the server's side.
func (s *sock) dies() {
	s.w.mu.Lock()
	s.dead = errStale
	s.w.mu.Unlock()
}

func (s *sock) wantClosed() {
	s.w.t.Helper()
	s.w.check()
	require.True(s.w.t, s.closed, "%s is still open", s)
}

func (s *sock) wantOpen() {
	s.w.t.Helper()
	s.w.check()
	require.False(s.w.t, s.closed, "%s is closed", s)
}

// dial is one run of Config.Dial.
type dial struct {
	w      *world
	key    string
	began  time.Time
	answer chan answer
	taken  bool
	ended  bool
	old    bool // from before a Renew
	sock   *sock
}

type answer struct {
	err   error
	panic any
	exit  bool
	dead  bool // the connection is made and ends at once
}

func (w *world) dial(ctx context.Context, key string) (*sock, error) {
	d := &dial{w: w, key: key, began: time.Now(), answer: make(chan answer, 1)}
	w.mu.Lock()
	w.dials = append(w.dials, d)
	w.placeLocked(key, 1)
	deaf := w.deaf
	err, auto := w.auto[key]
	w.mu.Unlock()
	a := answer{err: err}
	if !auto {
		done := ctx.Done()
		if deaf {
			done = nil
		}
		select {
		case a = <-d.answer:
		case <-done:
			a.err = ctx.Err()
		case <-w.over:
			a.err = errOver
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d.ended = true
	if a.err != nil || a.panic != nil || a.exit {
		w.placeLocked(key, -1)
	}
	switch {
	case a.panic != nil:
		panic(a.panic)
	case a.exit:
		runtime.Goexit()
	case a.err != nil:
		return nil, a.err
	}
	w.arrival++
	d.sock = &sock{w: w, key: key, id: len(w.socks) + 1, born: d.began, gone: make(chan struct{}),
		made: time.Now(), rested: w.arrival, since: time.Now(), old: d.old}
	if a.dead {
		d.sock.dead = errStale
	}
	w.socks = append(w.socks, d.sock)
	return d.sock, nil
}

// wantDial takes the oldest dial to key that nobody has taken yet.
func (w *world) wantDial(key string) *dial {
	w.t.Helper()
	w.check()
	for _, d := range w.dials {
		if d.key == key && !d.taken {
			d.taken = true
			return d
		}
	}
	require.FailNow(w.t, "no dial to "+key)
	return nil
}

// wantNoDial checks that all dials there were have been taken.
func (w *world) wantNoDial() {
	w.t.Helper()
	w.check()
	for _, d := range w.dials {
		if _, auto := w.auto[d.key]; !auto {
			require.True(w.t, d.taken, "a dial to %s", d.key)
		}
	}
}

// finish lets the dial succeed.
func (d *dial) finish() *sock {
	d.w.t.Helper()
	d.end(answer{})
	require.NotNil(d.w.t, d.sock, "the dial was over before")
	return d.sock
}

func (d *dial) fail(err error) {
	d.w.t.Helper()
	d.end(answer{err: err})
}

func (d *dial) end(a answer) {
	d.w.t.Helper()
	d.taken = true
	d.answer <- a
	d.w.check()
}

// serve makes dials to key succeed at once from now on, refuse makes them fail.
func (w *world) serve(key string)             { w.setAuto(key, nil) }
func (w *world) refuse(key string, err error) { w.setAuto(key, err) }

func (w *world) setAuto(key string, err error) {
	w.mu.Lock()
	w.auto[key] = err
	w.mu.Unlock()
}
