package streams

import (
	"cmp"
	"fmt"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/passes"
	"redisjobs/redisclient"
)

// tally is what the groups of a stream, or all of them, have together. A sum is of
// no use when a part of it is not known.
type tally struct {
	consumers, idle, dead, pending, unread sum
	lag                                    int64
	lagKnown, lagAtLeast                   bool
	undelivered, pendingAge, pendingIdle   longest
}

// sum is a sum, unless a part of it was not known.
type sum struct {
	n       int64
	unknown bool
}

func (s *sum) add(n int64, known bool) { s.n, s.unknown = s.n+n, s.unknown || !known }

func (s sum) write(w *jsondoc.Writer, name string) {
	if !s.unknown {
		w.Key(name).Int(s.n)
	}
}

// longest is the longest of some times, in seconds, if there is one.
type longest struct {
	seconds float64
	known   bool
}

func (l *longest) add(seconds float64) { l.seconds, l.known = max(l.seconds, seconds), true }

func (l longest) write(w *jsondoc.Writer, name string) {
	if l.known {
		w.Key(name).Float(l.seconds)
	}
}

// groupRow is what is said of a group.
type groupRow struct {
	s *reading
	g *groupReading
	// idle and dead are those of its consumers; -1 when they are not known.
	idle, dead int64
}

// deadConsumer is one that has pending entries and asks for no more.
type deadConsumer struct {
	stream, group string
	consumer
}

func (m *many) write(w *jsondoc.Writer, target string) {
	w.Grow(4096)
	w.BeginObject()
	ask.Head(w, target, nil)
	w.Key("pattern").String(m.pattern)
	m.found.Write(w, &m.cut)
	parts := m.found.Missing("streams")
	if m.found.Known() {
		m.writeStreams(w)
		for i := range m.owners {
			o := &m.owners[i]
			if o.err != nil {
				parts = append(parts, &ask.Part{Name: "masters", Err: fmt.Errorf("%s: %w", o.target.Name, o.err)})
			}
			parts = append(parts, o.parts...)
		}
	}
	ask.Unavailable(w, parts...)
	m.cut.Write(w)
	w.EndObject()
}

// writeStreams writes the rows of all streams, of their groups and of dead consumers.
func (m *many) writeStreams(w *jsondoc.Writer) {
	var rows []*reading
	unasked := make(map[*reading]bool)
	for i := range m.owners {
		for _, s := range m.owners[i].streams {
			rows = append(rows, s)
			unasked[s] = m.owners[i].err != nil
		}
	}
	slices.SortFunc(rows, func(a, b *reading) int { return cmp.Compare(a.key, b.key) })
	var groups []groupRow
	var dead []deadConsumer
	var all tally
	w.Key("streams").BeginArray()
	for _, s := range rows {
		w.BeginObject()
		w.Key("{#STREAM}").String(s.key)
		w.Key("key").String(s.key)
		if unasked[s] {
			all.unread.add(0, false)
			all.dead.add(0, false)
		} else {
			own, lost := m.groupsOf(s)
			groups, dead = append(groups, own...), append(dead, lost...)
			m.writeRow(w, s, own, &all)
		}
		w.EndObject()
	}
	w.EndArray()
	w.Key("groups").BeginArray()
	for _, row := range groups {
		row.write(w)
	}
	w.EndArray()
	w.Key("dead").BeginArray()
	for _, c := range dead[:m.cut.LimitTo("dead", len(dead), maxDead)] {
		w.BeginObject()
		w.Key("stream").String(c.stream)
		w.Key("group").String(c.group)
		w.Key("consumer").String(ask.Clip(c.name, ask.MaxName))
		w.Key("pending").Int(c.pending)
		w.Key("idle").Float(float64(c.idle) / 1e3)
		w.EndObject()
	}
	w.EndArray()
	all.unread.write(w, "groups_without_consumer")
	all.dead.write(w, "dead_consumers")
}

// groupsOf judges the consumers of a stream's groups. A group whose name can be that
// of no item is left out.
func (m *many) groupsOf(s *reading) (rows []groupRow, dead []deadConsumer) {
	for _, t := range s.cut {
		m.cut.Add(t.List, t.Rows)
	}
	slices.SortFunc(s.groups, func(a, b groupReading) int { return cmp.Compare(a.name, b.name) })
	for i := range s.groups {
		g := &s.groups[i]
		row := groupRow{s: s, g: g, idle: -1, dead: -1}
		if consumers, ok := g.members(); ok {
			row.idle, row.dead = 0, 0
			for _, c := range consumers {
				if !c.idleKnown || c.idle <= m.idle.Milliseconds() {
					continue
				}
				row.idle++
				if c.pending > 0 {
					row.dead++
					dead = append(dead, deadConsumer{s.key, g.name, c})
				}
			}
		}
		if !passes.Listable(g.name) {
			m.cut.Add("names", 1)
			continue
		}
		rows = append(rows, row)
	}
	return rows, dead
}

// writeRow writes a stream, with what its groups have together.
func (m *many) writeRow(w *jsondoc.Writer, s *reading, groups []groupRow, all *tally) {
	if s.typ.Err != nil {
		all.unread.add(0, false)
		all.dead.add(0, false)
		return
	}
	w.Key("exists").Bool(s.word == "stream")
	if s.word != "stream" {
		w.Key("length").Int(0)
		return
	}
	if s.infoPart.Err == nil {
		s.writeInfo(w)
	}
	if s.groupsPart.Err != nil {
		all.unread.add(0, false)
		all.dead.add(0, false)
		return
	}
	w.Key("groups").Int(int64(len(groups)))
	var t tally
	for _, row := range groups {
		row.addTo(&t)
	}
	t.consumers.write(w, "consumers")
	t.unread.write(w, "groups_without_consumer")
	if t.lagKnown {
		w.Key("lag").Int(t.lag)
		if t.lagAtLeast {
			w.Key("lag_at_least").Bool(true)
		}
	}
	t.pending.write(w, "pending")
	t.undelivered.write(w, "oldest_undelivered_age")
	t.pendingAge.write(w, "oldest_pending_age")
	t.pendingIdle.write(w, "oldest_pending_idle")
	t.idle.write(w, "idle_consumers")
	t.dead.write(w, "dead_consumers")
	all.unread.add(t.unread.n, !t.unread.unknown)
	all.dead.add(t.dead.n, !t.dead.unknown)
}

func (row groupRow) addTo(t *tally) {
	g := row.g
	t.consumers.add(g.streamGroup.consumers, g.consumersKnown)
	t.unread.add(int64(ask.Number(g.streamGroup.consumers == 0)), g.consumersKnown)
	t.pending.add(g.streamGroup.pending, g.pendingKnown)
	t.idle.add(max(0, row.idle), row.idle >= 0)
	t.dead.add(max(0, row.dead), row.dead >= 0)
	l := row.s.lagOf(g)
	if l.known && (!t.lagKnown || l.lag > t.lag) {
		t.lag, t.lagKnown, t.lagAtLeast = l.lag, true, l.atLeast
	}
	ageOf := func(to *longest, id redisclient.StreamID, ok bool) {
		if !ok || row.s.time.Err != nil {
			return
		}
		if seconds, ok := age(id, row.s.nowMs); ok {
			to.add(seconds)
		}
	}
	ageOf(&t.undelivered, l.oldest, l.undelivered)
	if e, ok := g.oldestPending(); ok {
		ageOf(&t.pendingAge, e.id, true)
		t.pendingIdle.add(float64(e.idle) / 1e3)
	}
}

func (row groupRow) write(w *jsondoc.Writer) {
	g := row.g
	w.BeginObject()
	w.Key("{#STREAM}").String(row.s.key)
	w.Key("{#GROUP}").String(g.name)
	w.Key("stream").String(row.s.key)
	w.Key("group").String(g.name)
	if g.consumersKnown {
		w.Key("consumers").Int(g.streamGroup.consumers)
	}
	if row.idle >= 0 {
		w.Key("idle_consumers").Int(row.idle)
		w.Key("dead_consumers").Int(row.dead)
	}
	if g.pendingKnown {
		w.Key("pending").Int(g.streamGroup.pending)
	}
	if g.pendingKnown && g.streamGroup.pending == 0 {
		w.Key("oldest_pending_age").Int(0)
	}
	row.s.writeBehind(w, g)
	w.EndObject()
}
