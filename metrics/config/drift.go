package config

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

const (
	// maxRows bounds the rows of changes and of drift.
	maxRows = 200
	// maxAddrs bounds the addresses that have one value.
	maxAddrs = 16
)

// peer is another server that should have the same settings.
type peer struct {
	addr   string
	target *item.Target
	// parts are what it is asked, and read what becomes of the answers.
	parts []*ask.Part
	read  func() (settings, error)

	err         error
	differences []difference
	onlyOne     int
	fingerprint string
}

// group are a server and those that it is compared with.
type group struct {
	kind  string // replicas, primary, cluster or sentinels; "" for none
	mine  settings
	peers []*peer
	// partial: there are more that are not known.
	partial bool
}

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
	for _, addr := range addrs[:min(len(addrs), ask.MaxRows)] {
		config, theirs := configPart(), &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO", "replication"}}
		p := &peer{addr: addr, parts: []*ask.Part{config, theirs}}
		p.target, p.err = peerAt(t, addr)
		p.read = func() (settings, error) {
			if id := replID(theirs); id != "" && len(history) > 0 && id != string(history) {
				return nil, &redisclient.Error{Op: "replication", Reason: redisclient.ReasonProtocol, Err: errStranger}
			}
			return readSettings(config)
		}
		g.peers = append(g.peers, p)
	}
}

func replID(reply *ask.Part) string {
	if reply.Err != nil {
		return ""
	}
	text, err := info.Reply(reply.Value)
	if err != nil {
		return ""
	}
	x, err := info.Scan(text, nil, nil)
	if err != nil {
		return ""
	}
	id, _ := x.Field("replication", "master_replid")
	return string(id)
}

// nodesOf are the other nodes of a cluster.
func (g *group) nodesOf(t *item.Target, reply *ask.Part) error {
	nodes, entry, unreadable, err := cluster.ReadNodes(t, reply)
	if err != nil {
		return err
	}
	g.kind = "cluster"
	for i, n := range nodes {
		if i == entry || len(g.peers) >= ask.MaxRows {
			continue
		}
		config, view := configPart(), cluster.NodesPart()
		p := &peer{addr: n.Addr, target: n.Target, err: n.Err, parts: []*ask.Part{config, view}}
		p.read = func() (settings, error) {
			if err := cluster.IsNode(n.ID, view); err != nil {
				return nil, err
			}
			return readSettings(config)
		}
		g.peers = append(g.peers, p)
	}
	g.partial = unreadable > 0 || len(nodes) > ask.MaxRows
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
		var theirs settings
		if theirs, p.err = p.read(); p.err == nil {
			p.differences, p.onlyOne = g.mine.differences(theirs)
			p.fingerprint = theirs.fingerprint()
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
	for _, p := range g.peers[:cut.LimitTo("compared", len(g.peers), maxRows)] {
		p.write(w)
	}
	w.EndArray()
	w.Key("partial").Bool(g.partial || slices.ContainsFunc(g.peers, failed))
	g.writeDrift(w, unmask, cut)
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

// holders are the servers that have another value of one parameter.
type holders struct {
	value string
	addrs []string
	count int64
}

// writeDrift writes a row for each parameter that differs.
func (g *group) writeDrift(w *jsondoc.Writer, unmask bool, cut *ask.Truncations) {
	rows := make(map[string][]holders)
	for _, p := range g.peers {
		for _, d := range p.differences {
			of := rows[d.name]
			at := slices.IndexFunc(of, func(h holders) bool { return h.value == d.value })
			if at < 0 {
				at = len(of)
				of = append(of, holders{value: d.value})
			}
			of[at].count++
			if len(of[at].addrs) < maxAddrs {
				of[at].addrs = append(of[at].addrs, p.addr)
			}
			rows[d.name] = of
		}
	}
	names := make(settings, len(rows))
	for name := range rows {
		names[name] = ""
	}
	w.Key("drifts").Int(int64(len(rows)))
	w.Key("drift").BeginArray()
	for _, name := range names.names()[:cut.LimitTo("drift", len(rows), maxRows)] {
		of := rows[name]
		slices.SortFunc(of, func(a, b holders) int {
			return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.value, b.value))
		})
		w.BeginObject()
		w.Key("name").String(name)
		w.Key("value").String(shown(name, g.mine[name], unmask))
		w.Key("others").BeginArray()
		for _, h := range of[:cut.LimitTo("others", len(of), maxAddrs)] {
			w.BeginObject()
			w.Key("value").String(shown(name, h.value, unmask))
			w.Key("count").Int(h.count)
			w.Key("servers").BeginArray()
			for _, addr := range h.addrs {
				w.String(addr)
			}
			w.EndArray()
			w.EndObject()
		}
		w.EndArray()
		w.EndObject()
	}
	w.EndArray()
}
