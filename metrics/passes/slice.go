package passes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// detail is one thing that a server says about its keys, and may refuse.
type detail int

const (
	detailType detail = iota
	detailTTL
	detailMemory
	detailLength
	detailFrequency
	detailSize // of the database
	detailTime // of the server
	detailScan // without it there is nothing
	details
)

// refusals say why details are not asked for any more. A pass stops at the first
// one: with a million keys each refusal would count a million times among the
// server's errors. Between passes they are in the target's ask.Refusals.
type refusals [details]error

// detailCommands read the details.
var detailCommands = [details][]redisclient.Command{
	detailType:      {{"TYPE"}},
	detailTTL:       {{"PTTL"}},
	detailMemory:    {{"MEMORY", "USAGE"}},
	detailLength:    {{"LLEN"}, {"SCARD"}, {"ZCARD"}, {"HLEN"}, {"XLEN"}},
	detailFrequency: {{"OBJECT", "FREQ"}},
	detailSize:      {{"DBSIZE"}},
	detailTime:      {{"TIME"}},
	detailScan:      {{"SCAN"}},
}

// refusedAs is what a refusal is remembered by that concerns a key: one key that
// may not be read stands for all.
func refusedAs(cmd redisclient.Command) string { return "redis.keyspace.sample " + cmd[0] }

// refusedBefore are the refusals that a target's memory has.
func refusedBefore(t *item.Target, c content) (out refusals) {
	remembered := ask.RefusalsOf(t.Memory)
	for d, cmds := range detailCommands {
		for _, cmd := range cmds {
			if err := remembered.Of(cmd, c.refusal(cmd)); err != nil && out[d] == nil {
				out[d] = err
			}
		}
	}
	return out
}

// add adds others to those that are not known yet.
func (r *refusals) add(others refusals) {
	for d, err := range others {
		if r[d] == nil {
			r[d] = err
		}
	}
}

// note takes a refusal of a target, and reports whether it lasts.
func (r *refusals) note(s *source, d detail, cmd redisclient.Command, err error) bool {
	if !ask.Lasting(err) {
		return false
	}
	ask.RefusalsOf(s.target.Memory).Note(cmd, s.content.refusal(cmd), err)
	if r[d] == nil {
		r[d] = err
	}
	return true
}

// scanRefused is why a target's keys cannot be listed, as it said before.
func scanRefused(s *source) error {
	scan := detailCommands[detailScan][0]
	return ask.RefusalsOf(s.target.Memory).Of(scan, s.content.refusal(scan))
}

func scanCommand(cursor string, count int) redisclient.Command {
	return redisclient.Command{"SCAN", cursor, "COUNT", strconv.Itoa(count)}
}

// longKey is a key whose length is to be asked for.
type longKey struct{ key, typ string }

// question is one slice: what is asked in one round trip, and where the answers
// stand.
type question struct {
	cmds       []redisclient.Command
	asked      []asked
	count      int // keys that SCAN is to pass over
	details    []string
	longs      []longKey
	keys       int   // looked at or passed over
	sizeBefore int64 // of the database; -1: not known
}

// asked is what a command is for.
type asked struct {
	detail detail
	scan   bool
	key    int // of details or longs
}

// finished reports whether all keys were seen.
func (s *source) finished() bool {
	return (s.listed || s.content.full()) && len(s.pending) == 0 && len(s.longs) == 0
}

// question asks about the keys that were listed last and lists the next ones.
func (s *source) question(o item.KeyspaceOptions, refused *refusals) *question {
	q := &question{sizeBefore: s.dbsize}
	asking := func(a asked, cmd ...string) {
		if a.scan || refused[a.detail] == nil && s.content.wants(a.detail) {
			q.cmds = append(q.cmds, cmd)
			q.asked = append(q.asked, a)
		}
	}
	asking(asked{detail: detailTime}, "TIME")
	q.details = s.pending[:min(len(s.pending), s.pace.size)]
	for i, key := range q.details {
		asking(asked{detail: detailType, key: i}, "TYPE", key)
		asking(asked{detail: detailTTL, key: i}, "PTTL", key)
		if o.Samples > 0 {
			asking(asked{detail: detailMemory, key: i}, "MEMORY", "USAGE", key, "SAMPLES", strconv.Itoa(o.Samples))
		} else {
			asking(asked{detail: detailMemory, key: i}, "MEMORY", "USAGE", key)
		}
		asking(asked{detail: detailFrequency, key: i}, "OBJECT", "FREQ", key)
	}
	_, lengths := s.content.most()
	q.longs = s.longs[:min(len(s.longs), lengths)]
	for i, long := range q.longs {
		asking(asked{detail: detailLength, key: i}, s.content.length(long)...)
	}
	if !s.listed && !s.content.full() && len(s.pending)-len(q.details) < s.pace.size {
		q.count = s.pace.size
		asking(asked{detail: detailScan, scan: true}, s.content.scan(s.cursor, q.count)...)
	}
	asking(asked{detail: detailSize}, "DBSIZE")
	asking(asked{detail: detailTime}, "TIME")
	q.keys = max(len(q.details), q.count)
	return q
}

// answers are what a slice's replies say.
type answers struct {
	figures []keyFigures
	gone    []bool
	lengths []int64     // -1: not known
	bytes   []int       // what the replies with the lengths take
	times   []time.Time // at the beginning and the end
	size    int64       // of the database; -1: not known
	cursor  string
	listed  []string
	content content
}

func (q *question) newAnswers(c content) *answers {
	r := &answers{
		figures: make([]keyFigures, len(q.details)), gone: make([]bool, len(q.details)),
		lengths: make([]int64, len(q.longs)), bytes: make([]int, len(q.longs)), size: -1, content: c,
	}
	for i := range r.lengths {
		r.lengths[i] = -1
	}
	for i, key := range q.details {
		r.figures[i] = keyFigures{key: key, ttl: -1}
	}
	return r
}

// read takes one reply; the error is the server's, or that of a reply of another
// form.
func (r *answers) read(a asked, v resp.Value) (err error) {
	if err := v.Err(); err != nil {
		return err
	}
	var n int64
	switch {
	case a.scan:
		r.cursor, r.listed, err = readScan(v)
	case a.detail == detailType:
		r.figures[a.key].typ, err = v.Text()
		r.gone[a.key] = r.gone[a.key] || r.figures[a.key].typ == ask.TypeNone
	case a.detail == detailTTL:
		n, err = v.Int64()
		r.figures[a.key].ttl = n
		r.gone[a.key] = r.gone[a.key] || n == -2
	case a.detail == detailMemory && v.IsNull():
		r.gone[a.key] = true
	case a.detail == detailMemory:
		r.figures[a.key].memory, err = v.Int64()
	case a.detail == detailFrequency && v.IsNull():
		r.gone[a.key] = true
	case a.detail == detailFrequency:
		r.figures[a.key].frequency, err = v.Int64()
	case a.detail == detailLength:
		if n, err = r.content.readLength(v); err == nil {
			r.lengths[a.key], r.bytes[a.key] = n, ask.Size(v)
		}
	case a.detail == detailSize:
		r.size, err = v.Int64()
	case a.detail == detailTime:
		var sec, usec int64
		sec, usec, err = ask.Time(v)
		r.times = append(r.times, time.Unix(sec, usec*1e3))
	}
	return err
}

// take counts the keys that were looked at. It returns the time that the server
// took, 0 when that is not known; with an error nothing was counted.
func (q *question) take(s *source, values []resp.Value, refused *refusals) (time.Duration, error) {
	r := q.newAnswers(s.content)
	for i, a := range q.asked {
		v := values[i]
		err := r.read(a, v)
		switch {
		case err == nil:
		case a.scan:
			err = fmt.Errorf("SCAN: %w", err)
			refused.note(s, a.detail, q.cmds[i], err)
			return 0, err
		case noSuchKey(err) && (a.detail == detailMemory || a.detail == detailFrequency): // in the words of forks
			r.gone[a.key] = true
		case refused.note(s, a.detail, q.cmds[i], err):
		case v.Err() == nil:
			return 0, fmt.Errorf("%s: %w", q.cmds[i][0], err)
		case redisclient.ConcernsServer(err):
			return 0, err
		default:
			// One key, at this moment: it has another type by now, or is on its way
			// to another node.
		}
	}
	if q.count > 0 && r.cursor != "0" {
		if err := s.cursors.next(r.cursor); err != nil {
			return 0, err
		}
	}
	q.account(s, r, refused)
	if q.count > 0 {
		s.cursor, s.listed = r.cursor, r.cursor == "0"
		s.content.passed(q.count)
		s.list(r.listed, refused)
	}
	s.dbsize = r.size
	if len(r.times) == 2 {
		return max(0, r.times[1].Sub(r.times[0])), nil
	}
	return 0, nil
}

func noSuchKey(err error) bool { return strings.Contains(err.Error(), "no such key") }

// account takes the keys that were looked at, and notes whose length is worth
// asking for.
func (q *question) account(s *source, r *answers, refused *refusals) {
	for i, long := range q.longs {
		s.content.measure(long, r.lengths[i], r.bytes[i])
	}
	s.longs = slices.Delete(s.longs, 0, len(q.longs))
	for i, f := range r.figures {
		if r.gone[i] {
			s.content.lose()
		} else {
			s.take(f, refused)
		}
	}
	s.pending = slices.Delete(s.pending, 0, len(q.details))
}

func (s *source) take(f keyFigures, refused *refusals) {
	if s.content.take(f, refused) {
		s.longs = append(s.longs, longKey{f.key, f.typ})
	}
}

// list takes the keys that SCAN has listed: those of which nothing is asked at
// once.
func (s *source) list(keys []string, refused *refusals) {
	asks := s.content.wants(detailType)
	for _, key := range keys {
		switch {
		case !s.content.matches(key):
		case asks:
			s.pending = append(s.pending, key)
		default:
			s.take(keyFigures{key: key, ttl: -1}, refused)
		}
	}
}

// readScan reads a reply to SCAN. A key that stands twice in it counts once.
func readScan(v resp.Value) (cursor string, keys []string, err error) {
	if cursor, keys, err = redisclient.ParseScan(v); err != nil {
		return "", nil, err
	}
	slices.Sort(keys)
	return cursor, slices.Compact(keys), nil
}
