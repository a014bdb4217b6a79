package ask

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Scan is a SCAN under way. A key is remembered by a hash of 64 bits: eight
// bytes a key, and with a million keys one in 37 million counts comes out too
// small by one.
type Scan struct {
	budget   int
	stopAt   time.Time // zero: no deadline
	Slowest  time.Duration
	Steps    int
	scanned  int
	Complete bool
	seed     maphash.Seed
	found    []uint64
}

// NewScan plans to end when three quarters of the request's time are over.
func NewScan(ctx context.Context, budget int) *Scan {
	s := &Scan{budget: budget, seed: maphash.MakeSeed()}
	if deadline, ok := ctx.Deadline(); ok {
		now := time.Now()
		s.stopAt = now.Add(deadline.Sub(now) * 3 / 4)
	}
	return s
}

// MayGoOn reports whether budget and time are left for a step that takes as
// long as the slowest so far.
func (s *Scan) MayGoOn() bool {
	return s.scanned < s.budget && (s.stopAt.IsZero() || !time.Now().Add(s.Slowest).After(s.stopAt))
}

// Take reads the answer to SCAN and returns the next cursor.
func (s *Scan) Take(v resp.Value) (cursor string, err error) {
	cursor, keys, err := redisclient.ParseScan(v)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		s.found = append(s.found, maphash.String(s.seed, key))
	}
	s.Steps++
	s.scanned += max(ScanCount, len(keys))
	s.Complete = cursor == "0"
	return cursor, nil
}

func (s *Scan) Write(w *jsondoc.Writer, scan, size *Part) {
	var keys int64
	if size.Err == nil {
		keys, size.Err = size.Value.Int64()
	}
	if scan.Err != nil {
		if size.Err == nil {
			w.Key("dbsize").Int(keys)
		}
		return
	}
	slices.Sort(s.found)
	count := len(slices.Compact(s.found))
	w.Key("count").Int(int64(count))
	w.Key("complete").Bool(s.Complete)
	// Kvrocks tells what it counted when it was last told to count, at first 0. That
	// so many keys came or went meanwhile is less likely.
	if size.Err == nil && int64(count) > 2*keys {
		size.Err = fmt.Errorf("DBSIZE says %d, and %d keys were seen", keys, count)
	}
	scanned := int64(s.scanned)
	if size.Err == nil && (s.Complete || scanned > keys) {
		// The last step of a complete pass looks at what is left.
		scanned = max(keys, int64(count))
	}
	w.Key("scanned").Int(scanned)
	if size.Err != nil {
		return
	}
	w.Key("dbsize").Int(keys)
	if !s.Complete && scanned > 0 {
		w.Key("estimate").Int(max(int64(count), int64(float64(count)/float64(scanned)*float64(keys))))
	}
}

// ScanCount is how many keys one step looks at.
const ScanCount = 1000
