package metrics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseArgs lets an item key's author write anything. Each metric takes it
// or says what is wrong with it; what is taken has all declared parameters.
func FuzzParseArgs(f *testing.F) {
	const separator = "\x1f"
	for _, raw := range []string{
		"", "tcp://localhost:6379", "A\x1fpassword\x1fuser", "A\x1f\x1f\x1fwordcount\x1f5m", "A\x1f\x1f*\x1fuser",
		"A\x1f\x1f\x1fGET\x1fkey", "A\x1f\x1f\x1f-1\x1f1e999\x1f9999999999999999999", "A\x1f\x1f\x1f[a-\x1f\\",
		"\xff\x00\n", strings.Repeat("\x1f", 40),
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		params := strings.Split(raw, separator)
		for _, m := range All() {
			args, err := m.ParseArgs(params)
			if err != nil {
				require.NotEmpty(t, err.Error(), m.Key)
				continue
			}
			for i, p := range m.Params {
				value := args.Get(p.Name)
				switch {
				case i < len(params) && params[i] != "":
					require.Equal(t, params[i], value, "%s: %s", m.Key, p.Name)
				default:
					require.Equal(t, p.Default, value, "%s: %s", m.Key, p.Name)
					require.False(t, p.Required, "%s: %s", m.Key, p.Name)
				}
			}
		}
	})
}
