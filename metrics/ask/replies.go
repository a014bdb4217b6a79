package ask

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

type ConfigParam struct{ Name, Value string }

// ConfigParams reads the answer to CONFIG GET, a map or its flat array.
func ConfigParams(v resp.Value) ([]ConfigParam, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return nil, err
	}
	params := make([]ConfigParam, 0, len(pairs)/2)
	var first error
	for i := 0; i < len(pairs); i += 2 {
		name, err := pairs[i].Text()
		if err != nil {
			return nil, fmt.Errorf("name of parameter %d: %w", i/2+1, err)
		}
		value, err := configValue(pairs[i+1])
		if err == nil {
			params = append(params, ConfigParam{name, value})
		} else if first == nil {
			first = fmt.Errorf("value of %s: %w", name, err)
		}
	}
	if len(params) == 0 {
		return nil, first
	}
	return params, nil
}

// configValue is the value of a parameter. KeyDB has lists for some (tls-allowlist),
// which are as CONFIG SET takes them. Any other shape is not known, and costs no other
// parameter.
// Source: https://github.com/Snapchat/KeyDB src/config.cpp, configGetCommand
func configValue(v resp.Value) (string, error) {
	if v.Kind != resp.Array {
		return v.Text()
	}
	words := make([]string, len(v.Elems))
	for i, e := range v.Elems {
		var err error
		if words[i], err = e.Text(); err != nil {
			return "", err
		}
	}
	return strings.Join(words, " "), nil
}

// LatencyEvent is one row of LATENCY LATEST.
type LatencyEvent struct {
	Name        string
	time        int64 // unix seconds
	latest, max int64 // milliseconds
}

var errLatencyShort = errors.New("an event has a name, a time, its latest and its highest latency")

// RowsOf reads a list of rows, each of which says something by itself: one that
// read refuses is left out, and counted. It fails when none can be read; name is
// what the error calls a row.
func RowsOf[T any](v resp.Value, name string, read func(resp.Value) (T, error)) (rows []T, unreadable int, err error) {
	elems, err := v.Array()
	if err != nil {
		return nil, 0, err
	}
	var first error
	rows = make([]T, 0, len(elems))
	for i, e := range elems {
		row, err := read(e)
		if err != nil {
			unreadable++
			if first == nil {
				first = Misfit(name, i, err)
			}
			continue
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 && first != nil {
		return nil, unreadable, first
	}
	return rows, unreadable, nil
}

// ParseLatencyLatest reads the answer to LATENCY LATEST; see RowsOf.
func ParseLatencyLatest(v resp.Value) (events []LatencyEvent, unreadable int, err error) {
	return RowsOf(v, "event", parseLatencyEvent)
}

func parseLatencyEvent(row resp.Value) (LatencyEvent, error) {
	var e LatencyEvent
	fields, err := row.Array()
	if err == nil && len(fields) < 4 {
		err = errLatencyShort
	}
	if err != nil {
		return e, err
	}
	if e.Name, err = fields[0].Text(); err != nil {
		return e, err
	}
	for i, to := range []*int64{&e.time, &e.latest, &e.max} {
		if *to, err = fields[1+i].Int64(); err == nil && *to < 0 {
			err = ErrNegative
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// WriteLatencyEvents writes the events as a list of that name, with what more
// adds to each.
func WriteLatencyEvents(w *jsondoc.Writer, list string, events []LatencyEvent, more func(event string), cut *Truncations) {
	w.Key(list).BeginArray()
	for _, e := range events[:cut.Limit(list, len(events))] {
		w.BeginObject()
		w.Key("event").String(e.Name)
		w.Key("time").Int(e.time)
		w.Key("latest").Float(float64(e.latest) / 1e3)
		w.Key("max").Float(float64(e.max) / 1e3)
		if more != nil {
			more(e.Name)
		}
		w.EndObject()
	}
	w.EndArray()
}

// FieldOf finds a member of a map by its name. Without one the value is null.
func FieldOf(pairs []resp.Value, name string) (resp.Value, bool) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if string(pairs[i].Str) == name {
			return pairs[i+1], true
		}
	}
	return resp.Value{Kind: resp.Null}, false
}

// Texts reads a map, or its flat array, of names and texts.
func Texts(v resp.Value) (map[string]string, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, err := pairs[i].Text()
		if err != nil {
			return nil, err
		}
		if out[name], err = pairs[i+1].Text(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Misfit names a reply's member that has not the form it should have.
func Misfit(list string, i int, err error) error { return fmt.Errorf("%s %d: %w", list, i+1, err) }

var ErrNegative = errors.New("a number is negative")

// Size is about what a reply takes.
func Size(v resp.Value) int {
	const value = 72 // a resp.Value
	n := value + len(v.Str)
	for _, e := range v.Elems {
		n += Size(e)
	}
	return n
}

// Time reads the answer to TIME: seconds and microseconds, neither
// negative, and few enough to be counted in milliseconds.
func Time(v resp.Value) (sec, usec int64, err error) {
	parts, err := v.Array()
	if err != nil {
		return 0, 0, err
	}
	if len(parts) != 2 {
		return 0, 0, fmt.Errorf("expected seconds and microseconds, got %d members", len(parts))
	}
	sec, err1 := parts[0].Int64()
	usec, err2 := parts[1].Int64()
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, err
	}
	if sec < 0 || sec > math.MaxInt64/1000-1 || usec < 0 {
		return 0, 0, ErrNegative
	}
	return sec, usec, nil
}

var errNoSlowlogID = errors.New("the entry has no id")

// NewestSlowlogID reads the id from the answer to SLOWLOG GET 1; ok is false
// when the log is empty.
func NewestSlowlogID(p *Part) (id int64, ok bool, err error) {
	if p.Err != nil {
		return 0, false, p.Err
	}
	entries, err := p.Value.Array()
	if err != nil || len(entries) == 0 {
		return 0, false, err
	}
	fields, err := entries[0].Array()
	if err != nil {
		return 0, false, err
	}
	if len(fields) == 0 || fields[0].Kind != resp.Integer || fields[0].Int < 0 {
		return 0, false, errNoSlowlogID
	}
	return fields[0].Int, true, nil
}
