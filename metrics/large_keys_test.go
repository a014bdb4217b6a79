package metrics

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// largeMembers is how many members the keys have. Reading all of them takes a server 20 ms and more.
const largeMembers = 100_000

// fill makes keys of many members. member returns the arguments for one of them.
func fill(t *testing.T, doer redisclient.Doer, command, key string, n int, member func(i int) []string) {
	t.Helper()
	var cmds []redisclient.Command
	for from := 0; from < n; from += 1000 {
		cmd := redisclient.Command{command, key}
		for i := range 1000 {
			cmd = append(cmd, member(from+i)...)
		}
		cmds = append(cmds, cmd)
	}
	sendAll(t, doer, cmds)
}

func sendAll(t *testing.T, doer redisclient.Doer, cmds []redisclient.Command) {
	t.Helper()
	values, err := doer.DoAll(t.Context(), cmds...)
	require.NoError(t, err)
	for i, v := range values {
		require.NoError(t, v.Err(), cmds[i][:2])
	}
}

// TestNoKeyIsTooLargeForTheServer has keys of many members under all names that storm.* and the keys about keys read.
// The server's own slow log says whether a command of ours blocked it for more than 10 ms. A busy machine may make any
// command slow now and then; what is slow each time that it is sent is.
func TestNoKeyIsTooLargeForTheServer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis-5.0", redistest.Machine, "redis-8.0", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Find(t, name)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--slowlog-log-slower-than", "10000", "--slowlog-max-len", "1000"}})
			fillLarge(t, s)
			s.Do(t, "SLOWLOG", "RESET")
			sent := map[string]int{}
			for range 2 {
				askLarge(t, s, sent)
			}
			require.Greater(t, len(sent), 10)
			for command, times := range slowCommands(t, s) {
				if sent[command] == 0 {
					continue // the test's own
				}
				require.Less(t, times, sent[command], "%s blocks the server for more than 10 ms each time", command)
			}
		})
	}
}

// countingDoer counts what is sent, by the command and its first argument.
type countingDoer struct {
	redisclient.Doer
	sent map[string]int
}

func (d *countingDoer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	for _, cmd := range cmds {
		d.sent[commandAndKey(cmd)]++
	}
	return d.Doer.DoAll(ctx, cmds...)
}

func commandAndKey(args []string) string {
	return strings.ToUpper(strings.Join(args[:min(2, len(args))], " "))
}

// fillLarge makes the keys: in the databases 0 to 3 an index of each type, in 4 none.
func fillLarge(t *testing.T, s *redistest.Server) {
	t.Helper()
	name := func(i int) []string { return []string{fmt.Sprintf("job%06d", i)} }
	named := func(value string) func(i int) []string {
		return func(i int) []string { return append(name(i), value) }
	}
	scored := func(i int) []string { return append([]string{"1795227509"}, name(i)...) }
	for db, index := range []struct {
		command string
		member  func(i int) []string
	}{{"SADD", name}, {"RPUSH", name}, {"ZADD", scored}, {"HMSET", named("x")}, {}} {
		_, doer := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Database: db})
		if index.command != "" {
			fill(t, doer, index.command, "storm:jobs", largeMembers, index.member)
		}
		if db == 4 || db == 0 {
			fill(t, doer, "HMSET", "storm:jobs:state", largeMembers, named("ACTIVE"))
		}
		if db != 0 {
			continue
		}
		fill(t, doer, "ZADD", "storm:jobs:heartbeat", largeMembers, scored)
		fill(t, doer, "HMSET", "storm:job:wide", largeMembers, named("x"))
		cmds := []redisclient.Command{{"XADD", "stream", "1-1", "f", "v"}, {"XGROUP", "CREATE", "stream", "g0", "0"}, {"XGROUP", "CREATE", "stream", "g1", "0"}}
		for i := range 10_000 {
			cmds = append(cmds, redisclient.Command{"XADD", "stream", "*", "f", "v"},
				redisclient.Command{"XREADGROUP", "GROUP", "g0", fmt.Sprint("c", i), "COUNT", "1", "STREAMS", "stream", ">"},
				redisclient.Command{"XADD", "manygroups", fmt.Sprint(i+1, "-1"), "f", "v"})
		}
		for i := range 10_000 {
			cmds = append(cmds, redisclient.Command{"XGROUP", "CREATE", "manygroups", fmt.Sprint("g", i), "0"})
		}
		sendAll(t, doer, cmds)
	}
}

// askLarge asks for everything, and looks at what is said of keys that are too large.
func askLarge(t *testing.T, s *redistest.Server, sent map[string]int) {
	t.Helper()
	for db := range 5 {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Database: db})
		target.Doer = &countingDoer{target.Doer, sent}
		collect := func(key string, raw ...string) string {
			m, ok := Lookup(key)
			require.True(t, ok, key)
			args, err := m.ParseArgs(append([]string{"", "", ""}, raw...))
			require.NoError(t, err)
			got, err := m.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{
				Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs(), Keyspace: item.KeyspaceOptions{Top: 5},
			}})
			if err != nil {
				return "error: " + err.Error()
			}
			return got
		}
		for range 2 { // the second time the types are known
			doc := metrictest.Decode(t, collect("storm.jobs.get"))
			require.Equal(t, 1.0, doc["up"])
			require.Equal(t, 1000.0, doc["count"])
			require.InDelta(t, largeMembers-1000, metrictest.Section(t, doc, "truncated")["jobs"], 1)
			large := metrictest.Section(t, doc, "unavailable")
			part := "index"
			if db == 4 {
				part = "state"
			}
			require.Contains(t, large[part], fmt.Sprintf("is too large: of its %d members about 2000 are read", largeMembers), "db%d", db)
			if db == 0 {
				require.Contains(t, large["state"], "is too large")
				require.Contains(t, large["heartbeats"], "is too large")
				row := metrictest.Rows(t, doc["jobs"])[999]
				require.Equal(t, "ACTIVE", row["raw_status"], "each job's own share is read all the same")
				require.Contains(t, row, "updated_at")
			}
			require.Contains(t, collect("storm.job.discovery"), "error: the key ", "a part of them would be another one each time")
		}
		if db > 0 {
			continue
		}
		require.Contains(t, []string{"1", "8"}, collect("storm.job.status", "job000007"))
		require.Equal(t, `error: job "wide": the record has more than 500 fields`, collect("storm.job.status", "wide"))
		for _, key := range []string{"storm:jobs", "storm:jobs:state", "storm:jobs:heartbeat"} {
			require.Equal(t, 1.0, metrictest.Decode(t, collect("redis.key.get", key))["up"])
			require.Equal(t, fmt.Sprint(largeMembers), collect("redis.key.length", key))
			collect("redis.key.ttl", key)
			collect("redis.key.value", key, "job000007")
		}
		require.Equal(t, 1.0, metrictest.Decode(t, collect("redis.keys.count", "*storm*"))["up"])
		collect("redis.keyspace.sample")
		for range 2 {
			doc := metrictest.Decode(t, collect("redis.keys.discovery", "*storm*"))
			require.Equal(t, true, doc["complete"])
			require.Equal(t, float64(largeMembers), metrictest.Row(t, doc["keys"], "key", "storm:jobs")["length"])
			doc = metrictest.Decode(t, collect("redis.streams.get", "*"))
			require.Len(t, doc["streams"], 2)
			unavailable := metrictest.Section(t, doc, "unavailable")
			require.Equal(t, "there are 10000 groups, and at most 2000 can be asked for", unavailable["groups"])
			require.Equal(t, `the group "g0" has 10000 consumers, and at most 2000 can be asked for`, unavailable["consumers"])
		}
		for range 2 {
			doc := metrictest.Decode(t, collect("redis.stream.get", "manygroups"))
			require.Equal(t, 1.0, doc["up"])
			require.Equal(t, 10_000.0, doc["length"])
			require.Equal(t, "there are 10000 groups, and at most 2000 can be asked for", metrictest.Section(t, doc, "unavailable")["groups"])
			doc = metrictest.Decode(t, collect("redis.stream.get", "stream"))
			require.Len(t, doc["groups"], 2)
			require.Equal(t, `the group "g0" has 10000 consumers, and at most 2000 can be asked for`, metrictest.Section(t, doc, "unavailable")["consumers"])
		}
	}
}

// slowCommands counts the commands in the slow log.
func slowCommands(t *testing.T, s *redistest.Server) map[string]int {
	t.Helper()
	conn := metrictest.DialWire(t, s.Addr)
	values, err := conn.DoAll(t.Context(), redisclient.Command{"SLOWLOG", "GET", "1000"})
	require.NoError(t, err)
	out := map[string]int{}
	for _, entry := range values[0].Elems {
		args, err := entry.Elems[3].Strings()
		require.NoError(t, err)
		out[commandAndKey(args)]++
	}
	return out
}
