package storm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Options say where records lie. A key that is "" is not used.
type Options struct {
	// KeyPattern names a job's own key, with {job} in it exactly once;
	// "storm:job:{job}" if empty.
	KeyPattern string
	// IndexKey holds the jobs' names: a set, a list, a hash (its fields), or a
	// sorted set whose scores are heartbeats.
	IndexKey string
	// HeartbeatKey is a sorted set of jobs by the time of their last sign, for
	// records that have no updated_at.
	HeartbeatKey string
	// StateKey is a hash that holds the record of each of its fields. A job in
	// it needs no key of its own, and one that has a key is not asked for it.
	StateKey string
	// StaleAfter is the age from which a live job is stale whose record names
	// no limit; 300 s if 0.
	StaleAfter time.Duration
	// ScanBudget is how many keys SCAN may look at where there is neither an
	// index nor a StateKey; 0 for no SCAN.
	ScanBudget int
	// StatusMap has statuses for words that the built-in ones lack.
	StatusMap map[string]int
	// Jobs are the names to read where none were found.
	Jobs []string
}

const (
	placeholder       = "{job}"
	defaultKeyPattern = "storm:job:" + placeholder
)

// Store reads the records of one Redis. It is a Source.
type Store struct {
	opts           Options
	prefix, suffix string // of a job's own key
	doer           redisclient.Doer
	memory         Memory
}

var _ Source = (*Store)(nil)

// NewStore returns the store behind a target. The memory must be the target's
// own: what it holds is true of one Redis only.
func NewStore(opts Options, doer redisclient.Doer, memory Memory) (*Store, error) {
	if opts.KeyPattern == "" {
		opts.KeyPattern = defaultKeyPattern
	}
	if n := strings.Count(opts.KeyPattern, placeholder); n != 1 {
		return nil, fmt.Errorf("the key pattern %q must contain %s exactly once, not %d times",
			opts.KeyPattern, placeholder, n)
	}
	s := &Store{opts: opts, doer: doer, memory: memory}
	s.prefix, s.suffix, _ = strings.Cut(opts.KeyPattern, placeholder)
	return s, nil
}

// ownKey is where a job's own record lies.
func (s *Store) ownKey(name string) string { return s.prefix + name + s.suffix }

func (s *Store) newCheck() *check { return &check{doer: s.doer, memory: s.memory} }

// typeField is remembered as the type of a job's own key while its record is a
// field of StateKey, so that the key is left alone.
const typeField = "field"

// Job implements Source in one round trip once the keys' types are known.
func (s *Store) Job(ctx context.Context, q Query) (Job, error) {
	name := q.Name
	if err := CheckName(name); err != nil {
		return Job{}, err
	}
	c := s.newCheck()
	state := c.addCommon(s.opts.StateKey, readOne("hash", "HGET", s.opts.StateKey, name))
	beats := c.addCommon(s.opts.HeartbeatKey, readOne("zset", "ZSCORE", s.opts.HeartbeatKey, name))
	var index *probe
	if s.opts.IndexKey != s.opts.HeartbeatKey && s.opts.IndexKey != s.opts.StateKey {
		index = c.addCommon(s.opts.IndexKey, readOne("zset", "ZSCORE", s.opts.IndexKey, name))
	}
	key := s.ownKey(name)
	var own *probe
	if state == nil || c.recall(key) != typeField {
		own = c.add(key, readOwn(key))
	}
	if err := c.run(ctx); err != nil {
		return Job{}, err
	}
	inState := state.usable() && !state.reply.IsNull()
	if inState {
		c.remember(key, typeField)
	} else if own == nil {
		own = c.add(key, readOwn(key))
		if err := c.run(ctx); err != nil {
			return Job{}, err
		}
	}

	j := Job{Name: name, Key: key}
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
	s.finish(&j, beat, c.now, q.MaxAge)
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
func (j *Job) read(r Record, err error) {
	if err != nil {
		j.fail(err)
		return
	}
	j.Record = r
}

// readOwn takes the record from the job's own key. A job is missing only when
// the hash of all jobs could have shown it and did not.
func (j *Job) readOwn(own, state *probe) {
	switch err := own.problem(wantOwn); {
	case err != nil:
		j.fail(err)
	case own.typ == "hash":
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
		j.Status = Missing
	}
}

// finish completes a job that was read with its heartbeat and judges it.
func (s *Store) finish(j *Job, beat heartbeat, now float64, maxAge time.Duration) {
	if j.Err != nil || j.Status == Missing {
		return
	}
	if _, ok := j.Number("updated_at"); !ok {
		switch {
		case beat.known:
			j.Fields = append(j.Fields, Field{Name: "updated_at", Number: beat.at})
		case beat.err != nil:
			j.Unavailable = append(j.Unavailable, Unreadable{Name: "heartbeat", Reason: beat.err.Error()})
		}
	}
	j.judge(clock{now: now, maxAge: maxAge, staleAfter: s.opts.StaleAfter, statusMap: s.opts.StatusMap})
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
