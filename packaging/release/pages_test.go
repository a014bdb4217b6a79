package main

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoDeadLinkIsPacked, in the packages and in the archives.
func TestNoDeadLinkIsPacked(t *testing.T) {
	t.Chdir("../..")
	for _, others := range []map[string]string{besideDocuments, archived} {
		all, err := pages(others)
		require.NoError(t, err)
		there := map[string]bool{}
		for name := range all {
			there[name] = true
		}
		for _, name := range others {
			there[name] = true
		}
		found := 0
		for name, data := range all {
			if path.Ext(name) != ".md" {
				continue
			}
			for _, m := range link.FindAllStringSubmatch(string(data), -1) {
				to, _, _ := strings.Cut(m[2], "#")
				if to == "" || strings.Contains(to, "://") || strings.ContainsAny(to, "$`'\"") {
					continue
				}
				found++
				if target := path.Join(path.Dir(name), to); !there[target] {
					t.Errorf("%s: the link %s leads to %s, which is not packed", name, m[0], target)
				}
			}
		}
		require.Greater(t, found, 100)
		require.Contains(t, string(all["README.md"]), "["+"docs/tested.md](docs/tested.md)")
		require.Contains(t, string(all["README.md"]), "[LICENSE]("+others["LICENSE"]+")")
		require.Contains(t, string(all["README.md"]), " CONTRIBUTING.md,", "a link to what is not packed is its text")
		require.NotEmpty(t, all["docs/images/problems.png"])
		require.NotEmpty(t, all["docs/jobs/rq.md"])
	}
}
