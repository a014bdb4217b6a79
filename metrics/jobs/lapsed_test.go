package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

// judgesOrphans says by what each system's orphaned jobs are told. What a worker renews as
// long as it lives tells its death; the time at which a job was taken alone does not.
var judgesOrphans = map[string]string{
	"resque": "heartbeats of workers", "rq": "heartbeats of jobs and workers", "bullmq": "locks", "bull": "locks", "asynq": "leases",
	"dramatiq": "heartbeats of brokers", "beequeue": "clients, and jobs that workers take out of a set again and again",
	"saq": "heartbeats of workers", "laravel": byTime, "symfony": byTime, "taskiq": byTime,
}

const byTime = "the time of a job"

// lapsedJobs are answers of each system that is judged by time, of two jobs whose time is
// over; a server cannot be made to wait for so long.
func lapsedJobs() map[string]answers {
	row := func(values ...resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: values} }
	group := func(name string) []resp.Value {
		return one(row(row(bulkOf("name"), bulkOf(name), bulkOf("consumers"), intOf(1), bulkOf("pending"), intOf(2), bulkOf("last-delivered-id"),
			bulkOf("1795949980920-0"), bulkOf("entries-read"), intOf(2), bulkOf("lag"), intOf(0))))
	}
	pending := func(ms int64) []resp.Value {
		taken := row(bulkOf("1795949980920-0"), bulkOf("c"), intOf(ms), intOf(1))
		return one(row(taken, taken))
	}
	consumers := func(ms int64) []resp.Value {
		return one(row(row(bulkOf("name"), bulkOf("c"), bulkOf("pending"), intOf(2), bulkOf("idle"), intOf(ms), bulkOf("inactive"), intOf(ms))))
	}
	return map[string]answers{
		"laravel": {"ZCARD laravel_database_queues:q:reserved": one(intOf(2)), fmt.Sprint("ZCOUNT laravel_database_queues:q:reserved -inf ", fieldAt): one(intOf(2))},
		"symfony": {"XINFO GROUPS q": group("symfony"), "XPENDING q symfony - + 1000": pending(3_600_000), "XINFO CONSUMERS q symfony": consumers(3_600_000)},
		"taskiq": {"TYPE q": one(bulkOf("stream")), "XINFO GROUPS q": group("taskiq"), "XPENDING q taskiq - + 1000": pending(taskiqIdle),
			"XINFO CONSUMERS q taskiq": consumers(taskiqIdle)},
	}
}

// readLapsed reads such a system beside clients, with the settled figures.
func readLapsed(t *testing.T, system string, jobs answers, memory *item.Memory, clients resp.Value) *reading {
	t.Helper()
	a := answers{"CLIENT LIST": one(clients)}
	for cmd, v := range jobs {
		a[cmd] = v
	}
	return readTold(t, system, func(p *poll, r *reading) {
		p.state = stateOf(memory)
		r.Found = []string{"q"}
	}, a)
}

// TestJobsWhoseTimeIsOver are orphaned when no client is connected that may be their
// worker, and when one is, that is not known.
func TestJobsWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	const own = "id=1 addr=a name= age=1 idle=0 db=0 cmd=client\n"
	list := func(lines string) resp.Value { return bulkOf(own + lines) }
	asked := map[string]string{"laravel": "blpop", "symfony": "xreadgroup", "taskiq": "xreadgroup"}
	takes := map[string]string{"laravel": "eval", "symfony": "xreadgroup", "taskiq": "xreadgroup"}
	works := map[string]string{"laravel": "zrem", "symfony": "xadd", "taskiq": "exec"}
	jobs := lapsedJobs()
	for _, s := range Systems() {
		name := s.Spec().Name
		if s.Spec().lacks(figOrphaned, false) {
			continue
		}
		require.Contains(t, judgesOrphans, name, "say in judgesOrphans by what it is told; see lapsed.go if that is the time of a job")
		if judgesOrphans[name] != byTime {
			continue
		}
		require.Contains(t, s.Spec().Commands, "client|list", name)
		orphaned := func(clients resp.Value) *figures {
			return &readLapsed(t, name, jobs[name], &item.Memory{}, clients).Queues[0].figures
		}
		want(t, orphaned(list("")), figOrphaned, 2)
		line := func(age, idle int, cmd string) resp.Value {
			return list(fmt.Sprintf("id=2 addr=b name= age=%d idle=%d db=0 cmd=%s\n", age, idle, cmd))
		}
		wantUnknown(t, orphaned(line(9000, 4000, takes[name])), figOrphaned, "the time of 2 jobs is over, and 1 clients are connected that may be their workers")
		wantUnknown(t, orphaned(line(9000, 3, works[name])), figOrphaned, "1 clients are connected")
		want(t, orphaned(line(9000, 2, asked[name])), figOrphaned, 2) // it asks for more, and has none
		want(t, orphaned(line(9000, 4000, "get")), figOrphaned, 2)
		want(t, orphaned(line(9, 0, works[name])), figOrphaned, 2) // it has just connected
		want(t, orphaned(list("id=2 addr=b name= age=9000 idle=4000 db=1 cmd="+takes[name]+"\n")), figOrphaned, 2)
		wantUnknown(t, orphaned(list("id=2 addr=b name= age=9000 idle=4000 db=0\n")), figOrphaned, "the server does not say what its clients do")
		wantUnknown(t, orphaned(wrongType), figOrphaned, "it is not known whether their workers live: CLIENT LIST: WRONGTYPE")

		// A worker that was seen stays one, whatever it sends over that connection.
		memory := &item.Memory{}
		readLapsed(t, name, nil, memory, line(100, 0, takes[name]))
		r := readLapsed(t, name, jobs[name], memory, line(9000, 1, "hset"))
		wantUnknown(t, &r.Queues[0].figures, figOrphaned, "1 clients are connected")
		// What runs is somebody's, and keeps workers from the queue.
		require.Equal(t, heldByWork, r.holds(r.Queues[0]), name)

		none := readLapsed(t, name, nil, &item.Memory{}, wrongType)
		if value, known := none.Queues[0].Get(figOrphaned); known {
			require.Zero(t, value, name)
		}
		require.NotContains(t, reasonOf(&none.Queues[0].figures, figOrphaned), "CLIENT", name)
	}
}

// TestASymfonyConsumerWithAnOldMessage lives, or may, as long as a client is connected
// that may be it.
func TestASymfonyConsumerWithAnOldMessage(t *testing.T) {
	t.Parallel()
	read := func(clients string) *reading {
		r := readLapsed(t, "symfony", lapsedJobs()["symfony"], &item.Memory{}, bulkOf("id=1 addr=a name= age=1 idle=0 db=0 cmd=client\n"+clients))
		r.sumWorkers(&poll{now: fieldAt, hasNow: true})
		return r
	}
	r := read("")
	want(t, &r.figures, figWorkersAlive, 0)
	want(t, &r.figures, figWorkersDead, 1)
	r = read("id=2 addr=b name= age=9000 idle=3600 db=0 cmd=xreadgroup\n")
	const reason = "a consumer has had a message for more than 3600 s, and 1 clients are connected"
	wantUnknown(t, &r.figures, figWorkersAlive, reason)
	wantUnknown(t, &r.figures, figWorkersDead, reason)
	want(t, &r.figures, figWorkers, 1)
}
