package record

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"redisjobs/redisclient"
)

const (
	// endPatience is how long the end of a command is tried to be recorded: a
	// record that still says RUNNING becomes stale, and an alert.
	endPatience = 5 * time.Second
	endPause    = time.Second
)

// Exit codes for a command that could not be run, as shells have them.
const (
	exitNotRunnable = 126
	exitNotFound    = 127
)

// tracker records one run of a command. A tracker without a writer records
// nothing.
type tracker struct {
	o       *options
	w       *writer
	stderr  io.Writer
	runID   string
	pid     string
	began   time.Time
	started string // began as the record has it; "" before the first writing
	warned  bool
	pending sync.WaitGroup // the goroutine that renews the record
	stop    context.CancelFunc
}

// run runs the command and returns its exit code.
func run(o *options, stdout, stderr io.Writer) int {
	t := &tracker{o: o, stderr: stderr, runID: runID(o)}
	w, err := newWriter(o)
	if err != nil {
		t.warn(err)
	} else {
		t.w = w
		defer w.close()
	}
	cmd := exec.Command(o.command[0], o.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	cmd.Env = environment(os.Environ(), o.job, t.runID)

	signals := listen()
	t.began = time.Now()
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(stderr, "record: %v\n", err)
		t.finish(signals.ended(), exitCodeOfStart(err), err.Error())
		return exitCodeOfStart(err)
	}
	t.pid = strconv.Itoa(cmd.Process.Pid)
	t.start()
	signals.forward(cmd.Process)
	err = cmd.Wait()
	ended := signals.ended()
	code, message := outcome(cmd.ProcessState, err)
	t.finish(ended, code, message)
	return code
}

// runID is the one given, or a random one.
func runID(o *options) string {
	for i := 0; i < len(o.fields); i += 2 {
		if o.fields[i] == "run_id" {
			return o.fields[i+1]
		}
	}
	return strings.ToLower(rand.Text()[:12])
}

// environment is that of the command: ours with its job and run, and without
// the password.
func environment(ours []string, job, runID string) []string {
	var out []string
	for _, entry := range ours {
		if name, _, _ := strings.Cut(entry, "="); !strings.EqualFold(name, PasswordVariable) {
			out = append(out, entry)
		}
	}
	return append(out, "REDISJOBS_JOB="+job, "REDISJOBS_RUN_ID="+runID)
}

func exitCodeOfStart(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitNotRunnable
}

func (t *tracker) warn(err error) {
	if !t.warned {
		fmt.Fprintf(t.stderr, "record: warning: %v\n", err)
	}
	t.warned = true
}

// running are the fields of a run under way. They are all written each time:
// the server may have been away, or have lost them.
func (t *tracker) running() []string {
	out := []string{
		"status", "RUNNING", "started_at", t.startedAt(), "updated_at", t.w.moment(time.Now()),
		"host", hostname(), "pid", t.pid, "run_id", t.runID,
	}
	return append(out, t.o.fields...)
}

// startedAt is the same in all writings, however the clocks drift: a change
// means another run.
func (t *tracker) startedAt() string {
	if t.started == "" {
		t.started = t.w.moment(t.began)
	}
	return t.started
}

// start records the run, beside the command, and goes on doing so.
func (t *tracker) start() {
	if t.w == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.stop = cancel
	t.pending.Go(func() {
		for {
			if err := t.w.write(context.Background(), t.running); err != nil {
				t.warn(err)
			}
			var next <-chan time.Time // never, for an interval of 0
			if t.o.interval > 0 {
				next = time.After(time.Duration(t.o.interval * float64(time.Second)))
			}
			select {
			case <-ctx.Done():
				return
			case <-next:
			}
		}
	})
}

// finish records the end of the run, until ctx ends or the patience does. What
// is still on its way to the server comes first, or it could arrive last.
func (t *tracker) finish(ctx context.Context, code int, message string) {
	if t.w == nil {
		return
	}
	end := time.Now()
	if t.stop != nil {
		t.stop()
		t.pending.Wait()
	}
	ctx, cancel := context.WithDeadline(ctx, end.Add(endPatience))
	defer cancel()
	for {
		err := t.w.write(ctx, func() []string { return t.ended(end, code, message) })
		if err == nil {
			return
		}
		if mayPass(err) {
			select {
			case <-ctx.Done():
			case <-time.After(endPause):
				continue
			}
		}
		t.warned = false
		t.warn(err)
		return
	}
}

// mayPass reports whether the server may take in a moment what it does not
// take now: it is away, starting, or has no room.
func mayPass(err error) bool {
	switch redisclient.ReasonOf(err) {
	case redisclient.ReasonDNS, redisclient.ReasonTCP, redisclient.ReasonTimeout, redisclient.ReasonLoading,
		redisclient.ReasonMasterDown, redisclient.ReasonMaxClients, redisclient.ReasonBusy, redisclient.ReasonSentinel,
		redisclient.ReasonPool:
		return true
	}
	return false
}

// ended are the fields of a run that is over.
func (t *tracker) ended(end time.Time, code int, message string) []string {
	status, at := "SUCCESS", t.w.moment(end)
	if code != 0 {
		status = "FAILED"
	}
	out := []string{
		"status", status, "started_at", t.startedAt(), "updated_at", at, "finished_at", at,
		"duration_ms", strconv.FormatInt(end.Sub(t.began).Milliseconds(), 10),
		"exit_code", strconv.Itoa(code), "message", message,
		"host", hostname(), "pid", t.pid, "run_id", t.runID,
	}
	if code == 0 {
		out = append(out, "last_success_at", at)
	}
	return append(out, t.o.fields...)
}
