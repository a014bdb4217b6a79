package storm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	placeholder       = "{job}"
	defaultKeyPattern = "storm:job:" + placeholder
)

// store reads the records of one Redis. It is a Source.
type store struct {
	opts           item.StormOptions
	prefix, suffix string // of a job's own key
	doer           redisclient.Doer
	memory         *item.Memory
}

var _ source = (*store)(nil)

// newStore returns the store behind a target. The memory must be the target's
// own: what it holds is true of one Redis only.
func newStore(opts item.StormOptions, doer redisclient.Doer, memory *item.Memory) (*store, error) {
	if opts.KeyPattern == "" {
		opts.KeyPattern = defaultKeyPattern
	}
	if n := strings.Count(opts.KeyPattern, placeholder); n != 1 {
		return nil, fmt.Errorf("the key pattern %q must contain %s exactly once, not %d times",
			opts.KeyPattern, placeholder, n)
	}
	s := &store{opts: opts, doer: doer, memory: memory}
	s.prefix, s.suffix, _ = strings.Cut(opts.KeyPattern, placeholder)
	return s, nil
}

// ownKey is where a job's own record lies.
func (s *store) ownKey(name string) string { return s.prefix + name + s.suffix }

func (s *store) newCheck() *check { return &check{doer: s.doer, memory: s.memory} }

// typeField is remembered as the type of a job's own key while its record is a
// field of StateKey, so that the key is left alone.
const typeField = "field"

// Job implements Source in one round trip once the keys' types are known.
func (s *store) Job(ctx context.Context, q query) (job, error) {
	name := q.Name
	if err := CheckName(name); err != nil {
		return job{}, err
	}
	c := s.newCheck()
	state := c.add(s.opts.StateKey, readOne("hash", "HGET", s.opts.StateKey, name))
	beats := c.add(s.opts.HeartbeatKey, readOne("zset", "ZSCORE", s.opts.HeartbeatKey, name))
	var index *probe
	if s.opts.IndexKey != s.opts.HeartbeatKey && s.opts.IndexKey != s.opts.StateKey {
		index = c.add(s.opts.IndexKey, readOne("zset", "ZSCORE", s.opts.IndexKey, name))
	}
	key := s.ownKey(name)
	var own *probe
	if state == nil || c.recall(key) != typeField {
		own = c.add(key, readOwn(key))
	}
	if err := c.run(ctx); err != nil {
		return job{}, err
	}
	inState := state.usable() && !state.reply.IsNull()
	if inState {
		c.remember(key, typeField)
	} else if own == nil {
		own = c.add(key, readOwn(key))
		if err := c.run(ctx); err != nil {
			return job{}, err
		}
	}

	j := job{Name: name, Key: key}
	if inState {
		j.Key = s.opts.StateKey
		j.read(parseString(state.reply.Str))
	} else {
		j.readOwn(own, state)
	}
	beat := heartbeat{err: beats.problem(wantScores)}
	for _, p := range []*probe{beats, index} {
		if !beat.known && p.usable() && !p.reply.IsNull() {
			beat = newHeartbeat(p.reply)
		}
	}
	s.finish(&j, beat, c, q.MaxAge)
	return j, nil
}

// What a key should be, for those who find it to be something else.
const (
	wantOwn    = "a hash or a string"
	wantState  = "a hash"
	wantScores = "a sorted set"
	wantIndex  = "a set, a sorted set, a list or a hash"
)

// read takes what a parser made of the record.
func (j *job) read(r record, err error) {
	if err != nil {
		j.fail(err)
		return
	}
	j.record = r
}

// readOwn takes the record from the job's own key. A job is missing only when
// the hash of all jobs could have shown it and did not.
func (j *job) readOwn(own, state *probe) {
	switch err := own.problem(wantOwn); {
	case err != nil:
		j.fail(err)
	case own.typ == "hash":
		if own.more {
			j.fail(errTooManyFields)
			return
		}
		pairs, err := own.reply.Pairs()
		if err != nil {
			j.fail(err)
			return
		}
		j.read(parseHash(pairs))
	case own.typ == "string":
		j.read(parseString(own.reply.Str))
	default:
		if err := state.problem(wantState); err != nil {
			j.fail(err)
			return
		}
		j.Status = statusMissing
	}
}

// finish completes a job that was read with its heartbeat and judges it.
func (s *store) finish(j *job, beat heartbeat, c *check, maxAge time.Duration) {
	if j.Err != nil || j.Status == statusMissing {
		return
	}
	if _, ok := j.Number("updated_at"); !ok {
		switch {
		case beat.known:
			j.Fields = append(j.Fields, field{Name: "updated_at", Number: beat.at})
		case beat.err != nil:
			j.Unavailable = append(j.Unavailable, unreadable{Name: "heartbeat", Reason: beat.err.Error()})
		}
	}
	j.judge(clock{now: c.now, err: c.timeless, maxAge: maxAge, staleAfter: s.opts.StaleAfter, statusMap: s.opts.StatusMap})
}

// heartbeat is a job's score in a sorted set, or why it cannot be had.
type heartbeat struct {
	at    float64 // unix seconds
	known bool
	err   error
}

// newHeartbeat reads a score, which is a time as in a record.
func newHeartbeat(score resp.Value) heartbeat {
	raw, err := score.Text()
	if err != nil {
		return heartbeat{err: err}
	}
	at, err := parseMoment(raw)
	return heartbeat{at: at, known: err == nil, err: err}
}
