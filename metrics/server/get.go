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

// Get is the master item: everything that a template needs from one server, in one
// request of the agent and one round trip.
//
// The document begins as that of redis.status does (see info.Condition), so that a
// server which is loading is down, although INFO is there. A server that serves
// commands but does not allow INFO, or answers it with something else, is up, and info
// is named under unavailable. Then comes what INFO prints, one object per section,
// named in lower case with underscores (server, clients, memory, persistence, stats,
// replication, cpu, cluster and every other that the server has); a section with the
// name of another member is called info_ and its name.
//
// Inside a section the fields have Redis's own names and units: bytes, unless the name
// says otherwise (_sec, _seconds, _milliseconds, _usec, _kbps, _perc; latest_fork_usec
// is microseconds, keyspace avg_ttl milliseconds, cpu seconds). Numbers are numbers,
// "99.31%" is 99.31, fields ending in _human are dropped, and values that are
// impossible are left out: nan, inf, N/A, a count below zero (also one that has wrapped
// around), an age above the uptime.
// Versions, ids, hashes, addresses and paths are strings even when they look like
// numbers.
//
// These are lists, of at most ask.MaxRows rows each; an object has as many
// fields, and a section of either kind at most maxSection bytes:
//
//	keyspace            [{"db":"db0","index":0,"keys":2,"expires":0,"avg_ttl":0}]
//	commandstats        [{"command":"config|get","calls":1,"usec":9,…}]
//	errorstats          [{"error":"NOPERM","count":1}]
//	latencystats        [{"command":"get","p50":0.000001003,"p99_9":…}], seconds
//	modules             [{"name":"search","ver":20000}]
//	replication.replicas [{"ip":"10.0.0.2","port":6379,"state":"online","offset":145,"lag":1,"lag_bytes":0,
//	                      "count":1,"in_sync":1}], a row per address: see info.Replica
//	replication.masters  [{"host":"10.0.0.1","port":6379,"link_up":1,"last_io_seconds":0}], of a replica
//
// lag is seconds, and left out where a server counts something else: lag_writes is
// what Kvrocks and Dragonfly count. A replica that has confirmed nothing yet is not in
// sync, although Redis calls it online: it is loading its copy. Errorstats are left out, and named under
// unavailable, if the server has stopped counting (ERRORSTATS_DISABLED); so are the
// zeros of clients and stats of a Garnet whose monitor is off, under stats.
//
// In addition slowlog {"length":…,"last_id":…,"newest":{…}} (of an empty log the
// length alone; no last_id of Dragonfly, whose ids grow in each thread alone; newest is an entry as slowest of redis.slowlog.get is, which knows
// the others), config {"maxmemory":…,"maxclients":…,"maxmemory_policy":"…"} (from
// CONFIG, else as INFO knows it), latency_events, which are the events of
// redis.latency.get, dbsize where INFO does not list the databases, derived (see there),
// unavailable {"slowlog":"NOPERM …"} for what the server refused, and truncated
// {"commandstats":123} for rows left out, "sections" for whole sections. A node of
// a cluster has the fields of CLUSTER INFO in the section cluster.
//
// DBSIZE is sent only to servers whose INFO does not list the databases (Garnet, whose
// keyspace is always empty), CLUSTER INFO only to
// nodes of a cluster, and TIME only to servers whose INFO has no server_time_usec
// (Redis before 6.2). The plugin remembers from the last INFO which of these a server
// is, so the first poll may take a second round trip.
var Get = &item.Metric{
	Key:         "redis.get",
	Description: "Returns everything a template needs of one server as JSON, also when the server is down.",
	Params:      item.ConnParams(),
	Commands:    []string{"ping", "info", "slowlog|len", "slowlog|get", "config|get", "latency|latest", "cluster|info", "dbsize", "time"},
	Collect:     collectGet,
}

// infoForms are the ways to ask for all sections, best first: everything
// includes what modules add and exists since Redis 7; all has the command
// statistics; servers without either know only INFO.
var infoForms = []redisclient.Command{{"INFO", "everything"}, {"INFO", "all"}, {"INFO"}}

// infoForm is which of infoForms a target answers, or why it answers none.
type infoForm struct {
	index   int
	refusal error
	until   time.Time
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
	ping, info, length, newest, config, events, cluster, dbsize, clock ask.Part

	// read finds out whether a replica without its master serves reads; before
	// Redis 7 PING does not tell.
	read ask.Part

	known *getMemory
}

// getMemory is what redis.get remembers of a target.
type getMemory struct {
	// isCluster, noKeyspace and noClock say which commands are worth sending.
	isCluster, noKeyspace, noClock atomic.Bool
	history                        history
}

const getMemoryName = "redis.get"

// getCommands are the commands of redis.get beside INFO. They are shared by all
// requests, which do not change them.
var getCommands = struct {
	ping, length, newest, config, events, cluster, dbsize, clock redisclient.Command
}{
	ping:   redisclient.Command{"PING"},
	length: redisclient.Command{"SLOWLOG", "LEN"},
	newest: redisclient.Command{"SLOWLOG", "GET", "1"},
	// One pattern instead of three names: servers before 7 take only one, and a
	// refusal counts once.
	config:  redisclient.Command{"CONFIG", "GET", "max*"},
	events:  redisclient.Command{"LATENCY", "LATEST"},
	cluster: redisclient.Command{"CLUSTER", "INFO"},
	dbsize:  redisclient.Command{"DBSIZE"},
	clock:   redisclient.Command{"TIME"},
}

func newGetParts(t *item.Target) *getParts {
	c := &getCommands
	p := &getParts{
		ping:    ask.Part{Name: "ping", Cmd: c.ping},
		info:    ask.Part{Name: "info", Must: true},
		length:  ask.Part{Name: "slowlog", Cmd: c.length},
		newest:  ask.Part{Name: "slowlog", Cmd: c.newest},
		config:  ask.Part{Name: "config", Cmd: c.config},
		events:  ask.Part{Name: "latency_events", Cmd: c.events},
		cluster: ask.Part{Name: "cluster_info", Cmd: c.cluster},
		dbsize:  ask.Part{Name: "dbsize", Cmd: c.dbsize, Value: resp.Value{Kind: resp.Null}},
		clock:   ask.Part{Name: "time", Cmd: c.clock, Value: resp.Value{Kind: resp.Null}},
		read:    readCheck(),
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
	known := infoForm{}
	if v, ok := t.Memory.Load(infoFormMemory); ok && time.Now().Before(v.(infoForm).until) {
		known = v.(infoForm)
	}
	p.info.Cmd, p.info.Err = infoForms[known.index], known.refusal
	first := []*ask.Part{&p.ping, &p.length, &p.newest, &p.config, &p.events}
	if known.refusal == nil {
		first = slices.Insert(first, 1, &p.info)
	}
	extra := []extraPart{{part: &p.cluster, known: &p.known.isCluster}, {part: &p.dbsize, known: &p.known.noKeyspace}, {part: &p.clock, known: &p.known.noClock}}
	for i := range extra {
		if e := &extra[i]; e.known.Load() {
			e.asked = true
			first = append(first, e.part)
		}
	}
	c, err := info.AskCondition(ctx, t, first...)
	if err != nil || known.refusal != nil {
		return c, nil, err
	}
	text, err := p.askInfo(ctx, t, known.index)
	if err != nil || p.info.Err != nil {
		return c, nil, err
	}
	return c, p.askMore(ctx, t, text, extra), nil
}

// extraPart is a command that is worth sending to some servers alone.
type extraPart struct {
	part  *ask.Part
	known *atomic.Bool // that it is worth sending to this one
	asked bool
}

// askInfo returns INFO's text, which was asked in the form known and is asked in
// the others where that is not understood. Without a text, info.err says why; a
// refusal of all forms by a server that serves commands is remembered.
func (p *getParts) askInfo(ctx context.Context, t *item.Target, known int) ([]byte, error) {
	for form := known; ; form++ {
		if form > known {
			p.info.Cmd = infoForms[form]
			if err := ask.Do(ctx, t, &p.info); err != nil {
				return nil, err
			}
		}
		text, err := info.Reply(p.info.Value)
		if err == nil && len(bytes.TrimSpace(text)) == 0 {
			err = errEmptyInfo
		}
		if err == nil {
			if form > known {
				t.Memory.Store(infoFormMemory, infoForm{index: form, until: time.Now().Add(ask.RefusalMemory)})
			}
			return text, nil
		}
		if form == len(infoForms)-1 || !errors.Is(err, errEmptyInfo) && redisclient.ReasonOf(err) != redisclient.ReasonCommand {
			p.info.Err = fmt.Errorf("INFO: %w", err)
			if ask.Lasting(err) && p.ping.Err == nil {
				t.Memory.Store(infoFormMemory, infoForm{refusal: p.info.Err, until: time.Now().Add(ask.RefusalMemory)})
			}
			return nil, nil
		}
	}
}

// sectionHas reports whether a section of INFO has a line that begins so, line
// break before it included; without that section, whether the text has one. It is
// looked at before the text is taken apart.
func sectionHas(text []byte, header, line string) bool {
	if i := bytes.Index(text, []byte(header)); i >= 0 {
		text = text[i+len(header):]
		if end := bytes.Index(text, []byte("\n#")); end >= 0 {
			text = text[:end]
		}
	}
	return bytes.Contains(text, []byte(line))
}

// datesSaves reports whether INFO has the time of the last save, under any of its
// names, which only the server's own clock makes an age of.
func datesSaves(text []byte) bool {
	for _, field := range []string{"\nrdb_last_save_time:", "\nlast_success_save:", "\nlast_bgsave_time:"} {
		if bytes.Contains(text, []byte(field)) {
			return true
		}
	}
	return false
}

// keysUntold reports whether DBSIZE says more of a server's keys than its INFO, which
// is taken apart only where it lists no database. A sentinel has no keys at all.
func keysUntold(text []byte) bool {
	if bytes.Contains(text, []byte("# Keyspace")) && sectionHas(text, "# Keyspace", "\ndb") {
		return false
	}
	x, err := info.Scan(text, nil, nil)
	if err != nil {
		return false
	}
	id := info.Identify(&x)
	return id.Flavour != "sentinel" && info.KeysUntold(&x, &id)
}

// askMore asks for what this INFO shows to be worth asking for and was not
// asked yet, and returns the text with the answer to CLUSTER INFO behind it. A
// conversation that fails here costs these parts alone.
func (p *getParts) askMore(ctx context.Context, t *item.Target, text []byte, extra []extraPart) []byte {
	isCluster := sectionHas(text, "# Cluster", "\ncluster_enabled:1")
	p.known.isCluster.Store(isCluster)
	p.known.noKeyspace.Store(keysUntold(text))
	p.known.noClock.Store(!bytes.Contains(text, []byte("\nserver_time_usec:")) && datesSaves(text))
	var more []*ask.Part
	for _, e := range extra {
		switch wanted := e.known.Load(); {
		case wanted && !e.asked:
			more = append(more, e.part)
		case e.asked && !wanted:
			// It is another server now. What that says to the command is none of
			// the document's business, and holds for this server only.
			e.part.Forget(t)
			e.part.Value, e.part.Err = resp.Value{Kind: resp.Null}, nil
		}
	}
	if p.ping.Err == nil && linkDown(text) {
		more = append(more, &p.read)
	}
	askMore(ctx, t, more)
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
