package passes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

const (
	// unasked is how long a pass goes on that nobody asks about.
	unasked = time.Hour
	// rest is how long an interrupted pass may rest and still go on.
	rest   = 24 * time.Hour
	memory = "redis.keyspace.sample"
)

// The states of a pass.
const (
	passWaiting = "waiting" // for one of the few places
	passRunning = "running"
	passPaused  = "paused"
	passResting = "resting" // no worker; the next question makes one
)

// state is what is remembered of one target's keys.
type state struct {
	mu    sync.Mutex
	asked time.Time
	// pass is not finished; the worker's own but while it is resting.
	pass  *pass
	state string // "" when there is no pass
	// queued is since when the pass waits, zero while it works; begun is closed when
	// it begins.
	queued   time.Time
	begun    chan struct{}
	passEnd  chan struct{} // closed when the pass ends, or rests
	progress passProgress
	last     *result
	err      error // why the pass could not go on
	// ended is when a pass last came to an end that it would come to again, and
	// problem why.
	ended    time.Time
	problem  error
	restarts int
	because  string
	// kept reports whether the target still remembers this very state.
	kept func() bool
}

// result is a finished pass. It is not changed any more.
type result struct {
	began, finished time.Time
	sources         []sourceResult
	partial         bool // a source is missing
	complete        bool // all keys of all sources were listed
	content         content
	missing         refusals // what was refused at least once
}

// Figures writes what the last finished pass over all keys of a target has found, and
// sees to it that there is a newer one when it is time for that. Only before the first
// pass the server is asked, in one round trip, whether it can be read.
func Figures(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	s := stateOf(r.Target)
	if s.unknown() {
		if err := firstLook(ctx, r.Target); err != nil {
			return ask.Down(w, r.Target.Name, err)
		}
	}
	s.goOn(ctx, r, purpose{options: r.Env.Keyspace})
	s.write(w, r.Target.Name)
	return nil
}

// goOn notes a question, and sees to it that the pass that it needs goes on.
func (s *state) goOn(ctx context.Context, r *item.Request, what purpose) {
	begun := s.ask(r.Target, what)
	switch {
	case begun == nil:
	case r.Env.Background != nil:
		s.queue(r.Env.Background)
		wait(ctx, begun, startWait)
	default: // a check from the command line: as far as its time allows
		ctx, cancel := ask.BeforeDeadline(ctx)
		defer cancel()
		s.work(ctx, 0)
	}
}

// firstLook is the one round trip that a check itself makes, before the first
// pass: whether the server can be asked at all, and lets us list its keys.
func firstLook(ctx context.Context, t *item.Target) error {
	cmd := redisclient.Command{"SCAN", "0", "COUNT", "1"}
	scan := &ask.Part{Name: "scan", Cmd: cmd, As: refusedAs(cmd)}
	if err := ask.Do(ctx, t, scan); err != nil {
		return err
	}
	if scan.Err != nil {
		return fmt.Errorf("SCAN: %w", scan.Err)
	}
	return nil
}

// unknown reports whether nothing was ever read of the target.
func (s *state) unknown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pass == nil && s.last == nil && s.problem == nil
}

func stateOf(t *item.Target) (s *state) {
	t.Memory.Update(memory, func(v any) any {
		s, _ = v.(*state)
		if s == nil {
			made := &state{}
			made.kept = func() bool {
				v, ok := t.Memory.Load(memory)
				return ok && v == any(made)
			}
			s = made
		}
		return s
	})
	return s
}

// ask notes a question. When there is work to be done in the background, which
// nobody does yet, it returns what is closed when that begins, else nil.
func (s *state) ask(t *item.Target, what purpose) (begun <-chan struct{}) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = now
	switch {
	case s.state == passWaiting || s.state == passRunning || s.state == passPaused:
		return nil
	case s.pass != nil && now.Sub(s.pass.touched) > rest:
		s.pass = nil
	case s.pass == nil && s.last != nil && now.Sub(s.last.began) < what.options.Interval,
		s.pass == nil && s.problem != nil && now.Sub(s.ended) < what.options.Interval:
		return nil
	}
	if s.pass == nil {
		s.pass = newPass(t, what, now)
		s.progress = s.pass.progress()
	}
	s.state, s.queued = passWaiting, now
	s.begun, s.passEnd = make(chan struct{}), make(chan struct{})
	return s.begun
}

// failed is called with a panic in work.
func (s *state) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass, s.state, s.err, s.queued = nil, "", err, time.Time{}
	s.endLocked()
}

var errUnasked = errors.New("nobody has asked for a while")

// mayGoOn is nil while the pass is of use: its state is kept, and somebody asks.
func (s *state) mayGoOn() error {
	if !s.kept() {
		return errUnasked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) > unasked {
		return errUnasked
	}
	return nil
}

// report shows how far the pass is.
func (s *state) report(state string, p passProgress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.progress = state, p
}

// restarted notes why the pass begins anew.
func (s *state) restarted(because string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restartLocked(because)
}

func (s *state) restartLocked(because string) {
	s.restarts++
	s.because = because
}

func (s *state) write(w *jsondoc.Writer, target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	w.Grow(8 << 10)
	w.BeginObject()
	ask.Head(w, target, s.err)
	if s.pass != nil {
		s.progress.write(w, s.shown())
	}
	w.Key("restarts").Int(int64(s.restarts))
	ask.WriteText(w, "restarted_because", s.because)
	var cut ask.Truncations
	unavailable := unavailable{}
	if s.problem != nil {
		unavailable.add("pass", s.problem.Error())
	}
	if s.last != nil {
		s.last.write(w, now, &cut, &unavailable)
	} else {
		unavailable.all(s.noFigures())
	}
	unavailable.write(w)
	cut.Write(w)
	w.EndObject()
}

// noFigures says why there is nothing to show yet.
func (s *state) noFigures() string {
	switch {
	case s.pass == nil && s.problem != nil:
		return s.problem.Error()
	case s.err != nil:
		return "no pass over the keys has been finished yet"
	case s.shown() == passWaiting && s.progress.seen == 0:
		return "the first pass over the keys waits for its turn"
	case s.progress.dbsizeKnown:
		return fmt.Sprintf("the first pass over the keys is under way: %d of about %d", s.progress.seen, s.progress.dbsize)
	}
	return fmt.Sprintf("the first pass over the keys is under way: %d so far", s.progress.seen)
}

// write writes the figures of a finished pass.
func (r *result) write(w *jsondoc.Writer, now time.Time, cut *ask.Truncations, missing *unavailable) {
	r.writeTimes(w, now, cut)
	r.content.(*sum).write(w, r.missing, cut, missing)
}

// writeTimes writes when and where a finished pass was.
func (r *result) writeTimes(w *jsondoc.Writer, now time.Time, cut *ask.Truncations) {
	w.Key("began").Int(r.began.Unix())
	w.Key("finished").Int(r.finished.Unix())
	w.Key("age").Float(now.Sub(r.finished).Round(time.Millisecond).Seconds())
	w.Key("duration").Float(r.finished.Sub(r.began).Round(time.Millisecond).Seconds())
	w.Key("partial").Bool(r.partial)
	w.Key("servers").BeginArray()
	for _, src := range r.sources[:cut.Limit("servers", len(r.sources))] {
		src.write(w)
	}
	w.EndArray()
}

// figures are the members that a finished pass has.
var figures = []string{
	"keys", "dbsize", "gone", "memory", "types", "without_ttl", "ttl", "biggest", "longest", "groups",
}

// unavailable is the member of that name, in the order of its making.
type unavailable []struct{ name, why string }

func (u *unavailable) add(name, why string) {
	*u = append(*u, struct{ name, why string }{name, why})
}

func (u *unavailable) all(why string) {
	for _, name := range figures {
		u.add(name, why)
	}
}

func (u unavailable) write(w *jsondoc.Writer) {
	w.Key("unavailable").BeginObject()
	for _, e := range u {
		w.Key(e.name).String(e.why)
	}
	w.EndObject()
}
