package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTally(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		in     []string
		ok     bool
		last   string
		shows  []string
		hidden []string
	}{
		{
			name: "a test with subtests counts by its subtests",
			in: []string{
				`{"Action":"start","Package":"p"}`,
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"run","Package":"p","Test":"TestA/x"}`,
				`{"Action":"output","Package":"p","Test":"TestA/x","Output":"noise of a passed test\n"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/x"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/y"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestB"}`,
				`{"Action":"pass","Package":"p","Elapsed":1.5}`,
			},
			ok: true, last: "3 passed, 0 failed, 0 skipped",
			shows: []string{"ok   p 1.5s: 3 passed"}, hidden: []string{"noise"},
		},
		{
			name: "a slash in a subtest's name makes no test of its own",
			in: []string{
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"run","Package":"p","Test":"TestA/tcp://host/2"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/tcp://host/2"}`,
				`{"Action":"fail","Package":"p","Test":"TestA/unix:/run"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "1 passed, 1 failed, 0 skipped",
		},
		{
			name: "a failed subtest fails its parent once and its output is shown",
			in: []string{
				`{"Action":"run","Package":"p","Test":"TestA/x"}`,
				`{"Action":"output","Package":"p","Test":"TestA/x","Output":"expected 1, got 2\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA/x"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Output":"FAIL\n"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "0 passed, 1 failed, 0 skipped", shows: []string{"FAIL p TestA/x", "expected 1, got 2"},
		},
		{
			name: "a test that fails after its subtests passed counts itself",
			in: []string{
				`{"Action":"pass","Package":"p","Test":"TestA/x"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "1 passed, 1 failed, 0 skipped",
		},
		{
			name: "what failed is said again at the end, without the logs",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: something else\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"        \tError Trace:\t/x/a_test.go:9\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"        \tError:      \tShould be true\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"        \tTest:       \tTestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"        \tMessages:   \tthe server is there\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    log.go:3: a long log\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last:  "0 passed, 1 failed, 0 skipped",
			shows: []string{"a long log", "== what failed\nFAIL p TestA\n        \tError Trace:\t/x/a_test.go:9\n        \tError:      \tShould be true\n        \tTest:       \tTestA\n        \tMessages:   \tthe server is there\n0 passed"},
		},
		{
			name: "a test that fails beside its subtests says why, and is counted by them",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"        \tError:      \tToo late\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA/x"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "0 passed, 1 failed, 0 skipped", shows: []string{"FAIL p TestA\n        \tError:      \tToo late\n0 passed"}, hidden: []string{"=== RUN"},
		},
		{
			name: "a test that has nothing to say of its failed subtests says nothing",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA/x"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "0 passed, 1 failed, 0 skipped", hidden: []string{"--- FAIL"},
		},
		{
			name: "a panic is the cause, with the first of its lines",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: oh\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"goroutine 1\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "0 passed, 1 failed, 0 skipped", shows: []string{"== what failed\nFAIL p TestA\npanic: oh\ngoroutine 1\n"},
		},
		{
			name: "a package that does not build is one failure with the compiler's words",
			in: []string{
				`{"ImportPath":"p [p.test]","Action":"build-output","Output":"p/a.go:3:1: undefined: x\n"}`,
				`{"ImportPath":"p [p.test]","Action":"build-fail"}`,
				`{"Action":"start","Package":"p"}`,
				`{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
			},
			last: "0 passed, 1 failed, 0 skipped", shows: []string{"undefined: x"},
		},
		{
			name: "a package that fails without a failed test is one failure",
			in: []string{
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Output":"exit status 3\n"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "1 passed, 1 failed, 0 skipped", shows: []string{"exit status 3"},
		},
		{
			name: "a test that never ended is a failure",
			in: []string{
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			last: "0 passed, 1 failed, 0 skipped", shows: []string{"did not end"},
		},
		{
			name: "a stream that is cut off is a failure",
			in: []string{
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
			},
			last: "1 passed, 1 failed, 0 skipped",
		},
		{
			name: "a skipped test is named with its reason",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: no IPv6 here\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestB"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			ok: true, last: "1 passed, 0 failed, 1 skipped", shows: []string{"SKIP p TestA: a_test.go:7: no IPv6 here"},
		},
		{
			name: "a package without tests is nothing",
			in: []string{
				`{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}`,
				`{"Action":"skip","Package":"q"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			ok: true, last: "1 passed, 0 failed, 0 skipped", hidden: []string{" q "},
		},
		{
			name: "no test at all is not a success",
			in:   nil,
			last: "0 passed, 0 failed, 0 skipped",
		},
		{
			name:  "lines that are no events are shown",
			in:    []string{`go: updates to go.mod needed`},
			last:  "0 passed, 0 failed, 0 skipped",
			shows: []string{"go: updates to go.mod needed"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			tally := newTally(&out)
			require.NoError(t, tally.read(strings.NewReader(strings.Join(test.in, "\n"))))
			require.Equal(t, test.ok, tally.finish())
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			require.Equal(t, test.last, lines[len(lines)-1])
			for _, text := range test.shows {
				require.Contains(t, out.String(), text)
			}
			for _, text := range test.hidden {
				require.NotContains(t, out.String(), text)
			}
		})
	}
}
