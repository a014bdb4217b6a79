package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// maxWitnesses bounds the addresses in seen_failing_by: when a part of a
// cluster is gone, everybody sees all of it failing.
const maxWitnesses = 16

// writeOff writes the answer for a server that is no cluster. Only a
// missing permission is worth telling there.
func writeOff(w *jsondoc.Writer, target string, parts ...*ask.Part) {
	w.Grow(256)
	w.BeginObject()
	ask.Head(w, target, nil)
	w.Key("cluster_enabled").Int(0)
	ask.Unavailable(w, slices.DeleteFunc(parts, func(p *ask.Part) bool {
		return redisclient.ReasonOf(p.Err) != redisclient.ReasonACL
	})...)
	w.EndObject()
}

// writeUntold writes the answer for a server that did not answer CLUSTER NODES: it is no
// cluster, or the user may not ask, or it has no such command. That is no outage.
func writeUntold(w *jsondoc.Writer, t *item.Target, q questions) {
	switch err := q.nodes.Err; {
	case isOff(q.info, err):
		t.Memory.Store(offMemory, true)
		q.state.Forget(t) // it holds for this state only
		writeOff(w, t.Name, q.info, q.state, q.nodes)
		return
	case !ask.Lasting(err):
		_ = ask.Down(w, t.Name, fmt.Errorf("CLUSTER NODES: %w", err))
		return
	}
	ask.RefusalsOf(t.Memory).Note(q.nodes.Cmd, q.nodes.As, q.nodes.Err)
	var fields map[string]string
	fields, q.state.Err = stateFields(q.state)
	w.Grow(512)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	if enabledBy(q.info) == "1" {
		w.Key("cluster_enabled").Int(1)
	}
	writeStateMembers(w, fields)
	if fields != nil {
		w.Key("slots").BeginObject()
		writeSlotCounts(w, fields)
		w.EndObject()
	}
	ask.Unavailable(w, q.info, q.state, q.nodes)
	w.EndObject()
}

func (c *cluster) write(w *jsondoc.Writer) {
	w.Grow(1024 + 768*min(len(c.members), ask.MaxRows))
	var cut ask.Truncations
	w.BeginObject()
	ask.Head(w, c.target.Name, nil)
	w.Key("cluster_enabled").Int(1)
	if c.entryErr != nil {
		w.Key("entry_reason").String(string(redisclient.ReasonOf(c.entryErr)))
		name := c.target.Name
		if errors.Is(c.entryErr, errLost) {
			name = "the cluster by " + name
		}
		w.Key("entry_error").String(ask.ErrorLine(name, c.entryErr))
	}
	c.writeState(w)
	shards := c.shards()
	c.writeShards(w, shards, &cut)
	c.writeNodes(w, &cut)
	c.writeRefusing(w, &cut)
	c.writeViews(w)
	alone := 0
	for _, s := range shards {
		alone += 1 - ask.Number(s.hasReplica())
	}
	w.Key("masters_without_replica").Int(int64(alone))
	writeSkew(w, shards)
	c.writeMoving(w, &cut)
	c.writeUnanswered(w, &cut)
	ask.Unavailable(w, c.info, c.first("info", func(m *member) error { return m.noInfo }),
		c.state, c.first("cluster_info", func(m *member) error { return m.noState }),
		c.first("cluster_migrations", func(m *member) error { return m.refused }))
	cut.Write(w)
	var unreadable ask.Unreadable
	unreadable.Add("nodes", c.unreadable)
	unreadable.Write(w)
	w.EndObject()
}

// shard is a master with slots, and its replicas.
type shard struct {
	master   *member
	replicas []*member
}

// hasReplica reports whether a replica could become the master, and takesOver whether
// one does so by itself when that fails: as far as the replicas say. One that does not
// answer, and one that does not show INFO, are judged by their flags alone.
func (s *shard) hasReplica() bool {
	return slices.ContainsFunc(s.replicas, func(m *member) bool { return !m.failing() && !m.figures.neverSynced })
}

func (s *shard) takesOver() bool {
	return slices.ContainsFunc(s.replicas, func(m *member) bool { return m.takesOver() && !m.figures.staysReplica })
}

// gone reports whether nobody can reach the node: the masters have agreed, or no node has
// an address of it, or only one at which another node answers.
func (m *member) gone() bool {
	return m.is("fail") || m.is("noaddr") && (m.port == "" || errors.Is(m.err, errStranger))
}

// stateOf is that of the master, as it is seen and as it says itself. While the whole
// cluster is down its nodes all refuse commands, for the sake of those that are seen
// failing.
func (c *cluster) stateOf(s *shard) string {
	switch {
	case s.master.gone(), s.master.refuses() && slices.ContainsFunc(c.members, (*member).isWell):
		return "fail"
	case s.master.failing():
		return "pfail"
	}
	return "ok"
}

// shards are sorted by their first slots.
func (c *cluster) shards() []*shard {
	var out []*shard
	byMaster := make(map[string]*shard)
	for _, m := range c.members {
		if len(m.slots) > 0 {
			s := &shard{master: m}
			out = append(out, s)
			byMaster[m.id] = s
		}
	}
	for _, m := range c.members {
		if s := byMaster[m.master]; s != nil && len(m.slots) == 0 {
			s.replicas = append(s.replicas, m)
		}
	}
	slices.SortStableFunc(out, func(a, b *shard) int { return cmp.Compare(firstSlot(a.master), firstSlot(b.master)) })
	return out
}

func (c *cluster) writeShards(w *jsondoc.Writer, shards []*shard, cut *ask.Truncations) {
	w.Key("shards").BeginArray()
	for _, s := range shards[:cut.Limit("shards", len(shards))] {
		w.BeginObject()
		w.Key("shard").String(s.master.shard)
		w.Key("slots").String(s.master.slotText())
		w.Key("slot_count").Int(int64(s.master.slotCount()))
		w.Key("state").String(c.stateOf(s))
		w.Key("master")
		writeNodeName(w, s.master)
		w.Key("replicas").BeginArray()
		for _, r := range s.replicas {
			writeNodeName(w, r)
		}
		w.EndArray()
		w.Key("has_replica").Int(int64(ask.Number(s.hasReplica())))
		w.Key("takes_over").Int(int64(ask.Number(s.takesOver())))
		f := &s.master.figures
		info.WriteReading(w, "keys", f.keys)
		info.WriteReading(w, "memory", f.memory)
		f.writeOps(w)
		w.EndObject()
	}
	w.EndArray()
}

func writeNodeName(w *jsondoc.Writer, m *member) {
	w.BeginObject()
	w.Key("id").String(m.id)
	w.Key("addr").String(m.addr)
	w.EndObject()
}

func (c *cluster) writeNodes(w *jsondoc.Writer, cut *ask.Truncations) {
	byID := make(map[string]*member, len(c.members))
	for _, m := range c.members {
		byID[m.id] = m
	}
	witnesses := c.witnesses()
	failing := 0
	w.Key("nodes").BeginArray()
	limit := cut.Limit("nodes", len(c.members))
	for i, m := range c.members {
		failing += ask.Number(isFailing(m, witnesses[m.id]))
		if i < limit {
			writeNode(w, m, byID[m.master], witnesses[m.id])
		}
	}
	w.EndArray()
	w.Key("failing").Int(int64(failing))
}

func writeNode(w *jsondoc.Writer, m, master *member, witnesses []*member) {
	w.BeginObject()
	w.Key("id").String(m.id)
	w.Key("addr").String(m.addr)
	if m.ip != "" {
		w.Key("ip").String(m.ip)
	}
	if m.hostname != "" {
		w.Key("hostname").String(m.hostname)
	}
	switch {
	case m.is("master"):
		w.Key("role").String("master")
	case m.is("slave"):
		w.Key("role").String("replica")
	}
	if m.shard != "" {
		w.Key("shard").String(m.shard)
	}
	if m.master != "" {
		w.Key("master").String(m.master)
	}
	w.Key("flags").String(strings.Join(slices.DeleteFunc(slices.Clone(m.flags), func(f string) bool { return f == "myself" }), ","))
	link := "disconnected"
	if m.connected {
		link = "connected"
	}
	w.Key("link").String(link)
	info.WriteReading(w, "epoch", m.epoch)
	w.Key("slot_count").Int(int64(m.slotCount()))
	if m.err == nil && m.state != "" {
		w.Key("state").String(m.state)
	}
	w.Key("seen_failing").Int(int64(len(witnesses)))
	w.Key("seen_failing_by").BeginArray()
	for _, witness := range witnesses[:min(len(witnesses), maxWitnesses)] {
		w.String(witness.addr)
	}
	w.EndArray()
	w.Key("failing").Int(int64(ask.Number(isFailing(m, witnesses))))
	w.Key("up").Int(int64(ask.Number(m.err == nil)))
	w.Key("reason").String(string(redisclient.ReasonOf(m.err)))
	text := ""
	if m.err != nil {
		text = ask.ErrorLine(m.addr, m.err)
	}
	w.Key("error").String(text)
	f := &m.figures
	info.WriteReading(w, "keys", f.keys)
	info.WriteReading(w, "used_memory", f.memory)
	info.WriteReading(w, "maxmemory", f.maxMemory)
	f.writeOps(w)
	info.WriteReading(w, "clients", f.clients)
	if m.is("slave") {
		info.WriteReading(w, "link_up", f.linkUp)
		lagBytes, lag := replicaLag(m, master)
		info.WriteReading(w, "lag_bytes", lagBytes)
		info.WriteReading(w, "lag", lag)
	}
	w.EndObject()
}

// writeSkew compares the largest shard with the average one. A figure that one
// shard did not tell has no skew.
func writeSkew(w *jsondoc.Writer, shards []*shard) {
	w.Key("skew").BeginObject()
	for _, figure := range []struct {
		name string
		of   func(*member) (float64, bool)
	}{
		{"slots", func(m *member) (float64, bool) { return float64(m.slotCount()), true }},
		{"keys", func(m *member) (float64, bool) { return float64(m.figures.keys.Value), m.figures.keys.Known }},
		{"memory", func(m *member) (float64, bool) { return float64(m.figures.memory.Value), m.figures.memory.Known }},
		{"ops", func(m *member) (float64, bool) { return m.figures.ops, m.figures.opsKnown }},
	} {
		var largest, sum float64
		known := true
		for _, s := range shards {
			value, ok := figure.of(s.master)
			known = known && ok
			largest = max(largest, value)
			sum += value
		}
		if known && sum > 0 {
			w.Key(figure.name).Float(largest * float64(len(shards)) / sum)
		}
	}
	w.EndObject()
}

// writeMoving writes the slots under way; each master knows only its own.
func (c *cluster) writeMoving(w *jsondoc.Writer, cut *ask.Truncations) {
	count := 0
	w.Key("moving").BeginArray()
	for _, m := range c.members {
		if m.view == nil {
			continue
		}
		for _, move := range m.view.moves {
			if count++; count > ask.MaxRows {
				continue
			}
			state := "migrating"
			if move.importing {
				state = "importing"
			}
			w.BeginObject()
			w.Key("slot").Int(int64(move.slot))
			w.Key("state").String(state)
			w.Key("node").String(m.id)
			w.Key("other").String(move.other)
			w.EndObject()
		}
	}
	for _, m := range c.members {
		for i := range m.migrations {
			if !m.migrations[i].shown(c.now) {
				continue
			}
			if count++; count <= ask.MaxRows {
				m.migrations[i].write(w, m.id)
			}
		}
	}
	w.EndArray()
	cut.Limit("moving", count)
}

// first is the part that is unavailable when any node does not tell of it.
func (c *cluster) first(name string, of func(*member) error) *ask.Part {
	part := &ask.Part{Name: name}
	for _, m := range c.members {
		if err := of(m); err != nil && part.Err == nil {
			part.Err = err
		}
	}
	return part
}

func (c *cluster) writeUnanswered(w *jsondoc.Writer, cut *ask.Truncations) {
	var silent []*member
	for _, m := range c.members {
		if m.err != nil {
			silent = append(silent, m)
		}
	}
	w.Key("partial").Bool(len(silent) > 0 || c.unreadable > 0)
	w.Key("unanswered").BeginArray()
	for _, m := range silent[:cut.Limit("unanswered", len(silent))] {
		w.BeginObject()
		w.Key("id").String(m.id)
		w.Key("addr").String(m.addr)
		w.Key("reason").String(string(redisclient.ReasonOf(m.err)))
		w.Key("error").String(ask.ErrorLine(m.addr, m.err))
		w.EndObject()
	}
	w.EndArray()
}
