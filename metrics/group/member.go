package group

import (
	"context"
	"net"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/settings"
	"redisjobs/redisclient"
)

// member is one session and what its server says.
type member struct {
	session string
	target  *item.Target
	info    *ask.Part
	config  *ask.Part
	err     error // why it did not answer

	addr     string // where it was reached
	id       info.Identity
	runID    string
	history  info.History
	replicas int // that follow it
	masters  []string
	links    info.Links
	settings settings.Settings

	primary *member // of a replica: the one in the group whose history it follows
	lag     info.Reading
}

func newMember(session string, t *item.Target) *member {
	return &member{
		session: session, target: t,
		info:   &ask.Part{Name: session + " info", Cmd: redisclient.Command{"INFO"}},
		config: &ask.Part{Name: session + " config", Cmd: redisclient.Command{"CONFIG", "GET", "*"}},
	}
}

// ask asks the server, in one round trip. Of the replies only what is needed is
// kept.
func (m *member) ask(ctx context.Context) {
	if m.err = ask.Do(ctx, m.target, m.info, m.config); m.err != nil {
		return
	}
	if m.err = ask.StateProblem(m.info, m.config); m.err != nil {
		return
	}
	if here, ok := ask.Connection(m.target); ok {
		m.addr = here.Addr
	}
	m.readInfo()
	if m.id.Mode == "sentinel" {
		m.config.Forget(m.target) // sentinels have no CONFIG, which says nothing of a server
		m.config.Err = nil
		return
	}
	m.settings, m.config.Err = settings.Read(m.config)
}

func (m *member) readInfo() {
	if m.info.Err != nil {
		return
	}
	text, err := info.Reply(m.info.Value)
	if err != nil {
		m.info.Err = err
		return
	}
	x, err := info.Scan(text, nil, nil)
	if err != nil {
		m.info.Err = err
		return
	}
	m.id = info.Identify(&x)
	if id, ok := x.Field("server", "run_id"); ok {
		m.runID = string(id)
	}
	m.replicas = len(info.FindReplicas(&x, &m.id))
	masters := info.Masters(&x, &m.id, x.SectionLines("replication"))
	m.links = info.SumLinks(&x, &m.id, masters)
	for _, master := range masters {
		m.masters = append(m.masters, net.JoinHostPort(string(master.Host), string(master.Port)))
	}
	m.history = info.ReadHistory(&x, &m.id, masters)
}

// answered: it told its role.
func (m *member) answered() bool { return m.err == nil && m.id.Role != "" }

// fits: it can be a part of such a group.
func (m *member) fits() bool {
	return m.answered() && m.id.Mode != "sentinel" && m.id.Role != "sentinel" && m.id.Mode != "cluster"
}

func (m *member) isPrimary() bool { return m.fits() && m.id.Role == "master" }

// isReplica: KeyDB's active-replica takes writes, and is none.
func (m *member) isReplica() bool { return m.fits() && m.id.Role == "replica" }

// follows reports whether a replica follows the history of a primary or, where it
// has none yet, its address.
func (m *member) follows(p *member) bool {
	if !info.IsNoHistory(m.history.ID) && m.history.ID == p.history.ID {
		return true
	}
	return m.isReplicaOf(p)
}

// isReplicaOf reports whether a replica was told to follow the other one's address.
func (m *member) isReplicaOf(o *member) bool {
	return o.addr != "" && slices.Contains(m.masters, o.addr)
}

// version is what must be the same in a group.
func (m *member) version() string {
	if m.id.Version == "" {
		return ""
	}
	return m.id.Flavour + " " + m.id.Version
}
