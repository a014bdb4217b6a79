package metrics

import (
	"bytes"
	"slices"
	"strconv"

	"redisjobs/metrics/jsondoc"
)

// statsList tells how a section of "name:figure=1,figure=2" lines becomes a
// list: the member's name, the prefix of each name, what a name is, and how a
// figure is written.
type statsList struct {
	list, prefix, names string
	write               func(w *jsondoc.Writer, key, value []byte)
}

// writeStats writes a list of rows such as
//
//	cmdstat_config|get:calls=1,usec=9,usec_per_call=9.00,rejected_calls=0,failed_calls=0
//	errorstat_NOPERM:count=1
//	latency_percentiles_usec_get:p50=1.003,p99=4.015,p99.9=4.015
//
// in the order of the names. A dot in a figure's name becomes "_": p99_9.
func writeStats(w *jsondoc.Writer, x *infoText, lines []infoLine, cut *truncations, s statsList) {
	w.BeginArray()
	for _, l := range lines[:cut.limit(s.list, len(lines))] {
		name, value := statsRow(x.text, l)
		var buf [16]infoPair
		pairs := infoPairs(value, buf[:0])
		if pairs == nil {
			continue
		}
		for i, p := range pairs {
			if bytes.IndexByte(p.key, '.') >= 0 {
				pairs[i].key = bytes.ReplaceAll(p.key, []byte("."), []byte("_"))
			}
		}
		w.BeginObject()
		w.Key(s.names).StringBytes(bytes.TrimPrefix(name, []byte(s.prefix)))
		writePairs(w, pairs, s.names, s.write)
		w.EndObject()
	}
	w.EndArray()
}

// statsRow takes a line apart at the last colon before the value's first
// figure: a client may have sent a command called "host:".
func statsRow(text []byte, l infoLine) (name, value []byte) {
	value = l.value(text)
	if i := bytes.IndexByte(value, '='); i >= 0 {
		if colon := bytes.LastIndexByte(value[:i], ':'); colon >= 0 {
			return text[l.start : int(l.val)+colon], value[colon+1:]
		}
	}
	return l.key(text), value
}

// writePairs writes the parts of a value as members of an object, sorted; of
// equal names the last one counts, and one that is taken is left out.
func writePairs(w *jsondoc.Writer, pairs []infoPair, taken string, write func(w *jsondoc.Writer, key, value []byte)) {
	slices.SortStableFunc(pairs, func(a, b infoPair) int { return bytes.Compare(a.key, b.key) })
	for i, p := range pairs {
		if p.value == nil || string(p.key) == taken || i+1 < len(pairs) && bytes.Equal(p.key, pairs[i+1].key) {
			continue
		}
		write(w, p.key, p.value)
	}
}

// writePercentile writes 4.015 microseconds as 0.000004015 seconds.
func writePercentile(w *jsondoc.Writer, key, value []byte) {
	if !jsondoc.IsNumber(value) || bytes.ContainsAny(value, "eE") {
		return
	}
	// The exponent is put to the text, so that the digits stay the server's:
	// dividing the number would round it once more.
	seconds, err := strconv.ParseFloat(string(value)+"e-6", 64)
	if err != nil {
		return
	}
	w.KeyBytes(key).Float(seconds)
}

// keyspaceRow is one database's line.
type keyspaceRow struct {
	index int
	line  infoLine
}

// writeKeyspace writes the databases in the order of their numbers. The other
// lines that some servers print there (Kvrocks' sequence) are left out.
//
//	db0:keys=2,expires=0,avg_ttl=0,subexpiry=0
func writeKeyspace(w *jsondoc.Writer, x *infoText, lines []infoLine, cut *truncations) {
	rows := make([]keyspaceRow, 0, len(lines))
	for i, l := range lines {
		digits, ok := bytes.CutPrefix(l.key(x.text), []byte("db"))
		if !ok || i+1 < len(lines) && bytes.Equal(l.key(x.text), lines[i+1].key(x.text)) {
			continue
		}
		index, err := strconv.Atoi(string(digits))
		if err != nil || index < 0 || !bytes.Contains(l.value(x.text), []byte("=")) {
			continue
		}
		rows = append(rows, keyspaceRow{index, l})
	}
	slices.SortFunc(rows, func(a, b keyspaceRow) int { return a.index - b.index })
	w.BeginArray()
	for _, row := range rows[:cut.limit("keyspace", len(rows))] {
		var buf [16]infoPair
		w.BeginObject()
		w.Key("db").StringBytes(row.line.key(x.text))
		w.Key("index").Int(int64(row.index))
		writePairs(w, infoPairs(row.line.value(x.text), buf[:0]), "db", func(w *jsondoc.Writer, key, value []byte) {
			if string(key) != "index" {
				writeField(w, key, value)
			}
		})
		w.EndObject()
	}
	w.EndArray()
}

// writeModules writes name and version of each loaded module:
//
//	module:name=search,ver=20000,api=1,filters=0,usedby=[],using=[ReJSON],options=[]
func writeModules(w *jsondoc.Writer, x *infoText, lines []infoLine, cut *truncations) {
	w.BeginArray()
	for _, l := range lines[:cut.limit("modules", len(lines))] {
		var buf [16]infoPair
		pairs := slices.DeleteFunc(infoPairs(l.value(x.text), buf[:0]), func(p infoPair) bool {
			return string(p.key) != "name" && string(p.key) != "ver"
		})
		if string(l.key(x.text)) != "module" || len(pairs) == 0 {
			continue
		}
		w.BeginObject()
		writePairs(w, pairs, "", writeField)
		w.EndObject()
	}
	w.EndArray()
}
