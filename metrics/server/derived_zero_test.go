package server

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// TestCountersThatWereResetToZero: a server on which nothing has happened since shows
// that it was reset by zeros alone.
func TestCountersThatWereResetToZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(nil)
		derivedOf(t, target, "Stats evicted_keys:0 expired_keys:10")
		require.NotContains(t, after(t, target, "Stats evicted_keys:0 expired_keys:0"), "window")
		require.InDelta(t, 60, after(t, target, "Stats evicted_keys:0 expired_keys:0")["window"], 0)
		require.InDelta(t, 60, after(t, target, "Stats evicted_keys:0")["window"], 0, "a counter that is not told was not reset")
	})
}

// TestTheLastFieldOfTheWorstMasterIsItsOwnToo: where several masters have fields of
// one name, each is taken from the one whose link is down.
func TestTheLastFieldOfTheWorstMasterIsItsOwnToo(t *testing.T) {
	t.Parallel()
	const masters = "# Replication\nmaster_host:a\nmaster_link_status:up\nmaster_host:b\nmaster_link_status:down\nmaster_host:c\nmaster_link_status:up\n"
	require.Equal(t, `"b"`, memberOf(t, masters, "replication", "master_host"))
	require.Equal(t, `"down"`, memberOf(t, masters, "replication", "master_link_status"))
}
