// Package docs_test holds the documents to the program, and writes those parts of
// them that follow from its code (make generate).
package docs_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/document"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

// top is where a path begins that is written from the top of the repository, as
// all are in messages. No Chdir: the go command would not see which files a test
// has read, and answer from its cache when they change.
func top(path string) string { return filepath.Join("..", filepath.FromSlash(path)) }

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(top(file))
	require.NoError(t, err)
	return string(text)
}

// readDocument returns the blocks of a document, and its text without them.
func readDocument(t *testing.T, file string) (blocks []document.Block, prose string) {
	t.Helper()
	blocks, prose = document.Read(t, top(file))
	for i := range blocks {
		blocks[i].File = file
	}
	return blocks, prose
}

// documents are the files that readers see, README.md first.
func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(top("docs/*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	out := []string{"README.md", "CONTRIBUTING.md"}
	for _, name := range names {
		out = append(out, "docs/"+filepath.Base(name))
	}
	pages, err := filepath.Glob(top(jobPages + "/*.md"))
	require.NoError(t, err)
	for _, name := range pages {
		out = append(out, jobPages+"/"+filepath.Base(name))
	}
	return out
}

// at is the line of a file where a text stands, as compilers write it.
func at(t *testing.T, file, text string) string {
	t.Helper()
	before, _, _ := strings.Cut(readFile(t, file), text)
	return fmt.Sprintf("%s:%d", file, strings.Count(before, "\n")+1)
}

// oneLine is a text for a message.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
