package metrics

import (
	"bytes"
	"net/netip"
	"strconv"
)

// clientField is a field of CLIENT LIST that is read here.
type clientField int

const (
	clientID clientField = iota
	clientAddr
	clientName
	clientAge
	clientIdle
	clientFlags
	clientDB
	clientSub
	clientPsub
	clientSsub
	clientOmem
	clientTotMem
	clientCmd
	clientUser
	clientLib
	clientFields // their number
)

// client is one line of CLIENT LIST. A field that the line does not have is
// nil; which ones there are depends on the server's version. The texts are
// parts of the line.
type client [clientFields][]byte

// parseClient reads a line of pairs:
//
//	id=3 addr=10.0.0.9:4711 name=worker age=12 idle=0 flags=N db=0 …
//
// Fields are told by name, unknown ones are passed over, and of two with one
// name the first counts. Neither names nor values have blanks in them, but for
// the path of a unix socket: what has no name belongs to the value before. ok
// is false for a line without an id.
// Source: https://redis.io/docs/latest/commands/client-list/
func parseClient(line []byte) (c client, ok bool) {
	current := clientFields
	start := 0 // of the current value
	for pos := 0; pos < len(line); {
		end := len(line)
		if i := bytes.IndexByte(line[pos:], ' '); i >= 0 {
			end = pos + i
		}
		if name := clientFieldName(line[pos:end]); name >= 0 {
			current = clientFieldOf(line[pos : pos+name])
			if current < clientFields && c[current] != nil {
				current = clientFields
			}
			start = pos + name + 1
		}
		if current < clientFields {
			c[current] = line[start:end:end]
		}
		pos = end + 1
	}
	return c, len(c[clientID]) > 0
}

// clientFieldName returns the length of the name that a pair begins with, or
// -1 when it is none.
func clientFieldName(pair []byte) int {
	n := bytes.IndexByte(pair, '=')
	if n <= 0 {
		return -1
	}
	for _, c := range pair[:n] {
		if (c < 'a' || c > 'z') && c != '-' {
			return -1
		}
	}
	return n
}

func clientFieldOf(name []byte) clientField {
	switch string(name) {
	case "id":
		return clientID
	case "addr":
		return clientAddr
	case "name":
		return clientName
	case "age":
		return clientAge
	case "idle":
		return clientIdle
	case "flags":
		return clientFlags
	case "db":
		return clientDB
	case "sub":
		return clientSub
	case "psub":
		return clientPsub
	case "ssub":
		return clientSsub
	case "omem":
		return clientOmem
	case "tot-mem":
		return clientTotMem
	case "cmd":
		return clientCmd
	case "user":
		return clientUser
	case "lib-name":
		return clientLib
	}
	return clientFields
}

// number reads a field that is a number and not negative.
func (c *client) number(f clientField) (int64, bool) {
	if len(c[f]) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(c[f]), 10, 64)
	return n, err == nil && n >= 0
}

// has reports whether a flag is set: S replica, O monitor, M master, P
// subscriber, b blocked, U unix socket.
func (c *client) has(flag byte) bool { return bytes.IndexByte(c[clientFlags], flag) >= 0 }

// subscribed also holds for servers that set no flag.
func (c *client) subscribed() bool {
	if c.has('P') {
		return true
	}
	for _, f := range []clientField{clientSub, clientPsub, clientSsub} {
		if n, ok := c.number(f); ok && n > 0 {
			return true
		}
	}
	return false
}

// block is the network that the client comes from: its /24 or, with IPv6, its
// /64; "unix" for a unix socket and "unknown" for what is no address.
func (c *client) block() string {
	addr := c[clientAddr]
	if c.has('U') || len(addr) > 0 && addr[0] == '/' {
		return "unix"
	}
	colon := bytes.LastIndexByte(addr, ':')
	if colon < 0 {
		return "unknown"
	}
	host := bytes.TrimSuffix(bytes.TrimPrefix(addr[:colon], []byte("[")), []byte("]"))
	ip, err := netip.ParseAddr(string(host))
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap()
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
