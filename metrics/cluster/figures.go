package cluster

import (
	"fmt"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/redisclient"
)

// nodeFigures are what INFO says of one node, as far as a cluster's document
// has it.
type nodeFigures struct {
	keys, memory, maxMemory, clients info.Reading
	commands                         info.Reading // that it has processed
	ops                              float64      // commands per second
	opsKnown                         bool
	runID                            string
	history                          info.History
	linkUp                           info.Reading // of a replica to its master: 1 or 0
	// neverSynced and staysReplica: the replica is no copy, and does not take over; see
	// info.NeverSynced and info.TakesOver.
	neverSynced, staysReplica bool
	replicas                  []info.Replica
	id                        info.Identity
}

// read takes the figures from a reply to INFO. A node that says who it is and does
// not show INFO is there all the same, without figures; noInfo says why.
func (m *member) read(reply *ask.Part) error {
	x, err := infoText(reply)
	if err != nil && (m.view == nil || redisclient.ConcernsServer(reply.Err)) {
		return err
	}
	if m.noInfo = err; err == nil {
		m.take(&x)
	}
	if m.figures.id.Flavour == "dragonfly" && m.figures.id.Role == "replica" {
		m.view = nil // where a cluster is played, it lists but its master and itself
	}
	return nil
}

func infoText(reply *ask.Part) (info.Text, error) {
	if reply.Err != nil {
		return info.Text{}, fmt.Errorf("INFO: %w", reply.Err)
	}
	text, err := info.Reply(reply.Value)
	if err != nil {
		return info.Text{}, fmt.Errorf("INFO: %w", err)
	}
	return info.Scan(text, nil, nil)
}

func (m *member) take(x *info.Text) {
	get := func(section, field string) info.Reading {
		value, ok := x.Field(section, field)
		if !ok {
			return info.Reading{}
		}
		return info.ParseCount(value)
	}
	id := info.Identify(x)
	f := &m.figures
	f.memory, f.maxMemory = get("memory", "used_memory"), get("memory", "maxmemory")
	f.commands = get("stats", "total_commands_processed")
	if id, ok := x.Field("server", "run_id"); ok {
		f.runID = string(id)
	}
	f.clients = get("clients", "connected_clients")
	f.id = id
	replication := x.SectionLines("replication")
	f.replicas = info.Replicas(x, &id, replication)
	masters := info.Masters(x, &id, replication)
	f.linkUp = info.SumLinks(x, &id, masters).Up
	f.neverSynced = info.NeverSynced(&id, masters)
	f.staysReplica = !info.TakesOver(&id, masters, info.Validity{})
	f.history = info.ReadHistory(x, &id, masters)
	f.keys, _ = info.SumKeys(x, &id, x.SectionLines("keyspace"))
}

// replicaLag compares a replica with its master: by what the master says of it
// in one reply, else by the two ends, which were not asked in the same instant.
func replicaLag(replica, master *member) (lagBytes, lag info.Reading) {
	if replica.err != nil || master == nil || master.err != nil {
		return info.Reading{}, info.Reading{}
	}
	id := &master.figures.id
	for _, r := range master.figures.replicas {
		if r.Port == replica.port && (r.IP == replica.ip || r.IP == replica.hostname) && r.InSync.Value == r.Count {
			lag = r.Lag
			if r.Offset.Value != 0 { // it has confirmed something
				return id.Behind(master.figures.history.Offset, r.Offset), lag
			}
		}
	}
	return id.Lag(master.figures.history, replica.figures.history), lag
}
