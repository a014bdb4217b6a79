package info

import (
	"bytes"
	"slices"
)

// Replica is what a master reports about the replicas behind one address: usually one,
// or several behind a NAT or a proxy. If there are several, the values are those of
// the one that is worst off.
type Replica struct {
	IP, Port string
	// Count is how many rows have this address, InSync how many of them are in
	// sync; unknown when the words of the server are not known.
	Count  int64
	InSync Reading
	// Offset is what the replica has confirmed, in the server's own unit.
	Offset Reading
	// Lag is how many seconds ago it did so last.
	Lag Reading
	// LagBytes is how much of the replication stream it has not confirmed, on
	// servers that count bytes; LagWrites on those that count writes.
	LagBytes, LagWrites Reading
	// Line is the row of the one that is worst off.
	Line Line

	dual bool // the second connection of a replica that copies everything
}

// Replicas reads the rows of the section Replication, in the order of their
// numbers:
//
//	slave0:ip=127.0.0.1,port=7398,state=online,offset=145,lag=1
//	slave0:127.0.0.1,7398,online     before Redis 2.8
//
// A number that stands twice is that of two replicas, where they have two addresses, as
// Tendis does it; else the server's last word counts. Left out are rows with port 0, which are no replicas but clients that copy the
// data (redis-cli --rdb and --replica), and the second row of a replica that
// copies by two channels (type=rdb-channel).
// Sources: redis#2132, valkey src/server.c; Tendis src/tendisplus/replication/repl_manager.cpp
func Replicas(x *Text, id *Identity, lines []Line) []Replica {
	var own Reading
	var rows []Line
	for _, l := range lines {
		switch key := l.Key(x.Text); {
		case IsReplicaField(key):
			rows = append(rows, l)
		case string(key) == "master_repl_offset":
			own = ParseCount(l.Value(x.Text))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortStableFunc(rows, func(a, b Line) int { return compareDigits(a.Key(x.Text)[5:], b.Key(x.Text)[5:]) })
	out := make([]Replica, 0, len(rows))
	index := make(map[string]int, len(rows))
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && bytes.Equal(rows[0].Key(x.Text), rows[n].Key(x.Text)) {
			n++
		}
		for _, l := range lastWords(x, id, rows[:n]) {
			if r, ok := parseReplica(x, id, l, own); ok {
				out = addReplica(out, index, r)
			}
		}
		rows = rows[n:]
	}
	return out
}

// lastWords are of the rows of one number the last of each address.
func lastWords(x *Text, id *Identity, rows []Line) []Line {
	if len(rows) == 1 {
		return rows
	}
	index := make(map[string]int)
	out := make([]Line, 0, len(rows))
	for _, l := range rows {
		r, _ := parseReplica(x, id, l, Reading{})
		addr := r.IP + " " + r.Port
		if at, seen := index[addr]; seen {
			out[at] = l
			continue
		}
		index[addr] = len(out)
		out = append(out, l)
	}
	return out
}

// addReplica adds a replica, or folds it into the one of its address.
func addReplica(out []Replica, index map[string]int, r Replica) []Replica {
	addr := r.IP + " " + r.Port
	at, seen := index[addr]
	switch {
	case !seen || r.IP == "" && r.Port == "":
		index[addr] = len(out)
		return append(out, r)
	case r.dual:
	case out[at].dual:
		out[at] = r
	default:
		out[at] = out[at].and(r)
	}
	return out
}

// and folds the rows of two replicas behind one address.
func (r Replica) and(o Replica) Replica {
	worse := r
	if r.InSync.Value >= r.Count && o.InSync.Value < o.Count || !r.InSync.Known ||
		o.InSync == r.InSync && (o.Lag.Value > r.Lag.Value || o.Offset.Value < r.Offset.Value) {
		worse = o
	}
	worse.Count = r.Count + o.Count
	worse.InSync = Reading{r.InSync.Value + o.InSync.Value, r.InSync.Known && o.InSync.Known}
	worse.Lag = r.Lag.Max(o.Lag)
	worse.LagBytes = r.LagBytes.Max(o.LagBytes)
	worse.LagWrites = r.LagWrites.Max(o.LagWrites)
	return worse
}

// parseReplica reads one row; false when it is none of a replica.
func parseReplica(x *Text, id *Identity, l Line, own Reading) (Replica, bool) {
	r := Replica{Count: 1, Line: l}
	var buf [16]Pair
	var state string
	var lag Reading
	for _, p := range ReplicaPairs(l.Value(x.Text), buf[:0]) {
		switch string(p.Key) {
		case "ip":
			r.IP = string(p.Value)
		case "port":
			r.Port = string(p.Value)
		case "state":
			state = string(p.Value)
		case "offset":
			r.Offset = ParseCount(p.Value)
		case "lag":
			lag = ParseCount(p.Value)
		case "type":
			r.dual = string(p.Value) == "rdb-channel"
		}
	}
	if r.Port == "0" || r.IP == "" && r.Port == "" && state == "" && !r.Offset.Known && !lag.Known {
		return r, false
	}
	r.InSync = id.inSync(state, own, r.Offset)
	switch id.Means.Lag {
	case UnitSeconds:
		r.Lag = Reading{lag.Value, lag.Known && !id.outlived(lag.Value)}
	case UnitBytes:
		r.LagBytes = lag
	case UnitWrites:
		r.LagWrites = lag
	}
	if behind, ok := unconfirmed(own, r.Offset); ok {
		switch id.Means.Offset {
		case UnitBytes:
			r.LagBytes = Known(behind)
		case UnitWrites:
			r.LagWrites = r.LagWrites.Max(Known(behind))
		}
	}
	return r, true
}

// inSync reads the state of a replica. Redis and Valkey say online as soon as the
// copy was sent, also of a replica that is loading it, for minutes or hours: it is in
// sync when it has confirmed something, where servers tell that.
// Source: redis#13945
func (id *Identity) inSync(state string, own, theirs Reading) Reading {
	switch {
	case (state != "" || id.Means.Listed) && id.Means.Offset != UnitUnknown && confirmedNothing(own, theirs):
		return Known(0)
	case slices.Contains(id.Means.InSync, state), state == "" && id.Means.Listed:
		return Known(1)
	case state == "" || id.Means.InSync == nil:
		return Reading{}
	}
	return Known(0)
}

// ReplicaPairs takes a row apart; nil when it is none.
func ReplicaPairs(value []byte, pairs []Pair) []Pair {
	if out := Pairs(value, pairs); out != nil {
		return out
	}
	parts := bytes.Split(value, []byte(","))
	if len(parts) != 3 {
		return nil
	}
	return append(pairs, Pair{[]byte("ip"), parts[0]}, Pair{[]byte("port"), parts[1]}, Pair{[]byte("state"), parts[2]})
}

// unconfirmed is by how much a replica's offset is behind its master's. A
// replica that has confirmed nothing yet since it came stands at 0: what it has
// is not known.
func unconfirmed(own, theirs Reading) (behind int64, known bool) {
	if !own.Known || !theirs.Known || theirs.Value > own.Value || confirmedNothing(own, theirs) {
		return 0, false
	}
	return own.Value - theirs.Value, true
}

func confirmedNothing(own, theirs Reading) bool {
	return own.Known && own.Value > 0 && theirs.Known && theirs.Value == 0
}

// Behind is by how much a replica's offset is behind its master's, in bytes;
// unknown where servers count something else.
func (id *Identity) Behind(own, theirs Reading) Reading {
	if behind, ok := unconfirmed(own, theirs); ok && id.Means.Offset == UnitBytes {
		return Known(behind)
	}
	return Reading{}
}

// IsReplicaField reports whether a field of Replication is slave and a number,
// and nothing else.
func IsReplicaField(key []byte) bool {
	return IsSlaveField(key) && len(bytes.TrimLeft(key[5:], "0123456789")) == 0
}

// IsSlaveField reports whether a field of Replication starts with slave and a
// digit. slave_priority and the like do not.
func IsSlaveField(key []byte) bool {
	return len(key) > 5 && string(key[:5]) == "slave" && key[5] >= '0' && key[5] <= '9'
}

// compareDigits compares two runs of digits of any length as numbers.
func compareDigits(a, b []byte) int {
	a, b = bytes.TrimLeft(a, "0"), bytes.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// FindReplicas is Replicas of the section Replication, wherever it stands.
func FindReplicas(x *Text, id *Identity) []Replica {
	return Replicas(x, id, x.SectionLines("replication"))
}

// Has reports whether there is a section of that name.
func (x *Text) Has(name string) bool {
	return slices.ContainsFunc(x.Sections, func(s section) bool { return x.is(s, name) })
}

// SectionLines are the lines of the sections of that name, as the server sent
// them.
func (x *Text) SectionLines(name string) []Line {
	var out []Line
	for _, s := range x.Sections {
		switch {
		case !x.is(s, name):
		case out == nil:
			out = x.Lines[s.First:s.End:s.End]
		default:
			out = append(out, x.Lines[s.First:s.End]...)
		}
	}
	return out
}
