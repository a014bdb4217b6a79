package plugin

import (
	"encoding/json"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

func keysServer(t *testing.T, keys string) *redistest.Server {
	t.Helper()
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	s.Do(t, "DEBUG", "POPULATE", keys, "session", "8")
	return s
}

func sample(t *testing.T, a *agent, conn string) map[string]any {
	t.Helper()
	var doc map[string]any
	r := a.export(3, "redis.keyspace.sample", conn)
	require.NoError(t, json.Unmarshal([]byte(r.Value.(string)), &doc), "%v", r.Error)
	require.Equal(t, 1.0, doc["up"], "%v", doc)
	return doc
}

func TestAPassOverTheKeysGoesOnBetweenChecks(t *testing.T) {
	t.Parallel()
	s := keysServer(t, "20000")
	a := startAgent(t, Server{})
	a.configure(options("MaxConnections=1", "Keyspace.KeysPerSecond=50000"))
	require.NotContains(t, sample(t, a, s.Addr), "keys", "the first answer comes before the pass")
	var doc map[string]any
	require.Eventually(t, func() bool {
		require.Equal(t, "1", a.export(3, "redis.server.ping", s.Addr).Value, "other checks are served meanwhile")
		doc = sample(t, a, s.Addr)
		return doc["keys"] != nil
	}, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, 20000.0, doc["keys"])
	require.Equal(t, "session", doc["groups"].([]any)[0].(map[string]any)["group"])
	received, err := strconv.Atoi(s.InfoField(t, "stats", "total_connections_received"))
	require.NoError(t, err)
	require.LessOrEqual(t, received, 3, "the plugin's only one and the test's own")
	a.terminate()
	require.Equal(t, 0, a.exited())
}

func TestAPassOverTheKeysEndsWithItsConfiguration(t *testing.T) {
	t.Parallel()
	s := keysServer(t, "5000")
	a := startAgent(t, Server{})
	a.configure(options("Keyspace.KeysPerSecond=10"))
	sample(t, a, s.Addr)
	scans := func() string {
		return scanCalls.FindString(s.Do(t, "INFO", "commandstats"))
	}
	require.Eventually(t, func() bool { return scans() != "" }, 30*time.Second, 5*time.Millisecond)
	a.configure(options())
	require.Eventually(t, func() bool {
		return s.InfoField(t, "clients", "connected_clients") == "1"
	}, 30*time.Second, 5*time.Millisecond, "the old configuration's connections are closed")
	ended := scans()
	require.Never(t, func() bool { return scans() != ended }, 300*time.Millisecond, 100*time.Millisecond,
		"it would have read three slices")

	sample(t, a, s.Addr)
	began := time.Now()
	a.terminate()
	require.Equal(t, 0, a.exited())
	require.Less(t, time.Since(began), 10*time.Second, "a pass under way holds nothing up")
}

var scanCalls = regexp.MustCompile(`cmdstat_scan:calls=\d+`)
