package server

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestMemoryAndChildrenOfRealServers makes each state on a real server: the parts
// make the whole, and a save, a rewrite and a load take their time.
func TestMemoryAndChildrenOfRealServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			old := f.Name == "redis-5.0" // which has no rdb-key-save-delay
			loads := f.Is("redis", 7, 0) || f.Is("valkey", 8, 0)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--rdbcompression", "no", "--repl-diskless-sync-delay", "0"}})
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			ask := func() (doc, derived map[string]any) {
				text, err := metrictest.CollectFrom(t, Get, target)
				require.NoError(t, err)
				doc = metrictest.Decode(t, text)
				return doc, metrictest.Section(t, doc, "derived")
			}
			fill := func() {
				for i := range 200 {
					s.Do(t, "SET", "key"+strings.Repeat("x", i), strings.Repeat("v", 1000))
				}
			}
			fill()
			s.Do(t, "EVAL", "return 1", "0")
			ask()
			before := wire.Calls
			doc, got := ask()
			require.Equal(t, before+1, wire.Calls, "one round trip")
			sum := 0.0
			for _, part := range []string{"dataset", "clients", "backlog", "scripts", "other"} {
				require.Contains(t, got, "memory_"+part)
				sum += got["memory_"+part].(float64)
			}
			require.InDelta(t, metrictest.Section(t, doc, "memory")["used_memory"], sum, 100<<10)
			require.Greater(t, got["memory_dataset"], 200_000.0)
			require.Greater(t, got["memory_other"], 300_000.0)
			require.Contains(t, got, "memory_allocator")
			require.InDelta(t, 0, got["rdb_save_running_seconds"], 0)
			require.InDelta(t, 0, got["aof_rewrite_running_seconds"], 0)
			require.NotContains(t, got, "loading_percent")
			if old {
				return
			}

			running := func(command, member string) {
				s.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "20000") // 200 keys, 4 seconds
				s.Do(t, command)
				require.Eventually(t, func() bool {
					_, got := ask()
					seconds, ok := got[member].(float64)
					return ok && seconds >= 1
				}, 20*time.Second, 100*time.Millisecond)
				s.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "0")
				s.KillChild(t) // else the server waits for it when it ends
			}
			running("BGSAVE", "rdb_save_running_seconds")
			s.Restart(t) // nothing was saved
			target, _ = metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			fill()
			running("BGREWRITEAOF", "aof_rewrite_running_seconds")

			if !loads {
				return
			}
			s.Restart(t)
			fill()
			follower := redistest.Start(t, redistest.Config{Bin: f.Bin,
				Args: []string{"--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024"}}) // 200 keys, 10 seconds
			_, port, _ := strings.Cut(s.Addr, ":")
			follower.Do(t, "REPLICAOF", "127.0.0.1", port)
			target, _ = metrictest.DialTarget(t, redisclient.Config{Address: follower.Addr})
			var last map[string]any
			require.Eventually(t, func() bool {
				doc, last = ask()
				left, ok := last["loading_left_seconds"].(float64)
				return ok && left > 0
			}, 20*time.Second, 50*time.Millisecond, "%v", last)
			require.Equal(t, "loading", doc["reason"])
			percent := last["loading_percent"].(float64)
			require.Greater(t, percent, 0.0)
			require.Less(t, percent, 100.0)
			require.LessOrEqual(t, last["loading_left_seconds"], 60.0)
			follower.Kill(t)
		})
	}
}
