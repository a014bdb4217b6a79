package resp

import (
	"errors"
	"fmt"
)

// ErrTooLarge says that a reply exceeded one of the Limits. It is wrapped in
// the error that names the limit: that of a Value of the kind TooLarge, or a
// *ProtocolError.
var ErrTooLarge = errors.New("reply too large")

// ProtocolError says that the bytes are no RESP, or more of it than Limits
// allow. Where one reply ends and the next begins is unknown from there on.
type ProtocolError struct {
	// Offset counts the bytes of the stream before the fault.
	Offset int64
	// Msg quotes at most a few offending bytes, in printable form.
	Msg string

	err error // ErrTooLarge or nil
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("protocol error at byte %d: %s", e.Offset, e.Msg)
}

func (e *ProtocolError) Unwrap() error { return e.err }
