package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module, sdk = "redisjobs/", "golang.zabbix.com/sdk"

// core is what every family of metrics may import; a family that asks whole
// clusters may import metrics/cluster as well, and one that looks at all keys in the
// background metrics/passes: rooms of their own, and no families.
var core = []string{"metrics/item", "metrics/ask", "metrics/info", "metrics/jsondoc", "redisclient", "redisclient/resp"}

// rooms are the packages of the product, each with what it may import beyond
// the standard library. The order is that of the layers.
var rooms = []struct {
	name string
	may  []string
}{
	{"redisclient/resp", nil},
	{"socket", nil},
	{"redisclient", []string{"redisclient/resp", "socket"}},
	{"redisclient/cluster", []string{"redisclient", "redisclient/resp"}},
	{"pool", nil},
	{"agentconf", nil},
	{"nearest", nil},
	{"conf", []string{sdk, "agentconf", "nearest"}},

	{"metrics/jsondoc", nil},
	{"metrics/item", []string{"metrics/jsondoc", "pool", "redisclient"}},
	{"metrics/ask", []string{"metrics/item", "metrics/jsondoc", "pool", "redisclient", "redisclient/resp"}},
	{"metrics/info", []string{"metrics/ask", "metrics/item", "metrics/jsondoc", "redisclient", "redisclient/resp"}},
	{"metrics/cluster", core},
	{"metrics/acllog", core},
	{"metrics/advice", append([]string{"metrics/cluster"}, core...)},
	{"metrics/clients", core},
	{"metrics/settings", []string{"metrics/ask", "metrics/jsondoc"}},
	{"metrics/config", append([]string{"metrics/cluster", "metrics/settings"}, core...)},
	{"metrics/hot", append([]string{"metrics/cluster"}, core...)},
	{"metrics/group", append([]string{"metrics/settings"}, core...)},
	{"metrics/instances", core},
	{"metrics/jobs", append([]string{"metrics/cluster", "nearest"}, core...)},
	{"metrics/passes", append([]string{"metrics/cluster"}, core...)},
	{"metrics/keys", append([]string{"metrics/cluster", "metrics/passes"}, core...)},
	{"metrics/keyspace", append([]string{"metrics/passes"}, core...)},
	{"metrics/pubsub", append([]string{"metrics/cluster"}, core...)},
	{"metrics/search", core},
	{"metrics/self", append([]string{"pool"}, core...)},
	{"metrics/sentinel", append([]string{"metrics/settings"}, core...)},
	{"metrics/server", core},
	{"metrics/slow", core},
	{"metrics/storm", core},
	{"metrics/streams", append([]string{"metrics/passes"}, core...)},
	{"metrics", []string{"metrics/info", "metrics/item", "metrics/cluster", "metrics/clients", "metrics/instances", "metrics/jobs", "metrics/keys",
		"metrics/keyspace", "metrics/search", "metrics/self", "metrics/sentinel", "metrics/server", "metrics/slow", "metrics/storm",
		"metrics/streams", "metrics/acllog", "metrics/advice", "metrics/config", "metrics/group", "metrics/pubsub", "metrics/hot",
		"metrics/jsondoc", "nearest"}},

	{"targets/httpclient", []string{"redisclient"}},
	{"targets/passwords", []string{"conf"}},
	{"targets", []string{"conf", "metrics/item", "metrics/jsondoc", "pool", "redisclient", "redisclient/resp", "redisclient/cluster",
		"targets/httpclient", "targets/passwords"}},
	{"plugin", []string{sdk, "agentconf", "conf", "metrics", "metrics/item", "metrics/jsondoc", "socket", "targets", "github.com/Microsoft/go-winio"}},
	{"doctor", []string{"agentconf", "conf", "metrics", "metrics/item", "metrics/jobs", "metrics/storm", "nearest", "redisclient", "redisclient/resp", "targets"}},
	{"completion", []string{"metrics", "metrics/jobs"}},
	{"migrate", []string{"agentconf", "conf", "metrics", "redisclient", "targets"}},
	{"record", []string{"agentconf", "conf", "metrics/storm", "redisclient", "redisclient/resp", "targets"}},
	{"", []string{sdk, "agentconf", "completion", "conf", "doctor", "migrate", "nearest", "plugin", "record"}},
}

// notShipped are the folders of tests and tools.
var notShipped = []string{"internal/", "test/", "packaging/", "docs/"}

// TestRooms holds each package to what it may import.
func TestRooms(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports ","}}`, "./...").Output()
	require.NoError(t, err)
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		pkg := strings.TrimPrefix(path+"/", module)
		pkg = strings.TrimSuffix(pkg, "/")
		if slices.ContainsFunc(notShipped, func(dir string) bool { return strings.HasPrefix(pkg+"/", dir) }) {
			continue
		}
		row := -1
		for i, room := range rooms {
			if room.name == pkg {
				row = i
			}
		}
		if row < 0 {
			t.Errorf("arch_test.go: package %s has no row in rooms", pkg)
			continue
		}
		seen[pkg] = true
		for imp := range strings.SplitSeq(imports, ",") {
			first, _, _ := strings.Cut(imp, "/")
			switch {
			case strings.HasPrefix(imp, module):
				imp = strings.TrimPrefix(imp, module)
			case strings.HasPrefix(imp, sdk):
				imp = sdk
			case !strings.Contains(first, "."):
				continue // the standard library
			}
			if !slices.Contains(rooms[row].may, imp) {
				t.Errorf("%s must not import %s: see rooms in arch_test.go", path, imp)
			}
		}
	}
	for _, room := range rooms {
		if !seen[room.name] {
			t.Errorf("arch_test.go: rooms has a row for %s, which does not exist", room.name)
		}
	}
}

// TestNothingThatServesItemsCanWrite keeps the one package that writes to Redis
// out of reach of an item.
func TestNothingThatServesItemsCanWrite(t *testing.T) {
	t.Parallel()
	for _, serving := range []string{"plugin", "metrics", "targets", "conf"} {
		out, err := exec.Command("go", "list", "-deps", "./"+serving).Output()
		require.NoError(t, err)
		deps := strings.Fields(string(out))
		require.Contains(t, deps, "redisjobs/"+serving)
		require.NotContains(t, deps, "redisjobs/record", serving)
	}
}

// TestTopLevel keeps stray files, such as a downloaded package, out of the top
// level of the repository.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	may := []string{".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "go.mod", "go.sum"}
	out, err := exec.Command("git", "ls-files").Output()
	if err != nil {
		t.Skipf("git ls-files: %v: not a git checkout", err)
	}
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		if !strings.Contains(file, "/") && !strings.HasSuffix(file, ".go") && !slices.Contains(may, file) {
			t.Errorf("%s does not go into the top level: put it in a folder, or do not commit it", file)
		}
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
