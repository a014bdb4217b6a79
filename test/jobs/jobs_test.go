//go:build jobs && linux

package jobs

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
	"redisjobs/test/driver"
	"redisjobs/test/programs"
)

var update = flag.Bool("update", false, "write docs/job-systems.md")

// resque is Ruby's own, which Debian does not have.
const resqueSkipped = "Resque itself: Debian has no package of it, and RubyGems is not among the registries used here. " +
	"node-resque, which keeps its layout, is run instead, and metrics/jobs reads the keys of a recorded run of Resque 3.0"

// TestSystems tells the same story with every system, side by side: jobs are brought into every state that it knows, the
// plugin and the system's own API are asked for all figures, then the worker is killed. All are asked by one plugin, as
// by an agent.
func TestSystems(t *testing.T) {
	p := driver.Start(t, driver.Config{})
	have := programs.List(t)
	all := make([]*results, len(systems))
	scheduled := make([]*schedulerResult, len(schedulers))
	t.Run("side by side", func(t *testing.T) {
		for i, s := range systems {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				program, listed := have[s.name]
				require.True(t, listed, "setup.sh does not list it")
				if program.Skipped != "" {
					t.Skipf("%s SKIPPED: %s", s.title, program.Skipped)
				}
				all[i] = tell(t, newStage(t, s, program), p)
			})
		}
		for i, s := range schedulers {
			t.Run("scheduler "+s.title, func(t *testing.T) {
				t.Parallel()
				program, listed := have[s.name]
				require.True(t, listed, "setup.sh does not list it")
				if program.Skipped != "" {
					t.Skipf("%s SKIPPED: %s", s.title, program.Skipped)
				}
				scheduled[i] = s.tellSchedule(t, program, p)
			})
		}
		t.Run("resque", func(t *testing.T) { t.Skip(resqueSkipped) })
	})
	text := page(all) + schedulersPage(slices.DeleteFunc(slices.Clone(scheduled), func(r *schedulerResult) bool { return r == nil }))
	root := agent.Root(t)
	require.NoError(t, os.MkdirAll(filepath.Join(root, "build"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "build", "job-systems.md"), []byte(text), 0o644))
	t.Log("the figures are in build/job-systems.md")
	if slices.Contains(all, nil) || slices.Contains(scheduled, nil) {
		t.Log("docs/job-systems.md is not compared: not all systems were run to the end")
		return
	}
	if t.Failed() {
		return
	}
	kept := filepath.Join(root, "docs", "job-systems.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(kept), 0o755))
		require.NoError(t, os.WriteFile(kept, []byte(text), 0o644))
	}
	old, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Equal(t, text, string(old), "run: make test-jobs JOBSFLAGS=-update")
}

// results are the table of one system.
type results struct {
	system
	version       string
	running, dead []row
}

func tell(t *testing.T, s *stage, p *driver.Plugin) *results {
	failing := s.watchFailures(t, p)
	s.produce(t)
	worker := programs.Launch(t, s.command(t, "work"))
	s.ask(t)
	var out results
	out.system = s.system
	await(t, "the end of the story", func() string {
		told, version := s.own(t)
		out.version = version
		return told.lacks(s.settled)
	})
	failing.compare(t)
	await(t, "what only the plugin tells", func() string { return s.ours(t, p).lacks(s.known) })
	before, ours, after := s.moment(t, p)
	out.running = s.compare(before, ours, after, s.known, nil)
	report(t, "running", out.running)

	worker.Kill()
	await(t, "the worker's death", func() string { return s.ours(t, p).lacks(s.dead) })
	if s.repairs {
		// What a look at the API does to the jobs, ours is to show.
		s.own(t)
	}
	before, ours, after = s.moment(t, p)
	for _, r := range s.compare(before, ours, after, nil, s.differs) {
		if r.own != "" {
			out.dead = append(out.dead, r)
		}
	}
	// What the API does not tell was awaited above.
	for path, v := range s.dead {
		if _, told := before[path]; !told {
			out.dead = append(out.dead, row{path: path, ours: shown(path, v), verdict: story})
		}
	}
	report(t, "killed", out.dead)
	failing.compare(t) // where a look at the API gives up the jobs of a dead worker
	return &out
}

// report fails the test for what is wrong.
func report(t testing.TB, when string, rows []row) {
	t.Helper()
	for _, r := range rows {
		if r.verdict == wrong {
			t.Errorf("%s: %s: ours %q, its own %q %s", when, r.path, r.ours, r.own, r.reason)
		}
	}
}
