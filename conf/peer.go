package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Peer is another server of the same operator: a node of the target's cluster,
// which a server named. It is asked as the same user with the same password,
// database and TLS settings; its certificate must have its own host's name
// unless TLSServerName is set. SessionsOnly does not forbid it: it limits what
// item keys may name. Equal settings are the identical *Target, as with
// Resolve.
//
// addr comes from the network and is taken as nothing but host:port, with
// brackets round an IPv6 address, and with ",name" behind it where the server
// announces a name too; where the host is missing it is the target's own, as
// Redis means it. AddressMap goes before everything. Otherwise the announced
// name is dialed, for certificates and NAT know names, but nothing that
// PeersAllowed does not have, and no loopback address for a target that is
// elsewhere: that is the target's own host. here is the address at which the server
// that named it answered, if that is on the agent's own machine, whatever the name
// of the target; "" if it is not, or not known. A target behind a unix socket has no
// TLS settings, so that its peers are refused where Default asks for TLS: the
// password would travel in the clear.
func (o *Options) Peer(t *Target, addr, here string) (*Target, error) {
	addr, name, _ := strings.Cut(addr, ",")
	if len(name) > maxConnString || !validHost(name) {
		if name != "" && strings.HasPrefix(addr, ":") {
			return nil, fmt.Errorf("the server named a node at %s, which %w", quote(name+addr), errHost)
		}
		name = ""
	}
	e, err := t.peerEndpoint(addr, name, here)
	if err != nil {
		return nil, fmt.Errorf("the server named a node at %s, which %w", quote(addr), err)
	}
	if mode := o.def.tlsConnect; t.network == "unix" && mode != "" && mode != tlsDisabled {
		return nil, fmt.Errorf("the node %s is not asked: the unix socket has no TLS settings, which Default.TLSConnect asks for", addr)
	}
	peer := t.at(e)
	if peer.tls.mode != "" && !peer.tls.nameGiven && name != "" && isAddress(e.host) {
		peer.tls.serverName = strings.ToLower(name)
	}
	return o.interned.target(peer), nil
}

// Why a server that another one named is not asked.
var (
	ErrPeerHere       = errors.New("is the agent's own machine, and the target is elsewhere: announce another address, or set AddressMap")
	ErrPeerNotAllowed = errors.New("is not asked: PeersAllowed does not have it")
)

// peerEndpoint chooses what to dial for an address that a server named, and the
// name that it has there, if any. here is as in Peer.
func (t *Target) peerEndpoint(addr, name, here string) (*endpoint, error) {
	host, port, err := splitNamed(addr, t.endpoint.host)
	if err != nil {
		return nil, err
	}
	at := func(host, port string) *endpoint {
		if !isAddress(host) { // case means nothing in names, but in IPv6 zones
			host = strings.ToLower(host)
		}
		return &endpoint{network: "tcp", host: host, port: port, database: -1}
	}
	for _, announced := range []string{host, name} {
		if toHost, toPort, ok := t.rules.mapped(announced, port); ok {
			return at(toHost, toPort), nil
		}
	}
	choices := []string{host}
	if name != "" {
		choices = []string{name, host}
	}
	if !t.isLocal() {
		choices = slices.DeleteFunc(choices, func(host string) bool { return isLoopback(host) && !t.leadsHere(host, here) })
		if len(choices) == 0 && t.endpoint.host == "" {
			return nil, ErrPeerHere
		}
		if len(choices) == 0 {
			choices = []string{t.endpoint.host}
		}
	}
	for _, host := range choices {
		if strings.EqualFold(host, t.endpoint.host) || t.rules.allows(host) {
			return at(host, port), nil
		}
	}
	return nil, ErrPeerNotAllowed
}

// leadsHere reports whether a loopback address that a server named may be dialed as
// it is: the server that answered at here is on this machine too. The target's own
// host, if it has one, stands for here itself: its certificate has that name.
func (t *Target) leadsHere(host, here string) bool {
	if here == "" {
		return false
	}
	addr, err := netip.ParseAddr(host)
	same := err == nil && (addr.IsUnspecified() || addr.Unmap().String() == here)
	return !same || t.endpoint.host == ""
}

// isLocal reports whether the target is on the agent's own machine by its address, so
// that its peers may be.
func (t *Target) isLocal() bool {
	switch t.network {
	case "unix":
		return true
	case networkSentinel:
		return slices.ContainsFunc(t.endpoint.hosts, func(addr string) bool {
			host, _, err := splitHostPort(addr)
			return err == nil && isLoopback(host)
		})
	}
	return isLoopback(t.endpoint.host)
}

// isLoopback knows the addresses and names that lead to the machine itself; the
// unspecified address does so when it is dialed.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasPrefix(host, "localhost.") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsUnspecified()
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// splitNamed splits host:port; fallback stands for a missing host.
func splitNamed(addr, fallback string) (host, port string, err error) {
	if len(addr) > maxConnString {
		return "", "", errTooLong
	}
	if rest, ok := strings.CutPrefix(addr, ":"); ok {
		if fallback == "" {
			return "", "", errNoHost
		}
		if _, port, err = splitHostPort("host:" + rest); err != nil {
			return "", "", err
		}
		return fallback, port, nil
	}
	if !strings.Contains(addr, ":") || strings.HasSuffix(addr, "]") {
		return "", "", errors.New("has no port")
	}
	return splitHostPort(addr)
}

// at is the target at another address.
func (t *Target) at(e *endpoint) *Target {
	peer := &Target{
		settings: t.settings, endpoint: e, session: t.session, rules: t.rules,
		passwordSource: t.passwordSource, commandSource: t.commandSource, tlsFiles: t.tlsFiles,
		passwordBy: t.passwordBy, userBy: t.userBy, home: t.home,
	}
	peer.sentinelUser, peer.sentinelPassword, peer.sentinelPasswordFile = "", Secret{}, ""
	peer.network = e.network
	peer.address = strings.ToLower(e.address())
	if peer.tls.mode != "" && !peer.tls.nameGiven {
		peer.tls.serverName = strings.ToLower(e.host)
	}
	return peer
}
