package acllog

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// entry is one entry of the ACL log: refusals of one kind of one user within a
// minute of each other.
// Source: https://redis.io/docs/latest/commands/acl-log/
type entry struct {
	id int64 // -1 before Redis 7.2
	// count is how many refusals it stands for, fresh how many of them came since
	// the last poll.
	count, fresh int64
	// reason is command, key, channel, auth or another word, which Dragonfly writes in
	// upper case; context is toplevel,
	// multi, lua or module.
	reason, context string
	object          string // the command, key or channel
	user            string
	age             float64 // seconds since the last of them
	at              int64   // of an entry of one refusal, when that was: unix time in nanoseconds, or 0
	client          client
}

// client is what the log says of the client that was refused last.
type client struct{ addr, name, library string }

var errEntry = errors.New("an entry has at least a reason, an object, a username, an age, and a count or the time of its one refusal")

// No server runs for so many seconds, nor refuses so often.
const (
	maxAge   = 1e9
	maxCount = 1 << 50
)

func parseEntry(v resp.Value) (entry, error) {
	fields, err := ask.Texts(v)
	if err != nil {
		return entry{}, err
	}
	count := info.ParseCount([]byte(fields["count"]))
	var at info.Reading
	if _, ok := fields["count"]; !ok { // Dragonfly has an entry for each refusal
		at = info.ParseCount([]byte(fields["timestamp-created"]))
		count = info.Reading{Value: 1, Known: at.Known}
	}
	age, err := strconv.ParseFloat(fields["age-seconds"], 64)
	if !count.Known || count.Value > maxCount || fields["reason"] == "" || err != nil || !(math.Abs(age) < maxAge) {
		return entry{}, errEntry
	}
	e := entry{
		id: -1, count: count.Value, reason: strings.ToLower(fields["reason"]), context: fields["context"], object: fields["object"], user: fields["username"],
		age: max(age, 0), at: at.Value, client: parseClient(fields["client-info"]),
	}
	if id := info.ParseCount([]byte(fields["entry-id"])); id.Known {
		e.id = id.Value
	}
	return e, nil
}

// parseClient reads what CLIENT LIST would print:
//
//	id=7 addr=10.0.0.9:4711 laddr=… fd=8 name=worker … lib-name=redis-py …
func parseClient(line string) client {
	var c client
	for rest := []byte(line); len(rest) > 0; {
		var name, value []byte
		name, value, rest = ask.ClientField(rest)
		switch string(name) {
		case "addr":
			c.addr = string(value)
		case "name":
			c.name = string(value)
		case "lib-name":
			c.library = string(value)
		}
	}
	return c
}

// write writes an entry; now is the time of the poll in unix seconds.
func (e *entry) write(w *jsondoc.Writer, now float64) {
	w.BeginObject()
	if e.id >= 0 {
		w.Key("id").Int(e.id)
	}
	at := now - e.age
	if e.at > 0 { // Dragonfly's age has no zeros at the begin of its fraction
		at = float64(e.at) / 1e9
	}
	w.Key("time").Float(math.Round(at*1000) / 1000)
	w.Key("reason").String(ask.Clip(e.reason, ask.MaxName))
	ask.WriteText(w, "context", ask.Clip(e.context, ask.MaxName))
	w.Key("object").String(ask.Clip(e.object, ask.MaxName))
	w.Key("user").String(ask.Clip(e.user, ask.MaxName))
	w.Key("address").String(ask.Clip(e.client.addr, ask.MaxName))
	w.Key("client_name").String(ask.Clip(e.client.name, ask.MaxName))
	ask.WriteText(w, "library", ask.Clip(e.client.library, ask.MaxName))
	w.Key("count").Int(e.fresh)
	w.Key("total").Int(e.count)
	w.EndObject()
}
