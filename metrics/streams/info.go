package streams

import (
	"errors"
	"fmt"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// firstMs is the year 2010, before streams. An earlier id is a number
	// that the writer chose.
	firstMs = 1_262_304_000_000
	// clockSlackMs is how far in the future an id may lie: a server whose clock
	// was set back goes on from its newest id.
	clockSlackMs = 60_000
)

// age is the time in seconds since an entry was added; ok is false when its
// id is no time.
func age(id redisclient.StreamID, nowMs uint64) (seconds float64, ok bool) {
	if id.Ms < firstMs || id.Ms > nowMs+clockSlackMs {
		return 0, false
	}
	if id.Ms > nowMs {
		return 0, true
	}
	return float64(nowMs-id.Ms) / 1e3, true
}

// info is the answer to XINFO STREAM.
// Source: https://redis.io/docs/latest/commands/xinfo-stream/
type info struct {
	length      int64
	last        redisclient.StreamID // of the newest entry ever
	lastKnown   bool
	first       redisclient.StreamID // of the oldest entry there is
	firstKnown  bool                 // false too when there is none
	deleted     redisclient.StreamID // the newest one that XDEL took away; Redis 7, else 0-0
	added       int64                // entries ever added; Redis 7
	addedKnown  bool
	groups      int64 // 0 when it is not known
	entryMemory int   // what the larger of its two end entries takes here, in bytes
}

var errNoLength = errors.New("the reply has no length")

func parseInfo(v resp.Value) (info, error) {
	var s info
	fields, err := v.Pairs()
	if err != nil {
		return s, err
	}
	length, ok := ask.FieldOf(fields, "length")
	if !ok {
		return s, errNoLength
	}
	if s.length, err = length.Int64(); err != nil {
		return s, err
	}
	s.last, s.lastKnown = idField(fields, "last-generated-id")
	s.deleted, _ = idField(fields, "max-deleted-entry-id")
	s.added, s.addedKnown = countField(fields, "entries-added")
	s.groups, _ = countField(fields, "groups")
	for _, name := range []string{"first-entry", "last-entry"} {
		entry, _ := ask.FieldOf(fields, name)
		id, ok := entryID(entry)
		if ok && name == "first-entry" {
			s.first, s.firstKnown = id, true
		}
		s.entryMemory = max(s.entryMemory, ask.Size(entry))
	}
	return s, nil
}

// entryID reads the id of an entry, [id, [field, value, …]].
func entryID(v resp.Value) (redisclient.StreamID, bool) {
	if len(v.Elems) == 0 {
		return redisclient.StreamID{}, false
	}
	return redisclient.ParseStreamID(string(v.Elems[0].Str))
}

// countField reads a number that is not negative; ok is false where the server
// says null, or nothing.
func countField(fields []resp.Value, name string) (n int64, ok bool) {
	v, _ := ask.FieldOf(fields, name)
	n, err := v.Int64()
	return n, err == nil && n >= 0
}

func idField(fields []resp.Value, name string) (redisclient.StreamID, bool) {
	v, _ := ask.FieldOf(fields, name)
	return redisclient.ParseStreamID(string(v.Str))
}

// streamGroup is one row of XINFO GROUPS.
// Source: https://redis.io/docs/latest/commands/xinfo-groups/
type streamGroup struct {
	name           string
	consumers      int64
	consumersKnown bool
	pending        int64
	pendingKnown   bool
	delivered      redisclient.StreamID // the last one
	deliveredKnown bool
	read           int64 // entries ever read; Redis 7, and not always
	readKnown      bool
	lag            int64 // entries not yet delivered; Redis 7, and not always
	lagKnown       bool
}

func parseGroups(v resp.Value) ([]streamGroup, error) {
	rows, err := v.Array()
	if err != nil {
		return nil, err
	}
	out := make([]streamGroup, len(rows))
	for i, row := range rows {
		fields, err := row.Pairs()
		if err != nil {
			return nil, ask.Misfit("group", i, err)
		}
		g := &out[i]
		name, _ := ask.FieldOf(fields, "name")
		if g.name, err = name.Text(); err != nil {
			return nil, ask.Misfit("group", i, err)
		}
		g.consumers, g.consumersKnown = countField(fields, "consumers")
		g.pending, g.pendingKnown = countField(fields, "pending")
		g.delivered, g.deliveredKnown = idField(fields, "last-delivered-id")
		g.read, g.readKnown = countField(fields, "entries-read")
		g.lag, g.lagKnown = countField(fields, "lag")
	}
	return out, nil
}

// consumer is one row of XINFO CONSUMERS.
// Source: https://redis.io/docs/latest/commands/xinfo-consumers/
type consumer struct {
	name          string
	pending       int64
	pendingKnown  bool
	idle          int64 // milliseconds since it last tried to read
	idleKnown     bool
	inactive      int64 // milliseconds since it last got something; Redis 7.2
	inactiveKnown bool
}

func parseConsumers(v resp.Value) ([]consumer, error) {
	rows, err := v.Array()
	if err != nil {
		return nil, err
	}
	out := make([]consumer, len(rows))
	for i, row := range rows {
		fields, err := row.Pairs()
		if err != nil {
			return nil, ask.Misfit("consumer", i, err)
		}
		c := &out[i]
		name, _ := ask.FieldOf(fields, "name")
		if c.name, err = name.Text(); err != nil {
			return nil, ask.Misfit("consumer", i, err)
		}
		c.pending, c.pendingKnown = countField(fields, "pending")
		c.idle, c.idleKnown = countField(fields, "idle")
		c.inactive, c.inactiveKnown = countField(fields, "inactive")
	}
	return out, nil
}

// pendingEntry is one row of XPENDING with a range.
// Source: https://redis.io/docs/latest/commands/xpending/
type pendingEntry struct {
	id         redisclient.StreamID
	idle       int64 // milliseconds since it was delivered
	deliveries int64
}

// parsePending reads the oldest pending entry; ok is false when there is none.
func parsePending(v resp.Value) (e pendingEntry, ok bool, err error) {
	rows, err := v.Array()
	if err != nil || len(rows) == 0 {
		return e, false, err
	}
	fields, err := rows[0].Array()
	if err != nil {
		return e, false, err
	}
	if len(fields) < 4 {
		return e, false, fmt.Errorf("expected id, consumer, idle time and deliveries, got %d members", len(fields))
	}
	if e.id, ok = redisclient.ParseStreamID(string(fields[0].Str)); !ok {
		return e, false, errors.New("a pending entry has no id")
	}
	if e.idle, err = fields[2].Int64(); err != nil {
		return e, false, err
	}
	if e.deliveries, err = fields[3].Int64(); err != nil {
		return e, false, err
	}
	return e, e.idle >= 0, nil
}

// serverClock reads the answer to TIME as milliseconds.
func serverClock(v resp.Value) (uint64, error) {
	sec, usec, err := ask.Time(v)
	return uint64(sec)*1000 + uint64(usec)/1000, err
}
