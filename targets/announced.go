package targets

import (
	"context"
	"strings"
	"sync/atomic"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// peer is another server for metrics, by what conf.Options.Peer takes.
func (t *target) peer(addr string) (*item.Target, error) {
	peer, err := t.at(addr)
	if err != nil {
		return nil, err
	}
	plain := beside(addr)
	if plain == "" {
		return &peer.public, nil
	}
	both := peer.public
	way := &nameOrAddr{namedBy: t, byName: peer, plain: plain, doer: func(t *target) redisclient.Doer { return t.public.Doer }}
	both.Doer, both.ConnInfo = way, way.connInfo
	return &both, nil
}

// node is another server for a router, which does the routing itself.
func (t *target) node(addr string) (redisclient.Doer, error) {
	peer, err := t.at(addr)
	if err != nil {
		return nil, err
	}
	if plain := beside(addr); plain != "" {
		return &nameOrAddr{namedBy: t, byName: peer, plain: plain, doer: func(t *target) redisclient.Doer { return &t.batch }}, nil
	}
	return &peer.batch, nil
}

// beside is the IP address, with its port, beside which a server announces a name; ""
// when it announces none, or nothing else.
func beside(addr string) string {
	plain, name, _ := strings.Cut(addr, ",")
	if name == "" || !plainIP(plain).IsValid() {
		return ""
	}
	return plain
}

// atAddress is a server at its address, where its name does not resolve; nil when that
// address is not to be dialed: a loopback address of another machine is its own and not
// ours, and AddressMap and PeersAllowed go before.
func (t *target) atAddress(plain string, byName *target) *target {
	there, err := t.rt.options.Peer(t.conf, plain, t.here())
	if err != nil || there == byName.conf || plainIP(there.Address()) != plainIP(plain) {
		return nil
	}
	found, err := t.at(plain)
	if err != nil {
		return nil
	}
	return found
}

// nameOrAddr asks a server by the name that it announces, which is what certificates and
// ways through a NAT are made for, and by its address where the name does not resolve.
// Only then the address is one more target.
type nameOrAddr struct {
	namedBy, byName *target
	plain           string
	doer            func(*target) redisclient.Doer
	byAddr          atomic.Pointer[target] // once it was needed
}

func (d *nameOrAddr) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	values, err := d.doer(d.byName).DoAll(ctx, cmds...)
	if err == nil || redisclient.ReasonOf(err) != redisclient.ReasonDNS {
		return values, err
	}
	t := d.namedBy.atAddress(d.plain, d.byName)
	if t == nil {
		return nil, err
	}
	d.byAddr.Store(t)
	return d.doer(t).DoAll(ctx, cmds...)
}

func (d *nameOrAddr) connInfo() (redisclient.ConnInfo, bool) {
	if info, ok := d.byName.connInfo(); ok {
		return info, ok
	}
	if t := d.byAddr.Load(); t != nil {
		return t.connInfo()
	}
	return redisclient.ConnInfo{}, false
}
