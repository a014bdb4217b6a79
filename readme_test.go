package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics"
	"redisjobs/plugin"
)

var update = flag.Bool("update", false, "write the generated parts of README.md")

// TestREADME holds the README's tables to the tables of the code.
func TestREADME(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("README.md")
	require.NoError(t, err)
	want := string(raw)
	for name, body := range map[string]string{"keys": keyTable()} {
		part := regexp.MustCompile(`(?s)(<!-- ` + name + `:begin[^\n]*-->\n).*(<!-- ` + name + `:end -->)`)
		require.Regexp(t, part, want)
		want = part.ReplaceAllStringFunc(want, func(old string) string {
			m := part.FindStringSubmatch(old)
			return m[1] + body + m[2]
		})
	}
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(want), 0o644))
	}
	require.Equal(t, want, string(raw), "run: go test . -run TestREADME -update")
}

func keyTable() string {
	var b strings.Builder
	b.WriteString("| key | value |\n|---|---|\n")
	for _, m := range metrics.All() {
		if strings.HasPrefix(m.Key, "redis.test.") {
			continue // only in the build for end-to-end tests
		}
		var params []string
		for _, p := range m.Params {
			name := p.Name
			switch {
			case p.Required:
				name = "**" + name + "**"
			case p.Default != "":
				name += "=" + p.Default
			}
			params = append(params, name)
		}
		fmt.Fprintf(&b, "| `%s`<br>[%s] | %s |\n", m.Key, strings.Join(params, ", "), cell(m.Description))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

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

// TestShownACLRule holds the shown rights to those that are tested.
func TestShownACLRule(t *testing.T) {
	t.Parallel()
	text, err := plugin.ACL("")
	require.NoError(t, err)
	rule, _, _ := strings.Cut(text, "\n# instead, on Redis 6")
	for _, more := range []string{"8.1 and newer:\n", "valkey-search):\n"} {
		_, line, _ := strings.Cut(text, more)
		line, _, _ = strings.Cut(line, "\n")
		rule += "\n" + line
	}
	for _, file := range []string{"docs/security.md", "packaging/redisjobs.conf"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(rule + "\n") {
			if !strings.HasPrefix(line, "#") {
				require.Contains(t, string(text), line, file)
			}
		}
	}
}
