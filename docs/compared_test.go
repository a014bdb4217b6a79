package docs_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestShownRatios holds the ratios of docs/compared.md to the last measurement.
func TestShownRatios(t *testing.T) {
	t.Parallel()
	const compared, results = "docs/compared.md", "bench/RESULTS.md"
	text, measured := readFile(t, compared), readFile(t, results)
	for _, c := range []struct {
		said, row string // in the document; the beginning of a row in "What must hold"
		min, max  float64
	}{
		{"over 100 times the CPU", "the same with the agent's share on both sides, 1 at once", 100, 1e6},
		{"in about half the time", "redis.info through the agent, 1 at once: p50 against the built-in", 0, 0.6},
		{"1.2 times the commands", "commands of redis.get against a scrape", 0.8, 0.88},
		{"20 times the CPU", "CPU of a scrape of redis_exporter over that of redis.get", 18, 1e6},
	} {
		if !strings.Contains(text, c.said) {
			t.Errorf("%s lacks %q, which is held to %s; change docs/compared_test.go with it", compared, c.said, results)
		}
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(c.row) + `[^|]*\|[^|]*\| ([0-9.]+)x \|`).FindStringSubmatch(measured)
		if row == nil {
			t.Errorf("%s has no row that begins with: | %s", results, c.row)
			continue
		}
		if ratio, err := strconv.ParseFloat(row[1], 64); err != nil || ratio < c.min || ratio > c.max {
			t.Errorf("%s: %q is wrong: %s has %sx for: %s", at(t, compared, c.said), c.said, results, row[1], c.row)
		}
	}
}
