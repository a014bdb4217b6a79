package conf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestALoginKnowsWhereItComesFrom: advice names what was used, and never another option.
func TestALoginKnowsWhereItComesFrom(t *testing.T) {
	t.Parallel()
	const p = "Plugins.RedisJobs."
	for name, c := range map[string]struct {
		lines            []string
		ref              Ref
		correct, missing string
		user, password   string // the full names of the options
	}{
		"a password": {[]string{"Sessions.A.Password=x"}, Ref{Conn: "A"}, "Password of the session", "Password or PasswordFile of the session", "", p + "Sessions.A.Password"},
		"a file and a user": {[]string{"Sessions.A.PasswordFile=/absent", "Sessions.A.User=u"}, Ref{Conn: "A"},
			"User and PasswordFile of the session", "Password or PasswordFile of the session", p + "Sessions.A.User", p + "Sessions.A.PasswordFile"},
		"a command": {[]string{"Sessions.A.PasswordCommand=/bin/true", "Sessions.A.Uri=redis://u@h"}, Ref{Conn: "A"},
			"Uri and PasswordCommand of the session", "Password or PasswordFile of the session", p + "Sessions.A.Uri", p + "Sessions.A.PasswordCommand"},
		"of Default": {[]string{"Sessions.A.Uri=h", "Sessions.A.User=u", "Default.Password=x"}, Ref{Conn: "A"},
			"User of the session and Password of Default", "Password or PasswordFile of the session", p + "Sessions.A.User", p + "Default.Password"},
		"Default alone":          {[]string{"Default.Uri=h", "Default.User=u"}, Ref{}, "User of Default", "Password or PasswordFile of Default", p + "Default.User", ""},
		"nothing":                {nil, Ref{Conn: "h"}, "", "the parameter Password of the item key, or a session with a password", "", ""},
		"an item key":            {nil, Ref{Conn: "h", Password: "x"}, "the parameter Password of the item key", "the parameter Password of the item key, or a session with a password", "", ""},
		"an item key, with user": {nil, Ref{Conn: "h", Password: "x", User: "u"}, "the parameters User and Password of the item key", "the parameter Password of the item key, or a session with a password", "", ""},
		"an address with a user": {nil, Ref{Conn: "redis://u@h", Password: "x"}, "the address and the parameter Password of the item key", "the parameter Password of the item key, or a session with a password", "", ""},
		"an item key's password for a session": {[]string{"Sessions.A.User=u", "Sessions.A.Password=y"}, Ref{Conn: "A", Password: "x"},
			"User of the session and the parameter Password of the item key", "Password or PasswordFile of the session", p + "Sessions.A.User", ""},
	} {
		o := mustDecode(t, c.lines...)
		target, err := o.Resolve(c.ref)
		require.NoError(t, err, name)
		require.Equal(t, Login{c.correct, c.missing}, target.Login(), name)
		user, password := target.LoginOptions()
		require.Equal(t, []string{c.user, c.password}, []string{user, password}, name)
	}
	o := mustDecode(t, "Sessions.A.Uri=sentinel://s/m", "Sessions.A.User=u", "Sessions.A.Password=x", "Sessions.A.SentinelPasswordFile=/absent")
	a := mustResolve(t, o, Ref{Conn: "A"})
	require.Equal(t, Login{"SentinelPasswordFile of the session", "SentinelPassword or SentinelPasswordFile of the session"}, o.Sentinels(a)[0].Login())
	master, err := o.Peer(a, "h:1", "")
	require.NoError(t, err)
	require.Equal(t, "User and Password of the session", master.Login().Correct)
}
