// Command tally reads the output of go test -json from standard input, shows what a reader needs of it (one line per
// package, the whole output of what failed, the reason of what was skipped) and ends with the line
//
//	N passed, N failed, N skipped
//
// A test with subtests is counted by its subtests, and on its own only when it failed although they did not. A package
// that failed without a failed test (it does not build, it crashed) counts as one failure, and so does a test that
// began and never ended. The exit code is 1 when anything failed or nothing ran.
package main

import (
	"fmt"
	"os"
)

func main() {
	tally := newTally(os.Stdout)
	if err := tally.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally: reading the test output:", err)
		os.Exit(1)
	}
	if !tally.finish() {
		os.Exit(1)
	}
}
