package targets

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// A name may come to lead to another server while the old one lives: a managed
// service moves it at a failover, and the old master goes on as a replica. So
// the names of targets in use are looked up now and then, and connections that
// lead to where a name no longer leads are renewed.
const (
	lookupEvery   = time.Minute
	lookupTime    = 3 * time.Second
	lookupsAtOnce = 4
)

// names looks names up in the background.
type names struct {
	lookup func(ctx context.Context, host string) ([]string, error)
	every  time.Duration

	ctx     context.Context
	end     context.CancelFunc
	mu      sync.Mutex
	busy    int
	running sync.WaitGroup
}

func newNames() *names {
	n := &names{lookup: net.DefaultResolver.LookupHost, every: lookupEvery}
	n.ctx, n.end = context.WithCancel(context.Background())
	return n
}

// begin runs a lookup beside its caller. It reports false when there are too
// many, and at the end.
func (n *names) begin(lookup func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy == lookupsAtOnce || n.ctx.Err() != nil {
		return false
	}
	n.busy++
	n.running.Go(func() {
		defer func() {
			// A panic here would end the process, and the agent with it; the next
			// lookup comes in any case.
			_ = recover()
			n.mu.Lock()
			n.busy--
			n.mu.Unlock()
		}()
		lookup()
	})
	return true
}

// close ends the lookups under way.
func (n *names) close() {
	n.mu.Lock()
	n.end() // none begins from now on
	n.mu.Unlock()
	n.running.Wait()
}

// hostWatch is what is remembered of a target's name.
type hostWatch struct {
	host     string
	lookedUp time.Time // when it was last
	astray   bool      // it did not lead to the address that answered
}

// hostName is the name in an address, "" when there is none that could come to
// lead elsewhere.
func hostName(network, address string) string {
	host, _, err := net.SplitHostPort(address)
	if network != "tcp" || err != nil || strings.EqualFold(host, "localhost") {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}

// noteAddrLocked gets the address that answered a conversation, and starts a
// lookup when one is due. t.mu must be held.
func (t *target) noteAddrLocked(addr string) {
	h := t.host
	if h == nil {
		return
	}
	n, now := t.rt.names, time.Now()
	if h.lookedUp.IsZero() {
		h.lookedUp = now // the connection was just made
	}
	// When many are due, a later conversation tries again.
	if now.Sub(h.lookedUp) >= n.every && n.begin(func() { t.followName(addr) }) {
		h.lookedUp = now
	}
}

// followName looks up where the target's name leads, and renews its connections
// when twice in a row that was not the address that answered: of a name with
// many addresses each answer may hold but some. No answer is no reason to leave
// a server that answers.
func (t *target) followName(addr string) {
	n := t.rt.names
	ctx, cancel := context.WithTimeout(n.ctx, lookupTime)
	defer cancel()
	found, err := n.lookup(ctx, t.host.host)
	if err != nil || len(found) == 0 {
		return
	}
	answered := plainIP(addr)
	astray := !slices.ContainsFunc(found, func(ip string) bool { return plainIP(ip) == answered })
	t.mu.Lock()
	renew := astray && t.host.astray
	t.host.astray = astray && !renew
	t.mu.Unlock()
	if renew {
		t.rt.pool.Renew(t.conf)
	}
}

// plainIP is the IP address of an address, with or without a port, in the one
// form that can be compared.
func plainIP(addr string) netip.Addr {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}
