package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// ask.ScanCount is how many keys SCAN looks at in one step, about.
	scanCount = 1000
	// maxClues bounds the keys that are proven in one search.
	maxClues = 10_000
	// maxRare bounds those of them that a system calls rare.
	maxRare = 100
)

// search is the SCAN of a target.
type search struct {
	running bool
	ended   time.Time // of the last search; zero before the first
	// cursors are where the next one goes on, by node; "0" where a node's keys are
	// through. Nil between two passes. It is replaced, and never changed.
	cursors map[string]string
	masters int       // of the cluster; 0 for a server that is in none
	began   time.Time // of the pass under way, or of the last one
	asOf    time.Time // when the last pass began that came to its end; zero before the first
	scanned int       // keys looked at in the pass under way or, when there is none, the last
	rounds  int       // round trips of the last search
	dropped int       // clues beyond maxClues
	err     error     // why not all keys could be looked at
	// denied are systems that may be there, and whose keys the user may not read, as seen
	// by the pass under way or, when there is none, the last one. It is replaced, and
	// never changed.
	denied []instance
	// unseen are keys with jobs that were too large to be looked at, as denied.
	unseen []unseenKey
}

// complete reports whether all keys are known that were there a while ago. What
// an older pass found is forgotten, see keepNames.
func (s *search) complete(now time.Time) bool { return !s.asOf.IsZero() && now.Sub(s.asOf) < keepNames }

// clueOf is a clue and the system that recognised it.
type clueOf struct {
	system string
	clue
}

// wholeCluster is a Doer that may be a node of a cluster, and knows its masters.
type wholeCluster interface {
	redisclient.Doer
	// Masters are those that have slots; none for a server that is in no cluster.
	// With an error they are not known, and the Doer alone is searched.
	Masters(ctx context.Context) ([]node, error)
}

// node is a server whose keys are searched.
type node struct {
	Addr string
	redisclient.Doer
	Err error // why it cannot be asked, when there is no Doer
}

// nodes are the servers that have the target's keys, by their address.
func nodes(ctx context.Context, doer redisclient.Doer, next *search) ([]node, error) {
	next.masters = 0
	if c, ok := doer.(wholeCluster); ok {
		masters, err := c.Masters(ctx)
		if len(masters) > 0 || err != nil && redisclient.ConcernsServer(err) {
			next.masters = len(masters)
			return masters, err
		}
		next.err = err
	}
	return []node{{Doer: doer}}, nil
}

// scan looks at keys until the pass ends, or the budget or the time is spent. A
// master that does not answer is tried again by the next search, and the pass
// does not wait for it; but then it is no whole one. (Nor has one seen the keys
// of a slot that moved meanwhile, which nothing tells.)
func scan(ctx context.Context, doer redisclient.Doer, next *search, o *item.JobsOptions) ([]clueOf, error) {
	var stopAt time.Time
	if deadline, ok := ctx.Deadline(); ok {
		now := time.Now()
		stopAt = now.Add(deadline.Sub(now) / 3)
	}
	sources, err := nodes(ctx, doer, next)
	if err != nil {
		return nil, err
	}
	if next.cursors == nil {
		next.scanned, next.began, next.denied, next.unseen = 0, time.Now(), nil, nil
	}
	cursors := make(map[string]string, len(sources)) // of those there are now
	for _, n := range sources {
		cursors[n.Addr] = next.cursors[n.Addr]
	}
	next.cursors = cursors
	s := newScanning(next, o)
	ended := true
	for i, n := range sources {
		err := n.Err
		if err == nil && cursors[n.Addr] != "0" {
			err = s.node(ctx, n, stopAt, len(sources)-i)
		}
		switch {
		case err == nil:
			ended = ended && cursors[n.Addr] == "0"
			continue
		case next.masters > 0:
			err = fmt.Errorf("node %s: %w", n.Addr, err)
		case !refusedScan(err):
			return nil, err
		}
		next.err = cmp.Or(next.err, err)
	}
	if ended {
		next.cursors = nil
		if next.err == nil {
			next.asOf = next.began
		}
	}
	return s.clues, nil
}

// refusedScan tells the server's refusal of the command from all other errors.
func refusedScan(err error) bool {
	var refused *resp.ServerError
	return errors.As(err, &refused) && !redisclient.ConcernsServer(err)
}

// scanning is one search under way.
type scanning struct {
	*search
	options *item.JobsOptions
	budget  int
	clues   []clueOf
	seen    map[string]bool
	rare    map[string]int // by system
}

func newScanning(next *search, o *item.JobsOptions) *scanning {
	return &scanning{search: next, options: o, budget: o.ScanBudget, seen: make(map[string]bool), rare: make(map[string]int)}
}

// split parts prefix and name where a configured prefix says so.
func (s *scanning) split(spec *spec, c *clue) {
	if !spec.Splits {
		return
	}
	key := c.Prefix + ":" + c.Name
	longest := ""
	for _, prefix := range s.options.Prefixes[spec.Name] {
		if name, ok := strings.CutPrefix(key, prefix+":"); ok && name != "" && len(prefix) > len(longest) {
			longest = prefix
			c.Prefix, c.Name = prefix, name
		}
	}
}

// node looks at a node's keys from where the last search ended. It shares the
// time that is left with the nodes after it; of is how many they are with it.
func (s *scanning) node(ctx context.Context, n node, stopAt time.Time, of int) error {
	if !stopAt.IsZero() && s.masters > 0 {
		now := time.Now()
		stopAt = now.Add(stopAt.Sub(now) / time.Duration(of))
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, stopAt)
		defer cancel()
	}
	for s.budget > 0 {
		cursor := cmp.Or(s.cursors[n.Addr], "0")
		replies, err := n.DoAll(ctx, scanStep(cursor, min(scanCount, s.budget))...)
		if err != nil {
			return err
		}
		s.rounds++
		s.budget -= scanCount
		if err := replies[0].Err(); err != nil {
			return err
		}
		cursor, keys, err := redisclient.ParseScan(replies[0])
		if err != nil {
			return redisclient.Misread("search for job systems", err)
		}
		s.cursors[n.Addr] = cursor
		s.scanned += len(keys)
		s.judge(keys)
		s.judgeStreams(replies[1])
		if cursor == "0" || !stopAt.IsZero() && time.Now().After(stopAt) {
			break
		}
	}
	return nil
}

// scanStep asks for the keys of one step, and which of them are streams.
func scanStep(cursor string, count int) []redisclient.Command {
	n := strconv.Itoa(count)
	return []redisclient.Command{{"SCAN", cursor, "COUNT", n}, {"SCAN", cursor, "COUNT", n, "TYPE", "stream"}}
}

// judge takes the keys that may belong to a system.
func (s *scanning) judge(keys []string) {
	for _, key := range keys {
		for _, system := range all {
			spec := system.Spec()
			if spec.Clue == nil {
				continue
			}
			if clue, ok := spec.Clue(key); ok {
				s.take(spec, key, clue)
			}
		}
	}
}

// judgeStreams takes the streams that may belong to a system, whatever they are called.
// Servers before Redis 6 refuse to tell them.
func (s *scanning) judgeStreams(reply resp.Value) {
	_, keys, err := redisclient.ParseScan(reply)
	if err != nil {
		return
	}
	for _, key := range keys {
		for _, system := range all {
			if spec := system.Spec(); spec.Stream != nil {
				if clue, ok := spec.Stream(key); ok {
					s.take(spec, key, clue)
				}
			}
		}
	}
}

// take notes a clue, once.
func (s *scanning) take(spec *spec, key string, clue clue) {
	s.split(spec, &clue)
	clue.Prefix = spec.canonical(clue.Prefix)
	name := spec.Name + " " + key
	if clue.OncePerPrefix { // there may be one for each job
		name = spec.Name + "\x00" + clue.Prefix
	}
	if s.seen[name] {
		return
	}
	if clue.Rare {
		if s.rare[spec.Name]++; s.rare[spec.Name] > maxRare {
			return
		}
	}
	if len(s.clues) == maxClues {
		s.dropped++
		return
	}
	s.seen[name] = true
	s.clues = append(s.clues, clueOf{spec.Name, clue})
}

// prove sends the proofs of all clues in one pipeline and notes what is proven.
func prove(ctx context.Context, doer redisclient.Doer, next *search, clues []clueOf, found map[instance][]string) error {
	type trial struct {
		instance
		clue clue
	}
	var trials []trial
	var cmds []redisclient.Command
	for _, c := range clues {
		trials = append(trials, trial{instance{c.system, c.Prefix}, c.clue})
		cmds = append(cmds, c.Proof...)
	}
	if len(trials) == 0 {
		return nil
	}
	replies, err := doer.DoAll(ctx, cmds...)
	if err != nil {
		return err
	}
	next.rounds++
	for _, t := range trials {
		mine := replies[:len(t.clue.Proof)]
		replies = replies[len(t.clue.Proof):]
		if !t.clue.Proves(mine) {
			switch {
			case isDenied(mine):
				next.deny(t.instance)
			case t.clue.leavesOpen(mine):
				next.leave(t.instance, &t.clue)
			}
			continue
		}
		names := found[t.instance]
		if t.clue.Name != "" {
			names = append(names, t.clue.Name)
		}
		found[t.instance] = names
	}
	return nil
}
