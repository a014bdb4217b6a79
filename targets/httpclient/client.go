package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"redisjobs/redisclient"
)

// Fresh is how long an answer also serves those who ask for the same a moment
// later.
const Fresh = time.Second

const (
	maxHeader = 64 << 10 // bytes of an answer's headers
	// keepAlivePeriod finds out that a silent peer is gone.
	keepAlivePeriod = 30 * time.Second
)

// Config describes the server and the bounds. The functions are called for each
// request or connection, because what they read may change; nil ones give
// nothing.
type Config struct {
	// URL is the server's base address, http:// or https://, without a slash at
	// its end.
	URL  string
	User string
	// Password makes the authentication Basic (RFC 7617), as does a User alone;
	// Token, which goes before it, Bearer (RFC 6750).
	Password func() (string, error)
	Token    func() (string, error)
	// TLS is how to shake hands for https://.
	TLS func() (*tls.Config, error)
	// Agent is the header User-Agent.
	Agent string
	// MaxConnections is the most connections at a time.
	MaxConnections int
	// IdleTimeout is how long an unused connection is kept.
	IdleTimeout time.Duration
	// Timeout bounds one request, connecting included.
	Timeout time.Duration
	// MaxBody is the longest answer in bytes.
	MaxBody int64
}

// Client reads one server. It may be used by many goroutines at once.
type Client struct {
	config Config
	http   http.Client

	mu    sync.Mutex
	reads map[string]*read // by path; under way, or fresh
}

// read is one request that any number of callers share.
type read struct {
	done chan struct{} // closed when the rest is set
	body []byte
	err  error
}

// New returns a client; it connects when it is asked.
func New(config Config) *Client {
	c := &Client{config: config, reads: make(map[string]*read)}
	c.http = http.Client{
		Transport: &http.Transport{
			DialContext:            c.dial,
			DialTLSContext:         c.dialTLS,
			MaxConnsPerHost:        config.MaxConnections,
			MaxIdleConnsPerHost:    config.MaxConnections,
			IdleConnTimeout:        config.IdleTimeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get returns the answer's body, which belongs to all who asked and must not be
// changed. Path and query are appended to the base address. An error is a
// *redisclient.Error; that of an answer with another status than 200 wraps a
// *StatusError.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	r := c.read(path)
	select {
	case <-r.done:
		return r.body, r.err
	case <-ctx.Done():
		return nil, &redisclient.Error{
			Op: "get " + path, Reason: redisclient.ReasonOf(ctx.Err()),
			Err: fmt.Errorf("no answer yet: %w", ctx.Err()),
		}
	}
}

// read joins the request for a path, or makes it.
func (c *Client) read(path string) *read {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.reads[path]; r != nil {
		return r
	}
	r := &read{done: make(chan struct{})}
	c.reads[path] = r
	go c.run(path, r)
	return r
}

func (c *Client) run(path string, r *read) {
	defer func() {
		if p := recover(); p != nil { // it would end the process, and the agent with it
			r.body, r.err = nil, fmt.Errorf("internal error: %v", p)
		}
		close(r.done)
		time.AfterFunc(Fresh, func() { c.forget(path, r) })
	}()
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	var err error
	if r.body, err = c.get(ctx, path); err != nil {
		r.err = wrap("get "+path, err)
	}
}

func (c *Client) forget(path string, r *read) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reads[path] == r {
		delete(c.reads, path)
	}
}

// wrap names what was tried, unless the error of a phase before it does.
func wrap(op string, err error) error {
	var known *redisclient.Error
	if errors.As(err, &known) {
		return known
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // the address is in the target's name
	}
	return &redisclient.Error{Op: op, Reason: redisclient.ReasonOf(err), Err: err}
}

func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.URL+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.config.Agent)
	secret, err := c.authorize(request)
	if err != nil {
		return nil, &redisclient.Error{Op: "auth", Reason: redisclient.ReasonConfig, Err: err}
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, refusal(answer, secret)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.config.MaxBody+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > c.config.MaxBody:
		return nil, &redisclient.Error{
			Op: "get " + path, Reason: redisclient.ReasonProtocol,
			Err: fmt.Errorf("the answer has more than %d bytes", c.config.MaxBody),
		}
	}
	return body, nil
}

// authorize says who asks, and returns the secret that it used.
func (c *Client) authorize(request *http.Request) (string, error) {
	token, err := call(c.config.Token)
	if err != nil {
		return "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
		return token, nil
	}
	password, err := call(c.config.Password)
	if err != nil {
		return "", err
	}
	if c.config.User != "" || password != "" {
		request.SetBasicAuth(c.config.User, password)
	}
	return password, nil
}

func call(secret func() (string, error)) (string, error) {
	if secret == nil {
		return "", nil
	}
	return secret()
}

func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: keepAlivePeriod}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &redisclient.Error{Op: "dial", Reason: redisclient.ReasonOf(err), Err: err}
	}
	return conn, nil
}

func (c *Client) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	fail := func(reason redisclient.Reason, err error) (net.Conn, error) {
		return nil, &redisclient.Error{Op: "tls", Reason: reason, Err: err}
	}
	if c.config.TLS == nil {
		return fail(redisclient.ReasonConfig, errors.New("TLS is not configured"))
	}
	config, err := c.config.TLS()
	if err != nil {
		return fail(redisclient.ReasonConfig, err)
	}
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		reason := redisclient.ReasonOf(err)
		if reason == redisclient.ReasonTCP || reason == redisclient.ReasonProtocol {
			reason = redisclient.ReasonTLS // the peer hung up on the handshake
		}
		return fail(reason, err)
	}
	return secured, nil
}
