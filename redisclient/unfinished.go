package redisclient

import (
	"errors"
	"slices"

	"redisjobs/redisclient/resp"
)

// Unfinished is a conversation that timed out after its first replies. The server
// was there, and one command took it too long.
type Unfinished struct {
	Cmds    []Command
	Replies []resp.Value // to the first commands; at least one, fewer than all
	Err     error
}

func (u *Unfinished) Error() string { return u.Err.Error() }

func (u *Unfinished) Unwrap() error { return u.Err }

// RepliesBefore are the replies to the first of cmds that had arrived when they
// failed with err; nil when err is not about exactly these commands.
func RepliesBefore(err error, cmds []Command) []resp.Value {
	var u *Unfinished
	if !errors.As(err, &u) || !slices.EqualFunc(u.Cmds, cmds, slices.Equal[Command]) {
		return nil
	}
	return u.Replies
}
