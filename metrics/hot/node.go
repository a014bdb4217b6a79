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
// cluster-slot-stats-enabled is on. Each takes the server some 3 ms, whose slots it
// sorts, so that no more than two are sent at once but at the first poll; and there is
// none for the bytes that are sent, as a slot that sends much is among those that
// receive much or take much CPU time.
var orders = [...]string{"key-count", "cpu-usec", "network-bytes-in"}

// abilities are what a server can tell.
type abilities struct{ inCluster, hotkeys, slots bool }

func abilitiesOf(id *info.Identity, inCluster bool) abilities {
	return abilities{
		inCluster: inCluster, hotkeys: id.AtLeast("redis", 8, 6),
		slots: inCluster && (id.AtLeast("redis", 8, 2) || id.AtLeast("valkey", 8, 0)),
	}
}

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

// newNode is a node with the questions that a server knows which can do that.
// Whether it counts what slots do is asked, too: a server without the setting
// answers with nothing.
func newNode(t *item.Target, can abilities) *node {
	n := &node{target: t, config: &ask.Part{Name: "config", Cmd: redisclient.Command{"CONFIG", "GET", "cluster-slot-stats-enabled"}}}
	if can.hotkeys {
		n.hotkeys = &ask.Part{Name: "keys", Cmd: redisclient.Command{"HOTKEYS", "GET"}}
	}
	if can.slots {
		for i, by := range orders {
			n.slots[i] = &ask.Part{Name: "slots", Cmd: redisclient.Command{"CLUSTER", "SLOT-STATS", "ORDERBY", by, "LIMIT", strconv.Itoa(maxCandidates)}}
		}
	}
	return n
}

// first are the questions that such a server always knows.
func (n *node) first() []*ask.Part {
	var out []*ask.Part
	for _, part := range []*ask.Part{n.hotkeys, n.slots[0]} {
		if part != nil {
			out = append(out, part)
		}
	}
	return out
}

// more are the questions for the slots' work. Where the server says that it does not
// count it, there are none.
func (n *node) more() []*ask.Part {
	if n.slots[0] == nil || n.replica {
		return nil
	}
	params, err := ask.ConfigParams(n.config.Value)
	if n.config.Err == nil && err == nil && len(params) == 1 && params[0].Value == "no" {
		for _, part := range n.slots[1:] {
			part.Err = errStatsOff
		}
		return nil
	}
	return n.slots[1:]
}

// askMore asks those. A conversation that fails here costs these parts alone.
func askMore(ctx context.Context, t *item.Target, parts []*ask.Part) {
	if len(parts) == 0 {
		return
	}
	if err := ask.Do(ctx, t, parts...); err != nil {
		for _, part := range parts {
			part.Err = err
		}
	}
}

// ask asks another node of a cluster, in two round trips.
func (n *node) ask(ctx context.Context) error {
	id := cluster.IDPart()
	if err := ask.Do(ctx, n.target, append([]*ask.Part{id, n.config}, n.first()...)...); err != nil {
		return err
	}
	if err := cluster.IsNode(n.id, id); err != nil {
		return err
	}
	askMore(ctx, n.target, n.more())
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
