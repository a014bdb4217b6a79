package templates

import (
	"slices"
	"strings"
	"testing"

	"redisjobs/metrics"
)

// TestEveryKeyHasATemplateOrAReason: each item key is in a template or in the list of
// those that are for items made by hand, and not in both.
func TestEveryKeyHasATemplateOrAReason(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, d := range load(t) {
		for _, i := range d.items {
			name, _, _ := strings.Cut(i.Key, "[")
			used[name] = true
		}
	}
	var listed []string
	for _, k := range handMade {
		listed = append(listed, k.key)
	}
	for _, m := range metrics.All() {
		if strings.HasPrefix(m.Key, "redis.test.") {
			continue
		}
		switch has := slices.Contains(listed, m.Key); {
		case used[m.Key] && has:
			t.Errorf("handmade.go: a template has %s: delete its line", m.Key)
		case !used[m.Key] && !has:
			t.Errorf("no template has %s: use it in one, or say why not in handmade.go", m.Key)
		}
	}
}
