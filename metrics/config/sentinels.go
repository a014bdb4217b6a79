package config

import (
	"maps"
	"net"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/settings"
	"redisjobs/redisclient"
)

// maxMasters bounds the masters whose other sentinels are looked for.
const maxMasters = 100

func mastersPart() *ask.Part {
	return &ask.Part{Name: "masters", Cmd: redisclient.Command{"SENTINEL", "MASTERS"}}
}

// readMasters makes settings of the answer to SENTINEL MASTERS: "mymaster.quorum".
func readMasters(p *ask.Part) (settings.Settings, error) {
	if p.Err != nil {
		return nil, p.Err
	}
	rows, unreadable, err := ask.RowsOf(p.Value, "master", ask.Texts)
	if err == nil && unreadable > 0 {
		err = errUnreadable
	}
	if err == nil && len(rows)*len(settings.OfSentinel) > settings.Max {
		err = settings.ErrTooMany
	}
	if err != nil {
		return nil, err
	}
	out := make(settings.Settings)
	for _, row := range rows {
		maps.Copy(out, settings.OfMaster(row, row["name"]+"."))
	}
	return out, nil
}

// othersParts ask a sentinel for the other sentinels of each master that its INFO
// names:
//
//	master0:name=mymaster,status=ok,address=127.0.0.1:6379,slaves=1,sentinels=3
func othersParts(x *info.Text) []*ask.Part {
	var out []*ask.Part
	for _, l := range x.SectionLines("sentinel") {
		var buf [8]info.Pair
		pairs := info.Pairs(l.Value(x.Text), buf[:0])
		if len(pairs) == 0 || string(pairs[0].Key) != "name" || len(out) >= maxMasters {
			continue
		}
		name := string(pairs[0].Value)
		out = append(out, &ask.Part{Name: "sentinels", Cmd: redisclient.Command{"SENTINEL", "SENTINELS", name}, As: "SENTINEL SENTINELS"})
	}
	return out
}

// sentinelsOf are the other sentinels that one knows.
func (g *group) sentinelsOf(t *item.Target, replies []*ask.Part) {
	known := make(map[string]bool)
	for _, reply := range replies {
		var rows []map[string]string
		if reply.Err == nil {
			rows, _, reply.Err = ask.RowsOf(reply.Value, "row", ask.Texts)
		}
		g.partial = g.partial || reply.Err != nil
		for _, row := range rows {
			addr := net.JoinHostPort(row["ip"], row["port"])
			if known[addr] || len(g.peers) >= ask.MaxRows {
				continue
			}
			known[addr] = true
			masters := mastersPart()
			p := &peer{addr: addr, parts: []*ask.Part{masters}}
			p.target, p.err = peerAt(t, addr)
			p.read = func() (settings.Settings, error) { return readMasters(masters) }
			g.peers = append(g.peers, p)
		}
	}
	if g.kind = "sentinels"; len(g.peers) == 0 && !g.partial {
		g.kind = ""
	}
}
