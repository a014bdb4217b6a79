package cluster

import (
	"context"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// While the entry node does not answer, another node that it listed stands in for it: a
// cluster that has lost one node is to be seen, most of all then.
const (
	standInMemory = "redis.cluster.get stand-ins"
	// maxStandIns is how many nodes are remembered, and asked one after the other.
	maxStandIns = 3
	// standInFor is how long they are remembered after the entry node has last answered.
	standInFor = 24 * time.Hour
)

// standIns are nodes that can be asked in place of the entry node.
type standIns struct {
	until time.Time
	nodes []standIn
}

type standIn struct {
	node
	addr string
}

// remember keeps those for the next polls: masters with slots go before others, and
// none that is seen failing or did not answer is among them.
func (c *cluster) remember(entry *item.Target) {
	out := standIns{until: c.now.Add(standInFor)}
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

func standInsOf(t *item.Target) []standIn {
	v, _ := t.Memory.Load(standInMemory)
	if s, ok := v.(standIns); ok && time.Now().Before(s.until) {
		return s.nodes
	}
	return nil
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

// askStandIn asks the nodes that can stand in, until one answers that is who it was; nil
// when none does.
func askStandIn(ctx context.Context, t *item.Target, nodes []standIn) *cluster {
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
		if err != nil || c.entry == nil || c.entry.id != n.id {
			continue
		}
		c.info, c.state = q.info, q.state
		return c
	}
	return nil
}
