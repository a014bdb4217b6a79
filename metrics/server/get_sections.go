package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
)

// documentMembers are the members of a document that are no section of INFO.
// A section that is called so anyway, by a module, gets a prefix.
var documentMembers = map[string]bool{
	"schema_version": true, "up": true, "reason": true, "error": true, "target": true,
	"last_tried": true, "failures_in_a_row": true, "address": true, "role": true, "flavour": true,
	"version": true, "mode": true, "loading": true, "time": true, "tls": true,
	"slowlog": true, "config": true, "latency_events": true, "dbsize": true, "derived": true,
	"unavailable": true, "truncated": true,
}

// memberName is the name of a section's member. Names with the prefix get it
// once more, so that two sections never have one name.
func memberName(section string) string {
	if documentMembers[section] || strings.HasPrefix(section, "info_") {
		return "info_" + section
	}
	return section
}

// What sections may add to the document, in bytes: a module may have as many
// lines and sections as it likes, and the answer must fit all the same. The
// server's own sections have maxStandard each, whatever the others take.
const (
	maxSection  = 160 << 10
	maxStandard = 16 << 10
	// maxLists bounds the lists, maxModules the sections of modules.
	maxLists   = 800 << 10
	maxModules = 200 << 10
)

// maxName and maxValue bound one name and one value, in bytes: a script may make
// errors with a kind of a megabyte.
const (
	maxName  = 256
	maxValue = 4096
)

// clipped shortens text to at most most bytes and an ellipsis.
func clipped(text []byte, most int) []byte {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return slices.Concat(text[:most], []byte("…"))
}

// room is what a section may still take.
type room struct {
	begin, before, most, all int
	used                     *int
}

// room is that for the rows of a list that begins now.
func (d *document) room(w *jsondoc.Writer) room {
	return room{begin: w.Len(), before: d.lists, most: maxSection, all: maxLists, used: &d.lists}
}

// fits reports whether there is room for another row, and counts what was
// written so far.
func (r *room) fits(w *jsondoc.Writer) bool {
	n := w.Len() - r.begin
	*r.used = r.before + n
	return n < r.most && *r.used < r.all
}

// standardSections are those whose fields are known well enough to tell an
// impossible number: a module's may be what it likes.
var standardSections = map[string]bool{
	"server": true, "clients": true, "memory": true, "persistence": true, "stats": true, "replication": true, "cpu": true, "cluster": true,
}

// listSections are written as lists.
var listSections = map[string]bool{
	"keyspace": true, "commandstats": true, "errorstats": true, "latencystats": true, "modules": true,
}

// writeSection writes one section of INFO: as a list where it is one, else as
// an object of its fields. The lines are sorted by field.
func (d *document) writeSection(w *jsondoc.Writer, section string, lines []info.Line) {
	if section == "errorstats" {
		if d.uncounted = uncounted(d.x, lines); d.uncounted != nil {
			return
		}
	}
	if (d.modules >= maxModules || len(section) > maxName) && !standardSections[section] && !listSections[section] {
		d.cut.LimitTo("sections", 1, 0) // not by name: there may be any number
		return
	}
	if section == "keyspace" && info.KeysUntold(d.x, &d.id) {
		return
	}
	if !standardSections[section] && !listSections[section] {
		if field := repeated(d.x, lines); field != nil {
			d.repeats(section, field)
			return
		}
	}
	begin, modules := w.Len(), d.modules
	w.Key(memberName(section))
	switch section {
	case "keyspace":
		d.writeKeyspace(w, lines)
	case "commandstats":
		d.writeStats(w, lines, statsList{"commandstats", "cmdstat_", "command", (*document).writeFigure})
	case "errorstats":
		d.writeStats(w, lines, statsList{"errorstats", d.id.Means.ErrorPrefix, "error", (*document).writeFigure})
	case "latencystats":
		d.writeStats(w, lines, statsList{"latencystats", "latency_percentiles_usec_", "command", writePercentile})
	case "modules":
		d.writeModules(w, lines)
	default:
		d.writeObject(w, section, lines)
		if !standardSections[section] {
			d.modules = modules + w.Len() - begin // its name and last field, too
		}
	}
}

// repeated is a field that stands several times in a section, with different values:
// each time it is that of another server or thing, which the field does not name. The
// lines are sorted by field.
// Source: predixy src/Handler.cpp, Handler::infoRequest: Servers has a block for each
func repeated(x *info.Text, lines []info.Line) []byte {
	for i := 1; i < len(lines); i++ {
		before, l := lines[i-1], lines[i]
		if bytes.Equal(before.Key(x.Text), l.Key(x.Text)) && !bytes.Equal(before.Value(x.Text), l.Value(x.Text)) {
			return l.Key(x.Text)
		}
	}
	return nil
}

// repeats says of a section why it is left out; of several of the first.
func (d *document) repeats(section string, field []byte) {
	if d.repeated == nil {
		d.repeated = fmt.Errorf("section %s repeats its field %s, so that nobody tells whose its values are", section, ask.ClipBytes(field))
		return
	}
	d.cut.LimitTo("sections", 1, 0)
}

// writePair writes a figure of a row, unless it is impossible.
func (d *document) writePair(w *jsondoc.Writer, key, value []byte) {
	if len(key) <= maxName && !d.id.Impossible(key, value) {
		info.WriteField(w, key, clipped(value, maxValue))
	}
}

// writeFigure is writePair of rows of Commandstats and Errorstats: what is no number is no
// reading of the figures that all servers have there.
func (d *document) writeFigure(w *jsondoc.Writer, key, value []byte) {
	switch string(key) {
	case "calls", "usec", "usec_per_call", "rejected_calls", "failed_calls", "count":
		if !jsondoc.IsNumber(value) {
			return
		}
	}
	d.writePair(w, key, value)
}

// writeObject writes a section as an object of its fields.
func (d *document) writeObject(w *jsondoc.Writer, section string, lines []info.Line) {
	replication, standard := section == "replication", standardSections[section]
	left, written := room{begin: w.Len(), before: d.modules, most: maxSection, all: maxModules, used: &d.modules}, 0
	if standard {
		left = room{begin: w.Len(), most: maxStandard, all: maxStandard, used: &d.standard}
	}
	w.BeginObject()
	for len(lines) > 0 {
		n := 1
		key := lines[0].Key(d.x.Text)
		for n < len(lines) && bytes.Equal(key, lines[n].Key(d.x.Text)) {
			n++
		}
		l := lines[n-1]
		if replication && n > 1 {
			l = d.ofWorstMaster(lines[:n])
		}
		lines = lines[n:]
		value := l.Value(d.x.Text)
		switch {
		case replication && (info.IsReplicaField(key) || d.isList(key, value)):
			continue
		case standard && d.id.Impossible(key, value):
			continue
		case len(key) > maxName: // two that are clipped may be one
			d.cut.LimitTo(section, 1, 0)
			continue
		case written >= ask.MaxRows || !left.fits(w):
			d.cut.LimitTo(section, len(lines)+1, 0)
			lines = nil
			continue
		}
		written++
		info.WriteField(w, key, clipped(value, maxValue))
	}
	if replication {
		d.writeReplicas(w)
		d.writeMasters(w)
	}
	w.EndObject()
}

// isList reports whether a field of Replication has the name of one of our
// lists, or is what KeyDB writes above each master.
func (d *document) isList(key, value []byte) bool {
	return string(key) == "replicas" || string(key) == "masters" || len(value) == 0 && bytes.HasPrefix(key, []byte("Master "))
}

// ofWorstMaster is the line among several with one name that tells of the master
// whose link is down, else the last.
func (d *document) ofWorstMaster(lines []info.Line) info.Line {
	first, last := info.Worst(d.masters)
	for _, l := range lines {
		if l.Start >= first && l.Start <= last {
			return l
		}
	}
	return lines[len(lines)-1]
}

// writeReplicas writes the member replicas of the replication section:
//
//	slave0:ip=127.0.0.1,port=7398,state=online,offset=145,lag=1
//
// with the server's own fields, but for a lag that is no seconds. offset counts
// from the beginning of the data set's history, so that it says nothing alone:
// lag_bytes is what the replica has not confirmed of this server's own offset,
// and is left out until it has confirmed anything. count is how many replicas
// have the address, in_sync how many of them are in sync: one that has confirmed
// nothing yet is loading its copy, although Redis calls it online.
func (d *document) writeReplicas(w *jsondoc.Writer) {
	left := d.room(w)
	w.Key("replicas").BeginArray()
	limit := d.cut.Limit("replicas", len(d.replicas))
	for i, r := range d.replicas[:limit] {
		if !left.fits(w) {
			d.cut.Add("replicas", limit-i)
			break
		}
		var buf [16]info.Pair
		w.BeginObject()
		d.writePairs(w, info.ReplicaPairs(r.Line.Value(d.x.Text), buf[:0]), "", func(d *document, w *jsondoc.Writer, key, value []byte) {
			switch string(key) {
			case "lag", "lag_bytes", "lag_writes", "count", "in_sync":
			default:
				d.writePair(w, key, value)
			}
		})
		info.WriteReading(w, "lag", r.Lag)
		info.WriteReading(w, "lag_bytes", r.LagBytes)
		info.WriteReading(w, "lag_writes", r.LagWrites)
		w.Key("count").Int(r.Count)
		info.WriteReading(w, "in_sync", r.InSync)
		w.EndObject()
	}
	w.EndArray()
}

// writeMasters writes a row for each master of a replica.
func (d *document) writeMasters(w *jsondoc.Writer) {
	if len(d.masters) == 0 {
		return
	}
	w.Key("masters")
	info.WriteMasters(w, d.masters[:d.cut.Limit("masters", len(d.masters))])
}
