package doctor

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

func TestAProbeOfAPatternIsAKeyThatItMatches(t *testing.T) {
	t.Parallel()
	patterns := 0
	for _, p := range slices.Concat(patternProbes(metrictest.DefaultStorm(), metrictest.DefaultJobs())...) {
		patterns++
		require.True(t, ask.GlobMatch(p.pattern, p.send[1]), "%s: %s", p.pattern, p.send[1])
	}
	require.Greater(t, patterns, 10)
}

// TestAKeyCalledLikeAPatternIsProbedAsItIs: a key of the configuration may have a
// star in its name, and another key says nothing of its permission.
func TestAKeyCalledLikeAPatternIsProbedAsItIs(t *testing.T) {
	t.Parallel()
	require.Equal(t, redisclient.Command{"TYPE", `a*[b]?\`}, keyProbe("storm.", redisclient.EscapeGlob(`a*[b]?\`)).send)
	require.Equal(t, redisclient.Command{"TYPE", "rq:redisjobs-doctor"}, keyProbe("job.", "rq:*").send)
}
