package conf

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// marker stands for every secret in these tests. It must never be printed.
const marker = "pw-Marker-7731"

// printed is what all the ways of printing make of v.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	fmt.Fprintln(&b, v)
	if text, err := json.Marshal(v); err == nil {
		b.Write(text)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
	return b.String()
}

func requireNoSecret(t *testing.T, v any) {
	t.Helper()
	out := printed(t, v)
	require.NotContains(t, out, marker)
	require.NotContains(t, out, fmt.Sprintf("%x", marker))
	require.NotContains(t, out, fmt.Sprintf("%X", marker))
}

func TestSecretCannotBePrinted(t *testing.T) {
	t.Parallel()
	s := NewSecret(marker)
	type hidden struct {
		Name   string
		secret Secret
	}
	for name, v := range map[string]any{
		"itself":                       s,
		"a pointer":                    &s,
		"an exported field":            struct{ S Secret }{s},
		"an unexported field":          hidden{"x", s},
		"a pointer to one":             &hidden{"x", s},
		"a map's key and value":        map[Secret]Secret{s: s},
		"a slice":                      []Secret{s},
		"an error that is made of one": fmt.Errorf("login as %v: %s", s, s),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireNoSecret(t, v)
		})
	}
	type element struct{ S Secret }
	text, err := xml.Marshal(element{s})
	require.NoError(t, err)
	require.NotContains(t, string(text), marker)
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := NewSecret(marker)
	require.Equal(t, marker, s.Reveal())
	require.Equal(t, "***", fmt.Sprintf("%s", s))
	require.Equal(t, "***", fmt.Sprintf("%#v", s))
	require.Equal(t, "***", fmt.Sprintf("%x", s))
	require.False(t, s.IsEmpty())
	require.True(t, s == NewSecret(marker), "equal texts are equal secrets")
	require.False(t, s == NewSecret("another"))

	none := NewSecret("")
	require.True(t, none == Secret{})
	require.True(t, none.IsEmpty())
	require.Empty(t, none.Reveal())
	require.Empty(t, fmt.Sprintf("%v%+v%#v%s%d", none, none, none, none, none))
	text, err := json.Marshal([]Secret{s, none})
	require.NoError(t, err)
	require.JSONEq(t, `["***",""]`, string(text))
}
