package storm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"redisjobs/redisclient"
)

// The answers of Storm's UI are read with leniency, because its versions do not
// agree on types: numbers may be strings, null, missing or words ("Not
// applicable"). What is not of the expected form is unknown, and costs nothing
// but itself.

// amount is a finite number that may be unknown.
type amount struct {
	value float64
	known bool
}

// UnmarshalJSON takes a number, or a string that is one.
func (n *amount) UnmarshalJSON(raw []byte) error {
	*n = amount{}
	var text phrase
	_ = text.UnmarshalJSON(raw)
	if value, err := parseNumber(text.value); text.known && err == nil {
		*n = amount{value, true}
	}
	return nil
}

// times multiplies a known number; a negative one, which no figure of the UI
// can be, becomes unknown.
func (n amount) times(factor float64) amount {
	product := n.value * factor
	if !n.known || n.value < 0 || math.IsInf(product, 0) {
		return amount{}
	}
	return amount{product, true}
}

// phrase is a text that may be unknown.
type phrase struct {
	value string
	known bool
	said  bool // it is there, if only as null
}

// UnmarshalJSON takes a string, or a number as its digits.
func (w *phrase) UnmarshalJSON(raw []byte) error {
	*w = phrase{said: true}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return nil
	}
	if raw[0] != '"' {
		*w = phrase{string(raw), true, true}
		return nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		*w = phrase{s, true, true}
	}
	return nil
}

// line is the text in one line; "" when it is unknown.
func (w phrase) line() string { return oneLine(w.value) }

// list are the objects of an array; known is false when there is no array.
type list[T any] struct {
	rows  []T
	known bool
}

// UnmarshalJSON leaves out what is no object.
func (l *list[T]) UnmarshalJSON(raw []byte) error {
	*l = list[T]{}
	var members []json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil
	}
	l.known = true
	for _, member := range members {
		var row T
		if isObject(member) && json.Unmarshal(member, &row) == nil {
			l.rows = append(l.rows, row)
		}
	}
	return nil
}

func isObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// decodeUI reads one answer of the UI, which is an object.
func decodeUI(path string, body []byte, to any) error {
	fail := func(err error) error {
		path, _, _ := strings.Cut(path, "?")
		return &redisclient.Error{Op: "read " + path, Reason: redisclient.ReasonProtocol, Err: err}
	}
	if !isObject(body) {
		return fail(errors.New("the answer is no JSON object (is this a Storm UI, and does it ask for a login?)"))
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fail(fmt.Errorf("the answer is no JSON: %w", err))
	}
	return nil
}

// missing is the error of an answer that is JSON and has not what it is asked
// for.
func missing(path, member string) error {
	return &redisclient.Error{
		Op: "read " + path, Reason: redisclient.ReasonProtocol,
		Err: fmt.Errorf("the answer has no %q (is this a Storm UI?)", member),
	}
}
