package cluster

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
)

// view is what remains of one node's CLUSTER NODES.
type view struct {
	digest  uint64
	failing []string // ids
	moves   []slotMove
}

// newView keeps who fails, and a digest of what the nodes of a settled
// cluster agree on: who is there, in which role, with which slots, and who has
// failed. A mere suspicion (fail?) is each node's own.
func newView(nodes []node) *view {
	v := &view{}
	var lines []string
	for i := range nodes {
		n := &nodes[i]
		if n.failing() {
			v.failing = append(v.failing, n.id)
		}
		// From Valkey 8 on replicas repeat what their master has under way.
		if n.is("myself") && !n.is("slave") {
			v.moves = n.moves
		}
		if n.is("handshake") {
			continue
		}
		sorted := slices.Clone(n.slots)
		slices.SortFunc(sorted, func(a, b slotRange) int { return cmp.Compare(a.first, b.first) })
		lines = append(lines, strings.Join([]string{
			n.id, strconv.FormatBool(n.is("master")), strconv.FormatBool(n.is("fail")), n.master, slotText(sorted),
		}, "|"))
	}
	slices.Sort(lines)
	h := fnv.New64a()
	for _, line := range lines {
		_, _ = h.Write([]byte(line + "\n")) // a hash.Hash never fails
	}
	v.digest = h.Sum64()
	return v
}

// picture is a node's whole view, with its CLUSTER INFO.
type picture struct {
	of         *member
	nodes      []node
	unreadable int
	fields     map[string]string
}

// pictures are one of each kind of view that nodes have that are well. They are kept
// only where one of them may be shown.
type pictures struct {
	mu   sync.Mutex
	kept map[uint64]picture // by the digest
}

// maxPictures bounds them: nodes that are well agree, but for the moment of a change.
const maxPictures = 8

// keep keeps a picture that may be shown: the entry refuses commands, and the node does not.
// Of several that are the same, that of the first node counts.
func (c *cluster) keep(m *member, p picture) {
	if c.entry == nil || !c.entry.refuses() || m.state != "ok" || m.view == nil {
		return
	}
	c.others.mu.Lock()
	defer c.others.mu.Unlock()
	has, ok := c.others.kept[m.view.digest]
	switch {
	case ok && has.of.addr <= m.addr, !ok && len(c.others.kept) >= maxPictures:
		return
	case c.others.kept == nil:
		c.others.kept = make(map[uint64]picture)
	}
	c.others.kept[m.view.digest] = p
}

// outvoted is the view to show in place of the entry's: the entry says that the cluster
// is down for it, and most masters with slots, of those that tell, say that it is not.
// A node says ok only while it reaches most of the masters. It is nil where the entry's
// view stands, also where the others do not know the entry.
func (c *cluster) outvoted() *picture {
	if c.entry == nil || !c.entry.refuses() {
		return nil
	}
	told, well := 0, 0
	votes := make(map[uint64]int)
	for _, m := range c.members {
		if len(m.slots) == 0 || !m.refuses() && !m.isWell() {
			continue
		}
		told++
		if m.isWell() {
			well++
			if m.view != nil {
				votes[m.view.digest]++
			}
		}
	}
	if 2*well <= told {
		return nil
	}
	var best *picture
	most := 0
	for digest, p := range c.others.kept {
		n := votes[digest]
		if n > most || n == most && best != nil && p.of.addr < best.of.addr {
			best, most = &p, n
		}
	}
	if best == nil || !slices.ContainsFunc(best.nodes, func(n node) bool { return n.id == c.entry.id }) {
		return nil
	}
	return best
}

// show makes the document that of another view. What the nodes said of themselves stays,
// and so do the addresses at which they were asked and that their rows are named by.
func (c *cluster) show(p *picture) {
	known := make(map[string]*member, len(c.members))
	for _, m := range c.members {
		known[m.id] = m
	}
	here, _ := ask.Connection(c.target)
	c.members = nil
	for _, n := range p.nodes {
		m := known[n.id]
		if m == nil {
			m = &member{node: n}
			c.place(m, here.Addr)
		} else {
			if m.port != "" {
				n.addr, n.ip, n.port, n.hostname = m.addr, m.ip, m.port, m.hostname
			}
			m.node = n
			c.place(m, here.Addr)
		}
		c.members = append(c.members, m)
	}
	c.viewer, c.fields, c.unreadable = p.of, p.fields, p.unreadable
	c.arrange()
}

// witnesses are the nodes that see another one failing, by its id.
func (c *cluster) witnesses() map[string][]*member {
	out := make(map[string][]*member)
	for _, m := range c.members {
		if m.view == nil {
			continue
		}
		for _, id := range m.view.failing {
			out[id] = append(out[id], m)
		}
	}
	return out
}

// isFailing reports whether a node counts as failing. A node that is cut off sees all
// others in fail?, and they know better.
func isFailing(m *member, witnesses []*member) bool {
	return slices.ContainsFunc(witnesses, func(w *member) bool { return !(w.refuses() && m.isWell()) })
}

func (c *cluster) writeViews(w *jsondoc.Writer) {
	type seen struct {
		digest uint64
		state  string // of the cluster, as the node sees it
	}
	asked := 0
	distinct, digests := make(map[seen]bool), make(map[uint64]bool)
	for _, m := range c.members {
		if m.view == nil {
			continue
		}
		asked++
		if m.state != "" {
			distinct[seen{m.view.digest, m.state}] = true
			digests[m.view.digest] = true
		}
	}
	for _, m := range c.members { // one that does not tell its state makes no picture by that
		if m.view != nil && !digests[m.view.digest] {
			distinct[seen{m.view.digest, ""}] = true
		}
	}
	w.Key("views").BeginObject()
	w.Key("asked").Int(int64(asked))
	w.Key("distinct").Int(int64(len(distinct)))
	if c.viewer != nil {
		w.Key("of").String(c.viewer.addr)
	}
	w.EndObject()
	w.Key("views_disagree").Int(int64(ask.Number(len(distinct) > 1)))
}
