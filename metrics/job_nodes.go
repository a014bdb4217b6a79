package metrics

import (
	"context"
	"fmt"

	"redisjobs/metrics/jobs"
	"redisjobs/redisclient"
)

// jobsTarget is a target as the search for job systems sees it: one that knows
// the masters of its cluster.
type jobsTarget struct {
	redisclient.Doer
	target *Target
}

var _ jobs.Cluster = jobsTarget{}

// Masters implements jobs.Cluster.
func (t jobsTarget) Masters(ctx context.Context) ([]jobs.Node, error) {
	if t.target.Peer == nil {
		return nil, nil
	}
	x, err := askServer(ctx, t.target)
	if err != nil || x == nil { // without INFO nobody knows
		return nil, err
	}
	if enabled, _ := x.field("cluster", "cluster_enabled"); string(enabled) != "1" {
		return nil, nil
	}
	masters, refusal, err := askMasters(ctx, t.target)
	if refusal != nil {
		return nil, fmt.Errorf("CLUSTER NODES: %w: the keys of this node alone are searched", refusal)
	}
	out := make([]jobs.Node, len(masters))
	for i, m := range masters {
		out[i] = jobs.Node{Addr: m.addr, Doer: m.target, Err: m.err}
	}
	return out, err
}
