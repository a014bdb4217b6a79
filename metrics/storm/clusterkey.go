package storm

import (
	"context"
	"strings"

	"redisjobs/metrics/jsondoc"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
)

// clusterMetric reports the state of a Storm cluster, read from its UI.
//
// Members: the head; version; cluster, with the figures topologies, supervisors_alive,
// slots, slots_used, slots_free, executors, tasks, memory and memory_free (bytes),
// cores and cores_free; topologies_by_status; nimbus
// {"alive","leaders","offline","leader" (host:port),"leader_uptime"}; nimbuses and
// supervisors, a row each; truncated and unavailable. A part that could not be read,
// and a value that the UI does not report, is left out; so are free and used memory
// and cores with a scheduler that does not track them. up is also 0 if the UI answers
// and there is no leading Nimbus.
var clusterMetric = &item.Metric{
	Key:         "storm.cluster.get",
	Description: "Returns the nimbuses, supervisors, slots and resources of a Storm cluster by its UI as JSON, also when it is down.",
	Params:      item.ConnParams(),
	Web:         item.WebOnly,
	Collect:     collectCluster,
}

func collectCluster(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	c, err := newUI(r.Target.Web, r.Target.Memory, r.Env.Storm.StaleAfter).Cluster(ctx)
	if err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	w.Grow(2048 + 256*len(c.Supervisors))
	w.BeginObject()
	ask.Head(w, r.Target.Name, nil)
	ask.WriteText(w, "version", c.Version)
	w.Key("cluster").BeginObject()
	writeFigures(w, c.Figures)
	w.EndObject()
	if c.ByStatus != nil {
		w.Key("topologies_by_status").BeginObject()
		for _, s := range []Status{statusActive, statusInactive, statusRebalancing, statusKilled, statusUnknown} {
			w.Key(strings.ToLower(s.String())).Int(int64(c.ByStatus[s]))
		}
		w.EndObject()
	}
	if c.Nimbuses != nil {
		writeNimbuses(w, c.Nimbuses)
	}
	if c.Supervisors != nil {
		w.Key("supervisors").BeginArray()
		for _, s := range c.Supervisors {
			w.BeginObject()
			ask.WriteText(w, "id", s.ID)
			ask.WriteText(w, "host", s.Host)
			ask.WriteText(w, "version", s.Version)
			writeFigures(w, s.Figures)
			w.EndObject()
		}
		w.EndArray()
	}
	var cut ask.Truncations
	for _, name := range []string{"nimbuses", "supervisors"} {
		if n := c.Truncated[name]; n > 0 {
			cut.Add(name, n)
		}
	}
	cut.Write(w)
	w.Key("unavailable").BeginObject()
	for _, u := range c.Unavailable {
		w.Key(u.Name).String(u.Reason)
	}
	w.EndObject()
	w.EndObject()
	return nil
}

func writeNimbuses(w *jsondoc.Writer, all []nimbus) {
	var leader *nimbus
	var leaders, offline int64
	for i := range all {
		switch n := &all[i]; {
		case n.Leads():
			leader = n
			leaders++
		case n.Gone():
			offline++
		}
	}
	w.Key("nimbus").BeginObject()
	w.Key("alive").Int(int64(len(all)) - offline)
	w.Key("leaders").Int(leaders)
	w.Key("offline").Int(offline)
	if leader != nil {
		w.Key("leader").String(leader.Host + ":" + leader.Port)
		for _, f := range leader.Figures {
			w.Key("leader_" + f.Name).Float(f.Value)
		}
	}
	w.EndObject()
	w.Key("nimbuses").BeginArray()
	for i := range all {
		n := &all[i]
		w.BeginObject()
		ask.WriteText(w, "host", n.Host)
		ask.WriteText(w, "port", n.Port)
		ask.WriteText(w, "status", n.Status)
		ask.WriteText(w, "version", n.Version)
		writeFigures(w, n.Figures)
		w.EndObject()
	}
	w.EndArray()
}

// writeTopology writes what a Storm UI says of a topology beyond a job's record:
// owner; uptime, workers, executors, tasks, replication, requested_ and
// assigned_memory in bytes, requested_ and assigned_cores; and for one that was
// asked for alone: window, with emitted, transferred, acked, failed and
// complete_latency of the last window_seconds; capacity_max and capacity_bolt;
// spouts and bolts, a row each with the figures of the same time, lag in
// messages, last_error, error_at, error_age in seconds and error_host; and of
// the newest error, whose text is message, error_age and error_component. Lists
// are bounded: truncated counts the rows that were left out.
func writeTopology(w *jsondoc.Writer, t *topology) {
	ask.WriteText(w, "owner", t.Owner)
	writeFigures(w, t.Figures)
	if !t.Detailed {
		return
	}
	w.Key("window_seconds").Int(windowSeconds)
	w.Key("window").BeginObject()
	writeFigures(w, t.Window)
	w.EndObject()
	if t.CapacityBolt != "" {
		w.Key("capacity_max").Float(t.CapacityMax)
		w.Key("capacity_bolt").String(t.CapacityBolt)
	}
	if t.ErrorComponent != "" {
		w.Key("error_age").Float(t.ErrorAge)
		w.Key("error_component").String(t.ErrorComponent)
	}
	writeComponents(w, "spouts", t.Spouts)
	writeComponents(w, "bolts", t.Bolts)
	var cut ask.Truncations
	if t.Truncated > 0 {
		cut.Add("components", t.Truncated)
	}
	cut.Write(w)
}

func writeComponents(w *jsondoc.Writer, name string, rows []component) {
	w.Key(name).BeginArray()
	for _, c := range rows {
		w.BeginObject()
		w.Key("id").String(c.ID)
		writeFigures(w, c.Figures)
		ask.WriteText(w, "last_error", c.LastError)
		ask.WriteText(w, "error_host", c.ErrorHost)
		w.EndObject()
	}
	w.EndArray()
}

func writeFigures(w *jsondoc.Writer, all []namedFigure) {
	for _, f := range all {
		w.Key(f.Name).Float(f.Value)
	}
}
