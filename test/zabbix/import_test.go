//go:build zabbix && linux

package zabbix

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
)

// exportDate is when something was exported, which only the format 6.0 says.
var exportDate = regexp.MustCompile(`(?m)^  date: .*\n`)

// checkImport holds the files to what the server makes of them: an export is the file again, byte by byte; a second
// import shows no difference and makes nothing new.
func (w *world) checkImport(t *testing.T) {
	t.Helper()
	before := w.ids(t)
	for _, file := range append(w.templateFiles(t), w.templateFile(t, "all_templates.yaml")) {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var ids []string
		for _, m := range regexp.MustCompile(`(?m)^ {6,8}template: '?(.*?)'?$`).FindAllStringSubmatch(string(text), -1) {
			ids = append(ids, w.api.id(t, "template", "templateid", "host", m[1]))
		}
		require.NotEmpty(t, ids, name)
		var exported string
		w.api.call(t, "configuration.export", o{"format": "yaml", "options": o{"templates": ids}}, &exported)
		require.Empty(t, firstDifference(exportDate.ReplaceAllString(string(text), ""), exportDate.ReplaceAllString(exported, "")),
			"%s: the first lines that differ, in the file and as exported", name)
		var differences json.RawMessage
		w.api.call(t, "configuration.importcompare", o{"format": "yaml", "rules": w.importRules(), "source": string(text)}, &differences)
		require.JSONEq(t, "[]", string(differences), name)
	}
	w.load(t, w.templateFile(t, "redis_by_redisjobs.yaml"))
	require.Equal(t, before, w.ids(t), "a second import makes nothing new")
	if !w.newer() {
		return
	}
	// Who had the file for 6.0, which newer servers take too, and changes to the newer one keeps all history.
	w.load(t, filepath.Join(agent.Root(t), "packaging/templates/6.0/redis_by_redisjobs.yaml"))
	require.Equal(t, before, w.ids(t), "the file of another format has the same things")
	w.load(t, w.templateFile(t, "redis_by_redisjobs.yaml"))
	require.Empty(t, w.complaints(t))
}

// checkBeside holds our templates apart from all that the server came with: a host that is linked to both would have one
// value for a macro of both, and cannot be linked to two templates with one key.
func (w *world) checkBeside(t *testing.T) {
	t.Helper()
	ours, owner := map[string]string{}, map[string]string{} // by macro or key
	count := 0
	take := func(template, name string) {
		if strings.HasPrefix(name, "{$") { // without a context
			name, _, _ = strings.Cut(name, ":")
			name = strings.TrimSuffix(name, "}") + "}"
		}
		if strings.Contains(template, "RedisJobs") {
			ours[name] = template
			count++
		} else {
			owner[name] = template
		}
	}
	var templates []struct {
		Host        string
		Macros      []struct{ Macro string }
		Items       []struct{ Key_ string }
		Discoveries []struct{ Key_ string }
	}
	key := []string{"key_"}
	w.api.call(t, "template.get", o{"output": []string{"host"}, "selectMacros": []string{"macro"}, "selectItems": key, "selectDiscoveries": key}, &templates)
	require.Greater(t, len(templates), 200)
	for _, of := range templates {
		for _, m := range of.Macros {
			take(of.Host, m.Macro)
		}
		for _, i := range append(of.Items, of.Discoveries...) {
			take(of.Host, i.Key_)
		}
	}
	require.Greater(t, count, 1000)
	for name, template := range ours {
		if owner[name] != "" {
			t.Errorf("%s: %s is also in %s", template, name, owner[name])
		}
	}
}

// firstDifference are the first lines of two texts that differ.
func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for k := range max(len(left), len(right)) {
		at := func(lines []string) string {
			return strings.Join(lines[min(max(0, k-3), len(lines)):min(k+4, len(lines))], "\n")
		}
		if k >= len(left) || k >= len(right) || left[k] != right[k] {
			return at(left) + "\n--- exported:\n" + at(right)
		}
	}
	return ""
}
