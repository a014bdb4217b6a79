package record

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"redisjobs/metrics/storm"
)

// Main does what the command line behind "record" says and returns the exit
// code.
func Main(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case len(args) == 0 || errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "record: %v\n(record -h shows the options)\n", err)
		return 2
	case o.command != nil:
		return run(o, stdout, stderr)
	}
	w, err := newWriter(o)
	if err != nil {
		fmt.Fprintf(stderr, "record: %v\n", err)
		return 1
	}
	defer w.close()
	status, err := storm.ParseStatus(o.status, w.statusMap)
	if err != nil {
		fmt.Fprintf(stderr, "record: --status: %v\n", err)
		return 2
	}
	if err := w.write(context.Background(), func() []string { return o.said(w, status) }); err != nil {
		fmt.Fprintf(stderr, "record: %v\n", err)
		return 1
	}
	return 0
}

// said are the fields for a job that tells its status itself. A message is
// taken back by the next record that has none.
func (o *options) said(w *writer, status storm.Status) []string {
	now := w.moment(time.Now())
	out := []string{"status", o.status, "updated_at", now, "host", hostname(), "message", ""}
	if o.started {
		out = append(out, "started_at", now)
	}
	if status.Ended() {
		out = append(out, "finished_at", now)
	}
	if status == storm.Success {
		out = append(out, "last_success_at", now)
	}
	return append(out, o.fields...) // the last of a name counts
}

func hostname() string {
	name, _ := os.Hostname() // without one the field is empty
	return name
}
