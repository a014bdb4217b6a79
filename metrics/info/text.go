package info

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// Line is one "field:value" line: where its two parts stand in the text.
// The value has no blanks around it.
type Line struct {
	Start, keyEnd, Val, valEnd uint32
	// number counts the lines of the text.
	number uint32
	// Prefix is the first eight bytes of the field as a number that sorts as
	// they do: most comparisons end with it.
	Prefix uint64
}

// section is a "# Name" header and the lines below it.
type section struct {
	name, nameEnd int
	First, End    int // lines[first:end]
	// unread counts the lines that are no field: comments, and those without a
	// colon.
	unread int
}

// Text is the answer to INFO, taken apart without copying it:
//
//	# Server
//	redis_version:7.0.15
//
//	# Keyspace
//	db0:keys=2,expires=0,avg_ttl=0
//
// Lines end with CR LF or LF and may have any length. A line without a colon
// says nothing and is skipped, as is a "#" with no name behind it. A "#" line
// with a colon is a comment inside its section (Kvrocks, Pika), as is one of several
// words in Keyspace (Pika), and what stands in parentheses is no part of a name:
// Pika's "Replication(MASTER)" is Replication.
// Source: https://redis.io/docs/latest/commands/info/
type Text struct {
	Text     []byte
	Lines    []Line
	Sections []section
	// Plain: no line has a character that JSON would escape.
	Plain bool
	// Fold makes section names that differ in case or punctuation only one
	// section: Redis prints "CPU", Dragonfly "Cpu".
	Fold bool
}

var (
	errNoSections = errors.New("the reply to INFO has no sections")
	errTooLong    = errors.New("the reply to INFO is too long")
)

// Reply returns the text of an INFO reply.
func Reply(v resp.Value) ([]byte, error) {
	switch v.Kind {
	case resp.BulkString, resp.VerbatimString, resp.SimpleString:
		return v.Str, nil
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	if v.IsNull() {
		return nil, resp.ErrNull
	}
	return nil, fmt.Errorf("expected the text of INFO, got a reply of kind %s", v.Kind)
}

// Scan finds the sections and lines of text. The two slices are memory to
// append to. A text with nothing in it gives no sections and no error; text
// that is not INFO's is an error.
func Scan(text []byte, sections []section, lines []Line) (Text, error) {
	return scan(text, sections, lines, sectionName)
}

// sectionName finds the name in a "#" line below section last; false for a comment.
// One of Pika's has no colon: "# Start async statistics".
// Source: src/pika_admin.cc of Pika 3.5.4, InfoCmd::InfoKeyspace
func sectionName(last, line []byte) (name []byte, ok bool) {
	if bytes.IndexByte(line, ':') >= 0 || string(last) == "Keyspace" && bytes.IndexByte(bytes.TrimSpace(line), ' ') > 0 {
		return nil, false
	}
	if i := bytes.IndexByte(line, '('); i > 0 {
		return bytes.TrimRight(line[:i], " "), true
	}
	return line, true
}

// everyHeader takes each "#" line for a section, as the agent's built-in plugin
// does.
func everyHeader(_, line []byte) (name []byte, ok bool) { return line, true }

func scan(text []byte, sections []section, lines []Line, header func(last, line []byte) ([]byte, bool)) (Text, error) {
	x := Text{Text: text, Plain: true}
	if len(text) > math.MaxUint32 {
		return x, errTooLong
	}
	for pos := 0; pos < len(text); {
		start, end, next := pos, len(text), len(text)
		if i := bytes.IndexByte(text[pos:], '\n'); i >= 0 {
			end, next = pos+i, pos+i+1
		}
		pos = next
		if end > start && text[end-1] == '\r' {
			end--
		}
		if end == start {
			continue
		}
		x.Plain = x.Plain && jsondoc.IsPlain(text[start:end])
		if text[start] == '#' {
			name := start + 1
			if name < end && text[name] == ' ' {
				name++
			}
			n := len(sections)
			var last []byte
			if n > 0 {
				last = text[sections[n-1].name:sections[n-1].nameEnd]
			}
			called, ok := header(last, text[name:end])
			switch {
			case len(called) > 0:
				if n > 0 {
					sections[n-1].End = len(lines)
				}
				sections = append(sections, section{name: name, nameEnd: name + len(called), First: len(lines)})
			case !ok && n > 0:
				sections[n-1].unread++
			}
			continue
		}
		colon := bytes.IndexByte(text[start:end], ':')
		if colon < 0 {
			if n := len(sections); n > 0 {
				sections[n-1].unread++
			}
			continue
		}
		if len(sections) == 0 {
			return x, fmt.Errorf("cannot read the reply to INFO: %q stands before the first section", ask.ClipBytes(text[start:end]))
		}
		val := start + colon + 1
		valEnd := val
		if trimmed := bytes.TrimSpace(text[val:end]); len(trimmed) > 0 {
			val += cap(text[val:end]) - cap(trimmed)
			valEnd = val + len(trimmed)
		}
		lines = append(lines, Line{
			Start: uint32(start), keyEnd: uint32(start + colon), Val: uint32(val), valEnd: uint32(valEnd),
			number: uint32(len(lines)), Prefix: SortPrefix(text[start : start+colon]),
		})
	}
	if n := len(sections); n > 0 {
		sections[n-1].End = len(lines)
	} else if len(bytes.TrimSpace(text)) > 0 {
		return x, errNoSections
	}
	x.Sections, x.Lines = sections, lines
	return x, nil
}

// SortPrefix packs at most eight bytes, the first one highest. Shorter keys are
// filled up with zeros.
func SortPrefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var p uint64
	for i, c := range key {
		p |= uint64(c) << (56 - 8*i)
	}
	return p
}

// Key and value return the line's parts. The text is handed in, and not taken
// from an Text, so that the compiler sees what stays on the stack.
func (l Line) Key(text []byte) []byte { return text[l.Start:l.keyEnd] }

func (l Line) Value(text []byte) []byte { return text[l.Val:l.valEnd] }

// Whole is the line, from its field's name to the end of its value.
func (l Line) Whole(text []byte) []byte { return text[l.Start:l.valEnd] }

func (x *Text) Name(s section) []byte { return x.Text[s.name:s.nameEnd] }

// SortSections puts the sections in the order of their names, for group.
func (x *Text) SortSections() {
	slices.SortFunc(x.Sections, func(a, b section) int {
		if c := x.compareNames(a, b); c != 0 {
			return c
		}
		return a.name - b.name
	})
}

// Group returns the name of section i of the sorted ones and its lines, in the
// order of their fields; lines with the same field keep the server's order.
// What stands under several headers of one name is one section. The next
// group starts at next.
func (x *Text) Group(i int) (name []byte, lines []Line, next int) {
	s := x.Sections[i]
	lines = x.Lines[s.First:s.End]
	for next = i + 1; next < len(x.Sections) && x.compareNames(s, x.Sections[next]) == 0; next++ {
		lines = append(slices.Clip(lines), x.Lines[x.Sections[next].First:x.Sections[next].End]...)
	}
	if !slices.IsSortedFunc(lines, x.compareLines) {
		slices.SortFunc(lines, x.compareLines)
	}
	return x.Name(s), lines, next
}

func (x *Text) compareLines(a, b Line) int {
	if c := cmp.Compare(a.Prefix, b.Prefix); c != 0 {
		return c
	}
	if c := bytes.Compare(a.Key(x.Text), b.Key(x.Text)); c != 0 {
		return c
	}
	return cmp.Compare(a.Start, b.Start)
}

func (x *Text) compareNames(a, b section) int {
	if !x.Fold {
		return bytes.Compare(x.Name(a), x.Name(b))
	}
	left, right := x.Name(a), x.Name(b)
	for i := range min(len(left), len(right)) {
		if c := cmp.Compare(snakeByte(left[i]), snakeByte(right[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(left), len(right))
}

// SnakeName makes a member name of a section name: "Cluster Info" is
// cluster_info.
func SnakeName(name []byte) []byte {
	out := make([]byte, len(name))
	for i, c := range name {
		out[i] = snakeByte(c)
	}
	return out
}

// sectionNames are the usual sections, as servers write them and as SnakeName does.
var sectionNames = func() map[string]string {
	names := make(map[string]string)
	for _, name := range []string{
		"Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Commandstats", "Errorstats",
		"Latencystats", "Cluster", "Keyspace", "Threads", "Keysizes", "Hotkeys", "Sentinel",
	} {
		names[name] = string(SnakeName([]byte(name)))
	}
	return names
}()

// SectionName is SnakeName as a string.
func SectionName(name []byte) string {
	if s, ok := sectionNames[string(name)]; ok {
		return s
	}
	return string(SnakeName(name))
}

func snakeByte(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		c += 'a' - 'A'
	case c == ' ', c == '-', c == '.', c == '/':
		c = '_'
	}
	return c
}

// is reports whether a section has that name, as SnakeName makes it.
func (x *Text) is(s section, name string) bool {
	text := x.Name(s)
	if len(text) != len(name) {
		return false
	}
	for i, c := range text {
		if snakeByte(c) != name[i] {
			return false
		}
	}
	return true
}

// Field returns the value of a field; of one that the server sent twice, the
// last. The section is named as SnakeName does.
func (x *Text) Field(section, key string) (value []byte, ok bool) {
	for _, s := range x.Sections {
		if !x.is(s, section) {
			continue
		}
		for _, l := range x.Lines[s.First:s.End] {
			if string(l.Key(x.Text)) == key {
				value, ok = l.Value(x.Text), true
			}
		}
	}
	return value, ok
}

// remove takes lines out of the sections, which stand in the order of the text.
func (x *Text) remove(gone func(section string, key, value []byte) bool) {
	kept := 0
	for i := range x.Sections {
		s := &x.Sections[i]
		name, first := SectionName(x.Name(*s)), kept
		for _, l := range x.Lines[s.First:s.End] {
			if !gone(name, l.Key(x.Text), l.Value(x.Text)) {
				x.Lines[kept] = l
				kept++
			}
		}
		s.First, s.End = first, kept
	}
	x.Lines = x.Lines[:kept]
}

// Pair is one part of a value such as "keys=2,expires=0". With a part
// that has no "=" the value is nil.
type Pair struct{ Key, Value []byte }

// Pairs takes a value apart at its commas and appends the parts to pairs.
// What stands behind a second "=" is dropped, as the built-in plugin does;
// empty parts are skipped. It returns nil when no part has a "=": then the
// value is no list of pairs.
func Pairs(value []byte, pairs []Pair) []Pair {
	found := false
	for len(value) > 0 {
		part := value
		if i := bytes.IndexByte(value, ','); i >= 0 {
			part, value = value[:i], value[i+1:]
		} else {
			value = nil
		}
		if len(part) == 0 {
			continue
		}
		key, val, isPair := bytes.Cut(part, []byte("="))
		if isPair {
			found = true
			if i := bytes.IndexByte(val, '='); i >= 0 {
				val = val[:i]
			}
		} else {
			val = nil
		}
		pairs = append(pairs, Pair{key, val})
	}
	if !found {
		return nil
	}
	return pairs
}
