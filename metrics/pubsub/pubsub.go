package pubsub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Get counts the channels, patterns and shard channels with subscribers, and the
// subscribers of the channels that the item names. In a cluster a client may subscribe
// at any node, so all nodes are asked in parallel, and the subscribers of the named
// channels are added up.
//
// The members in addition to the head; each is left out if it is not known:
//
//	view            server, or cluster when the nodes of a cluster were asked
//	channels        channels with subscribers of their own, of this node
//	patterns        patterns with subscribers, of all nodes that answered
//	shard_channels  shard channels with subscribers, of this node; Redis 7.0.3 and
//	                newer
//	clients         clients that subscribe, of this node; Redis 8.0, Valkey 8.0 and
//	                newer
//	names           channels of this node, sorted, at most maxNames; left out where
//	                there are more than maxListed
//	named           a row for each channel that the item names: [{"channel":"news",
//	                "subscribers":2,"shard_subscribers":0,"heard":1}]; subscribers
//	                are those of the channel itself, and not of a pattern that
//	                matches it: a server does not tell patterns. So heard is 1 with
//	                a subscriber of either kind, 0 when there is none and no
//	                pattern either, and unknown otherwise
//	unheard         named channels with heard 0; left out when heard of one is
//	                unknown and of no other 0
//	partial         of a cluster: true when not every node answered
//	unanswered      those: [{"addr":"10.0.0.2:6379","reason":"…","error":"…"}]
//	unavailable     what the server refused
//	truncated       names and unanswered nodes that were left out
//
// It takes one round trip, and one more if INFO shows channels, shard channels or a
// cluster, whose nodes are asked in one round trip each. Source:
// https://redis.io/docs/latest/commands/pubsub-numsub/
var Get = &item.Metric{
	Key:         "redis.pubsub.get",
	Description: "Returns the number of channels, patterns and shard channels with subscribers, and the subscribers of named channels, as JSON.",
	Params: item.ConnParams(item.Param{
		Name: "Channels", Check: checkChannels,
		Description: "names of channels, separated by blanks",
	}),
	Commands: []string{"info", "pubsub|channels", "pubsub|numsub", "pubsub|shardnumsub", "cluster|nodes", "cluster|myid"},
	Collect:  collect,
}

const (
	// maxNamed bounds the channels that an item names.
	maxNamed = 100
	// maxListed is up to how many channels a server is asked for their names, which
	// take it up to a microsecond each, and maxNames how many are shown.
	maxListed = ask.MaxRows
	maxNames  = 100
)

func channelsOf(value string) []string {
	names := strings.Fields(value)
	slices.Sort(names)
	return slices.Compact(names)
}

func checkChannels(value string) error {
	if n := len(channelsOf(value)); n > maxNamed {
		return fmt.Errorf("at most %d channels can be named, got %d", maxNamed, n)
	}
	return nil
}

// poll is what one poll asks and learns of the server itself.
type poll struct {
	named       []string
	info, names *ask.Part
	nodes       *ask.Part
	here        node
	others      []*node
	partial     bool
	inCluster   bool
	total       node // of all nodes that answered
	x           info.Text
	clients     info.Reading
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	p := &poll{
		named: channelsOf(r.Arg("Channels")), info: &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}},
		names: &ask.Part{Name: "names", Cmd: redisclient.Command{"PUBSUB", "CHANNELS"}}, nodes: cluster.NodesPart(),
	}
	p.here = node{target: t, named: p.named}
	if err := p.ask(ctx, t); err != nil {
		return ask.Down(w, t.Name, err)
	}
	p.sum()
	var cut ask.Truncations
	w.Grow(1 << 10)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	p.write(w, &cut)
	ask.Unavailable(w, append([]*ask.Part{p.info, p.names, p.nodes}, p.here.parts()...)...)
	cut.Write(w)
	w.EndObject()
	return nil
}

// ask asks the server, then for what its INFO shows to be worth asking, and the
// other nodes of its cluster.
func (p *poll) ask(ctx context.Context, t *item.Target) error {
	first := append([]*ask.Part{p.info}, p.here.subscribers()...)
	if err := ask.Do(ctx, t, first...); err != nil {
		return err
	}
	if err := ask.StateProblem(first...); err != nil {
		return err
	}
	p.here.read(p.info)
	p.x, p.clients = p.here.x, p.here.count("clients", "pubsub_clients")
	var more []*ask.Part
	if n := p.here.channels; n.Known && n.Value > 0 && n.Value <= maxListed {
		more = append(more, p.names)
	}
	if shard := p.here.askShards(); shard != nil {
		more = append(more, shard)
	}
	enabled, _ := p.x.Field("cluster", "cluster_enabled")
	if p.inCluster = string(enabled) == "1"; p.inCluster && len(p.named) > 0 {
		more = append(more, p.nodes)
	}
	if len(more) > 0 {
		if err := ask.Do(ctx, t, more...); err != nil {
			for _, part := range more {
				part.Err = err
			}
		}
	}
	p.here.readShards()
	if p.inCluster && len(p.named) > 0 && p.nodes.Err == nil {
		p.askNodes(ctx, t)
	}
	return nil
}

// askNodes asks the other nodes of a cluster.
func (p *poll) askNodes(ctx context.Context, t *item.Target) {
	nodes, entry, unreadable, err := cluster.ReadNodes(t, p.nodes)
	if err != nil {
		p.nodes.Err = err
		return
	}
	p.partial = unreadable > 0 || len(nodes) > ask.MaxRows
	for i, n := range nodes[:min(len(nodes), ask.MaxRows)] {
		if i != entry {
			p.others = append(p.others, &node{id: n.ID, addr: n.Addr, target: n.Target, err: n.Err, named: p.named, shards: p.here.shards})
		}
	}
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	ask.SideBySide(len(p.others), func(i int) {
		if n := p.others[i]; n.err == nil {
			n.err = n.ask(ctx)
		}
	}, func(i int, err error) { p.others[i].err = err })
}

// sum adds up what the nodes told. A figure that one of them did not tell is
// unknown.
func (p *poll) sum() {
	p.total = p.here
	p.total.counts = slices.Clone(p.here.counts)
	p.total.shardCounts = slices.Clone(p.here.shardCounts)
	for _, n := range p.others {
		if n.err != nil {
			p.partial = true
			continue
		}
		p.total.patterns = plus(p.total.patterns, n.patterns)
		p.total.counts = plusAll(p.total.counts, n.counts)
		p.total.shardCounts = plusAll(p.total.shardCounts, n.shardCounts)
	}
	if p.inCluster && p.nodes.Err != nil {
		p.partial = true
	}
}

func plus(a, b info.Reading) info.Reading {
	return info.Reading{Value: a.Value + b.Value, Known: a.Known && b.Known}
}

// plusAll adds lists of one length; nil is unknown.
func plusAll(a, b []int64) []int64 {
	if a == nil || len(a) != len(b) {
		return nil
	}
	for i := range a {
		a[i] += b[i]
	}
	return a
}

func (p *poll) write(w *jsondoc.Writer, cut *ask.Truncations) {
	view := "server"
	if p.inCluster && len(p.named) > 0 && p.nodes.Err == nil {
		view = "cluster"
	}
	w.Key("view").String(view)
	info.WriteReading(w, "channels", p.here.channels)
	info.WriteReading(w, "patterns", p.total.patterns)
	info.WriteReading(w, "shard_channels", p.here.shards)
	info.WriteReading(w, "clients", p.clients)
	p.writeNames(w, cut)
	p.writeNamed(w)
	if view == "cluster" {
		w.Key("partial").Bool(p.partial)
		p.writeUnanswered(w, cut)
	}
}

func (p *poll) writeNames(w *jsondoc.Writer, cut *ask.Truncations) {
	n := p.here.channels
	if !n.Known || n.Value > maxListed || p.names.Err != nil {
		return
	}
	var names []string
	if n.Value > 0 {
		if names, p.names.Err = p.names.Value.Strings(); p.names.Err != nil {
			return
		}
	}
	slices.Sort(names)
	w.Key("names").BeginArray()
	for _, name := range names[:cut.LimitTo("names", len(names), maxNames)] {
		w.String(ask.Clip(name, ask.MaxName))
	}
	w.EndArray()
}

func (p *poll) writeNamed(w *jsondoc.Writer) {
	if len(p.named) == 0 || p.total.counts == nil {
		return
	}
	unheard, unknown := 0, 0
	w.Key("named").BeginArray()
	for i, name := range p.named {
		w.BeginObject()
		w.Key("channel").String(name)
		w.Key("subscribers").Int(p.total.counts[i])
		heard := p.total.counts[i] > 0
		certain := !p.partial && p.total.patterns.Known && p.total.patterns.Value == 0
		switch {
		case p.total.shardCounts != nil:
			w.Key("shard_subscribers").Int(p.total.shardCounts[i])
			heard = heard || p.total.shardCounts[i] > 0
		case p.here.hasShards():
			certain = false
		}
		switch {
		case heard:
			w.Key("heard").Int(1)
		case certain:
			w.Key("heard").Int(0)
			unheard++
		default:
			unknown++
		}
		w.EndObject()
	}
	w.EndArray()
	if unheard > 0 || unknown == 0 {
		w.Key("unheard").Int(int64(unheard))
	}
}

func (p *poll) writeUnanswered(w *jsondoc.Writer, cut *ask.Truncations) {
	silent := slices.DeleteFunc(slices.Clone(p.others), func(n *node) bool { return n.err == nil })
	w.Key("unanswered").BeginArray()
	for _, n := range silent[:cut.LimitTo("unanswered", len(silent), maxNames)] {
		w.BeginObject()
		w.Key("addr").String(n.addr)
		w.Key("reason").String(string(redisclient.ReasonOf(n.err)))
		w.Key("error").String(ask.ErrorLine(n.addr, n.err))
		w.EndObject()
	}
	w.EndArray()
}

var errNumsub = errors.New("the reply is no list of the channels and their subscribers")
