package config

import (
	"context"
	"errors"
	"net"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/settings"
	"redisjobs/redisclient"
)

// peer is another server that should have the same settings.
type peer struct {
	addr   string
	target *item.Target
	// parts are what it is asked, and read what becomes of the answers.
	parts []*ask.Part
	read  func() (settings.Settings, error)

	err         error
	differences []settings.Difference
	onlyOne     int
	fingerprint string
}

// group are a server and those that it is compared with.
type group struct {
	kind  string // replicas, primary, cluster or sentinels; "" for none
	mine  settings.Settings
	peers []*peer
	// partial: there are more that are not known.
	partial bool
}

var errBehind = errors.New("the replica is still synchronizing with its primary, or its link is down: it does not have the same history of writes")

var errStranger = errors.New("another server answers here: it does not follow the same history of writes")

// replicasOf are the replicas of a primary, or the primary of a replica: the
// servers that INFO names.
func (g *group) replicasOf(t *item.Target, x *info.Text, id *info.Identity) {
	var addrs []string
	switch id.Role {
	case "master":
		for _, r := range info.FindReplicas(x, id) {
			if r.IP != "" && r.Port != "" {
				addrs = append(addrs, net.JoinHostPort(r.IP, r.Port))
			}
		}
		g.kind = "replicas"
	case "replica":
		for _, m := range info.Masters(x, id, x.SectionLines("replication")) {
			addrs = append(addrs, net.JoinHostPort(string(m.Host), string(m.Port)))
		}
		g.kind = "primary"
	}
	if len(addrs) == 0 {
		g.kind = ""
		return
	}
	history, _ := x.Field("replication", "master_replid")
	behind := unsynchronized(x)
	for _, addr := range addrs[:min(len(addrs), ask.MaxRows)] {
		config, theirs := configPart(), &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO", "replication"}}
		p := &peer{addr: addr, parts: []*ask.Part{config, theirs}}
		p.target, p.err = peerAt(t, addr)
		p.read = func() (settings.Settings, error) {
			r := replicationOf(theirs)
			if id, _ := r.Field("replication", "master_replid"); len(id) > 0 && len(history) > 0 && string(id) != string(history) {
				if behind || unsynchronized(r) {
					return nil, &redisclient.Error{Op: "replication", Reason: redisclient.ReasonMasterDown, Err: errBehind}
				}
				return nil, &redisclient.Error{Op: "replication", Reason: redisclient.ReasonProtocol, Err: errStranger}
			}
			return settings.Read(config)
		}
		g.peers = append(g.peers, p)
	}
}

// replicationOf takes an answer to INFO apart; one that cannot be read says nothing.
func replicationOf(reply *ask.Part) *info.Text {
	var x info.Text
	if reply.Err == nil {
		if text, err := info.Reply(reply.Value); err == nil {
			if x, err = info.Scan(text, nil, nil); err != nil {
				x = info.Text{}
			}
		}
	}
	return &x
}

// unsynchronized reports whether a replica has not got its primary's history of writes,
// or may not have: it is copying everything, or its link is down.
func unsynchronized(x *info.Text) bool {
	id := info.Identify(x)
	return slices.ContainsFunc(info.Masters(x, &id, x.SectionLines("replication")), func(m info.Master) bool {
		return m.Syncing || m.LinkUp.Known && m.LinkUp.Value == 0
	})
}

// nodesOf are the other nodes of a cluster or, unless all are asked for, those that
// replicate with the one that was asked.
func (g *group) nodesOf(t *item.Target, reply *ask.Part, all bool) error {
	nodes, entry, unreadable, err := cluster.ReadNodes(t, reply)
	if err != nil {
		return err
	}
	var here cluster.Node
	if entry >= 0 {
		here = nodes[entry]
	}
	switch {
	case all:
		g.kind = "cluster"
	case here.Master != "":
		g.kind = "primary"
	default:
		g.kind = "replicas"
	}
	beyond := 0
	for i, n := range nodes {
		if i == entry || !all && n.ID != here.Master && (n.Master == "" || n.Master != here.ID) {
			continue
		}
		if len(g.peers) >= ask.MaxRows {
			beyond++
			continue
		}
		config, id := configPart(), cluster.IDPart()
		p := &peer{addr: n.Addr, target: n.Target, err: n.Err, parts: []*ask.Part{config, id}}
		p.read = func() (settings.Settings, error) {
			if err := cluster.IsNode(n.ID, id); err != nil {
				return nil, err
			}
			return settings.Read(config)
		}
		g.peers = append(g.peers, p)
	}
	g.partial = unreadable > 0 || beyond > 0
	if len(g.peers) == 0 && !g.partial {
		g.kind = ""
	}
	return nil
}

// peerAt is another server by its address.
func peerAt(t *item.Target, addr string) (*item.Target, error) {
	if t.Peer == nil {
		return nil, errors.New("other servers cannot be asked from here")
	}
	return t.Peer(addr)
}

// ask asks the peers side by side, one round trip each. Of their settings only
// what differs is kept.
func (g *group) ask(ctx context.Context) {
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	ask.SideBySide(len(g.peers), func(i int) {
		p := g.peers[i]
		if p.err != nil {
			return
		}
		if p.err = ask.Do(ctx, p.target, p.parts...); p.err != nil {
			return
		}
		var theirs settings.Settings
		if theirs, p.err = p.read(); p.err == nil {
			p.differences, p.onlyOne = g.mine.Differences(theirs)
			p.fingerprint = theirs.Fingerprint()
		}
		p.parts, p.read = nil, nil // the replies
	}, func(i int, err error) { g.peers[i].err = err })
}

func (g *group) write(w *jsondoc.Writer, unmask bool, cut *ask.Truncations) {
	failed := func(p *peer) bool { return p.err != nil }
	w.Key("compared_with").String(g.kind)
	w.Key("compared").BeginArray()
	// Those that did not answer first, so that none of them is left out.
	slices.SortStableFunc(g.peers, func(a, b *peer) int { return ask.Number(failed(b)) - ask.Number(failed(a)) })
	for _, p := range g.peers[:cut.LimitTo("compared", len(g.peers), settings.MaxRows)] {
		p.write(w)
	}
	w.EndArray()
	w.Key("partial").Bool(g.partial || slices.ContainsFunc(g.peers, failed))
	drift := settings.NewDrift(g.mine)
	for _, p := range g.peers {
		drift.Add(p.addr, p.differences)
	}
	drift.Write(w, unmask, cut)
}

func (p *peer) write(w *jsondoc.Writer) {
	w.BeginObject()
	w.Key("addr").String(p.addr)
	w.Key("up").Int(int64(ask.Number(p.err == nil)))
	w.Key("reason").String(string(redisclient.ReasonOf(p.err)))
	text := ""
	if p.err != nil {
		text = ask.ErrorLine(p.addr, p.err)
	}
	w.Key("error").String(text)
	if p.err == nil {
		w.Key("fingerprint").String(p.fingerprint)
		w.Key("differs").Int(int64(len(p.differences)))
		w.Key("only_one").Int(int64(p.onlyOne))
	}
	w.EndObject()
}
