package jobs

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestMain has the collector run seldom: a fifth of the time of these tests was
// its own.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// conformance is one Redis that a system has left its state in, and what is to
// be read there. The suite polls it as a user that may do just what the system's
// spec says.
type conformance struct {
	name   string
	system string
	prefix string
	// db is that of testdata/job-systems.rdb, which real systems have filled (see
	// testdata/README.md); in an empty one, 10 or 16 and above, seed does.
	db   int
	seed [][]string
	// second: db is one of testdata/job-systems-2.rdb.
	second bool
	// at is the server's time of the first poll.
	at float64
	// figures are all that are known of the system then, by name, and queues those
	// of each queue. They come from the system's own API, or were counted by hand
	// in the keys.
	figures map[string]float64
	queues  map[string]map[string]float64
	// unknown are the figures that this Redis does not tell, of the system under ""
	// and of queues under their names: they must be missing for a reason.
	unknown map[string][]figure
	// shapeless: keys may have any type, and another type other figures.
	shapeless bool
	// shapes begins the names of keys that may have several types.
	shapes string
	// many fills a Redis with so many queues; nil when another case of the system
	// does.
	many func(queues int) [][]string
	// clients are what workers that are connected have sent last.
	clients []string
	// options, when the case needs other than the default ones.
	options *item.JobsOptions
}

// conformances are the cases of all systems.
func conformances() []conformance {
	return slices.Concat(sidekiqCases(), resqueCases(), rqCases(), celeryCases(), redbeatCases(), bullCases(), asynqCases(), laravelCases(),
		horizonCases(), plainCases(),
		arqCases(), dramatiqCases(), hueyCases(), symfonyCases(),
		taskiqCases(), beequeueCases(), saqCases(), djangoqCases())
}

func defaultOptions() item.JobsOptions {
	return item.JobsOptions{ScanBudget: 100_000, Interval: 10 * time.Minute}
}

func (c *conformance) opts() item.JobsOptions {
	if c.options != nil {
		return *c.options
	}
	return defaultOptions()
}

// teller is a real connection whose TIME is the test's.
type teller struct {
	*redisclient.Conn
	at    float64
	shift float64 // at, after the server's own time
	calls int
	sent  []redisclient.Command
}

func (d *teller) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	d.calls++
	d.sent = append(d.sent, cmds...)
	replies, err := d.Conn.DoAll(ctx, cmds...)
	for i := range replies {
		if cmds[i][0] == "TIME" {
			if now, err := redisclient.ParseTime(replies[i]); err == nil {
				d.shift = d.at - now
			}
			sec := int64(d.at)
			replies[i] = resp.Value{Kind: resp.Array, Elems: []resp.Value{
				{Kind: resp.Integer, Int: sec}, {Kind: resp.Integer, Int: int64((d.at - float64(sec)) * 1e6)},
			}}
		}
		shiftIdle(cmds[i], replies[i], d.shift)
	}
	return replies, err
}

// shiftIdle makes what the server says of idle consumers fit the time of the test, to a
// tenth of a second.
func shiftIdle(cmd redisclient.Command, v resp.Value, shift float64) {
	for _, row := range v.Elems {
		var idle *resp.Value
		switch {
		case cmd[0] == "XPENDING" && len(row.Elems) == 4:
			idle = &row.Elems[2]
		case cmd[0] == "XINFO" && cmd[1] == "CONSUMERS" && len(row.Elems) >= 6:
			idle = &row.Elems[5]
		default:
			continue
		}
		idle.Int = max(0, int64(math.Round(float64(idle.Int)/100+shift*10))*100)
	}
}

func (d *teller) reset() { d.calls, d.sent = 0, nil }

func dial(t testing.TB, s *redistest.Server, user string, db int) *teller {
	t.Helper()
	cfg := redisclient.Config{Address: s.Addr, Database: db}
	if user != "" {
		cfg.User, cfg.Password = user, "any"
	}
	conn, err := redisclient.Dial(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &teller{Conn: conn}
}

// startFixture starts a server with what the real systems left in that file.
func startFixture(t testing.TB, file string) *redistest.Server {
	t.Helper()
	dir := t.TempDir()
	rdb, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), rdb, 0o600))
	return redistest.Start(t, redistest.Config{
		Args: []string{"--databases", "64", "--enable-debug-command", "yes"}, Lines: []string{"dir " + strconv.Quote(dir), "dbfilename dump.rdb"},
	})
}

// fill writes what the case needs beyond the fixture.
func (c *conformance) fill(t testing.TB, s *redistest.Server) {
	t.Helper()
	s.Do(t, "SELECT", strconv.Itoa(c.db))
	s.DoAll(t, c.seed...)
}

// user makes a user that may do what the system's Spec says and returns it.
func (c *conformance) user(t testing.TB, s *redistest.Server) string {
	t.Helper()
	system, ok := lookup(c.system)
	require.True(t, ok)
	spec := system.Spec()
	name := fmt.Sprintf("%s%d", c.system, c.db)
	rule := []string{"ACL", "SETUSER", name, "on", "nopass", "resetkeys", "-@all", "+time", "+type", "+scan", "+select"}
	for _, command := range spec.Commands {
		rule = append(rule, "+"+command)
	}
	for _, pattern := range spec.Keys(c.prefix, c.opts().Queues[c.system]) {
		rule = append(rule, "%R~"+pattern)
	}
	// discovery asks for the markers of all systems.
	for _, candidate := range candidates(&item.JobsOptions{}) {
		for _, m := range candidate.markers {
			rule = append(rule, "%R~"+m.Key)
		}
	}
	s.Do(t, rule...)
	return name
}

// knownOf are the figures that the system tells; what finish.go makes of several
// polls has tests of its own.
func knownOf(f *figures) map[string]float64 {
	out := make(map[string]float64)
	f.Each(func(name figure, value float64) {
		if name < figGrowth || name >= figQueueCount {
			out[name.String()] = value
		}
	})
	return out
}

func queueFigures(r *reading) map[string]map[string]float64 {
	out := make(map[string]map[string]float64)
	for _, q := range r.Queues {
		out[q.Name] = knownOf(&q.figures)
	}
	return out
}

func requireFigures(t testing.TB, want, got map[string]float64, what string) {
	t.Helper()
	require.ElementsMatch(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), what)
	for name, value := range want {
		require.InDelta(t, value, got[name], 1e-3, "%s: %s", what, name)
	}
}

func requireProblems(t testing.TB, want []figure, got *figures, what string) {
	t.Helper()
	var names []figure
	for _, p := range got.Problems {
		names = append(names, p.Figure)
		require.NotEmpty(t, p.Reason, "%s: %s", what, p.Figure)
	}
	require.ElementsMatch(t, want, names, "%s: %v", what, got.Problems)
}

// find returns the reading of the case's instance.
func (c *conformance) find(t testing.TB, result *result) *reading {
	t.Helper()
	for _, r := range result.Systems {
		if r.System == c.system && r.Prefix == c.prefix {
			return r
		}
	}
	require.Fail(t, "not found", "%s under %q", c.system, c.prefix)
	return nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	cases := make(map[string][]conformance)
	for _, c := range conformances() {
		if c.figures != nil { // else it is for TestManyQueues
			cases[c.system] = append(cases[c.system], c)
		}
	}
	require.ElementsMatch(t, Names(), slices.Collect(maps.Keys(cases)), "each system needs a case")
	free := map[string]chan *redistest.Server{
		"job-systems.rdb": make(chan *redistest.Server, len(cases)), "job-systems-2.rdb": make(chan *redistest.Server, len(cases)),
	}
	for system, cases := range cases {
		of := t
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			file := "job-systems.rdb"
			if cases[0].second {
				file = "job-systems-2.rdb"
			}
			var s *redistest.Server
			select {
			case s = <-free[file]:
				s.Do(t, "DEBUG", "RELOAD", "NOSAVE") // what another system's cases have put there goes
			default:
				s = startFixture(of, file)
			}
			defer func() { free[file] <- s }()
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.test(t, s) })
			}
		})
	}
}

func (c *conformance) test(t *testing.T, s *redistest.Server) {
	c.fill(t, s)
	user := c.user(t, s)
	for _, cmd := range c.clients {
		connect(t, s, c.db, cmd)
	}
	before := changes(t, s)
	d := dial(t, s, user, c.db)
	c.testFigures(t, d)
	require.Equal(t, before, changes(t, s), "something was written")
	c.testQueue(t, d)
	c.testSame(t, d)
	c.testDamage(t, s, user)
}

// changes is how often the server's data were changed.
func changes(t testing.TB, s *redistest.Server) string {
	t.Helper()
	_, after, ok := strings.Cut(s.Do(t, "INFO", "persistence"), "rdb_changes_since_last_save:")
	require.True(t, ok)
	count, _, _ := strings.Cut(after, "\r")
	return count
}

// testFigures polls twice, as the system is found.
func (c *conformance) testFigures(t *testing.T, d *teller) {
	m := &item.Memory{}
	d.at = c.at
	result, err := readSystems(t.Context(), d, m, c.opts(), query{})
	require.NoError(t, err)
	r := c.find(t, result)
	requireProblems(t, c.unknown[""], &r.figures, c.system)
	requireFigures(t, c.figures, knownOf(&r.figures), c.system)
	require.ElementsMatch(t, slices.Collect(maps.Keys(c.queues)), slices.Collect(maps.Keys(queueFigures(r))))
	for name, figures := range queueFigures(r) {
		requireFigures(t, c.queues[name], figures, name)
	}
	for _, q := range r.Queues {
		requireProblems(t, c.unknown[q.Name], &q.figures, q.Name)
	}

	d.reset()
	d.at += 60
	result, err = readSystems(t.Context(), d, m, c.opts(), query{})
	require.NoError(t, err)
	require.LessOrEqual(t, d.calls, maxRounds)
	r = c.find(t, result)
	c.requireSpec(t, d)
	requireComplete(t, r.spec, false, systemFigures, &r.figures)
	for _, q := range r.Queues {
		requireComplete(t, r.spec, true, figuresOfQueues, &q.figures)
	}
}

// requireSpec fails for a command that the Spec does not name.
func (c *conformance) requireSpec(t *testing.T, d *teller) {
	t.Helper()
	system, _ := lookup(c.system)
	may := append([]string{"time", "type", "scan"}, system.Spec().Commands...)
	for _, cmd := range d.sent {
		word := strings.ToLower(cmd[0])
		if slices.ContainsFunc(may, func(name string) bool { return strings.HasPrefix(name, word+"|") }) {
			word += "|" + strings.ToLower(cmd[1])
		}
		require.Contains(t, may, word)
	}
}

// requireComplete fails for a figure that is neither known nor explained, or
// both.
func requireComplete(t *testing.T, spec *spec, ofQueues bool, figures []figure, f *figures) {
	t.Helper()
	for _, name := range figures {
		_, isKnown := f.Get(name)
		require.Equal(t, !isKnown, spec.lacks(name, ofQueues) || f.missed(name), "%s: known %v", name, isKnown)
	}
	for _, lack := range spec.Lacks {
		if _, isKnown := f.Get(lack.Figure); lack.OfQueues == ofQueues {
			require.False(t, isKnown, "%s is said to be lacking", lack.Figure)
		}
	}
}

// testQueue asks for each queue alone.
func (c *conformance) testQueue(t *testing.T, d *teller) {
	for name, figures := range c.queues {
		d.reset()
		d.at = c.at
		result, err := readSystems(t.Context(), d, &item.Memory{}, c.opts(), query{System: c.system, Prefix: c.prefix, Queue: name})
		require.NoError(t, err)
		require.LessOrEqual(t, d.calls, maxRounds)
		require.Len(t, result.Systems, 1)
		require.Len(t, result.Systems[0].Queues, 1)
		requireFigures(t, figures, knownOf(&result.Systems[0].Queues[0].figures), name)
	}
}

// TestManyQueues: a poll takes no more round trips for a thousand queues than for
// one, and tells of those it left out.
func TestManyQueues(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range conformances() {
		if c.many == nil {
			continue
		}
		seen[c.system] = true
		t.Run(c.system, func(t *testing.T) {
			t.Parallel()
			s := redistest.Borrow(t)
			s.DoAll(t, c.many(maxQueues+5)...)
			d := dial(t, s, "", 0)
			m := &item.Memory{}
			d.at = c.at
			_, err := readSystems(t.Context(), d, m, c.opts(), query{})
			require.NoError(t, err)
			d.reset()
			result, err := readSystems(t.Context(), d, m, c.opts(), query{})
			require.NoError(t, err)
			require.LessOrEqual(t, d.calls, maxRounds)
			r := c.find(t, result)
			require.Len(t, r.Queues, maxQueues)
			more := 5
			if r.spec.Markers != nil || r.spec.Clue != nil { // else there are just the configured ones
				more += len(c.opts().Queues[c.system])
			}
			require.Equal(t, more, r.Truncated)
			if !c.shapeless { // what a key costs is known when its type is
				waiting, ok := r.Get(figWaiting)
				require.True(t, ok, "%v", r.Problems)
				require.EqualValues(t, maxQueues+5, waiting, "those that have no row, too")
			}
			for _, q := range r.Queues {
				waiting, ok := q.Get(figWaiting)
				require.True(t, ok && waiting == 1, "%s: %v", q.Name, q.Problems)
			}
		})
	}
	for _, system := range all {
		if spec := system.Spec(); !spec.lacks(figWaiting, true) {
			require.True(t, seen[spec.Name], "%s needs a case with many queues", spec.Name)
		}
	}
}
