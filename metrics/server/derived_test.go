package server

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// sections makes an INFO of "Section field:value field:value" lines.
func sections(lines ...string) []byte {
	var b strings.Builder
	for _, line := range lines {
		words := strings.Fields(line)
		b.WriteString("# " + words[0] + "\r\n" + strings.Join(words[1:], "\r\n") + "\r\n")
	}
	return []byte(b.String())
}

// derivedOf is the member derived of one poll of a Redis.
func derivedOf(t testing.TB, target *item.Target, lines ...string) map[string]any {
	t.Helper()
	lines = append(slices.Clone(lines), "Server redis_version:7.4.0")
	return metrictest.Section(t, metrictest.Decode(t, getDocumentOf(target, sections(lines...))), "derived")
}

func TestDerivedFiguresOfOneMoment(t *testing.T) {
	t.Parallel()
	const now = 946684800 // what a bubble's clock begins with
	for _, tt := range []struct {
		name  string
		lines []string
		want  map[string]any
	}{
		{"nothing is known", []string{"Server os:Plan9"}, map[string]any{}},
		{"what is no number, or no count, is unknown", []string{
			"Clients connected_clients:x maxclients:10", "Memory used_memory:-1 maxmemory:5", "Stats keyspace_hits:-1 keyspace_misses:1",
			"Persistence rdb_last_save_time:0 aof_current_size:5 aof_base_size:9", "Replication connected_slaves:-1",
		}, map[string]any{"memory_limit": 5.0, "memory_limit_source": "maxmemory"}},
		{"all databases", []string{"Keyspace db0:keys=5,expires=2 db7:keys=1,expires=1 sequence:7"},
			map[string]any{"keys": 6.0, "keys_expiring": 3.0}},
		{"no database", []string{"Keyspace"}, map[string]any{"keys": 0.0, "keys_expiring": 0.0}},
		{"a database that cannot be read", []string{"Keyspace db0:keys=5,expires=2 db1:x=1"}, map[string]any{}},
		{"hits", []string{"Stats keyspace_hits:1 keyspace_misses:2"}, map[string]any{"hit_ratio_since_start": 33.3333}},
		{"no lookup is no ratio", []string{"Stats keyspace_hits:0 keyspace_misses:0"}, map[string]any{}},
		{"a limit", []string{"Memory used_memory:50 maxmemory:200 total_system_memory:1000"},
			map[string]any{"memory_limit": 200.0, "memory_limit_source": "maxmemory", "memory_used_percent": 25.0}},
		// Source: redis src/evict.c, getMaxmemoryState; redis pull request 6845
		{"buffers that the server does not count", []string{"Memory used_memory:250 mem_not_counted_for_evict:90 maxmemory:200"},
			map[string]any{"memory_limit": 200.0, "memory_limit_source": "maxmemory", "memory_used_percent": 80.0}},
		{"more of them than memory", []string{"Memory used_memory:50 mem_not_counted_for_evict:90 maxmemory:200"},
			map[string]any{"memory_limit": 200.0, "memory_limit_source": "maxmemory", "memory_used_percent": 0.0}},
		{"the machine counts all", []string{"Memory used_memory:50 mem_not_counted_for_evict:20 maxmemory:0 total_system_memory:1000"},
			map[string]any{"memory_limit": 1000.0, "memory_limit_source": "system", "memory_used_percent": 5.0}},
		{"no limit but the machine's", []string{"Memory used_memory:50 maxmemory:0 total_system_memory:1000"},
			map[string]any{"memory_limit": 1000.0, "memory_limit_source": "system", "memory_used_percent": 5.0}},
		{"who does not tell the limit may have one", []string{"Memory used_memory:50 total_system_memory:1000"}, map[string]any{}},
		{"no limit and no machine", []string{"Memory used_memory:50 maxmemory:0"}, map[string]any{}},
		{"a small server is not fragmented", []string{fmt.Sprint("Memory used_memory:", minFragmentationSize-1, " used_memory_rss:900000000")}, map[string]any{}},
		{"a big one may be", []string{"Memory used_memory:200000000 used_memory_rss:300000000"}, map[string]any{"fragmentation_ratio": 1.5}},
		{"all connections count", []string{"Clients connected_clients:5 cluster_connections:2 maxclients:100", "Replication connected_slaves:3"},
			map[string]any{"clients_used_percent": 10.0, "replicas_online": 0.0}},
		{"Dragonfly's names", []string{"Clients connected_clients:5 max_clients:50", fmt.Sprint("Persistence last_success_save:", now-60)},
			map[string]any{"clients_used_percent": 10.0, "rdb_save_age": 60.0}},
		{"a save is as old as the server's clock says", []string{"Server server_time_usec:1700000100500000", "Persistence rdb_last_save_time:1700000000"},
			map[string]any{"rdb_save_age": 100.0}},
		{"a save in the future has no age", []string{"Server server_time_usec:1700000100500000", "Persistence rdb_last_save_time:1700009999"}, map[string]any{}},
		{"the parts of the memory", []string{"Memory used_memory:1000 used_memory_dataset:400 used_memory_overhead:600 mem_clients_normal:20 " +
			"mem_clients_slaves:30 mem_replication_backlog:100 used_memory_scripts:7 allocator_allocated:1100 allocator_resident:1500"},
			map[string]any{"memory_dataset": 400.0, "memory_clients": 50.0, "memory_backlog": 100.0, "memory_scripts": 7.0, "memory_other": 443.0, "memory_allocator": 400.0}},
		{"parts of which one is unknown, of Redis 4", []string{"Memory used_memory_dataset:400 used_memory_overhead:600 mem_clients_normal:20 mem_replication_backlog:100"},
			map[string]any{"memory_dataset": 400.0, "memory_backlog": 100.0}},
		{"parts that are more than their whole, a data set below zero", []string{"Memory used_memory_dataset:18446744073709551000 used_memory_overhead:60 " +
			"mem_clients_normal:20 mem_clients_slaves:30 mem_replication_backlog:100 used_memory_scripts:0 allocator_allocated:1600 allocator_resident:1500"},
			map[string]any{"memory_clients": 50.0, "memory_backlog": 100.0, "memory_scripts": 0.0}},
		{"an overhead that is more than the whole", []string{"Memory used_memory:1000 used_memory_overhead:1001 mem_clients_normal:20 mem_clients_slaves:30 " +
			"mem_replication_backlog:100 used_memory_scripts:7"},
			map[string]any{"memory_clients": 50.0, "memory_backlog": 100.0, "memory_scripts": 7.0}},
		{"no child process", []string{"Persistence rdb_bgsave_in_progress:0 rdb_current_bgsave_time_sec:-1 aof_rewrite_in_progress:0 aof_current_rewrite_time_sec:-1"},
			map[string]any{"rdb_save_running_seconds": 0.0, "aof_rewrite_running_seconds": 0.0}},
		{"a save and a rewrite", []string{"Persistence rdb_bgsave_in_progress:1 rdb_current_bgsave_time_sec:42 aof_rewrite_in_progress:1 aof_current_rewrite_time_sec:0"},
			map[string]any{"rdb_save_running_seconds": 42.0, "aof_rewrite_running_seconds": 0.0}},
		{"a save since nobody knows when", []string{"Persistence rdb_bgsave_in_progress:1 rdb_current_bgsave_time_sec:-1 aof_rewrite_in_progress:1"}, map[string]any{}},
		{"a load", []string{"Server server_time_usec:1700000010500000", "Persistence loading:1 loading_start_time:1700000000 loading_total_bytes:400 loading_loaded_bytes:100 loading_eta_seconds:1"},
			map[string]any{"loading_percent": 25.0, "loading_left_seconds": 30.0}},
		{"a load that has just begun: the server's second is none", []string{"Server server_time_usec:1700000000500000",
			"Persistence loading:1 loading_start_time:1700000000 loading_total_bytes:400 loading_loaded_bytes:0 loading_eta_seconds:1"},
			map[string]any{"loading_percent": 0.0}},
		{"a load of which the size is not known", []string{"Persistence async_loading:1 loading_total_bytes:0 loading_rdb_used_mem:900 loading_loaded_bytes:100 loading_loaded_perc:11"},
			map[string]any{}},
		{"what was loaded at the start", []string{"Persistence loading:0 loading_total_bytes:400 loading_loaded_bytes:400"}, map[string]any{}},
		{"an AOF", []string{"Persistence aof_current_size:150 aof_base_size:100"}, map[string]any{"aof_growth_percent": 50.0}},
		{"an AOF that began empty", []string{"Persistence aof_current_size:150 aof_base_size:0"}, map[string]any{}},
		{"replicas, only those in sync", []string{"Replication connected_slaves:3 master_repl_offset:1000 " +
			"slave0:ip=a,state=online,offset=990,lag=1 slave1:ip=b,state=online,offset=900,lag=0 slave2:ip=c,state=wait_bgsave,offset=0,lag=99"},
			map[string]any{"replicas_online": 2.0, "replica_lag_bytes_max": 100.0, "replica_lag_seconds_max": 1.0}},
		{"a replica", []string{"Replication role:slave master_link_status:up master_last_io_seconds_ago:3 slave_read_repl_offset:120 slave_repl_offset:100"},
			map[string]any{"master_link_up": 1.0, "master_last_io_seconds": 3.0, "replica_unapplied_bytes": 20.0}},
		{"a broken link: -1 is no time", []string{"Replication role:slave master_link_status:down master_last_io_seconds_ago:-1 master_link_down_since_seconds:42"},
			map[string]any{"master_link_up": 0.0, "master_link_down_seconds": 42.0}},
		{"a time of a broken link", []string{"Replication role:slave master_link_status:down master_last_io_seconds_ago:5"},
			map[string]any{"master_link_up": 0.0}},
		{"a link that never was", []string{"Replication role:slave master_link_status:down master_last_io_seconds_ago:-1 master_link_down_since_seconds:-1"},
			map[string]any{"master_link_up": 0.0}},
		{"a replica that loads its master's data", []string{"Replication role:slave master_link_status:down master_sync_in_progress:1 master_sync_left_bytes:77"},
			map[string]any{"master_link_up": 0.0, "sync_left_bytes": 77.0}},
		{"a load whose size the master does not say", []string{"Replication role:slave master_link_status:down master_sync_in_progress:1 master_sync_total_bytes:0 master_sync_left_bytes:0"},
			map[string]any{"master_link_up": 0.0}},
		{"a load whose size is known", []string{"Replication role:slave master_link_status:down master_sync_in_progress:1 master_sync_total_bytes:100 master_sync_left_bytes:0"},
			map[string]any{"master_link_up": 0.0, "sync_left_bytes": 0.0}},
		{"what was left of a load that has ended says nothing", []string{"Replication role:slave master_link_status:up master_sync_in_progress:0 master_sync_left_bytes:77"},
			map[string]any{"master_link_up": 1.0}},
		{"a database with a negative number of keys", []string{"Keyspace db0:keys=-5,expires=-1 db1:keys=2,expires=0"}, map[string]any{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { require.Equal(t, tt.want, derivedOf(t, metrictest.NewTarget(nil), tt.lines...)) })
		})
	}
}

// stats are the counters of a server that has run for a number of seconds.
func stats(run string, seconds int) []string {
	return []string{
		fmt.Sprintf("Server run_id:%s uptime_in_seconds:%d", run, seconds),
		fmt.Sprintf("Stats keyspace_hits:%d keyspace_misses:%d total_commands_processed:%d rejected_connections:-1 evicted_keys:%d",
			300*seconds, 100*seconds, 1000*seconds, seconds/60),
		fmt.Sprintf("CPU used_cpu_sys:%d.5 used_cpu_user:%d.25 used_cpu_sys_main_thread:%d.0 used_cpu_user_main_thread:%d.75", seconds, seconds/2, seconds/4, seconds/2),
		fmt.Sprintf("Replication role:master master_replid:x master_repl_offset:%d repl_backlog_active:1 repl_backlog_size:10000", 50*seconds),
	}
}

func TestRatesAreThoseOfTheTimeSinceAnEarlierPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		got := derivedOf(t, target, stats("a", 600)...)
		require.NotContains(t, got, "window", "one poll knows no rate")
		require.NotContains(t, got, "commands_per_second")
		require.InDelta(t, 75, got["hit_ratio_since_start"], 0)
		time.Sleep(time.Minute)
		require.Equal(t, map[string]any{
			"hit_ratio_since_start": 75.0, "hit_ratio_recent": 75.0, "window": 60.0, "commands_per_second": 1000.0,
			"evicted_keys_per_second": 0.0166667, "cpu_percent": 150.0, "cpu_main_thread_percent": 75.0,
			"repl_write_bytes_per_second": 50.0, "repl_backlog_seconds": 200.0,
		}, derivedOf(t, target, stats("a", 660)...), "what the server does not count has no rate")
	})
}

func TestTwoPollersOfOneServerDoNotSpoilEachOthersRates(t *testing.T) {
	t.Parallel()
	for _, second := range []time.Duration{time.Millisecond, time.Second, 6 * time.Second, 29 * time.Second, 31 * time.Second} {
		t.Run(second.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target, began := metrictest.NewTarget(nil), time.Now()
				// The server did nothing at all before, and 1000 commands a second since.
				poll := func() map[string]any { return derivedOf(t, target, stats("a", int(time.Since(began).Seconds()))...) }
				for round := range 5 {
					for range 2 {
						if got := poll(); round > 0 {
							require.GreaterOrEqual(t, got["window"], info.RateWindow.Seconds())
							require.LessOrEqual(t, got["window"], 95.0)
							require.InDelta(t, 1000, got["commands_per_second"], 50)
						}
						time.Sleep(second)
					}
					time.Sleep(time.Minute - 2*second)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		target, began := metrictest.NewTarget(nil), time.Now()
		for range 300 {
			got := derivedOf(t, target, stats("a", int(time.Since(began).Seconds()))...)
			if time.Since(began) >= info.RateWindow+info.RateStep {
				require.InDelta(t, 32, got["window"], 3, "however often is asked, the window is short and not too short")
			}
			time.Sleep(time.Second)
		}
		known, _ := target.Memory.Load(getMemoryName)
		require.LessOrEqual(t, len(known.(*getMemory).history.recent.Samples), info.RateSamples)
		for range 2 * memorySamples {
			derivedOf(t, target, "Server run_id:a", "Memory used_memory:1")
			time.Sleep(time.Minute)
		}
		require.LessOrEqual(t, len(known.(*getMemory).history.recent.Samples), 3, "what nobody will need is forgotten")
		require.Len(t, known.(*getMemory).history.memory.samples, memorySamples)
	})
}

func TestAPollThatEndsLateIsComparedWithWhatWasBeforeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, at := &history{}, time.Now()
		poll := func(seconds int) trend {
			var d derived
			x, err := info.Scan(sections(stats("a", seconds)...), nil, nil)
			require.NoError(t, err)
			x.Fold = true
			x.SortSections()
			for i := 0; i < len(x.Sections); {
				name, lines, next := x.Group(i)
				i = next
				d.take(&x, string(info.SnakeName(name)), lines)
			}
			return h.poll(&d.figures, at.Add(time.Duration(seconds)*time.Second))
		}
		poll(0)
		poll(60)
		late := poll(58)
		require.Equal(t, 58*time.Second, late.window)
		require.EqualValues(t, 58000, late.grown[2])
		require.Equal(t, time.Minute, poll(120).window, "it is not kept, and resets nothing")
	})
}

func TestAnotherLifeOfTheServerBeginsTheRatesAnew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before []string
		after  []string
	}{
		{"a restart", stats("a", 600), stats("b", 10)},
		{"a failover to a server that has done more", stats("a", 600), stats("b", 99999)},
		{"a restart of a server without a run_id, which did more since than before", stats("", 10),
			[]string{"Server uptime_in_seconds:9", "Stats total_commands_processed:99999"}},
		{"CONFIG RESETSTAT", stats("a", 600), append(stats("a", 660)[:1], "Stats total_commands_processed:7")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target := metrictest.NewTarget(nil)
				derivedOf(t, target, tt.before...)
				time.Sleep(time.Minute)
				got := derivedOf(t, target, tt.after...)
				require.NotContains(t, got, "commands_per_second")
				require.NotContains(t, got, "window")
				time.Sleep(time.Minute)
				require.InDelta(t, 60, derivedOf(t, target, tt.after...)["window"], 0)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		poll := func(id string, offset int) map[string]any {
			return derivedOf(t, target, "Server run_id:a", fmt.Sprintf("Replication master_replid:%s master_repl_offset:%d", id, offset))
		}
		poll("x", 100)
		time.Sleep(time.Minute)
		require.NotContains(t, poll("y", 9999), "repl_write_bytes_per_second", "a replica that took another history over")
		time.Sleep(time.Minute)
		require.InDelta(t, 1, poll("y", 9999+60)["repl_write_bytes_per_second"], 0)
		time.Sleep(time.Minute)
		require.NotContains(t, poll("y", 5), "repl_write_bytes_per_second")
	})
}

func TestTimeToFullIsThatOfTheSlopeOfManyPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		poll := func(used int, more string) map[string]any {
			got := derivedOf(t, target, "Server run_id:a", fmt.Sprintf("Memory used_memory:%d maxmemory:1000000 %s", used, more))
			time.Sleep(time.Minute)
			return got
		}
		for i := range memorySamplesMin - 1 {
			require.NotContains(t, poll(100000+600*i, ""), "memory_growth_bytes_per_second", "too few to tell")
		}
		got := poll(102400, "")
		require.InDelta(t, 10, got["memory_growth_bytes_per_second"], 1e-9)
		require.InDelta(t, 89760, got["memory_full_in_seconds"], 0)
		// One poll that saw a temporary giant.
		got = poll(900000, "")
		require.InDelta(t, 10, got["memory_growth_bytes_per_second"], 5, "%v", got)
		got = poll(103600, "")
		require.InDelta(t, 10, got["memory_growth_bytes_per_second"], 1)
		for i := range 2 * memorySamples {
			got = poll(100000-600*i, "")
		}
		require.InDelta(t, -10, got["memory_growth_bytes_per_second"], 1e-9)
		require.NotContains(t, got, "memory_full_in_seconds", "it shrinks")

		derivedOf(t, target, "Server run_id:a", "Persistence loading:1", "Memory used_memory:5")
		require.NotContains(t, poll(100000, ""), "memory_growth_bytes_per_second", "what loading did says nothing of later")
		for range memorySamplesMin {
			got = poll(100000, "")
		}
		require.InDelta(t, 0, got["memory_growth_bytes_per_second"], 0)
		require.NotContains(t, got, "memory_full_in_seconds")
	})
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		var got map[string]any
		for i := range 6 {
			got = derivedOf(t, target, fmt.Sprintf("Memory used_memory:%d maxmemory:1000", 2000+i))
			time.Sleep(time.Minute)
		}
		require.InDelta(t, 0, got["memory_full_in_seconds"], 0, "it is full")
		require.Greater(t, got["memory_used_percent"], 200.0)
	})
}

func TestAnAOFRewriteIsAsOldAsItWasSeenToEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		poll := func(run string, rewrites, running int, status string) map[string]any {
			time.Sleep(time.Minute)
			return derivedOf(t, target, "Server run_id:"+run, fmt.Sprintf(
				"Persistence aof_rewrites:%d aof_rewrite_in_progress:%d aof_last_bgrewrite_status:%s", rewrites, running, status))
		}
		require.NotContains(t, poll("a", 5, 0, "ok"), "aof_rewrite_age", "nobody knows when that was")
		require.NotContains(t, poll("a", 6, 1, "ok"), "aof_rewrite_age", "it has begun")
		require.InDelta(t, 0, poll("a", 6, 0, "ok")["aof_rewrite_age"], 0)
		require.InDelta(t, 60, poll("a", 6, 0, "ok")["aof_rewrite_age"], 0)
		require.InDelta(t, 120, poll("a", 7, 0, "err")["aof_rewrite_age"], 0, "one that failed does not count")
		require.NotContains(t, poll("b", 7, 0, "ok"), "aof_rewrite_age", "a restart")
	})
}

func TestSixDigits(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]float64{
		0: 0, 1: 1, 0.1: 0.1, 1.0 / 3: 0.333333, -200.0 / 3: -66.6667, 123456789.6: 123456790, 1e-12 / 3: 3.33333e-13, 99.99999999: 100,
	} {
		require.InDelta(t, want, ask.SixDigits(in), math.Abs(want)*1e-12, "%g", in)
	}
}

func TestDerivedFiguresOfARealMasterAndItsReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "100mb", "--repl-diskless-sync-delay", "0"}})
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", host + " " + port}})
	require.Eventually(t, func() bool {
		return replica.InfoField(t, "replication", "master_link_status") == "up" &&
			strings.Contains(master.InfoField(t, "replication", "slave0"), "state=online")
	}, 20*time.Second, 20*time.Millisecond)
	master.Do(t, "SET", "a", "1", "EX", "100")
	master.Do(t, "SET", "b", "1")
	master.Do(t, "GET", "a")
	master.Do(t, "GET", "nothing")
	master.Do(t, "WAIT", "1", "5000")
	ask := func(addr string) map[string]any {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		return metrictest.Section(t, metrictest.Decode(t, text), "derived")
	}
	got := ask(master.Addr)
	require.InDelta(t, 2, got["keys"], 0)
	require.InDelta(t, 1, got["keys_expiring"], 0)
	require.InDelta(t, 50, got["hit_ratio_since_start"], 0)
	require.InDelta(t, 100<<20, got["memory_limit"], 0)
	require.Equal(t, "maxmemory", got["memory_limit_source"])
	require.InDelta(t, 2, got["memory_used_percent"], 1.9)
	require.InDelta(t, 0.03, got["clients_used_percent"], 1e-9, "two clients and a replica of 10000")
	require.InDelta(t, 1, got["replicas_online"], 0)
	require.InDelta(t, 0, got["replica_lag_bytes_max"], 100)
	require.InDelta(t, 1, got["replica_lag_seconds_max"], 2)
	require.Less(t, got["rdb_save_age"], 60.0)
	require.NotContains(t, got, "fragmentation_ratio", "it is small")
	require.NotContains(t, got, "master_link_up")

	got = ask(replica.Addr)
	require.Equal(t, "system", got["memory_limit_source"])
	require.InDelta(t, 1, got["master_link_up"], 0)
	require.Less(t, got["master_last_io_seconds"], 20.0)
	require.InDelta(t, 0, got["replica_unapplied_bytes"], 0)

	master.Kill(t)
	require.Eventually(t, func() bool { return replica.InfoField(t, "replication", "master_link_status") == "down" },
		20*time.Second, 20*time.Millisecond)
	require.Equal(t, "-1", replica.InfoField(t, "replication", "master_last_io_seconds_ago"))
	got = ask(replica.Addr)
	require.InDelta(t, 0, got["master_link_up"], 0)
	require.NotContains(t, got, "master_last_io_seconds")
	require.Less(t, got["master_link_down_seconds"], 30.0)
}
