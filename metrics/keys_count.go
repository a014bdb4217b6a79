package metrics

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// keysCountMetric counts the keys that match a glob pattern, by SCAN and so
// without blocking the server, until all keys were looked at, the budget is
// spent or the time of the request runs out.
//
// The members beside the head:
//
//	pattern   the pattern
//	count     keys found, each counted once though SCAN may give it twice
//	complete  whether all keys were looked at. Keys that are written or deleted
//	          meanwhile may be counted or not.
//	scanned   about how many keys were looked at: the server does not tell, but
//	          looks at scanCount of them a step
//	dbsize    the keys of the database; left out when the server refuses it
//	estimate  what count would be for all keys, which lie in random order; only
//	          when not complete and dbsize is known
//	unavailable  what the server refused; without SCAN nothing but dbsize is known
//
// Source: https://redis.io/docs/latest/commands/scan/
var keysCountMetric = &Metric{
	Key:         "redis.keys.count",
	Description: "Returns how many keys match a pattern as JSON, counted by SCAN within a budget.",
	Params: connParams(
		Param{Name: "Pattern", Required: true, Description: "glob pattern of keys, as session:*"},
		Param{
			Name: "Budget", Default: "100000", Check: checkBudget,
			Description: "the most keys to look at, 1000-1000000",
		},
	),
	Commands: []string{"scan", "dbsize"},
	Collect:  collectKeysCount,
}

const (
	// scanCount is how many keys one step looks at.
	scanCount = 1000
	maxBudget = 1_000_000
)

func checkBudget(s string) error {
	_, err := parseBudget(s)
	return err
}

func parseBudget(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < scanCount || n > maxBudget {
		return 0, fmt.Errorf("expected a number of keys, %d-%d", scanCount, maxBudget)
	}
	return n, nil
}

func collectKeysCount(ctx context.Context, r *Request) (string, error) {
	t, pattern := r.Target, r.Arg("Pattern")
	budget, err := parseBudget(r.Arg("Budget"))
	if err != nil {
		return "", err
	}
	size := &part{name: "dbsize", cmd: redisclient.Command{"DBSIZE"}}
	s := newKeyScan(ctx, budget)
	cursor := "0"
	var scan *part
	for !s.complete && (s.steps == 0 || s.mayGoOn()) {
		began := time.Now()
		scan = &part{name: "scan", as: "SCAN", cmd: redisclient.Command{
			"SCAN", cursor, "MATCH", pattern, "COUNT", strconv.Itoa(scanCount),
		}}
		parts := []*part{scan}
		if s.steps == 0 {
			parts = append(parts, size)
		}
		if err := askParts(ctx, t, parts...); err != nil {
			return downDocument(t.Name, err), nil
		}
		if err := stateProblem(parts...); err != nil {
			return downDocument(t.Name, err), nil
		}
		if scan.err != nil {
			break
		}
		if cursor, err = s.take(scan.value); err != nil {
			return downDocument(t.Name, fmt.Errorf("SCAN: %w", err)), nil
		}
		s.slowest = max(s.slowest, time.Since(began))
	}
	w := jsondoc.New(512)
	w.BeginObject()
	writeHead(w, t.Name, nil)
	w.Key("pattern").String(pattern)
	s.write(w, scan, size)
	writeUnavailable(w, scan, size)
	w.EndObject()
	return w.Document(), nil
}

// keyScan is a SCAN under way. A key is remembered by a hash of 64 bits: eight
// bytes a key, and with a million keys one in 37 million counts comes out too
// small by one.
type keyScan struct {
	budget   int
	stopAt   time.Time // zero: no deadline
	slowest  time.Duration
	steps    int
	scanned  int
	complete bool
	seed     maphash.Seed
	found    []uint64
}

// newKeyScan plans to end when three quarters of the request's time are over.
func newKeyScan(ctx context.Context, budget int) *keyScan {
	s := &keyScan{budget: budget, seed: maphash.MakeSeed()}
	if deadline, ok := ctx.Deadline(); ok {
		now := time.Now()
		s.stopAt = now.Add(deadline.Sub(now) * 3 / 4)
	}
	return s
}

// mayGoOn reports whether budget and time are left for a step that takes as
// long as the slowest so far.
func (s *keyScan) mayGoOn() bool {
	return s.scanned < s.budget && (s.stopAt.IsZero() || !time.Now().Add(s.slowest).After(s.stopAt))
}

// take reads the answer to SCAN and returns the next cursor.
func (s *keyScan) take(v resp.Value) (cursor string, err error) {
	cursor, keys, err := redisclient.ParseScan(v)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		s.found = append(s.found, maphash.String(s.seed, key))
	}
	s.steps++
	s.scanned += max(scanCount, len(keys))
	s.complete = cursor == "0"
	return cursor, nil
}

func (s *keyScan) write(w *jsondoc.Writer, scan, size *part) {
	var keys int64
	if size.err == nil {
		keys, size.err = size.value.Int64()
	}
	if scan.err != nil {
		if size.err == nil {
			w.Key("dbsize").Int(keys)
		}
		return
	}
	slices.Sort(s.found)
	count := len(slices.Compact(s.found))
	w.Key("count").Int(int64(count))
	w.Key("complete").Bool(s.complete)
	scanned := int64(s.scanned)
	if size.err == nil && (s.complete || scanned > keys) {
		// The last step of a complete pass looks at what is left.
		scanned = max(keys, int64(count))
	}
	w.Key("scanned").Int(scanned)
	if size.err != nil {
		return
	}
	w.Key("dbsize").Int(keys)
	if !s.complete && scanned > 0 {
		w.Key("estimate").Int(int64(float64(count) / float64(scanned) * float64(keys)))
	}
}
