package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Get is the master item: everything that a template asks of one
// server, in one request of the agent, one checkout and one round trip.
//
// The document begins as that of redis.status does (see info.Condition), so that a
// server which is loading is down though it tells all about itself. Unlike
// there, a server that does not let us read INFO is down too, for the reason
// that it gives. Then comes what INFO says, one object per section, named in
// lower case with underscores (server, clients, memory, persistence, stats,
// replication, cpu, cluster and every other that the server has); a section
// named as another member is called info_ and its name.
//
// Inside a section the fields have Redis's own names and units: bytes, unless
// the name says otherwise (_sec, _seconds, _milliseconds, _usec, _kbps, _perc;
// latest_fork_usec is microseconds, keyspace avg_ttl milliseconds, cpu
// seconds). Numbers are numbers, "99.31%" is 99.31, fields ending in _human
// are dropped, and what is no reading (nan, inf, N/A) is left out. Versions,
// ids, hashes, addresses and paths are strings even when they look like
// numbers.
//
// These are lists, of at most ask.MaxRows rows each:
//
//	keyspace            [{"db":"db0","index":0,"keys":2,"expires":0,"avg_ttl":0}]
//	commandstats        [{"command":"config|get","calls":1,"usec":9,…}]
//	errorstats          [{"error":"NOPERM","count":1}]
//	latencystats        [{"command":"get","p50":0.000001003,"p99_9":…}], seconds
//	modules             [{"name":"search","ver":20000}]
//	replication.replicas [{"ip":"10.0.0.2","port":6379,"state":"online","offset":145,"lag":1,"lag_bytes":0}]
//
// In addition slowlog {"length":…,"last_id":…} (no last_id while the log is
// empty), config {"maxmemory":…,"maxclients":…,"maxmemory_policy":"…"} (from
// CONFIG, else as INFO knows it), latency_events, which are the events of
// redis.latency.get, dbsize where INFO has no keyspace, derived (see there),
// unavailable {"slowlog":"NOPERM …"} for what the server refused, and truncated
// {"commandstats":123} for rows left out. A node of a cluster has the fields of
// CLUSTER INFO in the section cluster.
//
// DBSIZE says nothing that the keyspace does not, so it is sent to servers
// alone that print none (Garnet); CLUSTER INFO is sent to nodes of a cluster
// alone. Which a server is, is remembered from its last INFO: a first poll may
// take a second round trip.
var Get = &item.Metric{
	Key:         "redis.get",
	Description: "Returns everything a template needs of one server as JSON, also when the server is down.",
	Params:      item.ConnParams(),
	Commands:    []string{"ping", "info", "slowlog|len", "slowlog|get", "config|get", "latency|latest", "cluster|info", "dbsize"},
	Collect:     collectGet,
}

// infoForms are the ways to ask for all sections, best first: everything
// includes what modules add and exists since Redis 7; all has the command
// statistics; servers without either know only INFO.
var infoForms = []redisclient.Command{{"INFO", "everything"}, {"INFO", "all"}, {"INFO"}}

// infoForm is which of infoForms a target answers.
type infoForm struct {
	index int
	until time.Time
}

const infoFormMemory = "redis.get INFO form"

var errEmptyInfo = errors.New("the reply is empty")

func collectGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	parts := newGetParts(t)
	c, text, err := parts.ask(ctx, t)
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	parts.write(w, c, text)
	return nil
}

type getParts struct {
	ping, info, length, newest, config, events, cluster, dbsize ask.Part

	known *getMemory
}

// getMemory is what redis.get remembers of a target.
type getMemory struct {
	// isCluster and noKeyspace tell which commands are worth sending.
	isCluster, noKeyspace atomic.Bool
	history               history
}

const getMemoryName = "redis.get"

func newGetParts(t *item.Target) *getParts {
	p := &getParts{
		ping:   ask.Part{Name: "ping", Cmd: redisclient.Command{"PING"}},
		info:   ask.Part{Name: "info", Must: true},
		length: ask.Part{Name: "slowlog", Cmd: redisclient.Command{"SLOWLOG", "LEN"}},
		newest: ask.Part{Name: "slowlog", Cmd: redisclient.Command{"SLOWLOG", "GET", "1"}},
		// One pattern instead of three names: servers before 7 take only one,
		// and a refusal counts once.
		config:  ask.Part{Name: "config", Cmd: redisclient.Command{"CONFIG", "GET", "max*"}},
		events:  ask.Part{Name: "latency_events", Cmd: redisclient.Command{"LATENCY", "LATEST"}},
		cluster: ask.Part{Name: "cluster_info", Cmd: redisclient.Command{"CLUSTER", "INFO"}},
		dbsize:  ask.Part{Name: "dbsize", Cmd: redisclient.Command{"DBSIZE"}, Value: resp.Value{Kind: resp.Null}},
	}
	t.Memory.Update(getMemoryName, func(v any) any {
		if v == nil {
			v = new(getMemory)
		}
		p.known = v.(*getMemory)
		return v
	})
	return p
}

// ask fills the parts and returns INFO's text; without one, info.err says why.
// The error is the conversation's. It takes one round trip, but for the first
// time that a target turns out not to know a form of INFO, or to be asked for
// more than others.
func (p *getParts) ask(ctx context.Context, t *item.Target) (info.Condition, []byte, error) {
	known := 0
	if v, ok := t.Memory.Load(infoFormMemory); ok {
		if f := v.(infoForm); time.Now().Before(f.until) {
			known = f.index
		}
	}
	p.info.Cmd = infoForms[known]
	first := []*ask.Part{&p.ping, &p.info, &p.length, &p.newest, &p.config, &p.events}
	askedCluster, askedSize := p.known.isCluster.Load(), p.known.noKeyspace.Load()
	if askedCluster {
		first = append(first, &p.cluster)
	}
	if askedSize {
		first = append(first, &p.dbsize)
	}
	c, err := info.AskCondition(ctx, t, first...)
	if err != nil {
		return c, nil, err
	}
	for form := known; ; form++ {
		if form > known {
			p.info.Cmd = infoForms[form]
			if err := ask.Do(ctx, t, &p.info); err != nil {
				return c, nil, err
			}
		}
		text, err := info.Reply(p.info.Value)
		if err == nil && len(bytes.TrimSpace(text)) == 0 {
			err = errEmptyInfo
		}
		if err == nil {
			if form > known {
				t.Memory.Store(infoFormMemory, infoForm{form, time.Now().Add(ask.RefusalMemory)})
			}
			return c, p.askMore(ctx, t, text, askedCluster, askedSize), nil
		}
		if form == len(infoForms)-1 || !errors.Is(err, errEmptyInfo) && redisclient.ReasonOf(err) != redisclient.ReasonCommand {
			p.info.Err = fmt.Errorf("INFO: %w", err)
			return c, nil, nil
		}
	}
}

// askMore asks for what this INFO shows to be worth asking for and was not
// asked yet, and returns the text with the answer to CLUSTER INFO behind it. A
// conversation that fails here costs these parts alone.
func (p *getParts) askMore(ctx context.Context, t *item.Target, text []byte, askedCluster, askedSize bool) []byte {
	isCluster := bytes.Contains(text, []byte("\ncluster_enabled:1"))
	// A sentinel has no keys at all.
	noKeyspace := !bytes.Contains(text, []byte("# Keyspace")) && !bytes.Contains(text, []byte("\nredis_mode:sentinel"))
	p.known.isCluster.Store(isCluster)
	p.known.noKeyspace.Store(noKeyspace)
	var more []*ask.Part
	for _, m := range []struct {
		part          *ask.Part
		asked, wanted bool
	}{{&p.cluster, askedCluster, isCluster}, {&p.dbsize, askedSize, noKeyspace}} {
		switch {
		case m.wanted && !m.asked:
			more = append(more, m.part)
		case m.asked && !m.wanted:
			// It is another server now. What that says to the command is none of
			// the document's business, and holds for this server only.
			m.part.Forget(t)
			m.part.Value, m.part.Err = resp.Value{Kind: resp.Null}, nil
		}
	}
	if len(more) > 0 {
		if err := ask.Do(ctx, t, more...); err != nil {
			for _, part := range more {
				part.Err = err
			}
		}
	}
	if !isCluster || p.cluster.Err != nil {
		return text
	}
	state, err := info.Reply(p.cluster.Value)
	if err != nil {
		p.cluster.Err = err
		return text
	}
	// It is made of the same lines. Under the same header they are one section.
	return slices.Concat(text, []byte("\n# Cluster\n"), state)
}

// write writes the answer for a server that answered INFO with text, or
// with info.err.
func (p *getParts) write(w *jsondoc.Writer, c info.Condition, text []byte) {
	scratch := info.NewScratch()
	x, err := scratch.Scan(text)
	defer scratch.Release(&x)
	if p.info.Err != nil {
		err = p.info.Err
	}
	// A longer one has lists that are cut.
	w.Grow(min(512+len(text)+len(text)/2, 1<<20))
	w.BeginObject()
	if err != nil {
		c.Write(w, err, nil)
		w.EndObject()
		return
	}
	x.Fold = true
	problem := info.PingProblem(&p.ping, []*ask.Part{&p.info})
	c.Write(w, problem, &x)
	var cut ask.Truncations
	var d derived
	x.SortSections()
	for i := 0; i < len(x.Sections); {
		name, lines, next := x.Group(i)
		i = next
		section := string(info.SnakeName(name))
		writeSection(w, &x, section, lines, &cut)
		d.take(&x, section, lines)
	}
	p.writeSlowlog(w)
	p.writeConfig(w, &x, &d)
	p.writeEvents(w, &cut)
	p.writeSize(w)
	d.write(w, &p.known.history, time.Now())
	if problem != nil {
		p.ping.Err = nil // it stands under error
	}
	ask.Unavailable(w, &p.ping, &p.info, &p.length, &p.newest, &p.config, &p.events, &p.cluster, &p.dbsize)
	cut.Write(w)
	w.EndObject()
}

// writeSlowlog writes the member slowlog, or nothing when both of its
// commands failed. An answer that cannot be read makes its part unavailable.
func (p *getParts) writeSlowlog(w *jsondoc.Writer) {
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
		w.Key("last_id").Int(id)
	}
	w.EndObject()
}

// writeConfig writes the member config. What CONFIG does not tell, or not as a
// number, is taken from INFO, which newer servers let everybody read. The limits
// are noted for the derived figures.
func (p *getParts) writeConfig(w *jsondoc.Writer, x *info.Text, d *derived) {
	var params []ask.ConfigParam
	if p.config.Err == nil {
		params, p.config.Err = ask.ConfigParams(p.config.Value)
	}
	read := func(name, section, field string, usable func([]byte) bool) []byte {
		for _, c := range params {
			if c.Name == name && usable([]byte(c.Value)) {
				return []byte(c.Value)
			}
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
func (p *getParts) writeEvents(w *jsondoc.Writer, cut *ask.Truncations) {
	if p.events.Err != nil {
		return
	}
	var events []ask.LatencyEvent
	if events, p.events.Err = ask.ParseLatencyLatest(p.events.Value); p.events.Err == nil {
		ask.WriteLatencyEvents(w, "latency_events", events, nil, cut)
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
