package storm

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"
)

// lagAnswer is topology/<id>/lag: how far behind spouts that read Kafka are.
type lagAnswer struct {
	spouts  map[string]float64 // messages, by spout
	problem string             // why it is not known of all
	none    bool               // the topology has no spout that tells
}

func (l lagAnswer) total() (float64, bool) {
	var sum float64
	for _, n := range l.spouts {
		sum += n
	}
	return sum, len(l.spouts) > 0 && l.problem == ""
}

// parseLag sums the lags of a spout's topics and partitions.
// source: apache/storm, TopologySpoutLag.
func parseLag(path string, body []byte) (lagAnswer, error) {
	var spouts map[string]json.RawMessage
	if err := decodeUI(path, body, &spouts); err != nil {
		return lagAnswer{}, err
	}
	out := lagAnswer{spouts: make(map[string]float64), none: len(spouts) == 0}
	for _, id := range slices.Sorted(maps.Keys(spouts)) {
		var s struct {
			ID     phrase          `json:"spoutId"`
			Error  phrase          `json:"errorInfo"`
			Result json.RawMessage `json:"spoutLagResult"`
		}
		if !isObject(spouts[id]) || json.Unmarshal(spouts[id], &s) != nil {
			continue
		}
		name := id
		if s.ID.value != "" {
			name = s.ID.value
		}
		if sum, ok := sumLag(s.Result); ok {
			out.spouts[oneLine(name)] = sum
			continue
		}
		out.problem = "the spout " + quote(name) + " does not tell"
		if text := firstLine(s.Error.value); text != "" {
			out.problem = oneLine("the spout " + quote(name) + ": " + text)
		}
	}
	return out, nil
}

// sumLag adds the lags of topic -> partition -> {lag}.
func sumLag(raw json.RawMessage) (float64, bool) {
	var topics map[string]map[string]struct {
		Lag amount `json:"lag"`
	}
	if !isObject(raw) || json.Unmarshal(raw, &topics) != nil {
		return 0, false
	}
	var sum float64
	for _, partitions := range topics {
		for _, p := range partitions {
			lag := p.Lag.times(1)
			if !lag.known {
				return 0, false
			}
			sum += lag.value
		}
	}
	return sum, !math.IsInf(sum, 0)
}

// lagShare is the part of a check's time that the lag may take: the UI starts
// a program for it, which asks Kafka.
const lagShare = 0.8

// lag asks for the lag of a topology, unless it is known to have none. What
// goes wrong is in the answer.
func (u *ui) lag(ctx context.Context, id string) lagAnswer {
	if _, none := u.memory.Load(memoryNoLag + id); none {
		return lagAnswer{none: true}
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(float64(time.Until(deadline))*lagShare))
		defer cancel()
	}
	path := topologyPath(id) + "/lag"
	body, err := u.web.Get(ctx, path)
	if err != nil {
		return lagAnswer{problem: oneLine(err.Error())}
	}
	lag, err := parseLag(path, body)
	if err != nil {
		return lagAnswer{problem: oneLine(err.Error())}
	}
	if lag.none {
		u.memory.Store(memoryNoLag+id, true)
	}
	return lag
}
