package redisclient

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestAServerThatRepeatsThePasswordInAnyError does not have it shown.
func TestAServerThatRepeatsThePasswordInAnyError(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{
		redistest.Answer("+OK\r\n"), redistest.Answer("-ERR pw s3cretpass\r\n"), redistest.Answer("-NOPERM you said s3cretpass, s3cretpass\r\n"),
	})
	conn, err := Dial(t.Context(), Config{Address: f.Addr, Password: "s3cretpass"})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	values, err := conn.DoAll(t.Context(), Command{"INFO"}, Command{"GET", "a"})
	require.NoError(t, err)
	require.EqualError(t, values[0].Err(), "ERR pw ***")
	require.EqualError(t, values[1].Err(), "NOPERM you said ***, ***")
}

// TestMaskingDoesNotShowAWeakPassword: with *** in it, a sentence that everybody knows would
// say what the password is.
func TestMaskingDoesNotShowAWeakPassword(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-6.2", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, name).Bin})
			for _, password := range []string{"user", "User", "p", "permissions", "NOPERM", "info", "config", "command", "zabbix", "monitor", "default"} {
				user := "zabbix-monitor"
				s.Do(t, "ACL", "SETUSER", user, "reset", "on", ">"+password, "-@all", "+ping", "+get", "~mine")
				conn, err := Dial(t.Context(), Config{Address: s.Addr, User: user, Password: password})
				require.NoError(t, err)
				values, err := conn.DoAll(t.Context(), Command{"INFO"}, Command{"CONFIG", "GET", "*"}, Command{"GET", "other"}, Command{"GET"}, Command{"NOSUCH"})
				require.NoError(t, err)
				for _, v := range values {
					require.Error(t, v.Err())
					require.NotContains(t, v.Err().Error(), "***", password)
				}
				_ = conn.Close()
			}
		})
	}
	for _, password := range []string{"hunter2", "Pa55w0rd", "user1", "correct horse", "permissionsx", "zabbix-monitor2"} {
		require.Equal(t, password, maskedSecret(Config{User: "zabbix-monitor", Password: password}))
	}
	require.Empty(t, maskedSecret(Config{User: "zabbix"}))
}

// TestAWeakPasswordBehindAuthIsNotShown: the one place where servers repeat a password.
func TestAWeakPasswordBehindAuthIsNotShown(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{redistest.Answer("-ERR unknown command 'AUTH', with args beginning with: 'default' 'user' \r\n"), redistest.Close()})
	conn, err := Dial(t.Context(), Config{Address: f.Addr, Password: "user"})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.DoAll(t.Context(), Command{"INFO"})
	require.ErrorContains(t, err, "unknown command 'AUTH'")
	require.NotContains(t, err.Error(), "'user'")
}
