package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// Do runs a command as the default user and returns its reply as redis-cli
// would print it raw: members of an array each on a line, null as "". An error
// reply fails the test. All calls share one connection.
func (s *Server) Do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := s.TryDo(args...)
	if err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	return out
}

// TryDo is Do that returns the error.
func (s *Server) TryDo(args ...string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = s.changed || changes(args)
	if s.admin == nil {
		if err := s.connect(); err != nil {
			return "", err
		}
	}
	return s.roundTrip(args)
}

// pipelined is how many commands DoAll sends before it reads their replies.
const pipelined = 500

// DoAll is Do of many commands in few round trips.
func (s *Server) DoAll(t testing.TB, commands ...[]string) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, 0, len(commands))
	for some := range slices.Chunk(commands, pipelined) {
		replies, err := s.pipeline(some)
		if err != nil {
			t.Fatalf("%s: %v", some[min(len(replies), len(some)-1)][0], err)
		}
		out = append(out, replies...)
	}
	return out
}

// pipeline returns the replies before the first error.
func (s *Server) pipeline(commands [][]string) ([]string, error) {
	if s.admin == nil {
		if err := s.connect(); err != nil {
			return nil, err
		}
	}
	var text strings.Builder
	for _, args := range commands {
		s.changed = s.changed || changes(args)
		text.WriteString(encode(args))
	}
	_ = s.admin.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(s.admin, text.String()); err != nil {
		s.disconnect()
		return nil, err
	}
	var replies []string
	for range commands {
		reply, err := readReply(s.buf)
		if err != nil {
			s.disconnect() // with the replies that are left
			return replies, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

func (s *Server) connect() error {
	conn, err := net.DialTimeout("tcp", s.Addr, patience)
	if err != nil {
		return err
	}
	s.admin, s.buf = conn, bufio.NewReader(conn)
	if s.Password != "" {
		if _, err := s.roundTrip([]string{"AUTH", s.Password}); err != nil {
			s.disconnect()
			return err
		}
	}
	return nil
}

func (s *Server) disconnect() {
	if s.admin != nil {
		_ = s.admin.Close()
		s.admin = nil
	}
}

// roundTrip drops the connection when it breaks, so that the next call dials.
func (s *Server) roundTrip(args []string) (string, error) {
	_ = s.admin.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(s.admin, encode(args)); err != nil {
		s.disconnect()
		return "", err
	}
	out, err := readReply(s.buf)
	var refused refusal
	if err != nil && !errors.As(err, &refused) {
		s.disconnect()
	}
	return out, err
}
