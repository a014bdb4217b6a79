package info

import "bytes"

// SumKeys adds the databases' keys up, and those that expire; lines are those of
// the section Keyspace. The sum is unknown when a line cannot be read, when none of
// the lines is a database's, and when KeysUntold.
func SumKeys(x *Text, id *Identity, lines []Line) (keys, expires Reading) {
	if KeysUntold(x, id) {
		return Reading{}, Reading{}
	}
	some := x.hasUnread("keyspace")
	databases := 0
	keys.Known, expires.Known = true, true
	for i, l := range lines {
		some = true
		if !bytes.HasPrefix(l.Key(x.Text), []byte("db")) || i+1 < len(lines) && bytes.Equal(l.Key(x.Text), lines[i+1].Key(x.Text)) {
			continue
		}
		databases++
		var buf [16]Pair
		var k, e Reading
		for _, p := range Pairs(l.Value(x.Text), buf[:0]) {
			switch string(p.Key) {
			case "keys":
				k = ParseCount(p.Value)
			case "expires":
				e = ParseCount(p.Value)
			}
		}
		keys = Reading{keys.Value + k.Value, keys.Known && k.Known}
		expires = Reading{expires.Value + e.Value, expires.Known && e.Known}
	}
	if some && databases == 0 || keys.Value == 0 && NeverCounted(x, id) {
		return Reading{}, Reading{}
	}
	return keys, expires
}

// KeysUntold reports whether INFO does not say which databases have keys: there is no
// section Keyspace, or one with nothing in it, which only some servers print when they
// have no keys. Garnet always does.
func KeysUntold(x *Text, id *Identity) bool {
	return !x.Has("keyspace") || !id.Means.ListsAll && len(x.SectionLines("keyspace")) == 0 && !x.hasUnread("keyspace")
}

// NeverCounted reports whether the server counts its keys when it is told to,
// and has not done so yet, so that each 0 means that it does not know. Kvrocks says
// last_dbsize_scan_timestamp:0, and in older versions only a comment, of which those
// before 2.8 have the beginning of unix time, in local time.
// Source: https://kvrocks.apache.org/docs/supported-commands (DBSIZE); kvrocks
// src/server/server.cc, "# Last scan db time: "
func NeverCounted(x *Text, id *Identity) bool {
	if !id.Means.KeysByScan {
		return false
	}
	if at, ok := x.Field("keyspace", "last_dbsize_scan_timestamp"); ok && string(at) == "0" {
		return true
	}
	for line := range bytes.Lines(x.Text) {
		line = bytes.TrimSpace(line)
		switch {
		case bytes.HasPrefix(line, []byte("# WARN: DBSIZE SCAN never performed")):
			return true
		case bytes.HasPrefix(line, []byte("# Last scan db time:")), bytes.HasPrefix(line, []byte("# Last DBSIZE SCAN time:")):
			return bytes.HasSuffix(line, []byte(" 1970")) || bytes.HasSuffix(line, []byte(" 1969"))
		}
	}
	return false
}

func (x *Text) hasUnread(name string) bool {
	for _, s := range x.Sections {
		if s.unread > 0 && x.is(s, name) {
			return true
		}
	}
	return false
}
