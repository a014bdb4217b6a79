//go:build e2e && linux

package topology

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// replication is a master with a job's record and enough keys that sending and reading them can be made slow.
type replication struct {
	f      redistest.Flavour
	master *redistest.Server
	p      *driver.Plugin
}

// keys is how many keys the master has beside the record.
const keys = 20000

func newReplication(t *testing.T, f redistest.Flavour) *replication {
	t.Helper()
	m := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"}})
	m.Do(t, "EVAL", fmt.Sprintf("for i = 1, %d do redis.call('SET', 'key' .. i, string.rep('x', 1000) .. i) end", keys), "0")
	m.Do(t, "HSET", "storm:job:backup", "status", "SUCCESS", "updated_at", fmt.Sprint(time.Now().Unix()))
	m.Do(t, "SADD", "storm:jobs", "backup")
	return &replication{f, m, driver.Start(t, driver.Config{})}
}

// replica starts a server that is to become a replica.
func (r *replication) replica(t *testing.T, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Config{Bin: r.f.Bin, Args: args})
}

func follow(t *testing.T, s *redistest.Server, port string) {
	t.Helper()
	s.Do(t, "REPLICAOF", "127.0.0.1", port)
}

// wantUp wants a replica that serves commands, with these fields of INFO replication.
func (r *replication) wantUp(t *testing.T, s *redistest.Server, fields map[string]any) {
	t.Helper()
	status := document(t, r.p, "redis.status", s.Addr)
	require.Equal(t, 1.0, status["up"], status)
	require.Equal(t, "replica", status["role"])
	require.Equal(t, 0.0, status["loading"])
	doc := document(t, r.p, "redis.get", s.Addr)
	require.Equal(t, 1.0, doc["up"], doc["error"])
	for name, want := range fields {
		require.Equal(t, want, doc["replication"].(map[string]any)[name], name)
	}
	require.Equal(t, "1", r.p.Value(t, "redis.server.ping", s.Addr))
}

// wantDown wants a server that is down for a reason, in every item, and none that has a value of what it cannot know.
func (r *replication) wantDown(t *testing.T, s *redistest.Server, reason, word string) (get map[string]any) {
	t.Helper()
	for _, key := range []string{"redis.status", "redis.get", "redis.clients.get", "redis.slowlog.get", "storm.jobs.get"} {
		doc := document(t, r.p, key, s.Addr)
		if key == "redis.get" {
			get = doc
		}
		if doc["up"] == 1.0 && (key == "redis.clients.get" || key == "redis.slowlog.get") {
			continue // the server answers these in some states, and they are true
		}
		require.Equal(t, 0.0, doc["up"], "%s: %v", key, doc)
		require.Equal(t, reason, doc["reason"], key)
		require.Contains(t, doc["error"], word, key)
	}
	require.Equal(t, "replica", get["role"], "what it says of itself is told anyway")
	require.Equal(t, "0", r.p.Value(t, "redis.server.ping", s.Addr))
	require.Contains(t, r.p.Refused(t, "storm.job.status", s.Addr, "", "", "backup"), word, "neither missing nor any status")
	require.Contains(t, r.p.Refused(t, "redis.key.length", s.Addr, "", "", "key1"), word)
	require.Equal(t, 0.0, document(t, r.p, "storm.job.get", s.Addr, "", "", "backup")["up"])
	require.Equal(t, 0.0, document(t, r.p, "redis.key.get", s.Addr, "", "", "key1")["up"])
	return get
}

// TestAReplicaInEveryState makes a replica pass through all that can happen to it.
func TestAReplicaInEveryState(t *testing.T) {
	eachOf(t, together, func(t *testing.T, f redistest.Flavour) {
		r := newReplication(t, f)
		for _, state := range []struct {
			name string
			run  func(*testing.T, *replication)
		}{
			{"in step", inStep}, {"syncing", syncing}, {"syncing, and no stale data", syncingAndStrict}, {"loading", loading},
			{"broken link", brokenLink}, {"broken link, and no stale data", brokenLinkAndStrict},
		} {
			t.Run(state.name, func(t *testing.T) { state.run(t, r) })
		}
	})
}

// inStep is a replica that is well: read-only, and no word of its own.
func inStep(t *testing.T, r *replication) {
	s := r.replica(t)
	follow(t, s, portOf(r.master))
	await(t, "the replica in step", func() bool {
		return s.InfoField(t, "replication", "master_link_status") == "up" &&
			strings.Contains(r.master.Do(t, "INFO", "replication"), "state=online")
	})
	_, err := s.TryDo("SET", "k", "v")
	require.ErrorContains(t, err, "READONLY")
	r.wantUp(t, s, map[string]any{"master_link_status": "up", "slave_read_only": 1.0, "master_sync_in_progress": 0.0})
	require.Equal(t, "6", r.p.Value(t, "storm.job.status", s.Addr, "", "", "backup"))
	require.Equal(t, 1.0, document(t, r.p, "storm.jobs.get", s.Addr)["count"])
	require.Equal(t, "1004", r.p.Value(t, "redis.key.length", s.Addr, "", "", "key1000"))
	replicas := document(t, r.p, "redis.get", r.master.Addr)["replication"].(map[string]any)["replicas"]
	require.Equal(t, "online", row(t, replicas, "port", number(portOf(s)))["state"])
	s.Kill(t)
}

func number(text string) float64 {
	var n float64
	_, _ = fmt.Sscan(text, &n)
	return n
}

// slowly lets the master send its data for a minute, until the test ends.
func (r *replication) slowly(t *testing.T) {
	t.Helper()
	r.master.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "3000")
	t.Cleanup(func() { r.master.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "0") })
}

func (r *replication) awaitSync(t *testing.T, s *redistest.Server) {
	t.Helper()
	await(t, "a sync under way", func() bool {
		return strings.Contains(s.Do(t, "INFO", "replication"), "master_sync_in_progress:1") &&
			strings.Contains(r.master.Do(t, "INFO", "replication"), "slave0:")
	})
}

// syncing is a replica that is sent its data and serves what it has until then.
func syncing(t *testing.T, r *replication) {
	s := r.replica(t)
	r.slowly(t)
	follow(t, s, portOf(r.master))
	r.awaitSync(t, s)
	r.wantUp(t, s, map[string]any{"master_link_status": "down", "master_sync_in_progress": 1.0})
	get := document(t, r.p, "redis.get", r.master.Addr)
	require.Equal(t, 1.0, get["up"])
	replicas := get["replication"].(map[string]any)["replicas"]
	require.Regexp(t, "^(wait_bgsave|send_bulk)", row(t, replicas, "port", number(portOf(s)))["state"])
	s.Kill(t)
}

func syncingAndStrict(t *testing.T, r *replication) {
	s := r.replica(t, "--replica-serve-stale-data", "no")
	r.slowly(t)
	follow(t, s, portOf(r.master))
	r.awaitSync(t, s)
	get := r.wantDown(t, s, "masterdown", "MASTERDOWN")
	require.Equal(t, 1.0, get["replication"].(map[string]any)["master_sync_in_progress"])
	s.Kill(t)
}

// loading is a replica that has its master's data and reads it for a minute.
func loading(t *testing.T, r *replication) {
	s := r.replica(t, "--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no")
	follow(t, s, portOf(r.master))
	await(t, "the replica loads", func() bool {
		_, err := s.TryDo("PING")
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
	get := r.wantDown(t, s, "loading", "LOADING")
	require.Equal(t, 1.0, get["loading"])
	require.Equal(t, 1.0, get["persistence"].(map[string]any)["loading"])
	s.Kill(t)
}

func brokenLink(t *testing.T, r *replication) {
	s := r.replica(t)
	follow(t, s, strconv.Itoa(ports.Free(t)))
	r.wantUp(t, s, map[string]any{"master_link_status": "down", "master_sync_in_progress": 0.0})
	s.Do(t, "REPLICAOF", "NO", "ONE")
	require.Equal(t, "master", document(t, r.p, "redis.status", s.Addr)["role"])
	s.Kill(t)
}

// brokenLinkAndStrict comes back by itself, over the same connection.
func brokenLinkAndStrict(t *testing.T, r *replication) {
	s := r.replica(t, "--replica-serve-stale-data", "no")
	follow(t, s, strconv.Itoa(ports.Free(t)))
	r.wantDown(t, s, "masterdown", "MASTERDOWN")
	before := s.InfoField(t, "stats", "total_connections_received")
	follow(t, s, portOf(r.master))
	await(t, "the replica in step", func() bool {
		return s.InfoField(t, "replication", "master_link_status") == "up"
	})
	r.wantUp(t, s, map[string]any{"master_link_status": "up"})
	require.Equal(t, "6", r.p.Value(t, "storm.job.status", s.Addr, "", "", "backup"))
	require.Equal(t, before, s.InfoField(t, "stats", "total_connections_received"))
	s.Kill(t)
}
