package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRooms holds the packages to the one direction of design: what a room may
// know of the others, in the order of the street.
func TestRooms(t *testing.T) {
	t.Parallel()
	const sdk = "golang.zabbix.com/sdk"
	allowed := map[string][]string{
		"redisjobs/redisclient/resp":    {},
		"redisjobs/redisclient":         {"redisjobs/redisclient/resp"},
		"redisjobs/redisclient/cluster": {"redisjobs/redisclient", "redisjobs/redisclient/resp"},
		"redisjobs/pool":                {},
		"redisjobs/metrics/jsondoc":     {},
		"redisjobs/metrics/storm":       {"redisjobs/redisclient", "redisjobs/redisclient/resp"},
		"redisjobs/metrics/jobs":        {"redisjobs/redisclient", "redisjobs/redisclient/resp"},
		"redisjobs/metrics": {"redisjobs/metrics/jobs", "redisjobs/metrics/jsondoc", "redisjobs/metrics/storm", "redisjobs/pool",
			"redisjobs/redisclient", "redisjobs/redisclient/resp"},
		"redisjobs/httpclient": {"redisjobs/redisclient"},
		"redisjobs/conf":       {sdk},
		"redisjobs/plugin": {sdk, "redisjobs/conf", "redisjobs/httpclient", "redisjobs/metrics", "redisjobs/metrics/jsondoc",
			"redisjobs/metrics/storm", "redisjobs/pool", "redisjobs/redisclient", "redisjobs/redisclient/cluster",
			"redisjobs/redisclient/resp",
			"github.com/Microsoft/go-winio"},
		"redisjobs/record": {"redisjobs/conf", "redisjobs/metrics/storm", "redisjobs/plugin", "redisjobs/redisclient",
			"redisjobs/redisclient/resp"},
		"redisjobs/doctor": {"redisjobs/conf", "redisjobs/metrics", "redisjobs/metrics/jobs", "redisjobs/plugin", "redisjobs/redisclient"},
		"redisjobs":        {sdk, "redisjobs/doctor", "redisjobs/plugin", "redisjobs/record"},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports ","}}`, "./...").Output()
	require.NoError(t, err)
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(pkg, "redisjobs/internal/") || strings.HasPrefix(pkg, "redisjobs/test") ||
			strings.HasPrefix(pkg, "redisjobs/packaging/") || pkg == "redisjobs/docs" { // tests and their helpers
			continue
		}
		may, known := allowed[pkg]
		require.True(t, known, "package %s has no row in this table", pkg)
		seen[pkg] = true
		for imp := range strings.SplitSeq(imports, ",") {
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") && !strings.HasPrefix(imp, "redisjobs") {
				continue // the standard library
			}
			if strings.HasPrefix(imp, sdk) {
				imp = sdk
			}
			require.True(t, slices.Contains(may, imp), "package %s must not import %s", pkg, imp)
		}
	}
	for pkg := range allowed {
		require.True(t, seen[pkg], "the table has a row for %s, which does not exist", pkg)
	}
}

// TestNothingThatServesItemsCanWrite keeps the one package that writes to Redis
// out of reach of an item.
func TestNothingThatServesItemsCanWrite(t *testing.T) {
	t.Parallel()
	for _, serving := range []string{"plugin", "metrics", "redisclient/cluster", "conf"} {
		out, err := exec.Command("go", "list", "-deps", "./"+serving).Output()
		require.NoError(t, err)
		deps := strings.Fields(string(out))
		require.Contains(t, deps, "redisjobs/"+serving)
		require.NotContains(t, deps, "redisjobs/record", serving)
	}
}

// TestShippedDependencies keeps the binary to the modules it is meant to have.
func TestShippedDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{.Path}}{{end}}`, ".").Output()
	require.NoError(t, err)
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	require.Subset(t, []string{"redisjobs", "golang.zabbix.com/sdk", "golang.org/x/sys"}, slices.Compact(modules))
}
