package metrics

import (
	"bytes"
	"strconv"
)

// sumKeys adds the databases' keys up, and those that expire. A server without
// keys prints no database, but it prints the section. A line that cannot be
// read makes the sum unknown.
func sumKeys(x *infoText, lines []infoLine) (keys, expires reading) {
	keys.known, expires.known = true, true
	for _, l := range lines {
		if !bytes.HasPrefix(l.key(x.text), []byte("db")) {
			continue
		}
		var buf [16]infoPair
		var k, e reading
		for _, p := range infoPairs(l.value(x.text), buf[:0]) {
			switch string(p.key) {
			case "keys":
				k = parseReading(p.value)
			case "expires":
				e = parseReading(p.value)
			}
		}
		keys = reading{keys.value + k.value, keys.known && k.known}
		expires = reading{expires.value + e.value, expires.known && e.known}
	}
	return keys, expires
}

// unconfirmed is by how much a replica's offset is behind its master's. A
// replica that has confirmed nothing yet since it came stands at 0: what it has
// is not known.
func unconfirmed(own, theirs int64) (bytes int64, known bool) {
	if theirs < 0 || theirs > own || theirs == 0 && own > 0 {
		return 0, false
	}
	return own - theirs, true
}

// isReplicaField reports whether a field of Replication is slave and a number,
// and nothing else.
func isReplicaField(key []byte) bool {
	return isSlaveField(key) && len(bytes.TrimLeft(key[5:], "0123456789")) == 0
}

// replOffset reads an offset of the replication stream; -1 stands for none.
func replOffset(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil && n >= 0
}

// compareDigits compares two runs of digits of any length as numbers.
func compareDigits(a, b []byte) int {
	a, b = bytes.TrimLeft(a, "0"), bytes.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// isSlaveField reports whether a field of Replication starts with slave and a
// digit. slave_priority and the like do not.
func isSlaveField(key []byte) bool {
	return len(key) > 5 && string(key[:5]) == "slave" && key[5] >= '0' && key[5] <= '9'
}
