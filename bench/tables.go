package main

import (
	"fmt"
	"strings"
)

// column is one figure of a table.
type column struct {
	figure figure
	title  string
	format string // of fmt, for the value
	better int    // +1: more is better, -1: less is better, 0: not compared
}

var (
	colRate        = column{rate, "per second", "%.0f", +1}
	colCPU         = column{cpu, "CPU, us", "%.1f", -1}
	colP50         = column{p50, "p50, ms", "%.3f", -1}
	colP99         = column{p99, "p99, ms", "%.3f", -1}
	colCommands    = column{commands, "commands", "%.2f", -1}
	colConnections = column{connections, "connections", "%.2f", -1}
)

// group is the outcomes under one condition. The first one is ours.
type group struct {
	condition string
	outcomes  []outcome
}

// table is one part of the results.
type table struct {
	title   string
	notes   []string
	columns []column
	groups  []group
}

// ahead is by how much a peer's figure must be better to be called so; less is
// noise.
const ahead = 1.05

func (t *table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n", t.title)
	for _, note := range t.notes {
		fmt.Fprintf(b, "%s\n\n", note)
	}
	if len(t.groups) == 0 {
		return
	}
	b.WriteString("| | |")
	for _, c := range t.columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	b.WriteString(" as a multiple of ours |\n|---|---|")
	b.WriteString(strings.Repeat("---:|", len(t.columns)) + "---|\n")
	for _, g := range t.groups {
		for i, o := range g.outcomes {
			condition := g.condition
			if i > 0 {
				condition = ""
			}
			fmt.Fprintf(b, "| %s | %s |", condition, o.name)
			for _, c := range t.columns {
				text := ""
				if v, ok := o.median(c.figure); ok {
					text = fmt.Sprintf(c.format, v)
				}
				fmt.Fprintf(b, " %s |", text)
			}
			text := ""
			if i > 0 {
				text = t.comparison(g.outcomes[0], o)
			}
			fmt.Fprintf(b, " %s |\n", text)
		}
	}
}

// comparison puts a contestant's figures beside ours and says where it is
// ahead.
func (t *table) comparison(ours, o outcome) string {
	var ratios, leads []string
	for _, c := range t.columns {
		r, ok := ratio(o, ours, c.figure)
		if c.better == 0 || !ok {
			continue
		}
		name, _, _ := strings.Cut(c.title, ",")
		ratios = append(ratios, fmt.Sprintf("%s %s", name, times(r)))
		if c.better > 0 && r > ahead || c.better < 0 && r < 1/ahead {
			leads = append(leads, name)
		}
	}
	text := strings.Join(ratios, ", ")
	if len(leads) > 0 && !o.own {
		text += "; **ahead of us: " + strings.Join(leads, ", ") + "**"
	}
	return text
}

// times is a ratio with as many digits as mean something.
func times(r float64) string {
	switch {
	case r >= 100:
		return fmt.Sprintf("%.0fx", r)
	case r >= 10:
		return fmt.Sprintf("%.1fx", r)
	default:
		return fmt.Sprintf("%.2fx", r)
	}
}

// claim is something that must hold, as a ratio or a figure of this run.
type claim struct {
	text     string
	measured float64
	bound    float64
	atLeast  bool // else at most
	format   string
}

func (c claim) holds() bool {
	if c.atLeast {
		return c.measured >= c.bound
	}
	return c.measured <= c.bound // NaN never holds
}

func (c claim) row() string {
	word, verdict := "at most", "yes"
	if c.atLeast {
		word = "at least"
	}
	if !c.holds() {
		verdict = "**no**"
	}
	return fmt.Sprintf("| %s | %s %s | %s | %s |", c.text,
		word, fmt.Sprintf(c.format, c.bound), fmt.Sprintf(c.format, c.measured), verdict)
}
