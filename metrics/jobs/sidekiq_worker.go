package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"redisjobs/redisclient/resp"
)

const (
	// sidekiqRecord is how long a process' hash lives after a heartbeat, in seconds.
	// Processes send one every 5 (Sidekiq 6, Exq) or 10 seconds, and those of Sidekiq
	// add what they have done to the counters just before.
	// Sources: lib/sidekiq/launcher.rb of 6.5.12 and 8.1.7, lib/exq/redis/job_stat.ex.
	sidekiqRecord = 60
	// sidekiqAlive is how old the last heartbeat of a process that lives may be, in
	// seconds: two in a row are missing then.
	sidekiqAlive = 25
)

// sidekiqIdentity ends the name of a process of Sidekiq: HOST:PID:NONCE.
var sidekiqIdentity = regexp.MustCompile(`:\d+:[0-9a-f]{12}$`)

// sidekiqWorker reads one process and the jobs it runs. It is dead when its last
// heartbeat is too old: that is known from the time to live of its hash, by the
// server's clock alone. Without the right to ask for that, it is dead when its hash
// is gone.
func sidekiqWorker(p *poll, key string, w *worker, jobs *running) {
	w.Busy, w.Slots = -1, -1
	gone, late, aliveErr := false, false, error(nil)
	p.Ask(func(v resp.Value, err error) {
		left, err := number(v, err)
		if err != nil || left < 0 {
			return
		}
		since := sidekiqRecord - left/1000
		late = since > sidekiqAlive
		if sidekiqIdentity.MatchString(key) { // Exq counts each job at once
			w.Uncounted = max(0, since)
		}
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
			if i > 0 {
				w.fillCapsules(runs, known)
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
// queue, the one with the fewest queues that has a slot for it. Not known: there are
// other jobs than those of these queues, and only the process tells how many.
func (w *worker) fillCapsules(queues []string, known bool) {
	capsules := w.Capsules
	if !known {
		for i := range capsules {
			capsules[i].Busy = -1
		}
		if len(capsules) < 2 {
			w.Capsules = nil
		}
		return
	}
	slices.SortStableFunc(capsules, func(a, b capsule) int { return len(a.Queues) - len(b.Queues) })
	for _, queue := range queues {
		best := -1
		for i := range capsules {
			c := &capsules[i]
			full, knows := c.full()
			full = full && knows
			if c.mayServe(queue) && (best < 0 || !full) {
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
	w.fullCapsules(queues)
}

// fullCapsules says what it can of capsules that do not tell how many slots they have.
// Those that serve the same queue do not tell either which of them runs its job. One is
// certainly full that runs as many jobs as the process leaves to it: each of the others
// has a slot at least, and those that it needs.
func (w *worker) fullCapsules(queues []string) {
	for i := range w.Capsules {
		c := &w.Capsules[i]
		if c.Slots >= 0 {
			continue
		}
		left := w.Slots
		shared := false
		for j, other := range w.Capsules {
			if j != i {
				left -= max(1, other.Busy)
				shared = shared || slices.ContainsFunc(queues, func(q string) bool { return c.mayServe(q) && other.mayServe(q) })
			}
		}
		switch {
		case w.Slots <= 0:
		case float64(len(queues)) >= w.Slots:
			c.Busy = max(1, c.Busy)
			c.Slots = c.Busy
		case shared:
			c.Busy = -1
		case c.Busy > 0 && c.Busy >= left:
			c.Slots = c.Busy
		}
	}
}

// sidekiqInfo is what a process says of itself.
type sidekiqInfo struct {
	concurrency float64
	queues      []string
	// capsules are its parts with slots of their own. How many slots each has is known
	// from Sidekiq 8.0.8 on.
	capsules []capsule
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
		Weights json.RawMessage `json:"weights"`
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
	switch {
	case len(info.Capsules) > 0:
	case err == nil && out.concurrency == 0:
		out.capsules = capsulesOfExq(info.Queues)
	default:
		out.capsules = capsulesWithoutSlots(info.Weights)
	}
	return out, err
}

// capsulesOfExq: each queue has slots of its own, and the process does not tell how many.
// Source: lib/exq/manager/server.ex, its table of queues, of 0.23.0.
func capsulesOfExq(queues []string) []capsule {
	out := make([]capsule, len(queues))
	for i, queue := range queues {
		out[i] = capsule{[]string{queue}, 0, -1}
	}
	return out
}

// capsulesWithoutSlots are those of Sidekiq 7.0 to 8.0.7, whose processes tell the
// queues of each, and the slots of all together; nil for a single one.
// Source: lib/sidekiq/launcher.rb of 7.3.2, to_weights.
func capsulesWithoutSlots(text json.RawMessage) []capsule {
	var weights []map[string]json.RawMessage
	if json.Unmarshal(text, &weights) != nil || len(weights) < 2 {
		return nil
	}
	var out []capsule
	for _, queues := range weights {
		if len(queues) == 0 {
			return nil
		}
		out = append(out, capsule{slices.Sorted(maps.Keys(queues)), 0, -1})
	}
	return out
}
