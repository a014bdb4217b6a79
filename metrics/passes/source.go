package passes

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// source is one server that a pass reads, and how far it is.
type source struct {
	target *item.Target
	addr   string // as shown
	role   string // "" when unknown
	why    string // why it is not a replica
	err    error  // why it is missing

	runID string
	conn  serverConn

	pace     pace
	cursor   string
	cursors  cursors
	listed   bool // SCAN has come round
	pending  []string
	longs    []longKey // whose length is to be asked
	dbsize   int64     // -1: not known
	content  content
	restarts int // since another server answered
}

// serverConn tells a connection from another one.
type serverConn struct {
	addr string
	at   time.Time
}

// sourceResult is a source of a finished pass.
type sourceResult struct {
	target               *item.Target
	addr, role, why, err string
	keys                 int64
}

func (s sourceResult) write(w *jsondoc.Writer) {
	w.BeginObject()
	for _, m := range []struct{ name, text string }{
		{"server", s.addr}, {"role", s.role}, {"why_not_replica", s.why}, {"error", s.err},
	} {
		ask.WriteText(w, m.name, m.text)
	}
	if s.err == "" {
		w.Key("keys").Int(s.keys)
	}
	w.EndObject()
}

// begin forgets what was read.
func (s *source) begin(p *pass) {
	was, _ := s.content.(*sum)
	s.content = p.newContent()
	if now, ok := s.content.(*sum); ok && was != nil {
		now.frequencies, now.notFrequencies = was.frequencies, was.notFrequencies
	}
	most, _ := s.content.most()
	s.pace = newPace(p.options, most)
	s.cursors = cursors{}
	s.cursor, s.listed, s.pending, s.longs, s.dbsize = "0", false, nil, nil, -1
}

// otherServerError says that a target has become another server, where a cursor
// of SCAN means nothing.
type otherServerError struct{ addr, what string }

func (e *otherServerError) Error() string { return e.addr + ": " + e.what }

// same finds out whether the target is still the server that it was. It costs a
// round trip only after a new connection was made.
func (s *source) same(ctx context.Context) error {
	now := s.connection()
	if s.conn != (serverConn{}) && now == s.conn || s.runID != "" && now == (serverConn{}) {
		return nil
	}
	x, err := info.Ask(ctx, s.target)
	if err != nil {
		return err
	}
	runID := ""
	if x != nil {
		id, _ := x.Field("server", "run_id")
		runID = string(id)
		s.lookForFrequencies(x)
	}
	was, wasID := s.conn, s.runID
	s.conn, s.runID = s.connection(), runID
	switch {
	case wasID == "" && was == (serverConn{}):
		return nil
	case wasID != runID:
		return &otherServerError{s.addr, "the server was restarted, or another one has taken its place"}
	case runID == "" && was.addr != s.conn.addr:
		return &otherServerError{s.addr, "the address leads to another server"}
	}
	return nil
}

// lookForFrequencies finds out whether the server counts how often its keys are
// used, which an LFU policy does. A replica does not know who reads its master's.
// Source: redis src/evict.c, LFUGetTimeInMinutes and others; src/object.c, OBJECT FREQ
func (s *source) lookForFrequencies(x *info.Text) {
	sum, ok := s.content.(*sum)
	if !ok {
		return
	}
	policy, _ := x.Field("memory", "maxmemory_policy")
	lfu := bytes.HasSuffix(policy, []byte("-lfu"))
	replica := info.Identify(x).Role == "replica"
	sum.frequencies, sum.notFrequencies = lfu && !replica, ""
	if lfu && replica {
		sum.notFrequencies = "a replica was read, which does not know how often the keys of its master are used"
	}
}

func (s *source) connection() serverConn {
	info, _ := ask.Connection(s.target)
	return serverConn{info.Addr, info.At}
}

// maxReplicasTried bounds how many replicas are asked whether they can be read.
const maxReplicasTried = 3

// findSources says which servers a pass reads.
func (p *pass) findSources(ctx context.Context) (sources []*source, err error) {
	x, err := info.Ask(ctx, p.target)
	if err != nil {
		return nil, err
	}
	self := &source{target: p.target, addr: ownAddress(p.target)}
	if x == nil {
		return []*source{self}, nil
	}
	id := info.Identify(x)
	self.role = id.Role
	p.scansByType = id.AtLeast("redis", 6, 0) || id.AtLeast("valkey", 7, 0)
	if enabled, _ := x.Field("cluster", "cluster_enabled"); string(enabled) == "1" {
		p.cluster = true
		masters, err := clusterSources(ctx, p.target)
		if err != nil || masters != nil {
			return masters, err
		}
		self.why = "CLUSTER NODES is refused: this node alone is read"
		return []*source{self}, nil
	}
	if self.role == "master" {
		if replica := replicaSource(ctx, p.target, x, self); replica != nil {
			return []*source{replica}, nil
		}
	}
	return []*source{self}, nil
}

func ownAddress(t *item.Target) string {
	if info, ok := ask.Connection(t); ok && info.Addr != "" {
		return info.Addr
	}
	return t.Name
}

// replicaSource is the first replica that can be read in its master's place;
// self notes why there is none.
func replicaSource(ctx context.Context, t *item.Target, x *info.Text, self *source) *source {
	addrs := onlineReplicas(x)
	if t.Peer == nil || len(addrs) == 0 {
		return nil
	}
	history, _ := x.Field("replication", "master_replid")
	for _, addr := range addrs[:min(len(addrs), maxReplicasTried)] {
		peer, err := t.Peer(addr)
		if err == nil {
			err = readableReplica(ctx, peer, string(history))
		}
		if err == nil {
			return &source{target: peer, addr: addr, role: "replica"}
		}
		if self.why == "" {
			self.why = ask.Clip(fmt.Sprintf("%s: %v", addr, err), ask.MaxErrorLine)
		}
	}
	return nil
}

// readableReplica is nil for a replica that is in step with a master of that
// replication history. The address may be one that only the master can reach,
// and belong to another server here.
func readableReplica(ctx context.Context, t *item.Target, history string) error {
	x, err := info.Ask(ctx, t)
	if err != nil {
		return err
	}
	if x == nil {
		return errors.New("INFO is refused")
	}
	is := func(section, field, want string) bool {
		got, ok := x.Field(section, field)
		return ok && string(got) == want
	}
	switch {
	case info.Identify(x).Role != "replica" || !is("replication", "master_replid", history):
		return errors.New("it is no replica of this master")
	case !is("replication", "master_link_status", "up"):
		return errors.New("its link to the master is down")
	}
	return nil
}

// onlineReplicas are the addresses of a master's replicas that are online, those
// with the least lag first.
func onlineReplicas(x *info.Text) []string {
	id := info.Identify(x)
	found := slices.DeleteFunc(info.FindReplicas(x, &id), func(r info.Replica) bool {
		return r.InSync.Value < r.Count || r.IP == "" || r.Port == ""
	})
	behind := func(r info.Replica) int64 {
		if !r.Lag.Known {
			return math.MaxInt64
		}
		return r.Lag.Value
	}
	slices.SortStableFunc(found, func(a, b info.Replica) int { return cmp.Compare(behind(a), behind(b)) })
	out := make([]string, len(found))
	for i, r := range found {
		out[i] = net.JoinHostPort(r.IP, r.Port)
	}
	return out
}

// clusterSources are the masters that have slots, in the order of their
// addresses; nil when the server does not tell.
func clusterSources(ctx context.Context, t *item.Target) ([]*source, error) {
	masters, refusal, err := cluster.Masters(ctx, t)
	if err != nil || refusal != nil {
		return nil, err
	}
	var out []*source
	for _, m := range masters {
		out = append(out, &source{target: m.Target, addr: m.Addr, role: "master", err: m.Err})
	}
	return out, nil
}
