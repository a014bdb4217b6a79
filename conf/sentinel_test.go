package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSentinelTargets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sentinel.password")
	require.NoError(t, os.WriteFile(file, []byte("of the file\n"), 0o600))
	o := mustDecode(t,
		"Default.SentinelUser=watcher", "Default.SentinelPasswordFile="+file,
		"Sessions.A.Uri=sentinel://S1.example.com:5000,10.0.0.2,[::1]/My-master.1/3", "Sessions.A.User=u",
		"Sessions.A.Password=of the server", "Sessions.A.SentinelPassword=of the sentinels",
		"Sessions.B.Uri=sentinel://s1/m", "Sessions.B.Password=p", "Sessions.B.TLSConnect=required")
	a := mustResolve(t, o, Ref{Conn: "A"})
	require.Equal(t, "My-master.1", a.Master())
	require.Equal(t, "sentinel", a.Network())
	require.Equal(t, 3, a.Database())
	require.Equal(t, "A (sentinel://s1.example.com:5000,10.0.0.2:26379,[::1]:26379/My-master.1/3)", a.String())
	sentinels := o.Sentinels(a)
	require.Len(t, sentinels, 3)
	for i, addr := range []string{"s1.example.com:5000", "10.0.0.2:26379", "[::1]:26379"} {
		s := sentinels[i]
		require.Equal(t, "tcp", s.Network())
		require.Equal(t, addr, s.Address())
		require.Equal(t, "watcher", s.User())
		require.Equal(t, "of the sentinels", password(t, s))
		require.Zero(t, s.Database())
		require.Empty(t, s.Master())
		require.Same(t, s, o.Sentinels(a)[i])
	}
	master, err := o.Peer(a, "10.0.0.9:6379", "")
	require.NoError(t, err)
	require.Equal(t, "u", master.User())
	require.Equal(t, "of the server", password(t, master))
	require.Equal(t, 3, master.Database())
	require.Empty(t, master.Master())
	_, err = o.Peer(a, ":6379", "")
	require.Error(t, err, "it has no host of its own")
	plain := mustResolve(t, o, Ref{Conn: "tcp://10.0.0.9:6379/3", User: "u", Password: "of the server"})
	require.Same(t, plain, master, "an item that names the same server directly shares its connections")

	b := o.Sentinels(mustResolve(t, o, Ref{Conn: "B"}))[0]
	require.Equal(t, "of the file", password(t, b), "the server's password is none of the sentinels' business")
	config, err := b.TLS()
	require.NoError(t, err)
	require.Equal(t, "s1", config.ServerName)
	require.NoError(t, firstBroken(o))
	require.NoError(t, os.Remove(file))
	require.ErrorContains(t, firstBroken(o), "SentinelPasswordFile")
	require.Empty(t, o.Sentinels(plain))
}

func TestSentinelAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	o := mustDecode(t)
	for conn, want := range map[string]string{
		"sentinel://s1:26379":                            "name of the master is missing",
		"sentinel://s1:26379/":                           "name of the master is missing",
		"sentinel:///m":                                  "no host",
		"sentinel://s1,,s2/m":                            "no host",
		"sentinel://s1:0/m":                              "port",
		"sentinel://s1/m m":                              "space",
		"sentinel://s1/m;m":                              "letters, digits",
		"sentinel://s1/" + strings.Repeat("m", 129):      "letters, digits",
		"sentinel://s1/m/x":                              "database",
		"sentinel://s1/m?x":                              "query",
		"sentinel://u:secret@s1/m":                       "a password in a URI",
		"sentinel://" + strings.Repeat("s,", 32) + "s/m": "more than 32",
	} {
		_, err := o.Resolve(Ref{Conn: conn})
		require.ErrorContains(t, err, want, conn)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := decodeWhole(t, "Sessions.A.SentinelPassword=a", "Sessions.A.SentinelPasswordFile=/b")
	require.ErrorContains(t, err, "Sessions.A.SentinelPasswordFile (line 2): is set together with SentinelPassword")
}
