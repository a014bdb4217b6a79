//go:build e2e && linux

// Package faults is the worst day: the built plugin, driven as an agent drives it, against real servers that die, hang,
// lie, move and change their passwords. The stories are those that connection pools of other Redis clients are known to
// have failed.
package faults

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// patience bounds every wait for something that must come. The longest pause between two tries of a failing target is
// 10 s.
const patience = 25 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for timeouts most of the time, so more of them fit side by side than there are processors.
	if flag.Lookup("test.parallel").Value.String() == flag.Lookup("test.parallel").DefValue {
		_ = flag.Set("test.parallel", "10")
	}
	os.Exit(m.Run())
}

// start runs the plugin with options below Plugins.RedisJobs.
func start(t testing.TB, options ...string) *driver.Plugin {
	t.Helper()
	return driver.Start(t, driver.Config{Options: append([]string{"CustomCommands=1"}, options...)})
}

// redis starts a server on which the key of every name holds a value that no other key of any server has.
func redis(t testing.TB, cfg redistest.Config) *redistest.Server {
	t.Helper()
	s := redistest.Start(t, cfg)
	fill(t, s)
	return s
}

const keys = 200

func key(i int) string { return "key" + strconv.Itoa(i%keys) }

// value is what a key of a server holds.
func value(s *redistest.Server, key string) string { return key + " of " + s.Addr }

func fill(t testing.TB, s *redistest.Server) {
	t.Helper()
	args := []string{"MSET"}
	for i := range keys {
		args = append(args, key(i), value(s, key(i)))
	}
	s.Do(t, args...)
}

// reading are the words of redis.command that read a key in one command: before GET
// it would ask for the length.
func reading(key string) []string { return []string{"GETRANGE", key, "0", "999"} }

// ask sends a check that reads one key.
func ask(p *driver.Plugin, timeout int, conn, key string) *driver.Check {
	return p.Ask(timeout, "redis.command", append([]string{conn, "", ""}, reading(key)...)...)
}

func get(p *driver.Plugin, conn, key string) (string, error) { return ask(p, 3, conn, key).Answer() }

// want asks for a key and insists on its value.
func want(t testing.TB, p *driver.Plugin, conn string, s *redistest.Server, key string) {
	t.Helper()
	got, err := get(p, conn, key)
	require.NoError(t, err)
	require.Equal(t, value(s, key), got)
}

// wantAll asks for n keys at once and insists on their values.
func wantAll(t testing.TB, p *driver.Plugin, conn string, s *redistest.Server, n int) {
	t.Helper()
	checks := make([]*driver.Check, n)
	for i := range checks {
		checks[i] = ask(p, 3, conn, key(i))
	}
	for i, c := range checks {
		got, err := c.Answer()
		require.NoError(t, err)
		require.Equal(t, value(s, key(i)), got)
	}
}

// refused is the plugin's error of a check, which must have one.
func refused(t testing.TB, c *driver.Check) string {
	t.Helper()
	got, err := c.Answer()
	var r *driver.Refused
	require.ErrorAs(t, err, &r, "the value %q", got)
	return r.Text
}

// awaitValue asks for a key until its value comes and returns the errors before it.
func awaitValue(t testing.TB, p *driver.Plugin, conn string, s *redistest.Server, key string) []string {
	t.Helper()
	var before []string
	await(t, patience, "a value of "+conn, func() bool {
		got, err := get(p, conn, key)
		if err == nil {
			require.Equal(t, value(s, key), got)
			return true
		}
		before = append(before, err.Error())
		return false
	})
	return before
}

// await polls until the condition holds.
func await(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for late := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		require.False(t, time.Now().After(late), "waited %v in vain for %s", within, what)
	}
}

// awaitCalm waits until nothing is under way in the pool and the process holds no more than it did, but for connections
// that are idle now and the few goroutines that wait for the next check. The runtime's own come and go.
func awaitCalm(t testing.TB, p *driver.Plugin, before driver.Resources) driver.Pool {
	t.Helper()
	const slack, workers = 3, 16
	var pool driver.Pool
	var now driver.Resources
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		pool = p.Pool(t)
		now = driver.Resources{Goroutines: pool.Process.Goroutines, Descriptors: p.Descriptors(t)}
		if pool.InUse+pool.Dialing+pool.Waiting == 0 &&
			now.Goroutines <= before.Goroutines+workers+slack && now.Descriptors <= before.Descriptors+pool.Idle+slack {
			return pool
		}
		require.False(t, time.Now().After(late), "no calm: %+v, before %+v, pool %+v", now, before, pool.Gauges)
	}
}

// connections is how many the server has accepted so far, the test's own among them.
func connections(t testing.TB, s *redistest.Server) int {
	t.Helper()
	return number(t, s.InfoField(t, "stats", "total_connections_received"))
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// blackHole is a port that does not answer a connect: its queue of connections is full and nobody takes from it. The
// function opens it to a proxy.
func blackHole(t testing.TB) (addr string, open func(backend string) *proxy) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	file := os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { _ = file.Close() })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	bound, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(bound.(*syscall.SockaddrInet4).Port))
	for full := false; !full; {
		conn, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		var timeout net.Error
		full = errors.As(err, &timeout) && timeout.Timeout()
		if !full {
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	return addr, func(backend string) *proxy {
		require.NoError(t, syscall.Listen(fd, 128))
		listener, err := net.FileListener(file)
		require.NoError(t, err)
		return serveProxy(t, listener, backend)
	}
}

// closeWait counts the process's sockets that the other side has closed and it has not.
func closeWait(t testing.TB, pid int) int {
	t.Helper()
	own := map[string]bool{}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if link, err := os.Readlink(dir + "/" + e.Name()); err == nil && strings.HasPrefix(link, "socket:[") {
			own[strings.Trim(link, "socket:[]")] = true
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	require.NoError(t, err)
	n := 0
	for line := range strings.Lines(string(text)) {
		const state, inode = 3, 9
		if f := strings.Fields(line); len(f) > inode && f[state] == "08" && own[f[inode]] {
			n++
		}
	}
	return n
}
