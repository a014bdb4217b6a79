package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCronJobsOfArq: the ids are those of a run of arq 0.28. A cron job shows when it
// is about to run, and is remembered.
func TestCronJobsOfArq(t *testing.T) {
	t.Parallel()
	state := pollAt(0).state
	poll := func(now float64, alive float64, runs bool, ids ...string) *reading {
		r := &reading{instance: instance{System: "arq"}, spec: &spec{}}
		scores := map[string]float64{"cron:crn:1795950760123": 1795950760123, "cron:crn:1795950790123": 1795950790123,
			"7ea4e1296c6f479dafaf2698c7ce6fab": 1795950745124, "order:1795950760123": 1795950760124}
		if alive >= 0 {
			r.Set(figWorkersAlive, alive)
		}
		newArqCron(r).note("arq:queue", ids, scores, []bool{runs, runs, runs, runs})
		p := pollAt(now)
		r.sumSchedulers(p, state)
		return r
	}
	r := poll(1795950760, 1, false, "7ea4e1296c6f479dafaf2698c7ce6fab", "order:1795950760123")
	wantNothing(t, &r.figures, schedulerFigures...)
	r = poll(1795950790, 1, false, "cron:crn:1795950790123", "cron:crn:1795950760123", "7ea4e1296c6f479dafaf2698c7ce6fab")
	requireFigures(t, scheduled(1, 1, 0, 1795950790-1795950760.123), ofSchedulers(&r.figures), "it waits")
	r = poll(1795950791, 0, false, "cron:crn:1795950760123")
	requireFigures(t, scheduled(0, 1, 1, 1795950791-1795950760.123), ofSchedulers(&r.figures), "it waits for too long")
	r = poll(1795950792, -1, true, "cron:crn:1795950790123")
	wantUnknown(t, &r.figures, figSchedulersAlive, "workers do not register")
	wantUnknown(t, &r.figures, figSchedulerOverdue, arqNextWhy)
	j := jobNamed(t, r, "arq-cron/cron:crn")
	require.InDelta(t, 1795950790.123, j.last, 1e-3)
	r = poll(1795950790+86400, 1, false)
	want(t, &r.figures, figPeriodicJobs, 1)
	require.InDelta(t, 1795950790.123, jobNamed(t, r, "arq-cron/cron:crn").last, 1e-3)
	r = poll(1795950791+86400, 1, false)
	wantNothing(t, &r.figures, schedulerFigures...)
}
