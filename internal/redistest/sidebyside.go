package redistest

import (
	"flag"
	"strconv"
	"testing"
)

// sideBySide is how many tests run at once that wait for servers.
const sideBySide = 16

// SideBySide runs the tests of a package that wait for servers most of their time: more
// of them at once than there are processors. It is for TestMain, and returns the code
// to exit with.
func SideBySide(m *testing.M) int {
	if err := flag.Set("test.parallel", strconv.Itoa(sideBySide)); err != nil {
		panic(err)
	}
	return m.Run()
}
