// Package storm reads what jobs say about themselves: topologies, spouts and
// bolts of Apache Storm, and any batch or daemon that keeps a record of the
// same kind.
//
// A record lies in Redis in one of four layouts: a hash for each job, a JSON
// object for each job, one hash with a field for each job (JSON or a bare
// status; the stock RedisStoreBolt writes it), or a bare status for each job.
// Heartbeats may stand in a sorted set beside any of them. Nothing here writes
// to Redis, runs Lua or uses KEYS. Or they are the topologies of a Storm UI;
// see ui.
package storm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// source is where jobs are read from. An error is for the conversation as a
// whole; what is wrong with one job is in that Job.
type source interface {
	// Job reads one job. A job without a record is Missing, which is no error.
	Job(ctx context.Context, q query) (job, error)
	// Jobs finds and reads all jobs.
	Jobs(ctx context.Context) (jobs, error)
}

// query says which job is read.
type query struct {
	Name string
	// MaxAge overrides how old a live job's last sign may be; 0 leaves that to
	// the record.
	MaxAge time.Duration
	// Details: all that is known of the job, where that takes more requests.
	Details bool
}

// jobs are all jobs that a source knows, by name.
type jobs struct {
	Jobs []job
	// Truncated counts those beyond maxJobs, which are not here.
	Truncated int
	// Unavailable are the keys of all jobs that were not read whole.
	Unavailable []unreadable
	// Incomplete is why Jobs are not all that there are, or the first of all.
	Incomplete error
	// Partial: the search for jobs ended at its budget; there may be more.
	Partial bool
	// Skipped counts names that CheckName refuses.
	Skipped int
}

// maxJobs bounds the jobs of one answer.
const maxJobs = 1000

// job is one job, judged by its server's clock.
type job struct {
	Name string
	// Key holds the record, or would hold it; it is the id of a topology of the
	// UI, "" for one that is missing.
	Key string
	// Status is Stale or Missing where that is so, else what the record says.
	// It means nothing while Err is set.
	Status Status
	// Err is why the status is not known.
	Err error
	// Age is the seconds since the job's last sign, never negative; HasAge is
	// false when there was none.
	Age    float64
	HasAge bool
	// SuccessAge is the seconds since the job's last success, never negative;
	// HasSuccessAge is false when the record names none.
	SuccessAge    float64
	HasSuccessAge bool
	// record is what the record says; its updated_at may be the heartbeat of
	// the sorted set. What could not be read of the job is in Unavailable.
	record
	// Topology is what a Storm UI says of the job beyond the record; nil for
	// jobs of other sources.
	Topology *topology
}

// maxName bounds a job's name in bytes.
const maxName = 255

// CheckName says what is wrong with a job's name.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a job's name must not be empty")
	case len(name) > maxName:
		return fmt.Errorf("a job's name must be at most %d bytes long", maxName)
	case !utf8.ValidString(name):
		return errors.New("a job's name must be valid UTF-8")
	}
	return nil
}

// defaultStaleAfter is the age in seconds at which a live job that names no
// limit itself is stale.
const defaultStaleAfter = 300

// intervals is how many of its own intervals a job may be silent.
const intervals = 3

// clock is what it takes to judge a record.
type clock struct {
	now        float64 // the server's, unix seconds
	err        error   // why now is not known
	maxAge     time.Duration
	staleAfter time.Duration
	statusMap  map[string]int
}

// clockSlack is by how much a writer's clock may be ahead of the server's, in seconds. A
// job whose clock is wrong by more would hide its death for as long.
const clockSlack = 60

// since is how long ago a moment was: to a microsecond, as TIME has it, and not less
// than 0, because a writer's clock may be a little ahead. what is the moment's field.
func (c clock) since(what string, moment float64) (float64, error) {
	if c.err != nil {
		return 0, c.err
	}
	if ahead := moment - c.now; ahead > clockSlack {
		return 0, fmt.Errorf("%s is %.0f s ahead of the server's clock: check the clock of the machine that writes the record", what, ahead)
	}
	return ageOf(c.now - moment), nil
}

func ageOf(seconds float64) float64 { return max(0, math.Round(seconds*1e6)/1e6) }

// judge sets the job's status and ages from its record. Without the server's time
// they are unknown, and so is the status of a live job whose record may be stale. It is
// the same where the record's time lies in the future.
func (j *job) judge(c clock) {
	sign, signed, hasSign := j.lastSign()
	succeeded, hasSuccess := j.Number("last_success_at")
	var ageErr error
	if hasSign {
		j.Age, ageErr = c.since(sign, signed)
		j.HasAge = ageErr == nil
		j.lose("age", ageErr)
	}
	if hasSuccess {
		var err error
		j.SuccessAge, err = c.since("last_success_at", succeeded)
		j.HasSuccessAge = err == nil
		j.lose("success_age", err)
	}
	raw, ok := j.Text("status")
	if !ok {
		j.Err = errors.New("the record has no status")
		for _, u := range j.Unavailable {
			if u.Name == "status" {
				j.Err = fmt.Errorf("status: %s", u.Reason)
				return
			}
		}
		j.Unavailable = append(j.Unavailable, unreadable{Name: "status", Reason: j.Err.Error()})
		return
	}
	j.Status = statusOf(raw, c.statusMap)
	switch {
	case !j.Status.live() || !hasSign:
	case ageErr != nil:
		j.Err = fmt.Errorf("%s, or stale: %w", j.Status, ageErr)
		j.lose("status", j.Err)
	case j.Age > j.limit(c):
		j.Status = statusStale
	}
}

// lose notes why something that the record has is unavailable, if it is.
func (j *job) lose(name string, err error) {
	if err != nil {
		j.Unavailable = append(j.Unavailable, unreadable{Name: name, Reason: err.Error()})
	}
}

// lastSign is when the job was last heard of, and which field says so. A record without
// updated_at may tell when its run began or ended; the later one counts, for a batch that
// is running again still has the end of its last run.
func (j *job) lastSign() (name string, at float64, ok bool) {
	if at, ok := j.Number("updated_at"); ok {
		return "updated_at", at, true
	}
	started, began := j.Number("started_at")
	finished, ended := j.Number("finished_at")
	if began && started >= finished {
		return "started_at", started, true
	}
	return "finished_at", finished, ended
}

// limit is the age in seconds from which a live job is stale.
func (j *job) limit(c clock) float64 {
	if c.maxAge > 0 {
		return c.maxAge.Seconds()
	}
	if limit, ok := j.Number("max_age"); ok {
		return limit
	}
	if interval, ok := j.Number("interval"); ok {
		return intervals * interval
	}
	if c.staleAfter > 0 {
		return c.staleAfter.Seconds()
	}
	return defaultStaleAfter
}

// fail makes err the reason why nothing is known of the job.
func (j *job) fail(err error) {
	j.Err = err
	j.Unavailable = append(j.Unavailable, unreadable{Name: "record", Reason: err.Error()})
}
