// Package document reads the documents for the tests that run their examples.
package document

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Block is a fenced block of a document.
type Block struct {
	File     string // as it was given to Read
	Heading  string // the heading of any level that it stands under
	Language string
	Text     string
	Line     int
}

// At is where the block stands, as compilers write it.
func (b Block) At() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

// Read returns a document's blocks, and its text without them.
func Read(t testing.TB, file string) (blocks []Block, prose string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var out strings.Builder
	var open *Block
	heading, n := "", 0
	for line := range strings.Lines(string(text)) {
		n++
		fence, fenced := strings.CutPrefix(line, "```")
		switch {
		case fenced && open == nil:
			open = &Block{File: file, Heading: heading, Language: strings.TrimSpace(fence), Line: n}
		case fenced:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += line
		default:
			if strings.HasPrefix(line, "#") {
				heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
			}
			out.WriteString(line)
		}
	}
	if open != nil {
		t.Fatalf("%s: this block is not closed", open.At())
	}
	return blocks, out.String()
}

// Left stands for anything in the output that a document shows.
const Left = "…"

// Console calls run for each command behind "$ " in the block and compares what
// it returns with the lines that follow.
func (b Block) Console(t testing.TB, run func(command string) (output string)) {
	t.Helper()
	for _, part := range strings.Split("\n"+b.Text, "\n$ ")[1:] {
		command, shown, _ := strings.Cut(part, "\n")
		output := strings.TrimSpace(run(command))
		if line, differs := firstDifference(strings.TrimSpace(shown), output); differs {
			t.Errorf("%s: %s does not print %q but %.300q", b.At(), command, line, output)
		}
	}
}

// firstDifference returns the first shown line that the output does not have; ""
// when the output goes on after the last one.
func firstDifference(shown, output string) (line string, differs bool) {
	lines := strings.Split(shown, "\n")
	begins := func(n int, end string) bool {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.Join(lines[:n], "\n")), Left, "(?s:.*)")
		return regexp.MustCompile("^" + pattern + end).MatchString(output)
	}
	if begins(len(lines), "$") {
		return "", false
	}
	for n := range lines {
		if !begins(n+1, "") {
			return lines[n], true
		}
	}
	return "", true
}
