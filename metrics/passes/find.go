package passes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// maxPatterns bounds what each key is compared with, in one search.
	maxPatterns = 20
	// minBudget and maxBudget bound the keys that a search passes over.
	minBudget = ask.ScanCount
	maxBudget = 100_000_000
	// findInterval is the longest time between the beginnings of two searches:
	// comparing names costs the server little.
	findInterval = 10 * time.Minute
	// maxSearches bounds the searches that one target remembers, each with at most
	// maxFoundBytes of names.
	maxSearches = 32
	// firstWait is how long a check waits for the end of the first search, which in a
	// small database is a matter of milliseconds.
	firstWait = 500 * time.Millisecond

	searchesMemory = "redis.keys searches"
)

// Want is what a search looks for.
type Want struct {
	Pattern string // one or several glob patterns, see ParamPattern
	Type    string // of the keys; "" for any
	Budget  int    // keys that are passed over, about
	// Learn is a command about each key that is listed, sent during the search, and
	// Read its answer; nil for none.
	Learn func(key string) redisclient.Command
	Read  func(v resp.Value) (int64, error)
}

// memory is what a search is remembered by.
func (w *Want) memory() string {
	return fmt.Sprint("redis.keys ", w.Type, " ", w.Budget, " ", w.Pattern)
}

// check returns the problem for which a server must not be sent a pattern; each
// pass asks again, as it may go to other servers.
func (w *Want) check(ctx context.Context, t *item.Target) (problem, err error) {
	for pattern := range strings.FieldsSeq(w.Pattern) {
		if problem, err := info.CheckPattern(ctx, t, pattern); problem != nil || err != nil {
			return problem, err
		}
	}
	return nil, nil
}

// ParamPattern and ParamBudget are the parameters of keys that look for keys.
var (
	ParamPattern = item.Param{
		Name: "Pattern", Required: true, Check: checkPatterns,
		Description: "glob pattern of keys, as queue:*, or several separated by blanks; ? matches a blank in a name",
	}
	ParamBudget = item.Param{
		Name: "Budget", Default: "1000000", Check: checkBudget,
		Description: "the most keys to look at in one pass, 1000-100000000",
	}
)

func checkPatterns(s string) error {
	if n := len(strings.Fields(s)); n == 0 || n > maxPatterns {
		return fmt.Errorf("expected 1-%d patterns separated by blanks", maxPatterns)
	}
	return nil
}

func checkBudget(s string) error {
	_, err := ParseBudget(s)
	return err
}

// ParseBudget reads ParamBudget.
func ParseBudget(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < minBudget || n > maxBudget {
		return 0, fmt.Errorf("expected a number of keys, %d-%d", minBudget, maxBudget)
	}
	return n, nil
}

// Finding is what a search has found, at this moment.
type Finding struct {
	// Keys are those that the last finished pass has listed, by name, with those that
	// only the one before it has found; nil before the first one. They must not be
	// changed.
	Keys []FoundKey

	last     *result // nil before the first finished pass
	progress passProgress
	shown    string // the state of the pass under way; "" for none
	why      string // there are no keys yet
	restarts int
	because  string
	trouble  error // why the pass could not go on
}

// Find says what is known of the keys that are looked for, and sees to it that
// they are looked for in the background. One pass serves all that ask for the same
// on a target; what it has found is remembered until the next one is finished.
//
// A problem is why the pattern must not be sent to the server; err, why the server
// cannot be asked at all.
func Find(ctx context.Context, r *item.Request, want Want) (f *Finding, problem, err error) {
	s, problem := searchesOf(r.Target).search(&want)
	if problem != nil {
		return nil, problem, nil
	}
	first := s.unfinished()
	if first {
		if problem, err := want.check(ctx, r.Target); problem != nil || err != nil {
			return nil, problem, err
		}
		if err := firstLook(ctx, r.Target); err != nil {
			return nil, nil, err
		}
	}
	options := r.Env.Keyspace
	if options.Interval == 0 || options.Interval > findInterval {
		options.Interval = findInterval
	}
	s.goOn(ctx, r, purpose{options: options, want: &want})
	if ended := s.end(); first && ended != nil {
		ctx, cancel := ask.HalfOf(ctx) // the rest is for what was found
		defer cancel()
		wait(ctx, ended, firstWait)
	}
	return s.finding(), nil, nil
}

// searches are those of one target.
type searches struct {
	mu     sync.Mutex
	states map[string]*state
}

func searchesOf(t *item.Target) (all *searches) {
	t.Memory.Update(searchesMemory, func(v any) any {
		all, _ = v.(*searches)
		if all == nil {
			all = &searches{states: make(map[string]*state)}
		}
		return all
	})
	return all
}

// search is the state of a search. When there are too many, the one that nobody
// has asked about for the longest time is forgotten, if that is long.
func (all *searches) search(want *Want) (s *state, problem error) {
	name := want.memory()
	all.mu.Lock()
	defer all.mu.Unlock()
	if s := all.states[name]; s != nil {
		return s, nil
	}
	if len(all.states) >= maxSearches {
		oldest, since := "", time.Now()
		for name, s := range all.states {
			if asked := s.lastAsked(); asked.Before(since) {
				oldest, since = name, asked
			}
		}
		if time.Since(since) < unasked {
			return nil, fmt.Errorf("%d patterns of keys are looked for on this server already, and no more at once: put several patterns in one item, separated by blanks",
				maxSearches)
		}
		delete(all.states, oldest)
	}
	s = &state{asked: time.Now()}
	s.kept = func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.states[name] == s
	}
	all.states[name] = s
	return s, nil
}

func (s *state) lastAsked() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// unfinished reports whether no pass was finished yet.
func (s *state) unfinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last == nil
}

// end is closed when the pass under way ends; nil when there is none.
func (s *state) end() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pass == nil {
		return nil
	}
	return s.passEnd
}

func (s *state) finding() *Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &Finding{last: s.last, restarts: s.restarts, because: s.because, trouble: errors.Join(s.err, s.problem)}
	if s.pass != nil {
		f.progress, f.shown = s.progress, s.shown()
	}
	if s.last == nil {
		f.why = s.noFigures()
		return f
	}
	f.Keys = s.last.content.(*found).keys
	return f
}

// Known reports whether a pass has been finished.
func (f *Finding) Known() bool { return f.last != nil }

// Owners groups some of the keys by the servers that have them. Of a server that is in no
// cluster it is the target itself that is asked, whether a replica was searched or
// not: what a replica knows of times and consumers is not the same.
func (f *Finding) Owners(t *item.Target, of []FoundKey) (owners []*item.Target, keys [][]FoundKey) {
	if !f.Known() {
		return nil, nil
	}
	sources := f.last.sources
	place := make([]int, len(sources))
	for i, src := range sources {
		owner := src.target
		if len(sources) == 1 {
			owner = t
		}
		place[i] = len(owners)
		owners = append(owners, owner)
	}
	keys = make([][]FoundKey, len(owners))
	for _, k := range of {
		keys[place[k.source]] = append(keys[place[k.source]], k)
	}
	return owners, keys
}

// Write writes the members about the search: pass, and of the last finished one
// began to count.
func (f *Finding) Write(w *jsondoc.Writer, cut *ask.Truncations) {
	if f.shown != "" {
		f.progress.write(w, f.shown)
	}
	w.Key("restarts").Int(int64(f.restarts))
	ask.WriteText(w, "restarted_because", f.because)
	if f.last == nil {
		return
	}
	list := f.last.content.(*found)
	f.last.writeTimes(w, time.Now(), cut)
	w.Key("complete").Bool(f.last.complete)
	w.Key("scanned").Int(list.over)
	if !list.dbUnknown && !f.last.partial {
		w.Key("dbsize").Int(list.dbsize)
	}
	w.Key("count").Int(list.matched)
	if rest := list.matched - list.unlisted - int64(len(list.keys)-list.missed); rest > 0 {
		cut.Add("keys", int(rest))
	}
	if list.unlisted > 0 {
		cut.Add("names", int(list.unlisted))
	}
}

// Missing are the parts of unavailable that concern the search: name, when no pass
// was finished yet, and pass, when the last one could not go on.
func (f *Finding) Missing(name string) (parts []*ask.Part) {
	if f.last == nil {
		parts = append(parts, &ask.Part{Name: name, Err: errors.New(f.why)})
	}
	if f.trouble != nil {
		parts = append(parts, &ask.Part{Name: "pass", Err: f.trouble})
	}
	if f.last != nil && f.last.missing[detailSize] != nil {
		parts = append(parts, &ask.Part{Name: "dbsize", Err: f.last.missing[detailSize]})
	}
	return parts
}
