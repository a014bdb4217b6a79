package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const subject = `package subject

func sign(n int) string {
	switch {
	case n < 0:
		return "-" + "1"
	case n > 0 && n != 7:
		return "+"
	}
	return ""
}

var two = 1 + 1

func three() int { return 1 + two }
`

const itsTest = `package subject

import "testing"

func TestSign(t *testing.T) {
	if sign(-1) != "-1" || sign(1) != "+" || two != 2 {
		t.Fatal()
	}
}
`

// mutantAt is the mutant of that type at the n-th place of an operator.
func mutantAt(t *testing.T, kind, status, op string, n int) mutant {
	t.Helper()
	at := -1
	for range n {
		next := strings.Index(subject[at+1:], op)
		require.GreaterOrEqual(t, next, 0, op)
		at += 1 + next
	}
	before := subject[:at]
	return mutant{kind, status, strings.Count(before, "\n") + 1, at - strings.LastIndex(before, "\n")}
}

func TestWhatGremlinsMisjudgesIsJudgedAgain(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("GOWORK", "off")
	require.NoError(t, os.Mkdir("subject", 0o700))
	for name, text := range map[string]string{
		"go.mod": "module example.com/subject\n\ngo 1.25\n", "subject/subject.go": subject, "subject/subject_test.go": itsTest,
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	src, err := read("subject/subject.go")
	require.NoError(t, err)
	var r result
	for _, tt := range []struct {
		name string
		mutant
		want string
	}{
		{"a condition of a case, tested", mutantAt(t, "CONDITIONALS_NEGATION", notCovered, "<", 1), killed},
		{"another one, tested", mutantAt(t, "CONDITIONALS_NEGATION", notCovered, "!=", 1), killed},
		{"a condition of a case, not tested", mutantAt(t, "CONDITIONALS_BOUNDARY", notCovered, "<", 1), lived},
		{"another one, not tested", mutantAt(t, "INVERT_LOGICAL", notCovered, "&&", 1), lived},
		{"outside of functions, tested", mutantAt(t, "ARITHMETIC_BASE", notCovered, "+ 1", 1), killed},
		{"what no test reaches", mutantAt(t, "ARITHMETIC_BASE", notCovered, "+ two", 1), notCovered},
		{"what does not compile", mutantAt(t, "ARITHMETIC_BASE", killed, `+ "1"`, 1), notViable},
		{"what compiles", mutantAt(t, "ARITHMETIC_BASE", killed, "+ 1", 1), killed},
		{"what was only slow, not tested", mutantAt(t, "CONDITIONALS_BOUNDARY", timedOut, "> 0", 1), lived},
		{"what was slow, tested", mutantAt(t, "CONDITIONALS_NEGATION", timedOut, "> 0", 1), timedOut},
		{"what gremlins knows", mutantAt(t, "CONDITIONALS_NEGATION", lived, "<", 1), lived},
	} {
		require.NoError(t, src.judge(t.TempDir(), "subject", &tt.mutant))
		require.Equal(t, tt.want, tt.Status, tt.name)
		r.add(src, tt.mutant)
	}
	require.InDelta(t, 100*5.0/10, r.score(), 0.01, "what does not compile does not count")
	require.Equal(t, []string{
		`subject.go: sign: LIVED CONDITIONALS_BOUNDARY: 5:9 case n < 0:`,
		`subject.go: sign: LIVED INVERT_LOGICAL: 7:13 case n > 0 && n != 7:`,
		`subject.go: three: NOT COVERED ARITHMETIC_BASE: 15:29 func three() int { return 1 + two }`,
		`subject.go: sign: LIVED CONDITIONALS_BOUNDARY: 7:9 case n > 0 && n != 7:`,
		`subject.go: sign: LIVED CONDITIONALS_NEGATION: 5:9 case n < 0:`,
	}, r.survivors)
}
