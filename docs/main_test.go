// Package docs_test holds the documents to the program, and writes those parts of
// them that follow from its code (make generate).
package docs_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

// TestMain runs the tests in the top folder, where the paths of the documents and
// of the messages about them begin.
func TestMain(m *testing.M) {
	if err := os.Chdir(".."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
