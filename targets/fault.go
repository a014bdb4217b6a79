package targets

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// fault is an error of the configuration or of the item key, and none of a
// server: a file that cannot be read, or a name that is no session and no host.
// Every item of the target is an error then: a document that says that the server
// is down, or a ping of 0, would be untrue.
type fault struct{ err error }

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// misconfigured is what a dial ends with when a file of the target is in the way.
func misconfigured(op string, err error) error {
	return &redisclient.Error{Op: op, Reason: redisclient.ReasonConfig, Err: &fault{err}}
}

// nameless is what a dial ends with when a word is neither a session nor a host;
// hint says so.
func nameless(hint string, err error) error {
	cause := "its name cannot be resolved"
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
		cause = "no host has this name"
	}
	return &redisclient.Error{Op: "dial", Reason: redisclient.ReasonDNS, Err: &fault{errors.New(hint + " (" + cause + ")")}}
}

// faultWatch remembers the fault that a target's newest answer ended with.
type faultWatch struct{ last atomic.Pointer[fault] }

// note looks at the end of a conversation.
func (w *faultWatch) note(err error) {
	var f *fault
	switch {
	case errors.As(err, &f):
		w.last.Store(f)
	case w.last.Load() != nil:
		w.last.Store(nil)
	}
}

// err is that fault; nil when there is none.
func (w *faultWatch) err() error {
	if f := w.last.Load(); f != nil {
		return f
	}
	return nil
}

// watched is a Doer whose faults are remembered.
type watched struct {
	redisclient.Doer
	faults *faultWatch
}

func (w watched) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	values, err := w.Doer.DoAll(ctx, cmds...)
	w.faults.note(err)
	return values, err
}

// watchedWeb is the same for a Storm UI.
type watchedWeb struct {
	item.Web
	faults *faultWatch
}

func (w watchedWeb) Get(ctx context.Context, path string) ([]byte, error) {
	body, err := w.Web.Get(ctx, path)
	w.faults.note(err)
	return body, err
}

// markFault is a function that reads a secret or a certificate, and whose error is
// a fault.
func markFault[T any](read func() (T, error)) func() (T, error) {
	return func() (T, error) {
		v, err := read()
		if err != nil {
			err = &fault{err}
		}
		return v, err
	}
}
