package redisclient

import (
	"context"
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

// timeUp is the end of a context in words.
type timeUp struct {
	text  string
	cause error
}

func (e *timeUp) Error() string { return e.text }
func (e *timeUp) Unwrap() error { return e.cause }

// TimeUp puts the end of a context, which Go words for programmers, in the words
// of text. It wraps cause.
func TimeUp(text string, cause error) error { return &timeUp{text, cause} }

// secondTry is the least time worth asking a second server in.
const secondTry = 20 * time.Millisecond

// HasTime reports whether a second server can still be asked: one that has no
// time left to answer would look like one that does not answer.
func HasTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > secondTry)
}
