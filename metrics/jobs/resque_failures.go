package jobs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"redisjobs/redisclient/resp"
)

// resqueTail is how many jobs beyond those that are new by the length of the list
// are looked at, because jobs may have been taken out of it.
const resqueTail = 5

// ReadFailures reads the end of the list of failed jobs, where new ones are put, or
// of a list for each queue where the application has chosen that.
func (resque) ReadFailures(p *poll, f *failures) {
	k := rubyPrefix(f.Prefix)
	if f.only != "" {
		f.listedQueue(p, k+"queues")
	}
	f.resqueList(p, k+"failed", maxNewest)
	p.AllMembers(maxFollowed, "lists of failed jobs", func(lists []string, err error) {
		if err == nil && !p.FollowUps(len(lists)) {
			err = errManyFollowUps
		}
		if err != nil {
			f.problem("failures", fmt.Errorf("failed_queues: %w", err))
			return
		}
		for _, list := range lists {
			f.resqueList(p, k+list, perList(len(lists)))
		}
	}, k+"failed_queues")
}

// resqueList asks how long a list is and, when its end is another one than at the
// last poll, for its newest jobs, at most most.
func (f *failures) resqueList(p *poll, key string, most int) {
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			f.problem("failures", fmt.Errorf("LLEN: %w", err))
			f.keep(key)
			return
		}
		f.kept["failed"] += n
		before, known := f.list(key)
		grown := int(n - before.mark)
		want := most
		switch {
		case f.first:
			want = min(most, maxOlder)
		case known:
			want = min(most, inSteps(max(0, grown)+resqueTail))
		}
		want = before.jobsOf(want)
		f.remember(key, n, 0)
		if n == 0 {
			return
		}
		f.members(p, key, place{-want, -1}, func(at place) []string {
			return []string{"LRANGE", key, strconv.Itoa(at.lo), strconv.Itoa(at.hi)}
		}, func(members []resp.Value) {
			f.weighJobs(key, len(members), members)
			f.resqueNewest(members, known, grown)
		})
	}, "LLEN", key)
}

// resqueNewest takes what is new of the newest jobs of a list, the newest last: what
// stands behind all that were seen.
func (f *failures) resqueNewest(members []resp.Value, known bool, grown int) {
	from := len(members)
	for from > 0 && !f.seen.wasSeen(f.hash(string(members[from-1].Str))) {
		from--
	}
	found := len(f.found) + f.unreadable
	for i, v := range members {
		if i >= from {
			// Where none of those is left that were seen, the time decides.
			f.job(v, known && (from > 0 || grown >= len(members)), f.parseResqueFailure)
		} else {
			f.next.hashes = append(f.next.hashes, f.hash(string(v.Str)))
		}
	}
	if known && !f.first && grown > len(members) {
		f.miss(float64(grown - (len(f.found) + f.unreadable - found)))
	}
}

// parseResqueFailure reads a member of the list of failed jobs.
func (f *failures) parseResqueFailure(text []byte) (failure, error) {
	var raw struct {
		FailedAt string `json:"failed_at"`
		Payload  struct {
			Class string          `json:"class"`
			Args  json.RawMessage `json:"args"`
		} `json:"payload"`
		Exception string `json:"exception"`
		Error     string `json:"error"`
		Queue     string `json:"queue"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return failure{}, err
	}
	if raw.Payload.Class == "" && raw.Exception == "" {
		return failure{}, errors.New("it is not the record of a failed job that it should be")
	}
	active, args := activeJob(raw.Payload.Args)
	e := newFailure(f.hash(string(text)), cmp.Or(active, raw.Payload.Class), raw.Exception, raw.Error, args)
	date, _, _ := strings.Cut(raw.FailedAt, " (") // JavaScript adds the name of the time zone
	e.at, _ = parseDate(date, resqueLayouts...)
	e.queue, e.dead = raw.Queue, true
	return e, nil
}

// activeJob is the class of a job that Active Job has wrapped, "" for another one,
// and the arguments of either.
// Source: activejob/lib/active_job/core.rb, serialize
func activeJob(raw []byte) (class string, args *argValues) {
	args = &argValues{}
	var wrapped []struct {
		Class     string          `json:"job_class"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal(raw, &wrapped) == nil && len(wrapped) == 1 && wrapped[0].Class != "" {
		args.any(wrapped[0].Arguments)
		return wrapped[0].Class, args
	}
	args.any(raw)
	return "", args
}
