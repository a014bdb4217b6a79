package jobs

import (
	"cmp"
	"context"
	"maps"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// discovery finds which systems live in a Redis. It has round trips of its own,
// which a poll does not count: at a target's first poll, and then once in every
// Options.Interval while a SCAN has something to look for.
//
//   - Markers, the keys with a fixed name, are asked for in one pipeline. Every
//     later poll asks for them again in its first round, so that a system that
//     moves in is seen by the next one.
//   - SCAN goes over the keys once for all systems, ask.ScanCount at a step, until
//     Options.ScanBudget keys were looked at or a third of the request's time is
//     over. The next search goes on where it ended. What it meets and a Clue
//     recognises is proven in one more pipeline. A Doer that is a Cluster has the
//     keys of all its masters looked at, one after the other.

// keepNames is how long a name that SCAN found is kept when it is found no
// more: a queue's key is deleted with its last job.
const keepNames = 24 * time.Hour

// maxNames bounds the names that are kept of an instance.
const maxNames = 2 * maxQueues

// known is an instance that was found.
type known struct {
	// names are those that SCAN found, each with the time it was last seen.
	names map[string]time.Time
	// seen is when the instance itself was last seen.
	seen time.Time
}

// discovery tells how far the search for systems came.
type discovery struct {
	// Complete: all keys were looked at that were there AsOf, or none needs to be.
	// It ends when that is a day ago, because no pass since has come to its end.
	Complete bool
	// AsOf is when the last pass over all keys began that came to its end; zero
	// before the first.
	AsOf time.Time
	// Scanned are the keys looked at in the pass under way or, when there is none,
	// the last one; Rounds the round trips of the last search.
	Scanned, Rounds int
	// Masters are those of the target's cluster; 0 for a server that is in none, or
	// where they are not known.
	Masters int
	// Dropped are the keys that looked like a job system's and were not examined,
	// because there were too many.
	Dropped int
	// Err is why the last search could not look at all keys.
	Err error
	// Denied are systems that may be there, and whose keys the user may not read.
	Denied []instance
	// Unseen are keys of which it is not known whether they are queues.
	Unseen []unseenKey
	// Unmarked tells of which instances it is not known whether they are there,
	// and why.
	Unmarked map[instance]error
}

// candidate is an instance that markers may show.
type candidate struct {
	instance
	markers []marker
}

// askMarkers calls shown when one of the markers is there, and notes when that
// cannot be known.
func (p *poll) askMarkers(c candidate, shown func()) {
	there, foreign, left := false, false, len(c.markers)
	var problem error
	for _, m := range c.markers {
		p.Ask(func(v resp.Value, err error) {
			switch is := err == nil && m.shows(v); {
			case is && m.Absent:
				foreign = true
			case is && !foreign && !there:
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
				p.state.unmarked[c.instance] = problem
			} else {
				delete(p.state.unmarked, c.instance)
			}
		}, "TYPE", m.Key)
	}
}

// candidates lists the instances with markers under the default and the
// configured prefixes.
func candidates(o *item.JobsOptions) []candidate {
	var out []candidate
	for _, s := range all {
		spec := s.Spec()
		if spec.Markers == nil {
			continue
		}
		for _, prefix := range prefixesOf(o, spec) {
			out = append(out, candidate{instance{spec.Name, prefix}, spec.Markers(prefix)})
		}
	}
	return out
}

// shows reports whether the answer to TYPE is that of the marker.
func (m marker) shows(v resp.Value) bool {
	typ, err := v.Text()
	return err == nil && typ == m.Type
}

// discover makes a search when it is time for one.
func discover(ctx context.Context, doer redisclient.Doer, s *state, o *item.JobsOptions) error {
	now := time.Now()
	s.mu.Lock()
	first := s.search.ended.IsZero()
	due := first || now.Sub(s.search.ended) >= o.Interval && scans(o)
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
	s.search, s.rejected = next, nil
	for instance, names := range found {
		s.see(instance, names, now)
	}
	s.forget(now)
	return nil
}

// see notes an instance and names that belong to it.
func (s *state) see(instance instance, names []string, now time.Time) {
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
		if _, has := k.names[name]; has || len(k.names) < maxNames {
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
func (s *state) lookFor(ctx context.Context, doer redisclient.Doer, next *search, o *item.JobsOptions, markers bool) (map[instance][]string, error) {
	found := make(map[instance][]string)
	if markers {
		p := &poll{doer: doer, state: s, options: o}
		for _, c := range candidates(o) {
			p.askMarkers(c, func() { found[c.instance] = nil })
		}
		if err := p.run(ctx); err != nil {
			return nil, err
		}
		next.rounds += p.round
	}
	if !scans(o) {
		return found, nil
	}
	clues, err := scan(ctx, doer, next, o)
	if err != nil {
		return nil, err
	}
	return found, prove(ctx, doer, next, clues, found)
}
