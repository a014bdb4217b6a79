package jobs

import (
	"context"
	"maps"
	"slices"
	"time"

	"redisjobs/redisclient"
)

// Options say where job systems may be, beyond what can be found out.
type Options struct {
	// Prefixes are, by system, those that are looked for beside the default one.
	Prefixes map[string][]string
	// Queues are, by system, queues that are read whether Redis knows them or not,
	// under each prefix of the system. Systems without a registry of their own,
	// as plain lists, have no others.
	Queues map[string][]string
	// ScanBudget is how many keys one search looks at; 0 for no search by SCAN.
	ScanBudget int
	// Interval is the time between searches by SCAN.
	Interval time.Duration
	// CeleryVisibility is the time after which Celery hands out a message again
	// that no worker has confirmed, as its applications set it (visibility_timeout
	// of broker_transport_options); an hour, which is kombu's default, if it is 0.
	CeleryVisibility time.Duration
}

// prefixes are those of a system, in their canonical text, each once.
func (o *Options) prefixes(spec *Spec) []string {
	out := []string{spec.DefaultPrefix}
	for _, prefix := range o.Prefixes[spec.Name] {
		if prefix = spec.canonical(prefix); !slices.Contains(out, prefix) {
			out = append(out, prefix)
		}
	}
	return out
}

// scans reports whether there is anything that SCAN could find.
func (o *Options) scans() bool {
	return o.ScanBudget > 0 && slices.ContainsFunc(all, func(s System) bool { return s.Spec().Clue != nil })
}

// Query says what a poll is about. The zero value is everything.
type Query struct {
	// System, when set, is the only one that is read.
	System string
	// Prefix, when set, is the only one; whether it was found does not count.
	Prefix string
	// Queue, when set, is the only one that is read, of System and of Prefix or
	// its default one.
	Queue string
}

// Result is what a poll learned.
type Result struct {
	Systems   []*Reading
	Discovery Discovery
}

// Read asks a target about its job systems; doer may be a Cluster. The error is
// for the target as a whole, or for a system that does not exist.
func Read(ctx context.Context, doer redisclient.Doer, memory Memory, o Options, q Query) (*Result, error) {
	if q.System != "" {
		if err := CheckName(q.System); err != nil {
			return nil, err
		}
	}
	s := stateOf(memory)
	named := q.System != "" && (q.Prefix != "" || q.Queue != "")
	if !named || q.Queue == "" && hasClue(q.System) {
		if err := discover(ctx, doer, s, &o); err != nil {
			return nil, err
		}
	}
	p := &Poll{doer: doer, state: s, options: &o}
	left := MaxQueues
	out := &Result{}
	for _, instance := range s.wanted(q, &o) {
		system, _ := lookup(instance.System)
		spec := system.Spec()
		r := &Reading{
			Instance: instance, Found: s.names(instance), spec: spec,
			extra: o.Queues[instance.System], only: q.Queue, left: &left,
		}
		out.Systems = append(out.Systems, r)
		if spec.Markers != nil {
			r.Marked = true
			p.askMarkers(candidate{instance, spec.Markers(instance.Prefix)}, func() { r.Exists = true })
		}
		system.Read(p, r)
	}
	if !named {
		p.askNewcomers(&o, out.Systems)
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	for _, r := range out.Systems {
		r.finish(p, s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range out.Systems {
		if r.Exists && s.instances[r.Instance] != nil {
			s.see(r.Instance, nil, time.Now())
		}
	}
	out.Discovery = Discovery{
		Complete: !o.scans() || s.search.complete(time.Now()), AsOf: s.search.asOf, Scanned: s.search.scanned, Rounds: s.search.rounds,
		Masters: s.search.masters, Dropped: s.search.dropped, Err: s.search.err, Unmarked: maps.Clone(s.unmarked),
	}
	return out, nil
}

// hasClue reports whether SCAN finds a system's queues.
func hasClue(name string) bool {
	system, _ := lookup(name)
	return system.Spec().Clue != nil
}

// askNewcomers looks for systems that were not there before; the next poll reads
// them.
func (p *Poll) askNewcomers(o *Options, readings []*Reading) {
	for _, c := range candidates(o) {
		if slices.ContainsFunc(readings, func(r *Reading) bool { return r.Instance == c.Instance }) {
			continue
		}
		p.askMarkers(c, func() {
			p.state.mu.Lock()
			defer p.state.mu.Unlock()
			p.state.see(c.Instance, nil, time.Now())
		})
	}
}

// wanted lists the instances that a query is about, in the order of documents.
// A system that can be found in no way is there when it has configured queues.
func (s *state) wanted(q Query, o *Options) []Instance {
	if q.System != "" && (q.Prefix != "" || q.Queue != "") {
		system, _ := lookup(q.System)
		spec := system.Spec()
		prefix := spec.DefaultPrefix
		if q.Prefix != "" {
			prefix = spec.canonical(q.Prefix)
		}
		return []Instance{{q.System, prefix}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Collect(maps.Keys(s.instances))
	for _, system := range all {
		spec := system.Spec()
		if spec.Markers == nil && spec.Clue == nil && len(o.Queues[spec.Name]) > 0 {
			out = append(out, Instance{spec.Name, spec.DefaultPrefix})
		}
	}
	out = slices.DeleteFunc(out, func(i Instance) bool { return q.System != "" && i.System != q.System })
	slices.SortFunc(out, Instance.Compare)
	return out
}

// names are those that SCAN found of an instance, sorted.
func (s *state) names(instance Instance) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.instances[instance]
	if k == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(k.names))
}
