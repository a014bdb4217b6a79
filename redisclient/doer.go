package redisclient

import (
	"context"
	"strings"
	"time"

	"redisjobs/redisclient/resp"
)

// Command is one Redis command with its arguments, as in
// Command{"CONFIG", "GET", "maxmemory"}. Arguments are binary safe.
type Command []string

// Doer runs commands against one target. Both one connection (*Conn) and a
// pooled target satisfy it.
//
// DoAll sends all commands in one write, on one connection, and returns one
// value for each, in order: one pipeline is one round trip. What the server
// refused is a value whose Err is a *resp.ServerError. The returned error is
// for the conversation as a whole (not reached, not logged in, broken off):
// then there are no values, and ReasonOf tells why.
type Doer interface {
	DoAll(ctx context.Context, cmds ...Command) ([]resp.Value, error)
}

// DoerFunc is a function that is a Doer, as http.HandlerFunc is for an
// http.Handler: one that adds something around another Doer, or that answers
// in a test.
type DoerFunc func(ctx context.Context, cmds ...Command) ([]resp.Value, error)

var _ Doer = DoerFunc(nil)

// DoAll returns f(ctx, cmds...).
func (f DoerFunc) DoAll(ctx context.Context, cmds ...Command) ([]resp.Value, error) {
	return f(ctx, cmds...)
}

// worded is an error in other words than its own.
type worded struct {
	text  string
	cause error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.cause }

// InWords is an error with a text of its own that wraps cause, for causes whose
// words are for programmers, as those of the end of a context.
func InWords(text string, cause error) error { return &worded{text, cause} }

// goWords are Go's own words for the end of a context, which say nothing to who
// reads an item's error.
var goWords = strings.NewReplacer(
	context.DeadlineExceeded.Error(), "no answer in the time that the check had",
	context.Canceled.Error(), "the plugin is stopping",
)

// Words is the text of an error as it may be shown.
func Words(err error) string { return goWords.Replace(err.Error()) }

// secondTry is the least time worth asking a second server in.
const secondTry = 20 * time.Millisecond

// HasTime reports whether a second server can still be asked: one that has no
// time left to answer would look like one that does not answer.
func HasTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > secondTry)
}
