package conf

import (
	"errors"
	"fmt"
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
// brackets round an IPv6 address; where the host is missing it is the target's
// own, as Redis means it. A target behind a unix socket has no TLS settings, so
// that its peers are refused where Default asks for TLS: the password would
// travel in the clear.
func (o *Options) Peer(t *Target, addr string) (*Target, error) {
	e, err := t.peerEndpoint(addr)
	if err != nil {
		return nil, fmt.Errorf("the server named a node at %s: %w", quote(addr), err)
	}
	if mode := o.def.tlsConnect; t.network == "unix" && mode != "" && mode != tlsDisabled {
		return nil, fmt.Errorf("the node %s is not asked: the unix socket has no TLS settings, which Default.TLSConnect asks for", addr)
	}
	return o.interned.target(t.at(e)), nil
}

// peerEndpoint checks an address that a server named.
func (t *Target) peerEndpoint(addr string) (*endpoint, error) {
	host, port, err := splitNamed(addr, t.endpoint.host)
	if err != nil {
		return nil, err
	}
	return &endpoint{network: "tcp", host: host, port: port, database: -1}, nil
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
		settings: t.settings, endpoint: e, session: t.session,
		passwordSource: t.passwordSource, tlsFiles: t.tlsFiles,
	}
	peer.sentinelUser, peer.sentinelPassword, peer.sentinelPasswordFile = "", Secret{}, ""
	peer.network = e.network
	peer.address = strings.ToLower(e.address())
	if peer.tls.mode != "" && !peer.tls.nameGiven {
		peer.tls.serverName = strings.ToLower(e.host)
	}
	return peer
}
