package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pools has one pool for each address.
type pools struct {
	size int

	mu    sync.Mutex
	byURI map[string]*pool
	files map[string]string // their texts, by path
}

// file is the text of a file, which is read once.
func (ps *pools) file(path string) (string, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if text, ok := ps.files[path]; ok {
		return text, nil
	}
	text, err := os.ReadFile(path)
	if err == nil {
		ps.files[path] = string(text)
	}
	return string(text), err
}

func (ps *pools) of(uri string) (*pool, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.byURI[uri]; p != nil {
		return p, nil
	}
	u, err := url.Parse(uri)
	if err != nil {
		return nil, err
	}
	p := &pool{addr: u.Host, db: strings.Trim(u.Path, "/"), slots: make(chan struct{}, ps.size)}
	ps.byURI[uri] = p
	return p, nil
}

// pool holds the connections to one server, the newest used first.
type pool struct {
	addr, db string
	slots    chan struct{} // one for each connection in use

	mu   sync.Mutex
	idle []*conn
}

type conn struct {
	net.Conn
	in *bufio.Reader
}

func (p *pool) roundTrip(deadline time.Time, command string) (string, error) {
	return p.with(deadline, func(c *conn) (string, error) { return c.ask(command) })
}

// getCommands are what redis.get sends to a server that is no cluster.
var getCommands = []string{"PING", "INFO everything", "SLOWLOG LEN", "SLOWLOG GET 1", "CONFIG GET max*", "LATENCY LATEST"}

// forward sends so many commands as one pipeline and returns their replies as they
// came.
func (p *pool) forward(deadline time.Time, commands string, n int) (string, error) {
	return p.with(deadline, func(c *conn) (string, error) {
		if _, err := io.WriteString(c, commands); err != nil {
			return "", err
		}
		var replies []byte
		var err error
		for range n {
			if replies, err = c.raw(replies); err != nil {
				return "", err
			}
		}
		return string(replies), nil
	})
}

func (p *pool) with(deadline time.Time, talk func(c *conn) (string, error)) (string, error) {
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	c, err := p.get(deadline)
	if err != nil {
		return "", err
	}
	c.SetDeadline(deadline)
	reply, err := talk(c)
	if err != nil {
		c.Close()
		return "", err
	}
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	return reply, nil
}

func (p *pool) get(deadline time.Time) (*conn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	raw, err := net.DialTimeout("tcp", p.addr, time.Until(deadline))
	if err != nil {
		return nil, err
	}
	c := &conn{raw, bufio.NewReaderSize(raw, 16<<10)}
	if p.db != "" {
		c.SetDeadline(deadline)
		if _, err := c.ask("SELECT " + p.db); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// ask sends a command and returns the reply, a status or a bulk string.
func (c *conn) ask(command string) (string, error) {
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(line[1:]), "\r\n")
	switch line[0] {
	case '+':
		return text, nil
	case '$':
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return "", fmt.Errorf("unexpected reply $%s", text)
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return "", err
		}
		return string(body[:n]), nil
	}
	return "", fmt.Errorf("unexpected reply %s", text)
}

// raw appends the next reply to dst.
func (c *conn) raw(dst []byte) ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return dst, err
	}
	dst = append(dst, line...)
	switch line[0] {
	case '$', '*':
		n, err := strconv.Atoi(strings.TrimRight(string(line[1:]), "\r\n"))
		if err != nil || n < 0 {
			return dst, err
		}
		if line[0] == '$' {
			start := len(dst)
			dst = append(dst, make([]byte, n+2)...)
			_, err := io.ReadFull(c.in, dst[start:])
			return dst, err
		}
		for range n {
			if dst, err = c.raw(dst); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}
