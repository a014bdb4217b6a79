package slow

import (
	"cmp"
	"context"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Latency returns what the server itself has measured.
//
// The members in addition to the head; each is left out if it is not known:
//
//	events       of the latency monitor, which is on when the server's
//	             latency-monitor-threshold is not 0: [{"event":"fork",
//	             "time":1795254114,"latest":0.012,"max":0.4}], unix time and
//	             seconds; with what its history tells, see latencyHistory
//	commands     since the start of the server or CONFIG RESETSTAT, the most
//	             called first: [{"command":"config|get","calls":7,
//	             "p50":0.000004223,"p99":0.000033791}]; the percentiles are in
//	             seconds and the upper bounds of LATENCY HISTOGRAM's buckets,
//	             so at most twice the true ones. Redis 7 and newer.
//	commandlog   of Valkey 8.1 and newer, see commandlog
//	unavailable  what the server refused or does not know
//	truncated    rows left out of lists of more than ask.MaxRows, and of more than
//	             latencyHistoryRows in a history
//
// The plugin remembers from the last poll which events have a history and whether the
// server has COMMANDLOG, so only the first poll takes more than one round trip.
//
// Sources: https://redis.io/docs/latest/commands/latency-latest/,
// latency-history/ and latency-histogram/.
var Latency = &item.Metric{
	Key:         "redis.latency.get",
	Description: "Returns the latency events, the latency percentiles of commands and Valkey's command log as JSON.",
	Params:      item.ConnParams(),
	Commands:    []string{"latency|latest", "latency|histogram", "latency|history", "info", "commandlog|len", "commandlog|get"},
	Collect:     collectLatencyGet,
}

// latencyKnown is what redis.latency.get remembers of a target.
type latencyKnown struct {
	events     []string
	commandlog bool
}

const latencyMemory = "redis.latency.get"

func collectLatencyGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	latest := &ask.Part{Name: "events", Cmd: redisclient.Command{"LATENCY", "LATEST"}}
	histogram := &ask.Part{Name: "commands", Cmd: redisclient.Command{"LATENCY", "HISTOGRAM"}}
	server := &ask.Part{Name: "server", Cmd: redisclient.Command{"INFO", "server"}}
	var known latencyKnown
	if v, ok := t.Memory.Load(latencyMemory); ok {
		known = v.(latencyKnown)
	}
	histories := askHistories(nil, known.events)
	var log commandlog
	if known.commandlog {
		log = newCommandlog()
	}
	if err := ask.Do(ctx, t, slices.Concat([]*ask.Part{latest, histogram, server}, histories.parts(), log.parts())...); err != nil {
		return ask.Down(w, t.Name, err)
	}
	if err := ask.StateProblem(latest, histogram); err != nil {
		return ask.Down(w, t.Name, err)
	}
	var events []ask.LatencyEvent
	unreadableEvents := 0
	if latest.Err == nil {
		events, unreadableEvents, latest.Err = ask.ParseLatencyLatest(latest.Value)
	}
	var commands []commandLatency
	if histogram.Err == nil {
		commands, histogram.Err = parseLatencyHistogram(histogram.Value)
	}
	histories, log = askMoreLatency(ctx, t, known, events, server, histories, log)

	var cut ask.Truncations
	var unreadable ask.Unreadable
	unreadable.Add("events", unreadableEvents)
	w.Grow(512 + 96*(len(events)+len(commands)))
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	if latest.Err == nil {
		ask.WriteLatencyEvents(w, "events", events, func(event string) { histories.write(w, event, &cut, &unreadable) }, &cut)
	}
	if histogram.Err == nil {
		w.Key("commands").BeginArray()
		for _, c := range commands[:cut.Limit("commands", len(commands))] {
			w.BeginObject()
			w.Key("command").String(c.command)
			w.Key("calls").Int(c.calls)
			if c.known {
				w.Key("p50").Float(float64(c.p50) / 1e6)
				w.Key("p99").Float(float64(c.p99) / 1e6)
			}
			w.EndObject()
		}
		w.EndArray()
	}
	log.write(w, r.Env.SlowlogArguments, &unreadable)
	ask.Unavailable(w, slices.Concat([]*ask.Part{latest, histogram, server}, histories.parts(), log.parts())...)
	cut.Write(w)
	unreadable.Write(w)
	w.EndObject()
	return nil
}

// askMoreLatency asks for the histories and logs that the first answers show to
// be there and that were not asked yet, and remembers them for the next poll.
func askMoreLatency(ctx context.Context, t *item.Target, known latencyKnown, events []ask.LatencyEvent, server *ask.Part,
	histories latencyHistories, log commandlog) (latencyHistories, commandlog) {
	names := make([]string, 0, min(len(events), latencyHistoryEvents))
	for _, e := range events[:min(len(events), latencyHistoryEvents)] {
		names = append(names, e.Name)
	}
	now := latencyKnown{names, hasCommandlog(server)}
	if server.Err != nil && known.commandlog {
		now.commandlog = true
	}
	t.Memory.Store(latencyMemory, now)
	more := askHistories(known.events, names)
	missing := more.parts()
	switch {
	case now.commandlog && !known.commandlog:
		log = newCommandlog()
		missing = append(missing, log.parts()...)
	case !now.commandlog && known.commandlog:
		for _, p := range log.parts() {
			p.Forget(t) // another server refused it
		}
		log = nil
	}
	if len(missing) > 0 {
		if err := ask.Do(ctx, t, missing...); err != nil {
			for _, p := range missing {
				p.Err = err
			}
		}
	}
	return append(histories, more...), log
}

// commandLatency is one row of LATENCY HISTOGRAM.
type commandLatency struct {
	command  string
	calls    int64
	p50, p99 int64 // microseconds
	known    bool  // whether p50 and p99 are
}

// parseLatencyHistogram reads the answer to LATENCY HISTOGRAM, per command its
// calls and how many of them took at most so many microseconds.
func parseLatencyHistogram(v resp.Value) ([]commandLatency, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return nil, err
	}
	out := make([]commandLatency, len(pairs)/2)
	for i := range out {
		c := &out[i]
		if c.command, err = pairs[2*i].Text(); err != nil {
			return nil, ask.Misfit("command", i, err)
		}
		fields, err := pairs[2*i+1].Pairs()
		if err != nil {
			return nil, ask.Misfit("command", i, err)
		}
		calls, _ := ask.FieldOf(fields, "calls")
		if c.calls, err = calls.Int64(); err != nil {
			return nil, ask.Misfit("command", i, err)
		}
		if buckets, ok := ask.FieldOf(fields, "histogram_usec"); ok {
			c.p50, c.p99, c.known = percentiles(buckets)
		}
	}
	slices.SortStableFunc(out, func(a, b commandLatency) int {
		return cmp.Or(cmp.Compare(b.calls, a.calls), cmp.Compare(a.command, b.command))
	})
	return out, nil
}

// percentiles reads buckets of upper bound and cumulative count, both growing.
func percentiles(v resp.Value) (p50, p99 int64, ok bool) {
	pairs, err := v.Pairs()
	if err != nil || len(pairs) == 0 {
		return 0, 0, false
	}
	bounds, counts := make([]int64, len(pairs)/2), make([]int64, len(pairs)/2)
	for i := range bounds {
		var err1, err2 error
		bounds[i], err1 = pairs[2*i].Int64()
		counts[i], err2 = pairs[2*i+1].Int64()
		if err1 != nil || err2 != nil || bounds[i] < 0 || counts[i] < 0 ||
			i > 0 && (bounds[i] <= bounds[i-1] || counts[i] < counts[i-1]) {
			return 0, 0, false
		}
	}
	total := counts[len(counts)-1]
	if total == 0 {
		return 0, 0, false
	}
	at := func(share float64) int64 {
		for i, n := range counts {
			if float64(n) >= share*float64(total) {
				return bounds[i]
			}
		}
		return bounds[len(bounds)-1]
	}
	return at(0.5), at(0.99), true
}
