//go:build e2e && linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// These tests hold the running program to promises of docs/security.md that have their main tests in the packages.

func decode(t testing.TB, value string) map[string]any {
	t.Helper()
	var d map[string]any
	require.NoError(t, json.Unmarshal([]byte(value), &d), "%.500s", value)
	return d
}

// speaking is a server that answers by a function; "" hangs up.
func speaking(t testing.TB, say func(cmd []string) string) *redistest.Fake {
	t.Helper()
	return redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			cmd[0] = strings.ToUpper(cmd[0])
			text := say(cmd)
			if text == "" {
				return io.EOF
			}
			if _, err := io.WriteString(p, text); err != nil {
				return err
			}
		}
	}})
}

func TestAHangUpOnOneCommandCostsItsItemAlone(t *testing.T) {
	t.Parallel()
	fake := speaking(t, func(cmd []string) string {
		if strings.Join(cmd[:min(2, len(cmd))], " ") == "CLIENT LIST" {
			return ""
		}
		if cmd[0] == "INFO" {
			return bulk("# Server\r\nredis_version:7.2.4\r\nuptime_in_seconds:5\r\n# Replication\r\nrole:master\r\n")
		}
		return reply(cmd)
	})
	p := start(t)
	for range 3 {
		value, err := p.Get("redis.clients.get", fake.Addr)
		text := value
		if err != nil {
			text = err.Error()
		}
		require.Contains(t, text, "the server closes the connection on CLIENT LIST")
		require.NotContains(t, text, "TLS")
		require.Equal(t, "1", p.Value(t, "redis.server.ping", fake.Addr))
		require.Equal(t, 1.0, decode(t, p.Value(t, "redis.get", fake.Addr))["up"])
	}
	require.Equal(t, 1, p.Pool(t).Target(t, fake.Addr).Up)
}

// Sets, hashes and sorted sets under the names that discovery looks for have 200,000 members each.
// Not beside other tests, because the server's own times are judged.
func TestKeysOfManyMembersNeitherBlockAServerNorMakeItDown(t *testing.T) {
	s := redis(t, redistest.Config{})
	fillForAll(t, s)
	const members = 200_000
	many := func(command, key string, args func(i int) []string) {
		s.Do(t, "DEL", key)
		for from := 0; from < members; from += 10_000 {
			cmd := []string{command, key}
			for i := range 10_000 {
				cmd = append(cmd, args(from+i)...)
			}
			s.Do(t, cmd...)
		}
	}
	name := func(i int) []string { return []string{fmt.Sprint("member", i)} }
	for _, key := range []string{"queues", "processes", "rq:workers", "rq:queues", "storm:jobs", "_kombu.binding.celery", "asynq:queues", "resque:queues", "resque:workers"} {
		many("SADD", key, name)
	}
	many("ZADD", "storm:jobs:heartbeat", func(i int) []string { return append([]string{"1795227509"}, name(i)...) })
	many("HSET", "storm:jobs:state", func(i int) []string { return append(name(i), "ACTIVE") })
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "10000")
	p := start(t, "Timeout=10")
	slow := map[string]int{} // a busy machine may make any command slow once
	for range 3 {
		s.Do(t, "SLOWLOG", "RESET")
		for _, key := range []string{"job.get", "storm.jobs.get", "redis.get", "redis.status", "storm.cluster.get"} {
			value, err := p.Ask(10, key, s.Addr).Answer()
			if key == "storm.cluster.get" { // reads a Storm UI alone
				continue
			}
			require.NoError(t, err, key)
			require.Equal(t, 1.0, decode(t, value)["up"], "%s: %.500s", key, value)
		}
		seen := map[string]bool{}
		for _, word := range strings.Fields(s.Do(t, "SLOWLOG", "GET", "100")) {
			if slices.Contains([]string{"SMEMBERS", "HGETALL", "ZRANGE", "SSCAN", "HSCAN", "ZSCAN", "SCAN", "HKEYS", "SORT"}, strings.ToUpper(word)) {
				seen[strings.ToUpper(word)] = true
			}
		}
		for word := range seen {
			slow[word]++
		}
	}
	for word, times := range slow {
		require.Less(t, times, 3, word)
	}
}

func TestAPatternThatBlocksOldServersIsRefusedThere(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin})
	p := start(t)
	require.Contains(t, p.Refused(t, "redis.keys.count", s.Addr, "", "", "*a*a*a*a*a*a*a*b"), "pattern")
	require.Equal(t, 1.0, decode(t, p.Value(t, "redis.keys.count", s.Addr, "", "", "a*b"))["up"])
}

func TestCommandsThatReadMuchOrWriteAreRefused(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	s.Do(t, "PFADD", "hll", "a", "b")
	s.Do(t, "SADD", "set", "a")
	p := start(t)
	for _, cmd := range [][]string{{"PFCOUNT", "hll"}, {"SRANDMEMBER", "set", "-100000000"}, {"MEMORY|PURGE"}, {"TOUCH", "set"}, {"KEYS", "*"},
		{"post", "x"}, {"host:", "x"}, {"EVAL", "return 1", "0"}, {"DEBUG", "x"}} {
		require.NotEmpty(t, p.Refused(t, "redis.command", append([]string{s.Addr, "", ""}, cmd...)...), cmd)
	}
	want(t, p, s.Addr, s, key(3))
}

// outputOf runs the program as a person does.
func outputOf(t testing.TB, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, agent.Plugin(t), args...)
	text, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err())
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

func TestAMasterThatRefusesLikeAReplicaPrintsNoTrace(t *testing.T) {
	t.Parallel()
	odd := speaking(t, func(cmd []string) string {
		switch cmd[0] {
		case "CLIENT":
			return "+OK\r\n"
		case "ROLE":
			return "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
		}
		return "-READONLY You can't write against a read only replica.\r\n"
	})
	host, port, _ := strings.Cut(odd.Addr, ":")
	sentinel := speaking(t, func(cmd []string) string {
		if cmd[0] == "SENTINEL" && strings.EqualFold(cmd[1], "get-master-addr-by-name") {
			return "*2\r\n" + bulk(host) + bulk(port)
		}
		return "+OK\r\n"
	})
	healthy := redis(t, redistest.Config{})
	conf := filepath.Join(t.TempDir(), "redisjobs.conf")
	require.NoError(t, os.WriteFile(conf, []byte("Plugins.RedisJobs.System.Path="+agent.Plugin(t)+"\nPlugins.RedisJobs.Sessions.Odd.Uri=sentinel://"+sentinel.Addr+"/mymaster\n"+
		"Plugins.RedisJobs.Sessions.Well.Uri=tcp://"+healthy.Addr+"\n"), 0o600))
	for _, args := range [][]string{{"-t", "redis.server.info[Odd]", "-c", conf}, {"doctor", "-c", conf}} {
		text, code := outputOf(t, args...)
		require.NotZero(t, code, text)
		require.Contains(t, text, "it calls itself the master, and refuses as a replica does")
		require.NotContains(t, text, "goroutine")
		require.NotContains(t, text, "panic")
		if args[0] == "doctor" {
			require.Contains(t, text, "Well")
		}
	}
	p := start(t, "Sessions.Odd.Uri=sentinel://"+sentinel.Addr+"/mymaster")
	require.NotContains(t, p.Refused(t, "redis.server.info", "Odd"), "internal error")
}

// A node names a thousand addresses that it has never named before, at each check.
func TestAClusterThatNamesNewNodesTakesNobodysPlace(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	next := 0
	fake := speaking(t, func(cmd []string) string {
		switch strings.ToUpper(strings.Join(cmd[:min(2, len(cmd))], " ")) {
		case "INFO":
			return bulk("# Server\r\nredis_version:7.2.4\r\n# Cluster\r\ncluster_enabled:1\r\n")
		case "CLUSTER NODES":
			mu.Lock()
			defer mu.Unlock()
			var b strings.Builder
			b.WriteString(strings.Repeat("0", 40) + " 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383\n")
			for range 1000 {
				next++
				fmt.Fprintf(&b, "%040x 127.%d.%d.%d:1@2 master - 0 0 1 connected\n", next, 1+next>>16, next>>8&255, next&255)
			}
			return bulk(b.String())
		}
		return reply(cmd)
	})
	healthy := redis(t, redistest.Config{})
	p := start(t, "MaxPeers=50", "Sessions.Healthy.Uri=tcp://"+healthy.Addr)
	want(t, p, "Healthy", healthy, key(0))
	for range 5 {
		d := decode(t, p.Value(t, "redis.cluster.get", fake.Addr))
		require.Equal(t, 1.0, d["up"])
		require.Contains(t, fmt.Sprint(d["unanswered"]), "MaxPeers")
	}
	pool := p.Pool(t)
	require.LessOrEqual(t, len(pool.Targets), 50+2)
	require.Zero(t, pool.Counters.Closed.Evicted)
	require.Equal(t, 1, pool.Target(t, "Healthy (").Counters.Dials)
	want(t, p, "Healthy", healthy, key(1))
}

// An agent 6.0 runs 100 checks at a time. 150 items of one server that hangs leave places for the others.
func TestAServerThatHangsLeavesTheAgentsPlacesToOthers(t *testing.T) {
	agents := agent.List(t)
	i := slices.IndexFunc(agents, func(a agent.Agent) bool { return strings.HasPrefix(a.Version, "6.0") })
	require.GreaterOrEqual(t, i, 0, "no agent 6.0")
	r := agent.Start(t, agents[i], agent.Config{Plugin: agent.Plugin(t)})
	healthy := redis(t, redistest.Config{})
	neighbors := newNeighbors(t)
	paused := redis(t, redistest.Config{})
	value, err := r.Get("redis.server.ping[tcp://" + paused.Addr + "]")
	require.NoError(t, err)
	require.Equal(t, "1", value)
	_, err = r.Get("redis.server.ping[tcp://" + healthy.Addr + "]")
	require.NoError(t, err)
	paused.Pause(t)
	t.Cleanup(func() { paused.Resume(t) })
	var hanging sync.WaitGroup
	for i := range 150 {
		hanging.Go(func() { _, _ = r.Get(fmt.Sprintf("redis.key.length[tcp://%s,,,key%d]", paused.Addr, i)) })
	}
	took, err := pollNeighbors(r, neighbors, counted(10))
	require.NoError(t, err)
	hanging.Wait()
	t.Logf("while 150 items of a server that hangs are asked for: %v", took)
}

// counted is true n times.
func counted(n int) func() bool {
	return func() bool { n--; return n >= 0 }
}

func TestTheRightsThatAreShownAreNoMore(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	s.Do(t, "SET", "user:1001:password", "of the application")
	s.Do(t, "LPUSH", "queue:default", "job")
	s.Do(t, "SADD", "queues", "default")
	text, code := outputOf(t, "-acl", "server", "jobs", "sidekiq")
	require.Zero(t, code)
	rule, _, _ := strings.Cut(text, "\n")
	s.Do(t, strings.Fields(strings.Replace(rule, ">PASSWORD", ">secret", 1))...)
	p := start(t, "Sessions.A.Uri=tcp://"+s.Addr, "Sessions.A.User=zabbix", "Sessions.A.Password=secret")
	require.Contains(t, p.Refused(t, "redis.key.value", "A", "", "", "user:1001:password"), "NOPERM")
	d := decode(t, p.Value(t, "job.get", "A", "", "", "sidekiq"))
	require.Equal(t, 1.0, d["up"])
	require.Contains(t, fmt.Sprint(d["queues"]), "default")
}

// A server whose redirects, and one whose nodes, lead to a server that waits for passwords.
func TestAPasswordGoesToListedAndAllowedNodesAlone(t *testing.T) {
	t.Parallel()
	thief := speaking(t, reply)
	liar := speaking(t, func(cmd []string) string {
		switch strings.ToUpper(strings.Join(cmd[:min(2, len(cmd))], " ")) {
		case "INFO":
			return bulk("# Server\r\nredis_version:7.2.4\r\n# Cluster\r\ncluster_enabled:0\r\n")
		case "CLUSTER NODES", "CLUSTER INFO":
			return "-ERR This instance has cluster support disabled\r\n"
		}
		if cmd[0] == "AUTH" || cmd[0] == "CLIENT" {
			return "+OK\r\n"
		}
		return "-MOVED 1 " + thief.Addr + "\r\n"
	})
	cluster := speaking(t, func(cmd []string) string {
		switch strings.ToUpper(strings.Join(cmd[:min(2, len(cmd))], " ")) {
		case "INFO":
			return bulk("# Server\r\nredis_version:7.2.4\r\n# Cluster\r\ncluster_enabled:1\r\n")
		case "CLUSTER NODES":
			return bulk(strings.Repeat("0", 40) + " 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-100\n" +
				strings.Repeat("1", 40) + " " + thief.Addr + "@2 master - 0 0 1 connected 101-16383\n")
		}
		return reply(cmd)
	})
	for name, c := range map[string]struct{ addr, allowed string }{
		"a redirect of no cluster": {liar.Addr, ""},
		"a redirect":               {liar.Addr, "192.0.2.0/24"},
		"a node":                   {cluster.Addr, "192.0.2.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			_, port, _ := strings.Cut(c.addr, ":")
			p := start(t, "Sessions.A.Uri=tcp://localhost:"+port, "Sessions.A.Password=secret", "Sessions.A.PeersAllowed="+c.allowed)
			for _, key := range []string{"redis.key.value", "redis.key.length", "redis.cluster.get", "job.get", "redis.get"} {
				params := []string{"A"}
				if strings.HasPrefix(key, "redis.key.") {
					params = []string{"A", "", "", "k"}
				}
				value, err := p.Get(key, params...)
				require.NotContains(t, fmt.Sprint(value, err), "secret")
			}
			require.Empty(t, thief.Got())
		})
	}
}

// Four servers' SCAN never ends, and a fifth one has nine keys.
func TestScansThatNeverEndTakeNoTurnOfOthers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	for i := range 9 {
		s.Do(t, "SET", fmt.Sprint("k", i), "v")
	}
	var mu sync.Mutex
	cursor := 1
	fake := speaking(t, func(cmd []string) string {
		switch cmd[0] {
		case "SCAN":
			mu.Lock()
			defer mu.Unlock()
			cursor++
			return "*2\r\n" + bulk(fmt.Sprint(cursor)) + "*1\r\n" + bulk(fmt.Sprint("key", cursor))
		case "DBSIZE":
			return ":500000000\r\n"
		case "TYPE":
			return "+string\r\n"
		case "INFO":
			return bulk("# Server\r\nredis_version:7.2.4\r\nrun_id:x\r\n# Keyspace\r\ndb0:keys=500000000,expires=0,avg_ttl=0\r\n")
		}
		return ":10\r\n"
	})
	p := start(t)
	for range 2 {
		for db := range 4 {
			_, _ = p.Get("redis.keyspace.sample", fmt.Sprintf("tcp://%s/%d", fake.Addr, db))
		}
	}
	var value string
	await(t, patience, "the keys of the small server", func() bool {
		value = p.Value(t, "redis.keyspace.sample", s.Addr)
		d := decode(t, value)
		require.Equal(t, 1.0, d["up"])
		return d["keys"] == 9.0
	})
}

// TestOneHugeValueCostsItsOwnFigure: a value of 100 MB in a record of a job system
// hides neither the system nor the server.
func TestOneHugeValueCostsItsOwnFigure(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	now := strconv.FormatInt(time.Now().Unix(), 10)
	s.Do(t, "SADD", "queues", "default")
	s.Do(t, "LPUSH", "queue:default", `{"class":"A","jid":"1","enqueued_at":`+now+`.0}`)
	s.Do(t, "SADD", "processes", "host:1:abc")
	s.Do(t, "HSET", "host:1:abc", "info", strings.Repeat("x", 100<<20), "busy", "1", "beat", now)
	p := start(t, "Timeout=10")
	value, err := p.Ask(10, "job.get", s.Addr).Answer()
	require.NoError(t, err)
	doc := decode(t, value)
	require.Equal(t, 1.0, doc["up"], "%.500s", value)
	systems := doc["systems"].([]any)
	require.Len(t, systems, 1)
	require.Equal(t, 1.0, systems[0].(map[string]any)["waiting"])
}
