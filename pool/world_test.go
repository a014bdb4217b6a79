package pool_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

var (
	errStale   = errors.New("the connection had ended before")
	errRefused = errors.New("the server refused the login")
	errBroken  = errors.New("the reply was cut")
	errDown    = errors.New("connection refused")
	errOver    = errors.New("the story is over")
)

type config = pool.Config[string, *sock]

// world is a pool with all that surrounds it under the control of a test: the
// dials, the sockets and the callers. Its methods are the words of a story.
// Each lets everything come to rest and then compares the pool's figures with
// what the world itself has seen. Time passes only in advance.
type world struct {
	t    testing.TB
	cfg  config
	pool *pool.Pool[string, *sock]
	over chan struct{} // closed at the end: whatever hangs comes loose

	mu    sync.Mutex
	dials []*dial
	socks []*sock
	calls []*call
	auto  map[string]error // targets whose dials end at once, and how
	deaf  bool             // dials do not heed their context
	// places are the sockets and dials of this moment, in all and by target.
	places   int
	placesOf map[string]int
	// forced: connections may be closed under their users.
	forced  bool
	step    int
	arrival int
	wrong   []string

	last pool.Stats
}

// story runs tell in a bubble of its own and checks that nothing is left.
func story(t *testing.T, cfg config, tell func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg)
		tell(w)
		w.end()
	})
}

func newWorld(t testing.TB, cfg config) *world {
	w := &world{t: t, over: make(chan struct{}), auto: map[string]error{}, placesOf: map[string]int{}}
	cfg.Dial = w.dial
	cfg.Name = func(key string) string { return key }
	if cfg.Stale == nil {
		cfg.Stale = func(err error) bool { return errors.Is(err, errStale) }
	}
	if cfg.Refused == nil {
		cfg.Refused = func(err error) bool { return errors.Is(err, errRefused) }
	}
	p, err := pool.New(cfg)
	require.NoError(t, err)
	w.pool, w.cfg = p, cfg
	if w.cfg.MaxPerTarget == 0 {
		w.cfg.MaxPerTarget = 2
	}
	t.Cleanup(func() { // a story that failed must not leave goroutines hanging
		w.mu.Lock()
		w.forced = true
		w.mu.Unlock()
		select {
		case <-w.over:
		default:
			close(w.over)
		}
		_ = p.Close(context.Background())
	})
	return w
}

// end closes the pool and checks that every socket is closed and every caller
// answered. The bubble itself fails when a goroutine is left.
func (w *world) end() {
	w.t.Helper()
	w.check()
	w.mu.Lock()
	w.forced = true
	w.mu.Unlock()
	close(w.over)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(w.t, w.pool.Close(ctx))
	w.check()
	for _, s := range w.socks {
		require.True(w.t, s.closed, "%s is open after the end", s)
	}
	for _, c := range w.calls {
		require.Equal(w.t, 1, c.returned, "Do for %s returned that many times", c.key)
	}
	require.Zero(w.t, w.pool.Stats().Open())
}

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

// once makes one call that ends well and returns the connection it had. The
// target must be served at once.
func (w *world) once(key string) *sock {
	w.t.Helper()
	c := w.do(key)
	s := c.sock
	require.NotNil(w.t, s, "the caller of %s got no connection: %v", key, c.err)
	c.finish(nil)
	return s
}

// proven makes n idle connections to key that have served before.
func (w *world) proven(key string, n int) []*sock {
	w.t.Helper()
	before, known := w.auto[key]
	w.serve(key)
	var calls []*call
	var socks []*sock
	for range n {
		calls = append(calls, w.do(key))
	}
	for _, c := range calls {
		socks = append(socks, c.sock)
		c.finish(nil)
	}
	w.mu.Lock()
	delete(w.auto, key)
	if known {
		w.auto[key] = before
	}
	for _, d := range w.dials {
		d.taken = d.taken || d.ended
	}
	w.mu.Unlock()
	return socks
}

// looked tells the race detector that what the story has read at rest, without
// the lock, it read before whatever comes now.
func (w *world) looked() {
	w.mu.Lock()
	defer w.mu.Unlock()
}

// advance lets time pass.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.looked()
	time.Sleep(d)
	w.check()
}

// renew is pool.Renew, remembered.
func (w *world) renew(key string) {
	w.t.Helper()
	w.mu.Lock()
	for _, s := range w.socks {
		s.old = s.old || s.key == key
	}
	for _, d := range w.dials {
		d.old = d.old || d.key == key
	}
	w.mu.Unlock()
	w.pool.Renew(key)
	w.check()
}

func (w *world) failing(key string) *pool.Failure { return w.stats(key).Failing }

func (w *world) stats(key string) pool.TargetStats {
	for _, ts := range w.pool.Stats().Targets {
		if ts.Name == key {
			return ts
		}
	}
	return pool.TargetStats{Name: key}
}

// closed is how many connections to key were closed for that reason.
func (w *world) closed(key string, r pool.CloseReason) int { return int(w.stats(key).Closed[r]) }

func (w *world) notef(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// tally is what the world itself has seen of one target, or of all.
type tally struct {
	pool.Gauges
	dials, dialErrors, made, closed int
	provenInUse                     int
	waiting                         []*call // who has waited longest is first
}

func (w *world) talliesLocked() (all tally, by map[string]*tally) {
	by = map[string]*tally{}
	of := func(key string) *tally {
		if by[key] == nil {
			by[key] = &tally{}
		}
		return by[key]
	}
	for _, d := range w.dials {
		for _, n := range []*tally{&all, of(d.key)} {
			n.dials++
			switch {
			case !d.ended:
				n.Dialing++
			case d.sock == nil:
				n.dialErrors++
			}
		}
	}
	for _, s := range w.socks {
		for _, n := range []*tally{&all, of(s.key)} {
			n.made++
			switch {
			case s.closed:
				n.closed++
			case s.holder != nil:
				n.InUse++
				if s.proven {
					n.provenInUse++
				}
			default:
				n.Idle++
			}
		}
	}
	for _, c := range w.calls {
		if c.returned > 0 || c.sock != nil {
			continue
		}
		for _, n := range []*tally{&all, of(c.key)} {
			n.Waiting++
			n.waiting = append(n.waiting, c) // calls are in the order of their arrival
		}
	}
	return all, by
}

// placeLocked counts a place, a socket or a dial, as the outside sees it, and
// checks the limits. They are checked when it happens and not only at rest.
func (w *world) placeLocked(key string, n int) {
	w.places += n
	w.placesOf[key] += n
	if w.cfg.MaxTotal > 0 && w.places > w.cfg.MaxTotal {
		w.notef("%d connections in all, limit %d", w.places, w.cfg.MaxTotal)
	}
	if w.placesOf[key] > w.cfg.MaxPerTarget {
		w.notef("%d connections to %s, limit %d", w.placesOf[key], key, w.cfg.MaxPerTarget)
	}
}

// check lets everything come to rest and compares the pool's figures with the
// world. It is part of every other word.
func (w *world) check() {
	w.t.Helper()
	w.looked()
	synctest.Wait()
	st := w.pool.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkFiguresLocked(st)
	w.checkWaitersLocked(st)
	w.checkTimesLocked(st)
	w.step++
	w.last = st
	require.Empty(w.t, strings.Join(w.wrong, "\n"))
}

func (w *world) checkFiguresLocked(st pool.Stats) {
	all, by := w.talliesLocked()
	if st.Gauges != all.Gauges {
		w.notef("the pool says %+v, the world %+v", st.Gauges, all.Gauges)
	}
	if int(st.Dials) != all.dials || int(st.DialErrors) != all.dialErrors || int(st.ClosedTotal()) != all.closed {
		w.notef("the pool says %d dials, %d failed, %d closed, the world %d, %d, %d",
			st.Dials, st.DialErrors, st.ClosedTotal(), all.dials, all.dialErrors, all.closed)
	}
	if w.places != all.Open() {
		w.notef("%d places counted, %d found", w.places, all.Open())
	}
	if all.made != all.closed+all.Idle+all.InUse {
		w.notef("%d connections made, %d closed, %d idle, %d in use", all.made, all.closed, all.Idle, all.InUse)
	}
	for _, ts := range st.Targets {
		n := by[ts.Name]
		if n == nil {
			n = &tally{}
		}
		if ts.Gauges != n.Gauges {
			w.notef("of %s the pool says %+v, the world %+v", ts.Name, ts.Gauges, n.Gauges)
		}
		delete(by, ts.Name)
	}
	for key, n := range by {
		if n.Gauges != (pool.Gauges{}) {
			w.notef("the pool has forgotten %s: %+v", key, n.Gauges)
		}
	}
	before, now := reflect.ValueOf(w.last.Counters), reflect.ValueOf(st.Counters)
	for i := range now.NumField() {
		if smaller(now.Field(i), before.Field(i)) {
			w.notef("%s fell from %v to %v", now.Type().Field(i).Name, before.Field(i), now.Field(i))
		}
	}
}

func smaller(a, b reflect.Value) bool {
	switch {
	case a.Kind() == reflect.Array:
		for i := range a.Len() {
			if smaller(a.Index(i), b.Index(i)) {
				return true
			}
		}
		return false
	case a.CanUint():
		return a.Uint() < b.Uint()
	}
	return a.Int() < b.Int()
}

// checkWaitersLocked checks that nobody waits who need not, and that nobody
// was overtaken.
func (w *world) checkWaitersLocked(st pool.Stats) {
	now := time.Now()
	all, by := w.talliesLocked()
	failing := map[string]*pool.Failure{}
	for _, ts := range st.Targets {
		failing[ts.Name] = ts.Failing
	}
	full := w.cfg.MaxTotal > 0 && all.Open() >= w.cfg.MaxTotal && all.Idle == 0
	for key, n := range by {
		if n.Waiting == 0 {
			continue
		}
		f := failing[key]
		switch {
		case n.Idle > 0:
			w.notef("somebody waits for %s, which has an idle connection", key)
		case n.InUse+n.Dialing == 0 && !full:
			w.notef("a waiter for %s is lost", key)
		case f == nil && n.Waiting > n.Dialing && n.Open() < w.cfg.MaxPerTarget && !full:
			w.notef("%d wait for %s, %d dials are under way and there is room", n.Waiting, key, n.Dialing)
		case f != nil && n.InUse+n.Dialing == 0 && now.Before(f.RetryAt):
			w.notef("somebody waits for %s, which will not be tried", key)
		}
		// Who waits for a place, and neither for its target nor for a dial that
		// is under way.
		var claim *call
		if f == nil && n.Waiting > n.Dialing && n.Open() < w.cfg.MaxPerTarget {
			claim = n.waiting[n.Dialing]
		}
		for _, c := range w.calls {
			switch {
			case c.sock == nil || c.lentStep != w.step:
			case c.key == key && c.arrival > n.waiting[0].arrival:
				w.notef("a caller of %s came later and was served first", key)
			case c.waited && claim != nil && c.arrival > claim.arrival:
				w.notef("a caller of %s waits for a place, one of %s came later and was served", key, c.key)
			}
		}
	}
	for _, c := range w.calls {
		if c.returned > 0 {
			continue
		}
		c.waited = c.sock == nil
		if until, ok := c.ctx.Deadline(); ok && c.sock == nil && !now.Before(until) {
			w.notef("a caller of %s still waits at its deadline", c.key)
		}
	}
	for key, f := range failing {
		if f == nil {
			continue
		}
		probes := 0
		for _, d := range w.dials {
			if d.key == key && d.began.After(f.At) && d.began.Before(f.RetryAt) {
				w.notef("%s was dialed before its backoff was over", key)
			}
			if d.key == key && d.began.After(f.At) && (!d.ended || d.sock != nil && d.sock.holder != nil && !d.sock.proven) {
				probes++
			}
		}
		if probes > 1 {
			w.notef("%d probes of %s at a time", probes, key)
		}
	}
}

// checkTimesLocked checks that nothing idles for too long, and that nothing is
// evicted but for a dial.
func (w *world) checkTimesLocked(st pool.Stats) {
	for _, s := range w.socks {
		s.idle = !s.closed && s.holder == nil
		if s.idle && w.cfg.IdleTimeout > 0 && time.Since(s.since) > w.cfg.IdleTimeout+time.Second {
			w.notef("%s has been idle for %s", s, time.Since(s.since))
		}
	}
	evicted := st.Closed[pool.ClosedEvicted] - w.last.Closed[pool.ClosedEvicted]
	if dials := st.Dials - w.last.Dials; evicted > dials {
		w.notef("%d connections were evicted for %d dials", evicted, dials)
	}
}
