package redisclient

import (
	"bytes"
	"errors"
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
		return &Error{Op: "auth", Reason: reason, Err: o.refused(refused), Refused: true}
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

// judgeFirst reads the reply to the first command: NOAUTH is what a server that wants
// a password answers to all but AUTH.
func (l Login) judgeFirst(v resp.Value) error {
	if refused := wantsPassword(v); refused != nil {
		return &Error{Op: "auth", Reason: ReasonAuth, Err: l.wanted(refused), Refused: true}
	}
	return nil
}

// judgeAll reads a conversation that only had errors: before Redis 6 a server that wants
// a password says of what it does not know that it does not, and one that got its
// password a moment ago refuses connections that had none. Where anything else was
// answered, NOAUTH is an answer as well.
func (l Login) judgeAll(values []resp.Value, served bool) error {
	var refused *resp.ServerError
	for _, v := range values {
		if v.Kind != resp.Error {
			return nil
		}
		if refused == nil {
			refused = wantsPassword(v)
		}
	}
	if refused == nil {
		return nil
	}
	return &Error{Op: "auth", Reason: ReasonAuth, Err: l.wanted(refused), Refused: !served}
}

// wantsPassword is a reply that is NOAUTH; nil for any other.
func wantsPassword(v resp.Value) *resp.ServerError {
	var refused *resp.ServerError
	if v.Kind == resp.Error && errors.As(v.Err(), &refused) && refused.Code == "NOAUTH" {
		return refused
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
