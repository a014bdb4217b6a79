//go:build !windows

package record

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// listener passes signals on to the command.
type listener struct {
	signals chan os.Signal
	done    chan struct{}
	over    context.CancelFunc // the command has ended: a signal is for us
	ctx     context.Context
}

// listen takes over the signals that would end us before the command. Those
// that are ignored, as SIGHUP under nohup, stay ignored for both. SIGPIPE is
// taken so that a warning to a closed stderr does not cost the command's exit
// code.
func listen() *listener {
	l := &listener{signals: make(chan os.Signal, 16), done: make(chan struct{})}
	for _, s := range []os.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE,
	} {
		if !signal.Ignored(s) {
			signal.Notify(l.signals, s)
		}
	}
	l.ctx, l.over = context.WithCancel(context.Background())
	return l
}

// forward sends the command what comes until it ends. What a terminal sends,
// it sends to the command as well: a program that ends in an orderly way at the
// first Ctrl-C and at once at the second must not get two.
func (l *listener) forward(p *os.Process) {
	atTerminal := hasTerminal()
	go func() {
		for {
			select {
			case <-l.done:
				return
			case s := <-l.signals:
				if s == syscall.SIGPIPE || atTerminal && (s == syscall.SIGINT || s == syscall.SIGQUIT) {
					continue
				}
				_ = p.Signal(s) // it may have ended
			}
		}
	}()
}

// ended is called when the command has ended; the context does at the next
// signal.
func (l *listener) ended() context.Context {
	close(l.done)
	go func() {
		for s := range l.signals {
			if s != syscall.SIGPIPE {
				l.over()
			}
		}
	}()
	return l.ctx
}

// hasTerminal reports whether the process belongs to a terminal.
func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}

// outcome is a command's exit code, as a shell has it, and why it is not 0.
func outcome(state *os.ProcessState, err error) (code int, message string) {
	if state == nil {
		return exitNotRunnable, err.Error()
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), fmt.Sprintf("ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	if code = state.ExitCode(); code != 0 {
		return code, "exit code " + strconv.Itoa(code)
	}
	return 0, ""
}
