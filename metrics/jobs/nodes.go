package jobs

import (
	"context"
	"fmt"

	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// target is a target as the search for job systems sees it: one that knows
// the masters of its cluster.
type target struct {
	redisclient.Doer
	target *item.Target
}

var _ wholeCluster = target{}

// Masters implements jobs.Cluster.
func (t target) Masters(ctx context.Context) ([]node, error) {
	if t.target.Peer == nil {
		return nil, nil
	}
	x, err := info.Ask(ctx, t.target)
	if err != nil || x == nil { // without INFO nobody knows
		return nil, err
	}
	if enabled, _ := x.Field("cluster", "cluster_enabled"); string(enabled) != "1" {
		return nil, nil
	}
	masters, refusal, err := cluster.Masters(ctx, t.target)
	if refusal != nil {
		return nil, fmt.Errorf("CLUSTER NODES: %w: the keys of this node alone are searched", refusal)
	}
	out := make([]node, len(masters))
	for i, m := range masters {
		out[i] = node{Addr: m.Addr, Doer: m.Target, Err: m.Err}
	}
	return out, err
}
