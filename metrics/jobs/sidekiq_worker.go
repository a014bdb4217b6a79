package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"redisjobs/redisclient/resp"
)

const (
	// sidekiqRecord is how long a process' hash lives after a heartbeat, in seconds.
	// Processes send one every 5 (Sidekiq 6, Exq) or 10 seconds.
	// Sources: lib/sidekiq/launcher.rb of 6.5.12 and 8.1.7, lib/exq/redis/job_stat.ex.
	sidekiqRecord = 60
	// sidekiqAlive is how old the last heartbeat of a process that lives may be, in
	// seconds: two in a row are missing then.
	sidekiqAlive = 25
)

// sidekiqWorker reads one process and the jobs it runs. It is dead when its last
// heartbeat is too old: that is known from the time to live of its hash, by the
// server's clock alone. Without the right to ask for that, it is dead when its hash
// is gone.
func sidekiqWorker(p *poll, key string, w *worker, jobs *running) {
	w.Busy, w.Slots = -1, -1
	gone, late, aliveErr := false, false, error(nil)
	p.Ask(func(v resp.Value, err error) {
		left, err := number(v, err)
		late = err == nil && left >= 0 && left < 1000*(sidekiqRecord-sidekiqAlive)
	}, "PTTL", key)
	p.Ask(func(v resp.Value, err error) {
		fields, err := hashFields(4, v, err)
		if err != nil {
			aliveErr = err
			jobs.r.MissWorker(err)
			return
		}
		gone = fields[0].IsNull() && fields[3].IsNull() || late
		if !gone {
			w.sidekiq(fields[0], fields[1], fields[2], fields[3])
		}
	}, "HMGET", key, "busy", "concurrency", "quiet", "info")
	var runs []string
	known := true
	for i, suffix := range []string{":work", ":workers"} { // the latter up to 6.4.1
		p.Fields(maxTasks, func(pairs []resp.Value, more bool, err error) {
			if err == nil && more {
				err = fmt.Errorf("a process has more than the %d jobs that are read", maxTasks)
			}
			if err == nil && len(pairs) > 0 {
				err = aliveErr
			}
			if err != nil {
				known = false
				jobs.fail(err)
			}
			for i := 1; i < len(pairs) && !gone; i += 2 { // those of Exq stay
				queue, at, err := parseSidekiqWork(pairs[i].Str)
				if err != nil {
					known = false
					jobs.fail(err)
					continue
				}
				runs = append(runs, queue)
				jobs.count(queue)
				if w.RunningSince == 0 || at < w.RunningSince {
					w.RunningSince = at
				}
			}
			switch {
			case i == 0:
			case known:
				fillCapsules(w.Capsules, runs)
			default:
				w.Capsules = nil
			}
		}, key+suffix)
	}
}

// sidekiq takes what a living process says of itself.
func (w *worker) sidekiq(busy, concurrency, quiet, info resp.Value) {
	w.Alive = true
	w.Quiet = string(quiet.Str) == "true"
	if n, err := busy.Float64(); err == nil && n >= 0 {
		w.Busy = n
	}
	n, err := concurrency.Float64() // only from 8.1.2 on a field of its own
	if told, infoErr := parseSidekiqInfo(info.Str); infoErr == nil {
		w.Queues, w.Capsules = told.queues, told.capsules
		if err != nil {
			n, err = told.concurrency, nil
		}
	}
	if err == nil && n > 0 { // Exq says 0
		w.Slots = n
	}
}

// fillCapsules counts which capsule runs which job: of those that serve its
// queue, the one with the fewest queues that has a slot for it.
func fillCapsules(capsules []capsule, queues []string) {
	slices.SortStableFunc(capsules, func(a, b capsule) int { return len(a.Queues) - len(b.Queues) })
	for _, queue := range queues {
		best := -1
		for i := range capsules {
			c := &capsules[i]
			if full, _ := c.full(); c.mayServe(queue) && (best < 0 || !full) {
				best = i
				if !full {
					break
				}
			}
		}
		if best >= 0 {
			capsules[best].Busy++
		}
	}
}

// sidekiqInfo is what a process says of itself.
type sidekiqInfo struct {
	concurrency float64
	queues      []string
	capsules    []capsule // from 8.0.8 on
}

// parseSidekiqInfo reads the concurrency of a process and what it serves.
func parseSidekiqInfo(text []byte) (sidekiqInfo, error) {
	var info struct {
		Concurrency json.Number `json:"concurrency"`
		Queues      []string    `json:"queues"`
		Capsules    map[string]struct {
			Concurrency float64                    `json:"concurrency"`
			Weights     map[string]json.RawMessage `json:"weights"`
		} `json:"capsules"`
	}
	if err := parseJSON(text, &info); err != nil {
		return sidekiqInfo{}, err
	}
	out := sidekiqInfo{queues: info.Queues}
	for _, c := range info.Capsules {
		if c.Concurrency <= 0 || len(c.Weights) == 0 {
			out.capsules = nil
			break
		}
		out.capsules = append(out.capsules, capsule{slices.Sorted(maps.Keys(c.Weights)), 0, c.Concurrency})
	}
	if info.Concurrency == "" {
		for _, c := range out.capsules {
			out.concurrency += c.Slots
		}
		return out, nil
	}
	var err error
	out.concurrency, err = info.Concurrency.Float64()
	return out, err
}
