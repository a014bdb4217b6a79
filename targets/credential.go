package targets

import (
	"context"
	"errors"

	"redisjobs/conf"
	"redisjobs/redisclient"
)

// password is what a connection to the target logs in with now. An error names the
// option that it comes from.
func (rt *Runtime) password(ctx context.Context, t *conf.Target) (string, error) {
	command, ok := t.PasswordCommand()
	if !ok {
		return t.Credential()
	}
	secret, err := rt.passwords.Get(ctx, command)
	if err != nil {
		return "", t.CommandFailed(err)
	}
	return secret.Reveal(), nil
}

// expiredError is the refusal of a password while there is, or may be, a newer
// one. The server does not count as failing for it.
type expiredError struct{ error }

func (e *expiredError) Unwrap() error { return e.error }

// expired makes an *expiredError of what a conversation ended with, where that is
// so, and notes each refusal.
func (t *target) expired(c *redisclient.Conn, err error) error {
	command, ok := t.conf.PasswordCommand()
	var e *redisclient.Error
	if !ok || !errors.As(err, &e) || e.Op != "auth" || e.Reason != redisclient.ReasonAuth ||
		!t.rt.passwords.Refused(command, c.Info().At) {
		return err
	}
	return &expiredError{err}
}

func isExpired(err error) bool {
	var e *expiredError
	return errors.As(err, &e)
}

// isRefused is redisclient.IsRefused for the pool.
func isRefused(err error) bool { return redisclient.IsRefused(err) && !isExpired(err) }
