package server

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
)

// TestDerivedFiguresAtTheirBounds holds each figure to the last value at which it is
// known and to the first at which it is not.
func TestDerivedFiguresAtTheirBounds(t *testing.T) {
	t.Parallel()
	const now = 946684800 // what a bubble's clock begins with
	for _, tt := range []struct {
		name  string
		lines []string
		want  map[string]any
	}{
		{"just big enough to be fragmented", []string{fmt.Sprint("Memory used_memory:", minFragmentationSize, " used_memory_rss:", 2*minFragmentationSize)},
			map[string]any{"fragmentation_ratio": 2.0}},
		{"nothing resident is no reading", []string{"Memory used_memory:200000000 used_memory_rss:0"}, map[string]any{}},
		{"saved this very second", []string{fmt.Sprint("Persistence rdb_last_save_time:", now)}, map[string]any{"rdb_save_age": 0.0}},
		{"saved within this second", []string{fmt.Sprint("Persistence rdb_last_save_time:", now+1)}, map[string]any{"rdb_save_age": 0.0}},
		{"saved two seconds from now", []string{fmt.Sprint("Persistence rdb_last_save_time:", now+2)}, map[string]any{}},
		{"saved at the beginning of time", []string{"Persistence rdb_last_save_time:1"}, map[string]any{"rdb_save_age": now - 1.0}},
		{"the AOF as it was rewritten", []string{"Persistence aof_current_size:100 aof_base_size:100"}, map[string]any{"aof_growth_percent": 0.0}},
		{"a smaller one", []string{"Persistence aof_current_size:99 aof_base_size:100"}, map[string]any{}},
		{"one size of two", []string{"Persistence aof_current_size:99"}, map[string]any{}},
		{"only misses", []string{"Stats keyspace_hits:0 keyspace_misses:5"}, map[string]any{"hit_ratio_since_start": 0.0}},
		{"misses unknown", []string{"Stats keyspace_hits:5"}, map[string]any{}},
		{"hits unknown", []string{"Stats keyspace_misses:5"}, map[string]any{}},
		{"a limit below zero", []string{"Memory used_memory:50 maxmemory:-1 total_system_memory:1000"}, map[string]any{}},
		{"a limit of a byte", []string{"Memory maxmemory:1"}, map[string]any{"memory_limit": 1.0, "memory_limit_source": "maxmemory"}},
		{"no used memory", []string{"Memory used_memory:0 maxmemory:4"},
			map[string]any{"memory_limit": 4.0, "memory_limit_source": "maxmemory", "memory_used_percent": 0.0}},
		{"a machine without memory", []string{"Memory used_memory:5 maxmemory:0 total_system_memory:0"}, map[string]any{}},
		{"no limit of clients", []string{"Clients connected_clients:5 maxclients:0"}, map[string]any{}},
		{"unknown clients", []string{"Clients cluster_connections:5 maxclients:10"}, map[string]any{}},
		{"unknown limit", []string{"Clients connected_clients:5"}, map[string]any{}},
		{"a replica that is not in sync has no lag", []string{"Replication connected_slaves:1 master_repl_offset:100 slave0:ip=a,state=wait_bgsave,offset=90,lag=9"},
			map[string]any{"replicas_online": 0.0}},
		{"one replica of which that is unknown", []string{"Replication connected_slaves:2 slave0:ip=a,state=online,lag=2 slave1:ip=b,lag=5"},
			map[string]any{"replica_lag_seconds_max": 2.0}},
		{"replicas that are not counted", []string{"Replication slave0:ip=a,state=online,lag=0"}, map[string]any{"replica_lag_seconds_max": 0.0}},
		{"writes in place of bytes", []string{"Server kvrocks_version:2.9.0", "Replication connected_slaves:1 master_repl_offset:100 slave0:ip=a,port=1,offset=90,lag=4"},
			map[string]any{"replicas_online": 1.0, "replica_lag_writes_max": 10.0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { require.Equal(t, tt.want, derivedOf(t, metrictest.NewTarget(nil), tt.lines...)) })
		})
	}
}

// after is the member derived of the second of two polls that are a minute apart.
func after(t testing.TB, target *item.Target, lines ...string) map[string]any {
	t.Helper()
	time.Sleep(time.Minute)
	return derivedOf(t, target, lines...)
}

func TestRatesOfWhatOnePollDoesNotTell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		first, second []string
		figure        string
		want          any // nil: unknown
	}{
		{"no CPU times", []string{"Server run_id:a"}, []string{"Server run_id:a"}, "cpu_percent", nil},
		{"one CPU time of two", []string{"CPU used_cpu_sys:1"}, []string{"CPU used_cpu_sys:2"}, "cpu_percent", nil},
		{"the other", []string{"CPU used_cpu_user:1"}, []string{"CPU used_cpu_user:2"}, "cpu_percent", nil},
		{"CPU times from the first poll on", []string{"CPU used_cpu_sys:0 used_cpu_user:0"}, []string{"CPU used_cpu_sys:2 used_cpu_user:4"}, "cpu_percent", 10.0},
		{"from the second on", nil, []string{"CPU used_cpu_sys:2 used_cpu_user:4"}, "cpu_percent", nil},
		{"an idle server", []string{"CPU used_cpu_sys:1 used_cpu_user:1"}, []string{"CPU used_cpu_sys:1 used_cpu_user:1"}, "cpu_percent", 0.0},
		{"CPU times that went back", []string{"CPU used_cpu_sys:2 used_cpu_user:1"}, []string{"CPU used_cpu_sys:1 used_cpu_user:1"}, "cpu_percent", nil},
		{"CPU times below zero", []string{"CPU used_cpu_sys:-5 used_cpu_user:0"}, []string{"CPU used_cpu_sys:-4 used_cpu_user:0"}, "cpu_percent", nil},
		{"CPU times beyond all bounds", []string{"CPU used_cpu_sys:1 used_cpu_user:0"}, []string{"CPU used_cpu_sys:1e12 used_cpu_user:0"}, "cpu_percent", nil},
		{"a counter from the second on", nil, []string{"Stats evicted_keys:6"}, "evicted_keys_per_second", nil},
		{"a counter that stood at zero", []string{"Stats evicted_keys:0"}, []string{"Stats evicted_keys:6"}, "evicted_keys_per_second", 0.1},
		{"a counter that stands", []string{"Stats evicted_keys:0"}, []string{"Stats evicted_keys:0"}, "evicted_keys_per_second", 0.0},
		{"a counter that is gone", []string{"Stats evicted_keys:6"}, nil, "evicted_keys_per_second", nil},
		{"no lookups", []string{"Stats keyspace_hits:5 keyspace_misses:5"}, []string{"Stats keyspace_hits:5 keyspace_misses:5"}, "hit_ratio_recent", nil},
		{"only misses", []string{"Stats keyspace_hits:5 keyspace_misses:5"}, []string{"Stats keyspace_hits:5 keyspace_misses:6"}, "hit_ratio_recent", 0.0},
		{"misses unknown", []string{"Stats keyspace_hits:5"}, []string{"Stats keyspace_hits:6"}, "hit_ratio_recent", nil},
		{"hits unknown", []string{"Stats keyspace_misses:5"}, []string{"Stats keyspace_misses:6"}, "hit_ratio_recent", nil},
		{"a stream from its beginning", []string{"Replication master_replid:x master_repl_offset:0"}, []string{"Replication master_replid:x master_repl_offset:600"},
			"repl_write_bytes_per_second", 10.0},
		{"another stream", []string{"Replication master_replid:x master_repl_offset:0"}, []string{"Replication master_replid:y master_repl_offset:600"},
			"repl_write_bytes_per_second", nil},
		{"a stream that went back", []string{"Replication master_replid:x master_repl_offset:700"}, []string{"Replication master_replid:x master_repl_offset:600"},
			"repl_write_bytes_per_second", nil},
		{"a stream that stands", []string{"Replication master_replid:x master_repl_offset:6"}, []string{"Replication master_replid:x master_repl_offset:6"},
			"repl_write_bytes_per_second", 0.0},
		{"a backlog of a stream that stands", []string{"Replication master_replid:x master_repl_offset:6"},
			[]string{"Replication master_replid:x master_repl_offset:6 repl_backlog_active:1 repl_backlog_size:600"}, "repl_backlog_seconds", nil},
		{"a backlog", []string{"Replication master_replid:x master_repl_offset:0"},
			[]string{"Replication master_replid:x master_repl_offset:600 repl_backlog_active:1 repl_backlog_size:600"}, "repl_backlog_seconds", 60.0},
		{"one that is not used", []string{"Replication master_replid:x master_repl_offset:0"},
			[]string{"Replication master_replid:x master_repl_offset:600 repl_backlog_active:0 repl_backlog_size:600"}, "repl_backlog_seconds", nil},
		{"one without a size", []string{"Replication master_replid:x master_repl_offset:0"},
			[]string{"Replication master_replid:x master_repl_offset:600 repl_backlog_active:1"}, "repl_backlog_seconds", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target := metrictest.NewTarget(nil)
				derivedOf(t, target, tt.first...)
				require.Equal(t, tt.want, after(t, target, tt.second...)[tt.figure])
			})
		})
	}
}

// TestAResetOfTheCountersBeginsTheRatesAnew: also of a counter that has grown since
// beyond where it stood.
func TestAResetOfTheCountersBeginsTheRatesAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		poll := func(evicted, expired int) []string {
			return []string{fmt.Sprintf("Stats evicted_keys:%d expired_keys:%d", evicted, expired)}
		}
		derivedOf(t, target, poll(10, 0)...)
		require.InDelta(t, 10, after(t, target, poll(610, 0)...)["evicted_keys_per_second"], 0)
		got := after(t, target, poll(300, 600)...)
		require.NotContains(t, got, "window", "the expired ones grew, the evicted ones began anew")
		require.NotContains(t, got, "expired_keys_per_second")
		require.InDelta(t, 5, after(t, target, poll(600, 600)...)["evicted_keys_per_second"], 0)
		require.InDelta(t, 0, after(t, target, poll(600, 600)...)["evicted_keys_per_second"], 0, "equal ones were not reset")
	})
}

// TestAnotherStreamIsComparedFromItsOwnBeginning: after a failover the offsets from
// before it are no base, the first of the new stream is one.
func TestAnotherStreamIsComparedFromItsOwnBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		poll := func(id string, offset int) []string {
			return []string{fmt.Sprintf("Replication master_replid:%s master_repl_offset:%d", id, offset)}
		}
		derivedOf(t, target, poll("x", 0)...)
		require.InDelta(t, 10, after(t, target, poll("x", 600)...)["repl_write_bytes_per_second"], 0)
		require.NotContains(t, after(t, target, poll("y", 1200)...), "repl_write_bytes_per_second")
		require.InDelta(t, 5, after(t, target, poll("y", 1500)...)["repl_write_bytes_per_second"], 0)
	})
}

// TestMemoryGrowthNeedsPollsThatAreFarEnoughApart: of those that are a little closer
// only every other one counts.
func TestMemoryGrowthNeedsPollsThatAreFarEnoughApart(t *testing.T) {
	t.Parallel()
	for apart, polls := range map[time.Duration]int{memoryStep: memorySamplesMin, memoryStep + time.Second: memorySamplesMin, memoryStep - 1: 2*memorySamplesMin - 1} {
		t.Run(apart.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target, known := metrictest.NewTarget(nil), 0
				for known == 0 || known < polls {
					known++
					got := derivedOf(t, target, "Memory used_memory:1000 maxmemory:5000")
					if _, ok := got["memory_growth_bytes_per_second"]; ok {
						require.InDelta(t, 0, got["memory_growth_bytes_per_second"], 0)
						require.NotContains(t, got, "memory_full_in_seconds", "it does not grow")
						break
					}
					time.Sleep(apart)
				}
				require.Equal(t, polls, known)
			})
		})
	}
}

func TestTimeUntilTheMemoryIsFull(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		limit        string
		first, every int
		growth       any
		full         any
	}{
		{"it grows", "maxmemory:5000", 1000, 60, 1.0, 3760.0},
		{"it is full", "maxmemory:1240", 1000, 60, 1.0, 0.0},
		{"it is more than full", "maxmemory:1000", 1000, 60, 1.0, 0.0},
		{"it shrinks", "maxmemory:5000", 1000, -60, -1.0, nil},
		{"no limit", "x:1", 1000, 60, 1.0, nil},
		{"it is not told", "maxmemory:5000", -1000000, 60, nil, nil},
		{"it loads", "maxmemory:5000", 1000, 60, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target := metrictest.NewTarget(nil)
				var got map[string]any
				for i := range memorySamplesMin {
					lines := []string{fmt.Sprintf("Memory used_memory:%d %s", tt.first+i*tt.every, tt.limit)}
					if tt.name == "it loads" {
						lines = append(lines, "Persistence loading:1")
					}
					got = derivedOf(t, target, lines...)
					time.Sleep(time.Minute)
				}
				require.Equal(t, tt.growth, got["memory_growth_bytes_per_second"])
				require.Equal(t, tt.full, got["memory_full_in_seconds"])
			})
		})
	}
}

func TestSlopeIsTheMedianOfAllPairs(t *testing.T) {
	t.Parallel()
	of := func(used ...int64) (out []memorySample) {
		for i, n := range used {
			out = append(out, memorySample{time.Duration(i*i) * time.Second, n}) // at 0, 1, 4, 9 ... seconds
		}
		return out
	}
	require.InDelta(t, 3, slope(of(7, 10)), 0)
	require.InDelta(t, 2, slope(of(0, 1, 8)), 1e-9, "1, 2 and 7/3")
	require.InDelta(t, 2, slope(of(0, 1, 8, 18)), 1e-9, "1, 17/8, 2, 2, 7/3, 2")
	require.InDelta(t, 2.5, slope(of(0, 2, 8, 27)), 1e-9, "2, 2, 2, 3, 25/8, 19/5")
	require.InDelta(t, 2, slope(of(5, 7, 13, 100000, 37)), 1e-9, "one that is far off does not matter")
}

// TestAServerWithoutARunIDIsKnownByItsUptime: one that went down is another life,
// one that stands or goes up is not.
func TestAServerWithoutARunIDIsKnownByItsUptime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		first, second string
		same          bool
	}{
		{"uptime_in_seconds:100", "uptime_in_seconds:160", true}, {"uptime_in_seconds:100", "uptime_in_seconds:100", true},
		{"uptime_in_seconds:100", "uptime_in_seconds:99", false}, {"uptime_in_seconds:100", "os:x", true}, {"os:x", "uptime_in_seconds:0", true},
		{"run_id:a uptime_in_seconds:100", "run_id:a uptime_in_seconds:99", true}, {"run_id:a", "run_id:b", false}, {"run_id:a", "os:x", false},
		{"uptime_in_seconds:1", "uptime_in_seconds:0", false},
	} {
		t.Run(tt.first+" "+tt.second, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target := metrictest.NewTarget(nil)
				derivedOf(t, target, "Server "+tt.first)
				_, known := after(t, target, "Server "+tt.second)["window"]
				require.Equal(t, tt.same, known)
			})
		})
	}
}
