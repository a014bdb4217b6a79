package jobs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Discovery finds which systems live in a Redis. It has round trips of its own,
// which a poll does not count: at a target's first poll, and then once in every
// Options.Interval while a SCAN has something to look for.
//
//   - Markers, the keys with a fixed name, are asked for in one pipeline. Every
//     later poll asks for them again in its first round, so that a system that
//     moves in is seen by the next one.
//   - SCAN goes over the keys once for all systems, scanCount at a step, until
//     Options.ScanBudget keys were looked at or a third of the request's time is
//     over. The next search goes on where it ended. What it meets and a Clue
//     recognises is proven in one more pipeline.
//
// In a cluster SCAN sees the keys of the node that the target names.

const (
	// scanCount is how many keys SCAN looks at in one step, about.
	scanCount = 1000
	// maxClues bounds the keys that are proven in one search.
	maxClues = 10_000
	// keepNames is how long a name that SCAN found is kept when it is found no
	// more: a queue's key is deleted with its last job.
	keepNames = 24 * time.Hour
)

// known is an instance that was found.
type known struct {
	// names are those that SCAN found, each with the time it was last seen.
	names map[string]time.Time
	// seen is when the instance itself was last seen.
	seen time.Time
}

// search is the SCAN of a target.
type search struct {
	running  bool
	ended    time.Time // of the last search; zero before the first
	cursor   string    // where the next one goes on; "" for the beginning
	complete bool      // a whole pass was made
	scanned  int       // keys looked at in this pass or, when complete, the last
	rounds   int       // round trips of the last search
	dropped  int       // clues beyond maxClues
	err      error     // why SCAN could not be used
}

// Discovery tells how far the search for systems came.
type Discovery struct {
	// Complete: all keys were looked at, or none needs to be.
	Complete bool
	// Scanned are the keys looked at in this pass, Rounds the round trips of the
	// last search.
	Scanned, Rounds int
	// Dropped are the keys that looked like a job system's and were not examined,
	// because there were too many.
	Dropped int
	// Err is why there was no search by SCAN.
	Err error
	// Unmarked tells of which instances it is not known whether they are there,
	// and why.
	Unmarked map[Instance]error
}

// candidate is an instance that markers may show.
type candidate struct {
	Instance
	markers []Marker
}

// askMarkers calls shown when one of the markers is there, and notes when that
// cannot be known.
func (p *Poll) askMarkers(c candidate, shown func()) {
	there, left := false, len(c.markers)
	var problem error
	for _, m := range c.markers {
		p.Ask(func(v resp.Value, err error) {
			if err == nil && m.shows(v) && !there {
				there = true
				shown()
			}
			problem = cmp.Or(problem, err)
			if left--; left > 0 {
				return
			}
			p.state.mu.Lock()
			defer p.state.mu.Unlock()
			if problem != nil && !there {
				p.state.unmarked[c.Instance] = problem
			} else {
				delete(p.state.unmarked, c.Instance)
			}
		}, "TYPE", m.Key)
	}
}

// candidates lists the instances with markers under the default and the
// configured prefixes.
func candidates(o *Options) []candidate {
	var out []candidate
	for _, s := range all {
		spec := s.Spec()
		if spec.Markers == nil {
			continue
		}
		for _, prefix := range o.prefixes(spec) {
			out = append(out, candidate{Instance{spec.Name, prefix}, spec.Markers(prefix)})
		}
	}
	return out
}

// shows reports whether the answer to TYPE is that of the marker.
func (m Marker) shows(v resp.Value) bool {
	typ, err := v.Text()
	return err == nil && typ == m.Type
}

// discover makes a search when it is time for one.
func discover(ctx context.Context, doer redisclient.Doer, s *state, o *Options) error {
	now := time.Now()
	s.mu.Lock()
	first := s.search.ended.IsZero()
	due := first || now.Sub(s.search.ended) >= o.Interval && o.scans()
	if !due || s.search.running && !first {
		s.mu.Unlock()
		return nil
	}
	s.search.running = true
	next := s.search
	s.mu.Unlock()

	next.rounds, next.dropped, next.err = 0, 0, nil
	found, err := s.lookFor(ctx, doer, &next, o, first)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.search.running = false
	if err != nil {
		return err
	}
	next.running, next.ended = false, time.Now()
	s.search = next
	for instance, names := range found {
		s.see(instance, names, now)
	}
	s.forget(now)
	return nil
}

// see notes an instance and names that belong to it.
func (s *state) see(instance Instance, names []string, now time.Time) {
	k := s.instances[instance]
	if k == nil {
		k = &known{}
		s.instances[instance] = k
	}
	k.seen = now
	for _, name := range names {
		if k.names == nil {
			k.names = make(map[string]time.Time)
		}
		if _, has := k.names[name]; has || len(k.names) < 2*MaxQueues {
			k.names[name] = now
		}
	}
}

// forget drops what was not seen for long.
func (s *state) forget(now time.Time) {
	for instance, k := range s.instances {
		maps.DeleteFunc(k.names, func(_ string, seen time.Time) bool { return now.Sub(seen) > keepNames })
		if now.Sub(k.seen) > keepNames {
			delete(s.instances, instance)
		}
	}
}

// lookFor is one search.
func (s *state) lookFor(ctx context.Context, doer redisclient.Doer, next *search, o *Options, markers bool) (map[Instance][]string, error) {
	found := make(map[Instance][]string)
	if markers {
		p := &Poll{doer: doer, state: s}
		for _, c := range candidates(o) {
			p.askMarkers(c, func() { found[c.Instance] = nil })
		}
		if err := p.run(ctx); err != nil {
			return nil, err
		}
		next.rounds += p.round
	}
	if !o.scans() {
		next.complete = true
		return found, nil
	}
	clues, err := scan(ctx, doer, next, o)
	if err != nil {
		return nil, err
	}
	return found, prove(ctx, doer, next, clues, found)
}

// clueOf is a clue and the system that recognised it.
type clueOf struct {
	system string
	Clue
}

// scan looks at keys until the pass ends or the budget is spent.
func scan(ctx context.Context, doer redisclient.Doer, next *search, o *Options) ([]clueOf, error) {
	var stopAt time.Time
	if deadline, ok := ctx.Deadline(); ok {
		now := time.Now()
		stopAt = now.Add(deadline.Sub(now) / 3)
	}
	if next.cursor == "" {
		next.cursor, next.scanned = "0", 0
	}
	var clues []clueOf
	seen := make(map[string]bool)
	for budget := o.ScanBudget; budget > 0; budget -= scanCount {
		replies, err := doer.DoAll(ctx, redisclient.Command{
			"SCAN", next.cursor, "COUNT", strconv.Itoa(min(scanCount, budget)),
		})
		if err != nil {
			return nil, err
		}
		next.rounds++
		if err := replies[0].Err(); err != nil {
			if redisclient.ConcernsServer(err) {
				return nil, err
			}
			next.err = err
			return nil, nil
		}
		cursor, keys, err := parseScan(replies[0])
		if err != nil {
			return nil, redisclient.Misread("search for job systems", err)
		}
		next.scanned += len(keys)
		for _, key := range keys {
			for _, s := range all {
				spec := s.Spec()
				if spec.Clue == nil {
					continue
				}
				clue, ok := spec.Clue(key)
				if !ok || seen[spec.Name+" "+key] {
					continue
				}
				if len(clues) == maxClues {
					next.dropped++
					continue
				}
				seen[spec.Name+" "+key] = true
				clue.Prefix = spec.canonical(clue.Prefix)
				clues = append(clues, clueOf{spec.Name, clue})
			}
		}
		if cursor == "0" {
			next.cursor, next.complete = "", true
			return clues, nil
		}
		next.cursor = cursor
		if !stopAt.IsZero() && time.Now().After(stopAt) {
			break
		}
	}
	return clues, nil
}

// parseScan reads a reply to SCAN: the next cursor and the keys.
func parseScan(v resp.Value) (cursor string, keys []string, err error) {
	parts, err := v.Array()
	if err != nil {
		return "", nil, err
	}
	if len(parts) != 2 {
		return "", nil, fmt.Errorf("expected a cursor and keys, got %d members", len(parts))
	}
	if cursor, err = parts[0].Text(); err != nil {
		return "", nil, err
	}
	keys, err = parts[1].Strings()
	return cursor, keys, err
}

// prove sends the proofs of all clues in one pipeline and notes what is proven.
func prove(ctx context.Context, doer redisclient.Doer, next *search, clues []clueOf, found map[Instance][]string) error {
	type trial struct {
		Instance
		names []string
		clue  Clue
	}
	var trials []*trial
	once := make(map[Instance]*trial)
	var cmds []redisclient.Command
	for _, c := range clues {
		instance := Instance{c.system, c.Prefix}
		if t := once[instance]; t != nil && c.OncePerPrefix {
			t.names = append(t.names, c.Name)
			continue
		}
		t := &trial{Instance: instance, names: []string{c.Name}, clue: c.Clue}
		once[instance] = t
		trials = append(trials, t)
		cmds = append(cmds, c.Proof...)
	}
	if len(trials) == 0 {
		return nil
	}
	var replies []resp.Value
	if len(cmds) > 0 {
		var err error
		if replies, err = doer.DoAll(ctx, cmds...); err != nil {
			return err
		}
		next.rounds++
	}
	for _, t := range trials {
		mine := replies[:len(t.clue.Proof)]
		replies = replies[len(t.clue.Proof):]
		if t.clue.Proves != nil && !t.clue.Proves(mine) {
			continue
		}
		t.names = slices.DeleteFunc(t.names, func(name string) bool { return name == "" })
		found[t.Instance] = append(found[t.Instance], t.names...)
	}
	return nil
}
