package advice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// text takes an answer to INFO apart; without one the part says why.
func (p *poll) text(part *ask.Part) *info.Text {
	if part.Err != nil {
		return nil
	}
	var text []byte
	if text, part.Err = info.Reply(part.Value); part.Err != nil {
		return nil
	}
	var x info.Text
	if x, part.Err = info.Scan(text, nil, nil); part.Err != nil {
		return nil
	}
	if part == &p.info && len(x.Sections) == 0 {
		part.Err = errors.New("the reply to INFO is empty")
		return nil
	}
	return &x
}

// read reads the answers to all but INFO.
func (p *poll) read(t *item.Target, f *facts, wantUsers bool) {
	if f.id.Mode != "sentinel" {
		p.readServer(f)
	}
	p.readCluster(t, f)
	f.why.users = errNoUsers
	if f.hasUsers() && wantUsers {
		if p.users.Err == nil {
			var lines []string
			if lines, p.users.Err = p.users.Value.Strings(); p.users.Err == nil {
				p.users.Err = f.readUsers(lines)
			}
		}
		f.why.users = p.users.Err
	}
	if f.id.Mode == "sentinel" {
		if p.masters.Err == nil {
			f.masters, _, p.masters.Err = ask.RowsOf(p.masters.Value, "master", ask.Texts)
		}
		f.why.sentinel = p.masters.Err
	}
}

// readServer reads the answers of a server that is no sentinel.
func (p *poll) readServer(f *facts) {
	f.commands = p.text(&p.commands)
	f.why.commands = p.commands.Err
	if p.config.Err == nil {
		var params []ask.ConfigParam
		params, p.config.Err = ask.ConfigParams(p.config.Value)
		f.config = make(map[string]string, len(params))
		for _, c := range params {
			f.config[strings.ToLower(c.Name)] = c.Value
		}
	}
	f.why.config = p.config.Err
}

// readCluster reads those of a node of a cluster.
func (p *poll) readCluster(t *item.Target, f *facts) {
	if !f.isCluster() {
		return
	}
	if p.nodes.Err == nil {
		var entry, unreadable int
		here := *t
		here.Peer = noPeer
		if f.nodes, entry, unreadable, p.nodes.Err = cluster.ReadNodes(&here, &p.nodes); unreadable > 0 && p.nodes.Err == nil {
			p.nodes.Err = fmt.Errorf("%d lines cannot be read", unreadable)
		}
		if entry >= 0 {
			f.myself = f.nodes[entry].ID
		}
	}
	f.why.cluster, f.why.slots = p.nodes.Err, errNoSlotStats
	if f.hasSlotStats() {
		if p.slots.Err == nil {
			f.topSlot, p.slots.Err = parseTopSlot(p.slots.Value)
		}
		f.why.slots = p.slots.Err
	}
}

var (
	errNoSlotStats = errors.New("not known to Redis before 8.2 and Valkey before 8.0")
	errNoUsers     = errors.New("not asked: Redis before 6.0 has no users, and the parameter Users is not yes")
	errNotAPeer    = errors.New("only the node itself is asked")
)

func noPeer(string) (*item.Target, error) { return nil, errNotAPeer }

func (f *facts) readUsers(lines []string) error {
	if len(lines) > ask.MaxRows {
		return fmt.Errorf("more than %d users", ask.MaxRows)
	}
	for i, line := range lines {
		u, ok := parseUser(line)
		if !ok {
			return fmt.Errorf("line %d of ACL LIST is no user", i+1)
		}
		u.name = ask.Clip(u.name, 64)
		f.users = append(f.users, u)
	}
	return nil
}

// hasUsers: Redis has users since 6.0, and Valkey since its beginning.
func (f *facts) hasUsers() bool { return f.id.AtLeast("redis", 6, 0) || f.id.AtLeast("valkey", 7, 2) }

func (f *facts) hasSlotStats() bool {
	return f.id.AtLeast("redis", 8, 2) || f.id.AtLeast("valkey", 8, 0)
}

// maxListed bounds the masters whose replicas are asked for.
const maxListed = 100

// askReplicas asks a sentinel for the replicas of its masters, as far as it knows any.
func (f *facts) askReplicas(ctx context.Context, t *item.Target) {
	f.listed = make(map[string]*ask.Part)
	var parts []*ask.Part
	for _, m := range f.masters {
		if name := m["name"]; m["num-slaves"] != "0" && f.listed[name] == nil && len(parts) < maxListed {
			part := &ask.Part{Name: "replicas", Cmd: redisclient.Command{"SENTINEL", "REPLICAS", name}, Must: true}
			f.listed[name], parts = part, append(parts, part)
		}
	}
	if len(parts) == 0 {
		return
	}
	if err := ask.Do(ctx, t, parts...); err != nil {
		for _, part := range parts {
			part.Err = err
		}
	}
}

// askSentinels asks the sentinels of a target that is the master as they say.
// The first that answers counts.
func (p *poll) askSentinels(ctx context.Context, t *item.Target, f *facts) {
	if t.Sentinels == nil {
		if f.id.Mode == "sentinel" {
			f.askReplicas(ctx, t)
		}
		return
	}
	sentinels := t.Sentinels()
	parts := make([]ask.Part, len(sentinels))
	ask.SideBySide(len(parts), func(i int) {
		parts[i] = mastersPart()
		if err := ask.Do(ctx, sentinels[i], &parts[i]); err != nil {
			parts[i].Err = err
		}
	}, func(i int, err error) { parts[i].Err = err })
	for i := range parts {
		if p.masters = parts[i]; p.masters.Err == nil {
			f.masters, _, p.masters.Err = ask.RowsOf(p.masters.Value, "master", ask.Texts)
		}
		if p.masters.Err == nil {
			f.askReplicas(ctx, sentinels[i])
			break
		}
	}
	f.why.sentinel = p.masters.Err
}

// notice remembers how far the replication stream is, and tells how long the
// backlog lasts at the rate since an earlier poll; 0 while nothing is written.
func (p *poll) notice(f *facts) {
	id, _ := f.x.Field("replication", "master_replid")
	text, _ := f.x.Field("replication", "master_repl_offset")
	backlog, _ := f.x.Field("replication", "repl_backlog_size")
	offset, bytes := info.ParseCount(text), info.ParseCount(backlog)
	if f.id.Means.Offset != info.UnitBytes || !offset.Known || !bytes.Known {
		return
	}
	now := stream{string(id), offset.Value}
	m := p.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	at := time.Since(m.began)
	if newest := m.stream.Newest(); newest != nil && (newest.Value.id != now.id || newest.Value.offset > now.offset) {
		m.stream.Clear()
	}
	if base := m.stream.Base(at); base != nil {
		f.backlogOK = true
		if written := now.offset - base.Value.offset; written > 0 {
			f.backlog = time.Duration(float64(bytes.Value) / float64(written) * float64(at-base.At))
		}
	}
	m.stream.Add(at, now)
}
