package templates

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestDump: texts are written as Symfony's Dumper writes them, which the frontend uses, and read back as they were.
func TestDump(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":    "plain",
		"":         "''",
		"it's":     "'it''s'",
		"a b":      "'a b'",
		"a: b":     "'a: b'",
		"yes":      "'yes'",
		"No":       "'No'",
		"y":        "'y'",
		"12":       "'12'",
		"1.0E-6":   "'1.0E-6'",
		"1E5123":   "'1E5123'",
		"2774A4":   "2774A4",
		"7.4-1":    "7.4-1",
		"0x1F":     "'0x1F'",
		"31d":      "31d",
		"#2":       "'#2'",
		"-x":       "'-x'",
		"$.a[*].b": "'$.a[*].b'",
		`^\S+$`:    `^\S+$`,
		"a\tb":     `"a\tb"`,
		"a\u00a0b": `"a\_b"`,
		`{$A:"b"}`: `'{$A:"b"}'`,
	} {
		require.Equal(t, want, quote(text), text)
		var back map[string]string
		require.NoError(t, yaml.Unmarshal([]byte("k: "+want+"\n"), &back), text)
		require.Equal(t, text, back["k"])
	}
	var node yaml.Node
	require.NoError(t, node.Encode(map[string]any{"a": []any{map[string]any{"b": "1", "y": []string{"c d"}}}, "z": "one\n\ntwo"}))
	require.Equal(t, "a:\n  -\n    b: '1'\n    'y':\n      - 'c d'\nz: |\n  one\n  \n  two\n", string(dump(&node, false)))
	require.Equal(t, "a:\n  - b: '1'\n    'y':\n      - 'c d'\nz: |\n  one\n  \n  two\n", string(dump(&node, true)))
}
