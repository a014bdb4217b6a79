package metrics

import (
	"context"
	"fmt"

	"redisjobs/redisclient"
)

// clusterMaster is a master that has slots.
type clusterMaster struct {
	addr   string
	target *Target // nil with err
	err    error   // why it cannot be asked
}

// askMasters asks a node of a cluster for the masters that have slots, and
// returns them in the order of their addresses, or the node's refusal to tell.
func askMasters(ctx context.Context, t *Target) (masters []clusterMaster, refusal, err error) {
	ctx, cancel := context.WithTimeout(ctx, sliceLimit)
	defer cancel()
	nodes := &part{name: "cluster_nodes", cmd: redisclient.Command{"CLUSTER", "NODES"}}
	if err := askParts(ctx, t, nodes); err != nil {
		return nil, nil, err
	}
	if err := stateProblem(nodes); err != nil || nodes.err != nil {
		return nil, nodes.err, err
	}
	c, err := newCluster(t, nodes)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range c.members {
		if len(m.slots) == 0 {
			continue
		}
		master := clusterMaster{addr: m.addr, target: t}
		switch {
		case m == c.entry:
		case m.addr == "":
			master.err = errNoAddress
		default:
			master.target, master.err = t.Peer(m.addr)
		}
		masters = append(masters, master)
	}
	if len(masters) > maxRows {
		return nil, nil, fmt.Errorf("more than %d masters", maxRows)
	}
	return masters, nil, nil
}
