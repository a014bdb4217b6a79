package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

var (
	errNoAddress = &redisclient.Error{
		Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("the cluster knows no address of this node"),
	}
	errHandshake = &redisclient.Error{
		Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("the node is in handshake and was not asked: " +
			"it has not answered the cluster since CLUSTER MEET"),
	}
)

// peer is the target of a member.
func (c *cluster) peer(m *member) (*item.Target, error) { return peerOf(c.target, &m.node, m.addr) }

// peerOf is the target of a node: of its announced name, else of its address. Who dials
// tries the address, too, where the name does not resolve.
func peerOf(t *item.Target, n *node, addr string) (*item.Target, error) {
	if n.is("handshake") {
		return nil, errHandshake
	}
	if addr == "" || n.port == "" {
		return nil, errNoAddress
	}
	if n.hostname == "" {
		return t.Peer(addr)
	}
	return t.Peer(net.JoinHostPort(n.ip, n.port) + "," + n.hostname)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// atLoopback reports whether the target is on this machine; addr is where its
// connection ends, if that is known.
func atLoopback(t *item.Target, addr string) bool {
	if addr == "" {
		_, addr, _ = strings.Cut(t.Name, "://")
		addr, _, _ = strings.Cut(strings.TrimSuffix(addr, ")"), "/")
	}
	host, _, err := net.SplitHostPort(addr)
	host = cmp.Or(host, addr)
	return err == nil && (isLoopback(host) || host == "localhost")
}

var errStranger = errors.New("another node answers here")

// strangerError says that another server has got a node's address.
func strangerError(what string) error {
	return &redisclient.Error{Op: "cluster", Reason: redisclient.ReasonProtocol, Err: fmt.Errorf("%w: %s", errStranger, what)}
}

// isAlone knows the words of a server that is no cluster.
func isAlone(err error) bool {
	return err != nil && strings.Contains(err.Error(), "cluster support disabled")
}

// nameRows gives each member an address of its own, which names its row: of those
// that have the same one, the node that answered there keeps it.
func (c *cluster) nameRows() {
	owner := make(map[string]*member)
	for _, m := range c.members {
		o := owner[m.addr]
		if m.addr != "" && (o == nil || o.err != nil && (m.err == nil || o.failing() && !m.failing())) {
			owner[m.addr] = m
		}
	}
	for _, m := range c.members {
		if owner[m.addr] != m {
			m.addr = nameOf(m.addr, m.id)
		}
	}
}

// nameOf is how a node is called that has no address, or one that another node has too.
func nameOf(addr, id string) string {
	return strings.TrimLeft(fmt.Sprintf("%s (%.8s)", addr, id), " ")
}
