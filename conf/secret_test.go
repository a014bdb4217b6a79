package conf

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
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

// TestWhatStandsInPlaceOfAFileIsNotRepeated: a password is easily written into
// PasswordFile and its like. That is so over all options that name a file.
func TestWhatStandsInPlaceOfAFileIsNotRepeated(t *testing.T) {
	t.Parallel()
	options := 0
	for _, o := range Table() {
		if !strings.HasSuffix(o.Name, "File") {
			continue
		}
		options++
		name := strings.Replace(o.Name, "*", "A", 1)
		group := strings.TrimSuffix(name, name[strings.LastIndexByte(name, '.')+1:])
		for _, value := range []string{marker, "/" + marker, "/etc/" + marker + "/x"} {
			lines := []string{name + "=" + value}
			switch {
			case strings.Contains(name, "TLSCert"):
				lines = append(lines, group+"TLSKeyFile=/etc/hostname")
			case strings.Contains(name, "TLSKey"):
				lines = append(lines, group+"TLSCertFile=/etc/hostname")
			}
			if strings.Contains(name, "TLS") {
				lines = append(lines, group+"TLSConnect=verify_full")
			}
			switch {
			case strings.HasSuffix(name, ".TokenFile"):
				lines = append(lines, group+"Uri=http://h")
			case strings.HasSuffix(name, ".SentinelPasswordFile"):
				lines = append(lines, group+"Uri=sentinel://h/m")
			default:
				lines = append(lines, group+"Uri=tcp://h")
			}
			decoded, err := Decode(sent(t, lines...), Global{})
			if err == nil {
				requireNoSecret(t, decoded.Warnings())
				err = firstBroken(decoded)
			}
			require.ErrorContains(t, err, prefix+name)
			requireNoSecret(t, err)
		}
	}
	require.Equal(t, 12, options)
}
