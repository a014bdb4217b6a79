package docs_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShownRatios holds the comparison at the top of the README to the last
// measurement.
func TestShownRatios(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	results, err := os.ReadFile("bench/RESULTS.md")
	require.NoError(t, err)
	for _, c := range []struct {
		said, row string // in the README; the beginning of a row in "What must hold"
		min, max  float64
	}{
		{"over 100 times the CPU", "the same with the agent's share on both sides, 1 at once", 100, 1e6},
		{"in about half the time", "redis.info through the agent, 1 at once: p50 against the built-in", 0, 0.6},
		{"1.2 times the commands", "commands of redis.get against a scrape", 0.8, 0.88},
		{"20 times the CPU", "CPU of a scrape of redis_exporter over that of redis.get", 18, 1e6},
	} {
		require.Contains(t, string(readme), c.said)
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(c.row) + `[^|]*\|[^|]*\| ([0-9.]+)x \|`).FindStringSubmatch(string(results))
		require.NotNil(t, row, c.row)
		ratio, err := strconv.ParseFloat(row[1], 64)
		require.NoError(t, err)
		require.True(t, c.min <= ratio && ratio <= c.max, "README.md says %q, bench/RESULTS.md %s: %vx", c.said, c.row, ratio)
	}
}
