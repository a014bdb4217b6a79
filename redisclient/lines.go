package redisclient

import (
	"context"
	"slices"
)

// lines is what takes the reply to one command line by line.
type lines struct {
	cmd  Command
	each func(line []byte)
}

type linesKey struct{}

// WithLines returns a context in which the reply to cmd, a long text as that to
// CLIENT LIST, is handed to each line by line as it arrives, and not kept: its
// value has no text, and Int is the text's length. See [resp.Reader.Lines].
//
// each is called by one goroutine, and not any more when DoAll has returned
// without an error. After an error it may have been called with a part of the
// lines, and may still be.
func WithLines(ctx context.Context, cmd Command, each func(line []byte)) context.Context {
	return context.WithValue(ctx, linesKey{}, &lines{cmd, each})
}

// HasLines reports whether a reply is read line by line in this context; then
// the conversation cannot be shared.
func HasLines(ctx context.Context) bool { return ctx.Value(linesKey{}) != nil }

// LinesOf returns a context like ctx in which the replies are read as in from.
func LinesOf(ctx, from context.Context) context.Context {
	if l := from.Value(linesKey{}); l != nil {
		return context.WithValue(ctx, linesKey{}, l)
	}
	return ctx
}

// linesOf is what takes the reply to cmd line by line, or nil.
func linesOf(ctx context.Context, cmd Command) func(line []byte) {
	if l, _ := ctx.Value(linesKey{}).(*lines); l != nil && slices.Equal(l.cmd, cmd) {
		return l.each
	}
	return nil
}
