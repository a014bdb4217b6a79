package metrics

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// infoLine is one "field:value" line: where its two parts stand in the text.
// The value has no blanks around it.
type infoLine struct {
	start, keyEnd, val, valEnd uint32
	// number counts the lines of the text.
	number uint32
	// prefix is the first eight bytes of the field as a number that sorts as
	// they do: most comparisons end with it.
	prefix uint64
}

// infoSection is a "# Name" header and the lines below it.
type infoSection struct {
	name, nameEnd int
	first, end    int // lines[first:end]
}

// infoText is the answer to INFO, taken apart without copying it:
//
//	# Server
//	redis_version:7.0.15
//
//	# Keyspace
//	db0:keys=2,expires=0,avg_ttl=0
//
// Lines end with CR LF or LF and may have any length. A line without a colon
// says nothing and is skipped, as is a "#" with no name behind it.
// Source: https://redis.io/docs/latest/commands/info/
type infoText struct {
	text     []byte
	lines    []infoLine
	sections []infoSection
	// plain: no line has a character that JSON would escape.
	plain bool
	// fold makes section names that differ in case or punctuation only one
	// section: Redis prints "CPU", Dragonfly "Cpu".
	fold bool
}

var (
	errNoSections  = errors.New("the reply to INFO has no sections")
	errInfoTooLong = errors.New("the reply to INFO is too long")
)

// infoReply returns the text of an INFO reply.
func infoReply(v resp.Value) ([]byte, error) {
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

// scanInfo finds the sections and lines of text. The two slices are memory to
// append to. A text with nothing in it gives no sections and no error; text
// that is not INFO's is an error.
func scanInfo(text []byte, sections []infoSection, lines []infoLine) (infoText, error) {
	x := infoText{text: text, plain: true}
	if len(text) > math.MaxUint32 {
		return x, errInfoTooLong
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
		x.plain = x.plain && jsondoc.IsPlain(text[start:end])
		if text[start] == '#' {
			name := start + 1
			if name < end && text[name] == ' ' {
				name++
			}
			if name == end {
				continue
			}
			if n := len(sections); n > 0 {
				sections[n-1].end = len(lines)
			}
			sections = append(sections, infoSection{name: name, nameEnd: end, first: len(lines)})
			continue
		}
		colon := bytes.IndexByte(text[start:end], ':')
		if colon < 0 {
			continue
		}
		if len(sections) == 0 {
			return x, fmt.Errorf("cannot read the reply to INFO: %q stands before the first section", clipBytes(text[start:end]))
		}
		val := start + colon + 1
		valEnd := val
		if trimmed := bytes.TrimSpace(text[val:end]); len(trimmed) > 0 {
			val += cap(text[val:end]) - cap(trimmed)
			valEnd = val + len(trimmed)
		}
		lines = append(lines, infoLine{
			start: uint32(start), keyEnd: uint32(start + colon), val: uint32(val), valEnd: uint32(valEnd),
			number: uint32(len(lines)), prefix: sortPrefix(text[start : start+colon]),
		})
	}
	if n := len(sections); n > 0 {
		sections[n-1].end = len(lines)
	} else if len(bytes.TrimSpace(text)) > 0 {
		return x, errNoSections
	}
	x.sections, x.lines = sections, lines
	return x, nil
}

// sortPrefix packs at most eight bytes, the first one highest. Shorter keys are
// filled up with zeros.
func sortPrefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var p uint64
	for i, c := range key {
		p |= uint64(c) << (56 - 8*i)
	}
	return p
}

// key and value return the line's parts. The text is handed in, and not taken
// from an infoText, so that the compiler sees what stays on the stack.
func (l infoLine) key(text []byte) []byte { return text[l.start:l.keyEnd] }

func (l infoLine) value(text []byte) []byte { return text[l.val:l.valEnd] }

func (x *infoText) name(s infoSection) []byte { return x.text[s.name:s.nameEnd] }

// sortSections puts the sections in the order of their names, for group.
func (x *infoText) sortSections() {
	slices.SortFunc(x.sections, func(a, b infoSection) int {
		if c := x.compareNames(a, b); c != 0 {
			return c
		}
		return a.name - b.name
	})
}

// group returns the name of section i of the sorted ones and its lines, in the
// order of their fields; lines with the same field keep the server's order.
// What stands under several headers of one name is one section. The next
// group starts at next.
func (x *infoText) group(i int) (name []byte, lines []infoLine, next int) {
	s := x.sections[i]
	lines = x.lines[s.first:s.end]
	for next = i + 1; next < len(x.sections) && x.compareNames(s, x.sections[next]) == 0; next++ {
		lines = append(slices.Clip(lines), x.lines[x.sections[next].first:x.sections[next].end]...)
	}
	if !slices.IsSortedFunc(lines, x.compareLines) {
		slices.SortFunc(lines, x.compareLines)
	}
	return x.name(s), lines, next
}

func (x *infoText) compareLines(a, b infoLine) int {
	if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
		return c
	}
	if c := bytes.Compare(a.key(x.text), b.key(x.text)); c != 0 {
		return c
	}
	return cmp.Compare(a.start, b.start)
}

func (x *infoText) compareNames(a, b infoSection) int {
	if !x.fold {
		return bytes.Compare(x.name(a), x.name(b))
	}
	return bytes.Compare(snakeName(x.name(a)), snakeName(x.name(b)))
}

// snakeName makes a member name of a section name: "Cluster Info" is
// cluster_info.
func snakeName(name []byte) []byte {
	out := make([]byte, len(name))
	for i, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == ' ', c == '-', c == '.', c == '/':
			c = '_'
		}
		out[i] = c
	}
	return out
}

// field returns the value of a field; of one that the server sent twice, the
// last. The section is named as snakeName does.
func (x *infoText) field(section, key string) (value []byte, ok bool) {
	for _, s := range x.sections {
		if string(snakeName(x.name(s))) != section {
			continue
		}
		for _, l := range x.lines[s.first:s.end] {
			if string(l.key(x.text)) == key {
				value, ok = l.value(x.text), true
			}
		}
	}
	return value, ok
}

// infoPair is one part of a value such as "keys=2,expires=0". With a part
// that has no "=" the value is nil.
type infoPair struct{ key, value []byte }

// infoPairs takes a value apart at its commas and appends the parts to pairs.
// What stands behind a second "=" is dropped, as the built-in plugin does;
// empty parts are skipped. It returns nil when no part has a "=": then the
// value is no list of pairs.
func infoPairs(value []byte, pairs []infoPair) []infoPair {
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
		pairs = append(pairs, infoPair{key, val})
	}
	if !found {
		return nil
	}
	return pairs
}
