package metrics

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strconv"
	"strings"
)

// nodeFigures are what INFO says of one node, as far as a cluster's document
// has it.
type nodeFigures struct {
	keys, memory, maxMemory, ops, clients reading
	offset                                reading // of the replication stream: what a master has written, a replica has read
	linkUp                                reading // of a replica to its master: 1 or 0
	replicas                              []replicaFigures
}

// replicaFigures are what a master says of one replica that is online.
type replicaFigures struct {
	addr        string
	offset, lag reading
}

// read takes the figures from a reply to INFO.
func (m *clusterMember) read(info *part) error {
	if info.err != nil {
		return fmt.Errorf("INFO: %w", info.err)
	}
	text, err := infoReply(info.value)
	if err != nil {
		return fmt.Errorf("INFO: %w", err)
	}
	x, err := scanInfo(text, nil, nil)
	if err != nil {
		return err
	}
	get := func(section, field string) reading {
		value, ok := x.field(section, field)
		if !ok {
			return reading{}
		}
		return parseReading(value)
	}
	f := &m.figures
	f.memory, f.maxMemory = get("memory", "used_memory"), get("memory", "maxmemory")
	f.ops = get("stats", "instantaneous_ops_per_sec")
	f.clients = get("clients", "connected_clients")
	if link, ok := x.field("replication", "master_link_status"); ok {
		f.linkUp = reading{int64(number(string(link) == "up")), true}
	}
	f.offset = get("replication", "master_repl_offset")
	if role, _ := x.field("replication", "role"); string(role) == "slave" {
		f.offset = get("replication", "slave_repl_offset")
		if f.linkUp.value == 0 && f.offset.value <= 1 {
			f.offset = reading{} // it copies everything, or has not begun to
		}
	}
	for _, s := range x.sections {
		switch lines := x.lines[s.first:s.end]; string(snakeName(x.name(s))) {
		case "keyspace":
			f.keys, _ = sumKeys(&x, lines)
		case "replication":
			f.replicas = readReplicas(&x, lines)
		}
	}
	return nil
}

func readReplicas(x *infoText, lines []infoLine) []replicaFigures {
	var out []replicaFigures
	for _, l := range lines {
		if !isReplicaField(l.key(x.text)) {
			continue
		}
		var ip, port, state string
		var r replicaFigures
		for _, p := range infoPairs(l.value(x.text), nil) {
			switch string(p.key) {
			case "ip":
				ip = string(p.value)
			case "port":
				port = string(p.value)
			case "state":
				state = string(p.value)
			case "offset":
				r.offset = parseReading(p.value)
			case "lag":
				r.lag = parseReading(p.value)
			}
		}
		if r.addr = net.JoinHostPort(ip, port); state == "online" {
			out = append(out, r)
		}
	}
	return out
}

// replicaLag compares a replica with its master: by what the master says of it
// in one reply, else by the two ends, which were not asked in the same instant.
func replicaLag(replica, master *clusterMember) (lagBytes, lag reading) {
	if replica.err != nil || master == nil || master.err != nil {
		return reading{}, reading{}
	}
	theirs := replica.figures.offset
	for _, r := range master.figures.replicas {
		if r.addr == replica.addr {
			lag = r.lag
			if r.offset.value != 0 { // it has confirmed something
				theirs = r.offset
			}
		}
	}
	if ours := master.figures.offset; ours.known && theirs.known {
		if behind, ok := unconfirmed(max(ours.value, theirs.value), theirs.value); ok {
			lagBytes = reading{behind, true}
		}
	}
	return lagBytes, lag
}

// clusterView is what remains of one node's CLUSTER NODES.
type clusterView struct {
	digest  uint64
	failing []string // ids
	moves   []slotMove
}

// newClusterView keeps who fails, and a digest of what the nodes of a settled
// cluster agree on: who is there, in which role, with which slots, and who has
// failed. A mere suspicion (fail?) is each node's own.
func newClusterView(nodes []clusterNode) *clusterView {
	v := &clusterView{}
	var lines []string
	for i := range nodes {
		n := &nodes[i]
		if n.failing() {
			v.failing = append(v.failing, n.id)
		}
		// From Valkey 8 on replicas repeat what their master has under way.
		if n.is("myself") && !n.is("slave") {
			v.moves = n.moves
		}
		if n.is("handshake") {
			continue
		}
		sorted := slices.Clone(n.slots)
		slices.SortFunc(sorted, func(a, b slotRange) int { return cmp.Compare(a.first, b.first) })
		lines = append(lines, strings.Join([]string{
			n.id, strconv.FormatBool(n.is("master")), strconv.FormatBool(n.is("fail")), n.master, slotText(sorted),
		}, "|"))
	}
	slices.Sort(lines)
	h := fnv.New64a()
	for _, line := range lines {
		_, _ = h.Write([]byte(line + "\n")) // a hash.Hash never fails
	}
	v.digest = h.Sum64()
	return v
}
