//go:build zabbix && shop && linux

package zabbix

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
	"redisjobs/test/programs"
)

var shopTime = flag.Duration("shop", time.Hour, "how long the shop works before anything is killed")

const (
	// redeploy is how often the workers of a system are replaced.
	redeploy = 10 * time.Minute
	// grace is how long an old worker may take to end its job.
	grace = 100 * time.Second
	// soon is how long a death may remain unnoticed.
	soon = 2 * time.Minute
)

// employee is a role of a job system that the shop runs.
type employee struct {
	program, main, role string
	label               string // the system, in the names of problems
	count               int
	// endFirst: the old ones end before new ones start. A worker of RQ looks only every ten minutes whether nobody
	// schedules, and does not while an old one is there.
	endFirst bool
}

// staff are the workers and schedulers, each in the order in which they are killed. Those of celery-redbeat and RQ's cron
// are processes of their own; the others are parts of the workers.
var staff = []employee{
	{program: "rq-3", main: "rq_shop.py", role: "schedule", label: "rq", count: 1},
	{program: "redbeat", main: "celery_shop.py", role: "schedule", label: "redbeat", count: 1},
	{program: "sidekiq-cron", main: "sidekiq.rb", role: "work", label: "sidekiq", count: 1},
	{program: "rq-3", main: "rq_shop.py", role: "work", label: "rq", count: 2, endFirst: true},
	{program: "redbeat", main: "celery_shop.py", role: "work", label: "celery", count: 1},
	{program: "bullmq-6", main: "bullmq.js", role: "work", label: "bullmq", count: 1},
	{program: "arq", main: "arq_shop.py", role: "work", label: "arq", count: 1},
}

// shop is five job systems in one database.
type shop struct {
	*world
	redis    *redistest.Server
	programs map[string]programs.Program
	dir      string
	running  [][]*programs.Process // by number in staff
}

func (s *shop) launch(t testing.TB, e employee) *programs.Process {
	t.Helper()
	p, listed := s.programs[e.program]
	require.True(t, listed, e.program)
	if p.Skipped != "" {
		t.Skip(p.Skipped)
	}
	cmd := exec.Command(p.Path, filepath.Join(agent.Root(t), "test/zabbix/shop", e.main), e.role)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "REDIS_URL=redis://"+s.redis.Addr+"/0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return programs.Launch(t, cmd)
}

// hire starts the processes of one of staff.
func (s *shop) hire(t testing.TB, i int) {
	for range staff[i].count {
		s.running[i] = append(s.running[i], s.launch(t, staff[i]))
	}
}

// replace does what a rolling deployment does: new workers start, then the old ones end what they do.
func (s *shop) replace(t testing.TB, i int) {
	old := s.running[i]
	s.running[i] = nil
	if !staff[i].endFirst {
		s.hire(t, i)
		time.Sleep(20 * time.Second) // until the new ones work
	}
	for _, p := range old {
		_ = syscall.Kill(p.Cmd.Process.Pid, syscall.SIGTERM)
	}
	for _, p := range old {
		select {
		case <-p.Exited:
		case <-time.After(grace):
			p.Kill()
		}
	}
	if staff[i].endFirst {
		s.hire(t, i)
	}
}

// problemOf is an open problem that says that the workers or the scheduler of the system are dead.
func (s *shop) problemOf(label string) (name string) {
	for _, open := range s.open("shop") {
		for _, says := range []string{"No worker of ", "Workers of ", "Scheduler of "} {
			if strings.HasPrefix(open, "Jobs: "+says+label+" ") {
				return open
			}
		}
	}
	return ""
}

// TestShop is an hour of ordinary work of Sidekiq, RQ, Celery, BullMQ and arq: long jobs, bursts, a rate limit, retries,
// deployments, periodic jobs, a queue that is empty by day. Nobody is alarmed. Then all workers and schedulers are killed,
// one system after the other: each is a problem that names the system within two minutes, whatever other problems there
// are.
func TestShop(t *testing.T) {
	all := stacks(t)
	stack := all[len(all)-1]
	w := newWorld(t, stack, false)
	s := &shop{world: w, redis: redistest.Start(t, redistest.Config{}), programs: programs.List(t), dir: t.TempDir(),
		running: make([][]*programs.Process, len(staff))}
	for i := range staff {
		s.hire(t, i)
	}
	var traders []string
	for _, e := range staff {
		if !slices.Contains(traders, e.main) {
			traders = append(traders, e.main)
			e.role = "trade"
			s.launch(t, e)
		}
	}
	shared := agent.Start(t, w.agent, w.plugin(t, "", nil))
	s.hostOf(t, shared.Addr)

	began, deployed, next := time.Now(), time.Now(), 2
	seen := map[string]bool{}
	for time.Since(began) < *shopTime {
		time.Sleep(time.Second)
		for _, name := range s.open("shop") {
			if !seen[name] {
				seen[name] = true
				t.Errorf("after %v of ordinary work: %s", time.Since(began).Round(time.Second), s.titles(name))
			}
		}
		if time.Since(deployed) > redeploy/5 {
			deployed = time.Now()
			s.replace(t, next) // problems that open meanwhile are seen afterwards
			t.Logf("%v: %s deployed", time.Since(began).Round(time.Second), staff[next].label)
			if next++; next == len(staff) {
				next = 2
			}
		}
	}
	require.Empty(t, w.faults)
	if len(seen) == 0 {
		t.Logf("%v of ordinary work, no problem", *shopTime)
	}

	for i, e := range staff {
		killed := time.Now()
		for _, p := range s.running[i] {
			p.Kill()
		}
		for s.problemOf(e.label) == "" && time.Since(killed) < 2*soon {
			time.Sleep(500 * time.Millisecond)
		}
		took := time.Since(killed)
		name := s.problemOf(e.label)
		t.Logf("%s %s killed: %v to %q", e.label, e.role, took.Round(time.Second), s.titles(name))
		if name == "" || took > soon {
			t.Errorf("%s %s: no problem within %v; open are %q", e.label, e.role, soon, s.open("shop"))
		}
		if e.role == "schedule" { // its workers are next
			s.hire(t, i)
			awaitWithin(t, 2*patience, e.label+" to be well again", func() string { return s.problemOf(e.label) })
		}
	}
	for _, e := range staff[2:] {
		require.NotEmpty(t, s.problemOf(e.label), "%s is hidden; open are %q", e.label, s.open("shop"))
	}
}

// titles are how people see a problem.
func (s *shop) titles(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.problems["shop"] {
		if p.name == name {
			return p.title
		}
	}
	return name
}

// hostOf makes the host, with all macros as the template has them.
func (s *shop) hostOf(t testing.TB, addr string) {
	t.Helper()
	macros := s.defaults(t, jobsTemplate)
	macros["{$JOBS.CONN}"] = fmt.Sprintf("tcp://%s/0", s.redis.Addr)
	s.host(t, "shop", addr, []string{jobsTemplate}, macros)
}
