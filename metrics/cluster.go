package metrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient"
)

// clusterMetric shows a whole Redis Cluster from any of its nodes: the entry
// node is asked what the cluster looks like, then all others side by side how
// they are and whom they see failing, one round trip each, within the check's
// deadline. Who does not answer makes the document partial, not late.
//
// A server that is no cluster is up, with cluster_enabled 0 and nothing more.
// Else, beside the head (up: the entry node answered):
//
//	cluster_enabled  1
//	state            ok or fail, as the entry node judges; known_nodes, size (masters
//	                 with slots), current_epoch: all of CLUSTER INFO
//	slots            assigned, ok, pfail and fail as CLUSTER INFO counts them;
//	                 uncovered: slots that no node has, or only one in state fail;
//	                 uncovered_ranges of those, as "0-5460 5462"
//	shards           a row per master that has slots, in their order: shard (its
//	                 first slot, a name that survives a failover), slots, slot_count,
//	                 state (ok, pfail, fail: as the entry node sees the master),
//	                 master {"id","addr"}, replicas [{"id","addr"}], has_replica (0
//	                 when every replica is failing), keys, memory (bytes) and ops
//	                 (commands per second) of the master
//	nodes            a row per node, sorted by address: id, addr, hostname, role,
//	                 shard, master (its id), flags ("master,fail"), link (connected,
//	                 disconnected), epoch, slot_count, seen_failing (how many nodes
//	                 see it in fail? or fail) and seen_failing_by (their addresses, at
//	                 most maxWitnesses); up, reason, error; keys, used_memory,
//	                 maxmemory, ops, clients; for a replica link_up (to its master),
//	                 lag_bytes and lag (seconds since the master heard from it)
//	views            asked: how many nodes told what they see; distinct: how many
//	                 pictures of roles, failures and slots that made
//	views_disagree   1 when there is more than one
//	masters_without_replica
//	                 shards with has_replica 0
//	failing          nodes that any node sees in fail? or fail
//	skew             of slots, keys, memory and ops: the largest shard divided by the
//	                 average one; 1 is even. Left out while there is nothing
//	moving           slots under way: slot, state (migrating, importing), node, other
//	partial          true when not every node answered
//	unanswered       those: id, addr, reason, error
//
// and unavailable and truncated as in redis.get.
var clusterMetric = &Metric{
	Key:         "redis.cluster.get",
	Description: "Returns the state of a whole cluster, its shards and nodes, as JSON from any of its nodes.",
	Params:      connParams(),
	Commands:    []string{"info", "cluster|info", "cluster|nodes"},
	Collect:     collectCluster,
}

const (
	// maxViews bounds the nodes that are asked whom they see failing: their
	// replies grow with the square of the cluster.
	maxViews = 128
	// clusterOffMemory marks a server that is no cluster, so that it is not
	// asked again what it counts as errors.
	clusterOffMemory = "redis.cluster.get off"
)

// clusterMember is a node, as the entry node sees it, and what it said itself.
type clusterMember struct {
	clusterNode
	shard   string // name of its shard, or ""
	err     error  // why it did not answer
	figures nodeFigures
	view    *clusterView // nil when it was not asked, or did not tell
}

var errNoAddress = &redisclient.Error{
	Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("the cluster knows no address of this node"),
}

func collectCluster(ctx context.Context, r *Request) (string, error) {
	t := r.Target
	info := part{name: "info", cmd: redisclient.Command{"INFO"}}
	state := part{name: "cluster_info", cmd: redisclient.Command{"CLUSTER", "INFO"}}
	nodes := part{name: "cluster_nodes", cmd: redisclient.Command{"CLUSTER", "NODES"}, must: true}
	asked := []*part{&info, &state, &nodes}
	if off, _ := t.Memory.Load(clusterOffMemory); off == true {
		if err := askParts(ctx, t, &info); err != nil {
			return downDocument(t.Name, err), nil
		}
		if clusterOff(&info, nil) {
			return clusterOffDocument(t.Name, &info), nil
		}
		asked = asked[1:]
	}
	if err := askParts(ctx, t, asked...); err != nil {
		return downDocument(t.Name, err), nil
	}
	t.Memory.Store(clusterOffMemory, false)
	if nodes.err != nil {
		if clusterOff(&info, nodes.err) {
			t.Memory.Store(clusterOffMemory, true)
			t.Memory.Store(state.memoryName(), refusal{}) // it holds for this state only
			return clusterOffDocument(t.Name, &info, &state, &nodes), nil
		}
		return downDocument(t.Name, fmt.Errorf("CLUSTER NODES: %w", nodes.err)), nil
	}
	c, err := newCluster(t, &nodes)
	if err != nil {
		return downDocument(t.Name, err), nil
	}
	c.info, c.state = &info, &state
	c.gather(ctx)
	return c.document(), nil
}

// clusterOff reports whether the server is no cluster: by INFO, else by what it
// says to CLUSTER.
func clusterOff(info *part, err error) bool {
	if text, e := infoReply(info.value); info.err == nil && e == nil {
		if x, e := scanInfo(text, nil, nil); e == nil {
			if enabled, ok := x.field("cluster", "cluster_enabled"); ok {
				return string(enabled) == "0"
			}
		}
	}
	return err != nil && strings.Contains(err.Error(), "cluster support disabled")
}

// cluster is everything that one check learns.
type cluster struct {
	target      *Target
	info, state *part // of the entry node
	members     []*clusterMember
	entry       *clusterMember // nil when the view names no "myself"
}

// newCluster reads the entry node's view.
func newCluster(t *Target, reply *part) (*cluster, error) {
	view, err := nodesReply(reply)
	if err != nil {
		return nil, err
	}
	c := &cluster{target: t}
	for _, n := range view {
		m := &clusterMember{clusterNode: n}
		if n.is("myself") && c.entry == nil {
			c.entry = m
			m.view = newClusterView(view)
			if strings.HasPrefix(n.addr, ":") { // it has met nobody yet
				if info, ok := newestConnection(t); ok && info.Addr != "" {
					m.addr = info.Addr
				}
			}
		}
		c.members = append(c.members, m)
	}
	slices.SortStableFunc(c.members, func(a, b *clusterMember) int { return strings.Compare(a.addr+a.id, b.addr+b.id) })
	c.nameShards()
	return c, nil
}

func nodesReply(reply *part) ([]clusterNode, error) {
	text, err := reply.value.Text()
	if err != nil {
		return nil, fmt.Errorf("CLUSTER NODES: %w", err)
	}
	return parseClusterNodes(text)
}

// nameShards calls a shard by the first slot of its master, for both its master
// and its replicas.
func (c *cluster) nameShards() {
	names := make(map[string]string)
	for _, m := range c.members {
		if len(m.slots) > 0 {
			names[m.id] = fmt.Sprint(firstSlot(m))
		}
	}
	for _, m := range c.members {
		m.shard = names[m.id]
		if m.shard == "" && m.master != "" {
			m.shard = names[m.master]
		}
	}
}

func firstSlot(m *clusterMember) int {
	first := clusterSlots
	for _, r := range m.slots {
		first = min(first, r.first)
	}
	return first
}

// gather asks the nodes for their figures and views. Those that are seen
// failing come last, so that they cannot take the time of the others.
func (c *cluster) gather(ctx context.Context) {
	if c.entry != nil {
		c.entry.err = c.entry.read(c.info)
	}
	var others []*clusterMember
	for _, m := range c.members {
		if m != c.entry {
			others = append(others, m)
		}
	}
	slices.SortStableFunc(others, func(a, b *clusterMember) int { return number(a.failing()) - number(b.failing()) })
	if len(others) > maxRows {
		for _, m := range others[maxRows:] {
			m.err = fmt.Errorf("more than %d nodes: it was not asked", maxRows)
		}
		others = others[:maxRows]
	}
	ctx, cancel := beforeDeadline(ctx)
	defer cancel()
	sideBySide(len(others), func(i int) {
		others[i].err = c.ask(ctx, others[i], i < maxViews)
	}, func(i int, err error) { others[i].err = err })
}

// ask asks one node.
func (c *cluster) ask(ctx context.Context, m *clusterMember, forView bool) error {
	if m.addr == "" || m.is("handshake") || strings.HasSuffix(m.addr, ":0") {
		return errNoAddress
	}
	peer, err := c.target.Peer(m.addr)
	if err != nil {
		return err
	}
	info := part{name: "info", cmd: redisclient.Command{"INFO"}}
	nodes := part{name: "cluster_nodes", cmd: redisclient.Command{"CLUSTER", "NODES"}}
	parts := []*part{&info}
	if forView {
		parts = append(parts, &nodes)
	}
	if err := askParts(ctx, peer, parts...); err != nil {
		return err
	}
	if forView && nodes.err == nil {
		view, err := nodesReply(&nodes)
		if err != nil {
			return err
		}
		m.view = newClusterView(view)
	}
	if forView && nodes.err != nil && !lasting(nodes.err) {
		return nodes.err
	}
	return m.read(&info)
}
