package streams

import (
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/passes"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// GetMany reports all streams that match a pattern, and how far their consumer
// groups are. A pass in the background looks for them by SCAN, as for
// redis.keys.discovery, and learns how many groups each has. All polls take the
// streams from the last finished pass, and read them from the server itself in two
// round trips, however many they are.
//
// The members beside the head:
//
//	pattern, pass, restarts, restarted_because, began, finished, age, duration,
//	servers, partial, complete, scanned, dbsize
//	             as in redis.keys.discovery
//	count        streams that match
//	streams      at most maxStreams, by name, each member left out when unknown:
//	  {#STREAM}, key
//	  exists     false for one that was deleted since the pass; then length is 0
//	  length, entries_added, last_generated_id, oldest_age
//	             as in redis.stream.get
//	  groups, consumers
//	             their number
//	  groups_without_consumer
//	             groups that nobody reads
//	  lag, oldest_undelivered_age
//	             of the group that is the furthest behind
//	  pending    of all groups
//	  oldest_pending_age, oldest_pending_idle
//	             the longest of all groups
//	  idle_consumers, dead_consumers
//	             of all groups
//	groups       at most maxManyGroups, by stream and name:
//	  {#STREAM}, {#GROUP}, stream, group
//	  consumers  their number
//	  idle_consumers
//	             those that have not asked for entries for longer than Idle, while
//	             one that waits for them (XREADGROUP BLOCK) asks once
//	  dead_consumers
//	             those of them that have pending entries all the same: nobody
//	             else gets these, unless they are claimed
//	  pending, lag, lag_counted, lag_at_least, backlog, oldest_undelivered_age,
//	  oldest_pending_age, oldest_pending_idle, oldest_pending_deliveries
//	             as in redis.stream.get; oldest_pending_age is 0 when nothing is
//	             pending
//	dead         [{"stream":"orders","group":"g","consumer":"w1","pending":3,
//	             "idle":4000}], at most maxDead, in the order of the groups
//	groups_without_consumer, dead_consumers
//	             of all streams that are listed; left out when one is not known
//	truncated    {"streams":3}: rows left out: streams, keys and names as in
//	             redis.keys.discovery, groups, dead
//	unavailable  what the server refused, and as in redis.keys.discovery; groups of
//	             streams of which it is not known yet how many there are, until the
//	             next poll; consumers of groups that have too many
//
// Sources: those of redis.stream.get and redis.keys.discovery
var GetMany = &item.Metric{
	Key:         "redis.streams.get",
	Description: "Returns the streams that match a pattern, their groups, lag, pending entries and dead consumers as JSON.",
	Params: item.ConnParams(
		passes.ParamPattern, passes.ParamBudget,
		item.Param{
			Name: "Idle", Default: "10m", Check: ask.CheckAge,
			Description: "time without a request after which a consumer is idle, as 600 or 10m",
		},
	),
	Commands: []string{
		"info", "cluster|nodes", "scan", "dbsize", "time", "type",
		"xinfo|stream", "xinfo|groups", "xinfo|consumers", "xpending", "xrange",
	},
	Collect: collectGetMany,
}

const (
	// maxStreams, maxManyGroups and maxDead bound the rows; maxManyConsumers, the
	// consumers that are asked for together.
	maxStreams       = 200
	maxManyGroups    = 1000
	maxManyConsumers = 20_000
	maxDead          = 100
	// maxEnds bounds what the first and the last entries of all streams take, which
	// XINFO STREAM tells, in bytes.
	maxEnds = 8 << 20
	// maxManyCounted bounds the entries of one group that are counted.
	maxManyCounted = 1000

	manyMemory = "redis.streams.get " // + pattern: notes by stream
)

// note is what is remembered of a stream between polls.
type note struct {
	gone   bool // it was no stream then
	groups int64
	bytes  int // of the reply to XINFO STREAM
}

// errNextPoll is why a stream has no groups.
var errNextPoll = fmt.Errorf("how many groups a stream has was not known: the next poll asks for them")

// learnStream asks how many groups a stream has, and how long its entries are.
func learnStream(key string) redisclient.Command { return redisclient.Command{"XINFO", "STREAM", key} }

func readStreamGroups(v resp.Value) (int64, error) {
	s, err := parseInfo(v)
	return s.groups, err
}

func collectGetMany(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	m := &many{pattern: r.Arg("Pattern")}
	budget, err := passes.ParseBudget(r.Arg("Budget"))
	if err != nil {
		return err
	}
	if m.idle, err = ask.ParseAge(r.Arg("Idle")); err != nil {
		return err
	}
	var problem error
	m.found, problem, err = passes.Find(ctx, r, passes.Want{
		Pattern: m.pattern, Type: "stream", Budget: budget, Learn: learnStream, Read: readStreamGroups,
	})
	switch {
	case problem != nil:
		return problem
	case err != nil:
		return ask.Down(w, r.Target.Name, err)
	}
	v, _ := r.Target.Memory.Load(manyMemory + m.pattern)
	notes, _ := v.(map[string]note)
	m.plan(r.Target, notes)
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	if len(m.found.Keys) == 0 && m.found.Known() { // nothing else asks whether the server is there
		if err := ask.Do(ctx, r.Target); err != nil {
			return ask.Down(w, r.Target.Name, err)
		}
	}
	ask.SideBySide(len(m.owners), func(i int) { m.owners[i].err = m.owners[i].read(ctx) },
		func(i int, err error) { m.owners[i].err = err })
	if err := m.allFailed(); err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	r.Target.Memory.Store(manyMemory+m.pattern, m.notes())
	m.write(w, r.Target.Name)
	return nil
}

// many is one poll of all streams.
type many struct {
	pattern string
	idle    time.Duration
	found   *passes.Finding
	owners  []owner
	cut     ask.Truncations
}

// owner is a server and its streams.
type owner struct {
	target  *item.Target
	streams []*reading
	known   []note // of each stream
	asked   []bool // whether its groups are asked for with it
	time    ask.Part
	parts   []*ask.Part
	err     error // why it could not be asked
	// share is of how many servers it is one, for what all of them bound together.
	share int64
}

// plan chooses the streams that are read.
func (m *many) plan(t *item.Target, notes map[string]note) {
	var chosen []passes.FoundKey
	known := make(map[string]note)
	ends := 0
	for _, k := range m.found.Keys {
		n, ok := notes[k.Name]
		if !ok {
			n = note{groups: k.Learned, bytes: k.Bytes}
		}
		if len(chosen) == maxStreams || ends+n.bytes > maxEnds {
			continue
		}
		ends += n.bytes
		chosen = append(chosen, k)
		known[k.Name] = n
	}
	if rest := len(m.found.Keys) - len(chosen); rest > 0 {
		m.cut.Add("streams", rest)
	}
	targets, keys := m.found.Owners(t, chosen)
	for i, target := range targets {
		o := owner{target: target, share: int64(len(targets)), streams: make([]*reading, len(keys[i]))}
		for j, k := range keys[i] {
			o.streams[j] = &reading{target: target, key: k.Name}
			o.known = append(o.known, known[k.Name])
		}
		m.owners = append(m.owners, o)
	}
}

// allFailed is why no server could be asked, when that is so.
func (m *many) allFailed() (err error) {
	for i := range m.owners {
		o := &m.owners[i]
		if len(o.streams) > 0 && o.err == nil {
			return nil
		}
		if o.err != nil {
			err = o.err
		}
	}
	return err
}

// read reads the streams of one server: all that is asked of a stream itself in one
// round trip, and of all groups in another one.
func (o *owner) read(ctx context.Context) error {
	if len(o.streams) == 0 {
		return nil
	}
	o.time = ask.Part{Name: "time", Cmd: redisclient.Command{"TIME"}}
	parts := []*ask.Part{&o.time}
	// Who may not ask how many groups there are asks for them all the same.
	learned := ask.Part{Cmd: learnStream("")}
	for i, s := range o.streams {
		n := o.known[i]
		o.asked = append(o.asked, !n.gone && n.groups <= maxRead && (n.groups >= 0 || learned.RefusedBefore(o.target) != nil))
		parts = append(parts, s.first(!n.gone, o.asked[i])...)
	}
	if err := o.send(ctx, parts); err != nil {
		return err
	}
	clock := reading{time: o.time}
	clock.takeTime()
	o.time.Err = clock.time.Err
	uncounted, groups := 0, int64(maxManyGroups/o.share)
	for i, s := range o.streams {
		s.time, s.nowMs = clock.time, clock.nowMs
		o.take(s, o.known[i], o.asked[i])
		if over := int64(len(s.groups)) - groups; over > 0 {
			s.cut.Add("groups", int(over))
			s.groups = s.groups[:groups]
		}
		groups -= int64(len(s.groups))
		uncounted += s.uncounted()
	}
	consumers := maxManyConsumers / o.share
	var more []*ask.Part
	for _, s := range o.streams {
		more = append(more, s.groupParts(min(maxManyCounted, s.countLimit(uncounted)), &consumers)...)
		o.parts = append(o.parts, s.parts...)
	}
	if len(more) == 0 {
		return nil
	}
	return o.send(ctx, more)
}

func (o *owner) send(ctx context.Context, parts []*ask.Part) error {
	o.parts = append(o.parts, parts...)
	if err := ask.Do(ctx, o.target, parts...); err != nil {
		return err
	}
	return ask.StateProblem(parts...)
}

// take takes the answers about a stream itself.
func (o *owner) take(s *reading, n note, asked bool) {
	s.takeType()
	if s.typ.Err != nil || s.word != "stream" {
		if s.typ.Err == nil { // XINFO of what is no stream, or not any more, is an error of no use
			s.infoPart.Err, s.groupsPart.Err = nil, nil
		}
		return
	}
	if n.gone {
		s.infoPart.Err, s.groupsPart.Err = errNextPoll, errNextPoll
		o.parts = append(o.parts, &s.groupsPart)
		return
	}
	s.takeInfo()
	switch {
	case asked:
	case s.tooManyGroups():
	default:
		s.groupsPart.Err = errNextPoll
		o.parts = append(o.parts, &s.groupsPart)
	}
	s.takeGroups()
}

// notes are what the next poll goes by.
func (m *many) notes() map[string]note {
	out := make(map[string]note)
	for i := range m.owners {
		o := &m.owners[i]
		for j, s := range o.streams {
			n := o.known[j]
			switch {
			case s.word == "stream" && n.gone:
				n = note{groups: -1, bytes: n.bytes}
			case s.word == "stream" && s.infoPart.Err == nil:
				n = note{groups: s.info.groups, bytes: ask.Size(s.infoPart.Value)}
			case s.word != "":
				n.gone = true
			}
			out[s.key] = n
		}
	}
	return out
}
