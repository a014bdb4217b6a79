package docs_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jobs"
)

// jobPages is the folder of the pages of job systems, one each.
const jobPages = "docs/jobs"

// jobPage is what a page has beside what follows from the Spec of the system.
type jobPage struct {
	title string
	// intro says which versions are read, and what is special about them.
	intro string
	// queue is one of its queues, as the system itself calls its own; "" stands for default.
	queue string
	// setup is what there is to do; empty when the system is found by itself.
	setup []string
	// more are values that not every system has.
	more []string
	// instead is what to watch in place of what cannot be known.
	instead []string
	// failures says which jobs job.failures.get reads.
	failures string
}

// TestJobPages holds the pages of job systems to their Specs, or with -update
// writes them.
func TestJobPages(t *testing.T) {
	var names []string
	for _, d := range jobs.Describe() {
		names = append(names, d.Name+".md")
		page, ok := aboutJobs[d.Name]
		if !ok {
			t.Errorf("docs/jobs_about_test.go needs a row for the job system %s", d.Name)
			continue
		}
		if (page.failures == "") != (d.NoFailures != "") {
			t.Errorf("docs/jobs_about_test.go: failures of %s says which are read, and is empty when none are", d.Name)
		}
		file := jobPages + "/" + d.Name + ".md"
		if _, err := os.Stat(top(file)); err != nil && *update {
			require.NoError(t, os.MkdirAll(top(jobPages), 0o755))
			require.NoError(t, os.WriteFile(top(file), nil, 0o644))
		}
		current(t, file, page.write(d))
	}
	files, err := filepath.Glob(top(jobPages + "/*.md"))
	require.NoError(t, err)
	for _, file := range files {
		if !slices.Contains(names, filepath.Base(file)) {
			t.Errorf("remove %s/%s: there is no such job system", jobPages, filepath.Base(file))
		}
	}
}

// TestDocumentedJobSystems: the table in docs/jobs.md has every system, with a link
// to its page.
func TestDocumentedJobSystems(t *testing.T) {
	t.Parallel()
	_, prose := readDocument(t, "docs/jobs.md")
	rows := strings.Join(regexp.MustCompile("(?m)^\\| \\[`.*").FindAllString(prose, -1), "\n")
	for _, name := range jobs.Names() {
		if link := "[`" + name + "`](jobs/" + name + ".md)"; !strings.Contains(rows, link) {
			t.Errorf("docs/jobs.md: the table of job systems needs a row for %s", link)
		}
	}
}

func (p jobPage) write(d jobs.Description) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n<!-- Written by make generate, from metrics/jobs and docs/jobs_about_test.go. -->\n\n%s\n\n## Set it up\n\n", p.title, p.intro)
	b.WriteString("Link the template *Redis job queues by RedisJobs* to a host and set `{$JOBS.CONN}` to the session or address of the Redis\n" +
		"database that has the queues. The item keys are:\n\n")
	fmt.Fprintf(&b, "```keys\njob.get[Prod,,,%s]\n", d.Name)
	if len(d.OfQueues) > 0 {
		fmt.Fprintf(&b, "job.queue.get[Prod,,,%s,%s]\n", d.Name, cmp.Or(p.queue, "default"))
	}
	if d.NoFailures == "" {
		fmt.Fprintf(&b, "job.failures.get[Prod,,,%s]\n", d.Name)
	}
	b.WriteString("```\n\n")
	b.WriteString(found(d))
	if len(p.setup) > 0 {
		b.WriteString("\n")
	}
	for _, line := range p.setup {
		fmt.Fprintf(&b, "* %s\n", line)
	}
	b.WriteString("\n## What is watched\n\n")
	if len(d.OfQueues) > 0 {
		fmt.Fprintf(&b, "* Each queue: %s.\n", spans(d.OfQueues))
	}
	if len(d.OfSystem) > 0 {
		fmt.Fprintf(&b, "* The whole system: %s.\n", spans(d.OfSystem))
	}
	if len(p.more) > 0 {
		fmt.Fprintf(&b, "* Only in this system, or in a few: %s.\n", spans(p.more))
	}
	if len(d.OfQueues) > 0 {
		b.WriteString("* Over several polls: `growth_rate`, `time_to_empty` and, if it can be decided, `stuck` and `saturated`.\n")
	}
	b.WriteString("\n[keys.md](../keys.md#jobget) says what each value means.\n")
	p.writeUnknown(&b, d)
	b.WriteString("\n## Why jobs fail\n\n")
	if d.NoFailures != "" {
		fmt.Fprintf(&b, "`job.failures.get` has nothing to read: %s.\n", d.NoFailures)
	} else {
		fmt.Fprintf(&b, "`job.failures.get` reads %s. [jobs.md](../jobs.md#why-jobs-fail) says how.\n", p.failures)
	}
	b.WriteString("\n## What the Redis user needs\n\nThis prints the rule:\n\n")
	fmt.Fprintf(&b, "```sh\nzabbix-agent2-plugin-redisjobs -acl jobs %s\n```\n\n", d.Name)
	fmt.Fprintf(&b, "It allows these commands: %s", spans(d.Commands))
	if len(d.Keys) > 0 {
		fmt.Fprintf(&b, "; on keys of these forms: %s", spans(d.Keys))
	}
	b.WriteString(".\nPrefixes in `Jobs.Prefixes` and queues in `Jobs.Queues` are added to it.\n")
	return b.String()
}

// found says how the plugin finds the system.
func found(d jobs.Description) string {
	switch {
	case len(d.Markers) > 0 && d.Searched:
		return fmt.Sprintf("The plugin finds it by the keys %s, and under other prefixes by SCAN.\n", spans(d.Markers))
	case len(d.Markers) > 0:
		return fmt.Sprintf("The plugin finds it by the keys %s.\n", spans(d.Markers))
	case d.Searched:
		return "The plugin finds it by SCAN, at most `Jobs.ScanBudget` keys every `Jobs.SearchInterval`.\n"
	}
	return "It is not searched for: name the keys.\n"
}

func (p jobPage) writeUnknown(b *strings.Builder, d jobs.Description) {
	if len(d.Unknown) == 0 && len(p.instead) == 0 {
		return
	}
	b.WriteString("\n## What cannot be known, and what to do instead\n\nThese values are left out of the answer, and named under `unavailable` " +
		"with the reason. They are never 0.\n")
	if len(d.Unknown) > 0 {
		b.WriteString("\n| reason | of each queue | of the system |\n|---|---|---|\n")
	}
	for _, u := range d.Unknown {
		fmt.Fprintf(b, "| %s | %s | %s |\n", cell(u.Reason), spans(u.OfQueues), spans(u.OfSystem))
	}
	if len(p.instead) > 0 {
		b.WriteString("\n")
	}
	for _, line := range p.instead {
		fmt.Fprintf(b, "* %s\n", line)
	}
}

// spans are names in code font, with commas.
func spans(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
