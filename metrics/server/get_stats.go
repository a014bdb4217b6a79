package server

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
)

// statsList tells how a section of "name:figure=1,figure=2" lines becomes a
// list: the member's name, the prefix of each name, what a name is, and how a
// figure is written.
type statsList struct {
	list, prefix, names string
	write               func(d *document, w *jsondoc.Writer, key, value []byte)
}

// writeStats writes a list of rows such as
//
//	cmdstat_config|get:calls=1,usec=9,usec_per_call=9.00,rejected_calls=0,failed_calls=0
//	errorstat_NOPERM:count=1
//	latency_percentiles_usec_get:p50=1.003,p99=4.015,p99.9=4.015
//
// in the order of the names. A dot in a figure's name becomes "_": p99_9.
func (d *document) writeStats(w *jsondoc.Writer, lines []info.Line, s statsList) {
	left := d.room(w)
	w.BeginArray()
	limit := d.cut.Limit(s.list, len(lines))
	for i, l := range lines[:limit] {
		if !left.fits(w) {
			d.cut.Add(s.list, limit-i)
			break
		}
		name, value := statsRow(d.x.Text, l)
		var buf [16]info.Pair
		pairs := info.Pairs(value, buf[:0])
		if pairs == nil && s.names == "error" && s.prefix == "" {
			name, pairs = bareError(l.Whole(d.x.Text), buf[:0])
		}
		if pairs == nil {
			continue
		}
		for i, p := range pairs {
			if bytes.IndexByte(p.Key, '.') >= 0 {
				pairs[i].Key = bytes.ReplaceAll(p.Key, []byte("."), []byte("_"))
			}
		}
		w.BeginObject()
		w.Key(s.names).StringBytes(clipped(bytes.TrimPrefix(name, []byte(s.prefix)), maxName))
		d.writePairs(w, pairs, s.names, s.write)
		w.EndObject()
	}
	w.EndArray()
}

// bareError reads Dragonfly's lines of Errorstats, which are a kind or a whole
// message and a number; a message has the "-" of the reply before it.
//
//	wrongtype:5
//	-OOM out of memory:1
func bareError(line []byte, pairs []info.Pair) ([]byte, []info.Pair) {
	colon := bytes.LastIndexByte(line, ':')
	name, value := line[:colon], line[colon+1:]
	if !info.ParseCount(value).Known {
		return nil, nil
	}
	return bytes.TrimPrefix(name, []byte("-")), append(pairs, info.Pair{Key: []byte("count"), Value: value})
}

// uncounted says why Errorstats do not tell of all errors: from 128 kinds on the
// server drops them and counts none any more, until CONFIG RESETSTAT.
// Source: redis src/server.c, afterErrorReply
func uncounted(x *info.Text, lines []info.Line) error {
	for _, l := range lines {
		if string(l.Key(x.Text)) == "errorstat_ERRORSTATS_DISABLED" {
			return errUncounted
		}
	}
	return nil
}

var errUncounted = errors.New("the server has met too many kinds of errors and counts none any more (ERRORSTATS_DISABLED), until CONFIG RESETSTAT")

// statsRow takes a line apart at the last colon before the value's first
// figure: a client may have sent a command called "host:". What a proxy adds in
// parentheses is left out: count=3(HSET=2,ZDIFF=1) is count=3.
func statsRow(text []byte, l info.Line) (name, value []byte) {
	value = l.Value(text)
	if i := bytes.IndexByte(value, '='); i >= 0 {
		if colon := bytes.LastIndexByte(value[:i], ':'); colon >= 0 {
			return text[l.Start : int(l.Val)+colon], withoutParentheses(value[colon+1:])
		}
	}
	return l.Key(text), withoutParentheses(value)
}

// withoutParentheses leaves out what stands in parentheses behind a value's end.
func withoutParentheses(value []byte) []byte {
	open := bytes.IndexByte(value, '(')
	if open < 0 || value[len(value)-1] != ')' || !bytes.Contains(value[:open], []byte("=")) {
		return value
	}
	return value[:open]
}

// writePairs writes the parts of a value as members of an object, sorted; of
// equal names the last one counts, and one that is taken is left out.
func (d *document) writePairs(w *jsondoc.Writer, pairs []info.Pair, taken string, write func(d *document, w *jsondoc.Writer, key, value []byte)) {
	slices.SortStableFunc(pairs, func(a, b info.Pair) int { return bytes.Compare(a.Key, b.Key) })
	for i, p := range pairs {
		if p.Value == nil || string(p.Key) == taken || i+1 < len(pairs) && bytes.Equal(p.Key, pairs[i+1].Key) {
			continue
		}
		write(d, w, p.Key, p.Value)
	}
}

// writePercentile writes 4.015 microseconds as 0.000004015 seconds. The digits
// stay the server's: dividing the number would round it once more.
func writePercentile(_ *document, w *jsondoc.Writer, key, value []byte) {
	if !jsondoc.IsNumber(value) || bytes.ContainsAny(value, "eE") {
		return
	}
	var room [40]byte
	if seconds, ok := millionth(room[:0], value); ok {
		w.KeyBytes(key).NumberPlain(seconds)
		return
	}
	if seconds, err := strconv.ParseFloat(string(value)+"e-6", 64); err == nil {
		w.KeyBytes(key).Float(seconds)
	}
}

// millionth moves the point of a number six places to the left, without zeros at
// the end, where that needs no rounding: for numbers above zero of at most 15
// digits, and that are not below 1e-9 afterwards.
func millionth(buf, number []byte) ([]byte, bool) {
	whole, rest, _ := bytes.Cut(number, []byte("."))
	if len(whole)+len(rest) > 15 || number[0] == '-' || number[0] == '0' && len(bytes.Trim(rest, "0")) > 0 {
		return nil, false
	}
	at := len(whole) - 6
	if at <= 0 {
		buf = append(buf, "0."...)
		buf = append(buf, "000000"[:-at]...)
		buf = append(buf, whole...)
	} else {
		buf = append(append(append(buf, whole[:at]...), '.'), whole[at:]...)
	}
	buf = bytes.TrimRight(append(buf, rest...), "0")
	return bytes.TrimSuffix(buf, []byte(".")), true
}

// keyspaceRow is one database's line.
type keyspaceRow struct {
	index int
	line  info.Line
}

// writeKeyspace writes the databases in the order of their numbers. The other
// lines that some servers print there (Kvrocks' sequence) are left out.
//
//	db0:keys=2,expires=0,avg_ttl=0,subexpiry=0
func (d *document) writeKeyspace(w *jsondoc.Writer, lines []info.Line) {
	x := d.x
	rows := make([]keyspaceRow, 0, len(lines))
	for i, l := range lines {
		digits, ok := bytes.CutPrefix(l.Key(x.Text), []byte("db"))
		if !ok || i+1 < len(lines) && bytes.Equal(l.Key(x.Text), lines[i+1].Key(x.Text)) {
			continue
		}
		index, err := strconv.Atoi(string(digits))
		if err != nil || index < 0 || !bytes.Contains(l.Value(x.Text), []byte("=")) {
			continue
		}
		rows = append(rows, keyspaceRow{index, l})
	}
	slices.SortFunc(rows, func(a, b keyspaceRow) int { return a.index - b.index })
	left := d.room(w)
	never := info.NeverCounted(x, &d.id)
	w.BeginArray()
	limit := d.cut.Limit("keyspace", len(rows))
	for i, row := range rows[:limit] {
		if !left.fits(w) {
			d.cut.Add("keyspace", limit-i)
			break
		}
		var buf [16]info.Pair
		w.BeginObject()
		w.Key("db").StringBytes(row.line.Key(x.Text))
		w.Key("index").Int(int64(row.index))
		d.writePairs(w, info.Pairs(row.line.Value(x.Text), buf[:0]), "db", func(d *document, w *jsondoc.Writer, key, value []byte) {
			if string(key) != "index" && !(never && string(value) == "0") {
				d.writePair(w, key, value)
			}
		})
		w.EndObject()
	}
	w.EndArray()
}

// writeModules writes name and version of each loaded module:
//
//	module:name=search,ver=20000,api=1,filters=0,usedby=[],using=[ReJSON],options=[]
func (d *document) writeModules(w *jsondoc.Writer, lines []info.Line) {
	x, left := d.x, d.room(w)
	w.BeginArray()
	limit := d.cut.Limit("modules", len(lines))
	for i, l := range lines[:limit] {
		if !left.fits(w) {
			d.cut.Add("modules", limit-i)
			break
		}
		var buf [16]info.Pair
		pairs := slices.DeleteFunc(info.Pairs(l.Value(x.Text), buf[:0]), func(p info.Pair) bool {
			return string(p.Key) != "name" && string(p.Key) != "ver"
		})
		if string(l.Key(x.Text)) != "module" || len(pairs) == 0 {
			continue
		}
		w.BeginObject()
		d.writePairs(w, pairs, "", (*document).writePair)
		w.EndObject()
	}
	w.EndArray()
}
