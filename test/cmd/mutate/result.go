package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
)

// result is what became of a package's mutants.
type result struct {
	pkg       string
	counts    map[string]int // by state
	survivors []string
	of        int // all mutants, where some were tried; 0: all were
}

func (r *result) add(s *source, m mutant) {
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	r.counts[m.Status]++
	if m.Status == lived || m.Status == notCovered {
		r.survivors = append(r.survivors, fmt.Sprintf("%s: %s: %s %s: %s",
			filepath.Base(s.path), s.function(s.pos(m)), m.Status, m.Type, s.line(m)))
	}
}

// score is how many of the mutants the tests notice, in percent.
func (r *result) score() float64 {
	noticed := r.counts[killed] + r.counts[timedOut]
	all := noticed + r.counts[lived] + r.counts[notCovered]
	if all == 0 {
		return 100
	}
	return 100 * float64(noticed) / float64(all)
}

func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %.1f %% (%d noticed, %d of them by a test that does not end; %d survive, %d of them where no test comes; %d do not compile)\n",
		r.pkg, r.score(), r.counts[killed]+r.counts[timedOut], r.counts[timedOut],
		r.counts[lived]+r.counts[notCovered], r.counts[notCovered], r.counts[notViable])
	if r.of > 0 {
		tried := r.counts[killed] + r.counts[timedOut] + r.counts[lived] + r.counts[notCovered]
		share := r.score() / 100
		fmt.Fprintf(w, "  an estimate, of %d of %d changes: give or take %.0f %%\n", tried, r.of, 196*math.Sqrt(share*(1-share)/float64(max(1, tried))))
	}
	for _, line := range r.survivors {
		fmt.Fprintln(w, "  "+line)
	}
}
