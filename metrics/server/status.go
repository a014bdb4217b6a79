package server

import (
	"bytes"
	"context"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Status reports whether a server serves commands, and if not, why.
//
// up is 1 when the server answers PING with PONG. A server that can be reached and
// says that it is loading, that its master is down, that a script blocks it or that
// the login is missing is down, with that reason and with everything that it reports
// about itself. So is a replica whose link to its master is down and which answers
// DBSIZE with MASTERDOWN: before Redis 7 such a replica still answers PING. If PING is
// not permitted or not known, a server that answers INFO is up, and unavailable.ping
// has the error. So it is with MISCONF, by which a server that failed to save says that
// it takes no writes.
//
// The members are those that redis.get begins with, cluster_state of a node of a cluster,
// and unavailable for what the server refused, as in redis.get. cluster_state is ok or
// fail by the node's own CLUSTER INFO. With fail the node answers PING and INFO, so that
// it is up, and refuses commands on keys with CLUSTERDOWN: all of them, or with
// cluster-allow-reads-when-down those that write. The first poll of such a node takes a
// second round trip.
var Status = &item.Metric{
	Key:         "redis.status",
	Description: "Returns whether a server serves commands, and if not why, as JSON.",
	Params:      item.ConnParams(),
	Commands:    []string{"ping", "info", "dbsize", "cluster|info"},
	Collect:     collectStatus,
}

func collectStatus(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	ping := ask.Part{Name: "ping", Cmd: redisclient.Command{"PING"}}
	// One command for each section: servers before 7 take only one.
	sections := []*ask.Part{
		{Name: "info", Cmd: redisclient.Command{"INFO", "server"}},
		{Name: "info", Cmd: redisclient.Command{"INFO", "replication"}},
		{Name: "info", Cmd: redisclient.Command{"INFO", "persistence"}},
	}
	parts := append([]*ask.Part{&ping}, sections...)
	state := ask.Part{Name: "cluster_info", Cmd: getCommands.cluster, Value: resp.Value{Kind: resp.Null}}
	known, _ := t.Memory.Load(statusMemory)
	if known == true {
		parts = append(parts, &state)
	}
	c, err := info.AskCondition(ctx, t, parts...)
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	x := joinSections(sections)
	problem := info.PingProblem(&ping, sections)
	read := readCheck()
	var id info.Identity
	if x != nil {
		id = info.Identify(x)
		var more []*ask.Part
		checks := problem == nil && ping.Err == nil && linkDown(x.Text)
		if checks {
			more = append(more, &read)
		}
		isNode := id.Mode == "cluster"
		t.Memory.Store(statusMemory, isNode)
		switch {
		case isNode && known != true:
			more = append(more, &state)
		case !isNode && known == true:
			state.Forget(t) // another server refused it
			state.Value, state.Err = resp.Value{Kind: resp.Null}, nil
		}
		askMore(ctx, t, more)
		if checks {
			problem = ask.StateProblem(&read)
		}
	}
	w.Grow(1024)
	w.BeginObject()
	c.Write(w, problem, x, &id)
	writeClusterState(w, &state)
	if problem != nil {
		ping.Err, read.Err = nil, nil // it stands under error
		if redisclient.ConcernsServer(state.Err) {
			state.Err = nil
		}
	}
	forgive(&read)
	ask.Unavailable(w, append(append([]*ask.Part{&ping}, sections...), &read, &state)...)
	w.EndObject()
	return nil
}

// statusMemory is where the target's Memory has whether it is a node of a cluster.
const statusMemory = "redis.status cluster"

// askMore asks for what the answers before have shown to be worth asking for. A
// conversation that fails here costs these parts alone.
func askMore(ctx context.Context, t *item.Target, parts []*ask.Part) {
	if len(parts) == 0 {
		return
	}
	if err := ask.Do(ctx, t, parts...); err != nil {
		for _, p := range parts {
			p.Err = err
		}
	}
}

// writeClusterState writes what a node of a cluster says of itself.
func writeClusterState(w *jsondoc.Writer, state *ask.Part) {
	if state.Err != nil || state.Value.IsNull() {
		return
	}
	var text []byte
	if text, state.Err = info.Reply(state.Value); state.Err != nil {
		return
	}
	for line := range bytes.Lines(text) {
		value, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("cluster_state:"))
		if ok && (string(value) == "ok" || string(value) == "fail") {
			w.Key("cluster_state").StringBytes(value)
			return
		}
	}
}

// readCheck is a command that reads data, so that a replica refuses it which
// serves no stale data.
func readCheck() ask.Part {
	return ask.Part{Name: "read", Cmd: redisclient.Command{"DBSIZE"}}
}

// forgive drops the refusal of a server that has no such command: there is nothing
// to permit.
func forgive(read *ask.Part) {
	if redisclient.ReasonOf(read.Err) == redisclient.ReasonCommand {
		read.Err = nil
	}
}

// linkDown reports whether INFO tells of a link to a master that is down: of
// Redis' only one, or of any that KeyDB has.
func linkDown(text []byte) bool { return sectionHas(text, "# Replication", "link_status:down") }

// joinSections makes one INFO of the sections that the server told. A text that
// cannot be read makes its parts unavailable.
func joinSections(sections []*ask.Part) *info.Text {
	var all []byte
	for _, p := range sections {
		if text, err := info.Reply(p.Value); p.Err == nil && err == nil {
			all = append(append(all, text...), '\n')
		}
	}
	x, err := info.Scan(all, nil, nil)
	if err != nil {
		for _, p := range sections {
			if p.Err == nil {
				p.Err = err
			}
		}
		return nil
	}
	return &x
}
