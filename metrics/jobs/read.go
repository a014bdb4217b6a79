package jobs

import (
	"context"
	"maps"
	"slices"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// prefixesOf are those of a system, in their canonical text, each once.
func prefixesOf(o *item.JobsOptions, spec *spec) []string {
	out := []string{spec.DefaultPrefix}
	for _, prefix := range o.Prefixes[spec.Name] {
		if prefix = spec.canonical(prefix); !slices.Contains(out, prefix) {
			out = append(out, prefix)
		}
	}
	return out
}

// scans reports whether there is anything that SCAN could find.
func scans(o *item.JobsOptions) bool {
	return o.ScanBudget > 0 && slices.ContainsFunc(all, func(s system) bool { return s.Spec().Clue != nil })
}

// query says what a poll is about. The zero value is everything.
type query struct {
	// System, when set, is the only one that is read.
	System string
	// Prefix, when set, is the only one; whether it was found does not count.
	Prefix string
	// Queue, when set, is the only one that is read, of System and of Prefix or
	// its default one.
	Queue string
}

// result is what a poll learned.
type result struct {
	Systems   []*reading
	Discovery discovery
	// Databases are those of the server that have keys, asked for when there is no
	// system; DatabasesErr is why they are not known.
	Databases    []database
	DatabasesErr error
	// Timeless is why ages are by our own clock.
	Timeless error
}

// readSystems asks a target about its job systems; doer may be a Cluster. The error is
// for the target as a whole, or for a system that does not exist.
func readSystems(ctx context.Context, doer redisclient.Doer, memory *item.Memory, o item.JobsOptions, q query) (*result, error) {
	s := stateOf(memory)
	if err := s.findSystems(ctx, doer, &o, q); err != nil {
		return nil, err
	}
	p := &poll{doer: doer, state: s, options: &o}
	out := &result{Systems: s.readings(q, &o)}
	for _, r := range out.Systems {
		system, spec := systemOf(r.instance)
		if spec.Markers != nil {
			r.Marked = true
			p.askMarkers(candidate{r.instance, spec.Markers(r.Prefix)}, func() { r.Exists = true })
		}
		system.Read(p, r)
	}
	if !q.named() {
		p.askNewcomers(&o, out.Systems)
		p.lookAround(&o)
	}
	if len(out.Systems) == 0 {
		p.askDatabases(out)
	}
	if err := p.askClients(ctx); err != nil {
		return nil, err
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	out.Timeless = p.timeless
	for _, r := range out.Systems {
		r.doubt = s.doubts(r.instance)
		r.finish(p, s)
	}
	limitPeriodic(out.Systems)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range out.Systems {
		if r.Exists && s.instances[r.instance] != nil {
			s.see(r.instance, nil, time.Now())
		}
	}
	out.Discovery = discovery{
		Complete: !scans(&o) || s.search.complete(time.Now()), AsOf: s.search.asOf, Scanned: s.search.scanned, Rounds: s.search.rounds,
		Masters: s.search.masters, Dropped: s.search.dropped, Err: s.search.err, Denied: s.search.denied,
		Unseen:   stillUnseen(s.search.unseen, out.Systems),
		Unmarked: maps.Clone(s.unmarked),
	}
	return out, nil
}

// named: the item key says which prefix or queue.
func (q query) named() bool { return q.System != "" && (q.Prefix != "" || q.Queue != "") }

// seeksPrefix: a queue is wanted, and under which prefix it is must be searched for.
func (q query) seeksPrefix() bool {
	if q.System == "" || q.Queue == "" || q.Prefix != "" {
		return false
	}
	_, spec := systemOf(instance{System: q.System})
	return spec.AppPrefix
}

// prefixOf is the prefix under which the queue is that a query is about, of those that
// were found: the only one that has it, or the only one there is. If several have it,
// it is the default one, and those are returned as well.
func (s *state) prefixOf(q query) (prefix string, several []string) {
	_, spec := systemOf(instance{System: q.System})
	s.mu.Lock()
	defer s.mu.Unlock()
	var all, having []string
	for i, known := range s.instances {
		if i.System != q.System {
			continue
		}
		all = append(all, i.Prefix)
		if _, has := known.names[q.Queue]; has {
			having = append(having, i.Prefix)
		}
	}
	slices.Sort(having)
	switch {
	case len(having) == 1:
		return having[0], nil
	case len(having) > 1 && !slices.Contains(having, spec.DefaultPrefix):
		return spec.DefaultPrefix, having
	case len(all) == 1:
		return all[0], nil
	}
	return spec.DefaultPrefix, nil
}

// findSystems searches for the systems that a query is about, when it is time for
// that.
func (s *state) findSystems(ctx context.Context, doer redisclient.Doer, o *item.JobsOptions, q query) error {
	if q.System != "" {
		if err := checkName(q.System); err != nil {
			return err
		}
	}
	if q.named() && (q.Queue != "" && !q.seeksPrefix() || !hasClue(q.System)) {
		return nil
	}
	return discover(ctx, doer, s, o)
}

// readings begins with what a query is about: nothing of it is read.
func (s *state) readings(q query, o *item.JobsOptions) []*reading {
	var several []string
	wanted := s.wanted(q, o)
	if q.seeksPrefix() {
		wanted[0].Prefix, several = s.prefixOf(q)
	}
	share := &share{left: maxQueues, others: len(wanted)}
	out := make([]*reading, len(wanted))
	for i, instance := range wanted {
		_, spec := systemOf(instance)
		r := &reading{
			instance: instance, Found: s.names(instance), spec: spec,
			extra: o.Queues[instance.System], only: q.Queue, share: share,
			named: q.named(), elsewhere: several,
		}
		r.found, r.searched = s.knows(instance)
		out[i] = r
	}
	return out
}

// systemOf is the system of an instance, and its spec.
func systemOf(i instance) (system, *spec) {
	system, _ := lookup(i.System)
	return system, system.Spec()
}

// hasClue reports whether SCAN finds a system's queues.
func hasClue(name string) bool {
	system, _ := lookup(name)
	return system.Spec().Clue != nil
}

// askNewcomers looks for systems that were not there before; the next poll reads
// them.
func (p *poll) askNewcomers(o *item.JobsOptions, readings []*reading) {
	for _, c := range candidates(o) {
		if slices.ContainsFunc(readings, func(r *reading) bool { return r.instance == c.instance }) {
			continue
		}
		p.askMarkers(c, func() {
			p.state.mu.Lock()
			defer p.state.mu.Unlock()
			p.state.see(c.instance, nil, time.Now())
		})
	}
}

// wanted lists the instances that a query is about, in the order of documents.
// A system that can be found in no way, or has no key while it is idle, is there when
// it has configured queues.
func (s *state) wanted(q query, o *item.JobsOptions) []instance {
	if q.System != "" && (q.Prefix != "" || q.Queue != "") {
		system, _ := lookup(q.System)
		spec := system.Spec()
		prefix := spec.DefaultPrefix
		if q.Prefix != "" {
			prefix = spec.canonical(q.Prefix)
		}
		return []instance{{q.System, prefix}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Collect(maps.Keys(s.instances))
	for _, system := range all {
		spec := system.Spec()
		i := instance{spec.Name, spec.DefaultPrefix}
		none := !slices.ContainsFunc(out, func(i instance) bool { return i.System == spec.Name })
		if (spec.Markers == nil && spec.Clue == nil || spec.EmptyIsGone && none) && len(o.Queues[spec.Name]) > 0 {
			out = append(out, i)
		}
	}
	out = slices.DeleteFunc(out, func(i instance) bool { return q.System != "" && i.System != q.System })
	slices.SortFunc(out, instance.Compare)
	return out
}

// knows reports whether an instance was found, and whether all keys were searched
// not long ago.
func (s *state) knows(i instance) (found, searched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instances[i] != nil, s.search.complete(time.Now())
}

// doubts reports whether it is not known if an instance's markers are there.
func (s *state) doubts(i instance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unmarked[i] != nil
}

// names are those that SCAN found of an instance, sorted.
func (s *state) names(instance instance) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.instances[instance]
	if k == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(k.names))
}
