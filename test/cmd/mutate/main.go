// Command mutate tests the tests: it lets gremlins change one operator of a package
// at a time, runs the package's own tests on each change, and prints which changes
// no test notices. It fails when a package's tests notice fewer than -least percent.
//
//	mutate [-least 85] [-gremlins module@version] package...
//
// It adds to gremlins what that gets wrong with today's go command:
//
//   - Conditions of a case, and what stands outside of functions, are part of no block
//     of Go's coverage, so gremlins takes them for code that no test reaches and leaves
//     them alone; they are tried here.
//   - `go test` ends with the same status for a test that fails and for a package
//     that does not compile, so gremlins counts a text minus a text as noticed; such
//     changes do not count here.
//   - On a busy machine a test may take longer than gremlins waits, because it counts
//     the time of the compiler too; each change that did is tried once more, with 20
//     seconds for the tests alone.
//
// A change that keeps the tests from ending is noticed. One that no test reaches is
// not.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

func main() {
	least := flag.Float64("least", 85, "fail when the tests of a package notice fewer changes, in percent")
	gremlins := flag.String("gremlins", "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0", "the mutation tester, for `go run`")
	flag.Parse()
	// Each run counts, a test that is long on purpose is not, and what a change does
	// to vet is not asked. Gremlins has no options for it.
	os.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -short -count=1 -vet=off")
	status := 0
	for _, pkg := range flag.Args() {
		r, err := try(pkg, *gremlins)
		if err != nil {
			fmt.Fprintf(os.Stderr, "mutate %s: %v\n", pkg, err)
			status = 1
			continue
		}
		r.print(os.Stdout)
		if r.score() < *least {
			fmt.Printf("%s: below %g %%\n", pkg, *least)
			status = 1
		}
	}
	os.Exit(status)
}

// try runs gremlins over one package, without those in its folders, and judges again
// what gremlins misjudges.
func try(pkg, gremlins string) (result, error) {
	r := result{pkg: pkg}
	dir, err := os.MkdirTemp("", "mutate-*")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	report := filepath.Join(dir, "report.json")
	cmd := exec.Command("go", "run", gremlins, "unleash", "--silent", "--workers", "2", "--timeout-coefficient", "5",
		"--exclude-files", "/", "--invert-logical", "--invert-loopctrl", "--invert-assignments", "--remove-self-assignments",
		"--output", report, "./"+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return r, fmt.Errorf("gremlins: %w\n%s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		return r, err
	}
	var found struct {
		Files []struct {
			Name      string   `json:"file_name"`
			Mutations []mutant `json:"mutations"`
		} `json:"files"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return r, fmt.Errorf("gremlins' report: %w", err)
	}
	for _, f := range found.Files {
		src, err := read(filepath.Join(pkg, f.Name))
		if err != nil {
			return r, err
		}
		slices.SortFunc(f.Mutations, func(a, b mutant) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
		for _, m := range f.Mutations {
			if err := src.judge(dir, pkg, &m); err != nil {
				return r, err
			}
			r.add(src, m)
		}
	}
	return r, nil
}
