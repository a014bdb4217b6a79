package metrics

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

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
func writeSection(w *jsondoc.Writer, x *infoText, section string, lines []infoLine, cut *truncations) {
	w.Key(memberName(section))
	switch section {
	case "keyspace":
		writeKeyspace(w, x, lines, cut)
	case "commandstats":
		writeStats(w, x, lines, cut, statsList{"commandstats", "cmdstat_", "command", writeField})
	case "errorstats":
		writeStats(w, x, lines, cut, statsList{"errorstats", "errorstat_", "error", writeField})
	case "latencystats":
		writeStats(w, x, lines, cut, statsList{"latencystats", "latency_percentiles_usec_", "command", writePercentile})
	case "modules":
		writeModules(w, x, lines, cut)
	default:
		w.BeginObject()
		var replicas []infoLine
		for i, l := range lines {
			key := l.key(x.text)
			if i+1 < len(lines) && bytes.Equal(key, lines[i+1].key(x.text)) {
				continue
			}
			if section == "replication" && isReplicaField(key) {
				replicas = append(replicas, l)
				continue
			}
			if section == "replication" && string(key) == "replicas" {
				continue // the list's name
			}
			writeField(w, key, l.value(x.text))
		}
		if section == "replication" {
			writeReplicas(w, x, lines, replicas, cut)
		}
		w.EndObject()
	}
}

// isReplicaField reports whether a field of Replication is slave and a number,
// and nothing else.
func isReplicaField(key []byte) bool {
	return isSlaveField(key) && len(bytes.TrimLeft(key[5:], "0123456789")) == 0
}

// writeField writes one field with the type that it has.
func writeField(w *jsondoc.Writer, key, value []byte) {
	switch {
	case bytes.HasSuffix(key, []byte("_human")):
	case isTextField(key):
		w.KeyBytes(key).StringBytes(value)
	case jsondoc.IsNumber(value):
		w.KeyBytes(key).Number(value)
	case isNoReading(bytes.TrimSuffix(value, []byte("%"))):
	case bytes.HasSuffix(value, []byte("%")) && jsondoc.IsNumber(value[:len(value)-1]):
		w.KeyBytes(key).Number(value[:len(value)-1])
	default:
		w.KeyBytes(key).StringBytes(value)
	}
}

// isNoReading knows the words that servers print in place of a number they do
// not have: C's nan and inf, Garnet's N/A, KeyDB's unavailable.
func isNoReading(value []byte) bool {
	if len(value) == 0 || len(value) > len("unavailable") {
		return false
	}
	switch strings.ToLower(strings.TrimLeft(string(value), "+-")) {
	case "nan", "inf", "infinity", "n/a", "unavailable":
		return true
	}
	return false
}

// isTextField knows names, ids and words: strings even when they are made of
// digits, because an item of a template has one type.
func isTextField(key []byte) bool {
	switch string(key) {
	case "availability_zone", "config_file", "executable", "gcc_version", "git_sha1", "ip", "last_saved_file",
		"maxmemory_policy", "mem_allocator", "monotonic_clock", "multiplexing_api", "name", "os", "process_supervised",
		"role", "run_id", "server_name", "state", "type", "version":
		return true
	}
	// The endings of more such names: redis_version, redis_build_id,
	// redis_git_sha1, master_replid2, master_host, tls_server_cert_serial,
	// redis_mode, rdb_last_bgsave_status.
	if len(key) == 0 {
		return false
	}
	switch key[len(key)-1] {
	case 'n':
		return endsIn(key, "_version")
	case 'd':
		return endsIn(key, "_build_id") || endsIn(key, "replid")
	case '1':
		return endsIn(key, "_sha1")
	case '2':
		return endsIn(key, "replid2")
	case 't':
		return endsIn(key, "_host")
	case 'l':
		return endsIn(key, "_serial")
	case 'e':
		return endsIn(key, "_mode")
	case 's':
		return endsIn(key, "_status")
	}
	return false
}

// endsIn reports whether key is more than suffix and ends in it.
func endsIn(key []byte, suffix string) bool {
	return len(key) > len(suffix) && string(key[len(key)-len(suffix):]) == suffix
}

// writeReplicas writes the member replicas of the replication section:
//
//	slave0:ip=127.0.0.1,port=7398,state=online,offset=145,lag=1
//
// offset counts from the beginning of the data set's history, so that it says
// nothing alone: lag_bytes is what the replica has not confirmed of this
// server's own offset, and is left out until it has confirmed anything. A row
// that has no such pairs, as servers before 2.8 print it, is left out.
func writeReplicas(w *jsondoc.Writer, x *infoText, section, replicas []infoLine, cut *truncations) {
	own, known := int64(0), false
	for _, l := range section {
		if string(l.key(x.text)) == "master_repl_offset" {
			own, known = replOffset(l.value(x.text))
		}
	}
	slices.SortStableFunc(replicas, func(a, b infoLine) int {
		return compareDigits(a.key(x.text)[5:], b.key(x.text)[5:])
	})
	w.Key("replicas").BeginArray()
	for _, l := range replicas[:cut.limit("replicas", len(replicas))] {
		var buf [16]infoPair
		pairs := infoPairs(l.value(x.text), buf[:0])
		if pairs == nil {
			continue
		}
		w.BeginObject()
		writePairs(w, pairs, "lag_bytes", writeField)
		theirs, confirmed := int64(0), false
		for _, p := range pairs {
			if string(p.key) == "offset" {
				theirs, confirmed = replOffset(p.value)
			}
		}
		if behind, ok := unconfirmed(own, theirs); ok && known && confirmed {
			w.Key("lag_bytes").Int(behind)
		}
		w.EndObject()
	}
	w.EndArray()
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
