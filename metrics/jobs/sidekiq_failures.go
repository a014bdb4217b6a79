package jobs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"redisjobs/redisclient/resp"
)

// sidekiqLate is how much later than another one a job may get into the dead set
// that died before it, in seconds: the scores are its worker's time of death.
const sidekiqLate = 10

// ReadFailures reads the newest jobs of the dead set, and of the retry set those
// that are tried again first: all of it when it is short. In a long one those are
// jobs that failed for the first time a moment ago, and jobs whose turn has come
// again; stat:failed tells how many others there are.
func (sidekiq) ReadFailures(p *poll, f *failures) {
	k := rubyPrefix(f.Prefix)
	unchanged := false
	if f.only == "" { // it counts all queues together
		f.counter(p, "", func(before, now float64) { unchanged = before == now }, "GET", k+"stat:failed")
	} else {
		f.listedQueue(p, k+"queues")
	}
	f.size(p, "failed", "ZCARD", k+"dead")
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			f.problem("retry", fmt.Errorf("ZCARD: %w", err))
			f.keep(k + "retry")
		} else {
			f.kept["retry"] = n
			f.sidekiqRetries(p, k+"retry", int(n), unchanged)
		}
		f.sidekiqDead(p, k+"dead")
	}, "ZCARD", k+"retry")
	sidekiqClasses(p, f, k)
}

// sidekiqRetries reads the jobs that wait to be tried again; all that are there need
// not be new.
func (f *failures) sidekiqRetries(p *poll, key string, size int, unchanged bool) {
	before, known := f.list(key)
	if unchanged && known && !before.stale {
		f.keepAs(key, false) // none has failed since
		return
	}
	n := before.jobsOf(maxNewest)
	f.remember(key, 0, float64(flag(n < size)))
	if size > 0 {
		f.sidekiqMembers(p, key, place{0, n - 1}, func(member resp.Value, _ float64) { f.sidekiqJob(member, known && before.least == 0, false) })
	}
}

// sidekiqDead reads those of the dead set that are newer than the newest one that
// was seen, or not much older.
func (f *failures) sidekiqDead(p *poll, key string) {
	before, known := f.list(key)
	from := math.Inf(-1)
	if known {
		from = before.mark - sidekiqLate
	}
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			f.problem("failures", fmt.Errorf("ZCOUNT: %w", err))
			f.keep(key)
			return
		}
		size := before.jobsOf(inSteps(int(n)))
		if f.first {
			size = maxOlder
		}
		f.remember(key, before.mark, 0)
		if n == 0 {
			return
		}
		f.sidekiqMembers(p, key, place{-size, -1}, func(member resp.Value, score float64) {
			if score >= from {
				f.next.reach(f.hash(key), score)
				f.sidekiqJob(member, known, true)
			}
		})
	}, "ZCOUNT", key, scoreText(from), "+inf")
}

// sidekiqMembers reads jobs of a sorted set.
func (f *failures) sidekiqMembers(p *poll, key string, all place, then func(member resp.Value, score float64)) {
	f.members(p, key, all, func(at place) []string {
		return []string{"ZRANGE", key, strconv.Itoa(at.lo), strconv.Itoa(at.hi), "WITHSCORES"}
	}, func(members []resp.Value) {
		f.weighJobs(key, len(members)/2, members)
		for i := 0; i+1 < len(members); i += 2 {
			if score, err := members[i+1].Float64(); err == nil {
				then(members[i], score)
			} else {
				f.unreadable++
			}
		}
	})
}

func (f *failures) sidekiqJob(member resp.Value, known, dead bool) {
	f.job(member, known, func(text []byte) (failure, error) { return f.parseSidekiqFailure(text, dead) })
}

// parseSidekiqFailure reads a job that has failed. What tells it from other
// failures is its id and the time: one that is given up by hand was seen before.
func (f *failures) parseSidekiqFailure(text []byte, dead bool) (failure, error) {
	var raw struct {
		JID      string          `json:"jid"`
		Class    string          `json:"class"`
		Wrapped  any             `json:"wrapped"` // of Active Job
		Display  string          `json:"display_class"`
		Queue    string          `json:"queue"`
		Args     json.RawMessage `json:"args"`
		Error    string          `json:"error_class"`
		Message  string          `json:"error_message"`
		FailedAt json.Number     `json:"failed_at"`
		Retried  json.Number     `json:"retried_at"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return failure{}, err
	}
	wrapped, _ := raw.Wrapped.(string)
	at, err := parseEpoch(raw.Retried.String())
	if err != nil {
		at, _ = parseEpoch(raw.FailedAt.String())
	}
	active, args := activeJob(raw.Args)
	e := newFailure(f.hashAt(raw.JID, at), cmp.Or(raw.Display, wrapped, active, raw.Class), raw.Error, raw.Message, args)
	e.queue, e.at, e.dead = raw.Queue, at, dead
	return e, nil
}
