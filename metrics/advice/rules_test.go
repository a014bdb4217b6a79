package advice

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// healthy is a server that no rule has a word about: fields of INFO by section and
// name, parameters of CONFIG, command statistics, and what else is asked for.
var healthy = map[string]string{
	"server.redis_version": "8.2.3", "server.redis_mode": "standalone", "server.uptime_in_seconds": "864000",
	"server.process_id": "4711", "server.tcp_port": "6379",
	"clients.connected_clients": "10",
	"memory.used_memory":        fmt.Sprint(gib), "memory.used_memory_rss": fmt.Sprint(gib * 11 / 10), "memory.used_memory_peak": fmt.Sprint(gib * 12 / 10),
	"memory.total_system_memory": fmt.Sprint(16 * gib), "memory.maxmemory": fmt.Sprint(4 * gib), "memory.maxmemory_policy": "noeviction",
	"memory.mem_clients_normal": "100000", "memory.mem_clients_slaves": "0", "memory.number_of_cached_scripts": "1000",
	"persistence.aof_enabled": "0", "persistence.rdb_last_bgsave_status": "ok", "persistence.aof_last_write_status": "ok",
	"persistence.aof_last_bgrewrite_status": "ok",
	"stats.evicted_keys":                    "0", "stats.keyspace_hits": "60000", "stats.keyspace_misses": "60001", "stats.latest_fork_usec": "99999",
	"stats.rejected_connections": "0", "stats.client_output_buffer_limit_disconnections": "0", "stats.evicted_clients": "0",
	"stats.sync_full": "1", "stats.sync_partial_err": "0", "stats.expired_stale_perc": "0.50",
	"replication.role": "master", "replication.connected_slaves": "0", "replication.master_replid": "a",
	"replication.master_repl_offset": "1000000", "replication.repl_backlog_size": fmt.Sprint(mib),
	"keyspace.db0": "keys=1000000,expires=900000,avg_ttl=5",
	"config.save":  "3600 1", "config.stop-writes-on-bgsave-error": "yes", "config.appendfsync": "everysec", "config.maxclients": "10000",
	"config.timeout": "0", "config.tcp-keepalive": "300", "config.min-replicas-to-write": "0", "config.min-replicas-max-lag": "10",
	"config.client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
	"config.slowlog-log-slower-than":    "10000", "config.slowlog-max-len": "128", "config.protected-mode": "yes", "config.port": "6379",
	"config.bind": "127.0.0.1 10.0.0.1", "config.requirepass": "s3cret", "config.acllog-max-len": "128",
	"commandstats.cmdstat_get": "calls=1000000,usec=1000000",
}

// with is a server with changes: "name=value", or "-name" for what is not known.
func with(base map[string]string, changes ...string) map[string]string {
	out := maps.Clone(base)
	for _, change := range changes {
		if gone, ok := strings.CutPrefix(change, "-"); ok {
			delete(out, gone)
			continue
		}
		name, value, _ := strings.Cut(change, "=")
		out[name] = value
	}
	return out
}

// script answers as such a server.
func script(state map[string]string) map[string]string {
	sections := map[string][]string{}
	var config []string
	replies := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		section, field, _ := strings.Cut(name, ".")
		switch section {
		case "config":
			config = append(config, field, state[name])
		case "reply":
			replies[field] = state[name]
		default:
			sections[section] = append(sections[section], field+":"+state[name])
		}
	}
	var text strings.Builder
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		if section != "commandstats" {
			fmt.Fprintf(&text, "# %s\r\n%s\r\n\r\n", section, strings.Join(sections[section], "\r\n"))
		}
	}
	stats := "# Commandstats\r\n" + strings.Join(sections["commandstats"], "\r\n") + "\r\n"
	out := map[string]string{
		"INFO": metrictest.Bulk(text.String()), "INFO commandstats": metrictest.Bulk(stats), "CONFIG GET *": metrictest.WireArray(config...),
	}
	maps.Copy(out, replies)
	return out
}

// subject is what the rules judge in a test.
type subject struct {
	state     map[string]string
	then      []string // changes until the second poll, a minute later
	machine   machine
	anonymous bool
}

// judgeAll polls twice, a minute apart, and returns the second poll's verdicts.
func judgeAll(t *testing.T, s subject) (v verdicts) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		for poll := range 2 {
			if poll == 1 {
				time.Sleep(time.Minute)
				s.state = with(s.state, s.then...)
			}
			target.Doer = &metrictest.ScriptDoer{Replies: script(s.state)}
			f, err := newPoll(target).ask(t.Context(), target, true)
			require.NoError(t, err)
			f.machine = s.machine
			f.anonymous, f.loginOK = s.anonymous, true
			v = judge(f, nil, true)
		}
	})
	return v
}

func ids(findings []finding) []string {
	out := []string{}
	for _, f := range findings {
		out = append(out, f.ID)
	}
	slices.Sort(out)
	return out
}

var (
	users    = "reply.ACL LIST=" + metrictest.WireArray("user default on #abc ~* &* +@all", "user app on #abc ~* resetchannels -@all +@read")
	master   = []string{"replication.connected_slaves=1", "replication.slave0=ip=10.0.0.2,port=6379,state=online,offset=999990,lag=0", "config.min-replicas-to-write=1", "replication.min_slaves_good_slaves=1"}
	aof      = []string{"persistence.aof_enabled=1", "persistence.aof_delayed_fsync=0"}
	machine1 = machine{swapOK: true, hugePagesOK: true, overcommitOK: true, overcommit: 1}
	nodes    = func(lines ...string) string {
		return "reply.CLUSTER NODES=" + metrictest.Bulk(strings.Join(lines, "\n")+"\n")
	}
	shards = []string{
		"a1 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460", "b1 10.0.0.2:6379@16379 master - 0 0 2 connected 5461-10922",
		"c1 10.0.0.3:6379@16379 master - 0 0 3 connected 10923-16383", "a2 10.0.0.2:6380@16380 slave a1 0 0 1 connected",
		"b2 10.0.0.3:6380@16380 slave b1 0 0 2 connected", "c2 10.0.0.1:6380@16380 slave c1 0 0 3 connected",
	}
	slot = func(keys int) string {
		return "reply.CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1=" + fmt.Sprintf("*1\r\n*2\r\n:866\r\n*2\r\n+key-count\r\n:%d\r\n", keys)
	}
	member    = append(slices.Clone(master), "server.redis_mode=cluster", "cluster.cluster_enabled=1", nodes(shards...), slot(10))
	sentinels = func(others, quorum, replicas int) []string {
		return []string{"server.redis_mode=sentinel", "-replication.role", "reply.SENTINEL MASTERS=*1\r\n" + metrictest.WireArray("name", "mymaster",
			"num-slaves", fmt.Sprint(replicas), "num-other-sentinels", fmt.Sprint(others), "quorum", fmt.Sprint(quorum),
			"flags", "master", "down-after-milliseconds", "1000"),
			listed("slave 100")}
	}
	// listed are the replicas of mymaster as a sentinel lists them, by flags, priority and
	// for how many milliseconds they are without their master.
	listed = func(rows ...string) string {
		out := fmt.Sprintf("*%d\r\n", len(rows))
		for _, row := range rows {
			fields := append(strings.Fields(row), "0")
			out += metrictest.WireArray("name", "10.0.0.2:6379", "flags", fields[0], "slave-priority", fields[1], "master-link-down-time", fields[2])
		}
		return "reply.SENTINEL REPLICAS mymaster=" + out
	}
)

// ruleTests has for each rule a server of which it speaks and one, as near to it
// as can be, of which it does not.
var ruleTests = map[string]struct {
	speaks, silent   []string // changes of healthy
	then, silentThen []string
	unknown          string // what must be missing for the rule not to be judged
	machine, calm    machine
	anonymous        bool
	companions       string // other rules that speak of the same
	evidence         string
}{
	"no_maxmemory": {speaks: []string{"memory.maxmemory=0"}, silent: []string{"memory.maxmemory=17179869183", "memory.total_system_memory=34359738368"},
		unknown: "-memory.maxmemory", evidence: "maxmemory is 0, used_memory is 1 GiB"},
	"machine_memory_full": {speaks: []string{"memory.maxmemory=0", "memory.used_memory_rss=800", "memory.total_system_memory=1000", "memory.used_memory=600"},
		silent:  []string{"memory.maxmemory=0", "memory.used_memory_rss=799", "memory.total_system_memory=1000", "memory.used_memory=600"},
		unknown: "-memory.total_system_memory", companions: "no_maxmemory", evidence: "80 %"},
	"maxmemory_above_machine": {speaks: []string{"memory.maxmemory=15461882266"}, silent: []string{"memory.maxmemory=15461882265"},
		unknown: "-memory.total_system_memory", evidence: "the machine has 16 GiB"},
	"noeviction_nearly_full": {speaks: []string{"memory.used_memory=3435973837", "memory.used_memory_rss=3435973837", "memory.used_memory_peak=3435973837", "keyspace.db0=keys=1000,expires=9"},
		silent:  []string{"memory.used_memory=3435973837", "memory.used_memory_rss=3435973837", "memory.used_memory_peak=3435973837", "keyspace.db0=keys=1000,expires=10"},
		unknown: "-keyspace.db0", evidence: "80 % of maxmemory is used, 9 of 1000 keys expire"},
	"volatile_policy_without_ttl": {speaks: []string{"memory.maxmemory_policy=volatile-lru", "keyspace.db0=keys=5,expires=0"},
		silent: []string{"memory.maxmemory_policy=volatile-lru", "keyspace.db0=keys=5,expires=1"}, unknown: "-memory.maxmemory_policy",
		evidence: "none of 5 keys expires"},
	"eviction_on_store": {speaks: []string{"stats.evicted_keys=1"}, silent: []string{"stats.evicted_keys=1", "config.save="},
		unknown: "-config.save", evidence: "server: 1 key"},
	"low_hit_ratio": {speaks: []string{"memory.maxmemory_policy=allkeys-lru"}, silent: []string{"memory.maxmemory_policy=allkeys-lru", "stats.keyspace_hits=60001"},
		unknown: "-stats.keyspace_hits", evidence: "50 % of 120001 lookups"},
	"expired_keys_pile_up": {speaks: []string{"stats.expired_stale_perc=10.00"}, silent: []string{"stats.expired_stale_perc=9.99"},
		unknown: "-stats.expired_stale_perc", evidence: "about 10 %"},
	"fragmentation": {speaks: []string{"memory.used_memory_rss=1503238554"}, silent: []string{"memory.used_memory_rss=1503238553"},
		unknown: "-memory.used_memory_rss", evidence: "1.4 times"},
	"memory_peak": {speaks: []string{"memory.used_memory_peak=1610612737"}, silent: []string{"memory.used_memory_peak=1610612736"},
		unknown: "-memory.used_memory_peak", evidence: "its peak was 1.5 GiB"},
	"scripts_pile_up": {speaks: []string{"memory.number_of_cached_scripts=1001"}, silent: []string{"memory.number_of_cached_scripts=1000"},
		unknown: "-memory.number_of_cached_scripts", evidence: "1001 scripts"},

	"swapped": {speaks: nil, machine: machine{swapOK: true, swap: 60 * mib, hugePagesOK: true, overcommitOK: true, overcommit: 1},
		calm: machine{swapOK: true, swap: 50 * mib, hugePagesOK: true, overcommitOK: true, overcommit: 1}, evidence: "60 MiB of the process"},
	"transparent_huge_pages": {machine: machine{swapOK: true, hugePages: true, hugePagesOK: true, overcommitOK: true, overcommit: 1}, calm: machine1},
	"overcommit":             {machine: machine{swapOK: true, hugePagesOK: true, overcommitOK: true}, calm: machine1, evidence: "vm.overcommit_memory is 0"},

	"rdb_save_failed": {speaks: []string{"persistence.rdb_last_bgsave_status=err"}, silent: []string{"persistence.rdb_last_bgsave_status=ok"},
		unknown: "-persistence.rdb_last_bgsave_status", evidence: "is err"},
	"aof_write_failed": {speaks: append(slices.Clone(aof), "persistence.aof_last_write_status=err"), silent: []string{"persistence.aof_last_write_status=err"},
		unknown: "-persistence.aof_enabled", evidence: "is err"},
	"aof_rewrite_failed": {speaks: append(slices.Clone(aof), "persistence.aof_last_bgrewrite_status=err"), silent: []string{"persistence.aof_last_bgrewrite_status=err"},
		unknown: "-persistence.aof_enabled", evidence: "is err"},
	"save_errors_ignored": {speaks: []string{"config.stop-writes-on-bgsave-error=no"}, silent: []string{"config.stop-writes-on-bgsave-error=no", "config.save="},
		unknown: "-config.save", evidence: `save is "3600 1"`},
	"slow_fork": {speaks: []string{"stats.latest_fork_usec=100000"}, silent: []string{"stats.latest_fork_usec=99999"},
		unknown: "-stats.latest_fork_usec", evidence: "100 ms"},
	"slow_disk": {speaks: append(slices.Clone(aof), "persistence.aof_delayed_fsync=1"), silent: append(slices.Clone(aof), "persistence.aof_delayed_fsync=0"),
		unknown: "-persistence.aof_enabled", evidence: "1 time since"},
	"fsync_never": {speaks: append(slices.Clone(aof), "config.appendfsync=no"), silent: []string{"config.appendfsync=no"},
		unknown: "-persistence.aof_enabled", evidence: "appendfsync is no"},
	"primary_without_persistence": {speaks: append(slices.Clone(master), "config.save="), silent: append(slices.Concat(master, aof), "config.save="),
		unknown: "-replication.connected_slaves", evidence: "1 replica, save"},

	"small_backlog": {speaks: master, then: []string{"replication.master_repl_offset=2100000", "replication.slave0=ip=10.0.0.2,port=6379,state=online,offset=2100000,lag=0"},
		silent: master, silentThen: []string{"replication.master_repl_offset=2048576", "replication.slave0=ip=10.0.0.2,port=6379,state=online,offset=2048576,lag=0"},
		evidence: "1 MiB of backlog cover 57 s of writes"},
	"replica_near_resync": {speaks: append(slices.Clone(master), "replication.slave0=ip=10.0.0.2,port=6379,state=online,offset=475711,lag=0"),
		silent:  append(slices.Clone(master), "replication.slave0=ip=10.0.0.2,port=6379,state=online,offset=475712,lag=0"),
		unknown: "", evidence: "10.0.0.2:6379 has not confirmed"},
	"repeated_full_copies": {speaks: []string{"stats.sync_partial_err=11", "stats.sync_full=12"}, silent: []string{"stats.sync_partial_err=10"},
		unknown: "-stats.sync_partial_err", evidence: "11 partial copies were refused and 12 full ones made in 240 hours"},
	"writes_without_replica": {speaks: append(slices.Clone(master), "config.min-replicas-to-write=0"), silent: master,
		unknown: "-config.min-replicas-to-write", evidence: "with 1 replica"},
	"writes_refused": {speaks: append(slices.Clone(master), "config.min-replicas-to-write=2"), silent: master,
		unknown: "-config.min-replicas-to-write", evidence: "1 replica in step, 2 required"},
	"writable_replica": {speaks: []string{"replication.role=slave", "replication.slave_read_only=0"}, silent: []string{"replication.role=slave", "replication.slave_read_only=1"},
		unknown: "-replication.role", evidence: "replica-read-only is no"},
	"large_replica_buffers": {speaks: append(slices.Clone(master), "memory.mem_clients_slaves=10485761"), silent: append(slices.Clone(master), "memory.mem_clients_slaves=10485760"),
		unknown: "-replication.connected_slaves", companions: "", evidence: "10 MiB for 1 replica"},

	"maxclients_cut": {speaks: []string{"config.maxclients=4064"}, silent: []string{"config.maxclients=4000"}, unknown: "-config.maxclients",
		evidence: "may open 4096 files"},
	"clients_rejected": {speaks: []string{"stats.rejected_connections=3"}, silent: []string{"stats.rejected_connections=0"},
		unknown: "-stats.rejected_connections", evidence: "3 connections"},
	"dead_clients_stay": {speaks: []string{"config.tcp-keepalive=0"}, silent: []string{"config.tcp-keepalive=0", "config.timeout=600"},
		unknown: "-config.timeout", evidence: "tcp-keepalive is 0"},
	"output_buffer_unlimited": {speaks: []string{"config.client-output-buffer-limit=normal 0 0 0 slave 0 0 0 pubsub 33554432 8388608 60"},
		silent:  []string{"config.client-output-buffer-limit=normal 0 0 0 replica 0 67108864 60 pubsub 33554432 0 0"},
		unknown: "-config.client-output-buffer-limit", evidence: "no limit for replica"},
	"output_buffer_disconnects": {speaks: []string{"stats.client_output_buffer_limit_disconnections=2"}, silent: []string{"stats.client_output_buffer_limit_disconnections=0"},
		unknown: "-stats.client_output_buffer_limit_disconnections", evidence: "2 clients"},
	"clients_evicted": {speaks: []string{"stats.evicted_clients=1"}, silent: []string{"stats.evicted_clients=0"}, unknown: "-stats.evicted_clients", evidence: "1 client since"},
	"large_client_buffers": {speaks: []string{"memory.mem_clients_normal=67108864"}, silent: []string{"memory.mem_clients_normal=67108864", "clients.connected_clients=328"},
		unknown: "-memory.mem_clients_normal", evidence: "64 MiB for 10 clients"},

	"keys_command": {speaks: []string{"commandstats.cmdstat_keys=calls=1,usec=1000"}, silent: []string{"commandstats.cmdstat_keys=calls=99,usec=98000"},
		unknown: "reply.INFO commandstats=-NOPERM no\r\n", evidence: "KEYS: 1 call of 1 ms"},
	"slow_whole_reads": {speaks: []string{"commandstats.cmdstat_hgetall=calls=10,usec=50000"}, silent: []string{"commandstats.cmdstat_hgetall=calls=10,usec=49999"},
		unknown: "reply.INFO commandstats=-NOPERM no\r\n", evidence: "HGETALL: 10 calls of 5 ms"},
	"slow_scripts": {speaks: []string{"commandstats.cmdstat_evalsha=calls=10,usec=100000"}, silent: []string{"commandstats.cmdstat_evalsha=calls=9,usec=900000"},
		unknown: "reply.INFO commandstats=-NOPERM no\r\n", evidence: "EVALSHA: 10 calls of 10 ms"},
	"slow_log_blind": {speaks: []string{"config.slowlog-log-slower-than=1000000"}, silent: []string{"config.slowlog-log-slower-than=999999"},
		unknown: "-config.slowlog-max-len", evidence: "1000000 microseconds"},

	"open_to_network": {speaks: []string{"config.protected-mode=no", "config.requirepass=", "-reply.ACL LIST"}, anonymous: true,
		silent: []string{"config.protected-mode=no", "config.requirepass=", "config.bind=127.0.0.1 -::1"}, unknown: "-config.bind",
		evidence: "protected-mode is no"},
	"no_password": {speaks: []string{"config.requirepass=", "-reply.ACL LIST"}, anonymous: true, silent: []string{"config.requirepass=s3cret"}, evidence: "no password; bind is"},
	"user_without_password": {speaks: []string{"reply.ACL LIST=" + metrictest.WireArray("user default on #a ~* +@all", "user app on nopass ~* -@all +get", "user old off nopass -@all")},
		silent:  []string{users},
		unknown: "reply.ACL LIST=-NOPERM no\r\n", evidence: "app"},
	"many_administrators": {speaks: []string{"reply.ACL LIST=" + metrictest.WireArray("user default on #a ~* +@all -@dangerous +info", "user app on #a ~* +@all -config -debug -shutdown", "user ops on #a +config|set")},
		silent:  []string{"reply.ACL LIST=" + metrictest.WireArray("user default on #a ~* +@all", "user app off #a ~* +@all", "user ro on #a +@read (~x +@write -flushall)")},
		unknown: "reply.ACL LIST=-NOPERM no\r\n", evidence: "app (flushall), ops (config set)"},
	"version_ended": {speaks: []string{"server.redis_version=7.0.15"}, silent: []string{"server.redis_version=6.2.14"}, unknown: "", evidence: "Redis 7.0.15"},

	"shard_without_replica": {speaks: append(slices.Clone(member), nodes(append(slices.Clone(shards[:5]), "c2 10.0.0.1:6380@16380 slave,fail c1 0 0 3 disconnected")...)), silent: member,
		unknown: "reply.CLUSTER NODES=-NOPERM no\r\n", evidence: "10.0.0.3:6379"},
	"shard_on_one_host": {speaks: append(slices.Clone(member), nodes(append(slices.Clone(shards[:5]), "c2 10.0.0.3:6380@16380 slave c1 0 0 3 connected")...)),
		silent:  append(slices.Clone(member), nodes(append(slices.Clone(shards), "c3 10.0.0.3:6380@16380 slave c1 0 0 3 connected")...)),
		unknown: "reply.CLUSTER NODES=-NOPERM no\r\n", evidence: "10.0.0.3:6379"},
	"few_masters": {speaks: append(slices.Clone(member), nodes("a1 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-16383", "a2 10.0.0.2:6380@16380 slave a1 0 0 1 connected")), silent: member,
		unknown: "reply.CLUSTER NODES=-NOPERM no\r\n", evidence: "1 master"},
	"hash_tag_skew": {speaks: append(slices.Clone(member), slot(200_001)), silent: append(slices.Clone(member), slot(200_000)),
		unknown: "reply.CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1=-NOPERM no\r\n", evidence: "slot 866 has 200001 of 1000000 keys"},

	"few_sentinels":          {speaks: sentinels(1, 2, 1), silent: sentinels(2, 2, 1), unknown: "reply.SENTINEL MASTERS=-NOPERM no\r\n", evidence: "mymaster: 2"},
	"quorum_too_high":        {speaks: sentinels(2, 4, 1), silent: sentinels(2, 3, 1), unknown: "reply.SENTINEL MASTERS=-NOPERM no\r\n", evidence: "quorum 4 of 3"},
	"quorum_of_one":          {speaks: sentinels(2, 1, 1), silent: sentinels(2, 2, 1), unknown: "reply.SENTINEL MASTERS=-NOPERM no\r\n", evidence: "quorum 1 of 3"},
	"master_without_replica": {speaks: sentinels(2, 2, 0), silent: sentinels(2, 2, 1), unknown: "reply.SENTINEL MASTERS=-NOPERM no\r\n", evidence: "mymaster"},
}

func TestEachRuleSpeaksOfItsCauseAndOfNothingElse(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(rules), 25)
	for _, rule := range rules {
		tt, ok := ruleTests[rule.ID]
		require.True(t, ok, "metrics/advice/rules_test.go: ruleTests needs a row for %s", rule.ID)
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			if tt.machine == (machine{}) {
				tt.machine, tt.calm = machine1, machine1
			}
			base := with(healthy, users)
			v := judgeAll(t, subject{state: with(base, tt.speaks...), then: tt.then, machine: tt.machine, anonymous: tt.anonymous})
			want := append(strings.Fields(tt.companions), rule.ID)
			slices.Sort(want)
			require.Equal(t, want, ids(v.findings))
			i := slices.IndexFunc(v.findings, func(f finding) bool { return f.ID == rule.ID })
			require.Contains(t, v.findings[i].evidence, tt.evidence)
			require.NotContains(t, v.findings[i].evidence, "s3cret")

			v = judgeAll(t, subject{state: with(base, tt.silent...), then: tt.silentThen, machine: tt.calm})
			require.NotContains(t, ids(v.findings), rule.ID)
			require.NotContains(t, ids(v.unjudged), rule.ID, "it can be judged")

			if tt.unknown != "" {
				v = judgeAll(t, subject{state: with(base, append(slices.Clone(tt.speaks), tt.unknown)...), machine: tt.machine, anonymous: tt.anonymous})
				require.NotContains(t, ids(v.findings), rule.ID)
				require.Contains(t, ids(v.unjudged), rule.ID)
			}
		})
	}
	for id := range ruleTests {
		require.True(t, knownRule(id), "ruleTests has a row for %s, which is no rule", id)
	}
}

func TestAHealthyServerGetsNoAdvice(t *testing.T) {
	t.Parallel()
	v := judgeAll(t, subject{state: with(healthy, users), machine: machine1})
	require.Empty(t, ids(v.findings))
	require.Empty(t, ids(v.unjudged))
	require.Equal(t, v.judged, len(rules)-len(clusterRules)-len(sentinelRules))
}

// TestMemoryThatIsNotCountedForEvictions, of replicas and the AOF, makes no write fail.
func TestMemoryThatIsNotCountedForEvictions(t *testing.T) {
	t.Parallel()
	for notCounted, speaks := range map[string]bool{"0": true, "1000000": false} {
		changes := append(slices.Clone(ruleTests["noeviction_nearly_full"].speaks), "memory.mem_not_counted_for_evict="+notCounted)
		v := judgeAll(t, subject{state: with(with(healthy, users), changes...), machine: machine1})
		require.Equal(t, speaks, slices.Contains(ids(v.findings), "noeviction_nearly_full"), notCounted)
	}
}

// TestSwapSeenFromAnotherMachine: only ratios tell of it there.
func TestSwapSeenFromAnotherMachine(t *testing.T) {
	t.Parallel()
	far := machine{why: otherMachine}
	for name, tt := range map[string]struct {
		changes []string
		speaks  bool
	}{
		"three tenths are not in memory": {[]string{"memory.used_memory=1000000000", "memory.used_memory_rss=699999999"}, true},
		"as much as that is":             {[]string{"memory.used_memory=1000000000", "memory.used_memory_rss=700000000"}, false},
		"a backlog that is not filled":   {[]string{"memory.used_memory=1000000000", "memory.used_memory_rss=500000000", "memory.mem_replication_backlog=400000000"}, false},
		"a small server":                 {[]string{"memory.used_memory=104857599", "memory.used_memory_rss=1"}, false},
	} {
		v := judgeAll(t, subject{state: with(with(healthy, users), tt.changes...), machine: far})
		require.Equal(t, tt.speaks, slices.Contains(ids(v.findings), "swapped"), name)
		require.Equal(t, []string{"overcommit", "transparent_huge_pages"}, ids(v.unjudged), name)
	}
	// A module may have reserved what is not in memory, as BF.RESERVE does.
	v := judgeAll(t, subject{state: with(with(healthy, users), "memory.used_memory=1000000000", "memory.used_memory_rss=500000000", "modules.module=name=bf,ver=80001"), machine: far})
	require.NotContains(t, ids(v.findings), "swapped")
	require.Contains(t, ids(v.unjudged), "swapped")
}

// TestMemoryOfReplicas is limited by their masters, unless they are told otherwise.
func TestMemoryOfReplicas(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"noeviction_nearly_full", "volatile_policy_without_ttl"} {
		for ignores, speaks := range map[string]bool{"config.replica-ignore-maxmemory=yes": false, "config.slave-ignore-maxmemory=yes": false,
			"config.replica-ignore-maxmemory=no": true} {
			changes := append(slices.Clone(ruleTests[id].speaks), "replication.role=slave", ignores)
			v := judgeAll(t, subject{state: with(with(healthy, users), changes...), machine: machine1})
			require.Equal(t, speaks, slices.Contains(ids(v.findings), id), "%s %s", id, ignores)
		}
	}
}

// TestServersOfAmazon are maintained, and promoted, by Amazon.
func TestServersOfAmazon(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"version_ended", "few_masters"} {
		v := judgeAll(t, subject{state: with(with(healthy, users), append(slices.Clone(ruleTests[id].speaks), "server.os=Amazon ElastiCache")...), machine: machine1})
		require.NotContains(t, ids(v.findings), id)
	}
}

// TestWhoTurnedClientsAway may be protected mode.
func TestWhoTurnedClientsAway(t *testing.T) {
	t.Parallel()
	for text, changes := range map[string][]string{
		"3 connections since the start of the server":                                                 {"config.protected-mode=no", "config.bind=*"},
		"3 connections since the start of the server; protected-mode is yes, which may be the reason": {"config.protected-mode=yes", "config.bind=* -::*"},
	} {
		v := judgeAll(t, subject{state: with(with(healthy, users), append(changes, "stats.rejected_connections=3")...), machine: machine1})
		at := slices.IndexFunc(v.findings, func(f finding) bool { return f.ID == "clients_rejected" })
		require.GreaterOrEqual(t, at, 0)
		require.Equal(t, text, v.findings[at].evidence)
	}
}

// TestHostsOfOneAddress are different ones when their names are.
func TestHostsOfOneAddress(t *testing.T) {
	t.Parallel()
	for replica, speaks := range map[string]bool{"10.0.0.1:6380@16380,one": true, "10.0.0.1:6380@16380,two": false} {
		v := judgeAll(t, subject{state: with(with(healthy, users), append(slices.Clone(member),
			nodes("a1 10.0.0.1:6379@16379,one myself,master - 0 0 1 connected 0-16383", "a2 "+replica+" slave a1 0 0 1 connected"))...), machine: machine1})
		require.Equal(t, speaks, slices.Contains(ids(v.findings), "shard_on_one_host"), replica)
	}
}

// TestAWordThatIsEmpty says neither that all is well nor that something failed.
func TestAWordThatIsEmpty(t *testing.T) {
	t.Parallel()
	for id, field := range map[string]string{
		"rdb_save_failed": "rdb_last_bgsave_status", "aof_write_failed": "aof_last_write_status", "aof_rewrite_failed": "aof_last_bgrewrite_status",
	} {
		v := judgeAll(t, subject{state: with(with(healthy, users), "persistence.aof_enabled=1", "persistence."+field+"="), machine: machine1})
		require.NotContains(t, ids(v.findings), id)
	}
}

func TestRulesAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rules {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
		require.Regexp(t, `^[a-z][a-z_]+$`, r.ID)
		require.Contains(t, severities, r.Severity, r.ID)
		for _, text := range []string{r.Title, r.When, r.Why, r.Remedy, r.Source} {
			require.NotEmpty(t, text, r.ID)
		}
		for _, sentence := range []string{r.When, r.Why, r.Remedy} {
			require.True(t, strings.HasSuffix(sentence, "."), "%s: %s", r.ID, sentence)
		}
	}
	require.NoError(t, checkNames("no_maxmemory, slow_fork swapped"))
	require.EqualError(t, checkNames("no_maxmemory nosuch"), `no rule is called "nosuch"; docs/advice.md lists them`)
}

func TestUsersWhoMayDoDangerousThings(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"user a on nopass ~* +@all":                        "flushall config set debug shutdown",
		"user a on nopass allcommands -@admin":             "flushall",
		"user a on nopass -@all +@write":                   "flushall",
		"user a on nopass +@all -@dangerous":               "",
		"user a on nopass +@all nocommands +config|get":    "",
		"user a on nopass +config -config|set":             "",
		"user a on nopass -@all +config":                   "config set",
		"user a on nopass -@all (~x +shutdown) (~y +get)":  "shutdown",
		"user a on nopass -@all +@read (~x +@all -@admin)": "flushall",
	} {
		u, ok := parseUser(line)
		require.True(t, ok)
		require.Equal(t, want, strings.Join(u.may, " "), line)
	}
	for _, line := range []string{"", "user", "x a on", "(((", "user a ( ( )"} {
		_, ok := parseUser(line)
		require.Equal(t, strings.HasPrefix(line, "user a"), ok, line)
	}
}

func TestAddressesOfTheLoopback(t *testing.T) {
	t.Parallel()
	for bind, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1 -::1": true, "localhost": true, "": false, "*": false, "* -::*": false, "10.0.0.1 127.0.0.1": false, "0.0.0.0": false,
	} {
		require.Equal(t, want, onLoopback(bind), bind)
	}
}
