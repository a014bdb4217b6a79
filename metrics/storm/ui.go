package storm

import (
	"context"
	"fmt"
	"maps"
	"redisjobs/metrics/item"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	apiPath     = "/api/v1/"
	summaryPath = apiPath + "topology/summary"
)

// ui reads the topologies of a Storm cluster from its UI daemon. It is a
// source; a job is a topology by its name, because each submission makes a new
// id.
//
// A topology's status is Nimbus' word, which does not change when its workers
// die and there is nobody to start new ones. So it is Stale when it is said to
// live and the uptime of its workers, which comes with their heartbeats, has
// not moved for the limit, as far as this process has seen.
//
// The requests, each shared by all who ask within the same second: one for the
// list of topologies; for one job that and its page, and for the details its
// lag, as long as the topology has a spout that tells it.
type ui struct {
	web        item.Web
	memory     *item.Memory
	staleAfter time.Duration
}

var _ source = (*ui)(nil)

// newUI returns the UI behind a target. staleAfter is the age from which a live
// topology without a sign of its workers is stale; 300 s if 0. The memory must
// be the target's own.
func newUI(web item.Web, memory *item.Memory, staleAfter time.Duration) *ui {
	return &ui{web: web, memory: memory, staleAfter: staleAfter}
}

// Names in Memory.
const (
	memorySign  = "storm.sign "   // + id: sign
	memoryNoLag = "storm.no lag " // + id: true, a topology without a spout that tells its lag
)

// sign is what was seen of a topology's workers.
type sign struct {
	uptimes string    // of all workers, in seconds
	changed time.Time // when they were not what they had been, or were first seen
	seen    time.Time // when they were looked at last
	again   bool      // they were looked at more than once
}

// topologies are all of the summary.
func (u *ui) topologies(ctx context.Context) ([]summaryRow, error) {
	body, err := u.web.Get(ctx, summaryPath)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Topologies list[summaryRow] `json:"topologies"`
	}
	if err := decodeUI(summaryPath, body, &answer); err != nil {
		return nil, err
	}
	if !answer.Topologies.known {
		return nil, missing(summaryPath, "topologies")
	}
	return answer.Topologies.rows, nil
}

// Job implements Source.
func (u *ui) Job(ctx context.Context, q query) (job, error) {
	if err := CheckName(q.Name); err != nil {
		return job{}, err
	}
	rows, err := u.topologies(ctx)
	if err != nil {
		return job{}, err
	}
	row := byName(rows)[q.Name]
	if row == nil {
		return job{Name: q.Name, Status: statusMissing}, nil
	}
	j := row.job()
	id := row.ID.value
	if id == "" {
		j.Unavailable = append(j.Unavailable, unreadable{Name: "topology", Reason: "the UI tells no id of it"})
		return j, nil
	}
	page, lag, err := u.ask(ctx, id, q.Details)
	switch {
	case isGone(err):
		return job{Name: q.Name, Status: statusMissing}, nil
	case err != nil:
		j.Unavailable = append(j.Unavailable, unreadable{Name: "topology", Reason: oneLine(err.Error())})
		return j, nil
	}
	if q.Details {
		j.detail(page, lag)
	}
	now := time.Now()
	u.judge(&j, u.look(id, page, now), now, q.MaxAge)
	return j, nil
}

// byName finds topologies by their names: of two, which is a killed one that has
// not gone yet beside its successor, the one that lives.
func byName(rows []summaryRow) map[string]*summaryRow {
	out := make(map[string]*summaryRow, len(rows))
	for i := range rows {
		r := &rows[i]
		if old := out[r.Name.value]; old == nil || strings.EqualFold(old.Status.value, "KILLED") {
			out[r.Name.value] = r
		}
	}
	return out
}

// ask reads a topology's page and, side by side with it, the lag.
func (u *ui) ask(ctx context.Context, id string, details bool) (*topologyAnswer, lagAnswer, error) {
	var lag lagAnswer
	var wg sync.WaitGroup
	if details {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil { // it would end the process, and the agent with it
					lag = lagAnswer{problem: fmt.Sprintf("internal error: %v", r)}
				}
			}()
			lag = u.lag(ctx, id)
		})
	}
	path := fmt.Sprintf("%s?window=%d&sys=0", topologyPath(id), windowSeconds)
	body, err := u.web.Get(ctx, path)
	page := &topologyAnswer{}
	if err == nil {
		err = decodeUI(path, body, page)
	}
	if err == nil && !page.Spouts.known && !page.Bolts.known && !page.Stats.known {
		err = missing(path, "spouts")
	}
	wg.Wait()
	return page, lag, err
}

// look notes what a page says of the workers. The sign is nil where it does not
// tell their uptimes, as before Storm 1.1.
func (u *ui) look(id string, page *topologyAnswer, now time.Time) *sign {
	if !page.Workers.known {
		return nil
	}
	var uptimes []string
	for _, w := range page.Workers.rows {
		if w.Uptime.known {
			uptimes = append(uptimes, fmt.Sprintf("%s:%s %g", w.Host.value, w.Port.value, w.Uptime.value))
		}
	}
	slices.Sort(uptimes)
	s := sign{uptimes: strings.Join(uptimes, "\n"), changed: now, seen: now}
	if last := u.lastSign(id); last != nil {
		s.again = true
		if last.uptimes == s.uptimes {
			s.changed = last.changed
		}
	}
	u.memory.Store(memorySign+id, s)
	return &s
}

func (u *ui) lastSign(id string) *sign {
	v, _ := u.memory.Load(memorySign + id)
	if s, ok := v.(sign); ok {
		return &s
	}
	return nil
}

// judge sets the job's age, and finds it stale.
func (u *ui) judge(j *job, s *sign, now time.Time, maxAge time.Duration) {
	if s == nil || !s.again || j.Err != nil || !j.Status.live() {
		return
	}
	c := clock{now: unixTime(now), maxAge: maxAge, staleAfter: u.staleAfter}
	j.Age, j.HasAge = ageOf(c.now-unixTime(s.changed)), true // both by our own clock
	if j.Age > j.limit(c) {
		j.Status = statusStale
	}
}

func unixTime(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// Jobs implements Source by one request. What it says of workers that are silent
// is what Job saw within the limit.
func (u *ui) Jobs(ctx context.Context) (jobs, error) {
	rows, err := u.topologies(ctx)
	if err != nil {
		return jobs{}, err
	}
	var out jobs
	found := byName(rows)
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(found)) {
		switch {
		case CheckName(name) != nil:
			out.Skipped++
			continue
		case len(out.Jobs) >= maxJobs:
			out.Truncated++
			continue
		}
		row := found[name]
		j := row.job()
		if s := u.lastSign(row.ID.value); s != nil && now.Sub(s.seen) <= u.limit() {
			u.judge(&j, s, now, 0)
		}
		out.Jobs = append(out.Jobs, j)
	}
	return out, nil
}

func (u *ui) limit() time.Duration {
	if u.staleAfter > 0 {
		return u.staleAfter
	}
	return defaultStaleAfter * time.Second
}
