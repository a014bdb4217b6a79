// Package jsondoc writes JSON documents by appending to one slice of bytes:
// no reflection, no maps, no intermediate values.
//
// Strings are escaped exactly as encoding/json does by default, HTML
// characters and invalid UTF-8 included, so that a document can be compared
// byte for byte with one that encoding/json made. A number that is no number
// (NaN, an infinity) is never written: it is left out, together with its key.
package jsondoc

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Writer builds one document. The zero value is ready. It puts the commas; it
// does not check that objects and arrays are closed in order.
type Writer struct {
	buf []byte
	// member is where the member begun last starts, its comma included.
	member int
	// comma: the next key or array element is not the first of its container.
	comma bool
	// keyed: a key was written and waits for its value.
	keyed bool
	// quoted: the document is the inside of a JSON string.
	quoted bool
	// start is where the document begins in buf, extra the number of bytes in
	// it that are there only because it is quoted, extraBefore that before the
	// member begun last.
	start, extra, extraBefore int
}

// New returns a Writer with room for size bytes.
func New(size int) *Writer { return &Writer{buf: make([]byte, 0, size)} }

// NewQuoted returns a Writer that appends to dst, and writes the document as
// the inside of a JSON string: what AppendString would make of it later, but
// for the quotes around it.
func NewQuoted(dst []byte) *Writer { return &Writer{buf: dst, quoted: true, start: len(dst)} }

// Bytes returns the document, behind what NewQuoted was given. It is the
// Writer's own memory.
func (w *Writer) Bytes() []byte { return w.buf }

// Len is the length of the document itself: without what quoting adds.
func (w *Writer) Len() int { return len(w.buf) - w.start - w.extra }

// Grow makes room for n more bytes.
func (w *Writer) Grow(n int) { w.buf = slices.Grow(w.buf, n) }

// Document returns a copy of the document as a string.
func (w *Writer) Document() string { return string(w.buf) }

// BeginObject starts an object.
func (w *Writer) BeginObject() {
	w.begin()
	w.buf = append(w.buf, '{')
	w.comma = false
}

// EndObject ends an object.
func (w *Writer) EndObject() {
	w.buf = append(w.buf, '}')
	w.comma = true
}

// BeginArray starts an array.
func (w *Writer) BeginArray() {
	w.begin()
	w.buf = append(w.buf, '[')
	w.comma = false
}

// EndArray ends an array.
func (w *Writer) EndArray() {
	w.buf = append(w.buf, ']')
	w.comma = true
}

// Key writes an object key and returns w for its value, as in
// w.Key("up").Int(1).
func (w *Writer) Key(name string) *Writer {
	w.begin()
	if w.quoted {
		w.quote([]byte(name))
	} else {
		w.buf = AppendString(w.buf, name)
	}
	w.buf = append(w.buf, ':')
	w.keyed = true
	return w
}

// KeyBytes is Key for a name that is at hand as bytes.
func (w *Writer) KeyBytes(name []byte) *Writer {
	w.begin()
	w.string(name)
	w.buf = append(w.buf, ':')
	w.keyed = true
	return w
}

// KeyPlain is KeyBytes for a name that IsPlain.
func (w *Writer) KeyPlain(name []byte) *Writer {
	w.begin()
	w.plain(name)
	w.buf = append(w.buf, ':')
	w.keyed = true
	return w
}

func (w *Writer) string(s []byte) {
	if w.quoted {
		w.quote(s)
	} else {
		w.buf = AppendString(w.buf, s)
	}
}

// plain writes a string that needs no escape.
func (w *Writer) plain(s []byte) {
	if w.quoted {
		w.extra += 2
		w.buf = append(append(append(w.buf, '\\', '"'), s...), '\\', '"')
	} else {
		w.buf = append(append(append(w.buf, '"'), s...), '"')
	}
}

// quote writes a string as a string inside a string.
func (w *Writer) quote(s []byte) {
	if plainPrefix(s) == len(s) {
		w.plain(s)
		return
	}
	once := AppendString(nil, s)
	before := len(w.buf)
	w.buf = AppendInside(w.buf, once)
	w.extra += len(w.buf) - before - len(once)
}

// begin puts the comma before a key or an array element, and nothing between
// a key and its value.
func (w *Writer) begin() {
	if w.keyed {
		w.keyed = false
		return
	}
	w.member, w.extraBefore = len(w.buf), w.extra
	if w.comma {
		w.buf = append(w.buf, ',')
	}
	w.comma = true
}

// String writes a string.
func (w *Writer) String(s string) {
	w.begin()
	if w.quoted {
		w.quote([]byte(s))
	} else {
		w.buf = AppendString(w.buf, s)
	}
}

// StringBytes writes a string that is at hand as bytes.
func (w *Writer) StringBytes(s []byte) {
	w.begin()
	w.string(s)
}

// StringPlain is StringBytes for a string that IsPlain.
func (w *Writer) StringPlain(s []byte) {
	w.begin()
	w.plain(s)
}

// Int writes an integer.
func (w *Writer) Int(n int64) {
	w.begin()
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

// Uint writes an integer.
func (w *Writer) Uint(n uint64) {
	w.begin()
	w.buf = strconv.AppendUint(w.buf, n, 10)
}

// Null writes null. Zabbix takes it for the text "null", so it is only for
// places that cannot be left out.
func (w *Writer) Null() {
	w.begin()
	w.buf = append(w.buf, "null"...)
}

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	w.begin()
	w.buf = strconv.AppendBool(w.buf, b)
}

// Float writes a number with the fewest digits that read back as f, without
// an exponent between 1e-9 and 1e21. For NaN and the infinities it takes back
// the key, or writes no array element.
func (w *Writer) Float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.drop()
		return
	}
	w.begin()
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-9 || abs >= 1e21) {
		format = 'e'
	}
	w.buf = strconv.AppendFloat(w.buf, f, format, -1, 64)
}

// Number writes a number that is at hand as text, digit by digit. A text for
// which IsNumber is false is written as a string.
func (w *Writer) Number(text []byte) {
	if !IsNumber(text) {
		w.StringBytes(text)
		return
	}
	w.begin()
	w.buf = append(w.buf, text...)
}

// drop takes back a key that gets no value.
func (w *Writer) drop() {
	if !w.keyed {
		return
	}
	w.keyed = false
	w.comma = w.buf[w.member] == ','
	w.buf, w.extra = w.buf[:w.member], w.extraBefore
}

// IsNumber reports whether text is a number as JSON's grammar has it, and
// finite in 64 bits: "-1", "0.50" and "1e5" are, "007", "+1", ".5", "nan" and
// "1e999" are not.
func IsNumber(text []byte) bool {
	s := text
	if len(s) > 0 && s[0] == '-' {
		s = s[1:]
	}
	switch {
	case len(s) == 0:
		return false
	case s[0] == '0':
		s = s[1:]
	default:
		n := digits(s)
		if n == 0 {
			return false
		}
		s = s[n:]
	}
	if len(s) > 0 && s[0] == '.' {
		n := digits(s[1:])
		if n == 0 {
			return false
		}
		s = s[1+n:]
	}
	if len(s) == 0 && len(text) < 300 {
		return true
	}
	if len(s) > 0 {
		if s[0] != 'e' && s[0] != 'E' {
			return false
		}
		s = s[1:]
		if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if n := digits(s); n == 0 || n != len(s) {
			return false
		}
	}
	_, err := strconv.ParseFloat(string(text), 64)
	return err == nil
}

// digits counts the decimal digits that s starts with.
func digits(s []byte) int {
	for i, c := range s {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(s)
}

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
