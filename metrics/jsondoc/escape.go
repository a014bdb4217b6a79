package jsondoc

import (
	"encoding/binary"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// AppendString appends s quoted and escaped as encoding/json does by default:
// <, > and & as \u003c, \u003e and \u0026, U+2028 and U+2029 escaped, each
// byte of invalid UTF-8 as \ufffd.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	return append(AppendInside(append(dst, '"'), s), '"')
}

// AppendInside is AppendString without the quotes.
func AppendInside[T string | []byte](dst []byte, s T) []byte {
	start := len(dst)
	dst = append(dst, s...)
	if n := plainPrefix(dst[start:]); n < len(s) {
		dst = appendEscaped(dst[:start+n], s[n:])
	}
	return dst
}

// IsPlain reports whether b is ASCII without anything that needs an escape.
func IsPlain(b []byte) bool { return plainPrefix(b) == len(b) }

// plainPrefix counts the bytes at the start of b that need no escape and are
// ASCII, or fewer when there are such bytes later on.
func plainPrefix(b []byte) int {
	if len(b) < 8 {
		n := 0
		for n < len(b) && plain[b[n]] {
			n++
		}
		return n
	}
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		if special(binary.LittleEndian.Uint64(b[n:])) {
			return n
		}
	}
	if special(binary.LittleEndian.Uint64(b[len(b)-8:])) {
		return n
	}
	return len(b)
}

// special reports whether one of eight bytes needs an escape or is not ASCII.
// A byte below n, or equal to one that is made zero first, borrows into its
// highest bit.
// Source: https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
func special(w uint64) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	return (w| // not ASCII
		(w-ones*' ')| // control character
		((w^ones*'"')-ones)|((w^ones*'\\')-ones)|
		((w^ones*'<')-ones)|((w^ones*'>')-ones)|((w^ones*'&')-ones))&highs != 0
}

// appendEscaped is AppendString without the quotes, for a string that has
// something to escape.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			switch c {
			case '\\', '"':
				dst = append(dst, '\\', c)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
			}
			i++
			start = i
			continue
		}
		// At most one rune's bytes, so that the conversion stays on the stack.
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', '2', '0', '2', hex[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// plain holds the ASCII characters that need no escape.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		switch c {
		case '"', '\\', '<', '>', '&':
		default:
			t[c] = true
		}
	}
	return t
}()
