// Command queues prints the queues of a document of job.get, which it reads from
// its standard input, as a table. It is the demo's.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "queues:", err)
		os.Exit(1)
	}
}

// columns are the figures that are shown; one that is not known is a dash.
var columns = []string{"waiting", "active", "scheduled", "retry", "failed", "completed", "paused", "latency"}

func run(in io.Reader, out io.Writer) error {
	var document struct {
		Queues []map[string]any `json:"queues"`
	}
	if err := json.NewDecoder(in).Decode(&document); err != nil {
		return fmt.Errorf("no document of job.get: %w", err)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\nsystem\tqueue\t")
	for _, name := range columns {
		fmt.Fprintf(table, "%s\t", name)
	}
	fmt.Fprintln(table)
	for _, queue := range document.Queues {
		fmt.Fprintf(table, "%v\t%v\t", queue["system"], queue["queue"])
		for _, name := range columns {
			if value, known := queue[name].(float64); known {
				fmt.Fprintf(table, "%.3g\t", value)
			} else {
				fmt.Fprint(table, "-\t")
			}
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}
