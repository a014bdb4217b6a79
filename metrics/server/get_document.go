package server

import (
	"errors"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// document is what redis.get makes of one INFO.
type document struct {
	x        *info.Text
	id       info.Identity
	replicas []info.Replica
	masters  []info.Master
	cut      ask.Truncations
	// unreadable counts rows of other answers than INFO.
	unreadable ask.Unreadable
	// lists and modules are the bytes that these kinds of sections took so far,
	// standard those of the last section of the server's own.
	lists, modules, standard int
	// uncounted says why the section Errorstats is no list of all errors.
	uncounted error
	// repeated says why a section was left out, see repeated.
	repeated error
}

func newDocument(x *info.Text) document {
	d := document{x: x, id: info.Identify(x)}
	lines := x.SectionLines("replication")
	d.replicas = info.Replicas(x, &d.id, lines)
	d.masters = info.Masters(x, &d.id, lines)
	return d
}

// write writes the answer for a server that answered INFO with text, or
// with info.err.
func (p *getParts) write(w *jsondoc.Writer, c info.Condition, text []byte) {
	scratch := info.NewScratch()
	x, err := scratch.Scan(text)
	defer scratch.Release(&x)
	if p.info.Err == nil {
		p.info.Err = err
	}
	// A longer one has lists that are cut.
	w.Grow(min(512+len(text)+len(text)/2, 1<<20))
	w.BeginObject()
	if p.info.Err != nil {
		x = info.Text{}
	}
	problem := p.problem()
	if problem != nil && p.info.Err != nil {
		c.Write(w, problem, nil, nil)
		w.EndObject()
		return
	}
	x.Fold = true
	doc := newDocument(&x)
	c.Write(w, problem, &x, &doc.id)
	d := derived{id: &doc.id, replicas: doc.replicas, links: info.SumLinks(&x, &doc.id, doc.masters)}
	x.SortSections()
	w.AssumePlain(x.Plain)
	for i := 0; i < len(x.Sections); {
		name, lines, next := x.Group(i)
		i = next
		section := info.SectionName(name)
		doc.writeSection(w, section, lines)
		d.take(&x, section, lines)
	}
	w.AssumePlain(false)
	p.writeSlowlog(w, doc.id.Means.IDsByThread)
	p.writeConfig(w, &x, &d)
	p.writeEvents(w, &doc)
	p.writeSize(w)
	if p.clock.Err == nil && p.clock.Value.Kind != resp.Null {
		d.clock, p.clock.Err = redisclient.ParseTime(p.clock.Value)
	}
	d.write(w, &p.known.history, time.Now())
	if problem != nil {
		p.ping.Err, p.read.Err = nil, nil // it stands under error
	}
	forgive(&p.read)
	uncounted := ask.Part{Name: "errorstats", Err: doc.uncounted}
	unmonitored := ask.Part{Name: "stats", Err: doc.id.Uncounted}
	repeated := ask.Part{Name: "sections", Err: doc.repeated}
	ask.Unavailable(w, &p.ping, &p.info, &p.read, &unmonitored, &uncounted, &repeated, &p.length, &p.newest, &p.config, &p.events, &p.cluster, &p.dbsize, &p.clock)
	doc.cut.Write(w)
	doc.unreadable.Write(w)
	w.EndObject()
}

// problem is why the server does not serve commands, or nil. One that answers
// PING serves them whether it shows INFO or not, unless INFO tells of a state in
// which nothing can be read. Where neither is answered the reason is INFO's.
func (p *getParts) problem() error {
	if p.info.Err == nil {
		if err := info.PingProblem(&p.ping, []*ask.Part{&p.info}); err != nil {
			return err
		}
		return ask.StateProblem(&p.read)
	}
	problem := info.PingProblem(&p.ping, nil)
	var refused *resp.ServerError
	if errors.As(p.info.Err, &refused) && redisclient.ConcernsServer(refused) || problem != nil && p.ping.Err != nil {
		return p.info.Err
	}
	return problem
}

// writeSlowlog writes the member slowlog, or nothing when both of its
// commands failed. An answer that cannot be read makes its part unavailable. With ids
// by thread that of the newest entry says nothing.
func (p *getParts) writeSlowlog(w *jsondoc.Writer, byThread bool) {
	var length, id int64
	var some bool
	if p.length.Err == nil {
		length, p.length.Err = p.length.Value.Int64()
	}
	if p.newest.Err == nil {
		id, some, p.newest.Err = ask.NewestSlowlogID(&p.newest)
	}
	if p.length.Err != nil && p.newest.Err != nil {
		return
	}
	w.Key("slowlog").BeginObject()
	if p.length.Err == nil {
		w.Key("length").Int(length)
	}
	if some {
		if !byThread {
			w.Key("last_id").Int(id)
		}
		if entries, _, err := ask.ParseSlowlog(p.newest.Value); err == nil {
			entries[0].WriteWithKey(w, "newest")
		}
	}
	w.EndObject()
}

// writeConfig writes the member config. What CONFIG does not tell, or not as a
// number, is taken from INFO, which newer servers let everybody read. The limits
// are noted for the derived figures.
func (p *getParts) writeConfig(w *jsondoc.Writer, x *info.Text, d *derived) {
	var params []resp.Value
	if p.config.Err == nil {
		params, p.config.Err = p.config.Value.Pairs()
	}
	read := func(name, section, field string, usable func([]byte) bool) []byte {
		if v, ok := ask.FieldOf(params, name); ok && usable(v.Str) {
			return v.Str
		}
		if v, ok := x.Field(section, field); ok && usable(v) {
			return v
		}
		return nil
	}
	notEmpty := func(b []byte) bool { return len(b) > 0 }
	maxmemory := read("maxmemory", "memory", "maxmemory", jsondoc.IsNumber)
	maxclients := read("maxclients", "clients", "maxclients", jsondoc.IsNumber)
	policy := read("maxmemory-policy", "memory", "maxmemory_policy", notEmpty)
	if maxmemory == nil && maxclients == nil && policy == nil {
		return
	}
	w.Key("config").BeginObject()
	if maxmemory != nil {
		w.Key("maxmemory").Number(maxmemory)
		d.maxMemory = info.ParseReading(maxmemory)
	}
	if maxclients != nil {
		w.Key("maxclients").Number(maxclients)
		d.maxClients = info.ParseReading(maxclients)
	}
	if policy != nil {
		w.Key("maxmemory_policy").StringBytes(policy)
	}
	w.EndObject()
}

// writeEvents writes the member latency_events.
func (p *getParts) writeEvents(w *jsondoc.Writer, d *document) {
	if p.events.Err != nil {
		return
	}
	var events []ask.LatencyEvent
	var unreadable int
	if events, unreadable, p.events.Err = ask.ParseLatencyLatest(p.events.Value); p.events.Err == nil {
		d.unreadable.Add("latency_events", unreadable)
		ask.WriteLatencyEvents(w, "latency_events", events, nil, &d.cut)
	}
}

// writeSize writes the member dbsize, where DBSIZE was asked.
func (p *getParts) writeSize(w *jsondoc.Writer) {
	if p.dbsize.Err != nil || p.dbsize.Value.IsNull() {
		return
	}
	var n int64
	if n, p.dbsize.Err = p.dbsize.Value.Int64(); p.dbsize.Err == nil {
		w.Key("dbsize").Int(n)
	}
}
