package templates

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/triggers.txt, and take out of testdata/ignored.txt what items now use")

// folder is where this package is, for messages.
const folder = "packaging/templates/"

// source is the file that a person changes for what is wrong with a template.
func (d *document) source() string {
	return folder + "source/" + strings.Replace(filepath.Base(d.file), "_active.yaml", ".yaml", 1)
}

// must says in one line what is wrong with a thing of a template, unless it is
// well. A source makes two templates; what both have is said once.
func (d *document) must(t *testing.T, well bool, thing, format string, args ...any) bool {
	t.Helper()
	return says(t, well, d.source()+": "+thing+": "+fmt.Sprintf(format, args...))
}

var said sync.Map // by test and message

func says(t *testing.T, well bool, message string) bool {
	t.Helper()
	if well {
		return true
	}
	t.Fail()
	if _, before := said.LoadOrStore(t.Name()+message, true); !before {
		t.Log(message)
	}
	return false
}

// requireLines compares with a list that is kept in a file, in any order; hint is
// what to do about a difference.
func requireLines(t *testing.T, file string, got []string, hint string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, l := range got {
		says(t, slices.Contains(want, l), fmt.Sprintf("%s%s lacks the line: %s (%s)", folder, file, l, hint))
	}
	for _, l := range want {
		says(t, slices.Contains(got, l), fmt.Sprintf("%s%s must not have the line: %s (%s)", folder, file, l, hint))
	}
}
