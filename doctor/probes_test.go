package doctor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
)

func TestAProbeOfAPatternIsAKeyThatItMatches(t *testing.T) {
	t.Parallel()
	patterns := 0
	for _, p := range probes(metrictest.DefaultStorm(), metrictest.DefaultJobs(), false) {
		if p.pattern == "" {
			continue
		}
		patterns++
		require.True(t, ask.GlobMatch(p.pattern, p.send[1]), "%s: %s", p.pattern, p.send[1])
	}
	require.Greater(t, patterns, 10)
}
