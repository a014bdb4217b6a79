package ask

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"redisjobs/metrics/jsondoc"
)

// Line makes one printable line of at most n characters of any text.
func Line(s string, n int) string {
	// Before the rest, so that a text of megabytes costs no more than a short one.
	s = strings.TrimSpace(s)
	s = Clip(strings.ToValidUTF8(s[:min(len(s), (n+1)*utf8.UTFMax)], "?"), n)
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
}

// Clip shortens s to at most n characters, the last one then being an
// ellipsis.
func Clip(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := 0
	for i := range s {
		if runes == n-1 {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}

// ClipWords shortens s to at most n characters at the end of a word, with an ellipsis
// behind it; within a word that alone is longer than half of n.
func ClipWords(s string, n int) string {
	clipped := Clip(s, n)
	if clipped == s {
		return s
	}
	whole := strings.TrimSuffix(clipped, "…")
	if i := strings.LastIndexByte(whole, ' '); i >= len(whole)/2 && !strings.ContainsAny(s[len(whole):][:1], " ,;)") {
		whole = whole[:i]
	}
	return strings.TrimRight(whole, " ,;:(") + "…"
}

// ClipBytes bounds what an error text quotes of a reply.
func ClipBytes(b []byte) []byte {
	const limit = 40
	if len(b) > limit {
		return b[:limit]
	}
	return b
}

// MaxName bounds a text of a client, in characters.
const MaxName = 128

// WriteText writes a member that is left out when its text is empty.
func WriteText(w *jsondoc.Writer, name, text string) {
	if text != "" {
		w.Key(name).String(text)
	}
}
