//go:build e2e && linux

package topology

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// The tests of this file run one after the other: each fills a server as no other test does.

// largestProcess is what the plugin may need, in bytes, whatever the size of a server.
const largestProcess = 64 << 20

// largestAnswer is the plugin's default MaxAnswer.
const largestAnswer = 1 << 20

// within asks for an item that must be answered inside its timeout of 3 s, by a document below the largest size.
func within(t *testing.T, p *driver.Plugin, key string, params ...string) map[string]any {
	t.Helper()
	check := p.Ask(3, key, params...)
	text, err := check.Answer()
	require.NoError(t, err)
	require.Less(t, check.TookAwake(), 3*time.Second)
	require.Less(t, len(text), largestAnswer)
	doc := decode(t, text)
	require.Equal(t, 1.0, doc["up"], doc["error"])
	t.Logf("%s: %v, %d bytes", key, check.Took().Round(time.Millisecond), len(text))
	return doc
}

func wantSmallProcess(t *testing.T, p *driver.Plugin) {
	t.Helper()
	rss := p.Pool(t).Process.RSS
	t.Logf("the plugin's memory: %d MB", rss>>20)
	require.Less(t, rss, int64(largestProcess))
}

func TestTenThousandDatabases(t *testing.T) {
	const databases = 10000
	s := redistest.Start(t, redistest.Config{Args: []string{"--databases", fmt.Sprint(databases)}})
	s.Do(t, "EVAL", fmt.Sprintf("for i = 0, %d do redis.call('SELECT', i) redis.call('SET', 'k', i) end", databases-1), "0")
	p := driver.Start(t, driver.Config{})
	for range 3 {
		doc := within(t, p, "redis.get", s.Addr)
		require.Len(t, doc["keyspace"], 1000)
		require.Equal(t, 1.0, row(t, doc["keyspace"], "db", "db7")["keys"])
		require.Equal(t, float64(databases-1000), doc["truncated"].(map[string]any)["keyspace"], "what is left out is said")
		require.Equal(t, 1.0, within(t, p, "redis.status", s.Addr)["up"])
	}
	// As the built-in plugin: all of them.
	check := p.Ask(3, "redis.server.info", s.Addr, "", "keyspace")
	text, err := check.Answer()
	require.NoError(t, err)
	require.Len(t, decode(t, text)["Keyspace"], databases)
	t.Logf("redis.server.info: %v, %d bytes", check.Took().Round(time.Millisecond), len(text))
	wantSmallProcess(t, p)
}

func TestTenThousandClients(t *testing.T) {
	const clients = 10000
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < clients+200 {
		t.Skipf("NOT TESTED with %d clients: a process may open %d files here", clients, limit.Max)
	}
	s := redistest.Start(t, redistest.Config{Args: []string{
		"--maxclients", fmt.Sprint(clients + 100), "--protected-mode", "no", // for source addresses other than 127.0.0.1
	}})
	p := driver.Start(t, driver.Config{})
	for i := range clients {
		// A source address has not enough ports for all that a server may have.
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/20000))}
		conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", s.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		command := fmt.Sprintf("CLIENT SETNAME worker-%d\r\n", i%500)
		_, err = io.WriteString(conn, command)
		require.NoError(t, err)
		ok, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "+OK\r\n", ok)
	}
	for range 3 {
		doc := within(t, p, "redis.clients.get", s.Addr)
		require.GreaterOrEqual(t, doc["total"], float64(clients))
		require.Equal(t, float64(clients), row(t, doc["by_address"], "address", "127.0.1.0/24")["count"])
		require.Len(t, doc["by_name"], 100)
		require.GreaterOrEqual(t, doc["truncated"].(map[string]any)["by_name"], 400.0)
		require.GreaterOrEqual(t, doc["others"].(map[string]any)["by_name"], 400.0*clients/500)
		require.Len(t, doc["largest"], 10)
		get := within(t, p, "redis.get", s.Addr)
		require.GreaterOrEqual(t, get["clients"].(map[string]any)["connected_clients"], float64(clients))
	}
	wantSmallProcess(t, p)
}

func TestAGigabyteOfKeys(t *testing.T) {
	if free := available(t); free < 4<<30 {
		t.Skipf("NOT TESTED with 1 GB of keys: this machine has %d MB of memory left", free>>20)
	}
	const (
		count = 250_000
		ones  = 111_111 // of the numbers below count begin with 1
	)
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	s.Do(t, "DEBUG", "POPULATE", fmt.Sprint(count), "key", "4400")
	s.Do(t, "EVAL", "for i = 1, 100000 do redis.call('SADD', 'set', i) end", "0")
	p := driver.Start(t, driver.Config{})
	for range 3 {
		doc := within(t, p, "redis.get", s.Addr)
		require.Greater(t, doc["memory"].(map[string]any)["used_memory"], float64(1<<30))
		require.Equal(t, float64(count+1), row(t, doc["keyspace"], "db", "db0")["keys"])
		keys := within(t, p, "redis.keys.count", s.Addr, "", "", "key:1*", "50000")
		require.Equal(t, false, keys["complete"])
		require.InDelta(t, 50000, keys["scanned"], 2000)
		require.InEpsilon(t, ones, keys["estimate"], 0.1)
		require.Equal(t, 100_000.0, within(t, p, "redis.key.get", s.Addr, "", "", "set")["length"])
	}
	wantSmallProcess(t, p)
}

// available is the memory that the machine can still give, in bytes.
func available(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}
