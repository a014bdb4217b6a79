//go:build e2e && linux

package e2e

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/test/agent"
	"redisjobs/test/driver"
)

// maxRSS is what the plugin's process may use after any number of checks of
// one server.
const maxRSS = 20 << 20

// answer is a check that was made, to be judged when all are done.
type answer struct {
	key   string // of the metric
	value string
	err   error
}

// inParallel makes n checks, at most so many at once, and returns the answers.
func inParallel(atOnce, n int, check func(i int) answer) []answer {
	answers := make([]answer, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				answers[i] = check(i)
			}
		})
	}
	group.Wait()
	return answers
}

// judge holds every answer to what is sensible for its key.
func judge(t *testing.T, w *world, by way, answers []answer) {
	t.Helper()
	for _, a := range answers {
		require.NoError(t, a.err, a.key)
		rowOf(a.key).check(t, w, by, a.value)
	}
}

// oneServer is a world of nothing but a server without a password.
func oneServer(t *testing.T) (*world, way) {
	t.Helper()
	s := redistest.Start(t, redistest.Config{})
	fill(t, s)
	w := &world{plain: s, sessions: []string{"CustomCommands=1"}, slowlog: map[*redistest.Server]string{s: slowCommands(t, s)}}
	return w, way{conn: "tcp://" + s.Addr, server: s, shown: "tcp://" + s.Addr}
}

func connections(t *testing.T, s *redistest.Server) int {
	t.Helper()
	n, err := strconv.Atoi(s.InfoField(t, "stats", "total_connections_received"))
	require.NoError(t, err)
	return n
}

func TestTwoHundredPollsOfAllKeysShareTheConnections(t *testing.T) {
	const polls, atOnce, maxConnections = 200, 20, 2
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		w, by := oneServer(t)
		before := connections(t, by.server)
		r := start(t, a, setup{plugin: agent.Plugin(t), lines: w.sessions})
		// One that reads several sessions has more servers than one.
		all := slices.DeleteFunc(testedMetrics(), func(m *item.Metric) bool { return m.Key == "redis.group.get" })
		began := time.Now()
		answers := inParallel(atOnce, polls*len(all), func(i int) answer {
			m := all[i%len(all)]
			value, err := r.Get(itemKey(m, by.conn, "", "", keyRows[m.Key].own))
			return answer{m.Key, value, err}
		})
		took := time.Since(began)
		opened := connections(t, by.server) - before
		judge(t, w, by, answers)
		require.Positive(t, opened)
		require.LessOrEqual(t, opened, maxConnections)

		pool := r.document(t, "redis.pool.get")
		require.Len(t, pool.rows(t, "targets"), 1)
		require.EqualValues(t, opened, pool.in(t, "counters").number(t, "dials"))
		rss, err := agent.RSS(r.servingPID(t))
		require.NoError(t, err)
		require.Less(t, rss, int64(maxRSS))
		t.Logf("%d checks, %d at once, in %v: %d connections, plugin RSS %.1f MB",
			len(answers), atOnce, took.Round(time.Millisecond), opened, float64(rss)/(1<<20))
		r.Stop(t)
	})
}

func TestTenThousandChecksLeaveTheProcessSmall(t *testing.T) {
	const checks, atOnce = 10_000, 8
	w, by := oneServer(t)
	before := connections(t, by.server)
	p := driver.Start(t, driver.Config{})
	keys := []string{"redis.get", "redis.server.info", "redis.server.ping", "storm.jobs.get", "redis.status", "redis.server.config"}
	began := time.Now()
	answers := inParallel(atOnce, checks, func(i int) answer {
		key := keys[i%len(keys)]
		value, err := p.Get(key, by.conn)
		return answer{key, value, err}
	})
	took := time.Since(began)
	rss := p.RSS(t)
	judge(t, w, by, answers)
	require.Less(t, rss, int64(maxRSS))
	opened := connections(t, by.server) - before
	require.LessOrEqual(t, opened, 2)
	t.Logf("%d checks, %d at once, in %v (%.0f/s): plugin RSS %.1f MB, %d connections",
		checks, atOnce, took.Round(time.Millisecond), checks/took.Seconds(), float64(rss)/(1<<20), opened)
}
