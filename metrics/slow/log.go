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

// Log returns the slow log entries that are new since the last poll of the target by
// this process. They are recognized by their ids, which only grow while the server
// runs: SLOWLOG RESET loses no entry, and a restart of the server begins a new series.
// Those of Dragonfly, which grow in each of its threads alone, are recognized by their
// times and ids; then missed is not known.
//
// The members in addition to the head; each is left out if it is not known:
//
//	length       entries in the log
//	first        true: there was no poll before, and the entries are those that
//	             the log happens to hold, so that they say nothing of a rate
//	restarted    true: the server was restarted since the last poll
//	missed       entries since the last poll that are not listed, because the
//	             log had dropped them or more than slowlogEntries were new; not
//	             with first, nor of Dragonfly
//	count        entries listed
//	entries      oldest first: [{"id":7,"time":1795254114,"duration":0.012,
//	             "command":"config|set","arguments":2,"client":"10.0.0.9:4711",
//	             "client_name":"worker"}]; time is unix time, which Garnet does not
//	             tell, duration seconds
//	slowest      the entry that took longest, as in entries, with the name of the
//	             first key that its command works on: {"id":7,"time":1795254114,
//	             "duration":0.5,"command":"hgetall","key":"cart:7",
//	             "client":"10.0.0.9:4711","client_name":"worker"}. No key where the
//	             command has none, or is none of Redis' own, as those of modules
//	commands     the entries by command, that with the longest total first:
//	             [{"command":"keys","count":3,"total":0.9,"median":0.2,"p95":0.5,
//	             "max":0.5}], seconds; median and p95 are the nearest ranks: half,
//	             and 95 percent, of the entries took no longer
//	unavailable  what the server refused
//	unreadable   {"entries":1}: entries in the log that have not the form of one
//	             and are left out; no member when there are none
//
// Arguments are data of the application. But for the key of the slowest entry they
// are shown only with the option SlowlogArguments: then an entry has args, their
// texts, see ask.SlowEntry.ShownArgs.
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
	var entries []ask.SlowEntry
	var unreadable ask.Unreadable
	if entriesPart.Err == nil {
		var bad int
		entries, bad, entriesPart.Err = ask.ParseSlowlog(entriesPart.Value)
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
		runID, uptime := info.ServerField(server, "run_id"), info.ParseCount([]byte(info.ServerField(server, "uptime_in_seconds")))
		byThread := info.MeansOf(server).IDsByThread
		var found slowlogNews
		t.Memory.Update(slowlogReadMemory, func(v any) any {
			if byThread {
				seen, ok := v.(threadRead)
				found, seen = seen.next(entries, ok, runID, uptime)
				return seen
			}
			seen, ok := v.(info.LogRead)
			found = newSlowlogEntries(entries, seen, ok, runID, uptime)
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
	entries  []ask.SlowEntry
	missed   int64
	byThread bool // missed is not known
}

// newSlowlogEntries tells which of the log's entries, sorted by id, are new to
// who has read as far as seen; polled is false when nobody has.
func newSlowlogEntries(entries []ask.SlowEntry, seen info.LogRead, polled bool, runID string, uptime info.Reading) slowlogNews {
	newest := int64(-1)
	if len(entries) > 0 {
		newest = entries[len(entries)-1].ID
	}
	n := slowlogNews{LogNews: seen.Next(polled, newest, runID, uptime)}
	from, _ := slices.BinarySearchFunc(entries, n.From, func(e ask.SlowEntry, id int64) int { return cmp.Compare(e.ID, id) })
	n.entries = entries[from:]
	if len(n.entries) > 0 && !n.First {
		n.missed = n.entries[0].ID - n.From
	}
	return n
}

// write writes the members that depend on the entries.
func (n *slowlogNews) write(w *jsondoc.Writer, showArgs bool) {
	w.Key("first").Bool(n.First)
	w.Key("restarted").Bool(n.Restarted)
	if !n.First && !n.byThread {
		w.Key("missed").Int(n.missed)
	}
	w.Key("count").Int(int64(len(n.entries)))
	w.Key("entries").BeginArray()
	for i := range n.entries {
		n.entries[i].Write(w, showArgs)
	}
	w.EndArray()

	if e := slowest(n.entries); e != nil {
		e.WriteWithKey(w, "slowest")
	}
	sums := sumByCommand(n.entries)
	w.Key("commands").BeginArray()
	for i := range sums {
		sums[i].write(w)
	}
	w.EndArray()
}
