package info

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSumKeys(t *testing.T) {
	t.Parallel()
	unknown := Reading{}
	for _, tt := range []struct {
		name, keyspace string
		keys, expires  Reading
	}{
		{"an empty server prints no database", "", Known(0), Known(0)},
		{"one", "db0:keys=2,expires=1,avg_ttl=0\n", Known(2), Known(1)},
		{"several, also one above 9", "db0:keys=2,expires=1\ndb15:keys=3,expires=0\n", Known(5), Known(1)},
		{"the last of two of one name counts", "db0:keys=2,expires=1\ndb0:keys=30,expires=10\n", Known(30), Known(10)},
		{"other lines do not count", "sequence:12\ndb0:keys=2,expires=1\nused:keys=9,expires=9\n", Known(2), Known(1)},
		{"comments do not either", "# as of: now\ndb0:keys=2,expires=1\n", Known(2), Known(1)},
		{"one that cannot be read", "db0:keys=2,expires=1\ndb1:keys=x,expires=4\n", Reading{Value: 2}, Known(5)},
		{"one without expires", "db0:keys=2,expires=1\ndb1:keys=3\n", Known(5), Reading{Value: 1}},
		{"a negative count", "db0:keys=-2,expires=-1\n", Reading{Value: -2}, Reading{Value: -1}},
		{"no database but another line", "sequence:12\n", unknown, unknown},
		{"no database but a comment", "# as of: now\n", unknown, unknown},
		{"no database but a line that is none", "nothing here\n", unknown, unknown},
	} {
		x := scanned(t, "# Server\nredis_version:7.0.0\n# of: something else\n# Keyspace\n"+tt.keyspace)
		id := Identify(x)
		keys, expires := SumKeys(x, &id, x.SectionLines("keyspace"))
		require.Equal(t, tt.keys.Known, keys.Known, tt.name)
		require.Equal(t, tt.expires.Known, expires.Known, tt.name)
		if tt.keys.Known {
			require.Equal(t, tt.keys, keys, tt.name)
		}
		if tt.expires.Known {
			require.Equal(t, tt.expires, expires, tt.name)
		}
	}
}

// TestAnEmptyKeyspaceIsThatOfAServerWithoutKeys only where servers list all databases
// with keys, and none is that of no server.
func TestAnEmptyKeyspaceIsThatOfAServerWithoutKeys(t *testing.T) {
	t.Parallel()
	lists := map[string]bool{"redis": true, "redis-enterprise": true, "redict": true, "valkey": true, "keydb": true, "dragonfly": true,
		"kvrocks": false, "garnet": false, "pika": false, "nobody": false, "": false}
	for flavour := range meanings {
		require.Contains(t, lists, flavour)
	}
	for flavour, all := range lists {
		for keyspace, want := range map[string]struct {
			keys   Reading
			untold bool
		}{
			"":                                   {Reading{}, true},
			"# Keyspace\n":                       {Reading{0, all}, !all},
			"# Keyspace\r\n\r\n# Modules\r\n":    {Reading{0, all}, !all},
			"# Keyspace\ndb0:keys=2,expires=1\n": {Known(2), false},
		} {
			x, id := serverOf(t, flavour, keyspace)
			keys, expires := SumKeys(x, &id, x.SectionLines("keyspace"))
			require.Equal(t, want.keys, keys, "%s %q", flavour, keyspace)
			require.Equal(t, want.keys.Known, expires.Known, "%s %q", flavour, keyspace)
			require.Equal(t, want.untold, KeysUntold(x, &id), "%s %q", flavour, keyspace)
		}
	}
}

// TestKvrocksCountsWhenToldTo: before the first DBSIZE SCAN its 0 keys are no
// reading. Other servers print no such field, and would not mean it.
func TestKvrocksCountsWhenToldTo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flavour, keyspace string
		never             bool
		keys              Reading
	}{
		{"kvrocks", "last_dbsize_scan_timestamp:0\ndb0:keys=0,expires=0\n", true, Reading{}},
		{"kvrocks", "last_dbsize_scan_timestamp:0\ndb0:keys=7,expires=0\n", true, Known(7)},
		{"kvrocks", "last_dbsize_scan_timestamp:1700000000\ndb0:keys=0,expires=0\n", false, Known(0)},
		{"kvrocks", "db0:keys=0,expires=0\n", false, Known(0)},
		{"kvrocks", "# WARN: DBSIZE SCAN never performed yet\ndb0:keys=0,expires=0\n", true, Reading{}},
		{"kvrocks", "# Last DBSIZE SCAN time: Sun Nov 29 10:00:00 2026\ndb0:keys=0,expires=0\n", false, Known(0)},
		{"kvrocks", "# Last scan db time: Thu Jan  1 00:00:00 1970\r\ndb0:keys=0,expires=0\n", true, Reading{}},
		{"kvrocks", "# Last scan db time: Thu Jan  1 08:00:00 1970\ndb0:keys=0,expires=0\n", true, Reading{}},
		{"kvrocks", "# Last scan db time: Wed Dec 31 19:00:00 1969\ndb0:keys=0,expires=0\n", true, Reading{}},
		{"kvrocks", "# Last DBSIZE SCAN time: Thu Jan  1 01:00:00 1970\ndb0:keys=0,expires=0\n", true, Reading{}},
		{"kvrocks", "# Last scan db time: Thu Mar 24 19:19:70 2022\ndb0:keys=0,expires=0\n", false, Known(0)},
		{"kvrocks", "# Last scan db time: Thu Mar 24 06:38:39 2022\ndb0:keys=1,expires=0\n", false, Known(1)},
		{"redis", "# Last scan db time: Thu Jan  1 00:00:00 1970\ndb0:keys=0,expires=0\n", false, Known(0)},
		{"redis", "last_dbsize_scan_timestamp:0\ndb0:keys=0,expires=0\n", false, Known(0)},
	} {
		x, id := serverOf(t, tt.flavour, "# Keyspace\n"+tt.keyspace)
		require.Equal(t, tt.never, NeverCounted(x, &id), "%s %q", tt.flavour, tt.keyspace)
		keys, expires := SumKeys(x, &id, x.SectionLines("keyspace"))
		require.Equal(t, tt.keys, keys, "%s %q", tt.flavour, tt.keyspace)
		require.Equal(t, tt.keys.Known, expires.Known, "%s %q", tt.flavour, tt.keyspace)
	}
}
