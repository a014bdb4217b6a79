package conf

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnString(t *testing.T) {
	t.Parallel()
	tests := []struct {
		conn, network, address, show string
		user                         string
		database                     int
	}{
		{conn: "", network: "tcp", address: "localhost:6379", show: "tcp://localhost:6379"},
		{conn: "localhost", network: "tcp", address: "localhost:6379", show: "tcp://localhost:6379"},
		{conn: "host:7000", network: "tcp", address: "host:7000", show: "tcp://host:7000"},
		{conn: "host:07000", network: "tcp", address: "host:7000", show: "tcp://host:7000"},
		{conn: "host/3", network: "tcp", address: "host:6379", show: "tcp://host:6379/3", database: 3},
		{conn: "my_redis-1.example.com.", network: "tcp", address: "my_redis-1.example.com.:6379", show: "tcp://my_redis-1.example.com.:6379"},
		{conn: "10.0.0.1", network: "tcp", address: "10.0.0.1:6379", show: "tcp://10.0.0.1:6379"},
		{conn: "[::1]:6380", network: "tcp", address: "[::1]:6380", show: "tcp://[::1]:6380"},
		{conn: "[0:0::0:1]", network: "tcp", address: "[::1]:6379", show: "tcp://[::1]:6379"},
		{conn: "tcp://[fe80::1%eth0]/1", network: "tcp", address: "[fe80::1%eth0]:6379", show: "tcp://[fe80::1%eth0]:6379/1", database: 1},
		{conn: "tcp://host:1/2", network: "tcp", address: "host:1", show: "tcp://host:1/2", database: 2},
		{conn: "TCP://host/", network: "tcp", address: "host:6379", show: "tcp://host:6379"},
		{conn: "redis://host", network: "tcp", address: "host:6379", show: "tcp://host:6379"},
		{conn: "valkey://host/1", network: "tcp", address: "host:6379", show: "tcp://host:6379/1", database: 1},
		{conn: "Valkeys://host", network: "tcp", address: "host:6379", show: "rediss://host:6379"},
		{conn: "http/3", network: "tcp", address: "http:6379", show: "tcp://http:6379/3", database: 3},
		{conn: "redis:1/3", network: "tcp", address: "redis:1", show: "tcp://redis:1/3", database: 3},
		{conn: "redis://alice@host", network: "tcp", address: "host:6379", show: "tcp://host:6379", user: "alice"},
		{conn: "rediss://host/1000000", network: "tcp", address: "host:6379", show: "rediss://host:6379/1000000", database: 1000000},
		{conn: "/run/redis.sock", network: "unix", address: "/run/redis.sock", show: "unix:///run/redis.sock"},
		{conn: "unix:/run/redis.sock", network: "unix", address: "/run/redis.sock", show: "unix:///run/redis.sock"},
		{conn: "unix:///run//./redis.sock", network: "unix", address: "/run/redis.sock", show: "unix:///run/redis.sock"},
	}
	for _, tt := range tests {
		t.Run(tt.conn, func(t *testing.T) {
			t.Parallel()
			target, err := mustDecode(t).Resolve(Ref{Conn: tt.conn})
			require.NoError(t, err)
			require.Equal(t, tt.network, target.Network())
			require.Equal(t, tt.address, target.Address())
			require.Equal(t, tt.show, target.String())
			require.Equal(t, tt.user, target.User())
			require.Equal(t, tt.database, target.Database())
			require.Empty(t, target.Session())
		})
	}
}

func TestConnStringRefuses(t *testing.T) {
	t.Parallel()
	// Every text here has the marker where a password could stand by mistake.
	tests := []struct{ name, conn, want string }{
		{"a password in redis://", "redis://u:" + marker + "@host", errPassword.Error()},
		{"a password without a user", "redis://:" + marker + "@host", errPassword.Error()},
		{"a password in tcp://", "tcp://u:" + marker + "@host:1/2", errPassword.Error()},
		{"a password without a scheme", "u:" + marker + "@host", errPassword.Error()},
		{"a password with delimiters in it", "redis://u:a/b?c#d@e" + marker + "@host", errPassword.Error()},
		{"a password and no host", "redis://u:" + marker, errPort.Error()},
		{"a password behind an @", "redis://a@b:" + marker + "@host", errPassword.Error()},
		{"a user with a delimiter", "redis://a%3A" + marker + "@host", errUser.Error()},
		{"an empty user", "redis://@host", errUser.Error()},
		{"a query", "redis://host?password=" + marker, errQuery.Error()},
		{"a fragment", "redis://host#" + marker, errQuery.Error()},
		{"a query for a socket", "/s?password=" + marker, errQuery.Error()},
		{"sentinel", "sentinel://u:" + marker + "@h:1,h:2/m", "a password in a URI would stand in the item key: use a session, or the password parameter"},
		{"a password for HTTP", "http://u:" + marker + "@h", errPassword.Error()},
		{"a query for HTTP", "https://h/?token=" + marker, errQuery.Error()},
		{"a path that leaves its folder", "http://h/a/../../b", errWebPath.Error()},
		{"a path with blanks to come", "http://h/a%20b", errWebPath.Error()},
		{"HTTP without a host", "http:///api", errNoHost.Error()},
		{"another scheme", "redi://u:" + marker + "@h", `unknown scheme: known are tcp, unix, redis, rediss, valkey, valkeys, sentinel, http, https`},
		{"no colon", "http//" + marker, "write http:// with a colon and two slashes"},
		{"no colon, upper case", "VALKEYS//" + marker, "write valkeys:// with a colon and two slashes"},
		{"one slash", "rediss:/" + marker, "write rediss:// with a colon and two slashes"},
		{"a port of 0", "host:0", errPort.Error()},
		{"a port above 65535", "host:65536", errPort.Error()},
		{"a port that is none", "host:" + marker, errPort.Error()},
		{"a signed port", "host:+1", errPort.Error()},
		{"no port after the colon", "host:", errPort.Error()},
		{"no host", "tcp://:6379", errNoHost.Error()},
		{"nothing after the scheme", "tcp://", errNoHost.Error()},
		{"a database that is none", "tcp://host/" + marker, errDatabase.Error()},
		{"a database above the limit", "tcp://host/1000001", errDatabase.Error()},
		{"more path than a database", "tcp://host/1/" + marker, errDatabase.Error()},
		{"IPv6 without brackets", "::1", errBrackets.Error()},
		{"IPv6 and a port without brackets", "tcp://::1:6379", errBrackets.Error()},
		{"brackets round something else", "[host]", "holds no valid IPv6 address in the brackets"},
		{"an open bracket", "[::1", "holds no valid IPv6 address in the brackets"},
		{"text behind the bracket", "[::1]6379", errPort.Error()},
		{"a relative socket", "unix:run/s", errSocket.Error()},
		{"a socket with a host", "unix://host/s", errSocket.Error()},
		{"no socket", "unix:", errSocket.Error()},
		{"no scheme", "//:secret@127.0.0.1", errNoScheme.Error()},
		{"a long socket", "/" + strings.Repeat("s", 107), errSockLen.Error()},
		{"a space", "my host", errBlank.Error()},
		{"a line end", "host\n", errBlank.Error()},
		{"a NUL", "host\x00", errBlank.Error()},
		{"invalid UTF-8", "host\xff", errBlank.Error()},
		{"overlong text", strings.Repeat("h", 1025), errTooLong.Error()},
		{"an address with a part too large", "10.0.0.300", errHost.Error()},
		{"two dots", "a..b", errHost.Error()},
		{"a label with a hyphen first", "-a", errHost.Error()},
		{"other letters", "hôst", errHost.Error()},
		{"a word that is no host", "_" + strings.Repeat("h", 64), "no session named _" + strings.Repeat("h", 64) + "; sessions: Prod; restart the agent after a change"},
		{"a number", "1234", "no session named 1234; sessions: Prod; restart the agent after a change"},
	}
	o := mustDecode(t, "Sessions.Prod.Uri=h")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target, err := o.Resolve(Ref{Conn: tt.conn})
			require.Nil(t, target)
			require.EqualError(t, err, "connection: "+tt.want)
			requireNoSecret(t, err)
		})
	}
}
