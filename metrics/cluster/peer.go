package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
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

// peerOf is the target of a node: its announced name, which is what certificates
// and ways through a NAT are made for, else its address. Where the name does not
// resolve the address is tried, unless that is a loopback address: those that
// servers print with a name are their own and not ours.
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
	byName, err := t.Peer(net.JoinHostPort(n.ip, n.port) + "," + n.hostname)
	if err != nil || n.ip == "" || isLoopback(n.ip) {
		return byName, err
	}
	both := *byName
	way := &nameOrAddr{byName: byName, find: func() (*item.Target, error) { return t.Peer(net.JoinHostPort(n.ip, n.port)) }}
	both.Doer, both.ConnInfo = way, way.connection
	return &both, nil
}

// nameOrAddr asks a server by its name, and by its address where the name does
// not resolve. Only then the address is one more target.
type nameOrAddr struct {
	byName *item.Target
	find   func() (*item.Target, error)
	byAddr atomic.Pointer[item.Target]
}

func (d *nameOrAddr) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	values, err := d.byName.DoAll(ctx, cmds...)
	if err == nil || redisclient.ReasonOf(err) != redisclient.ReasonDNS {
		return values, err
	}
	t, notFound := d.find()
	if notFound != nil {
		return nil, err
	}
	d.byAddr.Store(t)
	return t.DoAll(ctx, cmds...)
}

func (d *nameOrAddr) connection() (redisclient.ConnInfo, bool) {
	if info, ok := ask.Connection(d.byName); ok {
		return info, ok
	}
	if t := d.byAddr.Load(); t != nil {
		return ask.Connection(t)
	}
	return redisclient.ConnInfo{}, false
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

const opStranger = "cluster"

// strangerError says that another server has got a node's address.
func strangerError(what string) error {
	return &redisclient.Error{
		Op: opStranger, Reason: redisclient.ReasonProtocol, Err: fmt.Errorf("another node answers here: %s", what),
	}
}

func isStranger(err error) bool {
	var e *redisclient.Error
	return errors.As(err, &e) && e.Op == opStranger
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
