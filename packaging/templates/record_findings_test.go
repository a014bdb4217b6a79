package templates

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestRecordJobs writes the answers about schedulers and failed jobs, as TestRecord does the others.
func TestRecordJobs(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	dump, err := os.ReadFile("../../metrics/jobs/testdata/job-systems.rdb")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600))
	s := redistest.Start(t, redistest.Config{Args: []string{"--dir", dir}})
	cronJob := func(name string, ago time.Duration) {
		key := "cron_job:default:" + name
		s.Do(t, "SADD", "cron_jobs:default", key)
		s.Do(t, "HSET", key, "name", name, "cron", "0 3 * * *", "status", "enabled", "message", `{"queue":"low"}`,
			"last_enqueue_time", time.Now().Add(-ago).UTC().Format("2006-01-02 15:04:05 -0700"))
	}
	cronJob("nightly", 0)
	cronJob("report", 48*time.Hour)
	r.document("jobs_scheduler", "job.get", s.Addr+"/0")

	a := startAgent(t)
	key := "job.failures.get[tcp://" + s.Addr + "/0]"
	r.write("failures_first", a.ask(t, key))
	for n := range 3 {
		fail(t, s, n)
	}
	r.write("failures_new", a.ask(t, key))
	r.write("failures_none", a.ask(t, key))
	s.Stop(t)
	r.write("failures_down", a.ask(t, key))
}

// fail writes a job that failed, as Sidekiq does, to be tried again.
func fail(t *testing.T, s *redistest.Server, n int) {
	t.Helper()
	now := time.Now()
	s.Do(t, "INCR", "stat:failed")
	s.Do(t, "ZADD", "retry", strconv.FormatInt(now.Add(time.Hour).Unix(), 10), fmt.Sprintf(
		`{"class":"PaymentJob","queue":"default","jid":"f%d","args":[%d],"retry_count":0,"failed_at":%.3f,"error_class":"Net::ReadTimeout","error_message":"no answer of the bank"}`,
		n, n, float64(now.UnixMilli())/1000))
}

// TestRecordSetup writes the answers about a server's setup, changes of it, and refusals.
func TestRecordSetup(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	s := redistest.Start(t, redistest.Config{Args: []string{"--min-replicas-to-write", "1"}})
	a := startAgent(t)
	ask := map[string]string{}
	for _, name := range []string{"advice", "config", "acl.log"} {
		ask[name] = "redis." + name + ".get[tcp://" + s.Addr + "]"
		a.ask(t, ask[name])
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "100mb")
	s.Do(t, "CONFIG", "SET", "requirepass", "secret")
	s.Do(t, "CONFIG", "SET", "requirepass", "")
	s.Do(t, "ACL", "SETUSER", "app", "on", ">secret", "+ping")
	for range 3 {
		_, err := s.TryDo("AUTH", "app", "guessed")
		require.Error(t, err)
	}
	r.write("redis_advice_findings", a.ask(t, ask["advice"]))
	r.write("redis_config_changed", a.ask(t, ask["config"]))
	r.write("redis_config_same", a.ask(t, ask["config"]))
	r.write("redis_acllog_refused", a.ask(t, ask["acl.log"]))
	r.write("redis_acllog_none", a.ask(t, ask["acl.log"]))
	pubsub := "redis.pubsub.get[tcp://" + s.Addr + ",,,news]"
	r.write("redis_pubsub_unheard", a.ask(t, pubsub))
	slow := "redis.slowlog.get[tcp://" + s.Addr + "]"
	a.ask(t, slow)
	r.write("redis_slowlog_none", a.ask(t, slow))
	s.Stop(t)
	r.write("redis_slowlog_down", a.ask(t, slow))
	r.write("redis_pubsub_down", a.ask(t, pubsub))
	r.write("redis_advice_down", a.ask(t, ask["advice"]))
	r.write("redis_config_down", a.ask(t, ask["config"]))
	r.write("redis_acllog_down", a.ask(t, ask["acl.log"]))
}

// TestRecordKeys writes the answers about keys and streams of a pattern.
func TestRecordKeys(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	s := redistest.Start(t, redistest.Config{})
	for i := range 5 {
		s.Do(t, "RPUSH", "queue:mails", fmt.Sprint(i))
		s.Do(t, "XADD", "orders", "*", "id", fmt.Sprint(i))
	}
	s.Do(t, "SET", "queue:lock", "x", "EX", "300")
	s.Do(t, "XADD", "events", "*", "id", "1")
	s.Do(t, "XGROUP", "CREATE", "orders", "billing", "0")
	s.Do(t, "XGROUP", "CREATE", "orders", "nobody", "0")
	s.Do(t, "XREADGROUP", "GROUP", "billing", "worker-1", "COUNT", "2", "STREAMS", "orders", ">")
	time.Sleep(3 * time.Second) // then it is idle
	a := startAgent(t)
	keys, streams := "redis.keys.discovery[tcp://"+s.Addr+",,,queue:*]", "redis.streams.get[tcp://"+s.Addr+",,,*,,1s]"
	for range 2 {
		a.ask(t, keys)
		a.ask(t, streams)
	}
	s.Do(t, "DEL", "queue:mails")
	r.write("keys_gone", a.ask(t, keys))
	s.Do(t, "RPUSH", "queue:mails", "1", "2", "3")
	a.ask(t, keys)
	r.write("keys_watched", a.ask(t, keys))
	r.write("streams_groups", a.ask(t, streams))
	for i := range 20_000 {
		s.Do(t, "SET", fmt.Sprintf("other:%05d", i), "x")
	}
	fresh := startAgent(t)
	r.write("keys_searching", fresh.ask(t, keys)) // 20,000 keys take longer than a check waits
	s.Stop(t)
	r.write("keys_down", a.ask(t, keys))
	r.write("streams_down", a.ask(t, streams))
}

// TestRecordGroups writes the answers about servers that belong together, and where
// they differ.
func TestRecordGroups(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	start := func(args ...string) *redistest.Server {
		return redistest.Start(t, redistest.Config{Args: append(args, "--repl-diskless-sync-delay", "0")})
	}
	primary := start()
	replica := start("--replicaof", replicaOf(primary.Addr))
	chained := start("--replicaof", replicaOf(replica.Addr), "--maxmemory", "1gb")
	inStep := func(servers ...*redistest.Server) {
		for _, s := range servers {
			r.until(func() bool { return s.InfoField(t, "replication", "master_link_status") == "up" })
		}
	}
	inStep(replica, chained)
	lines := []string{}
	for name, s := range map[string]*redistest.Server{"Primary": primary, "Replica": replica, "Chained": chained} {
		lines = append(lines, "Sessions."+name+".Uri=tcp://"+s.Addr)
	}
	config := r.config(lines...)
	r.configured("redis_group_chained", "redis.group.get[Primary Replica Chained]", config)
	r.configured("redis_group_strangers", "redis.group.get[Primary Chained]", config)
	chained.Do(t, "REPLICAOF", "NO", "ONE")
	r.configured("redis_group_split", "redis.group.get[Primary Replica Chained]", config)
	r.configured("redis_group_ok", "redis.group.get[Primary Replica]", config)
	replica.Do(t, "CONFIG", "SET", "maxmemory", "99mb")
	r.until(func() bool { return strings.Contains(primary.InfoField(t, "replication", "slave0"), "online") })
	r.document("redis_config_replicas", "redis.config.get", primary.Addr)
	primary.Kill(t)
	r.until(func() bool { return replica.InfoField(t, "replication", "master_link_status") == "down" })
	r.configured("redis_group_no_primary", "redis.group.get[Primary Replica]", config)
	replica.Kill(t)
	r.configured("redis_group_down", "redis.group.get[Primary Replica]", config)

	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{})
	nodes[2].Do(t, "CONFIG", "SET", "timeout", "77")
	r.configured("redis_config_cluster", "redis.config.get[tcp://"+nodes[0].Addr+",,,cluster]", "")
}

// TestRecordSentinels writes what sentinels say when they differ, and after a failover whose old master stays away.
func TestRecordSentinels(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	watched := redistest.NewWatched(t, "", "", "")
	watched.Sentinels[1].Do(t, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "5000")
	r.document("redis_sentinel_drift", "redis.sentinel.get", watched.Sentinels[0].Addr)
	for _, s := range watched.Sentinels {
		s.Do(t, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "1000")
	}
	watched.Servers[0].Kill(t)
	r.until(func() bool {
		replicas := watched.Sentinels[0].Do(t, "SENTINEL", "REPLICAS", "mymaster")
		return strings.Contains(replicas, watched.Servers[0].Addr) && strings.Contains(replicas, "s_down")
	})
	r.document("redis_sentinel_failed_over", "redis.sentinel.get", watched.Sentinels[0].Addr)
}
