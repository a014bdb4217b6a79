package doctor

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestEachCauseHasItsCure has the cures that depend on what answers at the port.
func TestEachCauseHasItsCure(t *testing.T) {
	t.Parallel()
	const session = "Plugins.RedisJobs.Sessions.A."
	s := redistest.Start(t, redistest.Config{TLS: true})
	strict := redistest.Start(t, redistest.Config{TLS: true, Args: []string{"--tls-auth-clients", "yes"}})
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	web := strings.TrimPrefix(page.URL, "http://")
	closes := redistest.NewFake(t, redistest.Script{redistest.Close()})
	gone := redistest.Borrow(t)
	gone.Stop(t)
	for name, c := range map[string]struct {
		lines []string
		want  []string
		not   string
	}{
		"a database in the path": {[]string{"Uri=tcp://" + s.Addr + "/99", "Database=1"},
			[]string{"-> correct the number behind the slash in " + session + "Uri: the server does not have the database\n"}, "->.*Database"},
		"a database of its own option": {[]string{"Uri=tcp://" + s.Addr, "Database=99"},
			[]string{"-> correct " + session + "Database: the server does not have the database\n"}, "->.*Uri"},
		"no TLS where the server wants it": {[]string{"Uri=tcp://" + s.TLSAddr + "/2"}, []string{"-> " + session + "Uri=rediss://" + s.TLSAddr + "/2\n"}, "server up"},
		"the same without a scheme":        {[]string{"Uri=" + s.TLSAddr}, []string{"-> " + session + "Uri=rediss://" + s.TLSAddr + "\n"}, "server up"},
		"a certificate with another name": {[]string{"Uri=rediss://" + s.TLSAddr, "TLSCAFile=" + s.CA.File, "TLSServerName=other.example.com"},
			[]string{"-> " + session + "TLSServerName=localhost\n"}, "TLSConnect"},
		"a certificate of ours is wanted": {[]string{"Uri=rediss://" + strict.TLSAddr, "TLSCAFile=" + strict.CA.File},
			[]string{"it may want a client certificate, and none is set (TLSCertFile, TLSKeyFile)",
				"-> a certificate that the server accepts: " + session + "TLSCertFile and " + session + "TLSKeyFile\n"}, ""},
		"an authority that is not known": {[]string{"Uri=rediss://" + s.TLSAddr}, []string{"-> the file with the certificate of the authority: " + session + "TLSCAFile="}, "TLSConnect"},
		"TLS where nobody speaks it":     {[]string{"Uri=rediss://" + web}, []string{"or something other than Redis is there: " + session + "Uri=tcp://" + web + "\n"}, "->.*TLSConnect=disabled"},
		"TLS by its option": {[]string{"Uri=tcp://" + web, "TLSConnect=required"},
			[]string{"or something other than Redis is there: " + session + "TLSConnect=disabled\n"}, "->.*Uri="},
		"TLS by both": {[]string{"Uri=rediss://" + web, "TLSConnect=required"},
			[]string{session + "TLSConnect=disabled\n", session + "Uri=tcp://" + web + "\n"}, ""},
		"a port of HTTP":               {[]string{"Uri=tcp://" + web}, []string{"-> is something other than Redis there? " + session + "Uri="}, "server up"},
		"a port that hangs up":         {[]string{"Uri=tcp://" + closes.Addr}, []string{"or is something other than Redis there? " + session + "Uri="}, "server up"},
		"a port that nobody serves":    {[]string{"Uri=tcp://" + gone.Addr}, []string{"-> is the server up, and does it listen at this address? " + session + "Uri="}, "other than"},
		"a name that does not resolve": {[]string{"Uri=tcp://redis.invalid"}, []string{"-> is the name right? " + session + "Uri="}, "server up"},
		"a Storm UI that is none":      {[]string{"Uri=http://" + s.Addr}, []string{"-> is something other than a Storm UI there? " + session + "Uri=http://"}, "server up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines []string
			for _, l := range c.lines {
				lines = append(lines, session+l)
			}
			code := 1
			if name == "a port that nobody serves" {
				code = 3
			}
			out := newTree(t, lines...).examine(code)
			require.Contains(t, out, "the agent starts with this configuration: yes\n")
			for _, want := range c.want {
				require.Contains(t, out, want)
			}
			if c.not != "" {
				require.NotRegexp(t, c.not, out)
			}
		})
	}
	out := newTree(t, "Plugins.RedisJobs.Default.Uri=tcp://"+s.Addr+"/99", session+"User=default").examine(1)
	require.Contains(t, out, "-> correct the number behind the slash in Plugins.RedisJobs.Default.Uri: ")
}

// TestEveryReasonHasACure: a new reason needs a row, unless nothing can be done.
func TestEveryReasonHasACure(t *testing.T) {
	t.Parallel()
	options, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	target, err := options.Resolve(conf.Ref{Conn: "tcp://h"})
	require.NoError(t, err)
	for _, reason := range []redisclient.Reason{
		redisclient.ReasonDNS, redisclient.ReasonTCP, redisclient.ReasonTLS, redisclient.ReasonAuth, redisclient.ReasonACL, redisclient.ReasonProtected,
		redisclient.ReasonLoading, redisclient.ReasonMasterDown, redisclient.ReasonMaxClients, redisclient.ReasonBusy, redisclient.ReasonTimeout,
		redisclient.ReasonProtocol, redisclient.ReasonDatabase, redisclient.ReasonSentinel,
	} {
		f := &failure{err: &redisclient.Error{Op: "dial", Reason: reason, Err: x509.ErrUnsupportedAlgorithm}, target: target, answersTLS: func() bool { return false }}
		require.NotEmpty(t, f.cure().text, reason)
	}
}

// TestACertificateWithACommonNameAlone fits no TLSServerName.
func TestACertificateWithACommonNameAlone(t *testing.T) {
	t.Parallel()
	named := &x509.Certificate{Subject: pkix.Name{CommonName: "redis.example.com"}}
	f := &failure{err: &redisclient.Error{Op: "tls", Reason: redisclient.ReasonTLS, Err: x509.HostnameError{Certificate: named, Host: "redis.example.com"}}, option: "O."}
	require.Equal(t, "a certificate with subjectAltName, or: O.TLSConnect=verify_ca", f.cure().text)
	named.DNSNames = []string{"other.example.com"}
	require.Equal(t, "O.TLSServerName=other.example.com", f.cure().text)
}

// TestACertificateCannotWriteACure: its names are text of a server.
func TestACertificateCannotWriteACure(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"good.example.com":            {"a\nb", "*.example.com", "good.example.com"},
		"<name>.example.com":          {"\x1b[2J", "*.example.com"},
		"<a name in the certificate>": nil,
	} {
		f := &failure{err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: names}, Host: "h"}}
		require.Equal(t, want, f.certificateName())
	}
	require.Empty(t, (&failure{err: x509.ErrUnsupportedAlgorithm}).certificateName())
}
