package hot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Get tells which keys and hash slots a server works most for, as far as it
// counts that itself: hot keys from Redis 8.6 on while somebody has started that
// (HOTKEYS START, which this key never does), slots of a cluster from Redis 8.2 and
// Valkey 8.0 on. Of a cluster all masters that have slots are asked, side by side,
// unless the item says server.
//
// The members beside the head, each left out when unknown:
//
//	view          server, or cluster when the nodes of a cluster were asked
//	keys          {"nodes":1,"tracking":1,"started":1795994587.904,"duration":60.5,
//	              "sample_ratio":1,"by_cpu":[{"key":"cart:7","server":"10.0.0.2:6379",
//	              "cpu":0.9,"share":56.2}],"by_network":[{"key":"cart:7",
//	              "server":"…","bytes":91234,"share":12.5}]}: nodes is how many
//	              servers have tracked keys; tracking is 1 while one of them does,
//	              0 when all were stopped and what they found is left; started is
//	              unix time, duration seconds, cpu seconds; share is percent of all
//	              commands on that server, and unknown when not all keys were
//	              tracked (sample_ratio above 1)
//	slots         {"by_keys":[…],"by_cpu":[…],"by_network":[…]}, rows of slots with
//	              what is known of them: [{"slot":449,"server":"10.0.0.2:6379",
//	              "keys":1200,"memory":91234,"cpu":12.5,"network_in":28000,
//	              "network_out":5000,"cpu_percent":3.5,"network_in_per_second":100.5,
//	              "network_out_per_second":20}]; memory in bytes (Redis 8.4), cpu in
//	              seconds and network in bytes since the node counts them, and the
//	              last three of the last window seconds
//	window        seconds
//	partial       of a cluster: true when not every master has told
//	unanswered    those: [{"addr":"10.0.0.2:6379","reason":"…","error":"…"}]
//	unavailable   why there are no keys, slots, slots_by_cpu or slots_by_network, or
//	              not those of all nodes
//	truncated     unanswered nodes that were left out
//
// Each list has at most maxRows rows, the hottest first, of all servers that were
// asked. Slots are ordered by what they do in the window, where that is known, among
// the maxCandidates slots of each node with the highest counts of keys, of CPU time and
// of bytes received; network is what they receive and send. by_cpu and by_network
// want cluster-slot-stats-enabled, which is off by default and costs the server some
// percent of its speed.
//
// Each server is asked in two round trips.
// Sources: https://redis.io/docs/latest/commands/hotkeys-get/,
// https://redis.io/docs/latest/commands/cluster-slot-stats/,
// https://valkey.io/commands/cluster-slot-stats/
var Get = &item.Metric{
	Key:         "redis.hot.get",
	Description: "Returns the keys and hash slots that a server or cluster works most for, as JSON.",
	Params: item.ConnParams(item.Param{
		Name: "Scope", Default: "cluster", Check: checkScope,
		Description: "cluster: all masters of its cluster; server: this server alone",
	}),
	Commands: []string{"info", "config|get", "hotkeys|get", "cluster|myid", "cluster|nodes", "cluster|slot-stats"},
	Collect:  collect,
}

const (
	// maxRows is how many rows a list has.
	maxRows = 10
	// maxCandidates is how many slots of one order a node is asked for.
	maxCandidates = 50
)

func checkScope(value string) error {
	if value != "cluster" && value != "server" {
		return fmt.Errorf("%q is neither cluster nor server", value)
	}
	return nil
}

var (
	errNoHotkeys  = errors.New("this server does not track hot keys: Redis does from 8.6 on")
	errNotStarted = errors.New("nobody has started the tracking of hot keys: HOTKEYS START METRICS 2 CPU NET DURATION 60 starts it for a minute")
	errNoCluster  = errors.New("the server is no node of a cluster")
	errNoStats    = errors.New("this server does not count what slots do: Redis does from 8.2 on, Valkey from 8.0 on")
	errStatsOff   = errors.New("the setting cluster-slot-stats-enabled is off")
	errNoMaster   = errors.New("no master of the cluster has told")
)

// poll is what one poll asks and learns.
type poll struct {
	info, nodes *ask.Part
	can         abilities
	alone       bool // the other masters are not asked
	here        *node
	others      []*node
	partial     bool
}

// abilitiesMemory is where a target's Memory has what the server could tell at the
// last poll.
const abilitiesMemory = "redis.hot.get abilities"

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	p := &poll{info: &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}}, nodes: cluster.NodesPart(), alone: r.Arg("Scope") == "server"}
	if err := p.ask(ctx, t); err != nil {
		return ask.Down(w, t.Name, err)
	}
	var cut ask.Truncations
	w.Grow(4 << 10)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	missing := p.write(w, t, &cut)
	ask.Unavailable(w, append([]*ask.Part{p.info, p.nodes}, missing...)...)
	cut.Write(w)
	w.EndObject()
	return nil
}

// ask asks the server who it is and what it could tell at the last poll, then for
// the rest, and the other masters of its cluster.
func (p *poll) ask(ctx context.Context, t *item.Target) error {
	v, _ := t.Memory.Load(abilitiesMemory)
	known, _ := v.(abilities)
	p.here = newNode(t, known)
	first := p.questions(known)
	if err := ask.Do(ctx, t, append([]*ask.Part{p.info, p.here.config}, first...)...); err != nil {
		return err
	}
	if err := ask.StateProblem(p.info); err != nil {
		return err
	}
	p.readInfo()
	if p.info.Err != nil {
		return nil
	}
	t.Memory.Store(abilitiesMemory, p.can)
	if p.can != known {
		for _, part := range first {
			part.Forget(t) // another server refused it
		}
		config := p.here.config
		p.here, p.nodes = newNode(t, p.can), cluster.NodesPart()
		p.here.config = config
		askMore(ctx, t, append(p.questions(p.can), p.here.more()...))
	}
	if p.can.slots && !p.alone && p.nodes.Err == nil {
		p.askNodes(ctx, t)
	}
	if p.can == known {
		askMore(ctx, t, p.here.more())
	}
	p.here.read()
	return nil
}

// questions are those for the server itself that do not depend on its answers.
func (p *poll) questions(can abilities) []*ask.Part {
	out := p.here.first()
	if can.slots && !p.alone {
		out = append(out, p.nodes)
	}
	return out
}

func (p *poll) readInfo() {
	if p.info.Err != nil {
		return
	}
	var text []byte
	if text, p.info.Err = info.Reply(p.info.Value); p.info.Err != nil {
		return
	}
	var x info.Text
	if x, p.info.Err = info.Scan(text, nil, nil); p.info.Err != nil {
		return
	}
	id := info.Identify(&x)
	enabled, _ := x.Field("cluster", "cluster_enabled")
	p.can = abilitiesOf(&id, string(enabled) == "1")
}

// askNodes asks the other masters that have slots.
func (p *poll) askNodes(ctx context.Context, t *item.Target) {
	nodes, entry, unreadable, err := cluster.ReadNodes(t, p.nodes)
	if err != nil {
		p.nodes.Err = err
		return
	}
	p.partial = unreadable > 0
	for i, n := range nodes {
		switch {
		case i == entry:
			p.here.addr, p.here.replica = n.Addr, n.Slots == 0
		case n.Slots > 0 && len(p.others) == ask.MaxRows:
			p.partial = true
		case n.Slots > 0:
			other := newNode(n.Target, p.can) // it is taken to be like this one
			other.id, other.addr, other.err = n.ID, n.Addr, n.Err
			p.others = append(p.others, other)
		}
	}
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	ask.SideBySide(len(p.others), func(i int) {
		if n := p.others[i]; n.err == nil {
			n.err = n.ask(ctx)
		}
	}, func(i int, err error) { p.others[i].err = err })
	p.partial = p.partial || slices.ContainsFunc(p.others, func(n *node) bool { return n.err != nil })
}

// answered are the nodes that told.
func (p *poll) answered() (out []*node) {
	for _, n := range append([]*node{p.here}, p.others...) {
		if n.err == nil {
			out = append(out, n)
		}
	}
	return out
}

// write writes the members, and returns why some are missing.
func (p *poll) write(w *jsondoc.Writer, t *item.Target, cut *ask.Truncations) []*ask.Part {
	asCluster := p.can.slots && !p.alone && p.nodes.Err == nil && p.here.addr != ""
	if asCluster {
		w.Key("view").String("cluster")
	} else if p.info.Err == nil {
		w.Key("view").String("server")
	}
	if p.info.Err != nil {
		return nil
	}
	nodes := p.answered()
	missing := []*ask.Part{writeKeys(w, nodes)}
	missing = append(missing, writeSlots(w, t, nodes, p.can.inCluster)...)
	if asCluster {
		w.Key("partial").Bool(p.partial)
		silent := slices.DeleteFunc(slices.Clone(p.others), func(n *node) bool { return n.err == nil })
		w.Key("unanswered").BeginArray()
		for _, n := range silent[:cut.LimitTo("unanswered", len(silent), 10*maxRows)] {
			w.BeginObject()
			w.Key("addr").String(n.addr)
			w.Key("reason").String(string(redisclient.ReasonOf(n.err)))
			w.Key("error").String(ask.ErrorLine(n.addr, n.err))
			w.EndObject()
		}
		w.EndArray()
	}
	return missing
}
