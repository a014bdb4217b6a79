package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics"
	"redisjobs/plugin"
)

// TestPromisesHaveTheirTests holds the last column of the table of promises to the code.
func TestPromisesHaveTheirTests(t *testing.T) {
	t.Parallel()
	const file = "docs/security.md"
	_, table, found := strings.Cut(readFile(t, file), "| promise | attack | test |")
	require.True(t, found)
	rows := regexp.MustCompile(`(?m)^\|.*\| ([^|]+) \|$`).FindAllStringSubmatch(table, -1)
	require.Greater(t, len(rows), 20)
	test := regexp.MustCompile("^`([^`]+_test.go)` (Test\\w+)$")
	for _, row := range rows {
		m := test.FindStringSubmatch(row[1])
		if m == nil {
			t.Errorf("%s: the row names no file and test: %s", file, row[0])
			continue
		}
		if !strings.Contains(readFile(t, m[1]), "func "+m[2]+"(t *testing.T)") {
			t.Errorf("%s: %s has no %s", at(t, file, m[2]), m[1], m[2])
		}
	}
}

// TestTheRuleOfATemplateCoversItsItems: docs/security.md says that -acl server is all that Redis by RedisJobs needs.
func TestTheRuleOfATemplateCoversItsItems(t *testing.T) {
	t.Parallel()
	rule, err := plugin.ACL("", "server")
	require.NoError(t, err)
	source := readFile(t, "packaging/templates/source/redis_by_redisjobs.yaml")
	keys := regexp.MustCompile(`(?m)^ *- key: (redis\.[a-z.]+)\[`).FindAllStringSubmatch(source, -1)
	require.Greater(t, len(keys), 5)
	for _, key := range keys {
		metric, ok := metrics.Lookup(key[1])
		require.True(t, ok, key[1])
		for _, command := range metric.Commands {
			if !metrics.OnRequest(command) && !regexp.MustCompile(`\+`+regexp.QuoteMeta(command)+`\b`).MatchString(rule) {
				t.Errorf("%s sends %s, which the rule of -acl server does not have", key[1], command)
			}
		}
	}
}
