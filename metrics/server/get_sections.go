package server

import (
	"bytes"
	"slices"
	"strings"

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

// writeSection writes one section of INFO: as a list where it is one, else as
// an object of its fields. The lines are sorted by field.
func writeSection(w *jsondoc.Writer, x *info.Text, section string, lines []info.Line, cut *ask.Truncations) {
	w.Key(memberName(section))
	switch section {
	case "keyspace":
		writeKeyspace(w, x, lines, cut)
	case "commandstats":
		writeStats(w, x, lines, cut, statsList{"commandstats", "cmdstat_", "command", info.WriteField})
	case "errorstats":
		writeStats(w, x, lines, cut, statsList{"errorstats", "errorstat_", "error", info.WriteField})
	case "latencystats":
		writeStats(w, x, lines, cut, statsList{"latencystats", "latency_percentiles_usec_", "command", writePercentile})
	case "modules":
		writeModules(w, x, lines, cut)
	default:
		w.BeginObject()
		var replicas []info.Line
		for i, l := range lines {
			key := l.Key(x.Text)
			if i+1 < len(lines) && bytes.Equal(key, lines[i+1].Key(x.Text)) {
				continue
			}
			if section == "replication" && info.IsReplicaField(key) {
				replicas = append(replicas, l)
				continue
			}
			if section == "replication" && string(key) == "replicas" {
				continue // the list's name
			}
			info.WriteField(w, key, l.Value(x.Text))
		}
		if section == "replication" {
			writeReplicas(w, x, lines, replicas, cut)
		}
		w.EndObject()
	}
}

// writeReplicas writes the member replicas of the replication section:
//
//	slave0:ip=127.0.0.1,port=7398,state=online,offset=145,lag=1
//
// offset counts from the beginning of the data set's history, so that it says
// nothing alone: lag_bytes is what the replica has not confirmed of this
// server's own offset, and is left out until it has confirmed anything. A row
// that has no such pairs, as servers before 2.8 print it, is left out.
func writeReplicas(w *jsondoc.Writer, x *info.Text, section, replicas []info.Line, cut *ask.Truncations) {
	own, known := int64(0), false
	for _, l := range section {
		if string(l.Key(x.Text)) == "master_repl_offset" {
			own, known = info.ReplOffset(l.Value(x.Text))
		}
	}
	slices.SortStableFunc(replicas, func(a, b info.Line) int {
		return info.CompareDigits(a.Key(x.Text)[5:], b.Key(x.Text)[5:])
	})
	w.Key("replicas").BeginArray()
	for _, l := range replicas[:cut.Limit("replicas", len(replicas))] {
		var buf [16]info.Pair
		pairs := info.Pairs(l.Value(x.Text), buf[:0])
		if pairs == nil {
			continue
		}
		w.BeginObject()
		writePairs(w, pairs, "lag_bytes", info.WriteField)
		theirs, confirmed := int64(0), false
		for _, p := range pairs {
			if string(p.Key) == "offset" {
				theirs, confirmed = info.ReplOffset(p.Value)
			}
		}
		if behind, ok := info.Unconfirmed(own, theirs); ok && known && confirmed {
			w.Key("lag_bytes").Int(behind)
		}
		w.EndObject()
	}
	w.EndArray()
}
