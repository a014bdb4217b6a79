package cluster

import (
	"fmt"
	"net"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// Node is a node of a cluster as the node that was asked sees it.
type Node struct {
	ID string
	// Addr is host:port for clients or, where there is no address, the begin of the id as
	// "(4816fa4f)".
	Addr string
	// Host is the IP address, or the announced name where that is all there is.
	Host     string
	Hostname string // what it announces, or ""
	Master   string // the id of a replica's master, or ""
	// Slots is how many slots it serves; 0 for a replica.
	Slots   int
	Failing bool // in fail? or fail, or without an address (noaddr)
	// TakesOver: if it is a replica, it becomes the master when that fails.
	TakesOver bool
	// Target is nil with Err. That of the node that was asked is its own.
	Target *item.Target
	Err    error // why it cannot be asked
}

// NodesPart is the command whose answer ReadNodes reads.
func NodesPart() *ask.Part {
	return &ask.Part{Name: "cluster_nodes", Cmd: redisclient.Command{"CLUSTER", "NODES"}}
}

// ReadNodes reads the answer of t to NodesPart: the nodes in the order of their
// addresses, and how many lines cannot be read. entry is the one that was asked,
// -1 when the answer names none.
func ReadNodes(t *item.Target, reply *ask.Part) (nodes []Node, entry, unreadable int, err error) {
	if reply.Err != nil {
		return nil, -1, 0, reply.Err
	}
	c, err := newCluster(t, reply)
	if err != nil {
		return nil, -1, 0, err
	}
	entry = -1
	for i, m := range c.members {
		n := Node{ID: m.id, Addr: m.addr, Host: m.ip, Hostname: m.hostname, Master: m.master, Slots: m.slotCount(), Failing: m.failing(), TakesOver: m.takesOver(), Target: t}
		if n.Host == "" {
			n.Host = m.hostname
		}
		if n.Host == "" {
			n.Host, _, _ = net.SplitHostPort(m.addr)
		}
		if m == c.entry {
			entry = i
		} else {
			n.Target, n.Err = peerOf(t, &m.node, m.addr)
		}
		if n.Addr == "" {
			n.Addr = nameOf("", m.id)
		}
		nodes = append(nodes, n)
	}
	return nodes, entry, c.unreadable, nil
}

// IDPart asks a node for its id. The answer is short, whatever the size of the
// cluster.
func IDPart() *ask.Part {
	return &ask.Part{Name: "cluster_myid", Cmd: redisclient.Command{"CLUSTER", "MYID"}}
}

// IsNode is nil when the answer to IDPart is that of the node with the id, or says
// nothing of it because the user may not ask: another server may have got the
// node's address.
func IsNode(id string, reply *ask.Part) error {
	switch {
	case reply.Err != nil && isAlone(reply.Err):
		return strangerError("a server that is no node of a cluster")
	case reply.Err != nil && ask.Lasting(reply.Err):
		return nil
	case reply.Err != nil:
		return reply.Err
	}
	is, err := reply.Value.Text()
	if err != nil {
		return fmt.Errorf("CLUSTER MYID: %w", err)
	}
	if is != id {
		return strangerError("the node " + string(ask.ClipBytes([]byte(is))))
	}
	return nil
}
