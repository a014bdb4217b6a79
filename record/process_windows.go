package record

import (
	"context"
	"os"
	"os/signal"
	"strconv"
)

// listener keeps a Ctrl-C, which the console sends to the command as well, from
// ending us before the command.
type listener struct{ signals chan os.Signal }

func listen() *listener {
	l := &listener{make(chan os.Signal, 1)}
	signal.Notify(l.signals, os.Interrupt)
	return l
}

func (l *listener) forward(*os.Process) {}

// ended is called when the command has ended; the context does at the next
// Ctrl-C.
func (l *listener) ended() context.Context {
	select {
	case <-l.signals:
	default:
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-l.signals
		cancel()
	}()
	return ctx
}

// outcome is a command's exit code and why it is not 0.
func outcome(state *os.ProcessState, err error) (code int, message string) {
	if state == nil {
		return exitNotRunnable, err.Error()
	}
	if code = state.ExitCode(); code != 0 {
		return code, "exit code " + strconv.Itoa(code)
	}
	return 0, ""
}
