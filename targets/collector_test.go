package targets

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCollectorFollowsTheNumberOfTargets(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	for targets := 1; targets <= 9000; targets++ {
		tuneCollector(targets)
		require.Equal(t, collectorPercent(targets), percent(), "%d targets", targets)
	}
	tuneCollector(1) // they were forgotten
	require.Equal(t, 100, percent())
}
