package jobs

import (
	"errors"
	"fmt"
	"math"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// plainStream reads a stream and the group that is furthest behind.
// Sources: https://redis.io/docs/latest/commands/xinfo-groups/ and
// https://redis.io/docs/latest/commands/xinfo-stream/
func plainStream(p *poll, q *queue) { readStream(p, q, func([]streamGroup, error) {}) }

// readStream is plainStream that gives then the groups, when they are known; it may
// ask for more once.
func readStream(p *poll, q *queue, then func(groups []streamGroup, err error)) {
	var length float64
	var lengthErr error
	// The last id that was given, that of the oldest entry, and the last that XDEL took
	// away; zero while not known.
	var newest, oldest, deleted redisclient.StreamID
	p.Ask(func(v resp.Value, err error) { length, lengthErr = number(v, err) }, "XLEN", q.Name)
	p.Ask(func(v resp.Value, err error) { // of servers from 7.0 on
		var fields []resp.Value
		if err == nil {
			fields, err = v.Pairs()
			newest, _ = redisclient.ParseStreamID(string(streamField(fields, "last-generated-id").Str))
			deleted, _ = redisclient.ParseStreamID(string(streamField(fields, "max-deleted-entry-id").Str))
			if entry := streamField(fields, "first-entry").Elems; len(entry) > 0 {
				oldest, _ = redisclient.ParseStreamID(string(entry[0].Str))
			}
		}
		if added, ok := streamNumber(fields, "entries-added"); ok && err == nil {
			q.Set(figAdded, added)
			return
		}
		reason := "the server does not count the entries that were added, as Redis does from 7.0 on"
		if err != nil {
			reason = err.Error()
		}
		for _, f := range []figure{figAdded, figArrival, figDrain} {
			q.Miss(f, reason)
		}
	}, "XINFO", "STREAM", q.Name)
	p.Ask(func(v resp.Value, err error) {
		var groups []streamGroup
		if err = errors.Join(err, lengthErr); err == nil {
			groups, err = parseStreamGroups(v)
		}
		for i := range groups {
			g := &groups[i]
			switch {
			case newest != (redisclient.StreamID{}) && !g.delivered.Less(newest):
				g.lag, g.lagKnown = 0, true // servers before Redis 8 count wrongly after XTRIM
			case g.delivered.Less(oldest):
				// It has had nothing of what is there. Servers may also count what was
				// trimmed or deleted before it was read.
				g.lag, g.lagKnown = length, true
			case g.delivered.Less(deleted):
				// Redis before 7.2.7 and Valkey before 8.1.2 count the deleted entry.
				g.lagKnown = false
			case g.lag == 0 && length > 0 && newest != (redisclient.StreamID{}):
				// XGROUP CREATE … ENTRIESREAD was given more than there were.
				g.lagKnown = false
			}
		}
		then(groups, err)
		if err != nil {
			for _, f := range []figure{figWaiting, figActive, figLatency} {
				q.Miss(f, err.Error())
			}
			return
		}
		if len(groups) == 0 {
			q.Set(figWaiting, length)
		}
		from := q.streamGroups(groups)
		q.Head = from
		p.Ask(func(v resp.Value, err error) {
			at, err := streamTime(v, err)
			switch {
			case err != nil:
				q.Miss(figLatency, "oldest entry: "+err.Error())
			case at == 0:
				q.Set(figLatency, 0)
			default:
				q.waits(p, at)
			}
		}, "XRANGE", q.Name, from, "+", "COUNT", "1")
	}, "XINFO", "GROUPS", q.Name)
}

// streamGroups sets what the groups of a stream tell, and returns the id from which
// on not all have had what is there: "-" without a group.
func (q *queue) streamGroups(groups []streamGroup) (from string) {
	from = "-"
	behind := redisclient.StreamID{Ms: math.MaxUint64, Seq: math.MaxUint64}
	q.Set(figActive, 0)
	for _, g := range groups {
		q.Add(figActive, g.pending)
		if !g.lagKnown {
			for _, f := range []figure{figWaiting, figArrival, figDrain} {
				q.Miss(f, fmt.Sprintf("the server does not know how far group %.64q is", g.name))
			}
		} else if lag, _ := q.Get(figWaiting); g.lag >= lag {
			q.Set(figWaiting, g.lag)
		}
		if g.delivered.Less(behind) {
			behind = g.delivered
			from = behind.Next().String()
		}
	}
	return from
}

var errNoStreamID = errors.New("an id is none")

// streamGroup is what is wanted of a row of XINFO GROUPS.
type streamGroup struct {
	name      string
	pending   float64
	delivered redisclient.StreamID
	lag       float64
	lagKnown  bool // servers from 7.0 on, and not always
	consumers float64
	// done are the entries that were read and acknowledged.
	done      float64
	doneKnown bool // servers from 7.0 on, and not always
}

func parseStreamGroups(v resp.Value) ([]streamGroup, error) {
	rows, err := v.Array()
	if err != nil {
		return nil, err
	}
	groups := make([]streamGroup, len(rows))
	for i, row := range rows {
		fields, err := row.Pairs()
		if err != nil {
			return nil, err
		}
		g := &groups[i]
		g.name = string(streamField(fields, "name").Str)
		var ok bool
		if g.pending, ok = streamNumber(fields, "pending"); !ok {
			return nil, errors.New("a group does not tell what is pending")
		}
		if g.delivered, ok = redisclient.ParseStreamID(string(streamField(fields, "last-delivered-id").Str)); !ok {
			return nil, errNoStreamID
		}
		g.lag, g.lagKnown = streamNumber(fields, "lag")
		g.consumers, _ = streamNumber(fields, "consumers")
		read, known := streamNumber(fields, "entries-read")
		// Of a group that was made and read nothing, servers do not tell it.
		g.done, g.doneKnown = max(0, read-g.pending), known || g.delivered == redisclient.StreamID{}
	}
	return groups, nil
}

func streamField(fields []resp.Value, name string) resp.Value {
	v, _ := ask.FieldOf(fields, name)
	return v
}

// streamNumber reads a number; ok is false where there is none, or null.
func streamNumber(fields []resp.Value, name string) (n float64, ok bool) {
	v := streamField(fields, name)
	if v.IsNull() {
		return 0, false
	}
	n, err := v.Float64()
	return n, err == nil && n >= 0
}

// streamTime is when the first entry of a reply to XRANGE was added, 0 when there
// is none. Ids are the server's clock, unless the writer chose them.
func streamTime(v resp.Value, err error) (float64, error) {
	var entries []resp.Value
	if err == nil {
		entries, err = v.Array()
	}
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	if len(entries[0].Elems) == 0 {
		return 0, errors.New("it has no id")
	}
	id, ok := redisclient.ParseStreamID(string(entries[0].Elems[0].Str))
	if !ok {
		return 0, errNoStreamID
	}
	at := float64(id.Ms) / 1000
	if at < moment2000 || at > moment2200 {
		return 0, errors.New("its id is no time")
	}
	return at, nil
}
