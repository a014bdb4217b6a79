//go:build jobs && linux

package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/test/driver"
)

// document is what job.get tells of one system.
type document struct {
	figures
	missing map[string]string // reasons; "queue.latency" is that of every queue
}

// unmeasured follow from several polls, and are shown by the tests of metrics/jobs.
var unmeasured = []string{
	"growth_rate", "arrival_rate", "drain_rate", "time_to_empty", "stalled", "stuck", "queues_stuck",
	"saturated", "queues_saturated", "abandoned", "latency_unknown", "oldest_running_unknown",
	"scheduler_unknown",
}

// ages are figures that grow while one looks at them.
var ages = []string{"latency", "oldest_running", "oldest_unacked"}

// slack is what two clocks of one machine and the rounding of whole seconds may differ by.
const slack = 50 * time.Millisecond

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// ours asks the plugin.
func (s *stage) ours(t testing.TB, p *driver.Plugin) document {
	t.Helper()
	text, err := p.Ask(10, "job.get", "tcp://"+s.redis.Addr).Answer()
	require.NoError(t, err)
	var raw struct {
		Up          int
		Error       string
		Systems     []map[string]any
		Queues      []map[string]any
		Truncated   map[string]any
		Unavailable map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(text), &raw), text)
	require.Equal(t, 1, raw.Up, text)
	require.Empty(t, raw.Truncated, text)
	require.Empty(t, raw.Unavailable, text)
	doc := document{figures{}, map[string]string{}}
	found := 0
	for _, row := range raw.Systems {
		if row["system"] != s.item {
			continue
		}
		found++
		doc.take("", row)
	}
	require.Equal(t, 1, found, "rows of %s: %s", s.item, text)
	require.Len(t, raw.Systems, 1, "there is no other system: %s", text)
	for _, row := range raw.Queues {
		require.Equal(t, s.item, row["system"], text)
		doc.take(row["queue"].(string)+"/", row)
	}
	return doc
}

func (d document) take(prefix string, row map[string]any) {
	for name, value := range row {
		if n, isNumber := value.(float64); isNumber && name != "exists" && name != "listed" {
			d.figures[prefix+name] = n
		}
	}
	for name, reason := range row["unavailable"].(map[string]any) {
		d.missing[prefix+name] = reason.(string)
	}
}

// value is a figure, or the sum of several as in "mail/waiting+active".
func (d document) value(path string) (float64, bool) {
	queue := strings.TrimSuffix(path, base(path))
	sum := 0.0
	for name := range strings.SplitSeq(base(path), "+") {
		v, ok := d.figures[queue+name]
		if !ok {
			return 0, false
		}
		sum += v
	}
	return sum, true
}

// reason is why a figure is missing, "" if nobody says so.
func (d document) reason(path string) string {
	if r, ok := d.missing[path]; ok {
		return r
	}
	if queue := strings.TrimSuffix(path, base(path)); queue != "" {
		return d.missing["queue."+base(path)]
	}
	return ""
}

// lacks says which of the expected figures a document does not have, "" if none.
func (d figures) lacks(want figures) string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if strings.HasPrefix(path, "*/") {
			continue // of the queues that are not named
		}
		if got, ok := d[path]; !ok {
			out = append(out, fmt.Sprintf("%s: expected %v, not told", path, want[path]))
		} else if got != want[path] {
			out = append(out, fmt.Sprintf("%s: expected %v, got %v", path, want[path], got))
		}
	}
	return strings.Join(out, "\n")
}

// row is one figure of one system in the table.
type row struct {
	path      string
	ours, own string
	verdict   verdict
	reason    string
}

type verdict string

const (
	equal   verdict = "equal"
	story   verdict = "as made"  // the API does not tell it; it is what the producer and the worker have made
	leftOut verdict = "left out" // with a reason
	derived verdict = "derived"  // of several polls
	differs verdict = "differs"  // with a reason
	wrong   verdict = "WRONG"
)

// moment asks the API, the plugin and the API again, until both answers of the API agree in all that is no age: then the
// plugin's answer in between is of the same state.
func (s *stage) moment(t testing.TB, p *driver.Plugin) (before figures, ours document, after figures) {
	t.Helper()
	await(t, "a state that lasts", func() string {
		before, _ = s.own(t)
		ours = s.ours(t, p)
		after, _ = s.own(t)
		for path, v := range before {
			if w := after[path]; w != v && !slices.Contains(ages, base(path)) {
				return fmt.Sprintf("%s goes from %v to %v", path, v, w)
			}
		}
		return ""
	})
	return before, ours, after
}

// compare judges every figure that the API tells and every one that the plugin tells.
func (s *stage) compare(before figures, ours document, after, known figures, other map[string]string) []row {
	var rows []row
	for _, path := range slices.Sorted(maps.Keys(before)) {
		got, told := ours.value(path)
		low, high := before[path], after[path]
		r := row{path: path, ours: shown(path, got), own: shown(path, high)}
		isAge := slices.Contains(ages, base(path))
		switch {
		case !told && ours.reason(path) != "":
			r.ours, r.verdict, r.reason = "", leftOut, ours.reason(path)
		case !told:
			r.ours, r.verdict = "", wrong
		case other[path] != "":
			r.verdict, r.reason = differs, other[path]
		case isAge && (got < low-slack.Seconds() || got > high+slack.Seconds()), !isAge && got != low:
			r.verdict = wrong
			r.ours, r.own = fmt.Sprint(got), fmt.Sprintf("%v to %v", low, high)
		default:
			r.verdict = equal
		}
		rows = append(rows, r)
	}
	for _, path := range slices.Sorted(maps.Keys(ours.figures)) {
		if _, told := before[path]; told {
			continue
		}
		r := row{path: path, ours: shown(path, ours.figures[path])}
		want, isKnown := known[path]
		if !isKnown && path != base(path) {
			want, isKnown = known["*/"+base(path)]
		}
		switch {
		case slices.Contains(unmeasured, base(path)) || slices.Contains(s.derived, base(path)):
			r.ours, r.verdict = "", derived
		case !isKnown:
			r.verdict, r.reason = wrong, "neither the API nor the test tells what it should be"
		case want == ours.figures[path]:
			r.verdict = story
		default:
			r.verdict, r.reason = wrong, fmt.Sprintf("the test has made %v", want)
		}
		rows = append(rows, r)
	}
	for _, path := range slices.Sorted(maps.Keys(known)) {
		if strings.HasPrefix(path, "*/") {
			continue
		}
		if _, told := ours.value(path); !told {
			rows = append(rows, row{path: path, verdict: wrong, reason: "not told: " + ours.reason(path)})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(ours.missing)) {
		if _, told := before[path]; !told {
			rows = append(rows, row{path: path, verdict: leftOut, reason: ours.missing[path]})
		}
	}
	return rows
}

// shown is a figure's value in the table; an age's differs from run to run.
func shown(path string, v float64) string {
	if slices.Contains(ages, base(path)) && v != 0 {
		return "its age"
	}
	return fmt.Sprint(v)
}
