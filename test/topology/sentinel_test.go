//go:build e2e && linux

package topology

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// watched is a master with a replica, and three sentinels of which two must agree.
type watched struct {
	servers   [2]*redistest.Server // the first is the master at first
	sentinels [3]*redistest.Server
}

// The server and the sentinels have passwords of their own.
const (
	serverPassword   = "of-the-server"
	sentinelPassword = "of-the-sentinels"
)

func newWatched(t testing.TB, f redistest.Flavour) *watched {
	t.Helper()
	w := redistest.NewWatched(t, f.Bin, serverPassword, sentinelPassword)
	return &watched{w.Servers, w.Sentinels}
}

// patient sets how long a sentinel waits for an answer before it takes a server for dead. It is long but for the moment in
// which a failover is wanted: on a busy machine sentinels take living servers for dead ones.
func (w *watched) patient(t testing.TB, sentinel int, milliseconds string) {
	t.Helper()
	w.sentinels[sentinel].Do(t, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", milliseconds)
}

// master is the address that a sentinel gives.
func (w *watched) master(t testing.TB, sentinel int) string {
	t.Helper()
	return strings.Replace(w.sentinels[sentinel].Do(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"), "\n", ":", 1)
}

// roleOf is what a server says, or "": sentinels close the connections of a server whose role they change.
func roleOf(s *redistest.Server) string {
	reply, _ := s.TryDo("ROLE")
	role, _, _ := strings.Cut(reply, "\n")
	return role
}

func (w *watched) plugin(t testing.TB, options ...string) *driver.Plugin {
	t.Helper()
	return driver.Start(t, driver.Config{Options: append([]string{
		"SessionsOnly=1", "CustomCommands=1",
		fmt.Sprintf("Sessions.M.Uri=sentinel://%s,%s,%s/mymaster", w.sentinels[0].Addr, w.sentinels[1].Addr, w.sentinels[2].Addr),
		"Sessions.M.Password=" + serverPassword, "Sessions.M.SentinelPassword=" + sentinelPassword,
	}, options...)})
}

// poll asks for the master item. It may be down, but must never speak of a server that is no master.
func poll(t testing.TB, p *driver.Plugin) (port string, up bool) {
	t.Helper()
	doc := document(t, p, "redis.get", "M")
	if doc["up"] != 1.0 {
		require.NotContains(t, doc, "role")
		require.NotEmpty(t, doc["error"])
		return "", false
	}
	require.Equal(t, "master", doc["role"])
	return fmt.Sprint(doc["server"].(map[string]any)["tcp_port"]), true
}

// wantMasterWithinTwoPolls: once the sentinels have a new master, the second poll at the latest is of it.
func wantMasterWithinTwoPolls(t testing.TB, p *driver.Plugin, s *redistest.Server) {
	t.Helper()
	for range 2 {
		if port, up := poll(t, p); up && port == portOf(s) {
			return
		}
		time.Sleep(100 * time.Millisecond) // an item's shortest interval is a second
	}
	require.Fail(t, "two polls do not speak of the new master")
}

func TestAMasterThatDies(t *testing.T) { eachOf(t, together, masterThatDies) }

func masterThatDies(t *testing.T, f redistest.Flavour) {
	w := newWatched(t, f)
	p := w.plugin(t)
	port, up := poll(t, p)
	require.True(t, up)
	require.Equal(t, portOf(w.servers[0]), port)
	status := document(t, p, "redis.status", "M")
	require.Equal(t, 1.0, status["up"])

	for i := range w.sentinels {
		w.patient(t, i, "1000")
	}
	w.servers[0].Kill(t)
	_, up = poll(t, p)
	require.False(t, up)
	down := document(t, p, "redis.status", "M")
	require.Contains(t, down["error"], "master mymaster at "+w.servers[0].Addr)
	agreed := map[int]bool{}
	await(t, "a new master", func() bool {
		port, up := poll(t, p)
		require.True(t, !up || port == portOf(w.servers[1]))
		for i := range w.sentinels {
			if !agreed[i] && w.master(t, i) == w.servers[1].Addr {
				w.patient(t, i, "60000")
				agreed[i] = true
			}
		}
		return len(agreed) == len(w.sentinels)
	})
	wantMasterWithinTwoPolls(t, p, w.servers[1])

	// The old one comes back: as a master, until the sentinels have told it better.
	w.servers[0].Restart(t)
	require.Equal(t, "master", roleOf(w.servers[0]))
	await(t, "the old master to become a replica", func() bool {
		port, up := poll(t, p)
		require.True(t, up)
		require.Equal(t, portOf(w.servers[1]), port)
		return roleOf(w.servers[0]) == "slave"
	})
}

func TestAFailoverByCommand(t *testing.T) { eachOf(t, together, failoverByCommand) }

func failoverByCommand(t *testing.T, f redistest.Flavour) {
	w := newWatched(t, f)
	p := w.plugin(t)
	for turn := range 2 {
		from, to := w.servers[turn%2], w.servers[1-turn%2]
		require.Equal(t, from.Addr, w.master(t, 0))
		poll(t, p)
		await(t, "a failover that is allowed", func() bool {
			_, err := w.sentinels[0].TryDo("SENTINEL", "FAILOVER", "mymaster")
			return err == nil
		})
		await(t, "the failover", func() bool {
			poll(t, p)
			return w.master(t, 0) == to.Addr && roleOf(from) == "slave"
		})
		wantMasterWithinTwoPolls(t, p, to)
		await(t, "the sentinels to agree", func() bool {
			doc := document(t, p, "redis.sentinel.get", "M")
			return doc["disagreements"] == 0.0 && row(t, doc["masters"], "name", "mymaster")["failover"] == 0.0 &&
				strings.Contains(w.sentinels[0].Do(t, "SENTINEL", "REPLICAS", "mymaster"), "master-link-status\nok\n")
		})
		// Failovers of one master must be some time apart (failover-timeout).
		await(t, "sentinels at rest", func() bool {
			return !strings.Contains(w.sentinels[0].Do(t, "SENTINEL", "MASTER", "mymaster"), "failover_in_progress")
		})
	}
	require.Equal(t, "0", p.Value(t, "redis.command", "M", "", "", "DBSIZE"))
}

// TestADemotedMaster: the sentinels still name it, and its connections live on; it is not believed.
func TestADemotedMaster(t *testing.T) {
	t.Parallel()
	w := newWatched(t, redistest.Flavour{})
	p := w.plugin(t)
	_, up := poll(t, p)
	require.True(t, up)
	w.servers[0].Do(t, "REPLICAOF", "127.0.0.1", portOf(w.servers[1]))
	_, up = poll(t, p)
	require.False(t, up)
	doc := document(t, p, "redis.get", "M")
	require.Equal(t, "sentinel", doc["reason"])
	require.Contains(t, doc["error"], w.servers[0].Addr+" says that it is not a master but a replica")
	refused := p.Refused(t, "redis.command", "M", "", "", "DBSIZE")
	for _, s := range w.sentinels {
		require.Contains(t, refused, s.Addr, "each of them is named")
	}
	require.Contains(t, refused, " say "+w.servers[0].Addr, "with what they said")
	w.servers[0].Do(t, "REPLICAOF", "NO", "ONE")
	_, up = poll(t, p)
	require.True(t, up)
}

func TestWhatSentinelsKnow(t *testing.T) { eachOf(t, together, whatSentinelsKnow) }

func whatSentinelsKnow(t *testing.T, f redistest.Flavour) {
	w := newWatched(t, f)
	p := w.plugin(t, "Sessions.One.Uri=tcp://"+w.sentinels[1].Addr, "Sessions.One.Password="+sentinelPassword,
		"Sessions.Wrong.Uri=sentinel://"+w.sentinels[0].Addr+"/nosuch", "Sessions.Wrong.SentinelPassword="+sentinelPassword,
		"Sessions.Locked.Uri=sentinel://"+w.sentinels[0].Addr+"/mymaster", "Sessions.Locked.Password="+serverPassword)
	for _, session := range []string{"M", "One"} {
		doc := document(t, p, "redis.sentinel.get", session)
		require.Equal(t, 1.0, doc["up"], doc)
		require.Equal(t, false, doc["partial"], doc)
		require.Equal(t, 0.0, doc["tilt"])
		require.Equal(t, 0.0, doc["disagreements"])
		require.Len(t, doc["sentinels"], 3, session)
		for _, s := range w.sentinels {
			require.Equal(t, 1.0, row(t, doc["sentinels"], "addr", s.Addr)["up"])
		}
		m := row(t, doc["masters"], "name", "mymaster")
		require.Equal(t, w.servers[0].Addr, m["addr"])
		for member, want := range map[string]float64{
			"sdown": 0, "odown": 0, "quorum": 2, "usable_sentinels": 3, "known_sentinels": 3, "has_quorum": 1, "has_majority": 1,
			"failover": 0, "agree": 1,
		} {
			require.Equal(t, want, m[member], member)
		}
		replica := row(t, m["replicas"], "addr", w.servers[1].Addr)
		require.Equal(t, 0.0, replica["down"])
		require.Equal(t, 1.0, replica["link_up"])
		require.Equal(t, 100.0, replica["priority"])
		require.Len(t, m["sentinels"], 2)
	}
	status := document(t, p, "redis.status", "One")
	require.Equal(t, "sentinel", status["role"])

	wrong := document(t, p, "redis.status", "Wrong")
	require.Equal(t, "sentinel", wrong["reason"], wrong)
	require.Contains(t, wrong["error"], "no master is known by this name")
	locked := document(t, p, "redis.status", "Locked")
	require.Equal(t, "auth", locked["reason"], "the server's password is not tried on sentinels: %v", locked)

	// One believes something else, one is gone: the last one's word stands alone.
	w.sentinels[2].Do(t, "SENTINEL", "REMOVE", "mymaster")
	doc := document(t, p, "redis.sentinel.get", "M")
	require.Equal(t, 1.0, doc["disagreements"], doc)
	m := row(t, doc["masters"], "name", "mymaster")
	require.Equal(t, 0.0, m["agree"])
	require.NotContains(t, row(t, m["views"], "sentinel", w.sentinels[2].Addr), "addr", "it does not know the name")
	w.patient(t, 0, "1000")
	w.sentinels[1].Kill(t)
	w.sentinels[2].Kill(t)
	await(t, "sentinels that are seen down", func() bool {
		doc = document(t, p, "redis.sentinel.get", "M")
		return row(t, doc["masters"], "name", "mymaster")["usable_sentinels"] == 1.0
	})
	m = row(t, doc["masters"], "name", "mymaster")
	require.Equal(t, 0.0, m["has_quorum"])
	require.Equal(t, 0.0, m["has_majority"])
	require.Equal(t, true, doc["partial"])
	require.Equal(t, "tcp", row(t, doc["unanswered"], "addr", w.sentinels[1].Addr)["reason"])
	_, up := poll(t, p)
	require.True(t, up, "one sentinel is enough to find the master")
	w.sentinels[0].Kill(t)
	_, up = poll(t, p)
	require.True(t, up, "what they said last holds while the master says so itself")
	require.Equal(t, 0.0, document(t, p, "redis.sentinel.get", "M")["up"])
}
