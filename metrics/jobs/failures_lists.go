package jobs

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"redisjobs/redisclient/resp"
)

// idList is a sorted set of the ids of failed jobs.
type idList struct {
	key string
	// n is how many of its members are looked at, the newest ones.
	n int
	// negative: the scores are times with a minus, so that the newest come first.
	negative bool
	// retry: the scores are the times at which jobs are tried again. The first of them
	// are looked at: those that failed for the first time not long ago are among them.
	retry bool
	// at makes the time of the failure of a score; nil where scores tell none.
	at func(score float64) float64
}

// newFailed is a member of an idList that may be new.
type newFailed struct {
	id    string
	score float64
	key   uint64
	known bool // see failures.add
}

// perList is how many members are looked at of each of so many lists.
func perList(lists int) int { return max(minNewest, min(maxNewest, maxNewestAll/max(1, lists))) }

// newest asks for the members of a list that are new, or at the first poll for the
// newest ones, and gives them to then, the newest first.
func (f *failures) newest(p *poll, l idList, then func(newFailed)) {
	before, known := f.list(l.key)
	beyond := 0.0 // newer than the newest one that was seen
	count := func(from, to string) {
		p.Ask(func(v resp.Value, err error) {
			beyond, err = number(v, err)
			f.problem("missed", err)
		}, "ZCOUNT", l.key, from, to)
	}
	from, to := strconv.Itoa(-l.n), "-1"
	if l.negative || l.retry {
		from, to = "0", strconv.Itoa(l.n-1)
	}
	switch {
	case !known || l.retry:
	case l.negative:
		count("-inf", "("+scoreText(-before.mark))
	default:
		count("("+scoreText(before.mark), "+inf")
	}
	p.Strings(func(pairs []string, err error) {
		var names []string
		var scores map[string]float64
		if err == nil {
			names, scores, err = scored(pairs)
		}
		if err != nil {
			f.problem("failures", err)
			f.keep(l.key)
			return
		}
		if !l.negative && !l.retry {
			slices.Reverse(names)
		}
		next := listSeen{list: before.list, mark: before.mark, least: math.Inf(-1)}
		if l.retry { // 0: all of it was looked at
			next.least = float64(flag(len(names) == l.n))
		}
		for i, id := range names {
			e := newFailed{id: id, score: scores[id], known: known && (!l.retry || before.least == 0)}
			if l.negative {
				e.score = -e.score
			}
			e.key = f.hashAt(l.key+"\x00"+id, e.score)
			if i == 0 && !known || e.score > next.mark {
				next.mark = e.score
			}
			if i == l.n-1 && !l.retry {
				next.least = e.score
			}
			if known && e.score > before.mark {
				beyond--
			}
			f.next.hashes = append(f.next.hashes, e.key)
			if f.isNew(&e, &l, before, i) {
				then(e)
			}
		}
		if known && !l.retry && !f.first {
			f.miss(beyond)
		}
		f.next.lists = append(f.next.lists, next)
	}, "ZRANGE", l.key, from, to, "WITHSCORES")
}

// isNew reports whether a member may be new; i is its place among the newest.
func (f *failures) isNew(e *newFailed, l *idList, before listSeen, i int) bool {
	switch {
	case len(e.id) > maxJobID || e.id == "":
		f.unreadable++
		return false
	case f.first:
		return i < maxOlder
	case f.seen.wasSeen(e.key), e.known && !l.retry && e.score < before.least:
		return false
	case !e.known && l.at != nil:
		return l.at(e.score) >= f.last-failureSlack
	}
	return true
}

// scoreText is a score as an argument of a command.
func scoreText(score float64) string { return strconv.FormatFloat(score, 'f', -1, 64) }

// size asks for the size of a list of failed jobs, and adds it to what is kept.
func (f *failures) size(p *poll, name string, cmd ...string) {
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			f.problem(name, fmt.Errorf("%s: %w", cmd[0], err))
			return
		}
		f.kept[name] += n
	}, cmd...)
}

// fields asks for fields of a failed job's hash, their sizes first: one that is too
// large has the kind TooLarge. A job that is gone has none of them. Jobs beyond what
// a poll reads are missed.
func (f *failures) fields(p *poll, key string, names []string, then func(values []resp.Value)) {
	if f.budget.jobs == 0 {
		f.miss(1)
		return
	}
	f.budget.jobs--
	values := make([]resp.Value, len(names))
	var problem error
	for i, name := range names {
		p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			problem = errors.Join(problem, err)
			values[i] = resp.Value{Kind: resp.Null}
			if n > 0 {
				values[i] = resp.Value{Kind: resp.TooLarge, Int: int64(n)}
			}
			if i == len(names)-1 {
				f.smallFields(p, key, names, values, problem, then)
			}
		}, "HSTRLEN", key, name)
	}
}

// smallFields asks for those fields that are not too large.
func (f *failures) smallFields(p *poll, key string, names []string, sizes []resp.Value, problem error, then func(values []resp.Value)) {
	if problem != nil {
		f.unreadable++
		f.problem("failures", fmt.Errorf("HSTRLEN: %w", problem))
		return
	}
	cmd := []string{"HMGET", key}
	var small []int
	for i, size := range sizes {
		if n := int(size.Int); size.Kind == resp.TooLarge && n <= maxDetail && n <= f.budget.bytes {
			f.budget.bytes -= n
			small = append(small, i)
			cmd = append(cmd, names[i])
		}
	}
	if len(small) == 0 {
		then(sizes)
		return
	}
	p.Ask(func(v resp.Value, err error) {
		var got []resp.Value
		if err == nil {
			got, err = v.Array()
		}
		if err == nil && len(got) != len(small) {
			err = errors.New("another number of members than was asked for")
		}
		if err != nil {
			f.unreadable++
			f.problem("failures", fmt.Errorf("HMGET: %w", err))
			return
		}
		for i, at := range small {
			sizes[at] = got[i]
		}
		then(sizes)
	}, cmd...)
}

// argsOf are the arguments that a field holds; too many if it is too large.
func argsOf(v resp.Value) *argValues {
	a := &argValues{over: v.Kind == resp.TooLarge}
	a.any(v.Str)
	return a
}

// jobsOf is how many of n whole jobs of a list are read, by the size that they had
// at the last poll.
func (l listSeen) jobsOf(n int) int {
	if l.average > 0 {
		return min(n, max(1, int(maxListBytes/l.average)))
	}
	return n
}

// reach notes a score of a list that was remembered.
func (s *failuresSeen) reach(list uint64, score float64) {
	for i := range s.lists {
		if l := &s.lists[i]; l.list == list {
			l.mark = max(l.mark, score)
		}
	}
}

// weighJobs notes the size of n whole jobs of a list that was remembered.
func (f *failures) weighJobs(name string, n int, reply []resp.Value) {
	h, bytes := f.hash(name), 0
	for _, v := range reply {
		bytes += size(v)
	}
	for i := range f.next.lists {
		if l := &f.next.lists[i]; l.list == h && n > 0 {
			l.average = max(l.average, float64(bytes)/float64(n))
		}
	}
}

// place is a part of a list, as in ZRANGE.
type place struct{ lo, hi int }

// members asks for the members of a list of whole jobs, in commands that command
// gives, and gives them to then, in their order.
// What was too large the last time is asked for in smaller parts, so that a huge job
// hides no other one.
func (f *failures) members(p *poll, key string, all place, command func(place) []string, then func(members []resp.Value)) {
	parts := p.lightParts(all, command)
	left := len(parts)
	var members []resp.Value
	for _, part := range parts {
		cmd := command(part)
		p.AskPayload(func(v resp.Value, err error) {
			var some []resp.Value
			if err == nil {
				some, err = v.Array()
			}
			var heavy *heavyError
			switch alone := part.lo == part.hi; {
			case err == nil:
				members = append(members, some...)
			case alone && errors.As(err, &heavy): // it was seen before
			case alone && errors.Is(err, resp.ErrTooLarge):
				f.unreadable++
			default:
				f.problem("failures", fmt.Errorf("%s: %w", cmd[0], err))
				f.keep(key)
			}
			if left--; left == 0 {
				then(members)
			}
		}, cmd...)
	}
}

// lightParts parts a place of a list where the reply was too large not long ago.
func (p *poll) lightParts(all place, command func(place) []string) (out []place) {
	n := all.hi - all.lo + 1
	if n == 1 || !p.weights().isHeavy(command(all)) {
		return []place{all}
	}
	step := max(1, n/10)
	for lo := all.lo; lo <= all.hi; lo += step {
		out = append(out, p.lightParts(place{lo, min(lo+step-1, all.hi)}, command)...)
	}
	return out
}

// inSteps rounds a number of jobs up, so that polls ask for them in the same
// commands, whose replies are remembered when they are too large.
func inSteps(n int) int {
	for _, step := range []int{5, 20, 50, 100} {
		if n <= step {
			return step
		}
	}
	return maxNewest
}

// job takes a member of a list of whole jobs; known is that of failures.add. It
// reports whether the job had been seen before.
func (f *failures) job(v resp.Value, known bool, parse func(text []byte) (failure, error)) (seen bool) {
	text, err := payload(v)
	var e failure
	if err == nil {
		e, err = parse(text)
	}
	if err != nil {
		e = failure{key: f.hash(string(v.Str[:min(len(v.Str), maxDetail)]))}
	}
	f.next.hashes = append(f.next.hashes, e.key)
	switch {
	case f.seen.wasSeen(e.key):
		return true
	case err == nil:
		f.add(e, known)
	case f.first || known:
		f.unreadable++
		f.problem("jobs", err)
	}
	return false
}

// counter asks for a counter of the failures of a queue, or "" for all, that only
// grows; told gets its values at the last poll, -1 if it was not read then, and now.
func (f *failures) counter(p *poll, queue string, told func(before, now float64), cmd ...string) {
	name := cmd[len(cmd)-1]
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			f.problem("missed", fmt.Errorf("%s: %w", cmd[0], err))
			f.keep(name)
			return
		}
		before, ok := f.list(name)
		if !ok {
			before.mark = -1
		}
		if told != nil {
			told(before.mark, n)
		}
		f.counters = append(f.counters, failureCounter{name, queue, n})
	}, cmd...)
}

// listedQueue asks whether the one queue that is wanted is in the system's list.
func (f *failures) listedQueue(p *poll, key string) {
	p.Members(maxListed, func(names []string, size int, err error) {
		if err != nil {
			f.problem("queue", err)
			return
		}
		f.OpenListed(names, size, nil)
	}, key)
}
