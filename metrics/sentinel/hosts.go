package sentinel

import (
	"context"
	"net"
	"slices"
	"time"
)

// resolveLimit bounds one look at the names of a check.
const resolveLimit = time.Second

// maxResolved bounds the names that a check resolves.
const maxResolved = 100

// hosts compares addresses as Sentinel does: it resolves a host name when it is
// told one, and knows an instance by its IP address whatever it announces.
// Source: redis src/sentinel.c, sentinelAddrEqualsHostname
type hosts struct {
	ctx    context.Context
	lookup func(ctx context.Context, host string) ([]string, error)
	ips    map[string][]string
}

func newHosts(ctx context.Context) *hosts {
	return &hosts{ctx, net.DefaultResolver.LookupHost, make(map[string][]string)}
}

// same reports whether two addresses are one, with names resolved.
func (h *hosts) same(a, b string) bool {
	if a == b {
		return true
	}
	hostA, portA, err1 := net.SplitHostPort(a)
	hostB, portB, err2 := net.SplitHostPort(b)
	if err1 != nil || err2 != nil || portA != portB {
		return false
	}
	ips := h.resolve(hostB)
	return slices.ContainsFunc(h.resolve(hostA), func(ip string) bool { return slices.Contains(ips, ip) })
}

// resolve returns the IP addresses of a host; none for a name that does not
// resolve here, which may be one of another network.
func (h *hosts) resolve(host string) []string {
	if ip := net.ParseIP(host); ip != nil {
		return []string{ip.String()}
	}
	if ips, ok := h.ips[host]; ok || len(h.ips) >= maxResolved {
		return ips
	}
	ctx, cancel := context.WithTimeout(h.ctx, resolveLimit)
	defer cancel()
	ips, err := h.lookup(ctx, host)
	if err != nil {
		ips = nil
	}
	h.ips[host] = ips
	return ips
}
