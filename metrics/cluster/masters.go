package cluster

import (
	"context"
	"fmt"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// Master is a master that has slots.
type Master struct {
	Addr   string       // host:port or, where there is none, the begin of the id as "(4816fa4f)"
	Target *item.Target // nil with err
	Err    error        // why it cannot be asked
}

// Masters asks a node of a cluster for the masters that have slots, and
// returns them in the order of their addresses, or the node's refusal to tell.
// One at whose address another server answers cannot be asked, which is found
// out for maxViews of them; nor can those be of which the node's lines cannot be read, which are one more master.
func Masters(ctx context.Context, t *item.Target) (masters []Master, refusal, err error) {
	ctx, cancel := context.WithTimeout(ctx, info.AskLimit)
	defer cancel()
	nodes := &ask.Part{Name: "cluster_nodes", Cmd: redisclient.Command{"CLUSTER", "NODES"}}
	if err := ask.Do(ctx, t, nodes); err != nil {
		return nil, nil, err
	}
	if err := ask.StateProblem(nodes); err != nil || nodes.Err != nil {
		return nil, nodes.Err, err
	}
	c, err := newCluster(t, nodes)
	if err != nil {
		return nil, nil, err
	}
	var ids []string
	for _, m := range c.members {
		if len(m.slots) == 0 {
			continue
		}
		master := Master{Addr: m.addr, Target: t}
		if m != c.entry {
			master.Target, master.Err = peerOf(t, &m.node, m.addr)
		}
		if master.Addr == "" {
			master.Addr = nameOf("", m.id)
		}
		masters, ids = append(masters, master), append(ids, m.id)
	}
	if len(masters) > ask.MaxRows {
		return nil, nil, fmt.Errorf("more than %d masters", ask.MaxRows)
	}
	ask.SideBySide(min(len(masters), maxViews), func(i int) {
		if m := &masters[i]; m.Err == nil && m.Target != t {
			m.Err = isMaster(ctx, m.Target, ids[i])
		}
	}, func(i int, err error) { masters[i].Err = err })
	if c.unreadable > 0 {
		masters = append(masters, Master{Err: fmt.Errorf("%d lines of CLUSTER NODES cannot be read", c.unreadable)})
	}
	return masters, nil, nil
}

// isMaster is nil for the node with that id, and for a server that does not
// answer: its own question will tell why.
func isMaster(ctx context.Context, t *item.Target, id string) error {
	nodes := &ask.Part{Name: "cluster_nodes", Cmd: redisclient.Command{"CLUSTER", "NODES"}}
	if err := ask.Do(ctx, t, nodes); err != nil || nodes.Err != nil && !isAlone(nodes.Err) {
		return nil
	}
	_, _, err := nodesOf(id, nodes)
	return err
}
