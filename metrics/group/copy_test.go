package group

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// slow makes a server that needs half a minute to write a copy of itself.
func slow(t *testing.T, bin string) *redistest.Server {
	t.Helper()
	s := redistest.Start(t, redistest.Config{Bin: bin, Args: []string{
		"--repl-diskless-sync", "no", "--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", "100000", "--save", "",
	}})
	for i := range 300 {
		s.Do(t, "SET", fmt.Sprint("key", i), "0123456789")
	}
	return s
}

// follow makes a server the replica of another one, and waits until it copies that or
// has copied it.
func follow(t *testing.T, s, of *redistest.Server, until string) {
	t.Helper()
	host, port, err := net.SplitHostPort(of.Addr)
	require.NoError(t, err)
	s.Do(t, "REPLICAOF", host, port)
	require.Eventually(t, func() bool {
		return s.InfoField(t, "replication", until) == map[string]string{"master_sync_in_progress": "1", "master_link_status": "up"}[until]
	}, 30*time.Second, 20*time.Millisecond)
}

// TestAMemberThatCopiesEverything has an offset that is of another history: its lag is
// not known, and that of the group neither. A replica that follows it follows its primary.
func TestAMemberThatCopiesEverything(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-6.2", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := redistest.Find(t, name).Bin
			p1, p2 := redistest.Start(t, redistest.Config{Bin: bin, Args: []string{"--repl-diskless-sync-delay", "0"}}), redistest.Start(t, redistest.Config{Bin: bin})
			p3, other := slow(t, bin), redistest.Start(t, redistest.Config{Bin: bin, Args: []string{"--repl-diskless-sync-delay", "0"}})
			p1.Do(t, "SET", "a", "1")
			follow(t, p2, p1, "master_link_status")
			g := dial(t, map[string]*redistest.Server{"P1": p1, "P2": p2, "P3": p3, "O": other})
			require.Eventually(t, func() bool { return g.answer(t, "P1 P2")["lag_bytes"] == 0.0 }, 30*time.Second, 20*time.Millisecond)

			// P1 copies P3, whose offset is greater, and P2 still follows P1.
			follow(t, p1, p3, "master_sync_in_progress")
			doc := g.answer(t, "P1 P2 P3")
			require.Equal(t, []any{0.0, 1.0}, []any{doc["strangers"], doc["primaries"]}, "%v", doc["summary"])
			require.NotContains(t, doc, "lag_bytes")
			for _, session := range []string{"P1", "P2"} {
				row := metrictest.Row(t, doc["members"], "session", session)
				require.Equal(t, "P3", row["primary_session"], session)
				require.NotContains(t, row, "lag_bytes", session)
			}

			// Without P3, both follow somebody outside; without P1, P2 does.
			doc = g.answer(t, "P1 P2")
			require.Equal(t, 2.0, doc["strangers"])
			require.Contains(t, doc["summary"], "P1, P2: replica of a primary that is not in this group ("+p3.Addr+")")
			doc = g.answer(t, "P2 P3")
			require.Equal(t, 1.0, doc["strangers"])
			require.Contains(t, doc["summary"], "P2: replica of a primary that is not in this group ("+p1.Addr+")")

			// One whose offset is greater than that of the server that it copies now.
			p1.Do(t, "REPLICAOF", "NO", "ONE")
			follow(t, other, p1, "master_link_status")
			for range 500 {
				p1.Do(t, "SET", "a", "0123456789")
			}
			require.Eventually(t, func() bool { return g.answer(t, "P1 O")["lag_bytes"] == 0.0 }, 30*time.Second, 20*time.Millisecond)
			follow(t, other, p3, "master_sync_in_progress")
			doc = g.answer(t, "P3 O")
			require.NotContains(t, doc, "lag_bytes")
			require.NotContains(t, metrictest.Row(t, doc["members"], "session", "O"), "lag_bytes")
			other.Do(t, "REPLICAOF", "NO", "ONE") // ends the copy
		})
	}
}

// TestWhoAReplicaFollows is found by address, by the rows of the one that is followed, and
// by the history of writes, along the whole chain.
func TestWhoAReplicaFollows(t *testing.T) {
	t.Parallel()
	const addr = "10.0.0.%s:6379"
	const row = "slave0:ip=10.0.0.%s,port=6379,state=online,offset=0,lag=0\r\n"
	server := func(n, role, history, rest string) *item.Target {
		target := scripted("run_id:" + n + "\r\n# Replication\r\nrole:" + role + "\r\nmaster_replid:" + history + "\r\n" + rest)
		target.ConnInfo = func() (redisclient.ConnInfo, bool) { return redisclient.ConnInfo{Addr: fmt.Sprintf(addr, n)}, true }
		return target
	}
	of := func(host string) string {
		return "master_host:" + host + "\r\nmaster_port:6379\r\nmaster_link_status:down\r\n"
	}
	p := server("1", "master", "aa", "")
	for _, tt := range []struct {
		name, strangers string
		b, c            *item.Target
		primary         any
	}{
		{"by address", "", server("2", "slave", "bb", of("10.0.0.1")), server("3", "slave", "bb", of("10.0.0.2")), "P"},
		{"by a row", "", server("2", "slave", "bb", of("10.0.0.1")+fmt.Sprintf(row, "3")), server("3", "slave", "bb", of("b.example.com")), "P"},
		{"by history", "", server("2", "slave", "aa", of("p.example.com")), server("3", "slave", "bb", of("10.0.0.2")), "P"},
		{"of another primary by way of a member", " (10.0.0.9:6379)", server("2", "slave", "bb", of("10.0.0.9")), server("3", "slave", "bb", of("10.0.0.2")), nil},
		{"of one of which nothing is told", "", server("2", "slave", "bb", "master_link_status:down\r\n"), server("3", "slave", "bb", of("10.0.0.2")), nil},
		{"of an active replica", "", server("2", "active-replica", "bb", of("10.0.0.9")), server("3", "slave", "cc", of("10.0.0.2")), "B"},
	} {
		doc := group{"P": p, "B": tt.b, "C": tt.c}.answer(t, "P B C")
		require.Equal(t, tt.primary, metrictest.Row(t, doc["members"], "session", "C")["primary_session"], tt.name)
		if tt.primary != nil {
			require.Equal(t, 0.0, doc["strangers"], tt.name)
			continue
		}
		require.Equal(t, 2.0, doc["strangers"], tt.name)
		text := metrictest.Row(t, doc["problems"], "id", "strangers")["text"]
		require.Equal(t, "B, C: replica of a primary that is not in this group"+tt.strangers, text, tt.name)
	}
}
