package jobs

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"redisjobs/metrics/ask"
)

const (
	// maxArgValues and maxArgBytes bound the arguments of one job that are looked for
	// in a message.
	maxArgValues = 4096
	maxArgBytes  = 1 << 20
	// argPart is how many bytes of a long argument make a part of it recognizable.
	argPart = 12
	// argWord is the length of a text, in bytes, from which on it is looked for inside
	// of words too.
	argWord = 4
	// maxNested is how deep texts are looked into that hold arguments themselves.
	maxNested = 4
)

// argValues are the values of a job's arguments: texts and numbers, at any depth.
// Names of fields are none. The zero value and nil have none.
type argValues struct {
	texts   []string
	numbers []string
	bytes   int
	over    bool
}

func (a *argValues) tooMany() bool { return a != nil && a.over }

func (a *argValues) text(s string) {
	if s = strings.TrimSpace(s); s != "" {
		if a.room(len(s)) {
			a.texts = append(a.texts, asciiLower(strings.ToValidUTF8(s, "?")))
		}
	}
}

func (a *argValues) number(s string) {
	if a.room(len(s)) {
		a.numbers = append(a.numbers, asciiLower(s))
	}
}

func (a *argValues) room(n int) bool {
	a.bytes += n
	a.over = a.over || a.bytes > maxArgBytes || len(a.texts)+len(a.numbers) >= maxArgValues
	return !a.over
}

// any takes the values of a text that may be JSON, a value that PHP has serialized,
// or anything else, of which the printable parts are values.
func (a *argValues) any(text []byte) { a.nested(text, 0) }

func (a *argValues) nested(text []byte, depth int) {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
	case depth < maxNested && (text[0] == '{' || text[0] == '[') && a.json(text, depth):
	case depth < maxNested && isPHP(text) && a.php(text, depth):
	case depth == 0 && !isText(text):
		a.printable(text)
	default:
		a.text(string(text))
	}
}

// json takes the values of a JSON document. It reports false for what is none.
func (a *argValues) json(text []byte, depth int) bool {
	if !json.Valid(text) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	// Of an object every second token is a name.
	var objects []bool
	name := false
	for !a.over {
		token, err := d.Token()
		if err != nil {
			break
		}
		inObject := len(objects) > 0 && objects[len(objects)-1]
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				objects = append(objects, token == '{')
				name = token == '{'
				continue
			}
			objects = objects[:len(objects)-1]
		case string:
			if inObject && name {
				name = false
				continue
			}
			a.nested([]byte(token), depth+1)
		case json.Number:
			a.number(token.String())
		}
		name = len(objects) > 0 && objects[len(objects)-1]
	}
	return true
}

// isPHP reports whether a text may be what PHP's serialize makes of an array or an
// object.
func isPHP(text []byte) bool {
	return len(text) > 4 && (text[0] == 'O' || text[0] == 'a' || text[0] == 'C') && text[1] == ':' && text[2] >= '0' && text[2] <= '9'
}

// php takes the values of what PHP has serialized; in braces names and values take
// turns. It reports false for what it does not understand.
// Source: https://www.phpinternalsbook.com/php5/classes_objects/serialization.html
func (a *argValues) php(text []byte, depth int) bool {
	var found []func()
	var braces []bool // whether a name comes next
	value := func(take func()) {
		if n := len(braces); n > 0 {
			if braces[n-1] = !braces[n-1]; !braces[n-1] {
				return // it was a name
			}
		}
		if take != nil {
			found = append(found, take)
		}
	}
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '}':
			if len(braces) == 0 {
				return false
			}
			braces = braces[:len(braces)-1]
			value(nil)
			i++
		case 'N', 'b', 'i', 'd', 'r', 'R':
			end := bytes.IndexByte(text[i:], ';')
			if end < 0 {
				return false
			}
			value(a.phpScalar(text[i : i+end]))
			i += end + 1
		case 's', 'a', 'O', 'E', 'C':
			// s:LENGTH:"..."; a:COUNT:{...} O:LENGTH:"class":COUNT:{...}
			size, rest, ok := phpLength(text[i:])
			if !ok {
				return false
			}
			at := len(text) - len(rest)
			if c == 'a' {
				if at >= len(text) || text[at] != '{' || len(braces) > 64 {
					return false
				}
				braces = append(braces, true)
				i = at + 1
				continue
			}
			if at+size+2 > len(text) || text[at] != '"' || text[at+size+1] != '"' {
				return false
			}
			content := text[at+1 : at+1+size]
			i = at + size + 2
			switch c {
			case 's', 'E':
				value(func() { a.nested(content, depth+1) })
				i++ // the semicolon
			default: // an object: its count, and a brace
				open := bytes.IndexByte(text[i:], '{')
				if open < 0 || open > 24 || len(braces) > 64 {
					return false
				}
				braces = append(braces, true)
				i += open + 1
			}
		default:
			return false
		}
	}
	for _, take := range found {
		take()
	}
	return true
}

// phpScalar is what takes a value as "i:5" or "b:1": a number, or nothing.
func (a *argValues) phpScalar(text []byte) func() {
	if text[0] != 'i' && text[0] != 'd' {
		return func() {}
	}
	number := string(text[min(2, len(text)):])
	return func() { a.number(number) }
}

// phpLength reads "x:LENGTH:" and returns what follows.
func phpLength(text []byte) (size int, rest []byte, ok bool) {
	if len(text) < 4 || text[1] != ':' {
		return 0, nil, false
	}
	digits, _, ok := bytes.Cut(text[2:min(len(text), 14)], []byte(":"))
	size, err := strconv.Atoi(string(digits))
	if !ok || err != nil || size < 0 || size > maxPayload {
		return 0, nil, false
	}
	return size, text[2+len(digits)+1:], true
}

// printable takes the texts in bytes of an unknown form.
func (a *argValues) printable(raw []byte) {
	for _, part := range strings.FieldsFunc(strings.ToValidUTF8(string(raw[:min(len(raw), maxArgBytes)]), "\x00"), func(r rune) bool {
		return !unicode.IsPrint(r)
	}) {
		if len(part) >= argWord {
			a.text(part)
		}
	}
}

func isText(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool {
		return r == unicode.ReplacementChar || r < ' ' && r != '\n' && r != '\r' && r != '\t'
	})
}

// mask replaces what a text has of the arguments: each text and number that stands
// there as a whole, and each part of argPart bytes of a longer one. A text of less
// than argWord bytes, and a number, must not be a part of a word. Capitals do not
// matter.
func (a *argValues) mask(text string) string {
	if a == nil || text == "" {
		return text
	}
	lower := asciiLower(text)
	masked := make([]bool, len(text))
	for _, s := range a.texts {
		// A letter alone is a word of many languages.
		if len(s) > 1 || isDigit(s[0]) {
			maskAll(masked, lower, s, len(s) < argWord)
		}
	}
	for _, s := range a.numbers {
		maskAll(masked, lower, s, true)
	}
	a.maskParts(masked, lower)
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case !masked[i]:
			b.WriteByte(text[i])
		case i == 0 || !masked[i-1]:
			b.WriteString(ask.Masked)
		}
	}
	return b.String()
}

// maskAll marks each place of s in text; as a word of its own only, when word is
// set.
func maskAll(masked []bool, text, s string, word bool) {
	for from := 0; ; {
		i := strings.Index(text[from:], s)
		if i < 0 {
			return
		}
		i += from
		from = i + 1
		if end := i + len(s); !word || !isWordByte(text, i-1) && !isWordByte(text, end) {
			for j := i; j < end; j++ {
				masked[j] = true
			}
		}
	}
}

// maskParts marks what argPart bytes of a text and of an argument have in common,
// because messages quote the beginning or a line of a long one.
func (a *argValues) maskParts(masked []bool, text string) {
	if len(text) < argPart {
		return
	}
	parts := make(map[string][]int, len(text))
	for i := 0; i+argPart <= len(text); i++ {
		parts[text[i:i+argPart]] = append(parts[text[i:i+argPart]], i)
	}
	for _, s := range a.texts {
		for i := 0; i+argPart < len(s); i++ {
			places := parts[s[i:i+argPart]]
			for _, at := range places {
				for j := at; j < at+argPart; j++ {
					masked[j] = true
				}
			}
			if places != nil { // once is enough, of texts that repeat themselves
				delete(parts, s[i:i+argPart])
			}
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWordByte reports whether a text has a part of a word at i; all that is not
// ASCII is.
func isWordByte(text string, i int) bool {
	if i < 0 || i >= len(text) {
		return false
	}
	c := text[i]
	return c == '_' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// asciiLower makes small letters of ASCII's capitals, and changes no length.
func asciiLower(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}
