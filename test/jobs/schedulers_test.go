//go:build jobs && linux

package jobs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
	"redisjobs/test/programs"
)

// scheduler is a scheduler of periodic jobs: tick, which is due every few seconds, and nightly. Its program has two roles:
// schedule, which is the scheduler itself, and entries, which answers with what its own API tells.
type scheduler struct {
	name    string // in setup.sh's list
	title   string
	main    string // the script of its roles
	item    string // its system in job.get
	row     string // its name in the rows
	tick    string // the names of the jobs
	nightly string
	// slack is what the last run may differ by in its API and in job.get, in seconds: of Bull and BullMQ it is when the
	// worker began the job, and when it made the next one.
	slack float64
	// killed is which figures say so within two minutes.
	killed []string
	// frozen are those that say so when it is stopped, too; then it goes on.
	frozen []string
}

const (
	saysAlive   = "schedulers_alive"
	saysOverdue = "scheduler_overdue"
)

var schedulers = []scheduler{
	{
		name: "sidekiq-cron", title: "sidekiq-cron", main: "sidekiq.rb", item: "sidekiq", row: "sidekiq-cron", tick: "tick", nightly: "nightly",
		slack: 0.5, killed: []string{saysAlive, saysOverdue},
	},
	{
		name: "rq-3", title: "RQ's cron", main: "rqcron.py", item: "rq", row: "rq-cron", tick: "tick", nightly: "nightly",
		slack: 1e-3, killed: []string{saysAlive, saysOverdue}, frozen: []string{saysAlive, saysOverdue},
	},
	{
		name: "rq-scheduler", title: "rq-scheduler", main: "rqscheduler.py", item: "rq", row: "rq-scheduler", tick: "tasks.ok tick",
		nightly: "tasks.ok nightly", slack: 1e-3, killed: []string{saysAlive, saysOverdue},
	},
	{
		name: "redbeat", title: "celery-redbeat", main: "beat.py", item: "redbeat", row: "redbeat", tick: "tick", nightly: "nightly",
		slack: 1e-3, killed: []string{saysOverdue}, frozen: []string{saysOverdue},
	},
	{
		name: "bullmq-6", title: "BullMQ", main: "bullmq.js", item: "bullmq", row: "bullmq", tick: "tick", nightly: "nightly",
		// A frozen worker keeps its connection.
		slack: 2, killed: []string{saysAlive, saysOverdue}, frozen: []string{saysOverdue},
	},
	{
		name: "bull-4", title: "Bull", main: "bull.js", item: "bull", row: "bull", tick: "tick", nightly: "nightly",
		slack: 2, killed: []string{saysAlive, saysOverdue},
	},
	{
		name: "asynq", title: "Asynq", main: "", item: "asynq", row: "asynq-scheduler", tick: "tick", nightly: "nightly",
		slack: 1e-3, killed: []string{saysAlive, saysOverdue}, frozen: []string{saysAlive, saysOverdue},
	},
	{name: "resque-node", title: "node-resque", main: "resque.js", item: "resque", row: "resque-scheduler", killed: []string{saysAlive}},
}

// periodicRow is a row of periodic_jobs.
type periodicRow struct {
	Scheduler, Name, Schedule string
	Last                      float64 `json:"last_run"`
	Next                      float64 `json:"next_run"`
	Late                      float64 `json:"late_by"`
	Enabled, Overdue          int
}

// scheduled is what job.get tells of a scheduler.
type scheduled struct {
	figures
	reasons map[string]string
	rows    map[string]periodicRow
	text    string
}

// ours asks the plugin.
func (s scheduler) ours(t testing.TB, p *driver.Plugin, addr string) scheduled {
	t.Helper()
	text, err := p.Ask(10, "job.get", "tcp://"+addr).Answer()
	require.NoError(t, err)
	var raw struct {
		Up      int
		Systems []map[string]any
		Rows    []periodicRow `json:"periodic_jobs"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &raw), text)
	require.Equal(t, 1, raw.Up, text)
	out := scheduled{figures{}, map[string]string{}, map[string]periodicRow{}, text}
	for _, row := range raw.Systems {
		if row["system"] != s.item {
			continue
		}
		for name, value := range row {
			if n, ok := value.(float64); ok {
				out.figures[name] = n
			}
		}
		for name, reason := range row["unavailable"].(map[string]any) {
			out.reasons[name] = reason.(string)
		}
	}
	for _, row := range raw.Rows {
		if row.Scheduler == s.row {
			out.rows[row.Name] = row
		}
	}
	return out
}

// entries is the running role that answers with the scheduler's own view.
type entries struct{ asked }

type ownEntries struct {
	Version string
	Entries map[string]struct{ Next, Last float64 }
}

func (e *entries) ask(t testing.TB) ownEntries {
	t.Helper()
	_, err := io.WriteString(e.in, "\n")
	require.NoError(t, err, "%s", e.Output())
	require.NoError(t, e.pipe.SetReadDeadline(time.Now().Add(patience)))
	line, err := e.out.ReadBytes('\n')
	require.NoError(t, err, "%s", e.Output())
	var told ownEntries
	require.NoError(t, json.Unmarshal(line, &told), "%s", line)
	return told
}

// schedulerResult is a row of the table of schedulers.
type schedulerResult struct {
	scheduler
	version string
	equal   []string // what its own API tells, and is equal
}

// tellSchedule runs a scheduler: alive and in time, frozen, alive again, killed.
func (s scheduler) tellSchedule(t *testing.T, program programs.Program, p *driver.Plugin) *schedulerResult {
	st := &stage{system: system{main: "schedulers/" + s.main}, program: program, redis: redistest.Start(t, redistest.Config{}), dir: t.TempDir()}
	addr := st.redis.Addr
	running := programs.Launch(t, st.command(t, "schedule"))
	alive := figures{saysAlive: 1, saysOverdue: 0, "periodic_jobs": 2}
	if s.tick == "" {
		alive = figures{saysAlive: 1}
	}
	await(t, "a scheduler that is alive", func() string {
		got := s.ours(t, p, addr)
		if problem := got.lacks(alive); problem != "" {
			return problem + "\n" + got.text
		}
		if s.tick != "" && (got.rows[s.tick].Last == 0 || got.rows[s.nightly].Schedule == "" && s.row != "rq-scheduler") {
			return "tick has not run: " + got.text
		}
		return ""
	})
	result := &schedulerResult{scheduler: s}
	s.compareEntries(t, st, p, result)
	if len(s.frozen) > 0 {
		require.NoError(t, syscall.Kill(-running.Cmd.Process.Pid, syscall.SIGSTOP))
		s.awaitDeath(t, p, addr, "frozen", s.frozen)
		require.NoError(t, syscall.Kill(-running.Cmd.Process.Pid, syscall.SIGCONT))
		await(t, "a scheduler that is alive again", func() string {
			got := s.ours(t, p, addr)
			if problem := got.lacks(alive); problem != "" {
				return problem + "\n" + got.text
			}
			return ""
		})
	}
	running.Kill()
	s.awaitDeath(t, p, addr, "killed", s.killed)
	return result
}

// compareEntries compares the rows with the scheduler's own API, at a moment between two answers of it that agree.
func (s scheduler) compareEntries(t *testing.T, st *stage, p *driver.Plugin, result *schedulerResult) {
	cmd := st.command(t, "entries")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout = w
	own := &entries{asked{Process: programs.Launch(t, cmd), in: in, pipe: r, out: bufio.NewReader(r)}}
	require.NoError(t, w.Close())
	t.Cleanup(func() { _ = r.Close() })
	await(t, "a moment in which nothing is scheduled", func() string {
		before := own.ask(t)
		got := s.ours(t, p, st.redis.Addr)
		after := own.ask(t)
		if fmt.Sprint(before.Entries) != fmt.Sprint(after.Entries) {
			return "it goes on"
		}
		result.version, result.equal = before.Version, nil
		for _, name := range slices.Sorted(maps.Keys(before.Entries)) {
			entry, row := before.Entries[name], got.rows[name]
			if row.Name == "" {
				return name + " has no row: " + got.text
			}
			if entry.Next > 0 {
				require.InDelta(t, entry.Next, row.Next, 1e-3, "next run of %s: %s", name, got.text)
				result.equal = append(result.equal, "next_run")
			}
			if entry.Last > 0 {
				require.InDelta(t, entry.Last, row.Last, s.slack, "last run of %s: %s", name, got.text)
				result.equal = append(result.equal, "last_run")
			}
		}
		require.NotContains(t, got.text, "secret", "arguments are not shown")
		return ""
	})
	slices.Sort(result.equal)
	result.equal = slices.Compact(result.equal)
}

// awaitDeath waits until job.get says that the scheduler is dead, within two minutes, and that nightly is not late.
func (s scheduler) awaitDeath(t *testing.T, p *driver.Plugin, addr, how string, says []string) {
	since := time.Now()
	for _, figure := range says {
		await(t, figure+" of a scheduler that is "+how, func() string {
			got := s.ours(t, p, addr)
			value, known := got.figures[figure]
			if !known {
				return figure + " is not known: " + got.reasons[figure]
			}
			if (figure == saysAlive) != (value == 0) {
				return fmt.Sprintf("%s is %v: %s", figure, value, got.text)
			}
			if figure == saysOverdue {
				require.Equal(t, 1, got.rows[s.tick].Overdue, got.text)
				require.Zero(t, got.rows[s.nightly].Overdue, got.text)
			}
			return ""
		})
		took := time.Since(since)
		t.Logf("%s, %s: %s after %.0f s", s.title, how, figure, took.Seconds())
		require.Less(t, took, 2*time.Minute, "%s of a scheduler that is %s", figure, how)
	}
}

// schedulersPage is the table of the schedulers.
func schedulersPage(all []*schedulerResult) string {
	var b strings.Builder
	b.WriteString(`
## Schedulers

Each of these schedulers is run with one periodic job that is due every few seconds and one for the night. ` + "`job.get`" + ` and
the scheduler's own API are asked at the same moment. Then some are frozen with SIGSTOP, and go on, and all are killed with
SIGKILL: within two minutes the figures in the last columns say so.

| scheduler | equal to its own API | killed | frozen |
|---|---|---|---|
`)
	words := strings.NewReplacer(saysAlive, "`"+saysAlive+"` is 0", saysOverdue, "`"+saysOverdue+"` is 1")
	for _, r := range all {
		equal := "it has no periodic jobs"
		if len(r.equal) > 0 {
			equal = "`" + strings.Join(r.equal, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s %s | %s | %s | %s |\n", r.title, r.version, equal,
			words.Replace(strings.Join(r.killed, ", ")), words.Replace(strings.Join(r.frozen, ", ")))
	}
	return b.String()
}
