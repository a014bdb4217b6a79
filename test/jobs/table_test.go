//go:build jobs && linux

package jobs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const pageHead = `# Job systems, compared with themselves

Written by ` + "`make test-jobs JOBSFLAGS=-update`" + `, which runs each of these systems for real against a Redis of its own: a
producer and a worker bring jobs into every state that the system knows, then ` + "`job.get`" + ` and the system's own API are
asked at the same moment. After that the worker is killed with SIGKILL.

* **equal**: the system's own API tells the same number (an age: of the same moment).
* **as made**: its API does not tell the figure; it is what the producer and the worker have made.
* **differs**: its API means something else by it when a worker is dead; the reason stands beside it.
* **derived**: it follows from several polls.
* **left out**: the system does not keep it. The reason is in the document, and below.

`

// page is the document of all results.
func page(all []*results) string {
	all = slices.DeleteFunc(slices.Clone(all), func(r *results) bool { return r == nil })
	var b strings.Builder
	b.WriteString(pageHead)
	matrix(&b, "Figures of queues", all, true)
	matrix(&b, "Figures of systems", all, false)
	b.WriteString("Not in the tables: the rates and times that follow from several polls.\n\n## One by one\n")
	for _, r := range all {
		fmt.Fprintf(&b, "\n### %s, %s from %s\n\n", r.title, r.version, r.from)
		b.WriteString("| figure | ours | its own | | killed: ours | its own | |\n|---|---|---|---|---|---|---|\n")
		lines := map[string][2]row{}
		for i, rows := range [][]row{r.running, r.dead} {
			for _, line := range rows {
				if line.verdict != leftOut && line.verdict != derived {
					both := lines[line.path]
					both[i] = line
					lines[line.path] = both
				}
			}
		}
		for _, path := range slices.Sorted(maps.Keys(lines)) {
			fmt.Fprintf(&b, "| `%s` |", path)
			for _, line := range lines[path] {
				word := string(line.verdict)
				if line.verdict == differs {
					word += ": " + line.reason
				}
				fmt.Fprintf(&b, " %s | %s | %s |", line.ours, line.own, word)
			}
			b.WriteString("\n")
		}
		reasons(&b, r)
	}
	return b.String()
}

// matrix is a table figure x system.
func matrix(b *strings.Builder, title string, all []*results, ofQueues bool) {
	fmt.Fprintf(b, "## %s\n\n| figure |", title)
	for _, r := range all {
		fmt.Fprintf(b, " %s |", r.title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(all)) + "\n")
	cells := map[string]map[string]verdict{} // by figure and system
	for _, r := range all {
		for _, line := range slices.Concat(r.running, r.dead) {
			// "queue.latency" is the lack of every queue.
			name, lack := strings.CutPrefix(line.path, "queue.")
			if (lack || strings.Contains(name, "/")) != ofQueues || slices.Contains(unmeasured, base(name)) {
				continue
			}
			for name := range strings.SplitSeq(base(name), "+") {
				if cells[name] == nil {
					cells[name] = map[string]verdict{}
				}
				cells[name][r.name] = worse(cells[name][r.name], line.verdict)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		fmt.Fprintf(b, "| `%s` |", name)
		for _, r := range all {
			fmt.Fprintf(b, " %s |", cells[name][r.name])
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// worse makes one word of a figure's verdicts for several queues: one comparison with the API is enough to say so.
func worse(a, b verdict) verdict {
	order := []verdict{"", leftOut, derived, story, differs, equal, wrong}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// clients are counted at the moment, of which each has another number.
var clients = regexp.MustCompile(`\b\d+ clients\b`)

// reasons lists what is left out, the figures of one reason together.
func reasons(b *strings.Builder, r *results) {
	by := map[string][]string{}
	for _, line := range r.running {
		if line.verdict == leftOut && !slices.Contains(unmeasured, base(strings.TrimPrefix(line.path, "queue."))) {
			reason := clients.ReplaceAllString(line.reason, "some clients")
			by[reason] = append(by[reason], "`"+line.path+"`")
		}
	}
	if len(by) == 0 {
		return
	}
	b.WriteString("\nLeft out:\n\n")
	for _, reason := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[reason])
		fmt.Fprintf(b, "* %s: %s\n", strings.Join(slices.Compact(by[reason]), ", "), reason)
	}
}
