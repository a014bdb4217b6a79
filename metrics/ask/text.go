package ask

import (
	"unicode/utf8"
)

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
