package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is one part of the results.
type row struct {
	name    string // of its file, and for -rows
	measure func(*scope, *environment) (table, []claim, error)
}

var rows = []row{
	{"process", compareProcess},
	{"agent", compareAgent},
	{"script", compareScript},
	{"exporter", compareExporter},
	{"clients", compareClients},
	{"limit", compareLimit},
	{"dead-targets", compareDeadTargets},
	{"many-targets", compareManyTargets},
	{"far-server", compareFarServer},
	{"pools", comparePools},
	{"sample", compareSample},
	{"jobs", compareJobs},
}

func main() {
	short := flag.Bool("short", false, "shorter and less exact: 2 minutes instead of 11")
	only := flag.String("rows", "", "measure these rows only, as in process,agent,pools, and write no file")
	file := flag.String("o", "RESULTS.md", "where to write the results")
	flag.Parse()
	if err := bench(*short, *only, *file); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(short bool, only, file string) error {
	// Whatever makes a temporary folder makes it in here. The name is short
	// because sockets' paths are.
	dir, err := os.MkdirTemp("", "rj")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	os.Setenv("TMPDIR", dir)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted // the kernel ends the processes that were started, see start
		os.RemoveAll(dir)
		os.Exit(1)
	}()
	return within(func(s *scope) error { return measure(s, short, only, file) })
}

func measure(s *scope, short bool, only, file string) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	e := prepare(s, short)
	began := time.Now()
	var (
		claims []claim
		tables []table
		body   strings.Builder
	)
	for _, r := range chosen {
		start := time.Now()
		var (
			t    table
			more []claim
		)
		err := within(func(s *scope) (err error) {
			t, more, err = r.measure(s, e)
			return err
		})
		if err != nil {
			return fmt.Errorf("row %s: %w", r.name, err)
		}
		claims, tables = append(claims, more...), append(tables, t)
		t.markdown(&body)
		fmt.Fprintf(os.Stderr, "row %s: %.0f s\n", r.name, time.Since(start).Seconds())
	}
	if t, ok := scale(tables); ok {
		t.markdown(&body)
	}
	text := head(s, e, time.Since(began)) + claimed(claims) + body.String()
	fmt.Print(text)
	if only != "" {
		return nil
	}
	return os.WriteFile(file, []byte(text+others(file)), 0o644)
}

// others is the last section of a file of results, which another command writes: make bench-zabbix.
func others(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	const title = "\n## The cost to the Zabbix server"
	if _, section, ok := strings.Cut(string(text), title); ok {
		return title + section
	}
	return ""
}

// choose finds the rows of names that are separated by commas; all for "".
func choose(only string) ([]row, error) {
	if only == "" {
		return rows, nil
	}
	var out []row
	for name := range strings.SplitSeq(only, ",") {
		at := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no row %q", name)
		}
		out = append(out, rows[at])
	}
	return out, nil
}

// head tells what made the results.
func head(s *scope, e *environment, took time.Duration) string {
	var b strings.Builder
	command := "make bench-peers"
	if e.short {
		command = "make bench-peers BENCHFLAGS=-short"
	}
	fmt.Fprintf(&b, "# RedisJobs beside its peers\n\nMade by `%s` in %.0f s. Everything in a table was measured in this one run,\n"+
		"the contestants in turns; figures are medians of the turns and ratios medians of their ratios. Ratios carry\n"+
		"over to other machines, absolute figures do not.\n\n", command, took.Seconds())
	for _, fact := range facts(s, e) {
		fmt.Fprintf(&b, "- %s\n", fact)
	}
	return b.String()
}

func claimed(claims []claim) string {
	var b strings.Builder
	b.WriteString("\n## What must hold\n\n| | bound | this run | holds |\n|---|---|---:|---|\n")
	for _, c := range claims {
		b.WriteString(c.row() + "\n")
	}
	return b.String()
}
