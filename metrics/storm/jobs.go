package storm

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Jobs implements Source. The jobs found last are read in the same round trip
// as the index, so that only new ones cost another.
func (s *store) Jobs(ctx context.Context) (jobs, error) {
	c := s.newCheck()
	var k commonKeys
	k.state = c.addAll(s.opts.StateKey, readFields(s.opts.StateKey))
	if s.opts.IndexKey != s.opts.StateKey {
		k.index = c.addAll(s.opts.IndexKey, readIndex(s.opts.IndexKey))
	}
	if s.opts.HeartbeatKey != s.opts.IndexKey {
		k.beats = c.addAll(s.opts.HeartbeatKey, readScores(s.opts.HeartbeatKey))
	}
	own := make(map[string]*probe)
	for _, name := range s.lastNames() {
		key := s.ownKey(name)
		if k.state == nil || c.recall(key) != typeField {
			own[name] = c.add(key, readOwn(key))
		}
	}
	if err := c.run(ctx); err != nil {
		return jobs{}, err
	}

	fields, err := k.fields()
	if err != nil {
		return jobs{}, err
	}
	beats, beatsErr := k.heartbeats()
	var out jobs
	names, err := s.names(ctx, &k, fields, &out)
	if err != nil {
		return jobs{}, err
	}
	out.Unavailable = k.tooLarge()
	shares := make([]share, len(names))
	for i, name := range names {
		_, inState := fields[name]
		_, hasBeat := beats[name]
		shares[i] = s.addShare(c, &k, name, inState, hasBeat)
		if !inState && own[name] == nil {
			key := s.ownKey(name)
			own[name] = c.add(key, readOwn(key))
		}
	}
	if err := c.run(ctx); err != nil {
		return jobs{}, err
	}

	out.Jobs = make([]job, len(names))
	for i, name := range names {
		j := &out.Jobs[i]
		*j = job{Name: name, Key: s.ownKey(name)}
		if value, ok := shares[i].record(fields[name]); ok {
			c.remember(j.Key, typeField)
			j.Key = s.opts.StateKey
			j.read(parseString(value.Str))
		} else {
			j.readOwn(own[name], k.state)
		}
		beat, ok := beats[name]
		if !ok {
			beat = shares[i].heartbeat(beatsErr)
		}
		s.finish(j, beat, c, 0)
	}
	return out, nil
}

// addShare asks for what a job has in the keys of all jobs that are too large to
// be read whole, if it was not in the part that was read.
func (s *store) addShare(c *check, k *commonKeys, name string, inState, hasBeat bool) (sh share) {
	if !inState && k.state.tooLarge() != nil {
		sh.state = c.add(s.opts.StateKey, readOne("hash", "HGET", s.opts.StateKey, name))
	}
	if !hasBeat && k.beats.tooLarge() != nil {
		sh.beat = c.add(s.opts.HeartbeatKey, readOne("zset", "ZSCORE", s.opts.HeartbeatKey, name))
	}
	return sh
}

// share is what a job has in keys of all jobs that are too large to be read; nil
// where they are not.
type share struct{ state, beat *probe }

// record is the job's record in the hash of all jobs: its own share or, where
// the hash was read whole, the field of it.
func (sh share) record(field resp.Value) (resp.Value, bool) {
	if sh.state.usable() && !sh.state.reply.IsNull() {
		return sh.state.reply, true
	}
	return field, field.Kind != 0
}

// heartbeat is the job's score, or err for a job without one.
func (sh share) heartbeat(err error) heartbeat {
	if sh.beat.usable() && !sh.beat.reply.IsNull() {
		return newHeartbeat(sh.beat.reply)
	}
	return heartbeat{err: err}
}

// commonKeys are the keys that speak of many jobs; nil where not used.
type commonKeys struct{ index, state, beats *probe }

// tooLarge lists those that were not read whole.
func (k *commonKeys) tooLarge() (out []unreadable) {
	for _, part := range []struct {
		name string
		p    *probe
	}{{"index", k.index}, {"state", k.state}, {"heartbeats", k.beats}} {
		if err := part.p.tooLarge(); err != nil {
			out = append(out, unreadable{Name: part.name, Reason: err.Error()})
		}
	}
	return out
}

// fields returns the records in the hash of all jobs by name.
func (k *commonKeys) fields() (map[string]resp.Value, error) {
	if !k.state.usable() {
		return nil, nil
	}
	pairs, err := k.state.reply.Pairs()
	if err != nil {
		return nil, redisclient.Misread("read the jobs' states", err)
	}
	out := make(map[string]resp.Value, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		out[string(pairs[i].Str)] = pairs[i+1]
	}
	return out, nil
}

// heartbeats returns all heartbeats by job; those of HeartbeatKey count
// before those of an index. The error is for jobs that have none.
func (k *commonKeys) heartbeats() (map[string]heartbeat, error) {
	out := make(map[string]heartbeat)
	if k.index.usable() && k.index.typ == "zset" {
		addScores(out, k.index.reply)
	}
	if k.beats.usable() {
		addScores(out, k.beats.reply)
	}
	return out, k.beats.problem(wantScores)
}

// addScores adds a sorted set's heartbeats. One that cannot be read hides none
// that can.
func addScores(out map[string]heartbeat, v resp.Value) {
	for _, m := range scoredMembers(v) {
		beat := newHeartbeat(m.score)
		if beat.known || !out[m.name].known {
			out[m.name] = beat
		}
	}
}

type scored struct {
	name  string
	score resp.Value
}

// scoredMembers reads ZRANGE WITHSCORES: member and score in turn, or as a
// pair, which is how RESP3 has it.
func scoredMembers(v resp.Value) []scored {
	var out []scored
	for i := 0; i < len(v.Elems); i++ {
		switch e := v.Elems[i]; {
		case e.Kind == resp.Array && len(e.Elems) == 2:
			out = append(out, scored{string(e.Elems[0].Str), e.Elems[1]})
		case i+1 < len(v.Elems):
			i++
			out = append(out, scored{string(e.Str), v.Elems[i]})
		}
	}
	return out
}

// names finds the jobs: in the index, else in the hash of all jobs, else by
// SCAN, else those of the options. They are sorted, so that a cut at maxJobs
// spares the same ones each time.
func (s *store) names(ctx context.Context, k *commonKeys, fields map[string]resp.Value, out *jobs) ([]string, error) {
	if err := k.index.problem(wantIndex); err != nil {
		return nil, err
	}
	var found []string
	var from *probe
	switch {
	case k.index.exists() || k.index.tooLarge() != nil:
		found = indexNames(k.index)
		from = k.index
	case k.state.problem(wantState) != nil:
		return nil, k.state.problem(wantState)
	case k.state.exists() || k.state.tooLarge() != nil:
		for name := range fields {
			found = append(found, name)
		}
		from = k.state
	case s.opts.ScanBudget > 0:
		var err error
		if found, out.Partial, err = s.scan(ctx); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		found = slices.Clone(s.opts.Jobs)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	names := found[:0]
	for _, name := range found {
		if CheckName(name) != nil {
			out.Skipped++
			continue
		}
		names = append(names, name)
	}
	if len(names) > maxJobs {
		out.Truncated = len(names) - maxJobs
		names = names[:maxJobs]
	}
	if out.Incomplete = from.tooLarge(); out.Incomplete != nil {
		out.Truncated = max(out.Truncated, int(from.size)-len(names), 1)
	}
	s.memory.Store(memoryNames+s.opts.KeyPattern, names)
	return names, nil
}

// lastNames are the jobs that were found last.
func (s *store) lastNames() []string {
	v, _ := s.memory.Load(memoryNames + s.opts.KeyPattern)
	names, _ := v.([]string)
	return names
}

func indexNames(index *probe) []string {
	var out []string
	if index.typ == "zset" {
		for _, m := range scoredMembers(index.reply) {
			out = append(out, m.name)
		}
		return out
	}
	step := 1
	if index.typ == "hash" {
		step = 2 // a value behind each field
	}
	for i := 0; i < len(index.reply.Elems); i += step {
		out = append(out, string(index.reply.Elems[i].Str))
	}
	return out
}

// scan finds jobs by their own keys. partial: the budget ended first.
func (s *store) scan(ctx context.Context) (names []string, partial bool, err error) {
	match := redisclient.EscapeGlob(s.prefix) + "*" + redisclient.EscapeGlob(s.suffix)
	cursor := "0"
	for budget := s.opts.ScanBudget; budget > 0; budget -= ask.ScanCount {
		replies, err := s.doer.DoAll(ctx, redisclient.Command{
			"SCAN", cursor, "MATCH", match, "COUNT", strconv.Itoa(min(ask.ScanCount, budget)),
		})
		if err != nil {
			return nil, false, err
		}
		var keys []string
		if cursor, keys, err = redisclient.ParseScan(replies[0]); err != nil {
			return nil, false, redisclient.Misread("search for jobs", err)
		}
		for _, key := range keys {
			// A pattern may be wide enough to match the common keys.
			if key == s.opts.IndexKey || key == s.opts.HeartbeatKey || key == s.opts.StateKey {
				continue
			}
			name := strings.TrimSuffix(strings.TrimPrefix(key, s.prefix), s.suffix)
			names = append(names, name)
		}
		if cursor == "0" {
			return names, false, nil
		}
	}
	return names, true, nil
}
