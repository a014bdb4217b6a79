package storm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"redisjobs/redisclient/resp"
)

// maxRecord is the most that is read as one record, in bytes.
const maxRecord = 64 << 10

// field is one thing that a record says, in base units: times are unix
// seconds, durations seconds.
type field struct {
	Name   string
	IsText bool
	Text   string
	// Number is exact up to 2^53.
	Number float64
}

// unreadable is one thing that a record says and that cannot be read.
type unreadable struct {
	Name   string
	Reason string
}

// record is what a job's writer left in Redis. What the writer did not say is
// in neither list.
type record struct {
	// Fields are those that could be read, in a fixed order.
	Fields []field
	// Unavailable are those that could not, in the same order.
	Unavailable []unreadable
}

// Text returns the text of a field.
func (r *record) Text(name string) (string, bool) {
	for _, f := range r.Fields {
		if f.IsText && f.Name == name {
			return f.Text, true
		}
	}
	return "", false
}

// Number returns the number of a field.
func (r *record) Number(name string) (float64, bool) {
	for _, f := range r.Fields {
		if !f.IsText && f.Name == name {
			return f.Number, true
		}
	}
	return 0, false
}

// Why a value is no record.
var (
	errNoRecord = errors.New("the record is neither a JSON object nor a status")
	errTooLarge = errors.New("the record is larger than 64 KiB")

	errTooManyFields = fmt.Errorf("the record has more than %d fields", maxFields)
)

// parseHash reads a record that is a hash, one field for each of its own.
// source: HSCAN.
func parseHash(pairs []resp.Value) (record, error) {
	var d draft
	size := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		if size += len(pairs[i].Str) + len(pairs[i+1].Str); size > maxRecord {
			return record{}, errTooLarge
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		value, err := pairs[i+1].Text()
		d.say(string(pairs[i].Str), value, err)
	}
	return d.record(), nil
}

// parseString reads a record that is one string: a JSON object, or a status
// alone. It is the value of a key or of a field in a hash of all jobs.
func parseString(raw []byte) (record, error) {
	if len(raw) > maxRecord {
		return record{}, errTooLarge
	}
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) > 0 && trimmed[0] == '{' {
		return parseObject(trimmed)
	}
	if !utf8.Valid(raw) || bytes.HasPrefix(trimmed, []byte("[")) {
		return record{}, errNoRecord
	}
	status, err := statusText(string(trimmed))
	if err != nil {
		return record{}, errNoRecord
	}
	return record{Fields: []field{{Name: "status", IsText: true, Text: status}}}, nil
}

func parseObject(raw []byte) (record, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return record{}, fmt.Errorf("the record is no JSON: %w", err)
	}
	var d draft
	for name, member := range members {
		value, err := scalar(member)
		if errors.Is(err, errJSONNull) {
			continue
		}
		d.say(name, value, err)
	}
	return d.record(), nil
}

// errJSONNull marks a member that its writer left open.
var errJSONNull = errors.New("null")

// scalar is the text of a JSON string, number or boolean.
func scalar(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case 'n':
		return "", errJSONNull
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{':
		return "", errors.New("a JSON object stands where one value is expected")
	case '[':
		return "", errors.New("a JSON array stands where one value is expected")
	default:
		return string(raw), nil
	}
}

// draft collects what a record says, whatever the order.
type draft struct {
	said []statement // by index of specs
}

type statement struct {
	made  bool
	place int
	value string
	err   error
}

// say takes one name and value of a record. An empty value says nothing, but
// for a text: that is how writers take back their last error.
func (d *draft) say(name, value string, err error) {
	r, ok := known[name]
	if !ok {
		return
	}
	if err == nil && specs[r.spec].kind != text && strings.TrimSpace(value) == "" {
		return
	}
	if d.said == nil {
		d.said = make([]statement, len(specs))
	}
	if s := &d.said[r.spec]; !s.made || r.place < s.place {
		*s = statement{made: true, place: r.place, value: value, err: err}
	}
}

func (d *draft) record() record {
	var r record
	for i, s := range d.said {
		if !s.made {
			continue
		}
		field, err := field{}, s.err
		if err == nil {
			field, err = specs[i].parse(s.value)
		}
		if err != nil {
			r.Unavailable = append(r.Unavailable, unreadable{Name: specs[i].field(), Reason: err.Error()})
			continue
		}
		r.Fields = append(r.Fields, field)
	}
	return r
}
