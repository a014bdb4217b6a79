package ask

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestALineIsPrintableAndBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "",
		" a\tb\r\n":                       "a b",
		"žluť":                            "žluť",
		"žlutýš":                          "žlut…",
		"abcde":                           "abcde",
		"abcdef":                          "abcd…",
		"a\xffb":                          "a?b",
		"a\u202eb\u0000":                  "a b",
		strings.Repeat("€", 1<<20):        "€€€€…",
		strings.Repeat("\xff\x00", 1<<20): "? ? …",
	} {
		got := Line(text, 5)
		require.Equal(t, want, got, "%.20q", text)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\nb", 3)
	f.Add("\xf0\x9f\x92", 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		if n < 1 || n > 1000 {
			return
		}
		line := Line(text, n)
		require.True(t, utf8.ValidString(line))
		require.LessOrEqual(t, utf8.RuneCountInString(line), n)
		for _, r := range line {
			require.True(t, unicode.IsPrint(r))
		}
	})
}
