package jobs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

func arqQueue(waiting, active, scheduled, latency float64) map[string]float64 {
	return map[string]float64{"waiting": waiting, "active": active, "scheduled": scheduled, "latency": latency}
}

func arqCases() []conformance {
	return []conformance{
		{
			// queued_jobs() of the run: 14, and its worker wrote j_ongoing=4 and queued=14.
			// A queue of another name is found when a worker of it has lived, or configured.
			name: "0.28", system: "arq", db: 2, second: true, at: 1795950762,
			options: &item.JobsOptions{ScanBudget: 100_000, Interval: time.Hour, Queues: map[string][]string{"arq": {"other:q"}}},
			figures: map[string]float64{
				"waiting": 12, "active": 4, "scheduled": 2, "latency": 1795950762 - 1795949900.401, "workers_alive": 0, "queue_count": 2, "queues_stuck": 0,
				"periodic_jobs": 1, "scheduler_overdue": 0, "scheduler_late": 1795950762 - 1795950760.123, "schedulers_alive": 0,
			},
			queues: map[string]map[string]float64{
				"arq:queue": arqQueue(8, 4, 2, 1795950762-1795950745.177),
				"other:q":   arqQueue(4, 0, 0, 1795950762-1795949900.401),
			},
			many: func(n int) (out [][]string) {
				for i := range n {
					out = append(out, []string{"ZADD", fmt.Sprintf("arq:q%04d", i), "1795950000000", "j"})
				}
				return out
			},
		},
		{
			name: "nobody lives", system: "arq", db: 18, second: true, at: 1795950762,
			seed: [][]string{{"ZADD", "arq:queue", "1795950702000", "a", "1795950762001", "b"}, {"ZADD", "arq:abort", "1795950702000", "c"}},
			figures: map[string]float64{
				"waiting": 1, "active": 0, "scheduled": 1, "latency": 60, "workers_alive": 0, "queue_count": 1, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{"arq:queue": arqQueue(1, 0, 1, 60)},
		},
	}
}

const arqHeadCommand = "ZRANGE arq:queue 0 999 WITHSCORES"

// readArq reads a queue of so many jobs, each due a tenth of a second after the one
// before, the first one for 100 seconds; those with these numbers run.
func readArq(t *testing.T, due int, running []int, more answers) *reading {
	t.Helper()
	count := one(intOf(int64(due)))
	a := answers{"TYPE arq:queue": one(bulkOf("zset")), "ZCARD arq:queue": count, "ZCOUNT arq:queue -inf 1795950000000": count,
		"CLIENT ID": one(intOf(1)), "CLIENT LIST": one(bulkOf("id=1 db=0 cmd=client\nid=2 db=0 cmd=zrangebyscore\n"))}
	var pairs []string
	for i := range min(due, arqMaxLooked) {
		pairs = append(pairs, fmt.Sprint("j", i), fmt.Sprint((fieldAt-100)*1000+100*i))
		if slices.Contains(running, i) {
			a[fmt.Sprint("EXISTS arq:in-progress:j", i)] = one(intOf(1))
		}
	}
	a[arqHeadCommand] = one(arrayOf(pairs...))
	for cmd, v := range more {
		a[cmd] = v
	}
	return readTold(t, "arq", nil, a)
}

// TestArqJobsThatRun stay in their queue, at the end from which they are started.
func TestArqJobsThatRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		due     int
		running []int
		latency float64
		alone   bool
	}{
		{due: 0}, {due: 1, running: []int{0}}, {due: 3, running: []int{0, 2}, latency: 99.9}, {due: 2, latency: 100, alone: true},
		{due: arqMaxLooked + 5, running: []int{0, 1, arqMaxLooked*9/10 - 1}, latency: 99.8},
	} {
		r := readArq(t, tt.due, tt.running, nil)
		f := &r.Queues[0].figures
		want(t, f, figActive, float64(len(tt.running)))
		want(t, f, figWaiting, float64(tt.due-len(tt.running)))
		want(t, f, figLatency, tt.latency)
		if tt.alone {
			want(t, &r.figures, figWorkersAlive, 0)
		} else {
			wantUnknown(t, &r.figures, figWorkersAlive, "workers do not register")
		}
	}
	r := readArq(t, 1, nil, answers{arqHeadCommand: one(arrayOf("j0", "1795949900000", "later", "1795950000001"))})
	want(t, &r.Queues[0].figures, figWaiting, 1)
	want(t, &r.Queues[0].figures, figActive, 0)
	health := answers{"GET arq:queue:health-check": one(bulkOf("Nov-29 11:12:42 j_complete=2 j_failed=0 j_retried=0 j_ongoing=4 queued=14"))}
	r = readArq(t, 1, nil, health) // it may be an hour old
	want(t, &r.figures, figWorkersAlive, 0)
	require.True(t, r.Queues[0].Exists)
	r = readArq(t, 0, nil, health)
	wantUnknown(t, &r.figures, figWorkersAlive, "workers do not register")
	require.True(t, r.Queues[0].Exists)
	require.False(t, readArq(t, 0, nil, nil).Queues[0].Exists)
}

// TestArqJobsThatRunAreNotKnown when too many do, or Redis does not tell.
func TestArqJobsThatRunAreNotKnown(t *testing.T) {
	t.Parallel()
	const head = arqHeadCommand
	f := &readArq(t, arqMaxLooked+5, []int{arqMaxLooked - 1}, nil).Queues[0].figures
	for _, figure := range []figure{figActive, figWaiting, figLatency} {
		wantUnknown(t, f, figure, "1 of the 1000 that were looked at, and there are more")
	}
	for why, more := range map[string]answers{
		"running jobs: WRONGTYPE":                  {"EXISTS arq:in-progress:j0": one(wrongType)},
		"ZRANGE: WRONGTYPE":                        {head: one(wrongType)},
		"it is no id of a job":                     {head: one(arrayOf(string(make([]byte, maxJobID+1)), "1"))},
		"ZRANGE: ZRANGE: a member without a score": {head: one(arrayOf("a"))},
	} {
		r := readArq(t, 2, nil, more)
		wantUnknown(t, &r.Queues[0].figures, figActive, why)
		wantUnknown(t, &r.Queues[0].figures, figWaiting, why)
		wantUnknown(t, &r.figures, figWorkersAlive, why)
		want(t, &r.Queues[0].figures, figScheduled, 0)
	}
	f = &readArq(t, 2, nil, answers{head: one(arrayOf("a", "1", "b", "1795950000000"))}).Queues[0].figures
	wantUnknown(t, f, figLatency, "oldest job: its score is no time")
	want(t, f, figWaiting, 2)
	r := readTold(t, "arq", func(p *poll, _ *reading) { p.followUps = maxFollowUps }, answers{
		"TYPE arq:queue": one(bulkOf("zset")), head: one(arrayOf("a", "1795949000000")), "ZCOUNT arq:queue -inf 1795950000000": one(intOf(1)),
	})
	wantUnknown(t, &r.Queues[0].figures, figActive, errManyFollowUps.Error())
	require.Empty(t, readTold(t, "arq", nil, nil).Queues, "the usual one is not there")
}

// TestArqIsStuck when a job is due, none runs, and that lasts: a worker would take it
// within a second. It is not while another one runs, and a worker lives that may run it.
func TestArqIsStuck(t *testing.T) {
	t.Parallel()
	f := newField(t, fmt.Sprint("ZADD arq:queue ", fieldAt-1, "000 a"), fmt.Sprint("ZADD arq:busy ", fieldAt-1, "000 b ", fieldAt-2, "000 c"), "SET arq:in-progress:c 1",
		"SET arq:busy:health-check x")
	end := connect(t, f.s, 0, "ZRANGEBYSCORE arq:busy -inf 1 LIMIT 0 10")
	f.poll(0, "arq/")
	f.poll(30, "arq/")
	r := f.poll(40, "arq/")
	want(t, &r.Queues[1].figures, figStuck, 1)
	want(t, &r.Queues[0].figures, figStuck, 0)
	want(t, &r.Queues[0].figures, figSaturated, 1)
	want(t, &r.figures, figQueuesStuck, 1)
	f.s.Do(t, "ZREM", "arq:queue", "a") // the queue is empty, and was there
	want(t, &f.poll(30, "arq/").Queues[1].figures, figWaiting, 0)

	end() // its job is said to run until its time is over
	r = f.poll(30, "arq/")
	want(t, &r.figures, figWorkersAlive, 0)
	want(t, &r.Queues[0].figures, figActive, 1)
	want(t, &r.Queues[0].figures, figAbandoned, 1)
	want(t, &r.Queues[0].figures, figSaturated, 0)
	want(t, &r.Queues[0].figures, figStuck, 0) // for less than a minute
	want(t, &f.poll(60, "arq/").Queues[0].figures, figStuck, 1)
}

func FuzzArqHealth(f *testing.F) {
	f.Add([]byte("Nov-29 11:12:42 j_complete=2 j_failed=0 j_retried=0 j_ongoing=4 queued=14"))
	f.Add([]byte(" j_complete= j_failed="))
	f.Fuzz(func(t *testing.T, text []byte) {
		if isArqHealth(text) {
			require.False(t, isArqHealth(text[:len(" j_complete=0 j_failed=0")]))
		}
	})
}
