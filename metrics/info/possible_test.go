package info

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestASharesBounds: Valkey's memory accounting has wrapped around, see
// https://github.com/valkey-io/valkey/issues/1373.
func TestASharesBounds(t *testing.T) {
	t.Parallel()
	_, id := serverOf(t, "valkey", "")
	for value, impossible := range map[string]bool{
		"164473037914112%": true, "1000.01%": true, "102.70%": false, "-3.00%": true, "100.01%": false, "0.00%": false, "57.3": false, "n/a": false,
	} {
		require.Equal(t, impossible, id.Impossible([]byte("used_memory_dataset_perc"), []byte(value)), value)
	}
	require.False(t, id.Impossible([]byte("rss_overhead_ratio"), []byte("164473037914112")))
}

// TestIdentifyTakesOutWhatIsNoReading, so that no reader of the text meets it.
func TestIdentifyTakesOutWhatIsNoReading(t *testing.T) {
	t.Parallel()
	for flavour := range meanings {
		for _, tt := range []struct{ monitor, want string }{
			{"enabled", "connected_clients total_found garnet_hit_rate"}, {"disabled", ""},
		} {
			x, id := serverOf(t, flavour, "slave0:10.0.0.5,6379,online\nmaster_sync_left_bytes:-5\n# Server\nmonitor_task:"+tt.monitor+
				"\n# Clients\nblocked_clients:-1\nconnected_clients:0\n# Stats\ntotal_found:0\ngarnet_hit_rate:0.00\n# Memory\nused_memory:0\nused_memory_peak:-3\n# Own\nx:-1\n")
			if flavour != "garnet" {
				tt.want = "connected_clients total_found garnet_hit_rate"
			}
			require.Equal(t, flavour == "garnet" && tt.monitor == "disabled", id.Uncounted != nil, flavour)
			var got []string
			for _, name := range []string{"clients", "stats", "memory", "replication", "own"} {
				for _, l := range x.SectionLines(name) {
					got = append(got, string(l.Key(x.Text)))
				}
			}
			require.Equal(t, strings.Fields(tt.want+" used_memory role slave0 master_sync_left_bytes x"), got, "%s %s", flavour, tt.monitor)
		}
	}
}

// TestAProcessWithoutMemoryIsNone: 0 stands where a server cannot read its own
// resident memory, as without /proc, or has not done so yet.
func TestAProcessWithoutMemoryIsNone(t *testing.T) {
	t.Parallel()
	for value, known := range map[string]bool{"0": false, "1": true, "5722112000": true} {
		x, _ := serverOf(t, "redis", "# Memory\nused_memory:0\nused_memory_rss:"+value+"\n")
		_, ok := x.Field("memory", "used_memory_rss")
		require.Equal(t, known, ok, value)
		_, ok = x.Field("memory", "used_memory")
		require.True(t, ok)
	}
}

// TestWhatIsNoNumberIsNotImpossible: no server writes a number with a plus; it is a
// text like any other, and stays.
func TestWhatIsNoNumberIsNotImpossible(t *testing.T) {
	t.Parallel()
	_, id := serverOf(t, "redis", "")
	for _, value := range []string{"+1001", "/1001", ":1001", "never", " 1001", "+99999999999999999999"} {
		require.False(t, id.Impossible([]byte("x_seconds_ago"), []byte(value)), value)
		require.False(t, id.Impossible([]byte("keys"), []byte(value)), value)
	}
}
