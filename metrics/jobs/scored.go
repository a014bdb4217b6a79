package jobs

import (
	"errors"
	"math"
	"strconv"

	"redisjobs/redisclient/resp"
)

// maxLate is how many workers are asked about that are dead by their scores.
const maxLate = 20

// scoredWorkers reads workers of a sorted set, whose scores tell who lives; the
// dead ones stay in it until somebody tidies up. They are read from its end, where
// those are that live. ask is called for each that is alive. It is called for the
// newest of the others as well, and makes those alive whose record is still there:
// scores are times of the workers' clocks, which may be behind, and records end by
// that of Redis.
func (p *poll) scoredWorkers(r *reading, key string, alive func(score float64) bool, ask func(name string, w *worker)) {
	size, sizeErr := 0.0, error(nil)
	p.Ask(func(v resp.Value, err error) { size, sizeErr = number(v, err) }, "ZCARD", key)
	p.Strings(func(pairs []string, err error) {
		var names []string
		var scores map[string]float64
		if err == nil {
			names, scores, err = scored(pairs)
		}
		if err = errors.Join(err, sizeErr); err != nil {
			r.MissWorkers(err)
			return
		}
		// Those that were not read have smaller scores than all that were.
		r.CutDead = len(names) > 0 && !alive(scores[names[0]])
		names = r.OpenWorkers(names, int(size))
		r.Workers = make([]worker, len(names))
		for i, name := range names {
			w := &r.Workers[i]
			w.Busy, w.Slots = -1, -1
			if w.Alive = alive(scores[name]); w.Alive || i >= len(names)-maxLate {
				ask(name, w)
			}
		}
	}, "ZRANGE", key, strconv.Itoa(-maxWorkers), "-1", "WITHSCORES")
}

// scored parts the members of a sorted set from their scores.
func scored(pairs []string) (names []string, scores map[string]float64, err error) {
	if len(pairs)%2 != 0 {
		return nil, nil, errors.New("ZRANGE: a member without a score")
	}
	scores = make(map[string]float64, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		score, err := strconv.ParseFloat(pairs[i+1], 64)
		if err != nil || math.IsNaN(score) {
			return nil, nil, errors.New("ZRANGE: a score is no number")
		}
		names = append(names, pairs[i])
		scores[pairs[i]] = score
	}
	return names, scores, nil
}
