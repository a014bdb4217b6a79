package templates

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// jsonPath is the part of Zabbix's JSONPath that the templates use, and no
// more: members, [*], filters by equality or a number above a limit, with && and ||, and first, length and sum at the
// end. What it does not know it refuses, so that a path is not taken for good
// because it was not understood.
type jsonPath []segment

type segment struct {
	kind  segmentKind
	name  string
	conds []equality
}

type segmentKind int

const (
	member segmentKind = iota
	all
	filtered
	function
)

// equality is @.name==value in a filter; value is a string or a float64.
type equality struct {
	name  string
	value any
	above bool // @.name>value
	or    bool // it begins another group, joined by ||
}

var errPath = errors.New("the path is none of the kinds that the templates may use")

func compilePath(text string) (jsonPath, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, errPath
	}
	var out jsonPath
	for rest != "" {
		if len(out) > 0 && out[len(out)-1].kind == function {
			return nil, fmt.Errorf("%w: %q follows a function", errPath, rest)
		}
		var s segment
		switch {
		case strings.HasPrefix(rest, "[*]"):
			s.kind, rest = all, rest[3:]
		case strings.HasPrefix(rest, "[?("):
			s.kind = filtered
			rest = rest[3:]
			or := false
			for {
				var e equality
				var err error
				if e, rest, err = compileEquality(rest); err != nil {
					return nil, err
				}
				e.or = or
				s.conds = append(s.conds, e)
				if r, more := strings.CutPrefix(rest, " && "); more {
					rest, or = r, false
					continue
				}
				if r, more := strings.CutPrefix(rest, " || "); more {
					rest, or = r, true
					continue
				}
				if rest, ok = strings.CutPrefix(rest, ")]"); !ok {
					return nil, errPath
				}
				break
			}
		case strings.HasPrefix(rest, "."):
			s.name, rest = word(rest[1:])
			if s.name == "" {
				return nil, errPath
			}
			if r, call := strings.CutPrefix(rest, "()"); call {
				s.kind, rest = function, r
				if s.name != "first" && s.name != "length" && s.name != "sum" {
					return nil, fmt.Errorf("%w: function %s", errPath, s.name)
				}
			}
		default:
			return nil, fmt.Errorf("%w: %q", errPath, rest)
		}
		out = append(out, s)
	}
	return out, nil
}

func compileEquality(text string) (e equality, rest string, err error) {
	text, ok := strings.CutPrefix(text, "@.")
	if !ok {
		return e, "", errPath
	}
	e.name, text = word(text)
	if text, e.above = strings.CutPrefix(text, ">"); !e.above {
		text, ok = strings.CutPrefix(text, "==")
	}
	if !ok || e.name == "" || e.above && strings.HasPrefix(text, `"`) {
		return e, "", errPath
	}
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '-' })
		if end < 0 {
			return e, "", errPath
		}
		n, err := strconv.ParseFloat(text[:end], 64)
		if err != nil {
			return e, "", errPath
		}
		e.value = n
		return e, text[end:], nil
	}
	var value strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			value.WriteByte(text[i])
		case text[i] == '"':
			e.value = value.String()
			return e, text[i+1:], nil
		default:
			value.WriteByte(text[i])
		}
	}
	return e, "", errPath
}

func word(s string) (name, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

var errNothing = errors.New("the path finds nothing")

// find evaluates the path as Zabbix does: a text is itself, anything else its
// JSON; a path that ends in many values is an array of them.
func (p jsonPath) find(doc string) (string, error) {
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	var root any
	if err := dec.Decode(&root); err != nil {
		return "", err
	}
	found, many := []any{root}, false
	for _, s := range p {
		if s.kind == function {
			return apply(s.name, found, many)
		}
		var next []any
		for _, v := range found {
			next = append(next, s.step(v)...)
		}
		many = many || s.kind != member
		if len(next) == 0 && !many {
			return "", errNothing
		}
		found = next
	}
	switch {
	case many && len(found) == 0:
		return "", errNothing
	case many:
		return render(found)
	}
	return render(found[0])
}

// step is what one segment makes of one value.
func (s segment) step(v any) []any {
	switch s.kind {
	case member:
		if object, ok := v.(map[string]any); ok {
			if m, ok := object[s.name]; ok {
				return []any{m}
			}
		}
		return nil
	case all:
		rows, _ := v.([]any)
		return rows
	}
	var out []any
	rows, _ := v.([]any)
	for _, row := range rows {
		object, _ := row.(map[string]any)
		match := object != nil
		for _, c := range s.conds {
			if c.or {
				if match {
					break
				}
				match = object != nil
			}
			switch got := object[c.name].(type) {
			case string:
				match = match && !c.above && got == c.value
			case json.Number:
				n, err := got.Float64()
				limit, _ := c.value.(float64)
				match = match && err == nil && (c.above && n > limit || !c.above && n == c.value)
			default:
				match = false
			}
		}
		if match {
			out = append(out, row)
		}
	}
	return out
}

func apply(name string, found []any, many bool) (string, error) {
	if !many {
		rows, ok := found[0].([]any)
		if !ok {
			return "", fmt.Errorf("%s() of what is no array", name)
		}
		found = rows
	}
	switch {
	case name == "length":
		return strconv.Itoa(len(found)), nil
	case len(found) == 0:
		return "", errNothing
	case name == "first":
		return render(found[0])
	}
	sum := 0.0
	for _, v := range found {
		n, ok := v.(json.Number)
		if !ok {
			return "", errors.New("sum() over what is no number")
		}
		f, err := n.Float64()
		if err != nil {
			return "", err
		}
		sum += f
	}
	return strconv.FormatFloat(sum, 'f', -1, 64), nil
}

func render(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(out.String(), "\n"), err
}

func TestJSONPath(t *testing.T) {
	t.Parallel()
	const doc = `{"a":{"b":"x","n":1.50,"nothing":null},"rows":[{"k":"it's \"q\"\\","v":1},{"k":"b","v":2,"p":7},{"k":"b","v":3,"p":8}],"empty":[]}`
	for _, tt := range []struct{ path, want string }{
		{`$.a.b`, "x"},
		{`$.a.n`, "1.50"},
		{`$.a.nothing`, "null"},
		{`$.a`, `{"b":"x","n":1.50,"nothing":null}`},
		{`$.rows[?(@.k=="b")].v.first()`, "2"},
		{`$.rows[?(@.k=="b" && @.p==8)].v.first()`, "3"},
		{`$.rows[?(@.k=="it's \"q\"\\")].v.first()`, "1"},
		{`$.rows[?(@.k=="b")].v`, "[2,3]"},
		{`$.rows[?(@.k=="b")].v.sum()`, "5"},
		{`$.rows[?(@.v>1)].v`, "[2,3]"},
		{`$.rows[?(@.p==8 || @.k=="z" || @.v==1)].v`, "[1,3]"},
		{`$.rows[?(@.k=="b" && @.v==1 || @.p==7)].v`, "[2]"},
		{`$.rows[?(@.k>1)].length()`, "0"},
		{`$.rows[*].p.length()`, "2"},
		{`$.rows.length()`, "3"},
		{`$.rows[?(@.k=="z")].length()`, "0"},
		{`$.empty.length()`, "0"},
	} {
		p, err := compilePath(tt.path)
		require.NoError(t, err, tt.path)
		got, err := p.find(doc)
		require.NoError(t, err, tt.path)
		require.Equal(t, tt.want, got, tt.path)
	}
	for _, path := range []string{`$.c`, `$.a.b.c`, `$.rows[?(@.k=="z")].v.first()`, `$.empty.first()`, `$.rows[?(@.k=="z")].v.sum()`, `$.rows.v`} {
		p, err := compilePath(path)
		require.NoError(t, err, path)
		_, err = p.find(doc)
		require.ErrorIs(t, err, errNothing, path)
	}
	for _, path := range []string{``, `a`, `$a`, `$..a`, `$.a..b`, `$['a']`, `$.a[0]`, `$.rows[?(@.k=='b')]`, `$.rows[?(@.k=~"b")]`,
		`$.rows[?(@.v>"1")]`, `$.rows[?(@.v<1)]`, `$.rows[?(@.k=="b" | @.v==1)]`, `$.rows[?(@.k=="b)]`, `$.rows.max()`, `$.rows.first().v`, `$.a-b`, `$.rows[?(@.v==1x)]`} {
		_, err := compilePath(path)
		require.ErrorIs(t, err, errPath, path)
	}
}
