package templates

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scriptUse finds the members that a script reads.
var scriptUse = regexp.MustCompile(`\b(?:d|r|JSON\.parse\(value\))(?:\.|\[")(\w+|\{#\w+\})(?:\.(\w+))?`)

// wanted are the members of an item's or rule's answer that its steps read,
// with # for rows. A text of JSON wants all that is below.
func (d *document) wanted(steps []step, prefix string) (out []string, rest string) {
	for _, s := range steps {
		switch s.Type {
		case "JSONPATH":
			p := regexp.MustCompile(`\[\?\([^)]*\)\]`).ReplaceAllString(s.Parameters[0], ".#")
			p = regexp.MustCompile(`\.(first|length|sum)\(\)$`).ReplaceAllString(p, "")
			for _, m := range regexp.MustCompile(`@\.(\w+)`).FindAllStringSubmatch(s.Parameters[0], -1) {
				before, _, _ := strings.Cut(s.Parameters[0], "[?(")
				out = append(out, prefix+strings.TrimPrefix(before, "$")+".#."+m[1])
			}
			prefix += strings.TrimPrefix(p, "$")
		case "JAVASCRIPT":
			if s.Parameters[0] == wordsScript || s.Parameters[0] == namesScript {
				continue // which leaves nothing out
			}
			before := prefix
			if strings.Contains(s.Parameters[0], "function (r)") && !strings.HasSuffix(before, ".#") {
				before += ".#"
			}
			if strings.Contains(s.Parameters[0], "value ===") {
				out = append(out, before)
			}
			for _, m := range scriptUse.FindAllStringSubmatch(s.Parameters[0], -1) {
				member := before + "." + m[1]
				if m[2] != "" && m[1] != "map" {
					member += "." + m[2]
				}
				out = append(out, member)
			}
			return out, "" // what follows reads the script's own words
		}
	}
	return append(out, prefix), prefix
}

// byDepth are the items, each behind its master item.
func (d *document) byDepth() []*item {
	var depth func(i *item) int
	depth = func(i *item) int {
		if master := d.byKey[i.MasterItem.Key]; master != nil {
			return depth(master) + 1
		}
		return 0
	}
	out := slices.Clone(d.items)
	slices.SortStableFunc(out, func(a, b *item) int { return depth(a) - depth(b) })
	return out
}

// TestEveryFigureIsUsedOrIgnoredOnPurpose: what a server tells and no item
// wants stands in testdata/ignored.txt, so that nothing is forgotten.
func TestEveryFigureIsUsedOrIgnoredOnPurpose(t *testing.T) {
	t.Parallel()
	used := map[string]map[string]bool{} // root key -> path -> whole subtree
	for _, d := range load(t) {
		prefixes := map[string]string{}
		for _, i := range d.byDepth() {
			if i.Type != "DEPENDENT" {
				continue
			}
			root := d.root(t, i)
			paths, rest := d.wanted(i.Preprocessing, prefixes[i.MasterItem.Key])
			prefixes[i.Key] = rest
			if used[root] == nil {
				used[root] = map[string]bool{}
			}
			for _, p := range paths {
				whole := i.ValueType == "TEXT" && p == rest && i.History != "0"
				used[root][p] = used[root][p] || whole
			}
		}
		for _, r := range d.Rules {
			if r.Type == "DEPENDENT" {
				paths, _ := d.wanted(r.Preprocessing, "")
				for _, p := range paths {
					used[d.root(t, d.byKey[r.MasterItem.Key])][p] = false
				}
			}
		}
	}
	text, err := os.ReadFile(ignoredFile)
	require.NoError(t, err)
	lines := slices.Collect(strings.Lines(string(text)))
	ignored := map[string]bool{}
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			ignored[line] = false
		}
	}
	var unknown []string
	for key, list := range answers(t) {
		if used[key] == nil {
			continue // a rule of its own
		}
		for _, a := range list {
			var parsed any
			require.NoError(t, json.Unmarshal([]byte(a.text), &parsed))
			for _, leaf := range leaves("", parsed) {
				says(t, !strings.HasSuffix(leaf, "=null"), fmt.Sprintf("%stestdata/%s.json: %s is null, and what is unknown must be left out", folder, a.name, strings.TrimSuffix(leaf, "=null")))
				if isUsed(used[key], leaf) {
					continue
				}
				hit := false
				for pattern := range ignored {
					if ok, err := path.Match(pattern, key+" "+leaf); ok {
						ignored[pattern], hit = true, true
					} else {
						require.NoError(t, err, pattern)
					}
				}
				if line := key + " " + leaf; !hit && !slices.Contains(unknown, line) {
					unknown = append(unknown, line)
				}
			}
		}
	}
	slices.Sort(unknown)
	for _, line := range unknown {
		says(t, false, fmt.Sprintf("%s: add the line: %s (no item uses it), or use it in an item", folder+ignoredFile, line))
	}
	for _, pattern := range slices.Sorted(maps.Keys(ignored)) {
		if ignored[pattern] {
			continue
		}
		if *update {
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == pattern })
			continue
		}
		says(t, false, fmt.Sprintf("run make generate: %s is stale (%s: an item uses it, or no answer has it)", folder+ignoredFile, pattern))
	}
	if *update {
		require.NoError(t, os.WriteFile(ignoredFile, []byte(strings.Join(lines, "")), 0o644))
	}
}

// ignoredFile has the members of answers that no item uses, on purpose.
const ignoredFile = "testdata/ignored.txt"

func isUsed(used map[string]bool, leaf string) bool {
	for p, whole := range used {
		if p == leaf || whole && strings.HasPrefix(leaf, p+".") {
			return true
		}
	}
	return false
}

// leaves lists the paths to all single values; rows are #. What is empty has none.
func leaves(prefix string, v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{prefix + "=null"}
	case map[string]any:
		var out []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, leaves(prefix+"."+name, v[name])...)
		}
		return out
	case []any:
		var out []string
		for _, row := range v {
			out = append(out, leaves(prefix+".#", row)...)
		}
		return out
	}
	return []string{prefix}
}
