package pool_test

import (
	"context"
	"runtime"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// call is one caller of Do.
type call struct {
	w       *world
	key     string
	ctx     context.Context
	cancel  context.CancelFunc
	acts    chan func(*sock) error
	began   time.Time
	arrival int

	sock     *sock // what it holds now
	lentStep int   // when it got it
	waited   bool  // it did not get it in the step in which it came
	tries    int
	returned int
	err      error
	panicked any
	ended    time.Time
}

// do starts a caller that waits as long as it takes.
func (w *world) do(key string) *call {
	w.t.Helper()
	return w.doContext(context.WithCancel(context.Background()))(key)
}

// doWithin starts a caller whose context ends after d.
func (w *world) doWithin(key string, d time.Duration) *call {
	w.t.Helper()
	return w.doContext(context.WithTimeout(context.Background(), d))(key)
}

func (w *world) doContext(ctx context.Context, cancel context.CancelFunc) func(key string) *call {
	return func(key string) *call {
		w.t.Helper()
		c := w.start(ctx, cancel, key)
		w.check()
		return c
	}
}

// start is do without a check.
func (w *world) start(ctx context.Context, cancel context.CancelFunc, key string) *call {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrival++
	c := &call{w: w, key: key, ctx: ctx, cancel: cancel, began: time.Now(), arrival: w.arrival,
		acts: make(chan func(*sock) error, 1)}
	w.calls = append(w.calls, c)
	go c.run()
	return c
}

func (c *call) run() {
	w := c.w
	var err error
	defer func() {
		r := recover()
		c.cancel()
		w.mu.Lock()
		c.returned++
		c.err, c.panicked, c.ended = err, r, time.Now()
		w.mu.Unlock()
	}()
	err = w.pool.Do(c.ctx, c.key, c.converse)
}

func (c *call) converse(_ context.Context, s *sock) error {
	w := c.w
	w.mu.Lock()
	switch {
	case s.holder != nil:
		w.notef("%s was lent twice at a time", s)
	case s.closed, s.err != nil:
		w.notef("%s was lent closed or broken", s)
	case s.dead != nil && s.proven:
		w.notef("%s was lent although it is dead", s)
	case s.old:
		w.notef("%s was lent after Renew", s)
	case w.cfg.MaxLifetime > 0 && time.Since(s.made) > w.cfg.MaxLifetime+time.Second:
		w.notef("%s was lent at the age of %s", s, time.Since(s.made))
	case s.key != c.key:
		w.notef("%s was lent to a caller of %s", s, c.key)
	}
	for _, other := range w.socks {
		if other != s && s.idle && other.idle && other.key == s.key && other.rested > s.rested &&
			!other.closed && other.holder == nil && other.dead == nil {
			w.notef("%s was lent, %s came back later", s, other)
		}
	}
	s.holder, c.sock = c, s
	s.idle = false
	c.lentStep = w.step
	c.tries++
	w.mu.Unlock()

	act := func(*sock) error { return errOver }
	select {
	case act = <-c.acts:
	case <-s.gone:
	case <-w.over:
	}

	w.mu.Lock()
	s.holder, c.sock = nil, nil
	w.arrival++
	s.rested, s.since = w.arrival, time.Now()
	w.mu.Unlock()
	err := act(s)
	if err == nil {
		w.mu.Lock()
		s.proven = true
		w.mu.Unlock()
	}
	return err
}

// ends lets the caller end its conversation by act.
func (c *call) ends(act func(*sock) error) {
	c.w.t.Helper()
	require.NotNil(c.w.t, c.sock, "the caller of %s has no connection", c.key)
	c.acts <- act
	c.w.check()
}

// finish returns err from a conversation that leaves the connection usable.
func (c *call) finish(err error) {
	c.w.t.Helper()
	c.ends(func(*sock) error { return err })
}

// breaks returns err from a conversation that breaks the connection.
func (c *call) breaks(err error) {
	c.w.t.Helper()
	c.ends(func(s *sock) error {
		c.w.mu.Lock()
		s.err = err
		c.w.mu.Unlock()
		return err
	})
}

func (c *call) panics() {
	c.w.t.Helper()
	c.ends(func(*sock) error { panic("a bug in the conversation") })
}

func (c *call) exits() {
	c.w.t.Helper()
	c.ends(func(*sock) error { runtime.Goexit(); return nil })
}

// givesUp cancels the caller's context.
func (c *call) givesUp() {
	c.w.t.Helper()
	c.cancel()
	c.w.check()
}

func (c *call) wantConn(s *sock) {
	c.w.t.Helper()
	c.w.check()
	require.Zero(c.w.t, c.returned, "Do for %s has returned: %v", c.key, c.err)
	require.NotNil(c.w.t, c.sock, "the caller of %s still waits", c.key)
	require.Equal(c.w.t, s.String(), c.sock.String())
}

func (c *call) wantWaiting() {
	c.w.t.Helper()
	c.w.check()
	require.Zero(c.w.t, c.returned, "Do for %s has returned: %v", c.key, c.err)
	require.Nil(c.w.t, c.sock, "the caller of %s has a connection", c.key)
}

// wantDone checks that Do returned err after exactly that long.
func (c *call) wantDone(err error, after time.Duration) {
	c.w.t.Helper()
	c.w.check()
	require.Equal(c.w.t, 1, c.returned, "Do for %s has not returned", c.key)
	require.ErrorIs(c.w.t, c.err, err)
	require.Equal(c.w.t, after, c.ended.Sub(c.began))
}

// wantFailing checks that Do told a known failure, after exactly that long.
func (c *call) wantFailing(cause error, after time.Duration) *pool.FailingError {
	c.w.t.Helper()
	c.wantDone(cause, after)
	var failing *pool.FailingError
	require.ErrorAs(c.w.t, c.err, &failing)
	if failing.Ago == 0 { // it waited for the try: there is nothing to add
		require.EqualError(c.w.t, failing, failing.Err.Error())
	} else {
		require.Contains(c.w.t, failing.Error(), " (last tried ")
	}
	return failing
}

func (c *call) wantWaitError(after time.Duration) *pool.WaitError {
	c.w.t.Helper()
	c.wantDone(c.ctx.Err(), after)
	var wait *pool.WaitError
	require.ErrorAs(c.w.t, c.err, &wait)
	return wait
}
