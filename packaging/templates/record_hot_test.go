package templates

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestRecordHot writes the answers about hot keys and slots, latency, slow commands,
// differences of the configuration, and servers that save or load.
func TestRecordHot(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	bin := func(name string) string { return redistest.Find(t, name).Bin }

	hot := redistest.Start(t, redistest.Config{Bin: bin("redis-8.6")})
	hot.Do(t, "HOTKEYS", "START", "METRICS", "2", "CPU", "NET")
	for i := range 40 {
		hot.Do(t, "SET", "cart:7", strings.Repeat("x", 1000))
		hot.Do(t, "GET", fmt.Sprint("other", i%3))
	}
	r.document("redis_hot_keys", "redis.hot.get", hot.Addr, "", "", "server")
	hot.Stop(t)
	r.document("redis_hot_down", "redis.hot.get", hot.Addr, "", "", "server")
	nodes := redistest.NewCluster(t, redistest.Find(t, "redis-8.6"), redistest.Config{Args: []string{"--cluster-slot-stats-enabled", "yes"}})
	nodes[2].Do(t, "HOTKEYS", "START", "METRICS", "1", "CPU")
	work := func() {
		for i := range 20 {
			nodes[2].Do(t, "SET", "k1", "x")
			nodes[2].Do(t, "SET", fmt.Sprint("{k1}", i), "x")
		}
	}
	work()
	r.polledTwice("redis_hot_cluster", "redis.hot.get[tcp://"+nodes[0].Addr+"]", work)

	log := redistest.Start(t, redistest.Config{Bin: bin("valkey-8.1"), Args: []string{
		"--commandlog-request-larger-than", "1000", "--commandlog-reply-larger-than", "1000", "--latency-monitor-threshold", "1", "--enable-debug-command", "yes"}})
	log.Do(t, "SET", "large", strings.Repeat("x", 5000))
	log.Do(t, "GET", "large")
	log.Do(t, "DEBUG", "SLEEP", "0.01")
	r.document("redis_latency_valkey", "redis.latency.get", log.Addr)
	log.Stop(t)
	r.document("redis_latency_down", "redis.latency.get", log.Addr)

	slow := redistest.Start(t, redistest.Config{})
	key := "redis.slowlog.get[tcp://" + slow.Addr + "]"
	a := startAgent(t)
	a.ask(t, key)
	slow.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	slow.Do(t, "HGETALL", "cart:7")
	slow.Do(t, "EVAL", "for i = 1, 1000000 do end", "1", "cart:7")
	slow.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	r.write("redis_slowlog_new", a.ask(t, key))
	r.document("redis_get_slow", "redis.get", slow.Addr)

	master := redistest.Start(t, redistest.Config{Args: []string{"--repl-diskless-sync-delay", "0"}})
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", replicaOf(master.Addr), "--maxmemory", "100mb"}})
	r.until(func() bool { return strings.Contains(master.Do(t, "INFO", "replication"), "state=online") })
	r.document("redis_config_drift", "redis.config.get", master.Addr)
	replica.Stop(t)

	s8 := redistest.Start(t, redistest.Config{Bin: bin("redis-8.0")})
	key = "redis.acl.log.get[tcp://" + s8.Addr + "]"
	a.ask(t, key)
	s8.Do(t, "CONFIG", "SET", "client-query-buffer-limit", "1048576")
	_, err := s8.TryDo("SET", "large", strings.Repeat("x", 3<<20))
	require.Error(t, err)
	follower := redistest.Start(t, redistest.Config{Bin: bin("redis-8.0"), Args: []string{"--replicaof", replicaOf(s8.Addr)}})
	r.until(func() bool { return strings.Contains(s8.Do(t, "INFO", "replication"), "state=online") })
	follower.Stop(t)
	r.write("redis_acllog_cut", a.ask(t, key))

	saving := redistest.Start(t, redistest.Config{Bin: bin("redis-8.0"), Args: []string{"--appendonly", "yes"}})
	for i := range 100 {
		saving.Do(t, "SET", fmt.Sprint("key", i), strings.Repeat("x", 1000))
	}
	saving.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "500000")
	r.twice("redis_get_saving", saving.Addr, func() { saving.Do(t, "BGSAVE") })
	saving.Stop(t)
	rewriting := redistest.Start(t, redistest.Config{Bin: bin("redis-8.0"), Args: []string{"--appendonly", "yes"}})
	for i := range 100 {
		rewriting.Do(t, "SET", fmt.Sprint("key", i), strings.Repeat("x", 1000))
	}
	rewriting.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "500000")
	rewriting.Do(t, "BGREWRITEAOF")
	time.Sleep(2 * time.Second)
	r.document("redis_get_rewriting", "redis.get", rewriting.Addr)

	_, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	for i := range 200 {
		master.Do(t, "SET", fmt.Sprint("key", i), strings.Repeat("x", 1000))
	}
	loading := redistest.Start(t, redistest.Config{Args: []string{"--rdbcompression", "no", "--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024"}})
	master.Do(t, "CONFIG", "SET", "rdbcompression", "no")
	loading.Do(t, "REPLICAOF", "127.0.0.1", port)
	r.until(func() bool { return loading.InfoField(t, "persistence", "loading") == "1" })
	time.Sleep(3 * time.Second) // until the time left is known
	r.document("redis_get_loading", "redis.get", loading.Addr)
	loading.Kill(t)
}
