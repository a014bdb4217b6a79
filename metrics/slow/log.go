package slow

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Log answers with the slow log entries that are new since the
// last poll of the target by this process, told by their ids, which only grow
// while the server runs: SLOWLOG RESET loses nothing of that, and a restart of
// the server begins them anew.
//
// The members beside the head, each left out when unknown:
//
//	length       entries in the log
//	first        true: there was no poll before, and the entries are those that
//	             the log happens to hold, so that they say nothing of a rate
//	restarted    true: the server was restarted since the last poll
//	missed       entries since the last poll that are not listed, because the
//	             log had dropped them or more than slowlogEntries were new; not
//	             with first
//	count        entries listed
//	entries      oldest first: [{"id":7,"time":1795254114,"duration":0.012,
//	             "command":"config|set","arguments":2,"client":"10.0.0.9:4711",
//	             "client_name":"worker"}]; time is unix time, duration seconds
//	commands     the same by command, that with the longest total first:
//	             [{"command":"keys","count":3,"total":0.9,"max":0.5}], seconds
//	unavailable  what the server refused
//	unreadable   {"entries":1}: entries in the log that have not the form of one
//	             and are left out; no member when there are none
//
// Arguments are data of the application. Only with the option SlowlogArguments
// an entry has args, their texts: see slowEntry.shownArgs.
var Log = &item.Metric{
	Key:         "redis.slowlog.get",
	Description: "Returns the slow log entries since the last poll as JSON, without the arguments of the commands.",
	Params:      item.ConnParams(),
	Commands:    []string{"slowlog|get", "slowlog|len", "info"},
	Collect:     collectSlowlogGet,
}

// slowlogEntries is how many entries a poll asks for, Redis' own default of
// slowlog-max-len.
const slowlogEntries = 128

const slowlogReadMemory = "slowlog read"

func collectSlowlogGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	entriesPart := &ask.Part{Name: "entries", Cmd: redisclient.Command{"SLOWLOG", "GET", strconv.Itoa(slowlogEntries)}}
	length := &ask.Part{Name: "length", Cmd: redisclient.Command{"SLOWLOG", "LEN"}}
	server := &ask.Part{Name: "server", Cmd: redisclient.Command{"INFO", "server"}}
	parts := []*ask.Part{entriesPart, length, server}
	if err := ask.Do(ctx, t, parts...); err != nil {
		return ask.Down(w, t.Name, err)
	}
	if err := ask.StateProblem(parts...); err != nil {
		return ask.Down(w, t.Name, err)
	}
	var entries []slowEntry
	var unreadable ask.Unreadable
	if entriesPart.Err == nil {
		var bad int
		entries, bad, entriesPart.Err = parseSlowlog(entriesPart.Value)
		unreadable.Add("entries", bad)
	}
	w.Grow(1024 + 192*len(entries))
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	if length.Err == nil {
		var n int64
		if n, length.Err = length.Value.Int64(); length.Err == nil {
			w.Key("length").Int(n)
		}
	}
	if entriesPart.Err == nil {
		uptime := info.ParseCount([]byte(info.ServerField(server, "uptime_in_seconds")))
		var found slowlogNews
		t.Memory.Update(slowlogReadMemory, func(v any) any {
			seen, ok := v.(info.LogRead)
			found = newSlowlogEntries(entries, seen, ok, info.ServerField(server, "run_id"), uptime)
			return found.Read
		})
		found.write(w, r.Env.SlowlogArguments)
	}
	ask.Unavailable(w, parts...)
	unreadable.Write(w)
	w.EndObject()
	return nil
}

// slowlogNews is what a poll found.
type slowlogNews struct {
	info.LogNews
	entries []slowEntry
	missed  int64
}

// newSlowlogEntries tells which of the log's entries, sorted by id, are new to
// who has read as far as seen; polled is false when nobody has.
func newSlowlogEntries(entries []slowEntry, seen info.LogRead, polled bool, runID string, uptime info.Reading) slowlogNews {
	newest := int64(-1)
	if len(entries) > 0 {
		newest = entries[len(entries)-1].id
	}
	n := slowlogNews{LogNews: seen.Next(polled, newest, runID, uptime)}
	from, _ := slices.BinarySearchFunc(entries, n.From, func(e slowEntry, id int64) int { return cmp.Compare(e.id, id) })
	n.entries = entries[from:]
	if len(n.entries) > 0 && !n.First {
		n.missed = n.entries[0].id - n.From
	}
	return n
}

// write writes the members that depend on the entries.
func (n *slowlogNews) write(w *jsondoc.Writer, showArgs bool) {
	w.Key("first").Bool(n.First)
	w.Key("restarted").Bool(n.Restarted)
	if !n.First {
		w.Key("missed").Int(n.missed)
	}
	w.Key("count").Int(int64(len(n.entries)))
	w.Key("entries").BeginArray()
	for i := range n.entries {
		n.entries[i].write(w, showArgs)
	}
	w.EndArray()

	type group struct {
		command           string
		count, total, max int64 // microseconds
	}
	var groups []group
	index := make(map[string]int)
	for _, e := range n.entries {
		i, ok := index[e.command]
		if !ok {
			i = len(groups)
			index[e.command] = i
			groups = append(groups, group{command: e.command})
		}
		g := &groups[i]
		g.count++
		g.total += e.micros
		g.max = max(g.max, e.micros)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.command, b.command))
	})
	w.Key("commands").BeginArray()
	for _, g := range groups {
		w.BeginObject()
		w.Key("command").String(g.command)
		w.Key("count").Int(g.count)
		w.Key("total").Float(float64(g.total) / 1e6)
		w.Key("max").Float(float64(g.max) / 1e6)
		w.EndObject()
	}
	w.EndArray()
}
