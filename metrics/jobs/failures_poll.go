package jobs

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// What has failed is found by each system's own lists of failed jobs. Those may be
// long, so that a poll looks at the newest ones and remembers which it has seen:
// what it has not seen before is new. Nothing is told by clocks, which differ from
// worker to worker, but for a list that was not read at the poll before.

const (
	// maxFailureRounds is how many round trips a poll takes at most: lists of queues,
	// ids of failed jobs, their sizes, the jobs.
	maxFailureRounds = 4
	// maxNewest bounds the jobs of one list that are read, minNewest what each of many
	// lists gets of maxNewestAll.
	maxNewest, minNewest, maxNewestAll = 200, 10, 4000
	// maxListBytes is about what whole jobs of one list may have together, as far as
	// the poll before tells their size.
	maxListBytes = 4 << 20
	// maxOlder bounds those of one list at the first poll.
	maxOlder = 20
	// maxDetails bounds the jobs that are read one by one in a poll, and
	// maxDetailBytes their bytes all together, maxDetail those of one field.
	maxDetails, maxDetailBytes, maxDetail = 1000, 16 << 20, maxPayload
	// failureSlack is how much older than the last poll a failure may be that is new,
	// in seconds, in a list that was not read then.
	failureSlack = 60
	// maxKeptHashes bounds the failures that one item key remembers.
	maxKeptHashes = 30_000

	failuresMemory = "job failures "
)

// failureReader is a system that keeps failed jobs in Redis, and what went wrong.
type failureReader interface {
	system
	// ReadFailures asks for those that are new since the last poll, and gives them to
	// f.found. It returns before the first answer arrives.
	ReadFailures(p *poll, f *failures)
}

// withoutFailures are the reasons of the systems that are no failureReader.
var withoutFailures = map[string]string{
	"celery": "the result backend has a key for each result and no list of them: to find those that failed, all keys " +
		"would have to be searched at each poll, and a result names its task only with result_extended",
	"laravel":  "failed jobs are in a database, not in Redis; Horizon keeps them",
	"plain":    "a plain queue does not keep failed jobs",
	"redbeat":  "it sends tasks, and keeps none",
	"huey":     "a failed task leaves at most its result, which is a pickle without the task's name",
	"arq":      "a failed job leaves its result alone, and there is no list of results",
	"taskiq":   "a failed task leaves its result alone, and there is no list of results",
	"saq":      "a failed job is kept for some minutes, and there is no list of those",
	"symfony":  "failed messages are in a stream of their own, in a form that PHP alone reads",
	"dramatiq": "a dead letter is the message as it was before its last attempt, and does not tell the error of that",
	"djangoq":  "failures are in a database, not in Redis",
	"beequeue": "failed jobs are in a set that has no order, so that new ones cannot be told without reading all of it",
}

// failures is what one poll learns of the failed jobs of one system.
type failures struct {
	*reading
	// first: there was no poll before.
	first bool
	// last is the time of the poll before, by the server's clock.
	last float64
	// tells: the system keeps failed jobs.
	tells bool
	// found are those that are new, or at the first poll the newest ones; unreadable
	// counts new ones that could not be read.
	found      []failure
	unreadable int
	// kept are the sizes of its lists.
	kept map[string]float64
	// problems say why something is missing.
	problems map[string]string
	classes  *classMetrics // nil when the system keeps none

	missed      float64
	missedKnown bool
	// uncounted: a queue has no counter of failures.
	uncounted bool
	counters  []failureCounter
	seen      *failuresSeen // at the polls before; its memory is never changed
	next      failuresSeen
	keptAll   bool // next has what seen has
	budget    *detailBudget
}

// detailBudget is what the jobs may cost that are read one by one in a poll.
type detailBudget struct{ jobs, bytes int }

// failuresSeen is what is remembered between polls by one item key.
type failuresSeen struct {
	// at is the server's time of the last poll.
	at float64
	// hashes are failures that were seen, sorted.
	hashes []uint64
	lists  []listSeen
}

// listSeen is how far a list, or a counter, was read.
type listSeen struct {
	list uint64
	// mark is the greatest score, the length of the list, or the count.
	mark float64
	// least is the smallest score that was looked at: all failures with a smaller one
	// are old. Of jobs that wait to be tried again it is 0 when all were looked at, and
	// of a counter what was found before it was counted.
	least float64
	// average is how many bytes its jobs had; 0 if it is not known.
	average float64
	// stale: the last poll could not read it.
	stale bool
}

// failuresResult is what a poll learned.
type failuresResult struct {
	First        bool
	Since        float64
	Systems      []*failures
	Complete     bool
	Databases    []database
	DatabasesErr error
	Timeless     error // why it is by our own clock
}

// missedCount are the failures that the system has counted and that are not among
// those found.
func (f *failures) missedCount() (int64, bool) {
	return int64(max(0, f.missed)), f.missedKnown && !f.first && (f.missed > 0 || !f.uncounted)
}

// miss notes that n new failures of a list were not looked at. That there are none says
// nothing: what failed and is not kept is in no list.
func (f *failures) miss(n float64) {
	if n > 0 {
		f.missedKnown = true
		f.missed += n
	}
}

// problem notes why something is missing. The first reason is kept.
func (f *failures) problem(name string, err error) {
	if _, has := f.problems[name]; !has && err != nil {
		f.problems[name] = err.Error()
	}
}

// hash is what a text of the system is remembered by.
func (f *failures) hash(text string) uint64 {
	var h maphash.Hash
	h.SetSeed(headSeed)
	_, _ = h.WriteString(f.ID())
	_ = h.WriteByte(0)
	_, _ = h.WriteString(text)
	return h.Sum64()
}

// hashAt is hash of a text and a time or score.
func (f *failures) hashAt(text string, at float64) uint64 {
	return f.hash(text + string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(at))))
}

// wasSeen reports whether a poll before has seen the failure.
func (s *failuresSeen) wasSeen(key uint64) bool {
	_, seen := slices.BinarySearch(s.hashes, key)
	return seen
}

// list returns how far a list was read; ok is false when it was not.
func (f *failures) list(name string) (listSeen, bool) {
	h := f.hash(name)
	for _, l := range f.seen.lists {
		if l.list == h {
			return l, true
		}
	}
	return listSeen{list: h}, false
}

// remember notes how far a list was read by this poll, and which of its failures
// were seen.
func (f *failures) remember(name string, mark, least float64, keys ...uint64) {
	f.next.lists = append(f.next.lists, listSeen{list: f.hash(name), mark: mark, least: least})
	f.next.hashes = append(f.next.hashes, keys...)
}

// keep remembers of a list that could not be read, or not all of it, what the poll
// before has.
func (f *failures) keep(name string) { f.keepAs(name, true) }

// keepAs is keep of a list that was read or, if stale is set, should have been.
func (f *failures) keepAs(name string, stale bool) {
	l, ok := f.list(name)
	l.stale = stale
	f.next.lists = slices.DeleteFunc(f.next.lists, func(n listSeen) bool { return n.list == l.list })
	if ok {
		f.next.lists = append(f.next.lists, l)
	}
	f.keptAll = true
}

// add takes a failure. known: its list was read at the poll before, so that it is
// new if it was not seen.
func (f *failures) add(e failure, known bool) {
	switch {
	case f.only != "" && e.queue != "" && e.queue != f.only:
	case f.first:
		f.found = append(f.found, e)
	case !known && e.at < f.last-failureSlack:
	default:
		f.found = append(f.found, e)
	}
}

// readFailures asks a target for what has failed since the last poll that asked the
// same. The error is for the target as a whole.
func readFailures(ctx context.Context, doer redisclient.Doer, memory *item.Memory, o item.JobsOptions, q query) (*failuresResult, error) {
	s := stateOf(memory)
	if err := s.findSystems(ctx, doer, &o, q); err != nil {
		return nil, err
	}
	name := failuresMemory + q.System + "\x00" + q.Prefix + "\x00" + q.Queue
	seen := &failuresSeen{}
	v, polled := memory.Load(name)
	if polled {
		before := v.(failuresSeen)
		seen = &before
	}
	out := &failuresResult{First: !polled, Since: seen.at}
	p := &poll{doer: doer, state: s, options: &o, most: maxFailureRounds, weight: &s.heavyFailures}
	budget := &detailBudget{maxDetails, maxDetailBytes}
	var readings []*reading
	for _, r := range s.readings(q, &o) {
		readings = append(readings, r)
		f := &failures{
			reading: r, first: !polled, last: seen.at, seen: seen, budget: budget,
			kept: make(map[string]float64), problems: make(map[string]string),
		}
		out.Systems = append(out.Systems, f)
		p.askFailures(f)
	}
	if !q.named() {
		p.askNewcomers(&o, readings)
		p.lookAround(&o)
	}
	if len(readings) == 0 {
		r := &result{}
		p.askDatabases(r)
		defer func() { out.Databases, out.DatabasesErr = r.Databases, r.DatabasesErr }()
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	out.Timeless = p.timeless
	for _, f := range out.Systems {
		f.finishFailures(s)
	}
	memory.Update(name, func(v any) any { return settle(out, v, p.Now()) })
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Complete = !scans(&o) || s.search.complete(time.Now())
	return out, nil
}

// askFailures asks for those of one system.
func (p *poll) askFailures(f *failures) {
	if f.spec.Markers != nil {
		f.Marked = true
		p.askMarkers(candidate{f.instance, f.spec.Markers(f.Prefix)}, func() { f.Exists = true })
	}
	system, _ := lookup(f.System)
	if reader, ok := system.(failureReader); ok {
		f.tells = true
		reader.ReadFailures(p, f)
		return
	}
	f.problem("failures", errors.New(f.spec.NoFailures()))
}

// NoFailures says why a system tells nothing of failures; "" for one that does.
func (s *spec) NoFailures() string {
	system, _ := lookup(s.Name)
	if _, ok := system.(failureReader); ok {
		return ""
	}
	return cmp.Or(withoutFailures[s.Name], "it is not known to keep failed jobs with their errors")
}

// finishFailures says what an item key names and the system does not have.
func (f *failures) finishFailures(s *state) {
	f.compareCounters()
	f.doubt = s.doubts(f.instance)
	reason := f.noSystem()
	if f.only != "" && reason == "" {
		for _, q := range f.Queues {
			reason = f.noQueue(q)
		}
	}
	if !f.named || !f.spec.Lists || reason == "" || !f.tells {
		return
	}
	f.tells, f.found, f.unreadable, f.missedKnown = false, nil, 0, false
	clear(f.kept)
	f.problem("failures", errors.New(reason))
}

// settle drops what another poll has reported in the meantime, and returns what is
// remembered of both.
func settle(out *failuresResult, v any, now float64) any {
	current, _ := v.(failuresSeen)
	next := failuresSeen{at: now}
	kept := false
	for _, f := range out.Systems {
		if !out.First {
			f.found = slices.DeleteFunc(f.found, func(e failure) bool { return current.wasSeen(e.key) })
		}
		next.hashes = append(next.hashes, f.next.hashes...)
		next.lists = append(next.lists, f.next.lists...)
		kept = kept || f.keptAll
	}
	if kept {
		next.hashes = append(next.hashes, current.hashes[:min(len(current.hashes), max(0, maxKeptHashes-len(next.hashes)))]...)
	}
	slices.Sort(next.hashes)
	next.hashes = slices.Clip(slices.Compact(next.hashes))
	return next
}

// inMillis is a time without what lies behind its milliseconds.
func inMillis(at float64) float64 { return math.Round(at*1000) / 1000 }

var errFailureLarge = fmt.Errorf("it has more than the %d bytes that are read", maxDetail)
