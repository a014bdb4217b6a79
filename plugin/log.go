package plugin

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.zabbix.com/sdk/plugin/comms"
)

// Severities of the agent's log. Source: SDK log levels, as agents map them.
const (
	severityInfo    = 0
	severityError   = 2
	severityWarning = 3
)

// A logger may send logBurst lines at once and logRate lines a second after
// that: every line crosses the socket, whatever the agent's log level.
const (
	logBurst = 20
	logRate  = 2
	// maxLogLine is the longest message sent, in bytes.
	maxLogLine = 4096
)

// logger sends log lines to the agent. It drops what comes too fast and says
// later how many lines that were.
type logger struct {
	out *frameWriter

	mu      sync.Mutex
	tokens  float64
	filled  time.Time
	dropped int
}

func newLogger(out *frameWriter) *logger {
	return &logger{out: out, tokens: logBurst, filled: time.Now()}
}

func (l *logger) infof(format string, args ...any)    { l.printf(severityInfo, format, args...) }
func (l *logger) errorf(format string, args ...any)   { l.printf(severityError, format, args...) }
func (l *logger) warningf(format string, args ...any) { l.printf(severityWarning, format, args...) }

func (l *logger) printf(severity uint32, format string, args ...any) {
	ok, dropped := l.take()
	if !ok {
		return
	}
	if dropped > 0 {
		l.line(severityWarning, fmt.Sprintf("%d log lines were left out: too many at once", dropped))
	}
	l.line(severity, fmt.Sprintf(format, args...))
}

// take asks for a token and, with it, for the number of lines dropped before.
func (l *logger) take() (ok bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.tokens = min(logBurst, l.tokens+now.Sub(l.filled).Seconds()*logRate)
	l.filled = now
	if l.tokens < 1 {
		l.dropped++
		return false, 0
	}
	l.tokens--
	dropped, l.dropped = l.dropped, 0
	return true, dropped
}

// line sends one message as one line. Agents use the text as a format string,
// so that a per cent sign must be doubled.
func (l *logger) line(severity uint32, text string) {
	if len(text) > maxLogLine {
		text = strings.ToValidUTF8(text[:maxLogLine], "") + "…"
	}
	text = strings.ReplaceAll(text, "%", "%%")
	text = strings.ReplaceAll(text, "\n", " | ")
	// An error means that the agent is gone; the reading goroutine notices.
	_ = l.out.sendJSON(comms.LogRequest{
		Common:   comms.Common{Id: comms.NonRequiredID, Type: comms.LogRequestType},
		Severity: severity,
		Message:  text,
	})
}
