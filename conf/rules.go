package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unique"
)

// The bounds of the lists in PeersAllowed, AddressMap and RenameCommands. A line
// of the configuration has at most 2,048 bytes in any case.
const maxListed = 100

// ruleTexts are the options that say how a target's peers are reached and what
// its commands are called, in the one form that can be compared.
type ruleTexts struct{ allowed, addresses, renames string }

// rules are the same, read.
type rules struct {
	allowed   []allowedPeer     // nil: all
	addresses map[string]string // announced host:port, or host -> the one to dial; in lower case
	renames   map[string]string // a command in upper case -> its name on the server
}

// allowedPeer is a host or a network.
type allowedPeer struct {
	network netip.Prefix // or
	name    string       // in lower case; with a dot before it: all names below it
}

func (a allowedPeer) has(host string) bool {
	host = strings.ToLower(host)
	if a.network.IsValid() {
		addr, err := netip.ParseAddr(host)
		return err == nil && a.network.Contains(addr.Unmap().WithZone(""))
	}
	return host == a.name || strings.HasPrefix(a.name, ".") && strings.HasSuffix(host, a.name)
}

// words splits a list at blanks and commas.
func words(text string) ([]string, error) {
	list := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	if len(list) > maxListed {
		return nil, fmt.Errorf("has %d entries, more than %d", len(list), maxListed)
	}
	return list, nil
}

// parseAllowed reads PeersAllowed.
func parseAllowed(text string) ([]allowedPeer, error) {
	list, err := words(text)
	if err != nil {
		return nil, err
	}
	var out []allowedPeer
	for i, word := range list {
		if network, err := netip.ParsePrefix(word); err == nil {
			out = append(out, allowedPeer{network: network.Masked()})
			continue
		}
		if addr, err := netip.ParseAddr(strings.Trim(word, "[]")); err == nil {
			addr = addr.Unmap()
			out = append(out, allowedPeer{network: netip.PrefixFrom(addr, addr.BitLen())})
			continue
		}
		name := strings.ToLower(strings.TrimPrefix(word, "*"))
		if !validHost(strings.TrimPrefix(name, ".")) || strings.HasPrefix(word, "*") && !strings.HasPrefix(name, ".") {
			return nil, fmt.Errorf("entry %d is not a host name, a *.domain, an address or a network such as 10.0.0.0/8", i+1)
		}
		out = append(out, allowedPeer{name: name})
	}
	if out == nil {
		return nil, errors.New("names neither a host nor a network")
	}
	return out, nil
}

// parseAddressMap reads AddressMap: announced=real, each host:port or both a host
// alone.
func parseAddressMap(text string) (map[string]string, error) {
	list, err := words(text)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i, word := range list {
		from, to, found := strings.Cut(word, "=")
		fromHost, fromPort, err1 := splitMapped(from)
		toHost, toPort, err2 := splitMapped(to)
		switch {
		case !found || err1 != nil || err2 != nil:
			return nil, fmt.Errorf("entry %d is not ANNOUNCED=REAL, as 10.0.0.1:6379=redis-1.example.com:6379", i+1)
		case (fromPort == "") != (toPort == ""):
			return nil, fmt.Errorf("entry %d has a port on one side only", i+1)
		}
		from, to = joinMapped(fromHost, fromPort), joinMapped(toHost, toPort)
		if old, twice := out[from]; twice && old != to {
			return nil, fmt.Errorf("entry %d maps an address that an entry before it maps to another one", i+1)
		}
		out[from] = to
	}
	return out, nil
}

// splitMapped reads host:port or a host alone, whose port is "".
func splitMapped(s string) (host, port string, err error) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.String(), "", nil
	}
	host, port, err = splitHostPort(s)
	if err == nil && !strings.Contains(s, ":") {
		port = ""
	}
	return strings.ToLower(host), port, err
}

func joinMapped(host, port string) string {
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// mapped is where an announced address leads by AddressMap.
func (r *rules) mapped(host, port string) (toHost, toPort string, ok bool) {
	if r == nil || host == "" {
		return "", "", false
	}
	host = strings.ToLower(host)
	if to, ok := r.addresses[joinMapped(host, port)]; ok {
		toHost, toPort, _ = net.SplitHostPort(to)
		return toHost, toPort, true
	}
	to, ok := r.addresses[host]
	return to, port, ok
}

// allows reports whether PeersAllowed lets a host be asked.
func (r *rules) allows(host string) bool {
	return r == nil || r.allowed == nil || slices.ContainsFunc(r.allowed, func(a allowedPeer) bool { return a.has(host) })
}

// parseRenames reads RenameCommands: COMMAND=NAME.
func parseRenames(text string) (map[string]string, error) {
	list, err := words(text)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i, word := range list {
		command, name, found := strings.Cut(word, "=")
		command = strings.ToUpper(command)
		if !found || command == "" || name == "" || strings.Trim(command, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			return nil, fmt.Errorf("entry %d is not COMMAND=NAME, as INFO=my-info", i+1)
		}
		if old, twice := out[command]; twice && old != name {
			return nil, fmt.Errorf("entry %d gives a command a second name", i+1)
		}
		out[command] = name
	}
	return out, nil
}

// settleRules takes each of the three from the first level that has it.
func (t *Target) settleRules(levels []*block) {
	var r rules
	var texts ruleTexts
	for _, b := range levels {
		if texts.allowed == "" && b.peerRules.allowed != nil {
			texts.allowed, r.allowed = b.ruleTexts.allowed, b.peerRules.allowed
		}
		if texts.addresses == "" && b.peerRules.addresses != nil {
			texts.addresses, r.addresses = b.ruleTexts.addresses, b.peerRules.addresses
		}
		if texts.renames == "" && b.peerRules.renames != nil {
			texts.renames, r.renames = b.ruleTexts.renames, b.peerRules.renames
		}
	}
	t.setRules(r, texts)
}

func (t *Target) setRules(r rules, texts ruleTexts) {
	t.rules, t.ruleTexts = nil, unique.Handle[ruleTexts]{}
	if texts != (ruleTexts{}) {
		t.rules, t.ruleTexts = &r, unique.Make(texts)
	}
}

// withoutRenames is for the sentinels: RenameCommands is about the servers.
func (t *Target) withoutRenames() {
	if t.rules == nil || t.rules.renames == nil {
		return
	}
	r, texts := *t.rules, t.ruleTexts.Value()
	r.renames, texts.renames = nil, ""
	t.setRules(r, texts)
}

// Renamed is what a command, in upper case, is called on the target's server;
// false when it has its own name.
func (t *Target) Renamed(command string) (string, bool) {
	if t.rules == nil {
		return "", false
	}
	name, ok := t.rules.renames[command]
	return name, ok
}

// OwnName is the command that is called name on the target's server, in lower
// case; false when none is.
func (t *Target) OwnName(name string) (string, bool) {
	if t.rules == nil {
		return "", false
	}
	for command, renamed := range t.rules.renames {
		if strings.EqualFold(renamed, name) {
			return strings.ToLower(command), true
		}
	}
	return "", false
}

// Renames reports whether any command has another name on the target's server.
func (t *Target) Renames() bool { return t.rules != nil && t.rules.renames != nil }

// ruleOptions are the rows of the three.
func ruleOptions(row func(field, def, rng, doc, example string, set func(b *block, value string) error) Option) []Option {
	return []Option{
		row("PeersAllowed", "", "host names, *.domain, addresses and networks, separated by blanks",
			"The only other servers that the plugin contacts because a server announced them, %s: nodes of a cluster, targets "+
				"of redirects, and the master that sentinels know. They get the same user and password. If it is not set, all "+
				"are allowed. The hosts in Uri and AddressMap are always allowed.", "10.0.0.0/8 *.example.com",
			func(b *block, value string) (err error) {
				b.ruleTexts.allowed = value
				b.peerRules.allowed, err = parseAllowed(value)
				return err
			}),
		row("AddressMap", "", "ANNOUNCED=REAL, separated by blanks; host:port on both sides, or a host on both",
			"The addresses to connect to in place of those that a cluster or sentinels announce, %s, for servers behind NAT or "+
				"in containers.", "10.0.0.1:6379=redis-1.example.com:6379 10.0.0.2:6379=redis-2.example.com:6379",
			func(b *block, value string) (err error) {
				b.ruleTexts.addresses = value
				b.peerRules.addresses, err = parseAddressMap(value)
				return err
			}),
		row("RenameCommands", "", "COMMAND=NAME, separated by blanks",
			"The names of commands on a server that has rename-command in its configuration, %s.", "INFO=my-info CONFIG=my-config",
			func(b *block, value string) (err error) {
				b.ruleTexts.renames = value
				b.peerRules.renames, err = parseRenames(value)
				return err
			}),
	}
}
