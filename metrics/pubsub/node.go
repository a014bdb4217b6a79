package pubsub

import (
	"context"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// node is a server and what it tells of its subscribers.
type node struct {
	id, addr string
	target   *item.Target
	err      error // why another node did not answer

	named         []string
	numsub, shard *ask.Part
	x             info.Text
	// shards are the shard channels; that they are known says that the server has
	// such channels.
	channels, patterns, shards info.Reading
	// counts and shardCounts are the subscribers of the named channels, in their
	// order; nil when unknown.
	counts, shardCounts []int64
}

// subscribers is the question for those of the named channels.
func (n *node) subscribers() []*ask.Part {
	if len(n.named) == 0 {
		return nil
	}
	n.numsub = &ask.Part{Name: "named", Cmd: append(redisclient.Command{"PUBSUB", "NUMSUB"}, n.named...), As: "PUBSUB NUMSUB"}
	return []*ask.Part{n.numsub}
}

// askShards is the question for the subscribers of shard channels, where there
// are such channels: nil where INFO does not tell of them, and where none has a
// subscriber. Valkey and Redis from 7.0.3 on do.
func (n *node) askShards() *ask.Part {
	if len(n.named) == 0 || !n.hasShards() {
		return nil
	}
	n.shard = &ask.Part{Name: "shard_named", Cmd: append(redisclient.Command{"PUBSUB", "SHARDNUMSUB"}, n.named...), As: "PUBSUB SHARDNUMSUB"}
	return n.shard
}

func (n *node) hasShards() bool { return n.shards.Known }

func (n *node) parts() []*ask.Part {
	var out []*ask.Part
	for _, p := range []*ask.Part{n.numsub, n.shard} {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// read reads INFO and the subscribers; reply says why there is no INFO.
func (n *node) read(reply *ask.Part) {
	if reply.Err == nil {
		var text []byte
		if text, reply.Err = info.Reply(reply.Value); reply.Err == nil {
			n.x, reply.Err = info.Scan(text, nil, nil)
		}
	}
	if reply.Err == nil {
		n.channels, n.patterns = n.count("stats", "pubsub_channels"), n.count("stats", "pubsub_patterns")
		n.shards = n.count("stats", "pubsubshard_channels")
	}
	n.counts = readCounts(n.numsub, n.named)
}

func (n *node) readShards() { n.shardCounts = readCounts(n.shard, n.named) }

func (n *node) count(section, field string) info.Reading {
	value, ok := n.x.Field(section, field)
	if !ok {
		return info.Reading{}
	}
	return info.ParseCount(value)
}

// ask asks another node of a cluster, all in one round trip.
func (n *node) ask(ctx context.Context) error {
	server, id := &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO", "stats"}}, cluster.IDPart()
	parts := append([]*ask.Part{server, id}, n.subscribers()...)
	if shard := n.askShards(); shard != nil { // as the node that was asked first has them
		parts = append(parts, shard)
	}
	if err := ask.Do(ctx, n.target, parts...); err != nil {
		return err
	}
	if err := cluster.IsNode(n.id, id); err != nil {
		return err
	}
	n.read(server)
	n.readShards()
	for _, p := range []*ask.Part{server, n.numsub, n.shard} {
		if p != nil && p.Err != nil {
			return p.Err
		}
	}
	return nil
}

// readCounts reads channels and their subscribers in turn, as RESP2 has a map. The
// part says why they are not known.
func readCounts(p *ask.Part, named []string) []int64 {
	if p == nil || p.Err != nil {
		return nil
	}
	var pairs []resp.Value
	if pairs, p.Err = p.Value.Pairs(); p.Err != nil {
		return nil
	}
	out := make([]int64, len(named))
	for i, name := range named {
		value, ok := ask.FieldOf(pairs, name)
		n, err := value.Int64()
		if !ok || err != nil || n < 0 {
			p.Err = errNumsub
			return nil
		}
		out[i] = n
	}
	return out
}
