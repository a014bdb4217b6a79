package clients

import (
	"bytes"
	"net/netip"
	"strconv"

	"redisjobs/metrics/ask"
)

// field is a field of CLIENT LIST that is read here.
type field int

const (
	fieldID field = iota
	fieldAddr
	fieldName
	fieldAge
	fieldIdle
	fieldFlags
	fieldDB
	fieldSub
	fieldPsub
	fieldSsub
	fieldOmem
	fieldTotMem
	fieldCmd
	fieldUser
	fieldLib
	fieldCount // their number
)

// client is one line of CLIENT LIST. A field that the line does not have is
// nil; which ones there are depends on the server's version. The texts are
// parts of the line.
type client [fieldCount][]byte

// parse reads a line of pairs:
//
//	id=3 addr=10.0.0.9:4711 name=worker age=12 idle=0 flags=N db=0 …
//
// Fields are told by name, see ask.ClientField; unknown ones are passed over, and of
// two with one name the first counts. ok is false for what is no client: Pika's have no
// id, but an address.
func parse(line []byte) (c client, ok bool) {
	for len(line) > 0 {
		var name, value []byte
		name, value, line = ask.ClientField(line)
		if f := fieldOf(name); f < fieldCount && c[f] == nil {
			c[f] = value
		}
	}
	return c, len(c[fieldID]) > 0 || len(c[fieldAddr]) > 0
}

func fieldOf(name []byte) field {
	switch string(name) {
	case "id":
		return fieldID
	case "addr":
		return fieldAddr
	case "name":
		return fieldName
	case "age":
		return fieldAge
	case "idle":
		return fieldIdle
	case "flags":
		return fieldFlags
	case "db":
		return fieldDB
	case "sub":
		return fieldSub
	case "psub":
		return fieldPsub
	case "ssub":
		return fieldSsub
	case "omem":
		return fieldOmem
	case "tot-mem":
		return fieldTotMem
	case "cmd":
		return fieldCmd
	case "user":
		return fieldUser
	case "lib-name":
		return fieldLib
	}
	return fieldCount
}

// maxFieldBytes holds the characters of a field that are shown.
const maxFieldBytes = ask.MaxName*4 + 4

// clone is a copy that keeps none of the line's memory, but that of buf.
func (c *client) clone(buf []byte) (out client, used []byte) {
	buf = buf[:0]
	var ends [fieldCount]int
	for f, value := range c {
		buf = append(buf, value[:min(len(value), maxFieldBytes)]...)
		ends[f] = len(buf)
	}
	start := 0
	for f, end := range ends {
		if c[f] != nil {
			out[f] = buf[start:end:end]
		}
		start = end
	}
	return out, buf
}

// number reads a field that is a number and not negative.
func (c *client) number(f field) (int64, bool) {
	if len(c[f]) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(c[f]), 10, 64)
	return n, err == nil && n >= 0
}

// has reports whether a flag is set that means the same in all servers: P subscriber,
// U unix socket.
func (c *client) has(flag byte) bool { return bytes.IndexByte(c[fieldFlags], flag) >= 0 }

// subscribed also holds for servers that set no flag.
func (c *client) subscribed() bool {
	if c.has('P') {
		return true
	}
	for _, f := range []field{fieldSub, fieldPsub, fieldSsub} {
		if n, ok := c.number(f); ok && n > 0 {
			return true
		}
	}
	return false
}

// block is the network that the client comes from: its /24 or, with IPv6, its
// /64; "unix" for a unix socket and "unknown" for what is no address.
func (c *client) block() string {
	addr := c[fieldAddr]
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
