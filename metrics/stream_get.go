package metrics

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// streamGetMetric answers how far a stream's consumer groups are, in at most
// three round trips. A key that is no stream is an error.
//
// The members beside the head, each left out when unknown:
//
//	key, exists, length
//	entries_added      ever; Redis 7 and newer
//	last_generated_id  of the newest entry ever
//	oldest_age         seconds since the oldest entry was added
//	groups             of at most maxStreamGroups, by name:
//	  name, pending, entries_read
//	  consumers           their number
//	  last_delivered_id
//	  lag                 entries not yet delivered, as the server counts them:
//	                      those that were trimmed unread are among them
//	  lag_counted         true: the server does not know it, and what there is
//	                      after last_delivered_id was counted
//	  lag_at_least        true: there are more, but only so many were counted
//	  backlog             lag and pending together
//	  oldest_undelivered_age, oldest_pending_age
//	                      seconds since those entries were added
//	  oldest_pending_idle, oldest_pending_deliveries
//	                      seconds since that entry was last delivered, and how
//	                      often it was
//	  members             of at most maxStreamConsumers consumers, those with
//	                      most pending first: [{"name":"w1","pending":3,
//	                      "idle":0.2,"inactive":12}]; seconds since it last
//	                      tried to read and, Redis 7.2, since it last got
//	                      something
//	truncated          {"groups":1,"consumers":7}: rows left out
//	unavailable        what the server refused
//
// Ages follow from ids, which are the server's clock unless the writer chooses
// them; of ids that are no time there is no age.
var streamGetMetric = &Metric{
	Key:         "redis.stream.get",
	Description: "Returns the length of a stream, its consumer groups, their lag and pending entries as JSON.",
	Params:      connParams(paramKey),
	Commands: []string{
		"time", "type", "xinfo|stream", "xinfo|groups", "xinfo|consumers", "xpending", "xrange",
	},
	Collect: collectStreamGet,
}

const (
	maxStreamGroups    = 100
	maxStreamConsumers = 100
	// maxCounted and maxCountedMemory bound the entries that are read to count
	// those that are not yet delivered, for all groups together.
	maxCounted       = 10_000
	maxCountedMemory = 8 << 20
)

func collectStreamGet(ctx context.Context, r *Request) (string, error) {
	s := &streamReading{target: r.Target, key: r.Arg("Key")}
	if err := s.ask(ctx); err != nil {
		return downDocument(r.Target.Name, err), nil
	}
	if s.typ.err == nil && s.word != typeNone && s.word != "stream" {
		return "", fmt.Errorf("the key %q is of type %s and no stream", s.key, s.word)
	}
	return s.document(), nil
}

// streamReading is one poll of a stream.
type streamReading struct {
	target *Target
	key    string
	parts  []*part // all of them, for unavailable

	time, typ, infoPart, groupsPart part

	word   string // the type
	nowMs  uint64
	info   streamInfo
	groups []groupReading
	cut    truncations
}

// groupReading is what one group's own commands tell; a part that is nil was
// not asked for.
type groupReading struct {
	streamGroup
	consumers, pending, after *part
	// counted is how many entries after would show at most, 0 when it was not
	// asked to count.
	counted int
	// nothing: all there is was delivered. all: nothing of it was.
	nothing, all bool
}

func (s *streamReading) ask(ctx context.Context) error {
	s.time = part{name: "time", cmd: redisclient.Command{"TIME"}}
	s.typ = part{name: "type", cmd: redisclient.Command{"TYPE", s.key}}
	s.infoPart = part{name: "stream", cmd: redisclient.Command{"XINFO", "STREAM", s.key}}
	s.groupsPart = part{name: "groups", cmd: redisclient.Command{"XINFO", "GROUPS", s.key}}
	// XINFO of a key that does not exist is an error, which the server counts.
	// So it is asked of what was a stream at the last poll.
	v, _ := s.target.Memory.Load(keyTypeMemory + s.key)
	known := v == "stream"
	first := []*part{&s.time, &s.typ}
	if known {
		first = append(first, &s.infoPart, &s.groupsPart)
	}
	if err := s.send(ctx, first...); err != nil {
		return err
	}
	if s.typ.err == nil {
		s.word, s.typ.err = s.typ.value.Text()
	}
	if s.typ.err == nil {
		s.target.Memory.Store(keyTypeMemory+s.key, s.word)
	}
	if s.time.err == nil {
		s.nowMs, s.time.err = serverClock(s.time.value)
	}
	if s.word != "stream" {
		return nil
	}
	if !known {
		if err := s.send(ctx, &s.infoPart, &s.groupsPart); err != nil {
			return err
		}
	}
	if s.infoPart.err == nil {
		s.info, s.infoPart.err = parseStreamInfo(s.infoPart.value)
	}
	var groups []streamGroup
	if s.groupsPart.err == nil {
		groups, s.groupsPart.err = parseStreamGroups(s.groupsPart.value)
	}
	return s.askGroups(ctx, groups[:s.cut.limitTo("groups", len(groups), maxStreamGroups)])
}

func (s *streamReading) send(ctx context.Context, parts ...*part) error {
	s.parts = append(s.parts, parts...)
	if err := askParts(ctx, s.target, parts...); err != nil {
		return err
	}
	return stateProblem(parts...)
}

// askGroups asks what XINFO GROUPS does not tell, for all groups at once.
func (s *streamReading) askGroups(ctx context.Context, groups []streamGroup) error {
	s.groups = make([]groupReading, len(groups))
	count := 0 // groups whose lag must be counted
	for i := range s.groups {
		g := &s.groups[i]
		g.streamGroup = groups[i]
		if s.infoPart.err == nil && g.deliveredKnown {
			g.nothing = s.info.length == 0 || s.info.lastKnown && !g.delivered.Less(s.info.last)
			g.all = !g.nothing && s.info.firstKnown && g.delivered.Less(s.info.first)
		}
		if g.mustCount() {
			count++
		}
	}
	var parts []*part
	for i := range s.groups {
		g := &s.groups[i]
		if !g.consumersKnown || g.streamGroup.consumers > 0 {
			g.consumers = &part{
				name: "consumers", as: "XINFO CONSUMERS " + s.key,
				cmd: redisclient.Command{"XINFO", "CONSUMERS", s.key, g.name},
			}
			parts = append(parts, g.consumers)
		}
		if !g.pendingKnown || g.streamGroup.pending > 0 {
			g.pending = &part{
				name: "pending", as: "XPENDING " + s.key,
				cmd: redisclient.Command{"XPENDING", s.key, g.name, "-", "+", "1"},
			}
			parts = append(parts, g.pending)
		}
		if g.deliveredKnown && !g.nothing && !g.all {
			most := 1 // tells the age
			if g.mustCount() {
				g.counted = s.countLimit(count)
				most = g.counted
			}
			g.after = &part{
				name: "undelivered", as: "XRANGE " + s.key,
				cmd: redisclient.Command{"XRANGE", s.key, g.delivered.Next().String(), "+", "COUNT", strconv.Itoa(most)},
			}
			parts = append(parts, g.after)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return s.send(ctx, parts...)
}

// mustCount reports whether neither the server nor the ids tell the lag.
func (g *groupReading) mustCount() bool {
	return !g.lagKnown && g.deliveredKnown && !g.nothing && !g.all
}

// countLimit is how many entries each of groups may read to count them.
func (s *streamReading) countLimit(groups int) int {
	n := min(maxCounted, maxCountedMemory/max(s.info.entryMemory, 1))
	return max(n/groups, 2)
}

func (s *streamReading) document() string {
	w := jsondoc.New(1024 + 512*len(s.groups))
	w.BeginObject()
	writeHead(w, s.target.Name, nil)
	w.Key("key").String(s.key)
	if s.typ.err == nil {
		w.Key("exists").Bool(s.word == "stream")
	}
	switch {
	case s.typ.err != nil:
	case s.word == typeNone:
		w.Key("length").Int(0)
		w.Key("groups").BeginArray()
		w.EndArray()
	default:
		s.writeStream(w)
	}
	writeUnavailable(w, s.parts...)
	s.cut.write(w)
	w.EndObject()
	return w.Document()
}

func (s *streamReading) writeStream(w *jsondoc.Writer) {
	if s.infoPart.err == nil {
		w.Key("length").Int(s.info.length)
		if s.info.addedKnown {
			w.Key("entries_added").Int(s.info.added)
		}
		if s.info.lastKnown {
			w.Key("last_generated_id").String(s.info.last.String())
		}
		if s.info.firstKnown {
			s.writeAge(w, "oldest_age", s.info.first)
		}
	}
	if s.groupsPart.err != nil {
		return
	}
	w.Key("groups").BeginArray()
	for i := range s.groups {
		w.BeginObject()
		s.writeGroup(w, &s.groups[i])
		w.EndObject()
	}
	w.EndArray()
}

func (s *streamReading) writeGroup(w *jsondoc.Writer, g *groupReading) {
	w.Key("name").String(g.name)
	known := func(name string, n int64, ok bool) {
		if ok {
			w.Key(name).Int(n)
		}
	}
	known("consumers", g.streamGroup.consumers, g.consumersKnown)
	known("pending", g.streamGroup.pending, g.pendingKnown)
	known("entries_read", g.read, g.readKnown)
	if g.deliveredKnown {
		w.Key("last_delivered_id").String(g.delivered.String())
	}
	oldest, undelivered := s.settleLag(w, g)
	if undelivered {
		s.writeAge(w, "oldest_undelivered_age", oldest)
	}
	if g.pending != nil && g.pending.err == nil {
		var e pendingEntry
		var ok bool
		if e, ok, g.pending.err = parsePending(g.pending.value); ok {
			s.writeAge(w, "oldest_pending_age", e.id)
			w.Key("oldest_pending_idle").Float(float64(e.idle) / 1e3)
			w.Key("oldest_pending_deliveries").Int(e.deliveries)
		}
	}
	s.writeConsumers(w, g)
}

// settleLag writes the lag and returns the oldest entry that was not delivered.
func (s *streamReading) settleLag(w *jsondoc.Writer, g *groupReading) (oldest redisclient.StreamID, ok bool) {
	lag, lagKnown, atLeast := g.lag, g.lagKnown, false
	switch {
	case g.nothing:
		if !lagKnown {
			lag, lagKnown = 0, true
		}
	case g.all:
		oldest, ok = s.info.first, true
		if !lagKnown {
			lag, lagKnown = s.info.length, true
		}
	case g.after != nil && g.after.err == nil:
		entries, err := g.after.value.Array()
		if err != nil {
			g.after.err = err
			break
		}
		if len(entries) > 0 {
			oldest, ok = entryID(entries[0])
		}
		if g.counted > 0 {
			lag, lagKnown = int64(len(entries)), true
			atLeast = len(entries) >= g.counted
		}
	}
	if !lagKnown {
		return oldest, ok
	}
	w.Key("lag").Int(lag)
	if !g.lagKnown {
		w.Key("lag_counted").Bool(true)
	}
	if atLeast {
		w.Key("lag_at_least").Bool(true)
	}
	if g.pendingKnown {
		w.Key("backlog").Int(lag + g.streamGroup.pending)
	}
	return oldest, ok
}

func (s *streamReading) writeConsumers(w *jsondoc.Writer, g *groupReading) {
	var consumers []streamConsumer
	if g.consumers != nil {
		if g.consumers.err == nil {
			consumers, g.consumers.err = parseStreamConsumers(g.consumers.value)
		}
		if g.consumers.err != nil {
			return
		}
	}
	slices.SortStableFunc(consumers, func(a, b streamConsumer) int {
		return cmp.Or(cmp.Compare(b.pending, a.pending), cmp.Compare(b.idle, a.idle), cmp.Compare(a.name, b.name))
	})
	w.Key("members").BeginArray()
	for _, c := range consumers[:s.cut.limitTo("consumers", len(consumers), maxStreamConsumers)] {
		w.BeginObject()
		w.Key("name").String(c.name)
		if c.pendingKnown {
			w.Key("pending").Int(c.pending)
		}
		if c.idleKnown {
			w.Key("idle").Float(float64(c.idle) / 1e3)
		}
		if c.inactiveKnown {
			w.Key("inactive").Float(float64(c.inactive) / 1e3)
		}
		w.EndObject()
	}
	w.EndArray()
}

// writeAge writes an age, when the server told its time and the id is one.
func (s *streamReading) writeAge(w *jsondoc.Writer, name string, id redisclient.StreamID) {
	if s.time.err != nil {
		return
	}
	if age, ok := streamAge(id, s.nowMs); ok {
		w.Key(name).Float(age)
	}
}
