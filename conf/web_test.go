package conf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAStormUIIsATarget(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.UI.Uri=https://storm.example.com/ui/", "Sessions.UI.User=u", "Sessions.UI.Password=p")
	for conn, want := range map[string]string{
		"http://h":              "http://h:80",
		"https://H:8443":        "https://H:8443",
		"HTTP://h:6379/a//b/":   "http://h:6379/a/b",
		"http://[::1]:8080":     "http://[::1]:8080",
		"http://u@h:8080/a.b~c": "http://h:8080/a.b~c",
		"UI":                    "https://storm.example.com:443/ui",
	} {
		target := mustResolve(t, o, Ref{Conn: conn})
		require.Equal(t, want, target.URI(), conn)
		require.True(t, target.Web())
		require.Equal(t, "http", target.Network())
	}
	require.Equal(t, "u", mustResolve(t, o, Ref{Conn: "UI"}).User())
	require.Equal(t, "u", mustResolve(t, o, Ref{Conn: "http://u@h"}).User())
	require.Equal(t, "default", mustResolve(t, o, Ref{Conn: "http://h", User: "default"}).User(), "a user as any other")
	require.False(t, mustResolve(t, o, Ref{Conn: "h"}).Web())
	require.NotSame(t, mustResolve(t, o, Ref{Conn: "http://h/a"}), mustResolve(t, o, Ref{Conn: "http://h/b"}))
	require.Same(t, mustResolve(t, o, Ref{Conn: "http://h"}), mustResolve(t, o, Ref{Conn: "http://H:80/"}))
	require.Equal(t, []SessionInfo{{Name: "UI", URI: "https://storm.example.com:443/ui", Web: true}}, o.Sessions())
	config, err := mustResolve(t, o, Ref{Conn: "UI"}).TLS()
	require.NoError(t, err)
	require.Equal(t, "storm.example.com", config.ServerName)
	require.False(t, config.InsecureSkipVerify, "https alone is verify_full")
}

func TestDefaultsSecretsStayWithTheKindOfServerTheyAreFor(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Default.User=redis", "Default.Password=pw", "Sessions.UI.Uri=http://ui", "Sessions.UI.Token=tok")
	redis := mustResolve(t, o, Ref{Conn: "h"})
	require.Equal(t, "redis", redis.User())
	require.Equal(t, "pw", password(t, redis))
	web := mustResolve(t, o, Ref{Conn: "http://elsewhere"})
	require.Empty(t, web.User())
	require.Empty(t, password(t, web))
	session := mustResolve(t, o, Ref{Conn: "UI"})
	require.Equal(t, "tok", bearer(t, session))
	require.Empty(t, password(t, session))
	own := mustResolve(t, o, Ref{Conn: "UI", Password: "mine", User: "me"})
	require.Equal(t, "mine", password(t, own), "the item key goes first")
	require.Empty(t, bearer(t, own))

	o = mustDecode(t, "Default.Uri=http://ui", "Default.Token=tok", "Default.User=web")
	require.Equal(t, "tok", bearer(t, mustResolve(t, o, Ref{})))
	require.Equal(t, "tok", bearer(t, mustResolve(t, o, Ref{Conn: "http://other"})))
	require.Empty(t, bearer(t, mustResolve(t, o, Ref{Conn: "tcp://h"})))
	require.Empty(t, mustResolve(t, o, Ref{Conn: "tcp://h"}).User())
}

func TestATokenFileIsReadAnew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	o := mustDecode(t, "Sessions.UI.Uri=http://ui", "Sessions.UI.TokenFile="+file)
	target := mustResolve(t, o, Ref{Conn: "UI"})
	require.ErrorContains(t, firstBroken(o), "Sessions.UI.TokenFile: the file cannot be read: no such file")
	for _, token := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o644))
		require.Equal(t, token, bearer(t, target))
	}
	require.Equal(t, []string{"Plugins.RedisJobs.Sessions.UI.TokenFile: every user of this machine can read " + file}, o.Warnings())
	require.NoError(t, os.WriteFile(file, []byte("a "+marker), 0o600))
	_, err := target.Bearer()
	require.ErrorContains(t, err, "Sessions.UI.TokenFile: the token holds a space")
	require.NotContains(t, err.Error(), marker)
}

func TestWebOptionsThatContradict(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"a token for Redis":          {[]string{"Sessions.A.Uri=tcp://h", "Sessions.A.Token=x"}, "Sessions.A.Token (line 2): is for http:// and https:// addresses alone"},
		"a token in Default":         {[]string{"Default.Token=x"}, "Default.Token (line 1): is for http:// and https:// addresses alone"},
		"a token and a password":     {[]string{"Sessions.A.Uri=http://h", "Sessions.A.Token=x", "Sessions.A.Password=y"}, "Sessions.A.Token (line 2): is set together with a password"},
		"a token and its file":       {[]string{"Sessions.A.Uri=http://h", "Sessions.A.Token=x", "Sessions.A.TokenFile=/y"}, "Sessions.A.TokenFile (line 3): is set together with Token"},
		"a token with a line end":    {[]string{"Sessions.A.Uri=http://h", "Sessions.A.Token=x\ty"}, "Sessions.A.Token (line 2): holds a space"},
		"a database":                 {[]string{"Sessions.A.Uri=http://h", "Sessions.A.Database=1"}, "Sessions.A.Database (line 2): has no meaning for an http://"},
		"TLS for http://":            {[]string{"Sessions.A.Uri=http://h", "Sessions.A.TLSConnect=required"}, "Sessions.A.TLSConnect (line 2): asks for TLS, which an http:// address does not use"},
		"no TLS for https://":        {[]string{"Sessions.A.Uri=https://h", "Sessions.A.TLSConnect=disabled"}, "disabled contradicts the https:// of the Uri"},
		"Default's TLS for http://":  {[]string{"Sessions.A.Uri=http://h", "Default.TLSConnect=required"}, "Default.TLSConnect (line 2): asks for TLS"},
		"verify_ca without its file": {[]string{"Sessions.A.Uri=https://h", "Sessions.A.TLSConnect=verify_ca"}, "verify_ca needs TLSCAFile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeWhole(t, tt.lines...)
			require.ErrorContains(t, err, "Plugins.RedisJobs.")
			require.ErrorContains(t, err, tt.want)
		})
	}
	o := mustDecode(t, "Default.TLSConnect=required")
	_, err := o.Resolve(Ref{Conn: "http://h"})
	require.ErrorContains(t, err, "Default.TLSConnect (line 1): asks for TLS")
}

func bearer(t *testing.T, target *Target) string {
	t.Helper()
	token, err := target.Bearer()
	require.NoError(t, err)
	return token
}
