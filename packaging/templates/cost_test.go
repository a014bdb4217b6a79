package templates

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/plugin"
)

var anyMacro = regexp.MustCompile(`\{[$#][^}]+\}`)

// TestOnePollIsOneRoundTrip asks a real server for all that a template asks of
// one server in a minute, and looks at the server's own figures.
func TestOnePollIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	budget := map[string]struct {
		key      string   // with the server's address for the macro
		commands int      // at most, in one poll of a server that is known already
		seldom   []string // keys, without parameters, that it asks by longer intervals
	}{
		"Redis by RedisJobs":      {`redis.get["{$REDIS.CONN}"]`, 6, []string{"redis.advice.get", "redis.config.get", "redis.acl.log.get", "redis.slowlog.get", "redis.pubsub.get", "redis.latency.get", "redis.hot.get"}},
		"Storm jobs by RedisJobs": {`storm.jobs.get["{$STORM.CONN}"]`, 4 + 12, nil}, // one for each job
		// Asked of a server that is no cluster, has no job system and is no sentinel.
		"Redis Cluster by RedisJobs":    {`redis.cluster.get["{$CLUSTER.CONN}"]`, 2, []string{"redis.hot.get", "redis.config.get"}},
		"Redis job queues by RedisJobs": {`job.get["{$JOBS.CONN}"]`, 80, []string{"job.failures.get"}},
		"Redis Sentinel by RedisJobs":   {`redis.sentinel.get["{$SENTINEL.CONN}"]`, 0, nil},
		"Redis group by RedisJobs":      {`redis.group.get["{$GROUP.SESSIONS}"]`, 0, nil},
		// Asked of a server without a stream.
		"Redis keys and streams by RedisJobs": {`redis.streams.get["{$KEYS.CONN}",,,"{$KEYS.STREAMS.WATCH}","{$KEYS.BUDGET}","{$KEYS.IDLE}"]`, 1, []string{"redis.keys.discovery"}},
		"RedisJobs plugin health":             {`redis.server.ping["{#SESSION}"]`, 1, nil},
		"Redis sessions by RedisJobs":         {`redis.get["{#SESSION}"]`, 6, nil},
		// These ask no server, or seldom.
		"Redis hosts by RedisJobs":          {seldom: []string{"redis.instances.discovery"}},
		"Redis Cluster hosts by RedisJobs":  {seldom: []string{"redis.cluster.get"}},
		"Redis Sentinel hosts by RedisJobs": {seldom: []string{"redis.sentinel.get"}},
	}
	for _, d := range load(t) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			want := budget[d.base()]
			var asked []string
			for _, i := range d.items {
				name, _, err := plugin.ParseItemKey(i.Key)
				require.NoError(t, err)
				m, ok := metrics.Lookup(name)
				if ok && asks(i.Type) && d.seldom(i) {
					d.must(t, slices.Contains(want.seldom, name), i.Key, "budget (cost_test.go) must have %s among seldom", name)
					continue
				}
				if ok && asks(i.Type) && (m.TakesConn() || name == "redis.group.get") {
					d.must(t, d.macroValue(i.Delay) == usualInterval(i.Key), i.Key, "its interval must be a macro of %s", usualInterval(i.Key))
					asked = append(asked, i.Key)
				}
			}
			if want.key == "" && len(asked) == 0 {
				return
			}
			if !d.must(t, slices.Equal(asked, []string{want.key}), d.Name, "it must ask each server by one item, which budget (cost_test.go) has as %q, not by %v", want.key, asked) {
				return
			}
			if want.commands == 0 {
				return // one request, as has been seen
			}
			s := redistest.Start(t, redistest.Config{})
			recorder{t}.jobs(s)
			a := startAgent(t)
			poll := anyMacro.ReplaceAllStringFunc(want.key, func(m string) string {
				if strings.HasPrefix(m, "{#") || strings.HasSuffix(m, ".CONN}") {
					return "tcp://" + s.Addr
				}
				return d.macroValue(m)
			})
			figures := func() map[string]int {
				out := map[string]int{}
				for _, name := range []string{"total_connections_received", "total_commands_processed", "total_reads_processed"} {
					n, err := strconv.Atoi(s.InfoField(t, "stats", name))
					require.NoError(t, err)
					out[name] = n
				}
				var pool struct{ Counters map[string]any }
				require.NoError(t, json.Unmarshal([]byte(a.ask(t, "redis.pool.get")), &pool))
				for _, name := range []string{"dials", "reuses", "retries"} {
					n, ok := pool.Counters[name].(float64)
					require.True(t, ok, name)
					out[name] = int(n)
				}
				return out
			}
			for range 2 { // what is learned, is learned
				a.ask(t, poll)
			}
			// What the looking costs is told by looking twice.
			first := figures()
			second := figures()
			const polls = 3
			for range polls {
				answer := a.ask(t, poll)
				require.True(t, answer == "1" || strings.Contains(answer, `"up":1`), answer)
			}
			third := figures()
			spent := func(name string) int { return third[name] - second[name] - (second[name] - first[name]) }
			require.Zero(t, spent("total_connections_received"))
			require.Zero(t, spent("dials"))
			require.Zero(t, spent("retries"))
			require.Equal(t, polls, spent("reuses"), "one connection is taken from the pool")
			require.Equal(t, polls, spent("total_reads_processed"), "the server reads all commands at once")
			n := spent("total_commands_processed")
			d.must(t, n <= polls*want.commands, want.key, "%d polls sent %d commands, and budget (cost_test.go) allows %d for each", polls, n, want.commands)
			require.GreaterOrEqual(t, n, polls)
		})
	}
}
