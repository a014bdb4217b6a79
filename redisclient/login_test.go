package redisclient

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestARefusedLoginNamesWhatToSet: by the settings that were used, which are not
// always those of a session.
func TestARefusedLoginNamesWhatToSet(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "right", Users: []string{"app on >right +@all"}})
	old := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin, Password: "right"})
	open := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin})
	ofKey := Login{Correct: "the parameter Password of the item key", Missing: "the parameter Password of the item key, or a session with a password"}
	for name, c := range map[string]struct {
		cfg   Config
		want  string
		cause error
	}{
		"a password that is wrong": {Config{Address: s.Addr, Password: "wrong"},
			"auth: WRONGPASS invalid username-password pair or user is disabled. Correct User and Password (or PasswordFile, PasswordCommand) of the session.", nil},
		"one of an item key": {Config{Address: s.Addr, Password: "wrong", Login: ofKey},
			"auth: WRONGPASS invalid username-password pair or user is disabled. Correct the parameter Password of the item key.", nil},
		"none": {Config{Address: s.Addr}, "auth: NOAUTH Authentication required. Set Password or PasswordFile of the session.", ErrNoPassword},
		"none in an item key": {Config{Address: s.Addr, Login: ofKey},
			"auth: NOAUTH Authentication required. Set the parameter Password of the item key, or a session with a password.", ErrNoPassword},
		"a user without one": {Config{Address: s.Addr, User: "app"},
			"auth: no password is set for the user app: set Password or PasswordFile of the session (WRONGPASS invalid username-password pair or user is disabled.)", ErrNoPassword},
		"a user before there were any": {Config{Address: old.Addr, User: "app", Password: "right"},
			"auth: ERR wrong number of arguments for 'auth' command: servers before Redis 6 have no users, so leave the user out", ErrNoUsers},
		"a password before Redis 6": {Config{Address: old.Addr, Password: "wrong", Login: Login{Correct: "PasswordFile of the session"}},
			"auth: ERR invalid password Correct PasswordFile of the session.", nil},
		"a password of a server without one": {Config{Address: open.Addr, Password: "needless"},
			"auth: ERR Client sent AUTH, but no password is set Leave the password out, or name the User.", ErrNeedlessPassword},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dial(t, c.cfg).DoAll(soon(t), ping)
			require.EqualError(t, err, c.want)
			require.Equal(t, ReasonAuth, ReasonOf(err))
			require.True(t, IsRefused(err))
			require.Less(t, len(err.Error()), 200, "documents have room for 255 characters, the target included")
			for _, cause := range []error{ErrNoPassword, ErrNoUsers, ErrNeedlessPassword} {
				if cause == c.cause {
					require.ErrorIs(t, err, cause)
				} else {
					require.NotErrorIs(t, err, cause)
				}
			}
		})
	}
}

// TestAServerThatWantsAPasswordIsNotTakenForOneThatLacksACommand: an old server answers
// what it does not know with an error of its own, and all else with NOAUTH.
func TestAServerThatWantsAPasswordIsNotTakenForOneThatLacksACommand(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin})
	c := dial(t, Config{Address: s.Addr})
	require.Equal(t, "PONG", ask(t, c, "PING"))
	s.Do(t, "CONFIG", "SET", "requirepass", "right")
	const want = "auth: NOAUTH Authentication required. Set Password or PasswordFile of the session."
	for i, c := range []*Conn{c, dial(t, Config{Address: s.Addr}), dial(t, Config{Address: s.Addr, ClientName: "n"})} {
		_, err := c.DoAll(soon(t), Command{"ACL", "LOG"}, Command{"INFO"})
		require.EqualError(t, err, want)
		require.Equal(t, i > 0, IsRefused(err), "of one that had served, a fresh connection tells")
		require.Error(t, c.Err(), "the connection is of no use")
	}
}
