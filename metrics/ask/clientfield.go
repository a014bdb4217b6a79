package ask

import "bytes"

// ClientField takes the first field off a line of CLIENT LIST, as ACL LOG has it, too:
//
//	id=3 addr=10.0.0.9:4711 laddr=… fd=8 name=worker age=12 …
//
// Neither names nor values have blanks in them, but for the path of a unix socket in
// addr and laddr, which may look like other fields: "/srv/my app=1/redis.sock:0". A
// word without a name belongs to the value before; name is empty where there is none.
// Source: https://redis.io/docs/latest/commands/client-list/
func ClientField(line []byte) (name, value, rest []byte) {
	start := 0
	if n := clientName(line); n >= 0 {
		name, start = line[:n], n+1
	}
	for pos := start; ; {
		i := bytes.IndexByte(line[pos:], ' ')
		if i < 0 {
			return name, line[start:len(line):len(line)], nil
		}
		end := pos + i
		pos = end + 1
		if pos == len(line) {
			return name, line[start:end:end], nil
		}
		if n := clientName(line[pos:]); n >= 0 && (!isAddrField(name) || followsAddr(line[pos:pos+n])) {
			return name, line[start:end:end], line[pos:]
		}
	}
}

// clientName returns the length of the name that a field begins with, or -1 when it is
// none.
func clientName(field []byte) int {
	for n, c := range field {
		switch {
		case c == '=' && n > 0:
			return n
		case (c < 'a' || c > 'z') && c != '-':
			return -1
		}
	}
	return -1
}

func isAddrField(name []byte) bool { return string(name) == "addr" || string(name) == "laddr" }

// followsAddr knows the fields that servers write behind an address.
func followsAddr(name []byte) bool {
	switch string(name) {
	case "laddr", "fd", "name", "age", "idle":
		return true
	}
	return false
}
