package templates

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call is a function of an expression: fn(/host/key,args...), or now().
type call struct {
	fn, host, key string
	args          []string
}

// evaluator reads an expression of triggers or of calculated items, with
// Zabbix's precedence: sign, * /, + -, < > <= >=, = <>, and, or.
// What is unknown is NaN; "x or true" and "x and false" are known.
// Source: Zabbix manual, "Trigger expression".
type evaluator struct {
	text  string
	pos   int
	value func(call) any // a float64 or a string; NaN for unknown
	macro func(name string) string
	calls []call
	// divisors are what stood right of a division sign.
	divisors []string
}

// evaluate fails the test when the expression cannot be read.
func evaluate(t testing.TB, text string, macro func(string) string, value func(call) any) (float64, *evaluator) {
	t.Helper()
	e := &evaluator{text: text, value: value, macro: macro}
	var result any
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%v, at %q", r, e.text[min(e.pos, len(e.text)):])
			}
		}()
		result = e.or()
		e.blank()
		if e.pos < len(e.text) {
			panic("unexpected text")
		}
		return nil
	}()
	require.NoError(t, err, text)
	return toNumber(result), e
}

func toNumber(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		if n, ok := number(v); ok {
			return n
		}
	}
	return math.NaN()
}

func (e *evaluator) blank() {
	for e.pos < len(e.text) && strings.ContainsRune(" \r\n\t", rune(e.text[e.pos])) {
		e.pos++
	}
}

func (e *evaluator) take(token string) bool {
	e.blank()
	if !strings.HasPrefix(e.text[e.pos:], token) {
		return false
	}
	e.pos += len(token)
	return true
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (e *evaluator) or() any {
	left := e.and()
	for e.take("or ") || e.take("or(") && e.back() {
		l, r := toNumber(left), toNumber(e.and())
		switch {
		case !math.IsNaN(l) && l != 0, !math.IsNaN(r) && r != 0:
			left = 1.0
		case math.IsNaN(l) || math.IsNaN(r):
			left = math.NaN()
		default:
			left = 0.0
		}
	}
	return left
}

func (e *evaluator) back() bool { e.pos--; return true }

func (e *evaluator) and() any {
	left := e.equal()
	for e.take("and ") || e.take("and(") && e.back() {
		l, r := toNumber(left), toNumber(e.equal())
		switch {
		case l == 0 || r == 0:
			left = 0.0
		case math.IsNaN(l) || math.IsNaN(r):
			left = math.NaN()
		default:
			left = 1.0
		}
	}
	return left
}

func (e *evaluator) equal() any {
	left := e.compare()
	for {
		unequal := e.take("<>")
		if !unequal && !e.take("=") {
			return left
		}
		left = equals(left, e.compare(), unequal)
	}
}

func equals(l, r any, unequal bool) any {
	ls, lt := l.(string)
	rs, rt := r.(string)
	if lt && rt {
		return truth((ls == rs) != unequal)
	}
	a, b := toNumber(l), toNumber(r)
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	return truth((a == b) != unequal)
}

func (e *evaluator) compare() any {
	left := e.sum()
	for {
		e.blank()
		if strings.HasPrefix(e.text[e.pos:], "<>") {
			return left
		}
		var test func(a, b float64) bool
		switch {
		case e.take("<="):
			test = func(a, b float64) bool { return a <= b }
		case e.take(">="):
			test = func(a, b float64) bool { return a >= b }
		case e.take("<"):
			test = func(a, b float64) bool { return a < b }
		case e.take(">"):
			test = func(a, b float64) bool { return a > b }
		default:
			return left
		}
		a, b := toNumber(left), toNumber(e.sum())
		if math.IsNaN(a) || math.IsNaN(b) {
			left = math.NaN()
			continue
		}
		left = truth(test(a, b))
	}
}

func (e *evaluator) sum() any {
	left := e.product()
	for {
		switch {
		case e.take("+"):
			left = toNumber(left) + toNumber(e.product())
		case e.take("-"):
			left = toNumber(left) - toNumber(e.product())
		default:
			return left
		}
	}
}

func (e *evaluator) product() any {
	left := e.sign()
	for {
		switch {
		case e.take("*"):
			left = toNumber(left) * toNumber(e.sign())
		case e.take("/"):
			start := e.pos
			divisor := toNumber(e.sign())
			e.divisors = append(e.divisors, strings.TrimSpace(e.text[start:e.pos]))
			if divisor == 0 {
				divisor = math.NaN() // Zabbix: cannot divide by zero
			}
			left = toNumber(left) / divisor
		default:
			return left
		}
	}
}

func (e *evaluator) sign() any {
	if e.take("-") {
		return -toNumber(e.operand())
	}
	return e.operand()
}

var (
	literal    = regexp.MustCompile(`^\d+(\.\d+)?[smhdwKMGT]?`)
	userMacro  = regexp.MustCompile(`\{\$[A-Z0-9_.]+(:"[^"]*")?\}`)
	identifier = regexp.MustCompile(`^[a-z]+\(`)
)

func (e *evaluator) operand() any {
	e.blank()
	rest := e.text[e.pos:]
	if e.take("(") {
		v := e.or()
		if !e.take(")") {
			panic("expected )")
		}
		return v
	}
	if m := userMacro.FindStringIndex(rest); m != nil && m[0] == 0 {
		e.pos += m[1]
		return e.macro(rest[:m[1]])
	}
	if m := literal.FindString(rest); m != "" {
		e.pos += len(m)
		n, _ := number(m)
		return n
	}
	if strings.HasPrefix(rest, `"`) {
		return e.quoted()
	}
	m := identifier.FindString(rest)
	if m == "" {
		panic("expected a value")
	}
	e.pos += len(m)
	fn := strings.TrimSuffix(m, "(")
	if fn == "length" { // the only function of a value here
		v, ok := e.or().(string)
		if !e.take(")") {
			panic("expected )")
		}
		if !ok {
			return math.NaN()
		}
		return float64(len(v))
	}
	c := call{fn: fn}
	if e.take("/") {
		rest := e.text[e.pos:]
		slash := strings.IndexByte(rest, '/')
		c.host = rest[:slash]
		e.pos += slash + 1
		c.key = e.key()
		for e.take(",") {
			c.args = append(c.args, e.argument())
		}
	}
	if !e.take(")") {
		panic("expected )")
	}
	e.calls = append(e.calls, c)
	return e.value(c)
}

// key reads an item key: a name and, in brackets, parameters.
func (e *evaluator) key() string {
	start, quoted, depth := e.pos, false, 0
	for ; e.pos < len(e.text); e.pos++ {
		switch b := e.text[e.pos]; {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '[':
			depth++
		case b == ']':
			depth--
		case depth == 0 && (b == ',' || b == ')'):
			return e.text[start:e.pos]
		}
	}
	panic("the item key does not end")
}

func (e *evaluator) argument() string {
	e.blank()
	if strings.HasPrefix(e.text[e.pos:], `"`) {
		return e.quoted()
	}
	start := e.pos
	if m := userMacro.FindStringIndex(e.text[e.pos:]); m != nil && m[0] == 0 {
		e.pos += m[1]
		if !e.take(":now-") {
			return e.text[start:e.pos]
		}
		m := userMacro.FindStringIndex(e.text[e.pos:])
		if m == nil || m[0] != 0 {
			panic("expected a macro")
		}
		e.pos += m[1]
		return e.text[start:e.pos]
	}
	for e.pos < len(e.text) && e.text[e.pos] != ',' && e.text[e.pos] != ')' {
		e.pos++
	}
	return e.text[start:e.pos]
}

func (e *evaluator) quoted() string {
	end := strings.IndexByte(e.text[e.pos+1:], '"')
	if end < 0 {
		panic("the text does not end")
	}
	s := e.text[e.pos+1 : e.pos+1+end]
	e.pos += end + 2
	return s
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	values := map[string]any{"one": 1.0, "two": 2.0, "text": "master", "gone": math.NaN()}
	macro := func(string) string { return "2K" }
	value := func(c call) any { return values[c.key] }
	for text, want := range map[string]float64{
		"last(/T/one)+last(/T/two)*3":                      7,
		"last(/T/two)>1 and last(/T/one)=1":                1,
		"last(/T/one)+last(/T/two)>4-2":                    1,
		"last(/T/gone)>1 or last(/T/one)=1":                1,
		"last(/T/gone)>1 and last(/T/one)=2":               0,
		"last(/T/gone)>1 and last(/T/one)=1":               math.NaN(),
		`last(/T/text)="master"`:                           1,
		`last(/T/text,#1)<>last(/T/text,#2)`:               0,
		"length(last(/T/text))>0":                          1,
		`{$A.B:"{#X}"}/2=1K`:                               1,
		"10/(last(/T/one)-1)":                              math.NaN(),
		"-(last(/T/one)-3)":                                2,
		`min(/T/two,5m)>{$A} or count(/T/one,10m,"eq")<=1`: 1,
	} {
		got, _ := evaluate(t, text, macro, value)
		if math.IsNaN(want) {
			require.True(t, math.IsNaN(got), text)
			continue
		}
		require.Equal(t, want, got, text)
	}
	_, e := evaluate(t, `min(/A b/k["{#X}, (y)"],{$M:"{#X}"})/100>now()`, macro, func(call) any { return 0.0 })
	require.Equal(t, []call{{"min", "A b", `k["{#X}, (y)"]`, []string{`{$M:"{#X}"}`}}, {fn: "now"}}, e.calls)
	require.Equal(t, []string{"100"}, e.divisors)
}

// calls lists the functions of an expression.
func calls(t testing.TB, text string) []call {
	t.Helper()
	if text == "" {
		return nil
	}
	_, e := evaluate(t, text, func(string) string { return "1" }, func(call) any { return 1.0 })
	return e.calls
}

// macrosOf lists the user macros in a text, without their contexts.
func macrosOf(text string) []string {
	var out []string
	for _, m := range userMacro.FindAllString(text, -1) {
		name, _, _ := strings.Cut(strings.TrimSuffix(m, "}"), ":")
		if name += "}"; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// constant is what a function is when its item has had this value for long.
// ok is false for functions that the templates must not use.
func constant(c call, value string, known bool, now float64) (any, bool) {
	n, err := strconv.ParseFloat(value, 64)
	numeric := known && err == nil
	switch c.fn {
	case "now":
		return now, true
	case "nodata":
		return truth(!known), true
	case "last":
		switch {
		case !known:
			return math.NaN(), true
		case numeric:
			return n, true
		}
		return value, true
	case "min", "max", "avg", "sum":
		if !numeric {
			return math.NaN(), true
		}
		return n, true
	case "change":
		if !numeric {
			return math.NaN(), true
		}
		return 0.0, true
	case "count":
		if len(c.args) > 2 {
			re, err := regexp.Compile(c.args[2])
			return truth(err == nil && known && c.args[1] == "regexp" && re.MatchString(value)), err == nil
		}
		return 100 * truth(known), true
	case "countunique":
		return truth(known), true
	case "find":
		if !known {
			return math.NaN(), true
		}
		switch c.args[1] {
		case "like":
			return truth(strings.Contains(value, c.args[2])), true
		case "eq":
			return truth(value == c.args[2]), true
		case "regexp", "iregexp":
			re, err := regexp.Compile(map[string]string{"regexp": "", "iregexp": "(?i)"}[c.args[1]] + c.args[2])
			return truth(err == nil && re.MatchString(value)), err == nil
		}
	}
	return nil, false
}
