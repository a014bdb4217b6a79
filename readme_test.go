package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
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

// TestShownACLRule holds the shown rights to those that are tested.
func TestShownACLRule(t *testing.T) {
	t.Parallel()
	rule, err := plugin.ACL("")
	require.NoError(t, err)
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
