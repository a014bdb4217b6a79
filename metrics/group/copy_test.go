package group

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
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
	require.Eventually(t, func() bool { return s.InfoField(t, "replication", until) == map[string]string{"master_sync_in_progress": "1", "master_link_status": "up"}[until] }, 30*time.Second, 20*time.Millisecond)
}

// TestAMemberThatCopiesEverything has an offset that is of another history: its lag is
// not known, and that of the group neither.
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
			require.NotContains(t, doc, "lag_bytes")
			for _, session := range []string{"P1", "P2"} {
				require.NotContains(t, metrictest.Row(t, doc["members"], "session", session), "lag_bytes", session)
			}

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
