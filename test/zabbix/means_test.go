//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// every runs a function again and again until it is stopped.
func every(pause time.Duration, f func()) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			f()
			select {
			case <-ended:
				return
			case <-time.After(pause):
			}
		}
	}()
	return sync.OnceFunc(func() { close(ended); <-done })
}

// during is the fault that a function run again and again makes.
func during(name string, f func(t testing.TB), want ...string) step {
	var stop func()
	return step{name: name, want: want,
		do: func(t testing.TB) {
			stop = every(200*time.Millisecond, func() { f(t) })
			t.Cleanup(func() {
				if stop != nil {
					stop()
				}
			})
		},
		undo: func(testing.TB) { stop(); stop = nil },
	}
}

// quietSlowlog are the arguments of a server that slowCommands is for: a busy machine makes commands slow, too.
var quietSlowlog = []string{"--enable-debug-command", "local", "--slowlog-log-slower-than", "-1"}

// slowCommands are commands that the server itself takes for slow, while the fault lasts.
func slowCommands(s *redistest.Server, want ...string) step {
	out := during("slow commands", func(t testing.TB) { s.Do(t, "DEBUG", "SLEEP", "0.002") }, want...)
	log := func(usec string, then func(testing.TB)) func(testing.TB) {
		return func(t testing.TB) {
			s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", usec)
			then(t)
		}
	}
	out.do, out.undo = log("1000", out.do), log("-1", out.undo)
	return out
}

// lazy is a network in front of a server that can become slow, and lead to another server.
type lazy struct {
	addr  string
	to    atomic.Value // string
	delay atomic.Int64
}

func newLazy(t testing.TB, to string) *lazy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	l := &lazy{addr: ln.Addr().String()}
	l.to.Store(to)
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", l.to.Load().(string))
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				defer client.Close()
				defer server.Close()
				io.Copy(server, client)
			}()
			go func() {
				defer client.Close()
				defer server.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := server.Read(buf)
					time.Sleep(time.Duration(l.delay.Load()))
					if n > 0 {
						if _, err := client.Write(buf[:n]); err != nil {
							return
						}
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l
}

// dirOf is the folder that a server works in.
func dirOf(t testing.TB, s *redistest.Server) string {
	return strings.TrimPrefix(s.Do(t, "CONFIG", "GET", "dir"), "dir\n")
}

// clients opens connections that stay until they are closed.
func clients(t testing.TB, addr string, n int) (closeAll func()) {
	t.Helper()
	var all []net.Conn
	for range n {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = io.WriteString(c, "PING\r\n")
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 64))
		require.NoError(t, err)
		all = append(all, c)
	}
	return func() {
		for _, c := range all {
			c.Close()
		}
	}
}

func fill(t testing.TB, s *redistest.Server, prefix string, megabytes int) {
	t.Helper()
	for i := range megabytes {
		s.Do(t, "SET", prefix+strconv.Itoa(i), strings.Repeat("x", 1<<20-200))
	}
}

// fillTo writes until so many percent of the memory limit are in use; keys of a cluster's node need a tag.
func fillTo(t testing.TB, s *redistest.Server, tag string, percent int) {
	t.Helper()
	limit := atoi(t, s.InfoField(t, "memory", "maxmemory"))
	for i := 0; atoi(t, s.InfoField(t, "memory", "used_memory")) < limit/100*percent; i++ {
		s.Do(t, "SET", fmt.Sprintf("fill{%s}%d", tag, i), strings.Repeat("x", 100<<10))
	}
}

// machineMemory is in MiB.
func machineMemory(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	require.NoError(t, err)
	var kib int
	_, err = fmt.Sscanf(string(text), "MemTotal: %d kB", &kib)
	require.NoError(t, err)
	return kib >> 10
}

// permissions are those that the plugin itself asks for.
func permissions(t testing.TB) string {
	t.Helper()
	out, err := exec.Command(agent.Plugin(t), "-acl").Output()
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(out), "\n")
	_, rules, ok := strings.Cut(line, ">PASSWORD ")
	require.True(t, ok, "%s", out)
	return rules
}
