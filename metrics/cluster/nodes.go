package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/redisclient"
)

// totalSlots is the number of hash slots of a cluster.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
const totalSlots = 16384

// node is one line of CLUSTER NODES: what one node thinks of another.
type node struct {
	id string // its address where it has none of its own
	// addr is host:port for clients, with brackets round an IPv6 address: of the IP
	// address, or of the announced name where that is all there is; ":port" where
	// the node does not know its own host yet, "" where there is no address
	// (noaddr).
	addr       string
	ip         string   // as the cluster's bus has it; "" when not known
	port       string   // for clients
	hostname   string   // announced, or ""
	flags      []string // in Redis' words, without "noflags"
	master     string   // the id of a replica's master, or ""
	masterless bool     // a replica whose master has no id
	epoch      info.Reading
	connected  bool
	slots      []slotRange // ascending as Redis prints them
	moves      []slotMove  // only of the node that printed the line
}

// slotRange is the slots from first to last, both included.
type slotRange struct{ first, last int }

// slotMove is a slot that a node hands over to another, or takes from it.
type slotMove struct {
	slot      int
	importing bool   // else migrating
	other     string // the other node's id
}

func (n *node) is(flag string) bool { return slices.Contains(n.flags, flag) }

// failing reports whether the node that printed the line cannot reach this one (fail?,
// or it has no address of it: noaddr), or the masters have agreed that nobody can (fail).
// Redis does not ping a node without an address, and so does not flag it fail; Valkey does.
// Source: redis src/cluster.c, clusterCron and clusterProcessPacket (mismatching sender)
func (n *node) failing() bool { return n.is("fail") || n.is("fail?") || n.is("noaddr") }

// takesOver reports whether the node, a replica, becomes the master when that fails:
// one with cluster-replica-no-failover does so only by CLUSTER FAILOVER.
func (n *node) takesOver() bool { return !n.failing() && !n.is("nofailover") }

func (n *node) slotCount() int {
	count := 0
	for _, r := range n.slots {
		count += r.last - r.first + 1
	}
	return count
}

// slotText is the slots as Redis writes them: "0-5460 5462".
func (n *node) slotText() string { return slotText(n.slots) }

func slotText(ranges []slotRange) string {
	var b strings.Builder
	for i, r := range ranges {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(r.first))
		if r.last > r.first {
			b.WriteString("-" + strconv.Itoa(r.last))
		}
	}
	return b.String()
}

// maxNodes bounds the nodes of a cluster, which are kept while its nodes are asked.
const maxNodes = 2000

var (
	errNoNodes      = errors.New("the reply to CLUSTER NODES is empty")
	errTooManyNodes = fmt.Errorf("the reply to CLUSTER NODES has more than the %d nodes that clusters have at most", maxNodes)
	errTooManySlots = fmt.Errorf("the reply to CLUSTER NODES gives away more than the %d slots there are", totalSlots)
)

// parseNodes reads the reply to CLUSTER NODES, a line per node:
//
//	<id> <ip:port@cport[,hostname[,…]]> <flags> <master> <ping> <pong> <epoch> <link> <slot> …
//
// where a slot is 5, 5-9, [5->-id] (migrating) or [5-<-id] (importing), and
// servers before Redis 4 print no @cport. A line that cannot be read is left out,
// and counted: a node that is missing must not look like one that left. Of two
// lines of one node that which has an address counts. A reply of which nothing
// can be read is refused.
//
// Dragonfly that plays a cluster may leave out the id of a replica's master, or give
// all replicas one id: they go by their addresses.
// Source: https://redis.io/docs/latest/commands/cluster-nodes/; dragonfly issues 7771
// and 2734
func parseNodes(text string) (nodes []node, unreadable int, err error) {
	if len(text) > redisclient.MaxClusterNodes {
		return nil, 0, redisclient.ErrClusterNodes
	}
	index := make(map[string]int)
	lines, slots := 0, 0
	var first error
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n ")
		if line == "" {
			continue
		}
		fields := strings.Split(line, " ")
		lines++
		n, err := parseNode(fields)
		if err != nil {
			unreadable++
			if first == nil {
				first = fmt.Errorf("line %d of CLUSTER NODES: %w", lines, err)
			}
			continue
		}
		if len(nodes) == maxNodes {
			return nil, 0, errTooManyNodes
		}
		at, seen := index[n.id]
		switch {
		case !seen:
			index[n.id] = len(nodes)
			nodes = append(nodes, n)
		case nodes[at].addr == "" && n.addr != "" || n.is("myself"):
			slots -= nodes[at].slotCount()
			nodes[at] = n
		case n.addr != "" && n.addr != nodes[at].addr && n.is("slave") && nodes[at].is("slave") && !nodes[at].is("myself"):
			nodes[at].goByAddr()
			n.goByAddr()
			nodes = append(nodes, n)
		default:
			continue
		}
		if slots += n.slotCount(); slots > totalSlots {
			return nil, 0, errTooManySlots
		}
	}
	switch {
	case len(nodes) == 0 && first != nil:
		return nil, 0, first
	case len(nodes) == 0:
		return nil, 0, errNoNodes
	}
	nameMaster(nodes)
	return nodes, unreadable, nil
}

func (n *node) goByAddr() { n.id = n.addr }

// isAddr tells an id that is an address from one of the node's own.
func isAddr(id string) bool { return strings.Contains(id, ":") }

// nameMaster names the one master without an id as that of the replicas whose master
// has none.
func nameMaster(nodes []node) {
	id := ""
	for i := range nodes {
		if n := &nodes[i]; isAddr(n.id) && n.is("master") {
			if id != "" {
				return
			}
			id = n.id
		}
	}
	for i := range nodes {
		if n := &nodes[i]; n.masterless {
			n.master = id
		}
	}
}

func parseNode(fields []string) (node, error) {
	var n node
	if len(fields) < 8 {
		return n, fmt.Errorf("expected at least 8 fields, got %d", len(fields))
	}
	n.id = fields[0]
	n.parseAddr(fields[1])
	for flag := range strings.SplitSeq(fields[2], ",") {
		if flag != "noflags" && flag != "" {
			n.flags = append(n.flags, flag)
		}
	}
	if n.is("noaddr") {
		n.addr, n.ip, n.port, n.hostname = "", "", "", ""
	}
	if n.id == "" {
		if n.goByAddr(); n.id == "" {
			return n, errors.New("a node without an id and an address")
		}
	}
	if fields[3] != "-" {
		n.master, n.masterless = fields[3], fields[3] == ""
	}
	n.epoch = info.ParseCount([]byte(fields[6]))
	n.connected = fields[7] == "connected"
	for _, field := range fields[8:] {
		if field == "" {
			continue
		}
		if err := n.addSlots(field); err != nil {
			return n, err
		}
	}
	return n, nil
}

// parseAddr reads the second field. The port for clients stands before the @; an
// IPv6 address has no brackets there. A host that the server does not know is
// empty, or "?". What is no address leaves the node without one.
func (n *node) parseAddr(field string) {
	field, rest, _ := strings.Cut(field, ",")
	hostname, _, _ := strings.Cut(rest, ",")
	if hostname != "?" && !strings.Contains(hostname, "=") { // that is the first of further fields
		n.hostname = hostname
	}
	field, _, _ = strings.Cut(field, "@")
	colon := strings.LastIndexByte(field, ':')
	if colon < 0 {
		return
	}
	host, port := strings.Trim(field[:colon], "[]"), field[colon+1:]
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return
	}
	n.port = port
	switch {
	case host == "?" || host == "":
	case net.ParseIP(host) != nil:
		n.ip = host
	case n.hostname == "": // announced in place of the address
		n.hostname = host
	}
	n.addr = net.JoinHostPort(cmp.Or(n.ip, n.hostname), port)
}

// addSlots reads one of the last fields.
func (n *node) addSlots(field string) error {
	if move, ok := strings.CutPrefix(field, "["); ok {
		move = strings.TrimSuffix(move, "]")
		number, other, found := strings.Cut(move, "->-")
		if !found {
			number, other, found = strings.Cut(move, "-<-")
			n.moves = append(n.moves, slotMove{importing: true})
		} else {
			n.moves = append(n.moves, slotMove{})
		}
		slot, err := parseSlot(number)
		if !found || err != nil || other == "" {
			return fmt.Errorf("%q is no moving slot", ask.ClipBytes([]byte(field)))
		}
		last := &n.moves[len(n.moves)-1]
		last.slot, last.other = slot, other
		return nil
	}
	from, to, isRange := strings.Cut(field, "-")
	first, err := parseSlot(from)
	if err != nil {
		return err
	}
	last := first
	if isRange {
		if last, err = parseSlot(to); err != nil {
			return err
		}
	}
	if last < first {
		return fmt.Errorf("%q is no range of slots", ask.ClipBytes([]byte(field)))
	}
	n.slots = append(n.slots, slotRange{first, last})
	return nil
}

func parseSlot(text string) (int, error) {
	slot, err := strconv.ParseUint(text, 10, 16)
	if err != nil || slot >= totalSlots {
		return 0, fmt.Errorf("%q is no hash slot", ask.ClipBytes([]byte(text)))
	}
	return int(slot), nil
}

// slotSet says of each slot whether somebody has it.
type slotSet [totalSlots]bool

func (s *slotSet) add(ranges []slotRange) {
	for _, r := range ranges {
		for slot := r.first; slot <= r.last; slot++ {
			s[slot] = true
		}
	}
}

// missing are the slots that are not in the set.
func (s *slotSet) missing() (out []slotRange, count int) {
	for slot, has := range s {
		if has {
			continue
		}
		count++
		if n := len(out); n > 0 && out[n-1].last == slot-1 {
			out[n-1].last = slot
		} else {
			out = append(out, slotRange{slot, slot})
		}
	}
	return out, count
}
