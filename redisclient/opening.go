package redisclient

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"redisjobs/redisclient/resp"
)

// judge reads the reply to one step of the opening and returns an *Error if
// the server does not let us in.
func (o *opening) judge(s step, v resp.Value) error {
	if v.Err() == nil {
		return nil
	}
	refused := o.redact(v)
	reason := serverReason(refused)
	switch s {
	case stepAuth:
		if reason == ReasonCommand {
			reason = ReasonAuth
		}
		var err error = refused
		if o.user && strings.Contains(strings.ToLower(refused.Message), "wrong number of arguments") {
			err = fmt.Errorf("%w: servers before Redis 6 have no users, so leave the user out", refused)
		}
		return &Error{Op: "auth", Reason: reason, Err: err, Refused: true}
	case stepSelect:
		if reason == ReasonCommand {
			reason = ReasonDatabase
		}
		return &Error{Op: "select", Reason: reason, Err: refused, Refused: true}
	default:
		// An ACL may forbid CLIENT SETNAME, old servers do not know it, and
		// nothing depends on it.
		return nil
	}
}

// judgeFirst reads the reply to the first command: NOAUTH is what a
// server that wants a password answers to all but AUTH.
func judgeFirst(v resp.Value) error {
	var refused *resp.ServerError
	if errors.As(v.Err(), &refused) && refused.Code == "NOAUTH" {
		return &Error{Op: "auth", Reason: ReasonAuth, Err: refused, Refused: true}
	}
	return nil
}

// refusedAtDoor knows the two errors that a server answers to a connection
// rather than to a command; it hangs up after them.
// Source: redis src/networking.c, acceptCommonHandler and clientAcceptHandler.
func refusedAtDoor(refused *resp.ServerError) error {
	switch reason := serverReason(refused); reason {
	case ReasonMaxClients, ReasonProtected:
		return &Error{Op: "read", Reason: reason, Err: refused, Refused: true}
	default:
		return nil
	}
}

// argsNote starts the part of an error in which servers repeat what we sent,
// cut anywhere: a server whose AUTH was renamed would print the password.
const argsNote = ", with args beginning with"

const redacted = "***"

// redact is the error reply without a part of the password, of which Conn.reply has
// struck the whole. A nil opening has none.
func (o *opening) redact(v resp.Value) *resp.ServerError {
	text := v.Str
	if o != nil && o.secret {
		text, _, _ = bytes.Cut(text, []byte(argsNote))
	}
	return resp.NewServerError(text)
}

// redactProtocol drops the bytes that the error quotes: what is no Redis
// server may send back what it was sent.
func redactProtocol(e *resp.ProtocolError) error {
	msg, _, _ := strings.Cut(e.Msg, `: "`)
	return &resp.ProtocolError{Offset: e.Offset, Msg: msg}
}
