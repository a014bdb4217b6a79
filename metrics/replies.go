package metrics

import (
	"errors"
	"fmt"
	"math"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

type configParam struct{ name, value string }

// configParams reads the answer to CONFIG GET, a map or its flat array.
func configParams(v resp.Value) ([]configParam, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return nil, err
	}
	params := make([]configParam, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, err := pairs[i].Text()
		if err != nil {
			return nil, fmt.Errorf("name of parameter %d: %w", i/2+1, err)
		}
		value, err := pairs[i+1].Text()
		if err != nil {
			return nil, fmt.Errorf("value of %s: %w", name, err)
		}
		params = append(params, configParam{name, value})
	}
	return params, nil
}

// latencyEvent is one row of LATENCY LATEST.
type latencyEvent struct {
	name        string
	time        int64 // unix seconds
	latest, max int64 // milliseconds
}

var errLatencyShort = errors.New("an event has a name, a time, its latest and its highest latency")

func parseLatencyLatest(v resp.Value) ([]latencyEvent, error) {
	rows, err := v.Array()
	if err != nil {
		return nil, err
	}
	out := make([]latencyEvent, len(rows))
	for i, row := range rows {
		fields, err := row.Array()
		if err == nil && len(fields) < 4 {
			err = errLatencyShort
		}
		if err != nil {
			return nil, misfit("event", i, err)
		}
		e := &out[i]
		if e.name, err = fields[0].Text(); err != nil {
			return nil, misfit("event", i, err)
		}
		for j, to := range []*int64{&e.time, &e.latest, &e.max} {
			if *to, err = fields[1+j].Int64(); err != nil {
				return nil, misfit("event", i, err)
			}
		}
	}
	return out, nil
}

// writeLatencyEvents writes the events as a list of that name, with what more
// adds to each.
func writeLatencyEvents(w *jsondoc.Writer, list string, events []latencyEvent, more func(event string), cut *truncations) {
	w.Key(list).BeginArray()
	for _, e := range events[:cut.limit(list, len(events))] {
		w.BeginObject()
		w.Key("event").String(e.name)
		w.Key("time").Int(e.time)
		w.Key("latest").Float(float64(e.latest) / 1e3)
		w.Key("max").Float(float64(e.max) / 1e3)
		if more != nil {
			more(e.name)
		}
		w.EndObject()
	}
	w.EndArray()
}

// fieldOf finds a member of a map by its name. Without one the value is null.
func fieldOf(pairs []resp.Value, name string) (resp.Value, bool) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if string(pairs[i].Str) == name {
			return pairs[i+1], true
		}
	}
	return resp.Value{Kind: resp.Null}, false
}

// misfit names a reply's member that has not the form it should have.
func misfit(list string, i int, err error) error { return fmt.Errorf("%s %d: %w", list, i+1, err) }

var errNegative = errors.New("a number is negative")

// memoryOf is about what a reply takes.
func memoryOf(v resp.Value) int {
	const value = 72 // a resp.Value
	n := value + len(v.Str)
	for _, e := range v.Elems {
		n += memoryOf(e)
	}
	return n
}

// serverTime reads the answer to TIME: seconds and microseconds, neither
// negative, and few enough to be counted in milliseconds.
func serverTime(v resp.Value) (sec, usec int64, err error) {
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
		return 0, 0, errNegative
	}
	return sec, usec, nil
}

var errNoSlowlogID = errors.New("the entry has no id")

// newestSlowlogID reads the id from the answer to SLOWLOG GET 1; ok is false
// when the log is empty.
func newestSlowlogID(p *part) (id int64, ok bool, err error) {
	if p.err != nil {
		return 0, false, p.err
	}
	entries, err := p.value.Array()
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
