package hot

import (
	"context"
	"errors"
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
// Valkey 8.0 on. Of a cluster all masters that have slots are asked, side by side.
//
// The members beside the head, each left out when unknown:
//
//	view          server, or cluster when the nodes of a cluster were asked
//	keys          {"nodes":1,"tracking":1,"started":1795994587.904,"duration":60.5,
//	              "sample_ratio":1,"by_cpu":[{"key":"cart:7","server":"10.0.0.2:6379",
//	              "cpu":0.9,"share":56.2}],"by_network":[{"key":"cart:7",
//	              "server":"…","bytes":91234,"share":12.5}]}: nodes is how many
//	              servers have tracked keys; tracking is 1 while one of them does, 0
//	              when all were stopped and what they found is left; started is unix time, duration seconds, cpu seconds; share is
//	              percent of all commands on that server, and unknown when not all
//	              keys were tracked (sample_ratio above 1)
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
// the candidates slots of each node with the highest counts. by_cpu and by_network
// want cluster-slot-stats-enabled, which is off by default and costs the server some
// percent of its speed.
//
// The server itself is asked in two round trips, the other nodes in one.
// Sources: https://redis.io/docs/latest/commands/hotkeys-get/,
// https://redis.io/docs/latest/commands/cluster-slot-stats/,
// https://valkey.io/commands/cluster-slot-stats/
var Get = &item.Metric{
	Key:         "redis.hot.get",
	Description: "Returns the keys and hash slots that a server or cluster works most for, as JSON.",
	Params:      item.ConnParams(),
	Commands:    []string{"info", "config|get", "hotkeys|get", "cluster|nodes", "cluster|slot-stats"},
	Collect:     collect,
}

const (
	// maxRows is how many rows a list has.
	maxRows = 10
	// candidates is how many slots of one order a node is asked for.
	candidates = 50
)

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
	info, config, nodes *ask.Part
	id                  info.Identity
	inCluster           bool
	here                *node
	others              []*node
	partial             bool
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	p := &poll{
		info:   &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}},
		config: configPart(), nodes: cluster.NodesPart(),
	}
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

// ask asks the server who it is, then for what such a server knows, and the other
// masters of its cluster.
func (p *poll) ask(ctx context.Context, t *item.Target) error {
	if err := ask.Do(ctx, t, p.info, p.config); err != nil {
		return err
	}
	if err := ask.StateProblem(p.info); err != nil {
		return err
	}
	if p.info.Err == nil {
		text, err := info.Reply(p.info.Value)
		var x info.Text
		if err == nil {
			x, err = info.Scan(text, nil, nil)
		}
		if p.info.Err = err; err == nil {
			p.id = info.Identify(&x)
			enabled, _ := x.Field("cluster", "cluster_enabled")
			p.inCluster = string(enabled) == "1"
		}
	}
	p.here = newNode("", "", t, nil, &p.id, p.inCluster, p.config)
	parts := p.here.parts(p.here.statsOff())
	if p.inCluster && len(parts) > 0 {
		parts = append(parts, p.nodes)
	}
	if len(parts) > 0 {
		if err := ask.Do(ctx, t, parts...); err != nil {
			for _, part := range parts {
				part.Err = err
			}
		}
	}
	if p.inCluster && len(parts) > 0 && p.nodes.Err == nil {
		p.askNodes(ctx, t)
	}
	p.here.read()
	return nil
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
			p.others = append(p.others, newNode(n.ID, n.Addr, n.Target, n.Err, &p.id, true, configPart()))
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
	asCluster := p.inCluster && p.nodes.Err == nil && p.here.addr != ""
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
	missing = append(missing, writeSlots(w, t, nodes, p.inCluster)...)
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
