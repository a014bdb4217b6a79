package pool

import (
	"errors"
	"fmt"
	"time"
)

// ErrClosed is returned by Do once Close was called.
var ErrClosed = errors.New("the connection pool is closed")

// WaitError says that a caller's context ended before a connection was free.
// It is no statement about the target: connections to it may be well.
type WaitError struct {
	Target       string
	Waited       time.Duration
	MaxPerTarget int
	MaxTotal     int
	// Gauges are the target's, at the moment of giving up. Waiting counts the
	// others in the queue.
	Gauges
	// TotalFull: the total limit, not the target's, was in the way.
	TotalFull bool
	// Doing is what the oldest dial to the target was doing, as it has said by the
	// function Doing; "" when there was none, or it has said nothing.
	Doing string
	// Err is the context's error.
	Err error
}

// OnlyDialed reports whether the target had no connection yet: the caller waited for a
// dial that is not over.
func (e *WaitError) OnlyDialed() bool { return e.InUse == 0 && e.Dialing > 0 }

func (e *WaitError) Error() string {
	if e.OnlyDialed() {
		doing := ""
		if e.Doing != "" {
			doing = " (" + e.Doing + ")"
		}
		return fmt.Sprintf("no connection to %s was made within %s: %d being dialed%s, %d others waiting",
			e.Target, short(e.Waited), e.Dialing, doing, e.Waiting)
	}
	limit := fmt.Sprintf("limit %d for this target", e.MaxPerTarget)
	if e.TotalFull {
		limit = fmt.Sprintf("limit %d in all", e.MaxTotal)
	}
	return fmt.Sprintf("no connection to %s became free within %s: %s, %d in use, %d being dialed, %d others waiting",
		e.Target, short(e.Waited), limit, e.InUse, e.Dialing, e.Waiting)
}

func (e *WaitError) Unwrap() error { return e.Err }

// FailingError says that a target is failing: the caller waited for a try that
// failed, or it was not tried for this caller. Unwrap gives the cause.
type FailingError struct {
	Target string
	// Err is what the last try ended with.
	Err error
	// Ago is how long the last try is over; 0 when this caller waited for it.
	Ago time.Duration
	// InARow counts the failures since the target last worked.
	InARow int
	// RetryIn is when the next caller will be let through; 0 while a probe is
	// under way.
	RetryIn time.Duration
}

func (e *FailingError) Error() string {
	if e.Ago == 0 {
		return e.Err.Error()
	}
	next := "being tried now"
	if e.RetryIn > 0 {
		next = "next try in " + short(e.RetryIn)
	}
	return fmt.Sprintf("%v (last tried %s ago, failure %d in a row, %s)", e.Err, short(e.Ago), e.InARow, next)
}

func (e *FailingError) Unwrap() error { return e.Err }

// short prints a duration as a person would say it.
func short(d time.Duration) string {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
