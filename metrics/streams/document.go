package streams

import (
	"cmp"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

func (s *reading) write(w *jsondoc.Writer) {
	w.Grow(1024 + 512*len(s.groups))
	w.BeginObject()
	ask.Head(w, s.target.Name, nil)
	w.Key("key").String(s.key)
	if s.typ.Err == nil {
		w.Key("exists").Bool(s.word == "stream")
	}
	switch {
	case s.typ.Err != nil:
	case s.word == ask.TypeNone:
		w.Key("length").Int(0)
		w.Key("groups").BeginArray()
		w.EndArray()
	default:
		s.writeStream(w)
	}
	ask.Unavailable(w, s.parts...)
	s.cut.Write(w)
	w.EndObject()
}

func (s *reading) writeStream(w *jsondoc.Writer) {
	if s.infoPart.Err == nil {
		s.writeInfo(w)
	}
	if s.groupsPart.Err != nil {
		return
	}
	w.Key("groups").BeginArray()
	for i := range s.groups {
		w.BeginObject()
		s.writeGroup(w, &s.groups[i])
		w.EndObject()
	}
	w.EndArray()
}

// writeInfo writes what is known of the stream itself.
func (s *reading) writeInfo(w *jsondoc.Writer) {
	w.Key("length").Int(s.info.length)
	if s.info.addedKnown {
		w.Key("entries_added").Int(s.info.added)
	}
	if s.info.lastKnown {
		w.Key("last_generated_id").String(s.info.last.String())
	}
	if s.info.firstKnown {
		s.writeAge(w, "oldest_age", s.info.first)
	}
}

func (s *reading) writeGroup(w *jsondoc.Writer, g *groupReading) {
	w.Key("name").String(g.name)
	known := func(name string, n int64, ok bool) {
		if ok {
			w.Key(name).Int(n)
		}
	}
	known("consumers", g.streamGroup.consumers, g.consumersKnown)
	known("pending", g.streamGroup.pending, g.pendingKnown)
	known("entries_read", g.read, g.readKnown)
	if g.deliveredKnown {
		w.Key("last_delivered_id").String(g.delivered.String())
	}
	s.writeBehind(w, g)
	s.writeConsumers(w, g)
}

// writeBehind writes how far a group is behind: its lag, and its oldest entries.
func (s *reading) writeBehind(w *jsondoc.Writer, g *groupReading) {
	l := s.lagOf(g)
	if l.known {
		w.Key("lag").Int(l.lag)
		if !g.lagKnown || l.corrected {
			w.Key("lag_counted").Bool(true)
		}
		if l.atLeast {
			w.Key("lag_at_least").Bool(true)
		}
		if g.pendingKnown {
			w.Key("backlog").Int(l.lag + g.streamGroup.pending)
		}
	}
	if l.undelivered {
		s.writeAge(w, "oldest_undelivered_age", l.oldest)
	}
	if e, ok := g.oldestPending(); ok {
		s.writeAge(w, "oldest_pending_age", e.id)
		w.Key("oldest_pending_idle").Float(float64(e.idle) / 1e3)
		w.Key("oldest_pending_deliveries").Int(e.deliveries)
	}
}

func (g *groupReading) oldestPending() (e pendingEntry, ok bool) {
	if g.pending != nil && g.pending.Err == nil {
		e, ok, g.pending.Err = parsePending(g.pending.Value)
	}
	return e, ok
}

// groupLag is what of a stream was not delivered to a group.
type groupLag struct {
	lag int64
	// corrected: the server counts wrongly. atLeast: more than were counted.
	known, corrected, atLeast bool
	oldest                    redisclient.StreamID
	undelivered               bool // there is an oldest one
}

// lagOf settles the lag, and the oldest entry that was not delivered.
func (s *reading) lagOf(g *groupReading) groupLag {
	l := groupLag{lag: g.lag, known: g.lagKnown}
	switch {
	case g.nothing: // also where the server counts wrongly, as before Redis 8 after XTRIM
		l = groupLag{known: true, corrected: g.lagKnown && g.lag != 0}
	case g.all:
		l.oldest, l.undelivered = s.info.first, true
		if !l.known {
			l.lag, l.known = s.info.length, true
		}
	case g.after != nil && g.after.Err == nil:
		entries, err := g.after.Value.Array()
		if err != nil {
			g.after.Err = err
			break
		}
		if len(entries) > 0 {
			l.oldest, l.undelivered = entryID(entries[0])
		}
		if g.counted > 0 {
			l.lag, l.known = int64(len(entries)), true
			l.atLeast = len(entries) >= g.counted
		}
	}
	return l
}

// members are the consumers, those with most pending first; ok is false when they
// are not known.
func (g *groupReading) members() (consumers []consumer, ok bool) {
	if g.consumers != nil {
		if g.consumers.Err == nil {
			consumers, g.consumers.Err = parseConsumers(g.consumers.Value)
		}
		if g.consumers.Err != nil {
			return nil, false
		}
	}
	slices.SortStableFunc(consumers, func(a, b consumer) int {
		return cmp.Or(cmp.Compare(b.pending, a.pending), cmp.Compare(b.idle, a.idle), cmp.Compare(a.name, b.name))
	})
	return consumers, true
}

func (s *reading) writeConsumers(w *jsondoc.Writer, g *groupReading) {
	consumers, ok := g.members()
	if !ok {
		return
	}
	w.Key("members").BeginArray()
	for _, c := range consumers[:s.cut.LimitTo("consumers", len(consumers), maxConsumers)] {
		w.BeginObject()
		w.Key("name").String(c.name)
		if c.pendingKnown {
			w.Key("pending").Int(c.pending)
		}
		if c.idleKnown {
			w.Key("idle").Float(float64(c.idle) / 1e3)
		}
		if c.inactiveKnown {
			w.Key("inactive").Float(float64(c.inactive) / 1e3)
		}
		w.EndObject()
	}
	w.EndArray()
}

// writeAge writes an age, when the server told its time and the id is one.
func (s *reading) writeAge(w *jsondoc.Writer, name string, id redisclient.StreamID) {
	if s.time.Err != nil {
		return
	}
	if age, ok := age(id, s.nowMs); ok {
		w.Key(name).Float(age)
	}
}
