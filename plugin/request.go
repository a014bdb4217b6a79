package plugin

import (
	"bytes"
	"strconv"

	"golang.zabbix.com/sdk/plugin/comms"
)

// readExport reads an export request in the form that agents write it:
//
//	{"id":7,"type":6,"key":"redis.get","parameters":["tcp://10.0.0.5:6379"],"timeout":3}
//
// It reports false for any other request, and for what encoding/json might read
// in another way: an escape, a character that is not ASCII, a blank, a name that is
// unknown or stands there twice. Nearly all requests are of this form, and reading
// them by reflection was a tenth of what a ping costs.
func readExport(body []byte) (m message, ok bool) {
	r := requestReader{rest: body}
	var seen [5]bool
	if !r.skip("{") {
		return message{}, false
	}
	for {
		name, ok := r.text()
		field := fieldOf(name)
		if !ok || field < 0 || seen[field] || !r.skip(":") {
			return message{}, false
		}
		seen[field] = true
		switch field {
		case fieldID:
			m.Id = uint32(r.number(32))
		case fieldType:
			m.Type = uint32(r.number(32))
		case fieldKey:
			var key []byte
			key, ok = r.text()
			m.Key = string(key)
		case fieldParameters:
			m.Params, ok = r.texts()
		case fieldTimeout:
			m.Timeout = int(r.number(31))
		}
		if !ok || r.failed {
			return message{}, false
		}
		if !r.skip(",") {
			break
		}
	}
	return m, r.skip("}") && len(r.rest) == 0 && m.Type == comms.ExportRequestType
}

// The members of an export request.
const (
	fieldID = iota
	fieldType
	fieldKey
	fieldParameters
	fieldTimeout
)

func fieldOf(name []byte) int {
	switch string(name) {
	case "id":
		return fieldID
	case "type":
		return fieldType
	case "key":
		return fieldKey
	case "parameters":
		return fieldParameters
	case "timeout":
		return fieldTimeout
	}
	return -1
}

// requestReader takes a request apart.
type requestReader struct {
	rest   []byte
	failed bool
}

// skip takes what is expected next, or nothing.
func (r *requestReader) skip(expected string) bool {
	rest, ok := bytes.CutPrefix(r.rest, []byte(expected))
	r.rest = rest
	return ok
}

// text takes a string of plain characters.
func (r *requestReader) text() ([]byte, bool) {
	if !r.skip(`"`) {
		return nil, false
	}
	for i, c := range r.rest {
		switch {
		case c == '"':
			text := r.rest[:i]
			r.rest = r.rest[i+1:]
			return text, true
		case c == '\\', c < ' ', c > '~':
			return nil, false
		}
	}
	return nil, false
}

// texts takes a list of strings, or null for none.
func (r *requestReader) texts() ([]string, bool) {
	if r.skip("null") {
		return nil, true
	}
	if !r.skip("[") {
		return nil, false
	}
	out := []string{}
	if r.skip("]") {
		return out, true
	}
	for {
		text, ok := r.text()
		if !ok {
			return nil, false
		}
		out = append(out, string(text))
		if !r.skip(",") {
			return out, r.skip("]")
		}
	}
}

// number takes a number of at most so many bits without a sign.
func (r *requestReader) number(bits int) uint64 {
	n := 0
	for n < len(r.rest) && '0' <= r.rest[n] && r.rest[n] <= '9' {
		n++
	}
	value, err := strconv.ParseUint(string(r.rest[:n]), 10, bits)
	if err != nil || n > 1 && r.rest[0] == '0' {
		r.failed = true
	}
	r.rest = r.rest[n:]
	return value
}
