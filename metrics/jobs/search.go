package jobs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// scanCount is how many keys SCAN looks at in one step, about.
	scanCount = 1000
	// maxClues bounds the keys that are proven in one search.
	maxClues = 10_000
)

// search is the SCAN of a target.
type search struct {
	running bool
	ended   time.Time // of the last search; zero before the first
	cursor  string    // where the next one goes on; "" for the beginning
	began   time.Time // of the pass under way, or of the last one
	asOf    time.Time // when the last pass began that came to its end; zero before the first
	scanned int       // keys looked at in the pass under way or, when there is none, the last
	rounds  int       // round trips of the last search
	dropped int       // clues beyond maxClues
	err     error     // why SCAN could not be used
}

// complete reports whether all keys are known that were there a while ago. What
// an older pass found is forgotten, see keepNames.
func (s *search) complete(now time.Time) bool { return !s.asOf.IsZero() && now.Sub(s.asOf) < keepNames }

// clueOf is a clue and the system that recognised it.
type clueOf struct {
	system string
	Clue
}

// scan looks at keys until the pass ends or the budget is spent.
func scan(ctx context.Context, doer redisclient.Doer, next *search, o *Options) ([]clueOf, error) {
	var stopAt time.Time
	if deadline, ok := ctx.Deadline(); ok {
		now := time.Now()
		stopAt = now.Add(deadline.Sub(now) / 3)
	}
	if next.cursor == "" {
		next.cursor, next.scanned, next.began = "0", 0, time.Now()
	}
	var clues []clueOf
	seen := make(map[string]bool)
	for budget := o.ScanBudget; budget > 0; budget -= scanCount {
		replies, err := doer.DoAll(ctx, redisclient.Command{
			"SCAN", next.cursor, "COUNT", strconv.Itoa(min(scanCount, budget)),
		})
		if err != nil {
			return nil, err
		}
		next.rounds++
		if err := replies[0].Err(); err != nil {
			if redisclient.ConcernsServer(err) {
				return nil, err
			}
			next.err = err
			return nil, nil
		}
		cursor, keys, err := parseScan(replies[0])
		if err != nil {
			return nil, redisclient.Misread("search for job systems", err)
		}
		next.scanned += len(keys)
		for _, key := range keys {
			for _, s := range all {
				spec := s.Spec()
				if spec.Clue == nil {
					continue
				}
				clue, ok := spec.Clue(key)
				if !ok || seen[spec.Name+" "+key] {
					continue
				}
				if len(clues) == maxClues {
					next.dropped++
					continue
				}
				seen[spec.Name+" "+key] = true
				clue.Prefix = spec.canonical(clue.Prefix)
				clues = append(clues, clueOf{spec.Name, clue})
			}
		}
		if cursor == "0" {
			next.cursor, next.asOf = "", next.began
			return clues, nil
		}
		next.cursor = cursor
		if !stopAt.IsZero() && time.Now().After(stopAt) {
			break
		}
	}
	return clues, nil
}

// parseScan reads a reply to SCAN: the next cursor and the keys.
func parseScan(v resp.Value) (cursor string, keys []string, err error) {
	parts, err := v.Array()
	if err != nil {
		return "", nil, err
	}
	if len(parts) != 2 {
		return "", nil, fmt.Errorf("expected a cursor and keys, got %d members", len(parts))
	}
	if cursor, err = parts[0].Text(); err != nil {
		return "", nil, err
	}
	keys, err = parts[1].Strings()
	return cursor, keys, err
}

// prove sends the proofs of all clues in one pipeline and notes what is proven.
func prove(ctx context.Context, doer redisclient.Doer, next *search, clues []clueOf, found map[Instance][]string) error {
	type trial struct {
		Instance
		names []string
		clue  Clue
	}
	var trials []*trial
	once := make(map[Instance]*trial)
	var cmds []redisclient.Command
	for _, c := range clues {
		instance := Instance{c.system, c.Prefix}
		if t := once[instance]; t != nil && c.OncePerPrefix {
			t.names = append(t.names, c.Name)
			continue
		}
		t := &trial{Instance: instance, names: []string{c.Name}, clue: c.Clue}
		once[instance] = t
		trials = append(trials, t)
		cmds = append(cmds, c.Proof...)
	}
	if len(trials) == 0 {
		return nil
	}
	var replies []resp.Value
	if len(cmds) > 0 {
		var err error
		if replies, err = doer.DoAll(ctx, cmds...); err != nil {
			return err
		}
		next.rounds++
	}
	for _, t := range trials {
		mine := replies[:len(t.clue.Proof)]
		replies = replies[len(t.clue.Proof):]
		if t.clue.Proves != nil && !t.clue.Proves(mine) {
			continue
		}
		t.names = slices.DeleteFunc(t.names, func(name string) bool { return name == "" })
		found[t.Instance] = append(found[t.Instance], t.names...)
	}
	return nil
}
