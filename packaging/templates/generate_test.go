package templates

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGeneratedFilesAreCurrent: the templates are what their sources make.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	files, err := Generate(".")
	require.NoError(t, err)
	guide, err := Guide(".")
	require.NoError(t, err)
	files[GuideFile] = guide
	for name, want := range files {
		got, err := os.ReadFile(name)
		says(t, err == nil && string(want) == string(got), "run make generate: "+path.Join(folder, filepath.ToSlash(name))+" is stale")
	}
	there, err := filepath.Glob("[0-9]*/*")
	require.NoError(t, err)
	for _, name := range there {
		says(t, files[name] != nil, fmt.Sprintf("%s%s has no source: delete it", folder, filepath.ToSlash(name)))
	}
}

// TestSourcesAreRefused: a slip in a source is an error that says where.
func TestSourcesAreRefused(t *testing.T) {
	t.Parallel()
	const good = "name: N\ngroup: Databases\nprefix: P\ninterval: '{$P.INTERVAL}'\nroots: [Down]\nabout: A\n" +
		"items:\n  - {key: 'get[x]', name: Get, asks: true, part: raw, about: B}\n" +
		"  - {key: up, name: Up, from: '$.up !', part: x, about: B, triggers: [{name: Down, if: 'max(//up,#3)=0', is: high availability, about: C}]}\n"
	list := ""
	make := func(t *testing.T, text string) error {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "source"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "source", "n.yaml"), []byte(text), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, uuidList), []byte(list), 0o600))
		_, err := Generate(dir)
		return err
	}
	require.NoError(t, make(t, good))
	list = "0123456789abcdef4123456789abcdef N: trigger: P: Down before\n"
	require.ErrorContains(t, make(t, good), "N: trigger: P: Down before", "what has another name must keep its uuid")
	list = ""
	for was, is := range map[string]string{
		"group: Databases": "group: Other",
		"about: A\n":       "about: A\ndashboards: [{name: D, pages: [{name: P, rows: [{height: 2, cells: [{item: up, colors: {'1': mauve}}]}]}]}]\n",
		"roots: [Down]":    "roots: []",
		"part: raw":        "prat: raw",
		"about: C}]":       "about: C}, {name: More, if: '1=1', is: low x, after: [Nothing], about: D}]",
		"asks: true":       "asks: false",
		"part: x":          "part: x, as: number",
	} {
		text := strings.ReplaceAll(good, was, is)
		require.NotEqual(t, good, text)
		require.Error(t, make(t, text), is)
	}
	for _, text := range []string{"", "within 5", "time 3", "up"} {
		_, err := parseStep(text)
		require.Error(t, err, text)
	}
}
