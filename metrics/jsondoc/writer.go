// Package jsondoc writes JSON documents by appending to one slice of bytes:
// no reflection, no maps, no intermediate values.
//
// Strings are escaped exactly as encoding/json does by default, HTML
// characters and invalid UTF-8 included, so that a document can be compared
// byte for byte with one that encoding/json made. A number that is no number
// (NaN, an infinity) is never written: it is left out, together with its key.
package jsondoc

import (
	"math"
	"slices"
	"strconv"
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
	// assumed: strings at hand as bytes need no escape.
	assumed bool
	// quoted: the document is the inside of a JSON string.
	quoted bool
	// start is where the document begins in buf, extra the number of bytes in
	// it that are there only because it is quoted, extraBefore that before the
	// member begun last.
	start, extra, extraBefore int
	// limit is how long the document may become; 0 for any length. lost counts
	// the bytes that were dropped because it is longer.
	limit, lost int
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

// AssumePlain says that the names and strings that are handed over as bytes from
// now on need no look for what JSON escapes, because all of them are parts of a
// text that IsPlain, line by line.
func (w *Writer) AssumePlain(on bool) { w.assumed = on }

// Restart drops what was written.
func (w *Writer) Restart() {
	*w = Writer{buf: w.buf[:w.start], quoted: w.quoted, start: w.start, limit: w.limit}
}

// Text writes a value that is no document: a plain text, without quotes around
// it.
func (w *Writer) Text(s string) {
	if !w.quoted {
		w.buf = append(w.buf, s...)
		return
	}
	before := len(w.buf)
	w.buf = AppendInside(w.buf, s)
	w.extra += len(w.buf) - before - len(s)
}

// Len is the length of the document itself: without what quoting adds.
func (w *Writer) Len() int { return w.lost + len(w.buf) - w.start - w.extra }

// Limit bounds the memory of a document that is going to be refused when it is
// longer than n bytes: from then on only its length is counted.
func (w *Writer) Limit(n int) { w.limit = n }

// shed drops what was written of a document that is too long.
func (w *Writer) shed() {
	w.lost = w.Len()
	w.buf, w.extra, w.extraBefore, w.member = w.buf[:w.start], 0, 0, w.start
}

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
	w.text(name)
	return w.endKey()
}

// KeyBytes is Key for a name that is at hand as bytes.
func (w *Writer) KeyBytes(name []byte) *Writer {
	w.begin()
	w.string(name)
	return w.endKey()
}

// KeyPlain is KeyBytes for a name that IsPlain.
func (w *Writer) KeyPlain(name []byte) *Writer {
	w.begin()
	w.plain(name)
	return w.endKey()
}

func (w *Writer) endKey() *Writer {
	w.buf = append(w.buf, ':')
	w.keyed = true
	return w
}

// text and string write a string, escaped.
func (w *Writer) text(s string) {
	if w.quoted {
		w.quote([]byte(s))
	} else {
		w.buf = AppendString(w.buf, s)
	}
}

func (w *Writer) string(s []byte) {
	if w.assumed {
		w.plain(s)
	} else if w.quoted {
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
	if w.limit > 0 && len(w.buf)-w.start-w.extra > w.limit {
		w.shed()
	}
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
	w.text(s)
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
	if buf, ok := appendMillionths(w.buf, f); ok {
		w.buf = buf
		return
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-9 || abs >= 1e21) {
		format = 'e'
	}
	w.buf = strconv.AppendFloat(w.buf, f, format, -1, 64)
}

// appendMillionths is strconv.AppendFloat in a fraction of the time, for numbers
// below a thousand million with at most six digits behind the point. Such a number
// has at most 15 digits, and no other text of so few reads back as the same float.
func appendMillionths(dst []byte, f float64) ([]byte, bool) {
	const limit, unit = 1e9, 1_000_000
	if !(f > -limit && f < limit) || f == 0 && math.Signbit(f) {
		return dst, false
	}
	n := int64(math.Round(f * unit))
	if float64(n)/unit != f {
		return dst, false
	}
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/unit, 10)
	rest := n % unit
	if rest == 0 {
		return dst, true
	}
	dst = append(dst, '.')
	for digit := int64(unit / 10); rest > 0; digit /= 10 {
		dst = append(dst, '0'+byte(rest/digit))
		rest %= digit
	}
	return dst, true
}

// Number writes a number that is at hand as text, digit by digit. A text for
// which IsNumber is false is written as a string.
func (w *Writer) Number(text []byte) {
	if !IsNumber(text) {
		w.StringBytes(text)
		return
	}
	w.NumberPlain(text)
}

// NumberPlain is Number for a text that IsNumber.
func (w *Writer) NumberPlain(text []byte) {
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
