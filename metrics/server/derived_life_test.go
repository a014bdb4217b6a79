package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// TestPollsOfOneMomentAreComparedToo: two requests may be answered at the same time.
func TestPollsOfOneMomentAreComparedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		derivedOf(t, target, "Stats evicted_keys:10")
		require.InDelta(t, 10, after(t, target, "Stats evicted_keys:610")["evicted_keys_per_second"], 0)
		require.NotContains(t, derivedOf(t, target, "Stats evicted_keys:5"), "window", "it was reset")
		require.InDelta(t, 5, after(t, target, "Stats evicted_keys:305")["evicted_keys_per_second"], 0)

		target = metrictest.NewTarget(nil)
		derivedOf(t, target, "Server uptime_in_seconds:100")
		derivedOf(t, target, "Server uptime_in_seconds:0")
		require.InDelta(t, 60, after(t, target, "Server uptime_in_seconds:60")["window"], 0, "of the life that began then")
	})
}

// TestTheGreatestUptimeCounts: a server whose uptime fell below what it was once has
// been restarted, however often it was asked in between.
func TestTheGreatestUptimeCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		derivedOf(t, target, "Server uptime_in_seconds:100")
		require.Contains(t, after(t, target, "Server uptime_in_seconds:160"), "window")
		require.NotContains(t, after(t, target, "Server uptime_in_seconds:130"), "window", "less than 160")
		require.Contains(t, after(t, target, "Server uptime_in_seconds:140"), "window", "more than 130")
		require.Contains(t, after(t, target, "Server os:x"), "window", "unknown is not less")
		require.NotContains(t, after(t, target, "Server uptime_in_seconds:139"), "window", "nor does it make one forget")
	})
}

// TestTwoServersBehindOneAddress that do not say which one they are: an uptime that
// grows by more than the time that has passed is another's.
func TestTwoServersBehindOneAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		derivedOf(t, target, "Server uptime_in_seconds:100")
		require.Contains(t, after(t, target, "Server uptime_in_seconds:160"), "window")
		require.NotContains(t, after(t, target, "Server uptime_in_seconds:50000"), "window", "another server")
		require.NotContains(t, after(t, target, "Server uptime_in_seconds:280"), "window", "and the first one again")
		require.Contains(t, after(t, target, "Server uptime_in_seconds:341"), "window")
	})
}

func TestTheFirstRewriteOfAnAOF(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		poll := func(lines string) map[string]any {
			return after(t, target, "Server run_id:a", "Persistence aof_last_bgrewrite_status:ok "+lines)
		}
		require.NotContains(t, poll("aof_rewrites:0 aof_rewrite_in_progress:0"), "aof_rewrite_age")
		require.NotContains(t, poll("aof_rewrites:0 aof_rewrite_in_progress:0"), "aof_rewrite_age", "there was none")
		require.NotContains(t, poll("aof_rewrites:1"), "aof_rewrite_age", "whether it has ended is not told")
		require.NotContains(t, poll("aof_rewrite_in_progress:0"), "aof_rewrite_age", "nor how many there were")
		require.InDelta(t, 0, poll("aof_rewrites:1 aof_rewrite_in_progress:0")["aof_rewrite_age"], 0)
		require.InDelta(t, 60, poll("aof_rewrites:2 aof_rewrite_in_progress:1")["aof_rewrite_age"], 0)
		require.InDelta(t, 0, poll("aof_rewrites:2 aof_rewrite_in_progress:0")["aof_rewrite_age"], 0)
	})
}

// TestGrowthOfTheMemoryForgetsWhatIsLongAgo: after memorySamples polls at another
// slope nothing of the first is left.
func TestGrowthOfTheMemoryForgetsWhatIsLongAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target, used := metrictest.NewTarget(nil), 1_000_000
		var got map[string]any
		poll := func(grown int) {
			used += grown
			got = after(t, target, fmt.Sprintf("Memory used_memory:%d", used))
		}
		for range memorySamples {
			poll(600)
		}
		require.InDelta(t, 10, got["memory_growth_bytes_per_second"], 0)
		for range memorySamples - 1 {
			poll(1200)
		}
		require.InDelta(t, 20, got["memory_growth_bytes_per_second"], 0)
	})
}

// TestListsTogetherAreBounded: those that come last have what the others left, and
// say what they lack.
func TestListsTogetherAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 240)
	names := []string{"commandstats", "errorstats", "keyspace", "latencystats", "modules", "replicas"}
	var text strings.Builder
	text.WriteString("# Server\nredis_version:7.4.0\n")
	const rows = 1500
	for _, line := range []string{
		"# Keyspace\ndb%[1]d:keys=1,text=", "# Commandstats\ncmdstat_%[1]d:calls=1,text=", "# Errorstats\nerrorstat_%[1]d:count=1,text=",
		"# Latencystats\nlatency_percentiles_usec_%[1]dLONG:p50=1,text=", "# Modules\nmodule:name=%[1]d", "# Replication\nslave%[1]d:ip=%[1]d,port=1,text=",
	} {
		header, line, _ := strings.Cut(line, "\n")
		text.WriteString(header + "\n")
		for i := range rows {
			fmt.Fprintf(&text, strings.Replace(line, "LONG", long, 1)+long+"\n", i)
		}
	}
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(getDocument([]byte(text.String()))), &members))
	var replication map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(members["replication"], &replication))
	members["replicas"] = replication["replicas"]
	var truncated map[string]int
	require.NoError(t, json.Unmarshal(members["truncated"], &truncated))
	all := 0
	for _, name := range names {
		var list []any
		require.NoError(t, json.Unmarshal(members[name], &list), name)
		require.Equal(t, rows, len(list)+truncated[name], name)
		require.Less(t, len(members[name]), maxSection+1000, name)
		all += len(members[name])
	}
	require.GreaterOrEqual(t, all, maxLists)
	require.Less(t, all, maxLists+1000)
}
