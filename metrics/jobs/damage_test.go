package jobs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// typeOf is the type of key that a command reads; "" when any will do.
func typeOf(cmd redisclient.Command) string {
	switch word := cmd[0]; {
	case word == "GET":
		return "string"
	case word == "LLEN" || word == "LINDEX" || word == "LRANGE":
		return "list"
	case word[0] == 'Z':
		return "zset"
	case word[0] == 'S' && word != "SCAN":
		return "set"
	case word[0] == 'H':
		return "hash"
	case word[0] == 'X':
		return "stream"
	}
	return ""
}

const (
	// damageDB is a database without a system.
	damageDB = "63"
	// kept is where a key is while something else stands in its place.
	kept = "kept by the test"
)

// testDamage puts something else at each key that a poll reads, and expects the
// rest to be told as before, and never another number for what was damaged.
func (c *conformance) testDamage(t *testing.T, s *redistest.Server, user string) {
	d := dial(t, s, user, c.db)
	d.at = c.at
	m := &item.Memory{} // that the system is there was found before
	poll := func() *reading {
		stateOf(m).heavy, stateOf(m).samples = heavy{}, nil // have tests of their own
		result, err := readSystems(t.Context(), d, m, c.opts(), query{})
		require.NoError(t, err)
		return c.find(t, result)
	}
	d.reset()
	since := time.Now()
	whole := poll()
	keys := map[string]string{}
	for _, cmd := range d.sent {
		if typ := typeOf(cmd); typ == "stream" && strings.HasPrefix(cmd[0], "XINFO") {
			keys[cmd[2]] = typ
		} else if typ != "" {
			keys[cmd[1]] = typ
		}
	}
	require.NotEmpty(t, keys)
	binary := strings.Repeat("\xff\x00\"{", 1000)
	huge := `{"jid":"x","enqueued_at":1795228164.9,"args":["` + strings.Repeat("x", maxPayload) + `"]}`
	hostile := map[string][]string{
		"string": {"SET", "", binary},
		"list":   {"RPUSH", "", huge, "{", `{"jid":[],"enqueued_at":"x","created_at":{}}`, "null", binary},
		"set":    {"SADD", "", binary, "", "\x00", strings.Repeat("q", 300), "*", "a:b:c", "ok"},
		"zset":   {"ZADD", "", "inf", binary, "-inf", "", "1e300", "x"},
		"hash":   {"HSET", "", binary, binary, "", "", "busy", "x", "info", "[", "state", binary, "msg", "\xff"},
	}
	db := strconv.Itoa(c.db)
	s.Do(t, "SELECT", damageDB) // to be copied from there: some are large
	s.Do(t, "FLUSHDB")
	for kind, cmd := range hostile {
		cmd = slices.Clone(cmd)
		cmd[1] = kind
		s.Do(t, cmd...)
	}
	s.Do(t, "SELECT", db)
	inPlaceOf := func(key, kind string, existed bool) {
		damage := [][]string{{"SELECT", damageDB}, {"COPY", kind, key, "DB", db}, {"SELECT", db}}
		if existed {
			damage = append([][]string{{"RENAME", key, kept}}, damage...)
		}
		replies := s.DoAll(t, damage...)
		require.Equal(t, "1", replies[len(replies)-2], "COPY")
	}
	undo := func(key string, existed bool) {
		repair := [][]string{{"DEL", key}}
		if existed {
			repair = append(repair, []string{"RENAME", kept, key})
		}
		s.DoAll(t, repair...)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		existed := s.Do(t, "EXISTS", key) == "1"
		for kind := range hostile {
			inPlaceOf(key, kind, existed)
			got := poll()
			what := fmt.Sprintf("%s is a %s", key, kind)
			requireJudged(t, got, what)
			if kind != keys[key] && !c.shapeless && (c.shapes == "" || !strings.HasPrefix(key, c.shapes)) {
				requireSubset(t, whole, got, since, what)
			}
			undo(key, existed)
		}
	}
	again := poll()
	require.Equal(t, knownOf(&whole.figures), knownOf(&again.figures), "the damage is undone")
}

// requireJudged fails when a figure is neither known nor explained.
func requireJudged(t *testing.T, r *reading, what string) {
	t.Helper()
	for _, f := range systemFigures {
		_, isKnown := r.Get(f)
		if !isKnown && !r.spec.lacks(f, false) && !r.missed(f) {
			require.Fail(t, "a figure is neither known nor explained", "%s: system: %s", what, f)
		}
	}
	for _, q := range r.Queues {
		for _, f := range figuresOfQueues {
			_, isKnown := q.Get(f)
			rate := f == figArrival || f == figDrain // there was one poll
			if !isKnown && !rate && !r.spec.lacks(f, true) && !q.missed(f) {
				require.Fail(t, "a figure is neither known nor explained", "%s: queue %s: %s", what, q.Name, f)
			}
		}
	}
}

// requireSubset fails when damage made a number that was not there before, and
// when some queues lost figures: one key concerns one queue, or all. since is before
// the whole was read.
func requireSubset(t *testing.T, whole, damaged *reading, since time.Time, what string) {
	t.Helper()
	before := queueFigures(whole)
	compare := func(want, got map[string]float64, who string) (lost bool) {
		for name, value := range got {
			later := 0.0
			if name == figOldestRunning.String() { // of a stream, by the server's own clock, which goes on
				later = time.Since(since).Seconds()
			}
			if was, ok := want[name]; !ok || value < was-1e-6 || value > was+later+1e-6 {
				require.Fail(t, "damage made a number", "%s: %s: %s: %v, was %v (%v)", what, who, name, value, was, ok)
			}
		}
		return len(got) < len(want)
	}
	of := knownOf(&damaged.figures)
	if unknown, _ := damaged.Get(figLatencyUnknown); unknown > 0 { // the greatest of the others
		require.LessOrEqual(t, of["latency"], knownOf(&whole.figures)["latency"]+1e-6, what)
		delete(of, "latency")
	}
	if unknown, _ := damaged.Get(figRunningUnknown); unknown > 0 {
		require.LessOrEqual(t, of["oldest_running"], knownOf(&whole.figures)["oldest_running"]+1e-6, what)
		delete(of, "oldest_running")
	}
	if unknown, _ := damaged.Get(figSchedulerUnknown); unknown > 0 { // those of the others
		before := knownOf(&whole.figures)
		for _, name := range []string{"scheduler_overdue", "scheduler_late"} {
			require.LessOrEqual(t, of[name], before[name]+1e-6, what)
			delete(of, name)
		}
	}
	compare(knownOf(&whole.figures), of, "system")
	after, lost := queueFigures(damaged), 0
	for name, figures := range after {
		if compare(before[name], figures, name) {
			lost++
		}
	}
	require.Contains(t, []int{0, 1, len(after)}, lost, what)
}
