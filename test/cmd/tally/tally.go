package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json, see `go doc test2json` and `go help buildjson`.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// test is what is known of one test or subtest. Its output is kept until it is known not to be needed.
type test struct {
	result   string // "" until it ends
	output   strings.Builder
	children bool
	failed   bool // a subtest failed
}

type pkg struct {
	tests  map[string]*test
	output strings.Builder // what belongs to no test
}

type tally struct {
	out                     io.Writer
	packages                map[string]*pkg
	builds                  map[string]*strings.Builder // compiler output by import path
	passed, failed, skipped int
	causes                  []string // of each failure, in few lines
}

func newTally(out io.Writer) *tally {
	return &tally{out: out, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
}

// read takes the stream to its end. Lines that are not JSON events are shown as they are: the go command prints some of
// its errors that way.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		var e event
		switch {
		case strings.TrimSpace(line) == "":
		case json.Unmarshal([]byte(line), &e) != nil || e.Action == "":
			fmt.Fprintln(t.out, strings.TrimSuffix(line, "\n"))
		default:
			t.take(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) take(e event) {
	switch e.Action {
	case "build-output":
		if t.builds[e.ImportPath] == nil {
			t.builds[e.ImportPath] = &strings.Builder{}
		}
		t.builds[e.ImportPath].WriteString(e.Output)
		return
	case "build-fail":
		return // the packages that needed it fail with FailedBuild
	}
	p := t.packages[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		t.packages[e.Package] = p
	}
	if e.Test == "" {
		t.takePackage(p, e)
		return
	}
	one := p.test(e.Test)
	switch e.Action {
	case "output":
		one.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		one.result = e.Action
	}
}

// test finds or begins the record of a test.
func (p *pkg) test(name string) *test {
	if p.tests[name] == nil {
		p.tests[name] = &test{}
	}
	return p.tests[name]
}

// parent returns the test that a subtest belongs to, nil for none. What was given to t.Run may itself hold slashes, so
// the nearest name that is a test counts.
func (p *pkg) parent(name string) *test {
	for {
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return nil
		}
		name = name[:i]
		if parent := p.tests[name]; parent != nil {
			return parent
		}
	}
}

func (t *tally) takePackage(p *pkg, e event) {
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.closePackage(e.Package, p, e)
		delete(t.packages, e.Package)
	}
}

// closePackage counts the tests of a package that has ended (or, with an empty action, never did).
func (t *tally) closePackage(name string, p *pkg, e event) {
	passed, failed, skipped := 0, 0, 0
	// Names in reverse order: subtests before the test that they belong to.
	for _, testName := range slices.Backward(slices.Sorted(maps.Keys(p.tests))) {
		one := p.tests[testName]
		failedHere := one.result == "fail" || one.result == ""
		if parent := p.parent(testName); parent != nil {
			parent.children = true
			parent.failed = parent.failed || failedHere || one.failed
		}
		why := cause(one.output.String())
		if failedHere && (why != "" || !one.failed) {
			t.show(name, testName, one)
		}
		switch {
		case one.children && (one.failed || !failedHere): // counted by its subtests
			if failedHere && strings.Contains(why, "Error:") {
				t.causes = append(t.causes, fmt.Sprintf("FAIL %s %s\n%s", name, testName, why))
			}
		case failedHere:
			failed++
			t.causes = append(t.causes, fmt.Sprintf("FAIL %s %s\n%s", name, testName, why))
		case one.result == "skip":
			skipped++
			fmt.Fprintf(t.out, "SKIP %s %s: %s\n", name, testName, reason(one.output.String()))
		default:
			passed++
		}
	}
	if e.Action != "pass" && e.Action != "skip" && failed == 0 {
		failed++
		fmt.Fprintf(t.out, "FAIL %s: no test failed, the package did\n", name)
		if build := t.builds[e.FailedBuild]; build != nil {
			fmt.Fprint(t.out, build.String())
		}
		fmt.Fprint(t.out, p.output.String())
		t.causes = append(t.causes, fmt.Sprintf("FAIL %s: no test failed, the package did\n", name))
	}
	switch {
	case failed > 0:
		fmt.Fprintf(t.out, "FAIL %s %.1fs: %d passed, %d failed, %d skipped\n", name, e.Elapsed, passed, failed, skipped)
	case passed+skipped > 0:
		fmt.Fprintf(t.out, "ok   %s %.1fs: %d passed, %d skipped\n", name, e.Elapsed, passed, skipped)
	}
	t.passed += passed
	t.failed += failed
	t.skipped += skipped
}

// marker are the lines of go test that say nothing of a test's own.
var marker = regexp.MustCompile(`(?m)^=== (?:RUN|PAUSE|CONT|NAME) .*\n`)

// show prints the output of a failed test but for the lines in which it begins.
func (t *tally) show(pkg, name string, one *test) {
	end := ""
	if one.result == "" {
		end = " (it began and did not end)"
	}
	fmt.Fprintf(t.out, "FAIL %s %s%s\n%s", pkg, name, end, marker.ReplaceAllLiteralString(one.output.String(), ""))
}

// finish prints why what failed did, for those who do not read all of its output, and the last line. It reports whether
// all is well.
func (t *tally) finish() bool {
	for _, name := range slices.Sorted(maps.Keys(t.packages)) {
		t.closePackage(name, t.packages[name], event{})
	}
	if len(t.causes) > 0 {
		fmt.Fprintf(t.out, "== what failed\n%s", strings.Join(t.causes, ""))
	}
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	return t.failed == 0 && t.passed > 0
}

// causeLines and causeWidth bound what is repeated of a failure.
const causeLines, causeWidth = 14, 400

// cause takes out of a failed test's output what it says first: the assertion with its place, or the panic, without the
// logs that follow.
func cause(output string) string {
	var lines, where []string
	began := false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "Error Trace:") && !began {
			where = []string{line + "\n"}
		}
		if strings.HasPrefix(text, "Error:") || strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:") {
			if !began {
				lines, began = where, true // what was said before it is no cause
			}
		}
		switch {
		case text == "", strings.HasPrefix(text, "=== "), strings.HasPrefix(text, "--- "), strings.HasPrefix(text, "Error Trace:"):
			continue
		case len(lines) == causeLines:
			return strings.Join(lines, "")
		}
		if len(line) > causeWidth {
			line = line[:causeWidth] + "..."
		}
		lines = append(lines, line+"\n")
		if strings.HasPrefix(text, "Messages:") && began {
			break
		}
	}
	return strings.Join(lines, "")
}

// reason takes the text of t.Skip out of a skipped test's output.
func reason(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}
