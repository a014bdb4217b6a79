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

	addrs    []string // where it was reached, by other sessions as well
	id       info.Identity
	runID    string
	history  info.History
	replicas []info.Replica // that follow it
	masters  []string
	links    info.Links
	settings settings.Settings

	follows *member // of a replica: the member that it was told to follow
	primary *member // of a replica: the one in the group that its chain of primaries leads to
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
	if here, ok := ask.Connection(m.target); ok && here.Addr != "" {
		m.addrs = append(m.addrs, here.Addr)
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
	m.replicas = info.FindReplicas(&x, &m.id)
	masters := info.Masters(&x, &m.id, x.SectionLines("replication"))
	m.links = info.SumLinks(&x, &m.id, masters)
	for _, master := range masters {
		if len(master.Host) > 0 {
			m.masters = append(m.masters, net.JoinHostPort(string(master.Host), string(master.Port)))
		}
	}
	m.history = info.ReadHistory(&x, &m.id, masters)
}

// answered: it told its role.
func (m *member) answered() bool { return m.err == nil && m.id.Role != "" }

// fits: it can be a part of such a group.
func (m *member) fits() bool {
	return m.answered() && m.id.Mode != "sentinel" && m.id.Role != "sentinel" && m.id.Mode != "cluster"
}

// takesWrites: it is a primary, or KeyDB's active-replica, which replicas may follow.
func (m *member) takesWrites() bool { return m.fits() && !m.isReplica() }

func (m *member) isPrimary() bool { return m.fits() && m.id.Role == "master" }

// isReplica: KeyDB's active-replica takes writes, and is none.
func (m *member) isReplica() bool { return m.fits() && m.id.Role == "replica" }

// hasHistoryOf reports whether what a replica has is of a primary's history.
func (m *member) hasHistoryOf(p *member) bool {
	return !info.IsNoHistory(m.history.ID) && m.history.ID == p.history.ID
}

// isReplicaOf reports whether a replica was told to follow the other one's address.
func (m *member) isReplicaOf(o *member) bool {
	return slices.ContainsFunc(m.masters, func(addr string) bool { return slices.Contains(o.addrs, addr) })
}

// isListedBy reports whether the other one lists it among its replicas: it may follow a
// name, or an address that only servers use.
func (m *member) isListedBy(o *member) bool {
	return slices.ContainsFunc(o.replicas, func(r info.Replica) bool { return slices.Contains(m.addrs, net.JoinHostPort(r.IP, r.Port)) })
}

// version is what must be the same in a group.
func (m *member) version() string {
	if m.id.Version == "" {
		return ""
	}
	return m.id.Flavour + " " + m.id.Version
}
