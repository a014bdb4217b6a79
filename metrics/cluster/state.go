package cluster

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
)

// stateMembers are the fields of CLUSTER INFO that stand at the document's top.
var stateMembers = []struct{ field, member string }{
	{"cluster_state", "state"},
	{"cluster_known_nodes", "known_nodes"},
	{"cluster_size", "size"},
	{"cluster_current_epoch", "current_epoch"},
}

// slotCounts are those of its fields cluster_slots_ and the name.
var slotCounts = []string{"assigned", "ok", "pfail", "fail"}

// stateFields are the fields of CLUSTER INFO that are used.
// Source: https://redis.io/docs/latest/commands/cluster-info/
func stateFields(reply *ask.Part) (map[string]string, error) {
	if reply.Err != nil {
		return nil, reply.Err
	}
	text, err := reply.Value.Text()
	if err != nil {
		return nil, fmt.Errorf("CLUSTER INFO: %w", err)
	}
	fields := make(map[string]string, len(stateMembers)+len(slotCounts))
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if isStateField(name) {
			fields[name] = value
		}
	}
	return fields, nil
}

func isStateField(name string) bool {
	for _, m := range stateMembers {
		if name == m.field {
			return true
		}
	}
	count, ok := strings.CutPrefix(name, "cluster_slots_")
	return ok && slices.Contains(slotCounts, count)
}

// takeState takes what a node says of itself: in state fail it refuses all commands on
// keys with CLUSTERDOWN, but for reads where cluster-allow-reads-when-down is yes.
// Source: redis src/cluster.c, clusterUpdateState and getNodeByQuery
func (m *member) takeState(fields map[string]string, err error) {
	m.noState = err
	if state := fields["cluster_state"]; state == "ok" || state == "fail" {
		m.state = state
	}
}

// refuses reports whether the node says that it refuses commands, and isWell whether
// it says that it does not.
func (m *member) refuses() bool { return m.err == nil && m.state == "fail" }

func (m *member) isWell() bool { return m.err == nil && m.state == "ok" }

// writeRefusing writes which nodes refuse commands; nothing when none told.
func (c *cluster) writeRefusing(w *jsondoc.Writer, cut *ask.Truncations) {
	var refusing []string
	told := false
	for _, m := range c.members {
		told = told || m.refuses() || m.isWell()
		if m.refuses() {
			refusing = append(refusing, m.addr)
		}
	}
	if !told {
		return
	}
	w.Key("refusing").Int(int64(len(refusing)))
	w.Key("refusing_nodes").BeginArray()
	for _, addr := range refusing[:cut.Limit("refusing_nodes", len(refusing))] {
		w.String(addr)
	}
	w.EndArray()
}

// writeState writes what CLUSTER INFO says, and the slots nobody serves.
func (c *cluster) writeState(w *jsondoc.Writer) {
	writeStateMembers(w, c.fields)
	w.Key("slots").BeginObject()
	writeSlotCounts(w, c.fields)
	var served slotSet
	for _, m := range c.members {
		if !m.gone() {
			served.add(m.slots)
		}
	}
	if c.unreadable > 0 { // they may be those of a node that is left out
		w.EndObject()
		return
	}
	ranges, missing := served.missing()
	w.Key("uncovered").Int(int64(missing))
	w.Key("uncovered_ranges").String(slotText(ranges))
	w.EndObject()
}

func writeStateMembers(w *jsondoc.Writer, fields map[string]string) {
	for _, m := range stateMembers {
		if value, ok := fields[m.field]; ok {
			info.WriteField(w, []byte(m.member), []byte(value))
		}
	}
}

func writeSlotCounts(w *jsondoc.Writer, fields map[string]string) {
	for _, name := range slotCounts {
		if value := []byte(fields["cluster_slots_"+name]); jsondoc.IsNumber(value) {
			w.Key(name).Number(value)
		}
	}
}
