package streams

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Get reports the progress of the consumer groups of a stream, in at most three round
// trips. A key that is not a stream is an error.
//
// The members in addition to the head; each is left out if it is not known:
//
//	key, exists, length
//	entries_added      ever; Redis 7 and newer
//	last_generated_id  of the newest entry ever
//	oldest_age         seconds since the oldest entry was added
//	groups             of at most maxGroups, by name:
//	  name, pending, entries_read
//	  consumers           their number
//	  last_delivered_id
//	  lag                 entries not yet delivered, as the server counts them:
//	                      those that were trimmed unread are among them
//	  lag_counted         true: the server does not know it, or counts wrongly, and what there is
//	                      after last_delivered_id was counted
//	  lag_at_least        true: there are more, but only so many were counted
//	  backlog             lag and pending together
//	  oldest_undelivered_age, oldest_pending_age
//	                      seconds since those entries were added
//	  oldest_pending_idle, oldest_pending_deliveries
//	                      seconds since that entry was last delivered, and how
//	                      often it was
//	  members             of at most maxConsumers consumers, those with
//	                      most pending first: [{"name":"w1","pending":3,
//	                      "idle":0.2,"inactive":12}]; seconds since it last
//	                      tried to read and, Redis 7.2, since it last got
//	                      something
//	truncated          {"groups":1,"consumers":7}: rows left out
//	unavailable        what the server refused, and groups and consumers that are
//	                   too many to be asked for, more than maxRead
//
// Ages are calculated from ids, which have the time of the server unless the writer
// chooses them. Ids without a time have no age.
var Get = &item.Metric{
	Key:         "redis.stream.get",
	Description: "Returns the length of a stream, its consumer groups, their lag and pending entries as JSON.",
	Params:      item.ConnParams(ask.ParamKey),
	Commands: []string{
		"time", "type", "xinfo|stream", "xinfo|groups", "xinfo|consumers", "xpending", "xrange",
	},
	Collect: collectGet,
}

const (
	maxGroups    = 100
	maxConsumers = 100
	// maxCounted and maxCountedMemory bound the entries that are read to count
	// those that are not yet delivered, for all groups together.
	maxCounted       = 5000
	maxCountedMemory = 2 << 20
	// maxRead bounds the groups of a stream, and the consumers of a group, that a
	// server is asked for: it has no command for some of them, and builds the reply
	// of all while others wait.
	maxRead = 2000

	groupsMemory = "stream groups " // + key: how many there were, int64
)

func collectGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	s := &reading{target: r.Target, key: r.Arg("Key")}
	if err := s.ask(ctx); err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	if s.typ.Err == nil && s.word != ask.TypeNone && s.word != "stream" {
		return fmt.Errorf("the key %q is of type %s and no stream", s.key, s.word)
	}
	s.write(w)
	return nil
}

// reading is one poll of a stream.
type reading struct {
	target *item.Target
	key    string
	parts  []*ask.Part // all of them, for unavailable

	time, typ, infoPart, groupsPart ask.Part

	word   string // the type
	nowMs  uint64
	info   info
	groups []groupReading
	cut    ask.Truncations
}

// groupReading is what one group's own commands tell; a part that is nil was
// not asked for.
type groupReading struct {
	streamGroup
	consumers, pending, after *ask.Part
	// counted is how many entries after would show at most, 0 when it was not
	// asked to count.
	counted int
	// nothing: all there is was delivered. all: nothing of it was.
	nothing, all bool
}

func (s *reading) ask(ctx context.Context) error {
	s.time = ask.Part{Name: "time", Cmd: redisclient.Command{"TIME"}}
	// XINFO of a key that does not exist is an error, which the server counts.
	// So it is asked of what was a stream at the last poll.
	v, _ := s.target.Memory.Load(ask.TypeMemory + s.key)
	known := v == "stream"
	// So many groups as there were then.
	n, _ := s.target.Memory.Load(groupsMemory + s.key)
	few, _ := n.(int64)
	askGroups := known && n != nil && few <= maxRead
	if err := s.send(ctx, append([]*ask.Part{&s.time}, s.first(known, askGroups)...)...); err != nil {
		return err
	}
	s.takeTime()
	s.takeType()
	if s.typ.Err == nil {
		s.target.Memory.Store(ask.TypeMemory+s.key, s.word)
	}
	if s.word != "stream" {
		return nil
	}
	if !known {
		if err := s.send(ctx, &s.infoPart); err != nil {
			return err
		}
	}
	s.takeInfo()
	s.target.Memory.Store(groupsMemory+s.key, s.info.groups)
	if !askGroups && !s.tooManyGroups() {
		if err := s.send(ctx, &s.groupsPart); err != nil {
			return err
		}
	}
	s.takeGroups()
	left := int64(math.MaxInt64)
	parts := s.groupParts(s.countLimit(s.uncounted()), &left)
	if len(parts) == 0 {
		return nil
	}
	return s.send(ctx, parts...)
}

// first plans what is asked of the key itself: the type, and of what was a stream
// its state and its groups.
func (s *reading) first(isStream, withGroups bool) []*ask.Part {
	s.typ = ask.Part{Name: "type", Cmd: redisclient.Command{"TYPE", s.key}}
	s.infoPart = ask.Part{Name: "stream", Cmd: redisclient.Command{"XINFO", "STREAM", s.key}}
	s.groupsPart = ask.Part{Name: "groups", Cmd: redisclient.Command{"XINFO", "GROUPS", s.key}}
	parts := []*ask.Part{&s.typ}
	if isStream {
		parts = append(parts, &s.infoPart)
	}
	if withGroups {
		parts = append(parts, &s.groupsPart)
	}
	return parts
}

func (s *reading) takeTime() {
	if s.time.Err == nil {
		s.nowMs, s.time.Err = serverClock(s.time.Value)
	}
}

func (s *reading) takeType() {
	if s.typ.Err == nil {
		s.word, s.typ.Err = s.typ.Value.Text()
	}
}

func (s *reading) takeInfo() {
	if s.infoPart.Err == nil {
		s.info, s.infoPart.Err = parseInfo(s.infoPart.Value)
	}
}

// tooManyGroups refuses to ask for more groups than a server tells in no time.
func (s *reading) tooManyGroups() bool {
	if s.info.groups <= maxRead {
		return false
	}
	s.groupsPart.Err = fmt.Errorf("there are %d groups, and at most %d can be asked for", s.info.groups, maxRead)
	s.parts = append(s.parts, &s.groupsPart)
	return true
}

// takeGroups reads the groups, and what follows from the ids.
func (s *reading) takeGroups() {
	var groups []streamGroup
	if s.groupsPart.Err == nil {
		groups, s.groupsPart.Err = parseGroups(s.groupsPart.Value)
	}
	groups = groups[:s.cut.LimitTo("groups", len(groups), maxGroups)]
	s.groups = make([]groupReading, len(groups))
	for i := range s.groups {
		g := &s.groups[i]
		g.streamGroup = groups[i]
		if s.infoPart.Err == nil && g.deliveredKnown {
			g.nothing = s.info.length == 0 || s.info.lastKnown && !g.delivered.Less(s.info.last)
			g.all = !g.nothing && s.info.firstKnown && g.delivered.Less(s.info.first)
			// An entry was deleted that the group had not read: Redis before 7.2.7 and
			// Valkey before 8.1.2 count it.
			// Source: redis pull request 13338, valkey pull request 1952
			if g.delivered.Less(s.info.deleted) {
				g.lagKnown = false
			}
			// XGROUP CREATE … ENTRIESREAD was given more than there were.
			if s.info.lastKnown && !g.nothing && g.lag == 0 {
				g.lagKnown = false
			}
		}
	}
}

func (s *reading) send(ctx context.Context, parts ...*ask.Part) error {
	s.parts = append(s.parts, parts...)
	if err := ask.Do(ctx, s.target, parts...); err != nil {
		return err
	}
	return ask.StateProblem(parts...)
}

// uncounted is how many groups' lag must be counted.
func (s *reading) uncounted() (n int) {
	for i := range s.groups {
		n += ask.Number(s.groups[i].mustCount())
	}
	return n
}

// groupParts plans to ask what XINFO GROUPS does not tell, for all groups at once,
// and to count as many entries as most of each whose lag must be counted. left is
// how many consumers may be asked for, of all groups together.
func (s *reading) groupParts(most int, left *int64) (parts []*ask.Part) {
	for i := range s.groups {
		g := &s.groups[i]
		if !g.consumersKnown || g.streamGroup.consumers > 0 {
			g.consumers = &ask.Part{
				Name: "consumers", As: "XINFO CONSUMERS " + s.key,
				Cmd: redisclient.Command{"XINFO", "CONSUMERS", s.key, g.name},
			}
			if allowed := min(maxRead, *left); g.streamGroup.consumers > allowed {
				g.consumers.Err = fmt.Errorf("the group %q has %d consumers, and at most %d can be asked for",
					ask.Clip(g.name, ask.MaxName), g.streamGroup.consumers, allowed)
				s.parts = append(s.parts, g.consumers)
			} else {
				*left -= g.streamGroup.consumers
				parts = append(parts, g.consumers)
			}
		}
		if !g.pendingKnown || g.streamGroup.pending > 0 {
			g.pending = &ask.Part{
				Name: "pending", As: "XPENDING " + s.key,
				Cmd: redisclient.Command{"XPENDING", s.key, g.name, "-", "+", "1"},
			}
			parts = append(parts, g.pending)
		}
		if g.deliveredKnown && !g.nothing && !g.all {
			count := 1 // tells the age
			if g.mustCount() {
				g.counted = most
				count = most
			}
			g.after = &ask.Part{
				Name: "undelivered", As: "XRANGE " + s.key,
				Cmd: redisclient.Command{"XRANGE", s.key, g.delivered.Next().String(), "+", "COUNT", strconv.Itoa(count)},
			}
			parts = append(parts, g.after)
		}
	}
	return parts
}

// mustCount reports whether neither the server nor the ids tell the lag.
func (g *groupReading) mustCount() bool {
	return !g.lagKnown && g.deliveredKnown && !g.nothing && !g.all
}

// countLimit is how many entries each of groups may read to count them.
func (s *reading) countLimit(groups int) int {
	n := min(maxCounted, maxCountedMemory/max(s.info.entryMemory, 1))
	return max(n/max(groups, 1), 2)
}
