package jobs

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// horizon reads what Laravel Horizon keeps of its workers and of the jobs of the
// last hour. Its queues are Laravel's own, and read as such. Its prefix has the
// application's name in it: <app>_horizon:.
// Sources: src/Repositories/Redis*Repository.php of 5.29.1.
type horizon struct{}

// horizonAlive is how long a supervisor counts as living after its last sign of
// life, in seconds.
const horizonAlive = 29

const (
	horizonQueues   = "the queues are those of system laravel"
	horizonAttempts = "it keeps no counter that only grows"
)

var horizonSpec = &spec{
	Name:          "horizon",
	DefaultPrefix: "laravel_horizon:",
	Markers: func(prefix string) []marker {
		return []marker{{Key: prefix + "supervisors", Type: "zset"}, {Key: prefix + "masters", Type: "zset"}}
	},
	Clue: func(key string) (clue, bool) {
		for _, suffix := range []string{"supervisors", "masters"} {
			if prefix, ok := strings.CutSuffix(key, suffix); ok && prefix != "" {
				return clue{
					Prefix: prefix,
					Proof:  []redisclient.Command{{"TYPE", prefix + "supervisors"}, {"TYPE", prefix + "masters"}},
					Proves: areTypes("zset", "zset"),
				}, true
			}
		}
		// When all are dead, these are left. Their scores are negative times.
		for _, suffix := range []string{"completed_jobs", "recent_failed_jobs", "failed_jobs"} {
			if prefix, ok := strings.CutSuffix(key, suffix); ok && prefix != "" {
				return clue{
					Prefix: prefix,
					Proof:  []redisclient.Command{{"ZRANGE", key, "0", "0", "WITHSCORES"}},
					Proves: hasNegativeTime,
				}, true
			}
		}
		return clue{}, false
	},
	Lacks: slices.Concat(
		lackOfQueues(horizonQueues, append(slices.Clone(figuresOfQueues), figStuck)...),
		lackOfSystem(horizonQueues, figWaiting, figActive, figScheduled, figOverdue, figRetry, figLatency, figOrphaned, figQueueCount),
		lackOfSystem(horizonAttempts, figProcessed, figFailedTotal),
		lackOfSystem("supervisors do not report what their processes run", figWorkersBusy, figUtilisation, figOldestRunning),
	),
	Commands:        []string{"hmget", "zcard", "zrange"},
	FailureCommands: []string{"hmget", "hstrlen", "zcard", "zcount", "zrange"},
	Keys: func(prefix string, _ []string) []string {
		return []string{prefix + "masters", prefix + "supervisors", prefix + "supervisor:*", prefix + "failed_jobs",
			prefix + "completed_jobs", prefix + "????????-????-????-????-????????????"}
	},
}

// hasNegativeTime: the first score of a sorted set is a time with a minus.
func hasNegativeTime(replies []resp.Value) bool {
	elems, err := replies[0].Array()
	if err != nil || len(elems) == 0 {
		return false
	}
	last := elems[len(elems)-1]
	if last.Kind == resp.Array && len(last.Elems) == 2 { // RESP3 has a pair
		last = last.Elems[1]
	}
	at, err := last.Float64()
	return err == nil && -at >= moment2000 && -at <= moment2200
}

func (horizon) Spec() *spec { return horizonSpec }

func (horizon) Read(p *poll, r *reading) {
	p.Count(&r.figures, figFailed, "ZCARD", r.Prefix+"failed_jobs")
	p.Count(&r.figures, figCompleted, "ZCARD", r.Prefix+"completed_jobs")
	// Sorted sets of names and the time of their last sign of life; the dead ones
	// stay until a master tidies up. The record of one whose clock is ahead shows whether
	// it lives.
	p.scoredWorkers(r, r.Prefix+"supervisors",
		func(seen float64) bool { return p.Age(seen) <= horizonAlive && p.ahead(seen) == nil },
		func(name string, w *worker) { horizonSupervisor(p, r, r.Prefix+"supervisor:"+name, w) })
}

// horizonSupervisor asks for the state of a supervisor and the number of its
// processes. Its record ends half a minute after its last sign of life.
func horizonSupervisor(p *poll, r *reading, key string, w *worker) {
	p.Ask(func(v resp.Value, err error) {
		var fields []resp.Value
		if err == nil {
			fields, err = v.Array()
		}
		if err == nil && len(fields) != 2 {
			err = errors.New("expected 2 members")
		}
		if err != nil {
			r.Miss(figWorkersQuiet, "HMGET: "+err.Error())
			return
		}
		w.Alive = w.Alive || !fields[0].IsNull()
		w.Quiet = string(fields[0].Str) == "paused"
		if n, err := parseHorizonProcesses(fields[1].Str); err == nil {
			w.Slots = n
		}
	}, "HMGET", key, "status", "processes")
}

// parseHorizonProcesses adds up the processes of a supervisor, a JSON object of
// numbers by queue.
func parseHorizonProcesses(text []byte) (float64, error) {
	var processes map[string]json.Number
	if err := parseJSON(text, &processes); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, n := range processes {
		count, err := strconv.ParseUint(n.String(), 10, 32)
		if err != nil {
			return 0, errors.New("a number of processes is none")
		}
		sum += float64(count)
	}
	return sum, nil
}
