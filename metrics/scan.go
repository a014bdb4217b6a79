package metrics

import (
	"context"
	"hash/maphash"
	"slices"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

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

// scanCount is how many keys one step looks at.
const scanCount = 1000
