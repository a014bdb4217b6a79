package docs_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNumbersInTheProse holds numbers that follow from something else to it.
func TestNumbersInTheProse(t *testing.T) {
	t.Parallel()
	for _, n := range []struct{ file, says, of, is string }{
		{"docs/proxies.md", `\*Redis by RedisJobs\* has (\d+) items`, "docs/templates.md", `\| \[Redis by RedisJobs\]\([^)]*\) \| [^|]* \| (\d+) and`},
		{"README.md", `job queues: every (\d+ s)`, "packaging/templates/source/redis_job_queues_by_redisjobs.yaml", `\{\$JOBS\.INTERVAL\}', value: (\d+s)`},
		{"docs/hosts.md", `After (\d+ m)inutes \(.\{\$REDIS\.NODATA`, "packaging/templates/source/redis_by_redisjobs.yaml", `\{\$REDIS\.NODATA\.PERIOD\}', value: (\d+m)`},
		{"docs/troubleshooting.md", `comes after (\d+ m)inutes without`, "packaging/templates/source/redis_by_redisjobs.yaml", `\{\$REDIS\.NODATA\.PERIOD\}', value: (\d+m)`},
	} {
		says := regexp.MustCompile(n.says).FindStringSubmatch(readFile(t, n.file))
		is := regexp.MustCompile(n.is).FindStringSubmatch(readFile(t, n.of))
		require.NotNil(t, says, "%s does not say %s", n.file, n.says)
		require.NotNil(t, is, "%s does not say %s", n.of, n.is)
		require.Equal(t, is[1], regexp.MustCompile(` `).ReplaceAllString(says[1], ""), n.file)
	}
}
