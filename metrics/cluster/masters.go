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
	Addr   string
	Target *item.Target // nil with err
	Err    error        // why it cannot be asked
}

// Masters asks a node of a cluster for the masters that have slots, and
// returns them in the order of their addresses, or the node's refusal to tell.
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
	for _, m := range c.members {
		if len(m.slots) == 0 {
			continue
		}
		master := Master{Addr: m.addr, Target: t}
		switch {
		case m == c.entry:
		case m.addr == "":
			master.Err = errNoAddress
		default:
			master.Target, master.Err = t.Peer(m.peerAddr())
		}
		masters = append(masters, master)
	}
	if len(masters) > ask.MaxRows {
		return nil, nil, fmt.Errorf("more than %d masters", ask.MaxRows)
	}
	return masters, nil, nil
}
