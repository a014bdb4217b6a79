package info

import (
	"bytes"
	"strconv"
)

// SumKeys adds the databases' keys up, and those that expire. A server without
// keys prints no database, but it prints the section. A line that cannot be
// read makes the sum unknown.
func SumKeys(x *Text, lines []Line) (keys, expires Reading) {
	keys.Known, expires.Known = true, true
	for _, l := range lines {
		if !bytes.HasPrefix(l.Key(x.Text), []byte("db")) {
			continue
		}
		var buf [16]Pair
		var k, e Reading
		for _, p := range Pairs(l.Value(x.Text), buf[:0]) {
			switch string(p.Key) {
			case "keys":
				k = ParseReading(p.Value)
			case "expires":
				e = ParseReading(p.Value)
			}
		}
		keys = Reading{keys.Value + k.Value, keys.Known && k.Known}
		expires = Reading{expires.Value + e.Value, expires.Known && e.Known}
	}
	return keys, expires
}

// Unconfirmed is by how much a replica's offset is behind its master's. A
// replica that has confirmed nothing yet since it came stands at 0: what it has
// is not known.
func Unconfirmed(own, theirs int64) (bytes int64, known bool) {
	if theirs < 0 || theirs > own || theirs == 0 && own > 0 {
		return 0, false
	}
	return own - theirs, true
}

// IsReplicaField reports whether a field of Replication is slave and a number,
// and nothing else.
func IsReplicaField(key []byte) bool {
	return IsSlaveField(key) && len(bytes.TrimLeft(key[5:], "0123456789")) == 0
}

// ReplOffset reads an offset of the replication stream; -1 stands for none.
func ReplOffset(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil && n >= 0
}

// CompareDigits compares two runs of digits of any length as numbers.
func CompareDigits(a, b []byte) int {
	a, b = bytes.TrimLeft(a, "0"), bytes.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// IsSlaveField reports whether a field of Replication starts with slave and a
// digit. slave_priority and the like do not.
func IsSlaveField(key []byte) bool {
	return len(key) > 5 && string(key[:5]) == "slave" && key[5] >= '0' && key[5] <= '9'
}
