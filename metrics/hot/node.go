package hot

import (
	"context"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// orders are what slots are ordered by. The first always answers, the others where
// cluster-slot-stats-enabled is on.
var orders = [...]string{"key-count", "cpu-usec", "network-bytes-in", "network-bytes-out"}

// node is a server and what it tells.
type node struct {
	id, addr string
	target   *item.Target
	err      error // why another node did not answer
	replica  bool  // it has no slots of its own

	config  *ask.Part
	hotkeys *ask.Part // nil where the server has no such command
	slots   [len(orders)]*ask.Part

	keys    *hotKeys
	slotsBy [len(orders)][]slot
}

// configPart asks whether slots' work is counted. A server without the setting
// answers with nothing.
func configPart() *ask.Part {
	return &ask.Part{Name: "config", Cmd: redisclient.Command{"CONFIG", "GET", "cluster-slot-stats-enabled"}}
}

// newNode is a node with the questions that a server like id knows; another node of
// a cluster is taken to be like the one that was asked first.
func newNode(nodeID, addr string, t *item.Target, err error, id *info.Identity, inCluster bool, config *ask.Part) *node {
	n := &node{id: nodeID, addr: addr, target: t, err: err, config: config}
	if id.AtLeast("redis", 8, 6) {
		n.hotkeys = &ask.Part{Name: "keys", Cmd: redisclient.Command{"HOTKEYS", "GET"}}
	}
	if inCluster && (id.AtLeast("redis", 8, 2) || id.AtLeast("valkey", 8, 0)) {
		for i, by := range orders {
			n.slots[i] = &ask.Part{Name: "slots", Cmd: redisclient.Command{"CLUSTER", "SLOT-STATS", "ORDERBY", by, "LIMIT", strconv.Itoa(candidates)}}
		}
	}
	return n
}

// statsOff reports whether the server says that it does not count.
func (n *node) statsOff() bool {
	if n.config.Err != nil {
		return false
	}
	params, err := ask.ConfigParams(n.config.Value)
	return err == nil && len(params) == 1 && params[0].Value == "no"
}

// parts are the questions that are worth sending. Where nothing is counted, the
// other orders than the first are refused in advance.
func (n *node) parts(off bool) []*ask.Part {
	var out []*ask.Part
	if n.hotkeys != nil {
		out = append(out, n.hotkeys)
	}
	for i, part := range n.slots {
		switch {
		case part == nil:
		case i > 0 && off:
			part.Err = errStatsOff
		default:
			out = append(out, part)
		}
	}
	return out
}

// countsMemory is where another node's Memory has whether it counted at the last
// poll.
const countsMemory = "redis.hot.get counts"

// ask asks another node of a cluster, all in one round trip. Whether it counts is
// known from the last poll; of the first it is found out by asking.
func (n *node) ask(ctx context.Context) error {
	view := cluster.NodesPart()
	known, _ := n.target.Memory.Load(countsMemory)
	off := known == false
	parts := append([]*ask.Part{view, n.config}, n.parts(off)...)
	if err := ask.Do(ctx, n.target, parts...); err != nil {
		return err
	}
	if err := cluster.IsNode(n.id, view); err != nil {
		return err
	}
	counts := !n.statsOff()
	n.target.Memory.Store(countsMemory, counts)
	for _, part := range n.slots[1:] {
		if part != nil && (off || !counts) {
			part.Forget(n.target) // it is refused while nothing is counted, and no longer
			part.Err = errStatsOff
		}
	}
	n.read()
	return nil
}

// read reads the replies.
func (n *node) read() {
	if n.hotkeys != nil && n.hotkeys.Err == nil {
		n.keys, n.hotkeys.Err = parseHotkeys(n.hotkeys.Value)
	}
	for i, part := range n.slots {
		if part != nil && part.Err == nil && !n.replica {
			n.slotsBy[i], _, part.Err = ask.RowsOf(part.Value, "slot", parseSlot)
		}
	}
}
