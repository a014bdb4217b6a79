package slow

import (
	"fmt"
	"slices"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// commandlogEntries is how many entries of each log are listed.
const commandlogEntries = 10

// commandlog is the member of that name: Valkey's three logs of commands that
// took long, and of those whose request or reply was large. Each is left out
// when it could not be read:
//
//	{"slow":{"length":128,"last_id":4711,"entries":[{"id":4711,"time":1795254114,
//	  "duration":0.012,"command":"config|set","arguments":2,"client":"10.0.0.9:4711",
//	  "client_name":"worker"}]},
//	 "large_request":{…,"entries":[{…,"bytes":1048576,…}]},"large_reply":{…}}
//
// length is the number of entries in the log, last_id that of the newest, which
// only grows while the server runs (none while the log is empty), and entries
// are the newest commandlogEntries, newest first. Their arguments are shown
// under the conditions of redis.slowlog.get.
//
// Source: https://valkey.io/commands/commandlog-get/
type commandlog []commandlogPart

type commandlogPart struct {
	member         string // of the document
	sizes          bool   // the entries tell bytes and not microseconds
	length, newest *ask.Part
}

// newCommandlog are the commands for the three logs.
func newCommandlog() commandlog {
	var out commandlog
	for _, l := range []struct {
		member, name string
		sizes        bool
	}{{"slow", "slow", false}, {"large_request", "large-request", true}, {"large_reply", "large-reply", true}} {
		out = append(out, commandlogPart{
			member: l.member, sizes: l.sizes,
			length: &ask.Part{Name: "commandlog", Cmd: redisclient.Command{"COMMANDLOG", "LEN", l.name}, As: "COMMANDLOG LEN"},
			newest: &ask.Part{Name: "commandlog", As: "COMMANDLOG GET",
				Cmd: redisclient.Command{"COMMANDLOG", "GET", strconv.Itoa(commandlogEntries), l.name}},
		})
	}
	return out
}

func (c commandlog) parts() []*ask.Part {
	var out []*ask.Part
	for _, l := range c {
		out = append(out, l.length, l.newest)
	}
	return out
}

// hasCommandlog reads from INFO whether the server is a Valkey that has the
// command. It is not tried out: a command that a server does not know counts in
// its error figures.
func hasCommandlog(server *ask.Part) bool {
	var major, minor int
	n, _ := fmt.Sscanf(info.ServerField(server, "valkey_version"), "%d.%d", &major, &minor)
	return n == 2 && (major > 8 || major == 8 && minor >= 1)
}

// write writes the member, or nothing where there are no such logs.
func (c commandlog) write(w *jsondoc.Writer, showArgs bool, unreadable *ask.Unreadable) {
	if len(c) == 0 {
		return
	}
	w.Key("commandlog").BeginObject()
	for _, l := range c {
		l.write(w, showArgs, unreadable)
	}
	w.EndObject()
}

func (l commandlogPart) write(w *jsondoc.Writer, showArgs bool, unreadable *ask.Unreadable) {
	var length int64
	if l.length.Err == nil {
		length, l.length.Err = l.length.Value.Int64()
	}
	var entries []ask.SlowEntry
	if l.newest.Err == nil {
		var bad int
		entries, bad, l.newest.Err = ask.ParseSlowlog(l.newest.Value)
		unreadable.Add(l.member, bad)
	}
	if l.length.Err != nil && l.newest.Err != nil {
		return
	}
	w.Key(l.member).BeginObject()
	if l.length.Err == nil {
		w.Key("length").Int(length)
	}
	if l.newest.Err == nil {
		slices.Reverse(entries)
		if len(entries) > 0 {
			w.Key("last_id").Int(entries[0].ID)
		}
		w.Key("entries").BeginArray()
		for i := range entries[:min(len(entries), commandlogEntries)] {
			entries[i].Sizes = l.sizes
			entries[i].Write(w, showArgs)
		}
		w.EndArray()
	}
	w.EndObject()
}
