package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"redisjobs/metrics/ask"
)

// askAll asks the nodes for their figures and views, and again those that only the
// others know, where the entry's view is not the one to show.
func (c *cluster) askAll(ctx context.Context) {
	c.readEntry(ctx)
	c.askOthers(ctx)
	if p := c.outvoted(); p != nil {
		c.show(p)
	}
	c.findLost()
	c.askOthers(ctx)
}

// readEntry reads what the entry node was asked for already.
func (c *cluster) readEntry(ctx context.Context) {
	c.fields, c.state.Err = stateFields(c.state)
	m := c.entry
	if m == nil {
		return
	}
	m.asked = true
	m.takeState(c.fields, c.state.Err)
	if m.err = m.read(c.info); m.err == nil {
		m.migrations, m.refused = migrationsOf{}.read(ctx, c.target, m)
	}
}

// askOthers asks the nodes that were not asked yet. Those that are seen failing come
// last, so that they cannot take the time of the others.
func (c *cluster) askOthers(ctx context.Context) {
	var others []*member
	for _, m := range c.members {
		switch {
		case m.asked:
		case m.is("noaddr") && m.port == "": // it is asked as soon as another node tells where
			m.err = errNoAddress
		default:
			m.asked = true
			others = append(others, m)
		}
	}
	if len(others) == 0 {
		return
	}
	slices.SortStableFunc(others, func(a, b *member) int { return ask.Number(a.failing()) - ask.Number(b.failing()) })
	if len(others) > ask.MaxRows {
		for _, m := range others[ask.MaxRows:] {
			m.err = fmt.Errorf("more than %d nodes: it was not asked", ask.MaxRows)
		}
		others = others[:ask.MaxRows]
	}
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	ask.SideBySide(len(others), func(i int) {
		others[i].err = c.ask(ctx, others[i], i < maxViews)
	}, func(i int, err error) { others[i].err = err })
}

// ask asks one node.
func (c *cluster) ask(ctx context.Context, m *member, forView bool) error {
	peer, err := c.peer(m)
	if err != nil {
		return err
	}
	q := newQuestions()
	q.nodes.Must = false
	moves := knownMigrations(peer, m)
	parts := append([]*ask.Part{q.info, q.state}, moves.parts()...)
	if forView {
		parts = append(parts, q.nodes)
	}
	if err := ask.Do(ctx, peer, parts...); err != nil {
		return err
	}
	var seen []node
	unreadable := 0
	if forView {
		if seen, unreadable, err = nodesOf(m.id, q.nodes); err != nil {
			return err
		}
		if seen != nil {
			m.view = newView(seen)
			c.noteLost(m, seen)
		}
	}
	if err := m.read(q.info); err != nil {
		m.view = nil
		return err
	}
	fields, err := stateFields(q.state)
	m.takeState(fields, err)
	c.keep(m, picture{m, seen, unreadable, fields})
	m.migrations, m.refused = moves.read(ctx, peer, m)
	return nil
}

// found is the address of a node, as another node lists it.
type found struct {
	by   *member
	node node
}

// lost are the nodes of which the viewer has no address, with where others see them.
type lost struct {
	mu    sync.Mutex
	where map[string]found // by the id
}

// noteLost notes where a node sees those of which the viewer has no address. Of several
// that tell, the first one's address counts.
func (c *cluster) noteLost(by *member, seen []node) {
	for i := range c.members {
		m := c.members[i]
		if !m.is("noaddr") {
			continue
		}
		at := slices.IndexFunc(seen, func(n node) bool { return n.id == m.id && n.addr != "" && n.addr[0] != ':' })
		if at < 0 {
			continue
		}
		c.lost.mu.Lock()
		if has, ok := c.lost.where[m.id]; !ok || by.addr < has.by.addr {
			if c.lost.where == nil {
				c.lost.where = make(map[string]found)
			}
			c.lost.where[m.id] = found{by, seen[at]}
		}
		c.lost.mu.Unlock()
	}
}

// findLost gives the nodes without an address that which another node lists.
func (c *cluster) findLost() {
	here, _ := ask.Connection(c.target)
	for _, m := range c.members {
		if f, ok := c.lost.where[m.id]; ok && m.is("noaddr") && m.port == "" {
			m.addr, m.ip, m.port, m.hostname = f.node.addr, f.node.ip, f.node.port, f.node.hostname
			c.place(m, here.Addr)
			m.err = nil
		}
	}
	c.arrange()
}

// nodesOf is what the node with that id sees; nil when it may not tell. It fails when
// another server answers.
func nodesOf(id string, reply *ask.Part) (nodes []node, unreadable int, err error) {
	if reply.Err != nil {
		if isAlone(reply.Err) {
			return nil, 0, strangerError("a server that is no node of a cluster")
		}
		if ask.Lasting(reply.Err) {
			return nil, 0, nil
		}
		return nil, 0, reply.Err
	}
	nodes, unreadable, err = nodesReply(reply)
	if err != nil {
		return nil, 0, err
	}
	for i := range nodes {
		if nodes[i].is("myself") && nodes[i].id != id && !isAddr(id) {
			return nil, 0, strangerError("the node " + string(ask.ClipBytes([]byte(nodes[i].id))))
		}
	}
	return nodes, unreadable, nil
}
