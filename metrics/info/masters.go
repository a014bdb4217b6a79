package info

import (
	"bytes"
	"cmp"
	"slices"

	"redisjobs/metrics/jsondoc"
)

// Master is one master of a replica. KeyDB and Dragonfly may have several.
type Master struct {
	Host, Port []byte
	// LinkUp is 1 or 0.
	LinkUp Reading
	// LastIO is how many seconds ago the replica heard of it, Down how many
	// seconds the link has been down.
	LastIO, Down Reading
	// never: the link has not been up since the server was started. downTold: that,
	// or Down, is what the server says.
	never, downTold bool
	// Syncing: the replica copies everything; SyncLeft is what is left of that,
	// in bytes.
	Syncing  bool
	SyncLeft Reading
	// sizeless: the master sends without a file, and does not say how much that is.
	sizeless bool
	// Received and Applied are offsets of the replication stream.
	Received, Applied Reading

	first, last uint32 // where its fields begin and end in the text
}

// Masters reads the fields of the section Replication that tell of the server's
// masters, in the order in which it names them:
//
//	master_host:10.0.0.2       Redis
//	Master 0:                  KeyDB before 6.3; then the fields above, of each
//	master_1_host:10.0.0.3     KeyDB 6.3, of all masters but the first
//
// Sources: KeyDB src/server.cpp; dragonfly src/server/server_family.cc
// (several sources of a replica repeat the fields)
func Masters(x *Text, id *Identity, lines []Line) []Master {
	var fields []Line
	for _, l := range lines {
		if bytes.HasPrefix(l.Key(x.Text), []byte("master_")) || isReadOffset(l.Key(x.Text)) {
			fields = append(fields, l)
		}
	}
	slices.SortFunc(fields, func(a, b Line) int { return cmp.Compare(a.Start, b.Start) })
	var out []Master
	for _, l := range fields {
		name := masterField(l.Key(x.Text))
		if string(name) == "host" || string(name) == "link_status" && len(out) == 0 {
			out = append(out, Master{first: l.Start})
		}
		if len(out) == 0 {
			continue
		}
		out[len(out)-1].take(id, name, l.Value(x.Text))
		out[len(out)-1].last = l.Start
	}
	for i := range out {
		if out[i].sizeless {
			out[i].SyncLeft = Reading{}
		}
	}
	return out
}

func (m *Master) take(id *Identity, name, value []byte) {
	switch string(name) {
	case "host":
		m.Host = value
	case "port":
		m.Port = value
	case "link_status":
		m.LinkUp = Known(0)
		if string(value) == "up" {
			m.LinkUp.Value = 1
		}
	case "last_io_seconds_ago":
		m.LastIO = id.age(value)
	case "link_down_since_seconds":
		m.Down = id.age(value)
		m.downTold = true
		m.never = !m.Down.Known && (string(value) == "-1" || ParseCount(value).Known) // before Redis 6.2: since 1970
	case "sync_in_progress":
		m.Syncing = string(value) == "1"
	case "sync_total_bytes":
		m.sizeless = string(value) == "0"
	case "sync_left_bytes":
		m.SyncLeft = ParseCount(value)
	case "slave_read_repl_offset":
		m.Received = ParseCount(value)
	case "slave_repl_offset":
		m.Applied = ParseCount(value)
	}
}

func isReadOffset(key []byte) bool {
	return string(key) == "slave_read_repl_offset" || string(key) == "slave_repl_offset"
}

// masterField is the name of a master's field without "master_" and the number
// of the master behind that.
func masterField(key []byte) []byte {
	rest, ok := bytes.CutPrefix(key, []byte("master_"))
	if !ok {
		return key
	}
	if number, name, found := bytes.Cut(rest, []byte("_")); found && len(bytes.TrimLeft(number, "0123456789")) == 0 {
		return name
	}
	return rest
}

// Links sums up the links to all masters.
type Links struct {
	// Up is 0 when any link is down, also one that only KeyDB's
	// master_global_link_status tells of.
	Up Reading
	// LastIO is the longest silence, Down the longest time that one is down.
	LastIO, Down Reading
	// SyncLeft is the sum of what is left to be copied, in bytes.
	SyncLeft Reading
	// Unapplied is the most that was received of one master and not applied yet,
	// in bytes.
	Unapplied Reading
}

// SumLinks sums up what x says of the links to masters.
func SumLinks(x *Text, id *Identity, masters []Master) Links {
	var s Links
	for i := range masters {
		m := &masters[i]
		switch {
		case !m.LinkUp.Known:
		case m.LinkUp.Value == 0:
			s.Up = Known(0)
			s.Down = s.Down.Max(m.Down)
		default:
			if !s.Up.Known {
				s.Up = Known(1)
			}
			s.LastIO = s.LastIO.Max(m.LastIO)
		}
		if m.Syncing && m.SyncLeft.Known {
			s.SyncLeft = Known(s.SyncLeft.Value + m.SyncLeft.Value)
		}
		if m.Received.Known && m.Applied.Known && m.Received.Value >= m.Applied.Value && id.Means.Offset == UnitBytes {
			s.Unapplied = s.Unapplied.Max(Known(m.Received.Value - m.Applied.Value))
		}
	}
	if all, ok := x.Field("replication", "master_global_link_status"); ok && string(all) != "up" && len(masters) > 0 {
		s.Up = Known(0)
	}
	if s.Up.Value == 0 {
		s.LastIO = Reading{}
	}
	return s
}

// Worst is the master that the fields without a number are taken from where
// they are repeated: the first one whose link is down, else the last.
func Worst(masters []Master) (first, last uint32) {
	for _, m := range masters {
		if m.LinkUp.Known && m.LinkUp.Value == 0 {
			return m.first, m.last
		}
	}
	if n := len(masters); n > 0 {
		return masters[n-1].first, masters[n-1].last
	}
	return 0, 0
}

// WriteMasters writes a row for each master.
func WriteMasters(w *jsondoc.Writer, masters []Master) {
	w.BeginArray()
	for _, m := range masters {
		w.BeginObject()
		w.Key("host").StringBytes(m.Host)
		if jsondoc.IsNumber(m.Port) {
			w.Key("port").Number(m.Port)
		}
		WriteReading(w, "link_up", m.LinkUp)
		WriteReading(w, "last_io_seconds", m.LastIO)
		WriteReading(w, "link_down_seconds", m.Down)
		if m.Syncing {
			WriteReading(w, "sync_left_bytes", m.SyncLeft)
		}
		w.EndObject()
	}
	w.EndArray()
}
