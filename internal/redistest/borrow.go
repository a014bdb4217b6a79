package redistest

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lent are the servers that tests have handed back.
var lent struct {
	mu   sync.Mutex
	free []*Server
}

// Borrow is Start(t, Config{}) for tests that only put keys into the server: what
// they get is empty, and may have served other tests of this process. A server
// whose settings, users or process a test has changed is not lent again. It cannot
// be restarted, and has no folder to save to.
func Borrow(t testing.TB) *Server {
	t.Helper()
	lent.mu.Lock()
	var s *Server
	if n := len(lent.free); n > 0 {
		s, lent.free = lent.free[n-1], lent.free[:n-1]
	}
	lent.mu.Unlock()
	if s == nil {
		dir, err := os.MkdirTemp("", "redistest")
		if err != nil {
			t.Fatalf("folder of the server: %v", err)
		}
		s = startIn(t, dir, Config{})
		_ = os.RemoveAll(dir) // it has read its configuration, and saves nothing
	}
	t.Cleanup(func() { s.handBack(t) })
	return s
}

// handBack empties the server and has it ready for the next test, or ends it.
func (s *Server) handBack(t testing.TB) {
	s.mu.Lock()
	changed := s.changed
	s.mu.Unlock()
	if !changed && s.process != nil {
		clean := [][]string{{"CLIENT", "KILL", "TYPE", "normal"}, {"CLIENT", "KILL", "TYPE", "pubsub"}, {"FLUSHALL"}, {"SLOWLOG", "RESET"}, {"SCRIPT", "FLUSH"}, {"CONFIG", "RESETSTAT"}, {"SELECT", "0"}}
		if !slices.ContainsFunc(clean, func(command []string) bool { _, err := s.TryDo(command...); return err != nil }) {
			lent.mu.Lock()
			lent.free = append(lent.free, s)
			lent.mu.Unlock()
			return
		}
	}
	s.Kill(t)
}

// changes reports whether a command leaves more behind than keys.
func changes(args []string) bool {
	word := strings.ToUpper(args[0])
	if len(args) > 1 && slices.Contains([]string{"CONFIG", "CLIENT", "SLOWLOG", "ACL", "SCRIPT", "FUNCTION", "LATENCY", "CLUSTER"}, word) {
		return !slices.Contains([]string{"GET", "LIST", "KILL", "RESETSTAT", "RESET", "INFO", "ID", "LEN"}, strings.ToUpper(args[1]))
	}
	return slices.Contains([]string{"AUTH", "DEBUG", "REPLICAOF", "SLAVEOF", "SHUTDOWN", "MULTI", "MONITOR", "SUBSCRIBE", "FAILOVER", "MODULE", "FCALL"}, word)
}
