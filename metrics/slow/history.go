package slow

import (
	"cmp"
	"errors"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// latencyHistoryEvents is how many events are asked for their history.
	// Servers know some twenty.
	latencyHistoryEvents = 24
	// latencyHistoryRows is how many rows of it are listed; the server keeps 160.
	latencyHistoryRows = 20
)

// latencyHistories are the answers to LATENCY HISTORY, one for each event.
type latencyHistories []latencyHistory

// latencyHistory is that of one event: for each second with a spike the worst
// one. An event's row has of it, as LATENCY DOCTOR computes them:
//
//	spikes          seconds with a spike that the server remembers, at most 160
//	mean            of their latencies, seconds
//	mean_deviation  of the latencies from the mean, seconds
//	interval        mean time between two spikes, seconds; from two spikes on
//	history         the newest latencyHistoryRows, newest first:
//	                [{"time":1795254114,"latency":0.4}]
//
// Source: https://redis.io/docs/latest/commands/latency-history/
type latencyHistory struct {
	event string
	part  *ask.Part
}

// askHistories are the parts for those of the events that are not known.
func askHistories(known, events []string) latencyHistories {
	var out latencyHistories
	for _, name := range events {
		if !slices.Contains(known, name) {
			out = append(out, latencyHistory{name, &ask.Part{
				Name: "history", Cmd: redisclient.Command{"LATENCY", "HISTORY", name}, As: "LATENCY HISTORY",
			}})
		}
	}
	return out
}

func (l latencyHistories) parts() []*ask.Part {
	var out []*ask.Part
	for _, h := range l {
		out = append(out, h.part)
	}
	return out
}

// latencySpike is one row of LATENCY HISTORY.
type latencySpike struct {
	time    int64 // unix seconds
	latency int64 // milliseconds
}

var errSpikeShort = errors.New("a spike has a time and a latency")

// parseLatencyHistory returns the spikes, oldest first; see ask.RowsOf.
func parseLatencyHistory(v resp.Value) (spikes []latencySpike, unreadable int, err error) {
	spikes, unreadable, err = ask.RowsOf(v, "spike", parseSpike)
	slices.SortStableFunc(spikes, func(a, b latencySpike) int { return cmp.Compare(a.time, b.time) })
	return spikes, unreadable, err
}

func parseSpike(row resp.Value) (latencySpike, error) {
	var s latencySpike
	fields, err := row.Array()
	if err == nil && len(fields) < 2 {
		err = errSpikeShort
	}
	if err != nil {
		return s, err
	}
	for i, to := range []*int64{&s.time, &s.latency} {
		if *to, err = fields[i].Int64(); err == nil && *to < 0 {
			err = ask.ErrNegative
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// write writes the members of one event's row.
func (l latencyHistories) write(w *jsondoc.Writer, event string, cut *ask.Truncations, unreadable *ask.Unreadable) {
	i := slices.IndexFunc(l, func(h latencyHistory) bool { return h.event == event })
	if i < 0 || l[i].part.Err != nil {
		return
	}
	var spikes []latencySpike
	var bad int
	if spikes, bad, l[i].part.Err = parseLatencyHistory(l[i].part.Value); l[i].part.Err != nil {
		return
	}
	unreadable.Add("history", bad)
	w.Key("spikes").Int(int64(len(spikes)))
	if len(spikes) > 0 {
		n, sum, deviation := float64(len(spikes)), 0.0, 0.0
		for _, s := range spikes {
			sum += float64(s.latency)
		}
		for _, s := range spikes {
			deviation += max(sum/n-float64(s.latency), float64(s.latency)-sum/n)
		}
		w.Key("mean").Float(ask.SixDigits(sum / n / 1e3))
		w.Key("mean_deviation").Float(ask.SixDigits(deviation / n / 1e3))
		if len(spikes) > 1 {
			w.Key("interval").Float(ask.SixDigits(float64(spikes[len(spikes)-1].time-spikes[0].time) / (n - 1)))
		}
	}
	w.Key("history").BeginArray()
	slices.Reverse(spikes)
	for _, s := range spikes[:cut.LimitTo("history", len(spikes), latencyHistoryRows)] {
		w.BeginObject()
		w.Key("time").Int(s.time)
		w.Key("latency").Float(float64(s.latency) / 1e3)
		w.EndObject()
	}
	w.EndArray()
}
