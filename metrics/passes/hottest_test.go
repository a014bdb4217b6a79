package passes

import (
	"fmt"
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

// TestTheHottestKeysOfRealServers reads one key more often than the others, under
// an LFU policy and under another one.
func TestTheHottestKeysOfRealServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"}})
			for i := range 20 {
				s.Do(t, "SET", fmt.Sprint("cart:", i), "x")
			}
			for range 30 {
				s.Do(t, "GET", "cart:7")
			}
			for range 10 {
				s.Do(t, "GET", "cart:3")
			}
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			doc := newRun(t, target).pass()
			require.Empty(t, doc["unavailable"])
			rows := metrictest.Rows(t, doc["hottest"])
			require.Len(t, rows, testOptions.Top)
			require.Equal(t, []any{"cart:7", "string", "cart:3"}, []any{rows[0]["key"], rows[0]["type"], rows[1]["key"]})
			require.InDelta(t, 35, rows[0]["frequency"], 5, "5 at first, and one for each read")
			require.Greater(t, rows[1]["frequency"], rows[2]["frequency"])

			s.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
			target, _ = metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			s.Do(t, "CONFIG", "RESETSTAT")
			doc = newRun(t, target).pass()
			require.NotContains(t, doc, "hottest")
			require.Empty(t, doc["unavailable"])
			require.NotContains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_object")
		})
	}
}

func TestAReplicaDoesNotKnowTheHottestKeys(t *testing.T) {
	t.Parallel()
	lfu := []string{"--maxmemory-policy", "allkeys-lfu", "--repl-diskless-sync-delay", "0"}
	master := redistest.Start(t, redistest.Config{Args: lfu})
	master.Do(t, "SET", "a", "1")
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Args: append([]string{"--replicaof", host + " " + port}, lfu...)})
	require.Eventually(t, func() bool {
		return strings.Contains(master.Do(t, "INFO", "replication"), "state=online")
	}, 20*time.Second, 10*time.Millisecond)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: master.Addr})
	target.Peer = func(addr string) (*item.Target, error) {
		require.Equal(t, replica.Addr, addr)
		peer, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
		return peer, nil
	}
	doc := newRun(t, target).pass()
	require.NotContains(t, doc, "hottest")
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["hottest"], "a replica was read")
}

func TestFrequenciesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{
		Args: []string{"--maxmemory-policy", "volatile-lfu"}, Users: []string{"reader on >reader ~* +@all -object|freq"},
	})
	for i := range 20 {
		s.Do(t, "SET", fmt.Sprint("cart:", i), "x")
	}
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "reader", Password: "reader"})
	doc := newRun(t, target).pass()
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["hottest"], "NOPERM")
	require.NotContains(t, doc, "hottest")
	require.Equal(t, 20.0, doc["keys"])
}
