//go:build zabbix && linux

package zabbix

import (
	"strconv"
	"testing"
	"time"

	"redisjobs/internal/redistest"
)

const stormTemplate = "Storm jobs by RedisJobs"

// stormScenes are jobs that write records, and what becomes of them.
func (w *world) stormScenes(t testing.TB) []*scene {
	host := func(name string, s *redistest.Server, macros map[string]string) *scene {
		if macros == nil {
			macros = map[string]string{}
		}
		macros["{$STORM.CONN}"] = "tcp://" + s.Addr
		return &scene{host: name, templates: []string{stormTemplate}, macros: macros}
	}
	now := func() string { return strconv.FormatInt(time.Now().Unix(), 10) }
	write := func(t testing.TB, s *redistest.Server, job string, fields ...string) {
		s.Do(t, "SADD", "storm:jobs", job)
		s.Do(t, append([]string{"HSET", "storm:job:" + job}, fields...)...)
	}
	var out []*scene

	store := redistest.Start(t, redistest.Config{})
	write(t, store, "nightly", "status", "SUCCESS", "updated_at", now())
	storeHost := host("storm-store", store, map[string]string{"{$STORM.JOBS.MIN}": "1"})
	sc := storeHost
	sc.steps = []step{
		{name: "a store that is stopped", want: []string{"Storm: Job records cannot be read"}, do: store.Stop,
			undo: func(t testing.TB) {
				store.Restart(t)
				write(t, store, "nightly", "status", "SUCCESS", "updated_at", now())
			}},
		{name: "an index that is lost", want: []string{"Storm: Too few jobs"},
			// A job that is gone from the index is missing as well; here nobody waits for one.
			do: func(t testing.TB) {
				write(t, store, "other", "status", "SUCCESS", "updated_at", now())
				w.macro(t, storeHost, "{$STORM.JOBS.MIN}", "3")
			},
			undo: func(t testing.TB) { write(t, store, "third", "status", "SUCCESS", "updated_at", now()) }},
	}
	out = append(out, sc)

	// Two stores whose jobs cannot all be seen.
	crowd := redistest.Start(t, redistest.Config{})
	write(t, crowd, "one", "status", "ACTIVE", "updated_at", now(), "interval", "100000", "processed", "1")
	sc = host("storm-crowd", crowd, map[string]string{"{$STORM.LLD.FILTER.JOB.MATCHES}": "^one$", "{$STORM.JOB.PROGRESS.CHECK}": "0"})
	sc.steps = []step{{name: "more jobs than an answer has", want: []string{"Storm: Some jobs are truncated"},
		do: func(t testing.TB) {
			for n := range 1010 {
				crowd.Do(t, "SADD", "storm:jobs", "extra"+strconv.Itoa(n))
			}
		},
		undo: func(t testing.TB) { crowd.Do(t, "DEL", "storm:jobs"); crowd.Do(t, "SADD", "storm:jobs", "one") }}}
	out = append(out, sc)
	hay := redistest.Start(t, redistest.Config{})
	hay.Do(t, "HSET", "storm:job:one", "status", "SUCCESS", "updated_at", now())
	sc = host("storm-search", hay, nil)
	sc.ownAgent = true
	sc.lines = []string{"Storm.ScanBudget=100"} // with less a search may end early even among few keys
	sc.steps = []step{{name: "a search among many keys", want: []string{"Storm: Search for jobs is incomplete"},
		do: func(t testing.TB) {
			for n := range 3000 {
				hay.Do(t, "SET", "other"+strconv.Itoa(n), "x")
			}
		},
		undo: func(t testing.TB) {
			hay.Do(t, "EVAL", "for i = 0, 2999 do redis.call('DEL', 'other' .. i) end", "0")
		}}}
	out = append(out, sc)

	// Every fault of a job, each with a job of its own.
	jobs := redistest.Start(t, redistest.Config{})
	processed := 0
	beat := func(t testing.TB, job string, more ...string) {
		processed += 10
		write(t, jobs, job, append([]string{"status", "ACTIVE", "updated_at", now(), "processed", strconv.Itoa(processed)}, more...)...)
	}
	sc = host("storm-jobs", jobs, map[string]string{
		"{$STORM.JOB.PROGRESS.PERIOD}": "45s", `{$STORM.JOB.LAG.MAX.WARN:"laggard"}`: "100", `{$STORM.JOB.RUN.MAX.WARN:"long"}`: "1h",
		`{$STORM.JOB.SUCCESS.AGE.MAX.WARN:"backup"}`: "1d", `{$STORM.JOB.ACTIVE.EXPECTED:"paused"}`: "1",
	})
	names := []string{"topology", "laggard", "long", "paused", "mover", "idler", "broken", "talker", "it's \"odd\""}
	alive := map[string]bool{}
	for _, n := range names {
		alive[n] = true
		beat(t, n, "lag", "1", "interval", "5", "started_at", now())
	}
	write(t, jobs, "backup", "status", "SUCCESS", "updated_at", now(), "last_success_at", now(), "finished_at", now(), "duration_ms", "1500", "progress", "100")
	var stop func()
	keep := func(job string, on bool) func(testing.TB) {
		return func(t testing.TB) {
			stop()
			alive[job] = on
			stop = w.beating(t, alive, beat)
		}
	}
	stop = w.beating(t, alive, beat)
	t.Cleanup(func() { stop() })
	both := func(fs ...func(testing.TB)) func(testing.TB) {
		return func(t testing.TB) {
			for _, f := range fs {
				f(t)
			}
		}
	}
	set := func(job string, fields ...string) func(testing.TB) {
		return func(t testing.TB) { write(t, jobs, job, fields...) }
	}
	ago := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(-d).Unix(), 10) }
	sc.steps = []step{
		{name: "a worker that is killed", want: []string{"Storm: Job topology is stale"}, do: keep("topology", false), undo: keep("topology", true)},
		{name: "a job that fails", want: []string{"Storm: Job topology failed"},
			do:   both(keep("topology", false), set("topology", "status", "FAILED", "error", "disk full")),
			undo: both(func(t testing.TB) { jobs.Do(t, "HDEL", "storm:job:topology", "error") }, keep("topology", true))},
		{name: "a record that is removed", want: []string{"Storm: Job topology is missing"},
			do:   both(keep("topology", false), func(t testing.TB) { jobs.Do(t, "DEL", "storm:job:topology") }),
			undo: keep("topology", true)},
		{name: "a job that lags", want: []string{"Storm: Job laggard lags"}, do: set("laggard", "lag", "500"), undo: set("laggard", "lag", "2")},
		{name: "a long run", want: []string{"Storm: Job long runs too long"}, do: set("long", "started_at", ago(2*time.Hour)), undo: set("long", "started_at", now())},
		{name: "a pause", want: []string{"Storm: Job paused is stopped but should be active"},
			do: both(keep("paused", false), set("paused", "status", "INACTIVE")), undo: keep("paused", true)},
		{name: "a rebalance without an end", want: []string{"Storm: Job mover has been rebalancing for too long"},
			do: func(t testing.TB) {
				keep("mover", false)(t)
				set("mover", "status", "REBALANCING", "interval", "1000")(t)
			},
			undo: both(set("mover", "interval", "5"), keep("mover", true))},
		{name: "a job that stands still", want: []string{"Storm: Job idler makes no progress"},
			do: func(t testing.TB) {
				keep("idler", false)(t)
				set("idler", "interval", "1000", "updated_at", now())(t)
			},
			undo: both(set("idler", "interval", "5"), keep("idler", true))},
		{name: "a record that nobody can read", want: []string{"Storm: Job broken has an unreadable record"},
			do: both(keep("broken", false), func(t testing.TB) {
				jobs.Do(t, "DEL", "storm:job:broken")
				jobs.Do(t, "SET", "storm:job:broken", "\x80\x04\x95")
			}),
			undo: both(func(t testing.TB) { jobs.Do(t, "DEL", "storm:job:broken") }, keep("broken", true))},
		{name: "a job that complains", want: []string{"Storm: Job talker reports an error"},
			do: set("talker", "error", "one of three disks is full"), undo: func(t testing.TB) { jobs.Do(t, "HDEL", "storm:job:talker", "error") }},
		{name: "a backup that does not run", want: []string{"Storm: Job backup has not succeeded for too long"},
			do: set("backup", "last_success_at", ago(30*time.Hour)), undo: set("backup", "last_success_at", now())},
	}
	out = append(out, sc)
	return out
}

// beating lets jobs write their records every second.
func (w *world) beating(t testing.TB, alive map[string]bool, beat func(testing.TB, string, ...string)) (stop func()) {
	var names []string
	for n, on := range alive {
		if on {
			names = append(names, n)
		}
	}
	return every(time.Second, func() {
		for _, n := range names {
			beat(t, n)
		}
	})
}
