package info

import (
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
