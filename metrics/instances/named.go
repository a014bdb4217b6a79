package instances

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"redisjobs/metrics/item"
)

// here are the sessions whose address may be one of this machine.
type here struct {
	addresses []address
	own       []netip.Addr // of this machine's interfaces
}

// address is where a session's server is asked.
type address struct {
	session string
	socket  string         // path of a unix socket, or
	at      netip.AddrPort // of a loopback address, any of the machine's own
}

// sessionsHere reads the addresses of sessions. No name is looked up: a host
// that is neither an IP address nor a name of this machine is another one.
func sessionsHere(sessions []item.Session) (out here) {
	machine, err := os.Hostname()
	if err != nil {
		machine = ""
	}
	out.own = ownAddresses()
	for _, s := range sessions {
		u, err := url.Parse(s.URI)
		if err != nil || s.Web {
			continue
		}
		if u.Scheme == "unix" {
			out.addresses = append(out.addresses, address{session: s.Name, socket: u.Path})
			continue
		}
		name := strings.ToLower(u.Hostname())
		if name == "localhost" || name != "" && name == strings.ToLower(machine) {
			name = "127.0.0.1"
		}
		if at, err := netip.ParseAddrPort(net.JoinHostPort(name, u.Port())); err == nil {
			out.addresses = append(out.addresses, address{session: s.Name, at: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())})
		}
	}
	return out
}

// of is the first session with an address of a process, or "".
func (h here) of(in instance) string {
	for _, a := range h.addresses {
		if a.socket != "" && a.socket == in.socket {
			return a.session
		}
		for _, at := range in.listens {
			if a.socket == "" && h.reaches(a.at, at) {
				return a.session
			}
		}
	}
	return ""
}

// reaches: a connection to an address comes to a process that listens at another.
func (h here) reaches(at, listens netip.AddrPort) bool {
	to, on := at.Addr(), listens.Addr().Unmap()
	if at.Port() != listens.Port() {
		return false
	}
	// A process that listens on every address has those of its interfaces, too;
	// a name of the machine may be either family.
	return to == on || to.IsLoopback() && (on.IsLoopback() || on.IsUnspecified()) || on.IsUnspecified() && slices.Contains(h.own, to)
}

func ownAddresses() (out []netip.Addr) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // those of loopback are known
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, prefix.Addr().Unmap())
		}
	}
	return out
}
