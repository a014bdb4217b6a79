package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// Get shows a whole Redis Cluster from any of its nodes: the entry node is asked for
// the shape of the cluster, then all other nodes in parallel for their state and for
// the nodes that they see failing, with one round trip each and within the deadline of
// the request. If a node does not answer, the answer is partial, not late.
//
// The document shows the cluster as the entry node sees it. A node that is cut off sees
// all others failing: while its own state is fail and most masters with slots say ok,
// the view of one of those is shown instead. views.of names the node whose view it is.
//
// While the entry node does not answer, a node that it listed within the last day stands
// in for it; entry_reason and entry_error say why. So does one for an hour when the entry
// node has lost the cluster (it was reset, or has lost nodes.conf): its state is fail, it
// lists none of these nodes, and they still list it.
//
// A server that is not part of a cluster is up, with cluster_enabled 0 and nothing
// more. One that answers and refuses CLUSTER NODES (a user without the permission, a
// proxy) is up, with what INFO and CLUSTER INFO tell, and unavailable.cluster_nodes.
// Otherwise, in addition to the head (up: the entry node answered):
//
//	cluster_enabled  1
//	entry_reason, entry_error
//	                 why another node stands in for the entry node; left out where none
//	                 does
//	state            ok or fail, as the node judges whose view it is; known_nodes, size
//	                 (masters with slots), current_epoch: all of its CLUSTER INFO
//	slots            assigned, ok, pfail and fail as CLUSTER INFO counts them;
//	                 uncovered: slots that no node has, or only one with the flag fail,
//	                 or with the flag noaddr of which no other node has the address;
//	                 uncovered_ranges of those, as "0-5460 5462"
//	shards           a row per master that has slots, in their order: shard (its
//	                 first slot, a name that survives a failover), slots, slot_count,
//	                 state (ok, pfail, fail: as the master is seen; fail also when it
//	                 alone says so of itself and refuses commands, and when no node has
//	                 an address of it; pfail when only others have one),
//	                 master {"id","addr"}, replicas [{"id","addr"}], has_replica (0
//	                 when each is failing, or says that it has not been synchronized
//	                 since it was started), takes_over (0 when none becomes the master by
//	                 itself with its data: each is such a one, has the flag nofailover, or
//	                 says that it has been without its master for more than half an hour;
//	                 with the defaults it gives up after 160 seconds, see
//	                 cluster-replica-validity-factor), keys, memory (bytes) and ops
//	                 (commands per second since an earlier poll) of the master
//	nodes            a row per node, sorted by address: id, addr (of two nodes with one
//	                 address, and of one without, with the begin of its id behind),
//	                 ip, hostname, role, shard, master (its id), flags
//	                 ("master,fail"), link (connected,
//	                 disconnected), epoch, slot_count, state (ok or fail, what it says
//	                 of itself), seen_failing (how many nodes
//	                 see it failing: fail?, fail, noaddr) and seen_failing_by (their addresses, at
//	                 most maxWitnesses), failing (1 when it counts as failing, see
//	                 there); up, reason, error; keys, used_memory,
//	                 maxmemory, ops, clients; for a replica link_up (to its master),
//	                 lag_bytes and lag (seconds since the master heard from it)
//	views            asked: how many nodes told what they see; distinct: how many
//	                 pictures of the state, roles, failures and slots that made; of: the
//	                 address of the node whose view the document shows
//	views_disagree   1 when there is more than one
//	masters_without_replica
//	                 shards with has_replica 0
//	failing          nodes that any node sees in fail? or fail, or has no address of
//	                 (noaddr). One that answers and says ok of itself does not count for
//	                 what a node in state fail sees
//	refusing         nodes that answer and whose own state is fail: they refuse commands
//	                 on keys with CLUSTERDOWN, but for reads where
//	                 cluster-allow-reads-when-down is yes. Left out when no node told
//	                 its state. refusing_nodes has their addresses
//	skew             of slots, keys, memory and ops: the largest shard divided by the
//	                 average one; 1 is even. Left out while there is nothing
//	moving           slots under way: slot, state (migrating, importing), node, other;
//	                 and the atomic migrations of Valkey 9 and Redis 8.4: migration
//	                 (its id), slots, operation (import, export), state (the server's
//	                 word), active (0 for one that failed or was canceled within the
//	                 last half hour), message, node, other
//	partial          true when not every node answered, or not every line of CLUSTER
//	                 NODES could be read
//	unanswered       those: id, addr, reason, error
//
// and unavailable and truncated as in redis.get, and unreadable {"nodes":1} with
// the number of lines of CLUSTER NODES that could not be read.
//
// A node is contacted at its announced name, because its certificate may be for that
// name, or the name leads through a NAT. If it has no name, or the name does not
// resolve, it is contacted at its address; other keys do so as well. The first maxViews nodes are asked who they
// are, so that another server at the address of a node is recognized.
var Get = &item.Metric{
	Key:         "redis.cluster.get",
	Description: "Returns the state of a whole cluster, its shards and nodes, as JSON from any of its nodes.",
	Params:      item.ConnParams(),
	Commands:    []string{"info", "cluster|info", "cluster|nodes", "cluster|getslotmigrations", "cluster|migration"},
	Collect:     collect,
}

const (
	// maxViews bounds the nodes that are asked who they are and whom they see
	// failing: their replies grow with the square of the cluster.
	maxViews = 128
	// offMemory marks a server that is no cluster, so that it is not
	// asked again what it counts as errors.
	offMemory = "redis.cluster.get off"
)

// member is a node, as the entry node sees it, and what it said itself.
type member struct {
	node
	shard   string // name of its shard, or ""
	asked   bool
	err     error // why it did not answer
	figures nodeFigures
	noInfo  error  // why it has no figures though it answered
	view    *view  // nil when it was not asked, or did not tell
	state   string // ok or fail by its own CLUSTER INFO; "" when not known
	noState error  // why not, though it answered

	migrations []migration
	refused    error // why it did not tell of its migrations
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t, q := r.Target, newQuestions()
	asked := []*ask.Part{q.info, q.state, q.nodes}
	if off, _ := t.Memory.Load(offMemory); off == true {
		if err := ask.Do(ctx, t, q.info); err != nil {
			return ask.Down(w, t.Name, err)
		}
		if isOff(q.info, nil) {
			writeOff(w, t.Name, q.info)
			return nil
		}
		asked = asked[1:]
	}
	// What was refused is not sent again, but for a refusal that another server gave.
	refusal := q.nodes.RefusedBefore(t)
	q.nodes.Must = refusal == nil || isAlone(refusal)
	if err := askEntry(ctx, t, asked); err != nil {
		c := askStandIn(ctx, t, standInsOf(t).nodes, func(*cluster) bool { return true })
		if c == nil {
			return ask.Down(w, t.Name, err)
		}
		c.entryErr = err
		c.finish(ctx, w)
		return nil
	}
	t.Memory.Store(offMemory, false)
	if q.nodes.Err != nil {
		q.nodes.Err = cmp.Or(ask.StateProblem(q.info, q.state), q.nodes.Err)
		writeUntold(w, t, q)
		return nil
	}
	c, err := newCluster(t, q.nodes)
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	c.info, c.state = q.info, q.state
	if other := c.askInPlace(ctx, standInsOf(t)); other != nil {
		other.finish(ctx, w)
		return nil
	}
	c.finish(ctx, w)
	c.remember(t)
	return nil
}

// askEntry leaves half of the time for others, where there are any.
func askEntry(ctx context.Context, t *item.Target, parts []*ask.Part) error {
	if len(standInsOf(t).nodes) > 0 {
		half, cancel := ask.HalfOf(ctx)
		defer cancel()
		ctx = half
	}
	return ask.Do(ctx, t, parts...)
}

// finish asks the other nodes and writes the answer.
func (c *cluster) finish(ctx context.Context, w *jsondoc.Writer) {
	c.now = time.Now()
	c.askAll(ctx)
	c.rate()
	c.nameRows()
	c.write(w)
}

// isOff reports whether the server is no cluster: by INFO, else by what it
// says to CLUSTER.
func isOff(reply *ask.Part, err error) bool {
	if enabled := enabledBy(reply); enabled != "" {
		return enabled == "0"
	}
	return err != nil && strings.Contains(err.Error(), "cluster support disabled")
}

// enabledBy is cluster_enabled of INFO; "" when that does not tell.
func enabledBy(reply *ask.Part) string {
	text, err := info.Reply(reply.Value)
	if reply.Err != nil || err != nil {
		return ""
	}
	x, err := info.Scan(text, nil, nil)
	if err != nil {
		return ""
	}
	enabled, _ := x.Field("cluster", "cluster_enabled")
	return string(enabled)
}

// cluster is everything that one check learns.
type cluster struct {
	target      *item.Target
	info, state *ask.Part // of the entry node
	members     []*member
	entry       *member // nil when the view names no "myself"
	entryErr    error   // why another node stands in for the configured one, which entry is then
	now         time.Time

	// What follows is of the node whose view is shown: of the entry, or see outvoted.
	viewer     *member           // nil when the view names no "myself"
	fields     map[string]string // of CLUSTER INFO
	unreadable int               // lines
	others     pictures
	lost       lost
}

// newCluster reads the entry node's view.
func newCluster(t *item.Target, reply *ask.Part) (*cluster, error) {
	view, unreadable, err := nodesReply(reply)
	if err != nil {
		return nil, err
	}
	c := &cluster{target: t, unreadable: unreadable}
	here, _ := ask.Connection(t)
	for _, n := range view {
		m := &member{node: n}
		if n.is("myself") && c.entry == nil {
			c.entry, c.viewer = m, m
			m.view = newView(view)
			if strings.HasPrefix(n.addr, ":") { // it has met nobody yet
				m.addr = cmp.Or(here.Addr, m.addr)
			}
		}
		c.place(m, here.Addr)
		c.members = append(c.members, m)
	}
	c.arrange()
	return c, nil
}

// place finds the address of a member's row, which is also where it is asked. here is
// where the connection to the entry ends.
func (c *cluster) place(m *member, here string) {
	if strings.HasPrefix(m.addr, ":") && m != c.entry { // that is not known of others
		m.addr = ""
	}
	if m.hostname != "" && isLoopback(m.ip) && !atLoopback(c.target, here) {
		m.addr = net.JoinHostPort(m.hostname, m.port)
	}
}

// arrange sorts the members and names their shards.
func (c *cluster) arrange() {
	slices.SortStableFunc(c.members, func(a, b *member) int { return strings.Compare(a.addr+a.id, b.addr+b.id) })
	c.nameShards()
}

func nodesReply(reply *ask.Part) (nodes []node, unreadable int, err error) {
	text, err := reply.Value.Text()
	if err != nil {
		return nil, 0, fmt.Errorf("CLUSTER NODES: %w", err)
	}
	return parseNodes(text)
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

func firstSlot(m *member) int {
	first := totalSlots
	for _, r := range m.slots {
		first = min(first, r.first)
	}
	return first
}
