// Package ports hands out loopback ports to the servers of tests.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports are below those that systems give to connections and to whoever asks for port 0 (Linux: from 32768 on), so
// that nobody takes one between the search and its use, or while its server is being restarted. Zabbix and its agents
// take no higher ListenPort.
const first, last = 10000, 32767

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// Free returns a port that nobody listens on, and that it has not returned before.
func Free(t testing.TB) int {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first+1)
		if given[port] {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		given[port] = true
		return port
	}
	t.Fatal("no free loopback port in 1000 attempts")
	return 0
}

// FreeAddr is Free with its host, as 127.0.0.1:12345. It is also what has no server.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Free(t))
}
