package jobs

import "bytes"

// shallow reads the members of a JSON object without those within them, and checks
// the whole text as encoding/json does. It is for jobs, of which a poll reads
// thousands and wants three members: reading them by reflection took a quarter of
// its time.
type shallow struct{ rest []byte }

// maxShallow is how deep values may be nested.
const maxShallow = 64

// membersOf calls each with the names and the raw values of an object's members, in
// their order. It reports false when the text is no JSON object, or has something
// that is left to encoding/json: a name with an escape or a character that is not
// ASCII, or values that are nested deeper than maxShallow.
func membersOf(text []byte, each func(name, value []byte)) bool {
	s := shallow{text}
	s.blanks()
	if !s.take('{') {
		return false
	}
	return s.list('}', 1, func() bool {
		before := s.rest
		if !s.string() {
			return false
		}
		name := before[1 : len(before)-len(s.rest)-1]
		if !plainName(name) {
			return false
		}
		if s.blanks(); !s.take(':') {
			return false
		}
		s.blanks()
		before = s.rest
		if !s.value(1) {
			return false
		}
		each(name, before[:len(before)-len(s.rest)])
		return true
	}) && s.atEnd()
}

// plainText is the text of a raw string of plain characters.
func plainText(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || !plainName(raw[1:len(raw)-1]) {
		return "", false
	}
	return string(raw[1 : len(raw)-1]), true
}

// isNumber reports whether a raw value is a number.
func isNumber(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

func plainName(name []byte) bool {
	for _, c := range name {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

func (s *shallow) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *shallow) blanks() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\n' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

func (s *shallow) atEnd() bool {
	s.blanks()
	return len(s.rest) == 0
}

// list takes members up to the end of a list whose begin was taken.
func (s *shallow) list(end byte, depth int, member func() bool) bool {
	if s.blanks(); s.take(end) {
		return true
	}
	for depth <= maxShallow {
		if s.blanks(); !member() {
			return false
		}
		if s.blanks(); s.take(end) {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
	return false
}

// value takes any value.
func (s *shallow) value(depth int) bool {
	switch {
	case len(s.rest) == 0:
		return false
	case s.rest[0] == '"':
		return s.string()
	case s.take('{'):
		return s.list('}', depth+1, func() bool {
			if !s.string() {
				return false
			}
			if s.blanks(); !s.take(':') {
				return false
			}
			s.blanks()
			return s.value(depth + 1)
		})
	case s.take('['):
		return s.list(']', depth+1, func() bool { return s.value(depth + 1) })
	case isNumber(s.rest):
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if rest, ok := bytes.CutPrefix(s.rest, []byte(word)); ok {
			s.rest = rest
			return true
		}
	}
	return false
}

// string takes a string with its quotes.
func (s *shallow) string() bool {
	if !s.take('"') {
		return false
	}
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return true
		case c < ' ':
			return false
		case c == '\\':
			i++
			if i == len(s.rest) {
				return false
			}
			if s.rest[i] == 'u' {
				if i+4 >= len(s.rest) || !isHex(s.rest[i+1:i+5]) {
					return false
				}
				i += 4
			} else if bytes.IndexByte([]byte(`"\/bfnrt`), s.rest[i]) < 0 {
				return false
			}
		}
	}
	return false
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// number takes a number: -1, 0.5, 1e+9, and not 01, 1. or .5.
func (s *shallow) number() bool {
	s.take('-')
	if !s.take('0') && s.digits() == 0 {
		return false
	}
	if s.take('.') && s.digits() == 0 {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits() > 0
	}
	return true
}

func (s *shallow) digits() (n int) {
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	s.rest = s.rest[n:]
	return n
}

// isShallowMessage is isCeleryMessage for a text that is too long to be parsed.
func isShallowMessage(text []byte) bool {
	s := shallow{text}
	s.blanks()
	begins, ok := "", s.take('[')
	return ok && s.list(']', 1, func() bool {
		if len(s.rest) > 0 && len(begins) < 4 {
			begins += string(s.rest[:1])
		}
		return s.value(1)
	}) && s.atEnd() && begins == `{""`
}
