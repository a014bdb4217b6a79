//go:build zabbix && linux

package zabbix

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

const groupTemplate = "Redis group by RedisJobs"

// groupScenes are a primary and its replicas without Sentinel, and a primary whose
// replica has settings of its own.
func (w *world) groupScenes(t testing.TB) []*scene {
	start := func(args ...string) *redistest.Server {
		return redistest.Start(t, redistest.Config{Args: append(args, "--repl-diskless-sync-delay", "0")})
	}
	follows := func(s *redistest.Server) []string { return []string{"--replicaof", "127.0.0.1 " + portOf(s.Addr)} }
	follow := func(t testing.TB, s, primary *redistest.Server) {
		s.Do(t, "REPLICAOF", "127.0.0.1", portOf(primary.Addr))
	}
	inStep := func(t testing.TB, servers ...*redistest.Server) {
		for _, s := range servers {
			await(t, "a replica in step", func() string {
				if link := s.InfoField(t, "replication", "master_link_status"); link != "up" {
					return link
				}
				return ""
			})
		}
	}
	a := start()
	b, c := start(follows(a)...), start(follows(a)...)
	outside := start()
	old := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin})
	inStep(t, b, c)
	// The fourth session leads to whichever server a step needs.
	fourth := newLazy(t, c.Addr)
	lead := func(t testing.TB, to *redistest.Server, from ...*redistest.Server) {
		fourth.to.Store(to.Addr)
		for _, s := range from {
			s.TryDo("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
	}
	sc := &scene{host: "group", templates: []string{groupTemplate}, ownAgent: true,
		macros: map[string]string{"{$GROUP.SESSIONS}": "GroupA GroupB GroupC"},
		lines:  []string{"Sessions.GroupA.Uri=tcp://" + a.Addr, "Sessions.GroupB.Uri=tcp://" + b.Addr, "Sessions.GroupC.Uri=tcp://" + fourth.addr}}
	const (
		several, noLink, settings = "Group: Group has several primaries", "Group: Replicas have no link to the primary", "Group: Settings differ"
		stranger, unreachable     = "Group: A replica follows another primary", "Group: Some sessions are unreachable"
		noPrimary, silent         = "Group: Group has no primary", "Group: No session of the group answers"
		lags                      = "Group: Session GroupB lags"
	)
	sc.steps = []step{
		{name: "a replica with a setting of its own", want: []string{settings},
			do: func(t testing.TB) { b.Do(t, "CONFIG", "SET", "maxmemory", "99mb") }, undo: func(t testing.TB) { b.Do(t, "CONFIG", "SET", "maxmemory", "0") }},
		{name: "a replica of a replica", want: []string{"Group: A replica has replicas"},
			do: func(t testing.TB) { follow(t, c, b) }, undo: func(t testing.TB) { follow(t, c, a); inStep(t, c) }, may: []string{noLink}},
		{name: "a replica that is promoted while the primary goes on", want: []string{several},
			do: func(t testing.TB) { c.Do(t, "REPLICAOF", "NO", "ONE") }, undo: func(t testing.TB) { follow(t, c, a); inStep(t, c) }, may: []string{noLink}},
		{name: "a replica that follows somebody else", want: []string{stranger},
			do: func(t testing.TB) { follow(t, c, outside) }, undo: func(t testing.TB) { follow(t, c, a); inStep(t, c) }, may: []string{noLink}},
		{name: "a replica that may not log in", want: []string{noLink},
			do: func(t testing.TB) {
				a.Do(t, "ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
				a.Do(t, "CLIENT", "KILL", "TYPE", "replica")
			},
			undo: func(t testing.TB) {
				a.Do(t, "ACL", "SETUSER", "default", "+psync", "+sync", "+replconf")
				inStep(t, b, c)
			}, may: []string{lags}},
		{name: "a replica that does not keep up", want: []string{lags},
			do: func(t testing.TB) {
				w.macro(t, sc, `{$GROUP.LAG.BYTES.MAX.WARN:"GroupB"}`, "10K")
				b.Do(t, "CLIENT", "PAUSE", "600000", "WRITE") // what its primary sends is a write, too
				a.Do(t, "SET", "a", strings.Repeat("x", 1<<20))
			},
			undo: func(t testing.TB) {
				b.Do(t, "CLIENT", "UNPAUSE")
				w.macro(t, sc, `{$GROUP.LAG.BYTES.MAX.WARN:"GroupB"}`, "64M")
			}},
		{name: "two sessions of one server", want: []string{"Group: Sessions do not fit in a group"},
			do: func(t testing.TB) { lead(t, b, c) }, undo: func(t testing.TB) { lead(t, c, b) }},
		{name: "a server of another version", want: []string{"Group: Versions differ"},
			do: func(t testing.TB) { lead(t, old, c) }, undo: func(t testing.TB) { lead(t, c, old) }, may: []string{several, settings}},
		{name: "a primary that is lost", want: []string{noPrimary, unreachable}, do: a.Kill, undo: func(t testing.TB) { a.Restart(t); inStep(t, b, c) }, may: []string{noLink, lags}},
		{name: "a group that is lost", want: []string{silent},
			do:   func(t testing.TB) { a.Kill(t); b.Kill(t); c.Kill(t) },
			undo: func(t testing.TB) { a.Restart(t); b.Restart(t); c.Restart(t); inStep(t, b, c) },
			may:  []string{unreachable, noPrimary, noLink, several, lags}},
		w.silence(sc, "Group: No data from the plugin"),
	}

	primary := start()
	replica := start(follows(primary)...)
	inStep(t, replica)
	require.NotEmpty(t, primary.InfoField(t, "replication", "slave0"))
	const differ = "Redis: Settings of replicas differ"
	drift := &scene{host: "drift", templates: []string{redisTemplate},
		macros: map[string]string{"{$REDIS.CONN}": "tcp://" + primary.Addr, "{$REDIS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$REDIS.LATENCY.MAX.WARN}": "10",
			`{$REDIS.CHECK:"Setup has findings of high severity"}`: "0"},
		steps: []step{{name: "a replica with a setting of its own", want: []string{differ},
			do:   func(t testing.TB) { replica.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru") },
			undo: func(t testing.TB) { replica.Do(t, "CONFIG", "SET", "maxmemory-policy", "noeviction") }}}}
	return []*scene{sc, drift}
}
