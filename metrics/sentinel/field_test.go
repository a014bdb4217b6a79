package sentinel

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// servers-12: a sentinel of Redis 4, by its source, src/sentinel.c: it knows
// SENTINEL SLAVES, and not REPLICAS (5.0) nor MYID (6.2).
func TestASentinelBeforeRedis5(t *testing.T) {
	t.Parallel()
	s := sentinelOf("", listReply(masterFields("10.0.0.1", "master", "2")), peerFields(2, "sentinel"))
	s.Peer = func(string) (*item.Target, error) { return nil, errors.New("not reached") }
	d := s.Doer.(*metrictest.ScriptDoer)
	d.Replies["SENTINEL SLAVES m"] = d.Replies["SENTINEL REPLICAS m"]
	d.Replies["SENTINEL REPLICAS m"] = "-ERR Unknown sentinel subcommand 'replicas'\r\n"
	d.Replies["SENTINEL MYID"] = "-ERR Unknown sentinel subcommand 'myid'\r\n"
	for poll, calls := range []int{3, 2} {
		d.Calls = 0
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, s)))
		require.Empty(t, doc["unavailable"])
		m := metrictest.Row(t, doc["masters"], "name", "m")
		require.Equal(t, []any{map[string]any{"addr": "10.0.0.2:6379", "flags": "slave,s_down", "down": 1.0, "promotable": 0.0}}, m["replicas"])
		require.Equal(t, calls, d.Calls, "poll %d: its word is remembered", poll)
	}
	// It was upgraded, and SLAVES has gone.
	d.Replies["SENTINEL REPLICAS m"] = d.Replies["SENTINEL SLAVES m"]
	d.Replies["SENTINEL SLAVES m"] = "-ERR unknown subcommand 'slaves'. Try SENTINEL HELP.\r\n"
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, s)))
	require.Len(t, metrictest.Row(t, doc["masters"], "name", "m")["replicas"], 1)
}

// TestReplicasThatMayNotBecomeTheMaster do not count as available; one that the
// sentinel does not list does, and its state is unknown.
// Source: replies of a sentinel of Redis 8.6.2 whose master has a replica with
// replica-priority 0, and another with replica-announced no
func TestReplicasThatMayNotBecomeTheMaster(t *testing.T) {
	t.Parallel()
	replica := func(n, flags, priority, link string) string {
		return flatReply("ip", "10.0.0."+n, "port", "6379", "flags", flags, "slave-priority", priority, "master-link-status", link)
	}
	for _, tt := range []struct {
		name, known string
		rows        []string
		available   any
		unlisted    any
		promotable  []any
		linkUp      []any
	}{
		{"priority 0", "1", []string{replica("2", "slave", "0", "ok")}, 0.0, 0.0, []any{0.0}, []any{1.0}},
		{"one of two has priority 0", "2", []string{replica("2", "slave", "0", "ok"), replica("3", "slave", "100", "ok")}, 1.0, 0.0, []any{0.0, 1.0}, []any{1.0, 1.0}},
		{"not announced", "1", nil, 1.0, 1.0, nil, nil},
		{"no replica", "0", nil, 0.0, 0.0, nil, nil},
		{"down, with the link that it had", "2", []string{replica("2", "s_down,slave", "100", "ok"), replica("3", "slave,disconnected", "100", "ok")},
			0.0, 0.0, []any{0.0, 0.0}, []any{nil, nil}},
		{"its link to the master is down", "1", []string{replica("2", "slave", "100", "err")}, 1.0, 0.0, []any{1.0}, []any{0.0}},
		{"a row that cannot be read", "2", []string{replica("2", "slave", "0", "ok"), ":1\r\n"}, nil, 0.0, []any{0.0}, []any{1.0}},
		{"it does not say how many it knows", "", []string{replica("2", "slave", "100", "ok")}, 1.0, nil, []any{1.0}, []any{1.0}},
		{"without its master for long", "1", []string{flatReply("ip", "10.0.0.2", "port", "6379", "flags", "slave", "slave-priority", "100", "master-link-status", "err",
			"master-link-down-time", "10001")}, 0.0, 0.0, []any{0.0}, []any{0.0}},
	} {
		s := sentinelOf("id1", listReply(flatReply("name", "m", "ip", "10.0.0.1", "port", "6379", "flags", "master", "quorum", "1", "num-slaves", tt.known,
			"down-after-milliseconds", "1000")))
		s.Doer.(*metrictest.ScriptDoer).Replies["SENTINEL REPLICAS m"] = listReply(tt.rows...)
		m := metrictest.Row(t, metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, s)))["masters"], "name", "m")
		require.Equal(t, []any{tt.available, tt.unlisted}, []any{m["available_replicas"], m["unlisted_replicas"]}, tt.name)
		var promotable, linkUp []any
		for _, row := range metrictest.Rows(t, m["replicas"]) {
			promotable, linkUp = append(promotable, row["promotable"]), append(linkUp, row["link_up"])
		}
		require.Equal(t, [][]any{tt.promotable, tt.linkUp}, [][]any{promotable, linkUp}, tt.name)
	}
}

func TestOneRowOfASentinelThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := sentinelOf("id1", listReply(masterFields("10.0.0.1", "master", "2"), ":1\r\n"), peerFields(2, "sentinel"), "*1\r\n$1\r\nx\r\n")
	s.Peer = func(string) (*item.Target, error) { return nil, errors.New("not reached") }
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, s)))
	require.Equal(t, map[string]any{"masters": 1.0, "sentinels": 1.0}, doc["unreadable"])
	require.Empty(t, doc["unavailable"])
	require.Len(t, metrictest.Row(t, doc["masters"], "name", "m")["sentinels"], 1)
}

func TestAddressesAreComparedAsSentinelDoes(t *testing.T) {
	t.Parallel()
	asked := 0
	h := &hosts{t.Context(), func(_ context.Context, host string) ([]string, error) {
		asked++
		switch host {
		case "db.example.com":
			return []string{"10.0.0.1", "2001:db8::1"}, nil
		case "alias.example.com":
			return []string{"2001:db8::1"}, nil
		}
		return nil, errors.New("no such host")
	}, map[string][]string{}}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"10.0.0.1:6379", "10.0.0.1:6379", true},
		{"db.example.com:6379", "10.0.0.1:6379", true},
		{"[2001:db8:0::1]:6379", "db.example.com:6379", true},
		{"alias.example.com:6379", "db.example.com:6379", true},
		{"db.example.com:6380", "10.0.0.1:6379", false},
		{"10.0.0.2:6379", "10.0.0.1:6379", false},
		{"db.example.com:6379", "10.0.0.2:6379", false},
		{"nosuch.example.com:6379", "nosuch.example.com:6379", true},
		{"nosuch.example.com:6379", "10.0.0.1:6379", false},
		{"nosuch.example.com:6379", "gone.example.com:6379", false},
		{"", "10.0.0.1:6379", false},
	} {
		require.Equal(t, tt.want, h.same(tt.a, tt.b), "%s %s", tt.a, tt.b)
		require.Equal(t, tt.want, h.same(tt.b, tt.a), "%s %s", tt.b, tt.a)
	}
	require.Equal(t, 4, asked, "each name once")
	s := &sentinels{hosts: h}
	server := func(ip, runid string) fields { return fields{"ip": ip, "port": "6379", "runid": runid} }
	require.True(t, s.sameServer(server("nosuch.example.com", "a"), server("10.0.0.1", "a")), "the process is the same")
	require.False(t, s.sameServer(server("nosuch.example.com", ""), server("10.0.0.1", "")))
	require.False(t, s.sameServer(server("10.0.0.1", "a"), server("10.0.0.9", "b")))
	require.True(t, s.sameServer(server("10.0.0.1", "a"), server("10.0.0.1", "b")), "one has not seen its restart yet")
	require.False(t, s.sameServer(server("10.0.0.1", "a"), nil))
	require.True(t, s.sameServer(nil, nil))
}

// servers-13: a rolling change of announce-hostnames is no disagreement.
func TestRealSentinelsOfWhichOneAnnouncesHostNames(t *testing.T) {
	t.Parallel()
	w := redistest.NewWatched(t, "", "", "")
	_, port, err := net.SplitHostPort(w.Servers[0].Addr)
	require.NoError(t, err)
	s := w.Sentinels[0]
	s.Do(t, "SENTINEL", "CONFIG", "SET", "resolve-hostnames", "yes")
	s.Do(t, "SENTINEL", "CONFIG", "SET", "announce-hostnames", "yes")
	s.Do(t, "SENTINEL", "REMOVE", "mymaster")
	s.Do(t, "SENTINEL", "MONITOR", "mymaster", "localhost", port, "2")
	require.Eventually(t, func() bool {
		return strings.Contains(s.Do(t, "SENTINEL", "MASTER", "mymaster"), "num-other-sentinels\n2\n")
	}, 20*time.Second, 50*time.Millisecond)
	require.Contains(t, s.Do(t, "SENTINEL", "MASTER", "mymaster"), "localhost")
	for _, entry := range w.Sentinels {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: entry.Addr})
		target.Peer = func(addr string) (*item.Target, error) {
			peer, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
			return peer, nil
		}
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
		require.Len(t, doc["sentinels"], 3)
		require.Equal(t, 0.0, doc["disagreements"])
		require.Equal(t, 1.0, metrictest.Row(t, doc["masters"], "name", "mymaster")["agree"])
	}
}

// TestASentinelThatAnotherHasDisplaced: the others keep it with the port 0, and count it.
// Source: redis issue 8786
func TestASentinelThatAnotherHasDisplaced(t *testing.T) {
	t.Parallel()
	displaced := flatReply("ip", "10.0.1.2", "port", "0", "runid", "id1", "flags", "s_down,sentinel,disconnected")
	s := sentinelOf("id0", listReply(masterFields("10.0.0.1", "master", "2")), displaced, peerFields(2, "sentinel"))
	asked := map[string]int{}
	s.Peer = func(addr string) (*item.Target, error) {
		asked[addr]++
		return sentinelOf("id2", listReply(masterFields("10.0.0.1", "master", "2"))), nil
	}
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, s)))
	require.Equal(t, map[string]int{"10.0.1.2:26379": 1}, asked)
	row := metrictest.Row(t, doc["sentinels"], "addr", "10.0.1.2:0")
	require.Equal(t, []any{0.0, "sentinel"}, []any{row["up"], row["reason"]})
	require.Contains(t, row["error"], "SENTINEL RESET m")
	require.Equal(t, 3.0, metrictest.Row(t, doc["masters"], "name", "m")["known_sentinels"])
}
