package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestWhoLives: the last second in which a sign of life counts, and the next one.
func TestWhoLives(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		system string
		read   func(age float64) answers
		most   float64 // the greatest age of the living
		least  float64 // the smallest of the dead
	}{
		"asynq": {"asynq", func(age float64) answers {
			return answers{"ZCARD asynq:servers": one(intOf(1)),
				"ZRANGE asynq:servers -3000 -1 WITHSCORES": one(arrayOf("asynq:servers:{a}", fmt.Sprint(int(fieldAt-age))))}
		}, 0, 1},
		"horizon": {"horizon", func(age float64) answers {
			return answers{"ZCARD laravel_horizon:supervisors": one(intOf(1)),
				"ZRANGE laravel_horizon:supervisors -3000 -1 WITHSCORES": one(arrayOf("s", fmt.Sprint(int(fieldAt-age))))}
		}, horizonAlive, horizonAlive + 1},
		"resque": {"resque", func(age float64) answers {
			return answers{"SSCAN resque:workers 0 COUNT 3000": one(scanOf("0", "h:1:a")),
				"HSCAN resque:workers:heartbeat 0 COUNT 3000": one(scanOf("0", "h:1:a", time.Unix(int64(fieldAt-age), 0).UTC().Format(time.RFC3339)))}
		}, resquePrune - 1, resquePrune},
		"node-resque": {"resque", func(age float64) answers {
			return answers{"SSCAN resque:workers 0 COUNT 3000": one(scanOf("0", "h:1:a")),
				"GET resque:worker:ping:h:1": one(bulkOf(fmt.Sprintf(`{"time":%.0f}`, fieldAt-age)))}
		}, nodeResquePrune - 1, nodeResquePrune},
		"node-resque, one without queues": {"resque", func(age float64) answers {
			return answers{"SSCAN resque:workers 0 COUNT 3000": one(scanOf("0", ":a")),
				"GET resque:worker:ping::a": one(bulkOf(fmt.Sprintf(`{"time":%.0f}`, fieldAt-age)))}
		}, nodeResquePrune - 1, nodeResquePrune},
	} {
		for _, age := range []float64{tt.most, tt.least} {
			r := readTold(t, tt.system, nil, tt.read(age))
			require.Len(t, r.Workers, 1, name)
			require.Equal(t, age == tt.most, r.Workers[0].Alive, "%s of %v", name, age)
			if strings.Contains(name, "without") {
				require.Nil(t, r.Workers[0].Queues)
			} else if tt.system == "resque" {
				require.Equal(t, []string{"a"}, r.Workers[0].Queues)
			}
		}
	}
	// Those of a sorted set that are not read are dead when the first of the others is.
	for score, dead := range map[int]bool{fieldAt - 1: true, fieldAt: false} {
		r := readTold(t, "asynq", nil, answers{"ZCARD asynq:servers": one(intOf(9)),
			"ZRANGE asynq:servers -3000 -1 WITHSCORES": one(arrayOf("asynq:servers:{a}", fmt.Sprint(score), "asynq:servers:{b}", "4000000000"))})
		require.Equal(t, 7, r.CutWorkers)
		require.Equal(t, dead, r.CutDead)
	}
	for _, a := range []answers{{"ZCARD asynq:servers": one(wrongType)}, {"ZRANGE asynq:servers -3000 -1 WITHSCORES": one(wrongType)}} {
		wantUnknown(t, &readTold(t, "asynq", nil, a).figures, figWorkers, "WRONGTYPE")
	}
}

// TestServersOfAsynq: what a record tells, and when it is gone or broken.
func TestServersOfAsynq(t *testing.T) {
	t.Parallel()
	read := func(record, tasks resp.Value) *reading {
		return readTold(t, "asynq", nil, answers{
			"ZCARD asynq:servers": one(intOf(1)), "ZRANGE asynq:servers -3000 -1 WITHSCORES": one(arrayOf("asynq:servers:{a}", "4000000000")),
			"GET asynq:servers:{a}": one(record), "HLEN asynq:workers:{a}": one(intOf(2)), "HSCAN asynq:workers:{a} 0 COUNT 1000": one(tasks),
		})
	}
	early, late := asynqTaskMessage(fieldAt-70), asynqTaskMessage(fieldAt-5)
	for _, tasks := range [][]string{{"1", early, "2", late}, {"1", late, "2", early}} {
		r := read(bulkOf("\x20\x0a\x3a\x07stopped\x2a\x03\x0a\x01q"), scanOf("0", tasks...))
		require.Equal(t, worker{Alive: true, Quiet: true, Queues: []string{"q"}, Busy: 2, Slots: 10, RunningSince: fieldAt - 70}, r.Workers[0])
		require.Zero(t, r.runsUnknown)
	}
	r := read(null, scanOf("0"))
	require.Equal(t, worker{Alive: true, Busy: 2, Slots: -1}, r.Workers[0])
	require.Empty(t, r.Problems)
	for _, record := range []resp.Value{wrongType, bulkOf("\x20")} {
		wantUnknown(t, &read(record, scanOf("0")).figures, figWorkersQuiet, "a server's record: ")
	}
	r = read(null, scanOf("0", "1", "x", "2", late))
	require.Equal(t, 1, r.runsUnknown)
	require.EqualValues(t, fieldAt-5, r.Workers[0].RunningSince)
	r = read(null, scanOf("7", "1", late))
	require.Equal(t, "a server has more than the 1000 tasks that are read", r.runsWhy)
	require.Zero(t, r.Workers[0].RunningSince)
	require.Equal(t, 1, read(null, wrongType).runsUnknown)

	// A queue's oldest job.
	queue := func(head, since resp.Value) *queue {
		return readTold(t, "asynq", nil, answers{"SSCAN asynq:queues 0 COUNT 3000": one(scanOf("0", "q")),
			"LINDEX asynq:{q}:pending -1": one(head), "HMGET asynq:{q}:t:j pending_since state": one(resp.Value{Kind: resp.Array, Elems: []resp.Value{since, null}})}).Queues[0]
	}
	q := queue(bulkOf("j"), bulkOf(fmt.Sprint(fieldAt-30)+"000000000"))
	want(t, &q.figures, figLatency, 30)
	require.Equal(t, "j", q.Head)
	want(t, &queue(null, null).figures, figLatency, 0)
	wantUnknown(t, &queue(bulkOf("j"), null).figures, figLatency, "oldest job: ")
	wantUnknown(t, &queue(wrongType, null).figures, figLatency, "LINDEX: WRONGTYPE")
}

// TestSupervisorsOfHorizon: what one tells of its processes.
func TestSupervisorsOfHorizon(t *testing.T) {
	t.Parallel()
	read := func(record resp.Value) *reading {
		return readTold(t, "horizon", nil, answers{"ZCARD laravel_horizon:supervisors": one(intOf(1)),
			"ZRANGE laravel_horizon:supervisors -3000 -1 WITHSCORES": one(arrayOf("s", "4000000000")),
			"HMGET laravel_horizon:supervisor:s status processes":    one(record)})
	}
	r := read(arrayOf("paused", `{"a":2}`))
	require.Equal(t, worker{Alive: true, Quiet: true, Busy: -1, Slots: 2}, r.Workers[0])
	r = read(arrayOf("running", `[`))
	require.Equal(t, worker{Alive: true, Busy: -1, Slots: -1}, r.Workers[0])
	wantUnknown(t, &read(arrayOf("x")).figures, figWorkersQuiet, "HMGET: expected 2 members")
	wantUnknown(t, &read(wrongType).figures, figWorkersQuiet, "HMGET: WRONGTYPE")
}

// TestWorkersOfRQ: what one runs, and since when.
func TestWorkersOfRQ(t *testing.T) {
	t.Parallel()
	read := func(more answers) *reading {
		a := answers{"SSCAN rq:workers 0 COUNT 3000": one(scanOf("0", "rq:worker:w"))}
		for cmd, v := range more {
			a[cmd] = v
		}
		return readTold(t, "rq", nil, a)
	}
	const record, executions = "HMGET rq:worker:w state current_job queues successful_job_count failed_job_count", "SSCAN rq:worker:w:executions 0 COUNT 10"
	r := read(answers{record: one(arrayOf("idle", "", "a,b", "7", "2"))})
	require.Equal(t, worker{Alive: true, Slots: 1, Queues: []string{"a", "b"}, Done: 9}, r.Workers[0])
	r = read(answers{record: one(resp.Value{Kind: resp.Array, Elems: []resp.Value{null, null, null, null, null}})})
	require.Equal(t, worker{Slots: 1}, r.Workers[0])
	busy := arrayOf("busy", "j", "", "", "x")
	r = read(answers{record: one(busy), "HGET rq:job:j started_at": one(bulkOf("2026-11-29T11:00:00Z"))})
	require.Equal(t, worker{Alive: true, Busy: 1, Slots: 1, RunningSince: 1795950000}, r.Workers[0])
	r = read(answers{record: one(busy)})
	require.Equal(t, "a running job: its record does not tell the time, or is gone", r.runsWhy)
	r = read(answers{record: one(arrayOf("busy", "", "", "", ""))})
	require.Equal(t, "a worker does not name its job", r.runsWhy)
	r = read(answers{record: one(busy), "HGET rq:job:j started_at": one(wrongType)})
	require.Contains(t, r.runsWhy, "a running job: WRONGTYPE")
	r = read(answers{record: one(arrayOf("busy", "j"))})
	wantUnknown(t, &r.figures, figWorkersBusy, "a worker: HMGET: expected 5 members")

	// RQ 3 names what runs in a set of its own; of ten the oldest counts.
	longest := strings.Repeat("e", 2*maxJobID)
	at := func(n int) []resp.Value { return one(bulkOf(fmt.Sprint(fieldAt - n))) }
	r = read(answers{record: one(busy), executions: one(scanOf("0", "e1", longest, "e3")),
		"HGET rq:execution:e1 created_at": at(10), "HGET rq:execution:" + longest + " created_at": at(90), "HGET rq:execution:e3 created_at": at(20)})
	require.EqualValues(t, fieldAt-90, r.Workers[0].RunningSince)
	require.Zero(t, r.runsUnknown)
	r = read(answers{record: one(busy), executions: one(scanOf("0", "", longest+"e", "e3")), "HGET rq:execution:e3 created_at": at(20)})
	require.EqualValues(t, fieldAt-20, r.Workers[0].RunningSince)
	require.Equal(t, 2, r.runsUnknown)
	var many []string
	a := answers{record: one(busy)}
	for i := range 11 {
		many = append(many, fmt.Sprint("e", i))
		a[fmt.Sprintf("HGET rq:execution:e%d created_at", i)] = at(10 * i)
	}
	a[executions] = one(scanOf("0", many...))
	require.EqualValues(t, fieldAt-90, read(a).Workers[0].RunningSince, "the eleventh is not asked for")
	r = read(answers{record: one(busy), executions: one(scanOf("0", "e1")), "HGET rq:execution:e1 created_at": one(bulkOf("x"))})
	require.Equal(t, "a running job: it is no time", r.runsWhy)
	r = read(answers{record: one(busy), executions: one(scanOf("0", "e1"))}) // it has ended
	require.Zero(t, r.runsUnknown)
	r = read(answers{record: one(busy), executions: one(wrongType), "HGET rq:job:j started_at": one(bulkOf("2026-11-29T11:00:00Z"))})
	require.EqualValues(t, 1795950000, r.Workers[0].RunningSince, "what an older version keeps stands")

	r = readTold(t, "rq", nil, answers{"SCARD rq:queues": one(intOf(5)), "SSCAN rq:queues 0 COUNT 3000": one(scanOf("7", "rq:queue:a", "other")),
		"GET rq:suspended": one(wrongType), "GET rq:scheduler-lock:a": one(wrongType), "LINDEX rq:queue:a 0": one(bulkOf(""))})
	require.Equal(t, []int{1, 3}, []int{r.Skipped[nameForeign], r.Truncated}, "what is no queue is not one that was left out")
	wantUnknown(t, &r.Queues[0].figures, figPaused, "suspended: WRONGTYPE")
	wantUnknown(t, &r.Queues[0].figures, figSchedulersAlive, "WRONGTYPE")
	wantUnknown(t, &r.Queues[0].figures, figLatency, "oldest job: it is no id of a job")
	r = readTold(t, "rq", func(_ *poll, r *reading) { r.only = "a" }, answers{"SSCAN rq:rl-keys 0 COUNT 1000": one(scanOf("0", "x"))})
	wantNothing(t, &r.figures, figRateLimited)
}

// TestProcessesOfSidekiq: which of its fields a process tells what by.
func TestProcessesOfSidekiq(t *testing.T) {
	t.Parallel()
	fields := func(busy, concurrency, quiet, info string) resp.Value {
		v := resp.Value{Kind: resp.Array}
		for _, text := range []string{busy, concurrency, quiet, info} {
			if text == "" {
				v.Elems = append(v.Elems, null)
			} else {
				v.Elems = append(v.Elems, bulkOf(text))
			}
		}
		return v
	}
	read := func(record resp.Value, more answers) *reading {
		a := answers{"SSCAN processes 0 COUNT 3000": one(scanOf("0", "h:1:a")), "HMGET h:1:a busy concurrency quiet info": one(record)}
		for cmd, v := range more {
			a[cmd] = v
		}
		return readTold(t, "sidekiq", nil, a)
	}
	for _, tt := range []struct {
		record resp.Value
		want   worker
	}{
		{fields("", "", "", ""), worker{Busy: -1, Slots: -1}},
		{fields("", "5", "", ""), worker{Busy: -1, Slots: -1}},
		{fields("0", "", "", ""), worker{Alive: true, Busy: 0, Slots: -1}},
		{fields("", "", "", `{"concurrency":3}`), worker{Alive: true, Busy: -1, Slots: 3}},
		{fields("-1", "-1", "true", "{"), worker{Alive: true, Quiet: true, Busy: -1, Slots: -1}},
		{fields("2", "5", "false", `{"concurrency":3,"queues":["a"]}`), worker{Alive: true, Busy: 2, Slots: 5, Queues: []string{"a"}}},
		{fields("2", "0", "", "{"), worker{Alive: true, Busy: 2, Slots: -1}}, // as Exq says
	} {
		require.Equal(t, tt.want, read(tt.record, nil).Workers[0])
	}
	wantUnknown(t, &read(arrayOf("1"), nil).figures, figWorkersAlive, "a worker: HMGET: expected 4 members")
	wantUnknown(t, &read(wrongType, nil).figures, figWorkersAlive, "a worker: WRONGTYPE")

	job := func(at int) string { return fmt.Sprintf(`{"queue":"a","run_at":%d}`, at) }
	alive := fields("3", "5", "", `{"capsules":{"x":{"concurrency":5,"weights":{"a":0}}}}`)
	r := read(alive, answers{"HSCAN h:1:a:work 0 COUNT 1000": one(scanOf("0", "1", job(fieldAt-5), "2", job(fieldAt-50))),
		"HSCAN h:1:a:workers 0 COUNT 1000": one(scanOf("0", "1", job(fieldAt-20)))})
	want(t, &r.figures, figActive, 3)
	require.EqualValues(t, fieldAt-50, r.Workers[0].RunningSince)
	require.Equal(t, []capsule{{[]string{"a"}, 3, 5}}, r.Workers[0].Capsules)
	for _, key := range []string{"work", "workers"} {
		r = read(alive, answers{"HSCAN h:1:a:" + key + " 0 COUNT 1000": one(scanOf("7", "1", job(fieldAt-5)))})
		wantUnknown(t, &r.figures, figActive, "running jobs: a process has more than the 1000 jobs that are read")
		require.Nil(t, r.Workers[0].Capsules)
		r = read(alive, answers{"HSCAN h:1:a:" + key + " 0 COUNT 1000": one(scanOf("0", "1", "[", "2", job(fieldAt-5)))})
		wantUnknown(t, &r.figures, figActive, "running jobs: ")
		require.Nil(t, r.Workers[0].Capsules)
		require.EqualValues(t, fieldAt-5, r.Workers[0].RunningSince)
	}
}

// TestJobsOfResque: what a worker runs, whether it lives or not.
func TestJobsOfResque(t *testing.T) {
	t.Parallel()
	read := func(age int, more answers) *reading {
		a := answers{"SSCAN resque:workers 0 COUNT 3000": one(scanOf("0", "h:1:a")), "SSCAN resque:queues 0 COUNT 3000": one(scanOf("0", "a")),
			"HSCAN resque:workers:heartbeat 0 COUNT 3000": one(scanOf("0", "h:1:a", time.Unix(int64(fieldAt-age), 0).UTC().Format(time.RFC3339)))}
		for cmd, v := range more {
			a[cmd] = v
		}
		return readTold(t, "resque", nil, a)
	}
	job := one(bulkOf(`{"queue":"a","run_at":"2026-11-29T10:59:00Z"}`))
	for age, orphaned := range map[int]float64{10: 0, 900: 1} {
		r := read(age, answers{"GET resque:worker:h:1:a": job})
		require.Equal(t, worker{Alive: orphaned == 0, Busy: 1, Slots: 1, Queues: []string{"a"}, RunningSince: fieldAt - 60}, r.Workers[0])
		want(t, &r.figures, figActive, 1)
		want(t, &r.figures, figOrphaned, orphaned)
		require.Equal(t, orphaned, r.Queues[0].Orphans)
	}
	r := read(10, nil)
	require.Zero(t, r.Workers[0].Busy)
	want(t, &r.figures, figActive, 0)
	r = read(10, answers{"GET resque:worker:h:1:a": one(bulkOf("["))})
	require.EqualValues(t, -1, r.Workers[0].Busy)
	require.True(t, r.missed(figOrphaned) && r.missed(figActive))
	for why, ping := range map[string]resp.Value{"it has no heartbeat": null, "WRONGTYPE": wrongType, "it is no time": bulkOf(`{"time":1}`)} {
		r = read(10, answers{"HSCAN resque:workers:heartbeat 0 COUNT 3000": one(scanOf("0")), "GET resque:worker:ping:h:1": one(ping)})
		wantUnknown(t, &r.figures, figOrphaned, why)
		wantUnknown(t, &r.figures, figWorkersAlive, why)
	}
	r = read(10, answers{"HSCAN resque:workers:heartbeat 0 COUNT 3000": one(scanOf("7", "h:1:a", "x"))})
	wantUnknown(t, &r.figures, figWorkersAlive, "workers:heartbeat: it has more than the 3000 members that are read")
	for v, paused := range map[string]float64{"true": 1, "false": 0} {
		want(t, &read(10, answers{"GET resque:pause-all-workers": one(bulkOf(v))}).Queues[0].figures, figPaused, paused)
	}
	wantUnknown(t, &read(10, answers{"GET resque:pause-all-workers": one(wrongType)}).Queues[0].figures, figPaused, "pause-all-workers: WRONGTYPE")

	moments := func(size int64, more answers, moments ...string) *figures {
		a := answers{"ZCARD resque:delayed_queue_schedule": one(intOf(size)), "ZRANGE resque:delayed_queue_schedule 0 4999": one(arrayOf(moments...))}
		for i, m := range moments {
			a["LLEN resque:delayed:"+m] = one(intOf(int64(1 + i)))
		}
		for cmd, v := range more {
			a[cmd] = v
		}
		return &read(10, a).figures
	}
	f := moments(3, nil, fmt.Sprint(fieldAt-31), fmt.Sprint(fieldAt-30), fmt.Sprint(fieldAt-29))
	want(t, f, figOverdue, 3)
	want(t, f, figScheduled, 6)
	f = moments(4, nil, fmt.Sprint(fieldAt-30), fmt.Sprint(fieldAt-29))
	want(t, f, figOverdue, 1)
	wantUnknown(t, f, figScheduled, "there are 4 moments, more than the 5000 that are read")
	f = moments(4, nil, fmt.Sprint(fieldAt-31), fmt.Sprint(fieldAt-30))
	wantUnknown(t, f, figOverdue, "more than the 5000 moments that are read are over")
	f = moments(2, nil, "x", fmt.Sprint(fieldAt+1))
	wantUnknown(t, f, figOverdue, "a member is no time")
	want(t, f, figScheduled, 3)
	f = moments(1, answers{"LLEN resque:delayed:1": one(wrongType)}, "1")
	wantUnknown(t, f, figOverdue, "LLEN: WRONGTYPE")
	wantUnknown(t, f, figScheduled, "LLEN: WRONGTYPE")
	f = moments(0, answers{"ZCARD resque:delayed_queue_schedule": one(wrongType)}, "1")
	wantUnknown(t, f, figOverdue, "delayed_queue_schedule: WRONGTYPE")
}

// TestClientsThatMayBeWorkers are those of our database, by name and what they wait for.
func TestClientsThatMayBeWorkers(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", maxClientName)
	list := "id=1 name=a db=0 psub=0 cmd=get\nid=2 name= db=0 psub=1 cmd=psubscribe\nid=3 name= db=0 psub=0 cmd=BRPOP\n" +
		"id=4 name= db=0 cmd=brpop\nid=5 name=b db=1 cmd=brpop\nid=6 name=c db=0 namespace=x cmd=brpop\nid=7 name= db=0 psub=0 cmd=get\n" +
		"id=8 name=" + name + " db=0\nid=9 name=" + name + "n db=0\nid=10 name=" + name + "n db=0 cmd=brpop\r\n"
	pops := client{listens: true, cmd: "brpop", idle: -1, age: -1}
	require.Equal(t, []client{{name: "a", idle: -1, age: -1}, {patterns: true, listens: true, idle: -1, age: -1}, pops, pops,
		{name: name, silent: true, idle: -1, age: -1}, {silent: true, idle: -1, age: -1}, pops}, clientsOf([]byte(list), "0 ", unknownAddr))
	require.Equal(t, []client{{name: "c", listens: true, cmd: "brpop", idle: -1, age: -1}}, clientsOf([]byte(list), "0 x", unknownAddr))
	require.Equal(t, []client{{cmd: "evalsha", addr: "10.0.0.9:4711", fresh: true, idle: 1, age: 70}, {cmd: "exec", idle: 2, age: -1}, {cmd: "exec", addr: "[::1]:1", idle: 10, age: -1}},
		clientsOf([]byte("id=1 addr=10.0.0.9:4711 name= age=70 idle=1 db=0 cmd=evalsha\nid=2 addr=/run/redis.sock:0 name= idle=2 db=0 cmd=exec\n"+
			"id=3 addr=[::1]:1 name= idle=10 db=0 cmd=exec\nid=4 addr=/srv/my app db=0 cmd=exec/redis.sock:0 name= idle=0 db=1 cmd=exec\n"),
			"0 ", unknownAddr), "an address that all share is none")
	for list, want := range map[string]string{"": "", "id=1 db=3\nid=2 db=3\n": "3 ", "id=1 db=3\nid=2 db=4\n": "", "id=1 db=3 namespace=x\n": "3 x"} {
		db, ok := onlyDatabase([]byte(list))
		require.Equal(t, want != "", ok, list)
		if ok {
			require.Equal(t, want, db)
		}
	}
	_, err := clientsOfNodes(t.Context(), []node{{Addr: "a:1", Doer: &told{answers: answers{}}}, {Addr: "b:1", Doer: panicking{}}}, unknownAddr)
	require.EqualError(t, err, "internal error: oops")
	nodes, err := clientsOfNodes(t.Context(), []node{{Addr: "a:1", Doer: &told{answers: answers{}}}, {Addr: "b:1", Doer: &told{answers: answers{}}}}, unknownAddr)
	require.NoError(t, err)
	require.Len(t, nodes, 2)
}

type panicking struct{}

func (panicking) DoAll(context.Context, ...redisclient.Command) ([]resp.Value, error) { panic("oops") }

// mastered is a server that is asked for the masters of its cluster.
type mastered struct {
	*told
	nodes []node
	err   error
	asked int
}

func (m *mastered) Masters(context.Context) ([]node, error) {
	m.asked++
	return m.nodes, m.err
}

// TestMastersAreAskedForNowAndThen where there is no cluster, and each time where
// there is one.
func TestMastersAreAskedForNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mastered{told: &told{answers: answers{}}}
		s := stateOf(&item.Memory{})
		ask := func() (err error, told error) {
			p := &poll{doer: m, state: s, options: &item.JobsOptions{}}
			p.clients(func(_ [][]client, err error) { told = err })
			err = p.askClients(t.Context())
			require.NoError(t, p.run(t.Context()))
			return err, told
		}
		count := func(n int) {
			err, told := ask()
			require.NoError(t, errors.Join(err, told))
			require.Equal(t, n, m.asked)
		}
		count(1)
		time.Sleep(aloneMemory - 1)
		count(1)
		time.Sleep(time.Nanosecond)
		count(2)
		time.Sleep(aloneMemory)
		m.nodes = []node{{Addr: "a:1", Doer: m.told}}
		count(3)
		count(4)
		m.nodes, m.err = nil, &resp.ServerError{Code: "NOPERM", Message: "NOPERM no"}
		err, told := ask()
		require.NoError(t, err)
		require.EqualError(t, told, "CLIENT LIST: the other nodes of the cluster are not known: NOPERM no")
		_, _ = ask()
		require.Equal(t, 6, m.asked, "that there is no cluster was not said")
		m.err = &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("x")}
		err, _ = ask()
		require.ErrorIs(t, err, m.err)
	})
}

func unknownAddr(string) bool { return false }
