package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTextsNameItemsThatThereAre: what a text of a trigger calls an item is the item's name.
func TestTextsNameItemsThatThereAre(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("source/*.yaml")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		s, err := readSource(file)
		require.NoError(t, err)
		names := map[string]bool{}
		add := func(items []sourceItem) {
			for _, i := range items {
				names[i.Name], names[s.Prefix+": "+i.Name] = true, true
			}
		}
		add(s.Items)
		for _, r := range s.Rules {
			add(r.Items)
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`item "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			if !names[m[1]] {
				t.Errorf("%s: no item is called %q", file, m[1])
			}
		}
	}
	require.Greater(t, found, 10)
}
