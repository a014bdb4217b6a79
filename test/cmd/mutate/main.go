// Command mutate tests the tests: it lets gremlins change one operator of a package
// at a time, runs the package's own tests on each change, and prints which changes
// no test notices. It fails when a package's tests notice fewer than -least percent.
//
//	mutate [-least 85] [-sample 0] [-seed 1] [-gremlins module@version] package...
//
// With -sample it tries that many changes of each package, chosen at random by
// -seed, and the score is an estimate: for packages whose tests take seconds.
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
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

func main() {
	least := flag.Float64("least", 85, "fail when the tests of a package notice fewer changes, in percent")
	sample := flag.Int("sample", 0, "how many changes of each package are tried; 0: all")
	seed := flag.Uint64("seed", 1, "for the choice of -sample")
	gremlins := flag.String("gremlins", "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0", "the mutation tester, for `go run`")
	flag.Parse()
	// Each run counts, a test that is long on purpose is not, and what a change does
	// to vet is not asked. Gremlins has no options for it.
	os.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -short -count=1 -vet=off")
	status := 0
	for _, pkg := range flag.Args() {
		var r result
		var err error
		if *sample > 0 {
			r, err = trySample(pkg, *gremlins, *sample, *seed)
		} else {
			r, err = try(pkg, *gremlins)
		}
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
	files, err := run(pkg, gremlins, dir, "--workers", "2", "--timeout-coefficient", "5")
	if err != nil {
		return r, err
	}
	for _, f := range files {
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

// fileReport is what gremlins says of a file.
type fileReport struct {
	Name      string   `json:"file_name"`
	Mutations []mutant `json:"mutations"`
}

// run runs gremlins over one package and returns its report.
func run(pkg, gremlins, dir string, more ...string) ([]fileReport, error) {
	report := filepath.Join(dir, "report.json")
	args := append([]string{"run", gremlins, "unleash", "--silent", "--exclude-files", "/", "--invert-logical", "--invert-loopctrl",
		"--invert-assignments", "--remove-self-assignments", "--output", report}, more...)
	if out, err := exec.Command("go", append(args, "./"+pkg)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gremlins: %w\n%s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		return nil, err
	}
	var found struct {
		Files []fileReport `json:"files"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("gremlins' report: %w", err)
	}
	return found.Files, nil
}

// trySample tries some changes of a package, each by its own run of the tests.
// Gremlins only lists them.
func trySample(pkg, gremlins string, n int, seed uint64) (result, error) {
	r := result{pkg: pkg}
	dir, err := os.MkdirTemp("", "mutate-*")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	files, err := run(pkg, gremlins, dir, "--dry-run")
	if err != nil {
		return r, err
	}
	type place struct {
		src *source
		mutant
	}
	var all []place
	for _, f := range files {
		src, err := read(filepath.Join(pkg, f.Name))
		if err != nil {
			return r, err
		}
		for _, m := range f.Mutations {
			all = append(all, place{src, m})
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.src.path, b.src.path), a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Type, b.Type))
	})
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	r.of = len(all)
	for _, p := range all[:min(n, len(all))] {
		if err := p.src.try(dir, pkg, &p.mutant); err != nil {
			return r, err
		}
		r.add(p.src, p.mutant)
	}
	return r, nil
}
