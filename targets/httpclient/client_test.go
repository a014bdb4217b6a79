package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/redisclient"
)

func newClient(t testing.TB, url string, change func(*Config)) *Client {
	t.Helper()
	config := Config{URL: url, Agent: "test", MaxConnections: 2, IdleTimeout: time.Minute, Timeout: 10 * time.Second, MaxBody: 1000}
	if change != nil {
		change(&config)
	}
	c := New(config)
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s
}

func always(secret string) func() (string, error) {
	return func() (string, error) { return secret, nil }
}

func TestReadsAtTheSameMomentAreOneRequest(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		<-release
		fmt.Fprint(w, r.URL)
	})
	c := newClient(t, s.URL, nil)
	var all sync.WaitGroup
	for range 100 {
		r := c.read("/a?b=c")
		all.Go(func() {
			<-r.done
			require.Equal(t, "/a?b=c", string(r.body))
		})
	}
	close(release)
	all.Wait()
	require.EqualValues(t, 1, requests.Load())
	body, err := c.Get(t.Context(), "/other")
	require.NoError(t, err)
	require.Equal(t, "/other", string(body))
	require.EqualValues(t, 2, requests.Load())
}

func TestAnAnswerIsFreshForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests int
		c := newClient(t, "http://ui", nil)
		c.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			requests++
			if requests == 2 {
				return nil, errors.New("broken")
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(fmt.Sprint(requests)))}, nil
		})
		get := func() (string, error) {
			body, err := c.Get(t.Context(), "/")
			return string(body), err
		}
		for range 3 {
			body, err := get()
			require.NoError(t, err)
			require.Equal(t, "1", body)
		}
		time.Sleep(Fresh + time.Millisecond)
		for range 3 {
			_, err := get()
			require.ErrorContains(t, err, "broken", "a failure is shared as well")
		}
		time.Sleep(Fresh + time.Millisecond)
		body, err := get()
		require.NoError(t, err)
		require.Equal(t, "3", body)
		time.Sleep(Fresh + time.Millisecond)
		c.mu.Lock()
		defer c.mu.Unlock()
		require.Empty(t, c.reads, "nothing is kept for longer")
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestACallerWaitsNoLongerThanItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://ui", func(config *Config) { config.Timeout = 5 * time.Second })
		c.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "/a")
		require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(err))
		require.Equal(t, time.Second, time.Since(began))
		_, err = c.Get(t.Context(), "/a")
		require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(err))
		require.Equal(t, 5*time.Second, time.Since(began), "the request had its own")
	})
}

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://ui", nil)
	c.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) { panic("bug") })
	_, err := c.Get(t.Context(), "/")
	require.EqualError(t, err, "internal error: bug")
}

func TestConnectionsAreFewAndLongLived(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := newClient(t, s.URL, nil)
	for round := range 3 {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				path := fmt.Sprintf("/%d/%d", round, i)
				body, err := c.Get(t.Context(), path)
				require.NoError(t, err)
				require.Equal(t, path, string(body))
			})
		}
		all.Wait()
	}
	require.LessOrEqual(t, opened.Load(), int64(2))
}

func TestWhoAsksIsSaid(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Authorization")) })
	get := func(change func(*Config)) string {
		body, err := newClient(t, s.URL, change).Get(t.Context(), "/")
		require.NoError(t, err)
		return string(body)
	}
	require.Empty(t, get(nil))
	require.Equal(t, "Basic dTpw", get(func(c *Config) { c.User, c.Password = "u", always("p") }))
	require.Equal(t, "Bearer tok", get(func(c *Config) { c.User, c.Password, c.Token = "u", always("p"), always("tok") }))
	_, err := newClient(t, s.URL, func(c *Config) {
		c.Token = func() (string, error) { return "", errors.New("no such file") }
	}).Get(t.Context(), "/")
	require.EqualError(t, err, "auth: no such file")
	require.Equal(t, redisclient.ReasonConfig, redisclient.ReasonOf(err))
}

func TestARefusalSaysWhy(t *testing.T) {
	t.Parallel()
	const secret = "tok-9Zs"
	answer := func(code int, header, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	for name, tt := range map[string]struct {
		handle http.HandlerFunc
		reason redisclient.Reason
		text   string
	}{
		"no leader": {
			answer(500, "", "", `{"error":"500 Server Error","errorMessage":"NimbusLeaderNotFoundException: Could not find leader\n\tat x"}`),
			redisclient.ReasonCommand, "get /x: HTTP status 500 (Internal Server Error): NimbusLeaderNotFoundException: Could not find leader",
		},
		"an echo of the secret": {
			answer(500, "", "", `{"error":"you said `+secret+`"}`), redisclient.ReasonCommand, "get /x: HTTP status 500 (Internal Server Error): you said ***",
		},
		"a page of a proxy": {answer(502, "", "", "<h1>Bad</h1>"), redisclient.ReasonCommand, "get /x: HTTP status 502 (Bad Gateway)"},
		"no login":          {answer(401, "WWW-Authenticate", "Basic", ""), redisclient.ReasonAuth, "get /x: HTTP status 401 (Unauthorized)"},
		"Kerberos": {answer(401, "WWW-Authenticate", "Negotiate", ""), redisclient.ReasonAuth,
			"get /x: HTTP status 401 (Unauthorized) (the server wants Kerberos, which is not supported: let a proxy ask for a password or a token)"},
		"not allowed": {answer(403, "", "", ""), redisclient.ReasonAuth, "get /x: HTTP status 403 (Forbidden)"},
		"no such path": {answer(404, "", "", ""), redisclient.ReasonProtocol,
			"get /x: HTTP status 404 (Not Found) (is this a Storm UI, and is the path in the Uri right?)"},
		"a redirect": {answer(302, "Location", "https://login.example/?next="+secret, ""), redisclient.ReasonProtocol,
			"get /x: HTTP status 302 (Found) to https://login.example: redirects are not followed, write the final address into the Uri"},
		"too much":         {answer(200, "", "", strings.Repeat("x", 1001)), redisclient.ReasonProtocol, "get /x: the answer has more than 1000 bytes"},
		"too many headers": {answer(200, "X", strings.Repeat("x", maxHeader+5000), ""), redisclient.ReasonProtocol, "get /x: "},
		"a cut answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}, redisclient.ReasonProtocol, "get /x: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, serve(t, tt.handle).URL, func(c *Config) { c.Token = always(secret) })
			_, err := c.Get(t.Context(), "/x")
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.reason, redisclient.ReasonOf(err))
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), "127.0.0.1", "the target's name has the address")
		})
	}
	var status *StatusError
	_, err := newClient(t, serve(t, answer(418, "", "", "")).URL, nil).Get(t.Context(), "/")
	require.ErrorAs(t, err, &status)
	require.Equal(t, 418, status.StatusCode())
}

func TestWhoCannotBeReachedHasAReason(t *testing.T) {
	t.Parallel()
	closed := ports.FreeAddr(t)
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	secured := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secured.Close)
	trusting := func() (*tls.Config, error) {
		return &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com"}, nil
	}
	for name, tt := range map[string]struct {
		url    string
		reason redisclient.Reason
		op     string
	}{
		"a closed port":          {"http://" + closed, redisclient.ReasonTCP, "connect: "},
		"no such name":           {"http://no-such-host.invalid", redisclient.ReasonDNS, "connect: "},
		"TLS on a plain port":    {strings.Replace(plain.URL, "http:", "https:", 1), redisclient.ReasonTLS, "TLS: "},
		"an unknown certificate": {secured.URL, redisclient.ReasonTLS, "TLS: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, tt.url, func(c *Config) { c.TLS = trusting }).Get(t.Context(), "/")
			require.Equal(t, tt.reason, redisclient.ReasonOf(err), "%v", err)
			require.True(t, strings.HasPrefix(err.Error(), tt.op), "%v", err)
		})
	}
	pool := x509.NewCertPool()
	pool.AddCert(secured.Certificate())
	_, err := newClient(t, secured.URL, func(c *Config) {
		c.TLS = func() (*tls.Config, error) { return &tls.Config{RootCAs: pool, ServerName: "example.com"}, nil }
	}).Get(t.Context(), "/")
	require.ErrorContains(t, err, "404", "a known one is trusted")
}

// FuzzServersWords: no more than one short line comes out of an error page, and
// never the secret.
func FuzzServersWords(f *testing.F) {
	f.Add(`{"error":"500 Server Error","errorMessage":"org.x.E: why\n\tat y"}`)
	f.Add(`{"errorMessage":7,"error":"s3cret\u0000s3cret"}`)
	f.Add("<html>")
	f.Fuzz(func(t *testing.T, body string) {
		text := serversWords(strings.NewReader(body), "s3cret")
		require.LessOrEqual(t, len([]rune(text)), maxText)
		require.NotContains(t, text, "s3cret")
		require.NotContains(t, text, "\n")
	})
}

// TestTheCauseOfARefusalIsToldWithIt: Storm 2 wraps the exception that says that a
// topology is gone.
func TestTheCauseOfARefusalIsToldWithIt(t *testing.T) {
	t.Parallel()
	for trace, want := range map[string]string{
		`E: outer\n\tat x\nCaused by: F: middle\n\tat y\nCaused by: NotAliveException(msg:a s3cret)\n\tat z\n\t... 50 more\n`: "E: outer, caused by NotAliveException(msg:a ***)",
		strings.Repeat("x", 500) + `\nCaused by: NotAliveException(msg:a)`:                                                    strings.Repeat("x", 99) + "…, caused by NotAliveException(msg:a)",
		`Caused by: nothing`: "Caused by: nothing",
	} {
		require.Equal(t, want, serversWords(strings.NewReader(`{"errorMessage":"`+trace+`"}`), "s3cret"))
	}
	real, err := os.Open("../../metrics/storm/testdata/ui-2.8.3/gone.500.json")
	require.NoError(t, err)
	defer real.Close()
	require.Equal(t, "java.io.IOException: Unable to fetch topo conf for topo id gone-1-1, caused by NotAliveException(msg:gone-1-1)", serversWords(real))
}
