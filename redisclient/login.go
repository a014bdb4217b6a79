package redisclient

import (
	"cmp"
	"errors"
	"strings"

	"redisjobs/redisclient/resp"
)

// Login names the settings in which a user and a password stand, for the advice in
// errors. Empty, it stands for those of a session.
type Login struct {
	// Correct are those that were used, as "User and PasswordFile of the session".
	Correct string
	// Missing are those of which one gives a password where there is none.
	Missing string
}

func (l Login) correct() string {
	return cmp.Or(l.Correct, "User and Password (or PasswordFile, PasswordCommand) of the session")
}

func (l Login) missing() string { return cmp.Or(l.Missing, "Password or PasswordFile of the session") }

// loginError is a refusal of a login, with what to do about it.
type loginError struct {
	text  string
	reply *resp.ServerError
	cause error // one of the errors below, or nil
}

func (e *loginError) Error() string { return e.text }

func (e *loginError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.reply}
	}
	return []error{e.reply, e.cause}
}

// Why a server refuses a login, where that is known.
var (
	// ErrNoUsers: the server is older than Redis 6, which made users.
	ErrNoUsers = errors.New("the server has no users")
	// ErrNoPassword: a user was named, or the server wants a password, and none is set.
	ErrNoPassword = errors.New("no password is set")
	// ErrNeedlessPassword: a password is set, and the server has none.
	ErrNeedlessPassword = errors.New("the server has no password")
)

// wanted is about a server that wants a password and got none.
func (l Login) wanted(e *resp.ServerError) error {
	return &loginError{e.Error() + " Set " + l.missing() + ".", e, ErrNoPassword}
}

// refused is about a server that refuses AUTH.
func (o *opening) refused(e *resp.ServerError) error {
	text := e.Error()
	switch {
	case o.user != "" && strings.Contains(strings.ToLower(e.Message), "wrong number of arguments"):
		return &loginError{text + ": servers before Redis 6 have no users, so leave the user out", e, ErrNoUsers}
	case strings.Contains(text, "without any password configured"), strings.Contains(text, "no password is set"):
		return &loginError{text + " Leave the password out, or name the User.", e, ErrNeedlessPassword}
	case e.Code != "WRONGPASS" && !strings.Contains(text, "invalid password"):
		return e
	case !o.secret:
		return &loginError{"no password is set for the user " + o.user + ": set " + o.login.missing() + " (" + text + ")", e, ErrNoPassword}
	}
	return &loginError{text + " Correct " + o.login.correct() + ".", e, nil}
}
