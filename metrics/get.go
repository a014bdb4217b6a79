package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// getMetric is the master item: everything that a template asks of one
// server, in one request of the agent, one checkout and one round trip.
//
// The document begins as that of redis.status does (see condition), so that a
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
// These are lists, of at most maxRows rows each:
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
// CONFIG, else as INFO knows it), unavailable {"slowlog":"NOPERM …"} for what
// the server refused, and truncated {"commandstats":123} for rows left out.
var getMetric = &Metric{
	Key:         "redis.get",
	Description: "Returns everything a template needs of one server as JSON, also when the server is down.",
	Params:      connParams(),
	Commands:    []string{"ping", "info", "slowlog|len", "slowlog|get", "config|get"},
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

func collectGet(ctx context.Context, r *Request) (string, error) {
	t := r.Target
	parts := getParts{
		ping:   part{name: "ping", cmd: redisclient.Command{"PING"}},
		info:   part{name: "info", must: true},
		length: part{name: "slowlog", cmd: redisclient.Command{"SLOWLOG", "LEN"}},
		newest: part{name: "slowlog", cmd: redisclient.Command{"SLOWLOG", "GET", "1"}},
		// One pattern instead of three names: servers before 7 take only one,
		// and a refusal counts once.
		config: part{name: "config", cmd: redisclient.Command{"CONFIG", "GET", "max*"}},
	}
	c, text, err := parts.ask(ctx, t)
	if err != nil {
		return downDocument(t.Name, err), nil
	}
	return parts.document(c, text), nil
}

type getParts struct{ ping, info, length, newest, config part }

// ask fills the parts and returns INFO's text; without one, info.err says why.
// The error is the conversation's. It takes one round trip, but for the first
// time that a target turns out not to know a form of INFO.
func (p *getParts) ask(ctx context.Context, t *Target) (condition, []byte, error) {
	known := 0
	if v, ok := t.Memory.Load(infoFormMemory); ok {
		if f := v.(infoForm); time.Now().Before(f.until) {
			known = f.index
		}
	}
	p.info.cmd = infoForms[known]
	c, err := askCondition(ctx, t, &p.ping, &p.info, &p.length, &p.newest, &p.config)
	if err != nil {
		return c, nil, err
	}
	for form := known; ; form++ {
		if form > known {
			p.info.cmd = infoForms[form]
			if err := askParts(ctx, t, &p.info); err != nil {
				return c, nil, err
			}
		}
		text, err := infoReply(p.info.value)
		if err == nil && len(bytes.TrimSpace(text)) == 0 {
			err = errEmptyInfo
		}
		if err == nil {
			if form > known {
				t.Memory.Store(infoFormMemory, infoForm{form, time.Now().Add(refusalMemory)})
			}
			return c, text, nil
		}
		if form == len(infoForms)-1 || !errors.Is(err, errEmptyInfo) && redisclient.ReasonOf(err) != redisclient.ReasonCommand {
			p.info.err = fmt.Errorf("INFO: %w", err)
			return c, nil, nil
		}
	}
}

// document writes the answer for a server that answered INFO with text, or
// with info.err.
func (p *getParts) document(c condition, text []byte) string {
	scratch := newInfoScratch()
	x, err := scratch.scan(text)
	defer scratch.release(&x)
	if p.info.err != nil {
		err = p.info.err
	}
	w := jsondoc.New(512 + len(text) + len(text)/2)
	w.BeginObject()
	if err != nil {
		c.write(w, err, nil)
		w.EndObject()
		return w.Document()
	}
	x.fold = true
	problem := pingProblem(&p.ping, []*part{&p.info})
	c.write(w, problem, &x)
	var cut truncations
	x.sortSections()
	for i := 0; i < len(x.sections); {
		name, lines, next := x.group(i)
		i = next
		writeSection(w, &x, string(snakeName(name)), lines, &cut)
	}
	p.writeSlowlog(w)
	p.writeConfig(w, &x)
	if problem != nil {
		p.ping.err = nil // it stands under error
	}
	writeUnavailable(w, &p.ping, &p.info, &p.length, &p.newest, &p.config)
	cut.write(w)
	w.EndObject()
	return w.Document()
}

// writeSlowlog writes the member slowlog, or nothing when both of its
// commands failed. An answer that cannot be read makes its part unavailable.
func (p *getParts) writeSlowlog(w *jsondoc.Writer) {
	var length, id int64
	var some bool
	if p.length.err == nil {
		length, p.length.err = p.length.value.Int64()
	}
	if p.newest.err == nil {
		id, some, p.newest.err = newestSlowlogID(&p.newest)
	}
	if p.length.err != nil && p.newest.err != nil {
		return
	}
	w.Key("slowlog").BeginObject()
	if p.length.err == nil {
		w.Key("length").Int(length)
	}
	if some {
		w.Key("last_id").Int(id)
	}
	w.EndObject()
}

// writeConfig writes the member config. What CONFIG does not tell, or not as a
// number, is taken from INFO, which newer servers let everybody read.
func (p *getParts) writeConfig(w *jsondoc.Writer, x *infoText) {
	var params []configParam
	if p.config.err == nil {
		params, p.config.err = configParams(p.config.value)
	}
	read := func(name, section, field string, usable func([]byte) bool) []byte {
		for _, c := range params {
			if c.name == name && usable([]byte(c.value)) {
				return []byte(c.value)
			}
		}
		if v, ok := x.field(section, field); ok && usable(v) {
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
	}
	if maxclients != nil {
		w.Key("maxclients").Number(maxclients)
	}
	if policy != nil {
		w.Key("maxmemory_policy").StringBytes(policy)
	}
	w.EndObject()
}
