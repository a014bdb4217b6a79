package clients

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Get sums up who is connected. The size of the answer does not depend on the number
// of clients.
//
// The members in addition to the head; each is left out if it is not known:
//
//	total, blocked, pubsub, replicas, monitors  clients; the kinds as far as the
//	               server tells them, see info.ClientFlags
//	output_buffer  bytes of all output buffers together
//	memory         bytes of all clients together; Redis 6.2 and newer
//	idle           {"over":300,"count":2,"max":86400}: seconds, the clients
//	               that are idle for longer than over, and the longest; only of
//	               those that Redis' own option timeout would close, which are
//	               neither replicas, masters, monitors, subscribers nor blocked; not
//	               known of a server that does not tell all of these
//	by_name        [{"name":"worker","count":7}]; "" for clients without a name
//	by_user        [{"user":"default","count":9}]; Redis 6 and newer
//	by_address     [{"address":"10.0.0.0/24","count":9}]: networks of /24, with
//	               IPv6 /64; unix for unix sockets
//	by_library     [{"library":"redis-py","count":5}]; Redis 7.2 and newer
//	by_db          [{"db":0,"count":9}]
//	largest        the maxOutliers clients that take most memory, or before
//	               Redis 6.2 have the largest output buffers: [{"id":7,
//	               "addr":"10.0.0.9:4711","name":"worker","user":"default",
//	               "age":12,"idle":0,"cmd":"get","output_buffer":0,
//	               "memory":22298}], seconds and bytes
//	longest_idle   the maxOutliers of idle.count that are idle longest, rows as
//	               in largest
//	others         {"by_name":12}: the clients in rows that were left out
//	truncated      {"by_name":3}: those rows
//	unavailable    what the server refused
//
// The lists by_name and so on have the largest counts first, and at most maxGroups
// rows each. CLIENT LIST takes the server about a microsecond a client.
var Get = &item.Metric{
	Key:         "redis.clients.get",
	Description: "Returns the connected clients, summed by name, user, network and library, as JSON.",
	Params: item.ConnParams(item.Param{
		Name: "IdleOver", Default: "300", Check: ask.CheckAge,
		Description: "time from which a client counts as idle, as 300 or 5m",
	}),
	Commands: []string{"client|list", "info"},
	Collect:  collectGet,
}

const (
	maxGroups   = 100
	maxOutliers = 10
)

func collectGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	idleOver, err := ask.ParseAge(r.Arg("IdleOver"))
	if err != nil {
		return err
	}
	list := &ask.Part{Name: "clients", Cmd: redisclient.Command{"CLIENT", "LIST"}}
	sum := &summary{idleOver: int64(idleOver.Seconds())}
	server := &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO", "server"}}
	err = ask.Do(redisclient.WithLines(ctx, list.Cmd, sum.line), t, list, server)
	switch {
	case errors.Is(err, resp.ErrTooLarge):
		// The server is up and busy, and too many clients is what to tell.
		list.Err = err
	case err != nil:
		return ask.Down(w, t.Name, err)
	}
	if err := ask.StateProblem(list, server); err != nil {
		return ask.Down(w, t.Name, err)
	}
	var cut ask.Truncations
	idle := &ask.Part{Name: "idle"}
	w.Grow(16 << 10)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	if list.Err == nil {
		var text []byte
		if text, list.Err = info.Reply(list.Value); list.Err == nil {
			sum.text(text)
			flags := info.MeansOf(server).Clients
			if untold := flags.Untold(); sum.idleKnown && len(untold) > 0 {
				sum.idleKnown, sum.idlest = false, nil
				if server.Err == nil {
					idle.Err = fmt.Errorf("flags do not tell %s from idle clients", strings.Join(untold, ", "))
				}
			}
			sum.write(w, flags, &cut)
			if sum.unreadable > 0 {
				list.Err = fmt.Errorf("%d lines of CLIENT LIST have neither id nor addr", sum.unreadable)
			}
		}
	}
	ask.Unavailable(w, list, server, idle)
	cut.Write(w)
	w.EndObject()
	return nil
}

// summary is CLIENT LIST in figures.
type summary struct {
	total, pubsub                    int64
	flags                            [256]int64 // the clients that have a flag
	flagged                          bool       // whether any line has flags
	outputBuffer, memory             sum
	idleOver                         int64
	idleCount, idleMax               int64
	idleKnown                        bool
	name, user, address, library, db tally
	largest, idlest                  outliers
	texts                            int // what the tallies take, in bytes
	unreadable                       int
}

// sum is known when something was added to it.
type sum struct {
	n     int64
	known bool
}

func (s *sum) add(n int64, ok bool) {
	if ok {
		s.n += n
		s.known = true
	}
}

// text reads an answer to CLIENT LIST that was kept; there is none where line
// was called as it arrived.
func (s *summary) text(text []byte) {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 {
			s.line(line)
		}
	}
}

// line reads one line of the answer to CLIENT LIST, and keeps no part of it.
func (s *summary) line(line []byte) {
	c, ok := parse(line)
	if !ok {
		s.unreadable++
		return
	}
	s.add(&c)
}

func (s *summary) add(c *client) {
	s.total++
	special := false
	if c.subscribed() {
		s.pubsub++
		special = true
	}
	for _, flag := range c[fieldFlags] {
		s.flags[flag]++
		special = special || bytes.IndexByte(notIdle, flag) >= 0
	}
	s.flagged = s.flagged || c[fieldFlags] != nil
	s.count(&s.name, c[fieldName])
	s.count(&s.user, c[fieldUser])
	s.count(&s.library, c[fieldLib])
	s.count(&s.db, c[fieldDB])
	if c[fieldAddr] != nil {
		s.count(&s.address, []byte(c.block()))
	}
	buffer, hasBuffer := c.number(fieldOmem)
	memory, hasMemory := c.number(fieldTotMem)
	s.outputBuffer.add(buffer, hasBuffer)
	s.memory.add(memory, hasMemory)
	if hasMemory || hasBuffer {
		s.largest.add(c, max(memory, buffer))
	}
	if idle, ok := c.number(fieldIdle); ok && !special {
		s.idleKnown = true
		s.idleMax = max(s.idleMax, idle)
		if idle > s.idleOver {
			s.idleCount++
			s.idlest.add(c, idle)
		}
	}
}

// notIdle are the flags of blocked clients, masters, monitors, subscribers and replicas.
var notIdle = []byte("bMOPS")

// tally counts clients by a text, of which the first ask.MaxName characters
// count.
type tally struct {
	counts map[string]int64
	// more counts the clients whose text was no longer kept.
	more int64
}

// maxTexts bounds the memory of all tallies, in bytes; a text takes its length
// and textMemory.
const (
	maxTexts   = 16 << 20
	textMemory = 64
)

// count adds one client to a tally; nil is a line without that field.
func (s *summary) count(t *tally, text []byte) {
	if text == nil {
		return
	}
	if t.counts == nil {
		t.counts = make(map[string]int64)
	}
	if n, ok := t.counts[string(text)]; ok {
		t.counts[string(text)] = n + 1
		return
	}
	clipped := ask.Clip(string(text), ask.MaxName)
	if _, ok := t.counts[clipped]; !ok {
		if s.texts+len(clipped)+textMemory > maxTexts {
			t.more++
			return
		}
		s.texts += len(clipped) + textMemory
	}
	t.counts[clipped]++
}

// outliers are the maxOutliers clients of the highest rank, that first; of
// equal ones those that came first, which are the oldest.
type outliers []outlier

type outlier struct {
	rank   int64
	client client
	buf    []byte // the memory of client
}

func (o *outliers) add(c *client, rank int64) {
	i := len(*o)
	for i > 0 && (*o)[i-1].rank < rank {
		i--
	}
	if i >= maxOutliers {
		return
	}
	var buf []byte
	if n := len(*o); n == maxOutliers {
		buf = (*o)[n-1].buf
		*o = (*o)[:n-1]
	}
	kept := outlier{rank: rank}
	kept.client, kept.buf = c.clone(buf)
	*o = slices.Insert(*o, i, kept)
}

func (s *summary) write(w *jsondoc.Writer, told info.ClientFlags, cut *ask.Truncations) {
	if s.unreadable == 0 {
		w.Key("total").Int(s.total)
	}
	kind := func(name string, flag byte, n int64) {
		if s.flagged && flag != 0 {
			w.Key(name).Int(n)
		}
	}
	kind("blocked", told.Blocked, s.flags[told.Blocked])
	kind("pubsub", told.Subscriber, s.pubsub)
	kind("replicas", told.Replica, s.flags[told.Replica])
	kind("monitors", told.Monitor, s.flags[told.Monitor])
	if s.outputBuffer.known {
		w.Key("output_buffer").Int(s.outputBuffer.n)
	}
	if s.memory.known {
		w.Key("memory").Int(s.memory.n)
	}
	if s.idleKnown {
		w.Key("idle").BeginObject()
		w.Key("over").Int(s.idleOver)
		w.Key("count").Int(s.idleCount)
		w.Key("max").Int(s.idleMax)
		w.EndObject()
	}
	others := ask.Truncations{}
	for _, list := range []struct {
		name, member string
		counts       tally
	}{
		{"by_name", "name", s.name},
		{"by_user", "user", s.user},
		{"by_address", "address", s.address},
		{"by_library", "library", s.library},
		{"by_db", "db", s.db},
	} {
		if list.counts.counts != nil {
			list.counts.write(w, list.name, list.member, cut, &others)
		}
	}
	w.Key("largest")
	s.largest.write(w)
	w.Key("longest_idle")
	s.idlest.write(w)
	w.Key("others").BeginObject()
	for _, o := range others {
		w.Key(o.List).Int(int64(o.Rows))
	}
	w.EndObject()
}

func (t tally) write(w *jsondoc.Writer, name, member string, cut, others *ask.Truncations) {
	type row struct {
		text  string
		count int64
	}
	rows := make([]row, 0, len(t.counts))
	for text, count := range t.counts {
		rows = append(rows, row{text, count})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.text, b.text))
	})
	shown := cut.LimitTo(name, len(rows), maxGroups)
	w.Key(name).BeginArray()
	for _, r := range rows[:shown] {
		w.BeginObject()
		if member == "db" {
			w.Key(member).Number([]byte(r.text))
		} else {
			w.Key(member).String(r.text)
		}
		w.Key("count").Int(r.count)
		w.EndObject()
	}
	w.EndArray()
	if t.more > 0 {
		cut.LimitTo(name, int(t.more), 0) // at most: nobody knows how many texts they have
	}
	left := int(t.more)
	for _, r := range rows[shown:] {
		left += int(r.count)
	}
	if left > 0 {
		others.Add(name, left)
	}
}

func (o outliers) write(w *jsondoc.Writer) {
	w.BeginArray()
	for i := range o {
		c := &o[i].client
		w.BeginObject()
		number := func(name string, f field) {
			if n, ok := c.number(f); ok {
				w.Key(name).Int(n)
			}
		}
		text := func(name string, f field) {
			if c[f] != nil {
				w.Key(name).String(ask.Clip(string(c[f]), ask.MaxName))
			}
		}
		number("id", fieldID)
		text("addr", fieldAddr)
		text("name", fieldName)
		text("user", fieldUser)
		number("age", fieldAge)
		number("idle", fieldIdle)
		text("cmd", fieldCmd)
		number("output_buffer", fieldOmem)
		number("memory", fieldTotMem)
		w.EndObject()
	}
	w.EndArray()
}
