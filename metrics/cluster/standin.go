package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// While the entry node does not answer, another node that it listed stands in for it: a
// cluster that has lost one node is to be seen, most of all then. So does one while the
// entry node has lost the cluster, see hasLost.
const (
	standInMemory = "redis.cluster.get stand-ins"
	// maxStandIns is how many nodes are remembered, and asked one after the other.
	maxStandIns = 3
	// standInFor is how long they are remembered after the entry node has last answered.
	standInFor = 24 * time.Hour
	// lostFor is how long after the entry node was last seen among the others its own view
	// is not believed: it may be the first node of a new cluster.
	lostFor = time.Hour
)

// standIns are nodes that can be asked in place of the entry node.
type standIns struct {
	seen  time.Time // when the entry node last listed them
	entry string    // its id
	nodes []standIn
}

type standIn struct {
	node
	addr string
}

// remember keeps those for the next polls: masters with slots go before others, and
// none that is seen failing or did not answer is among them.
func (c *cluster) remember(entry *item.Target) {
	if c.entry == nil {
		return
	}
	out := standIns{seen: c.now, entry: c.entry.id}
	for _, master := range []bool{true, false} {
		for _, m := range c.members {
			if m != c.entry && m.err == nil && !m.failing() && master == (len(m.slots) > 0) && len(out.nodes) < maxStandIns {
				out.nodes = append(out.nodes, standIn{m.node, m.addr})
			}
		}
	}
	if len(out.nodes) > 0 {
		entry.Memory.Store(standInMemory, out)
	}
}

// standInsOf are those that are remembered; nodes is empty where none are.
func standInsOf(t *item.Target) standIns {
	v, _ := t.Memory.Load(standInMemory)
	if s, ok := v.(standIns); ok && time.Since(s.seen) < standInFor {
		return s
	}
	return standIns{}
}

var errLost = &redisclient.Error{Op: "cluster", Reason: redisclient.ReasonProtocol, Err: errors.New("the node answers and does not " +
	"know its cluster any more: it was reset, or has lost nodes.conf. Another node is asked")}

// hasLost reports whether the entry node has lost the cluster: for it the cluster is down,
// and it lists none of the nodes that it listed before. A node that was reset or has lost
// its nodes.conf starts so, with all slots uncovered.
func (c *cluster) hasLost(s standIns) bool {
	fields, _ := stateFields(c.state)
	if len(s.nodes) == 0 || fields["cluster_state"] != "fail" || time.Since(s.seen) >= lostFor {
		return false
	}
	return !slices.ContainsFunc(s.nodes, func(n standIn) bool { return c.lists(n.id) })
}

func (c *cluster) lists(id string) bool {
	return slices.ContainsFunc(c.members, func(m *member) bool { return m.id == id })
}

// askInPlace is the cluster that the entry node has lost, as another node sees it that
// still lists the entry node; nil where none does, or the entry's view is to be believed.
// One that was removed from the cluster is listed no more.
func (c *cluster) askInPlace(ctx context.Context, s standIns) *cluster {
	if !c.hasLost(s) {
		return nil
	}
	half, cancel := ask.HalfOf(ctx)
	defer cancel()
	out := askStandIn(half, c.target, s.nodes, func(other *cluster) bool { return other.lists(s.entry) })
	if out != nil {
		out.entryErr = errLost
	}
	return out
}

// questions are those to an entry node.
type questions struct{ info, state, nodes *ask.Part }

func newQuestions() questions {
	return questions{
		info:  &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}},
		state: &ask.Part{Name: "cluster_info", Cmd: redisclient.Command{"CLUSTER", "INFO"}},
		nodes: &ask.Part{Name: "cluster_nodes", Cmd: redisclient.Command{"CLUSTER", "NODES"}, Must: true},
	}
}

// askStandIn asks the nodes that can stand in, until one answers that is who it was and
// whose view will do; nil when none does.
func askStandIn(ctx context.Context, t *item.Target, nodes []standIn, willDo func(*cluster) bool) *cluster {
	for i := range nodes {
		n := &nodes[i]
		peer, err := peerOf(t, &n.node, n.addr)
		if err != nil {
			continue
		}
		q := newQuestions()
		if !redisclient.HasTime(ctx) || ask.Do(ctx, peer, q.info, q.state, q.nodes) != nil || q.nodes.Err != nil {
			continue
		}
		// It is the same cluster, and what is remembered of it stays with the target.
		in := *t
		in.Doer, in.ConnInfo = peer.Doer, peer.ConnInfo
		c, err := newCluster(&in, q.nodes)
		if err != nil || c.entry == nil || c.entry.id != n.id || !willDo(c) {
			continue
		}
		c.info, c.state = q.info, q.state
		return c
	}
	return nil
}
