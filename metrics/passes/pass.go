package passes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

const (
	// sliceTries is how often in a row a slice may fail before the pass rests.
	// The waits between double from firstRetry on.
	sliceTries = 5
	firstRetry = time.Second
	// sourceRestarts is how often another server may answer at the address of one
	// of a cluster's masters before that one is given up.
	sourceRestarts = 3
	// flushShare: a database with fewer than one in so many of the keys that it
	// had a slice ago was flushed. Those below flushLeast are read in no time.
	flushShare = 2
	flushLeast = 1000
)

// purpose is what a pass is for.
type purpose struct {
	options item.KeyspaceOptions
	want    *Want // the keys that are looked for; nil for the figures of all
}

// pass is one pass over all keys.
type pass struct {
	target *item.Target
	purpose
	began   time.Time
	touched time.Time // when a slice was read last
	refused refusals
	sources []*source // nil until they are known
	cluster bool
	// scansByType: the server's SCAN can be told the type of the keys to list.
	scansByType bool
	at          int       // the source that is read
	until       time.Time // when it makes room for another pass; zero: never
}

// errTurnOver says that a pass has had its turn.
var errTurnOver = errors.New("it is another pass's turn")

func newPass(t *item.Target, what purpose, now time.Time) *pass {
	return &pass{target: t, purpose: what, began: now, touched: now}
}

// newContent is what the pass makes of the keys of one of its sources.
func (p *pass) newContent() content {
	if p.want != nil {
		return newFound(p.want, p.want.Budget/max(1, len(p.sources)), p.scansByType)
	}
	sum := newSum(p.options)
	return &sum
}

// run reads until all keys have been seen, or returns why it cannot or need not
// go on. Called again, it goes on from there.
func (p *pass) run(ctx context.Context, s *state) error {
	if p.sources == nil {
		sources, err := p.findSources(ctx)
		if err != nil {
			return err
		}
		p.sources = sources
		for _, src := range sources {
			src.begin(p)
		}
	}
	for ; p.at < len(p.sources); p.at++ {
		src := p.sources[p.at]
		if src.err != nil {
			continue
		}
		err := p.read(ctx, s, src)
		switch {
		case err == nil:
		case !p.cluster || errors.Is(err, errUnasked) || errors.Is(err, errTurnOver) || ctx.Err() != nil:
			return err
		default:
			src.err = err
		}
	}
	return nil
}

// read reads all keys of a source.
func (p *pass) read(ctx context.Context, s *state, src *source) error {
	if p.want != nil {
		if problem, err := p.want.check(ctx, src.target); problem != nil || err != nil {
			return errors.Join(problem, err)
		}
	}
	failures := 0
	p.refused.add(refusedBefore(src.target, src.content))
	for !src.finished() {
		if err := scanRefused(src); err != nil {
			return err
		}
		if err := s.mayGoOn(); err != nil {
			return err
		}
		if failures == 0 && !p.until.IsZero() && time.Now().After(p.until) {
			return errTurnOver
		}
		wait, paused, err := p.slice(ctx, s, src)
		var other *otherServerError
		var endless *endlessError
		switch {
		case errors.As(err, &endless):
			return err
		case err == nil:
			failures = 0
			p.touched = time.Now()
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &other):
			src.restarts++
			if !p.cluster || src.restarts > sourceRestarts {
				return err
			}
			src.begin(p)
			s.restarted(err.Error())
			wait = firstRetry
		default:
			failures++
			if failures == sliceTries {
				return err
			}
			wait, paused = firstRetry<<(failures-1), true
		}
		state := passRunning
		if paused {
			state = passPaused
		}
		s.report(state, p.progress())
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// slice reads one slice and says how long to wait for the next one.
func (p *pass) slice(ctx context.Context, s *state, src *source) (wait time.Duration, paused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, info.AskLimit)
	defer cancel()
	if err := src.same(ctx); err != nil {
		return 0, false, err
	}
	q := src.question(p.options, &p.refused)
	began := time.Now()
	values, err := src.target.DoAll(ctx, q.cmds...)
	took := time.Since(began)
	if err != nil {
		return 0, false, err
	}
	// The connection may have been made anew for this very slice.
	if err := src.same(ctx); err != nil {
		return 0, false, err
	}
	served, err := q.take(src, values, &p.refused)
	if err != nil {
		return 0, false, err
	}
	if q.sizeBefore >= flushLeast && src.dbsize >= 0 && src.dbsize < q.sizeBefore/flushShare {
		s.restarted(fmt.Sprintf("%s: the database shrank from %d keys to %d", src.addr, q.sizeBefore, src.dbsize))
		size := src.dbsize
		src.begin(p)
		src.dbsize = size
	}
	wait, paused = src.pace.next(q.keys, took, served)
	return wait, paused, nil
}

// sleep waits without holding anything.
func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passProgress is how far a pass is.
type passProgress struct {
	began       time.Time
	seen        int64
	dbsize      int64 // of the servers that were asked
	dbsizeKnown bool
	asked, all  int // servers
	server      string
	slow        int
}

func (p *pass) progress() passProgress {
	out := passProgress{began: p.began, all: len(p.sources), dbsizeKnown: p.at < len(p.sources)}
	for _, src := range p.sources[:min(p.at+1, len(p.sources))] {
		out.seen += src.content.seen()
		out.slow += src.pace.slow
		out.asked++
		out.server = src.addr
		if src.err == nil {
			out.dbsizeKnown = out.dbsizeKnown && src.dbsize >= 0
			out.dbsize += max(src.dbsize, 0)
		}
	}
	// Kvrocks tells what it counted when it was last told to count, at first 0. No
	// SCAN repeats as many keys as there are.
	out.dbsizeKnown = out.dbsizeKnown && out.seen <= 2*out.dbsize
	return out
}

// share is that of the keys that were seen; of a cluster, the servers that were not
// asked yet count as the average of the others.
func (p passProgress) share() float64 {
	all := float64(p.dbsize) / float64(p.asked) * float64(p.all)
	return min(1, float64(p.seen)/all)
}

func (p passProgress) write(w *jsondoc.Writer, state string) {
	w.Key("pass").BeginObject()
	w.Key("state").String(state)
	w.Key("began").Int(p.began.Unix())
	w.Key("seen").Int(p.seen)
	if p.dbsizeKnown {
		w.Key("dbsize").Int(p.dbsize)
		w.Key("progress").Float(p.share())
	}
	ask.WriteText(w, "server", p.server)
	w.Key("slow").Int(int64(p.slow))
	ask.WriteText(w, "why", passWhy[state])
	w.EndObject()
}

var passWhy = map[string]string{
	passWaiting: "passes over other servers' keys are under way",
	passPaused:  "the server was slow, or did not answer",
	passResting: "it goes on with the next question",
}

// result is what a finished pass has found.
func (p *pass) result(now time.Time) *result {
	r := &result{began: p.began, finished: now, complete: true, content: p.newContent()}
	for i, src := range p.sources {
		row := sourceResult{target: src.target, addr: src.addr, role: src.role, why: src.why, keys: src.content.counted()}
		if src.err != nil {
			row.err = src.err.Error()
			r.partial = true
		} else {
			src.content.end(src.dbsize, src.listed)
			r.content.merge(src.content, i)
			r.complete = r.complete && src.listed
		}
		r.sources = append(r.sources, row)
	}
	r.complete = r.complete && !r.partial
	r.missing = p.refused
	return r
}

// keep keeps what the result before has that is to be shown once more.
func (r *result) keep(before *result) {
	list, ok := r.content.(*found)
	if !ok || before == nil {
		return
	}
	list.keep(before.content.(*found), func(source int) (int, bool) {
		was := before.sources[source].addr
		if len(before.sources) == 1 && len(r.sources) == 1 {
			return 0, true
		}
		at := slices.IndexFunc(r.sources, func(src sourceResult) bool { return src.addr == was })
		return at, at >= 0
	})
}
