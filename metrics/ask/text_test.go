package ask

import (
	"errors"
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

// TestAnErrorIsNotCutWithinAWord: half of an address or a name is another one.
func TestAnErrorIsNotCutWithinAWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"short":                    "short",
		"0123456789 123456789":     "0123456789 123456789",
		"0123456789 12345678 01":   "0123456789 12345678…",
		"0123456789 123456789 0":   "0123456789…",
		"0123456789 12345678, 01":  "0123456789 12345678…",
		"0123456789 (1234567890)":  "0123456789…",
		"a 01234567890123456789":   "a 01234567890123456…",
		"žlutý kůň pěl ďábelské ó": "žlutý kůň pěl…",
	} {
		got := ClipWords(text, 20)
		require.Equal(t, want, got)
		require.LessOrEqual(t, utf8.RuneCountInString(got), 20)
	}
	long := ErrorLine("tcp://h:6379", errors.New(strings.Repeat("sentinel 127.0.0.1:26379 says 127.0.0.1:6379; ", 20)))
	require.Equal(t, "Cannot query tcp://h:6379: "+strings.Repeat("sentinel 127.0.0.1:26379 says 127.0.0.1:6379; ", 4)+"sentinel 127.0.0.1:26379 says…", long)
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
