//go:build jobs && linux

package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/test/driver"
)

// argument is that of every job that fails, whose messages quote it.
const argument = "bob@example.com"

// toldFailure is a failed job as the system's own API tells it.
type toldFailure struct{ Class, Queue, Error, Message string }

// String is a failure as job.failures.get tells it.
func (f toldFailure) String() string {
	return fmt.Sprintf("%s in %s: %s: %s", f.Class, f.Queue, f.Error, strings.ReplaceAll(f.Message, argument, "***"))
}

// failing polls job.failures.get, and adds up what it tells.
type failing struct {
	stage  *stage
	plugin *driver.Plugin
	told   map[string]int // by failure
	why    string         // why there are none
}

// watchFailures makes the first poll, of a Redis without a job.
func (s *stage) watchFailures(t testing.TB, p *driver.Plugin) *failing {
	t.Helper()
	f := &failing{stage: s, plugin: p, told: map[string]int{}}
	require.True(t, f.poll(t), "it is the first poll")
	return f
}

// poll reports whether it is the first one.
func (f *failing) poll(t testing.TB) bool {
	t.Helper()
	text, err := f.plugin.Ask(10, "job.failures.get", "tcp://"+f.stage.redis.Addr).Answer()
	require.NoError(t, err)
	require.NotContains(t, text, argument, "arguments are not shown")
	var doc struct {
		Up     int
		First  bool
		Count  int
		Groups []struct {
			System, Class, Queue, Error, Message string
			Count                                int
			Last                                 float64
		}
		Systems []struct {
			System      string
			Unreadable  int
			Unavailable map[string]string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &doc), text)
	require.Equal(t, 1, doc.Up, text)
	count := 0
	for _, g := range doc.Groups {
		require.Equal(t, f.stage.item, g.System)
		require.Greater(t, g.Last, 1.7e9)
		f.told[toldFailure{g.Class, g.Queue, g.Error, g.Message}.String()] += g.Count
		count += g.Count
	}
	require.Equal(t, doc.Count, count, text)
	for _, row := range doc.Systems {
		require.Zero(t, row.Unreadable, text)
		f.why = row.Unavailable["failures"]
	}
	return doc.First
}

// compare waits until job.failures.get has told each failure that the system's own
// API tells, once.
func (f *failing) compare(t testing.TB) {
	t.Helper()
	own := map[string]int{}
	for _, failure := range f.stage.failures {
		own[failure.String()]++
	}
	await(t, "the failures", func() string {
		f.poll(t)
		if f.stage.failures == nil {
			if f.why == "" {
				return "it is not said why there are none"
			}
			return ""
		}
		if !maps.Equal(own, f.told) {
			return fmt.Sprintf("its own %v, ours %v", own, f.told)
		}
		return ""
	})
	for range 3 {
		f.poll(t)
	}
	require.Equal(t, own, f.told, "each is told once")
	t.Logf("failures: %s", strings.Join(slices.Sorted(maps.Keys(own)), "; "))
}
