package jobs

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// connect is a client whose last command is that one, as CLIENT LIST shows it.
func connect(t testing.TB, s *redistest.Server, db int, cmds ...string) (end func()) {
	t.Helper()
	_, end = open(t, s, db, cmds...)
	return end
}

// open gives what sends one more command as well.
func open(t testing.TB, s *redistest.Server, db int, cmds ...string) (send func(cmd string), end func()) {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	addr := "addr=" + c.LocalAddr().String()
	shows := func(words ...string) bool {
		for line := range strings.Lines(s.Do(t, "CLIENT", "LIST")) {
			if strings.Contains(line, addr+" ") {
				for _, w := range words {
					if !strings.Contains(line, w) {
						return false
					}
				}
				return true
			}
		}
		return false
	}
	send = func(cmd string) {
		t.Helper()
		_, err := fmt.Fprintf(c, "%s\r\n", cmd)
		require.NoError(t, err)
		word, _, _ := strings.Cut(strings.ToLower(cmd), " ")
		require.Eventually(t, func() bool { return shows(fmt.Sprintf(" db=%d ", db), " cmd="+word) }, 10*time.Second, time.Millisecond)
	}
	send(fmt.Sprint("SELECT ", db))
	for _, cmd := range cmds {
		send(cmd)
	}
	return send, func() {
		require.NoError(t, c.Close())
		require.Eventually(t, func() bool { return !shows() }, 10*time.Second, time.Millisecond)
	}
}

// TestWorkersAmongTheClients are clients whose last command only workers send.
// Without one, none lives.
func TestWorkersAmongTheClients(t *testing.T) {
	t.Parallel()
	for id, tt := range map[string]struct {
		seed    []string
		worker  []string
		nothing []string // what others send
	}{
		"celery/": {[]string{"SADD", "_kombu.binding.celery", "celery\x06\x16\x06\x16celery"}, []string{"PSUBSCRIBE /0.celery.pidbox", "BRPOP none 0"}, []string{"PUBLISH x y"}},
		"huey/":   {[]string{"LPUSH", "huey.redis.app", "x"}, []string{"BRPOP none 0"}, []string{"LLEN huey.redis.app"}},
		"taskiq/": {[]string{"LPUSH", "taskiq", `{"task_id":"1","task_name":"a"}`}, []string{"BRPOP none 0"}, []string{"LLEN taskiq"}},
		"arq/":    {[]string{"ZADD", "arq:queue", "1795949965000", "a"}, []string{"ZRANGEBYSCORE arq:queue -inf 1 LIMIT 0 10"}, []string{"ZADD arq:queue 1795949965000 a", "EXEC"}},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newField(t)
			f.s.Do(t, tt.seed...)
			for _, cmd := range tt.nothing {
				connect(t, f.s, 0, cmd)
			}
			connect(t, f.s, 1, tt.worker[0]) // one of another database
			f.poll(0, id)
			f.forgetFirstLooks()
			rest(t, f.s)
			want(t, &f.poll(0, id).figures, figWorkersAlive, 0)
			for _, cmd := range tt.worker {
				end := connect(t, f.s, 0, cmd)
				wantUnknown(t, &f.poll(20, id).figures, figWorkersAlive, "workers do not register")
				end()
				want(t, &f.poll(20, id).figures, figWorkersAlive, 0)
			}
		})
	}
}

// TestAWorkerThatUsesOneConnectionForEverything is one as long as that connection is
// there, whatever it sent last; one that was not seen so far may begin a task just now.
func TestAWorkerThatUsesOneConnectionForEverything(t *testing.T) {
	t.Parallel()
	f := newField(t, "LPUSH huey.redis.app x")
	alive := func() *figures { return &f.poll(20, "huey/").figures }
	end := connect(t, f.s, 0, "EVALSHA x 0", "GET y")
	want(t, alive(), figWorkersAlive, 0)
	end()
	end = connect(t, f.s, 0, "HMGET huey.results.app x")
	f.poll(0, "huey/")
	f.forgetFirstLooks()
	wantUnknown(t, alive(), figWorkersAlive, "1 clients are connected")
	end()
	end = connect(t, f.s, 0, "MULTI", "EXEC")
	wantUnknown(t, alive(), figWorkersAlive, "1 clients are connected")
	f.forgetFirstLooks()
	wantUnknown(t, alive(), figWorkersAlive, "1 clients are connected") // it may look between two polls
	rest(t, f.s)
	want(t, alive(), figWorkersAlive, 0) // others do that as well
	end()
	end = connect(t, f.s, 0, "LPUSH huey.redis.app x")
	want(t, alive(), figWorkersAlive, 0) // of what adds jobs there are new ones all the time
	end()
	conn, end := open(t, f.s, 0, "EVALSHA x 0")
	wantUnknown(t, alive(), figWorkersAlive, "1 clients are connected")
	conn("GET y")
	wantUnknown(t, alive(), figWorkersAlive, "1 clients are connected")
	end()
	want(t, alive(), figWorkersAlive, 0)
}

// rest waits until no client has just sent what others than workers send, too.
func rest(t testing.TB, s *redistest.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		for line := range strings.Lines(s.Do(t, "CLIENT", "LIST")) {
			if c := readClient([]byte(line)); c.fresh && slices.Contains(hueyWorks, c.cmd) {
				return false
			}
		}
		return true
	}, 10*time.Second, 10*time.Millisecond)
}

// TestWhoMayBeAWorker without having been seen to look for jobs.
func TestWhoMayBeAWorker(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct{ first, later bool }{
		"idle=1 cmd=hset": {true, true},
		"idle=2 cmd=hset": {false, false},
		"idle=0 cmd=zadd": {true, false},
	} {
		clients := clientsOf([]byte("id=1 addr=10.0.0.9:4711 name= db=0 "+line+"\n"), "0 ", func(string) bool { return false })
		require.Len(t, clients, 1, line)
		out := &lookout{before: listened{since: time.Now()}}
		require.Equal(t, want.first, out.maySee(clients[0]), line)
		out.before.since = time.Now().Add(-firstLooks)
		require.Equal(t, want.later, out.maySee(clients[0]), line)
	}
}

// forgetFirstLooks is as if the first looks were some time ago.
func (f *field) forgetFirstLooks() { f.age(max(firstLooks, bystanderAfter)) }

// age is as if what is remembered of clients were from that much earlier.
func (f *field) age(by time.Duration) {
	s := stateOf(f.m)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.listened {
		l.since = l.since.Add(-by)
		for addr, since := range l.others {
			l.others[addr] = since.Add(-by)
		}
		s.listened[i] = l
	}
}

// TestCeleryBesideOthersThatWaitForLists: a client that waits for a list may be of
// another system, and says nothing once a worker's subscriptions were seen.
func TestCeleryBesideOthersThatWaitForLists(t *testing.T) {
	t.Parallel()
	f := newField(t)
	f.s.Do(t, "SADD", "_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
	f.s.Do(t, "SADD", "_kombu.binding.celery.pidbox", "\x06\x16\x06\x16w1@h.celery.pidbox")
	connect(t, f.s, 0, "BRPOP queue:default 0")
	wantUnknown(t, &f.poll(0, "celery/").figures, figWorkersAlive, "clients are connected")
	end := connect(t, f.s, 0, "PSUBSCRIBE /0.celery.pidbox")
	wantUnknown(t, &f.poll(20, "celery/").figures, figWorkersAlive, "2 clients are connected")
	end()
	want(t, &f.poll(20, "celery/").figures, figWorkersAlive, 0)
	// Without remote control there never were any.
	f.s.Do(t, "DEL", "_kombu.binding.celery.pidbox")
	wantUnknown(t, &f.poll(20, "celery/").figures, figWorkersAlive, "1 clients are connected")
}

// TestAnArqWorkerBetweenTwoLooks has sent the end of a job over the same connection.
func TestAnArqWorkerBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	f := newField(t, "ZADD arq:queue 1795950000000 a")
	alive := func() *figures { return &f.poll(1, "arq/").figures }
	send, end := open(t, f.s, 0, "ZRANGEBYSCORE arq:queue -inf 1")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register")
	f.forgetFirstLooks()
	for range 3 {
		send("EXEC")
		wantUnknown(t, alive(), figWorkersAlive, "workers do not register")
	}
	end()
	want(t, alive(), figWorkersAlive, 0)
}

// TestAnArqWorkerThatIsNeverSeenToLook: jobs come at the pace of our polls. Another one
// that only adds jobs is told from it by the time for which it did, while a job waits.
func TestAnArqWorkerThatIsNeverSeenToLook(t *testing.T) {
	t.Parallel()
	f := newField(t, "ZADD arq:queue 1795949990000 a")
	alive := func(seconds float64) *figures { return &f.poll(seconds, "arq/").figures }
	send, _ := open(t, f.s, 0, "EXEC")
	alive(0)
	f.age(bystanderAfter - time.Minute)
	send("EXEC")
	wantUnknown(t, alive(30), figWorkersAlive, "workers do not register")
	f.age(time.Minute)
	send("EXEC")
	wantUnknown(t, alive(-20), figWorkersAlive, "workers do not register") // no job waits long
	want(t, alive(20), figWorkersAlive, 0)
	send("ZRANGEBYSCORE arq:queue -inf 1")
	wantUnknown(t, alive(0), figWorkersAlive, "workers do not register")
}

// TestArqWorkersWithoutAFreeSlot do not look for jobs.
func TestArqWorkersWithoutAFreeSlot(t *testing.T) {
	t.Parallel()
	f := newField(t, "ZADD arq:queue 1795950000000 a 1795950000001 b 1795950000002 c")
	alive := func() *figures { return &f.poll(20, "arq/").figures }
	run := func(jobs ...string) {
		for _, job := range jobs {
			f.s.Do(t, "SET", "arq:in-progress:"+job, "1")
		}
	}
	connect(t, f.s, 0, "EXEC")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register") // it may be about to look
	f.forgetFirstLooks()
	want(t, alive(), figWorkersAlive, 0) // no job runs, and nobody looks for one
	run("a")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register") // its slot may be taken
	end := connect(t, f.s, 0, "ZRANGEBYSCORE arq:queue -inf 1")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register")
	end()
	want(t, alive(), figWorkersAlive, 0) // it had a free slot with that job
	run("b")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register")

	end = connect(t, f.s, 0, "ZRANGEBYSCORE arq:queue -inf 1")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register")
	f.s.Do(t, "DEL", "arq:in-progress:b")
	wantUnknown(t, alive(), figWorkersAlive, "workers do not register")
	end()
	run("b") // it had a free slot with as many, though not when it was last seen
	want(t, alive(), figWorkersAlive, 0)
}

// TestSidekiqHeartbeats: a process that misses two is dead before its record ends.
func TestSidekiqHeartbeats(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD queues default", "SADD processes h:1:a", `HSET h:1:a busy 1 concurrency 2 quiet false info {"concurrency":2}`,
		fmt.Sprintf(`HSET h:1:a:work t1 {"queue":"default","run_at":%d}`, fieldAt-5))
	for ttl, alive := range map[string]float64{"60000": 1, "40000": 1, "34000": 0, "1000000": 1} {
		f.s.Do(t, "PEXPIRE", "h:1:a", ttl)
		r := f.poll(20, "sidekiq/")
		want(t, &r.figures, figWorkersAlive, alive)
		want(t, &r.figures, figWorkersDead, 1-alive)
		want(t, &r.figures, figWorkersBusy, alive)
	}
	f.s.Do(t, "PERSIST", "h:1:a")
	want(t, &f.poll(20, "sidekiq/").figures, figWorkersAlive, 1)
}

// TestRQWorkersThatAreGone leave records for minutes, and no other sign of life.
func TestRQWorkersThatAreGone(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD rq:queues rq:queue:default", "SADD rq:workers rq:worker:a")
	alive := func(n float64) {
		t.Helper()
		r := f.poll(20, "rq/rq")
		want(t, &r.figures, figWorkersAlive, n)
		want(t, &r.figures, figWorkersDead, 1-n)
	}
	state := func(state, ttl string) {
		f.s.Do(t, "HSET", "rq:worker:a", "state", state, "queues", "default")
		f.s.Do(t, "PEXPIRE", "rq:worker:a", ttl)
	}
	state("idle", "400000")
	alive(0)
	for _, sign := range []string{"BLPOP rq:queue:default 0", "BLMOVE rq:queue:default rq:x LEFT RIGHT 0", "SUBSCRIBE rq:pubsub:a", "CLIENT SETNAME a"} {
		end := connect(t, f.s, 0, sign)
		alive(1)
		end()
		alive(0)
	}
	connect(t, f.s, 0, "SUBSCRIBE rq:pubsub:b")
	alive(0)
	state("busy", "61000") // it may have connected again
	alive(1)
	state("busy", "50000")
	alive(0)
	end := connect(t, f.s, 0, "SUBSCRIBE rq:pubsub:a")
	alive(1)
	end()
	f.s.Do(t, "DEL", "rq:worker:a")
	connect(t, f.s, 0, "BLPOP rq:queue:default 0")
	alive(0)
}

// TestOneOfSeveralRQWorkersThatIsGone is found beside one that lives: a client that waits
// for jobs is the other one.
func TestOneOfSeveralRQWorkersThatIsGone(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD rq:queues rq:queue:default", "SADD rq:workers rq:worker:a rq:worker:b",
		"HSET rq:worker:a state idle queues default", "HSET rq:worker:b state idle queues default",
		"PEXPIRE rq:worker:a 400000", "PEXPIRE rq:worker:b 400000")
	alive := func(n float64) {
		t.Helper()
		want(t, &f.poll(20, "rq/rq").figures, figWorkersAlive, n)
	}
	connect(t, f.s, 0, "SUBSCRIBE rq:pubsub:a")
	connect(t, f.s, 0, "BLPOP rq:queue:default 0")
	alive(1)
	end := connect(t, f.s, 0, "BLPOP rq:queue:default 0")
	alive(2) // whose that is, is not known
	end()
	alive(1)
	send, end := open(t, f.s, 0, "BLPOP rq:queue:default 1", "PING")
	alive(1) // it is not seen to wait
	send("BLPOP rq:queue:default 1")
	alive(2)
	send("GET a")
	alive(2) // it did so just now
	end()
	f.s.Do(t, "HSET", "rq:worker:a", "state", "busy")
	alive(2) // one that is busy does not wait
}

// TestPeriodicJobsOfBusyWorkers are late because all workers are busy, and not because
// they are not put into their queue; for five minutes.
func TestPeriodicJobsOfBusyWorkers(t *testing.T) {
	t.Parallel()
	tick := fmt.Sprintf("cron:tick:%d", fieldAt*1000)
	f := newField(t, fmt.Sprintf("ZADD arq:queue %d %s %d running", fieldAt*1000, tick, (fieldAt-5)*1000), "SET arq:in-progress:running 1")
	connect(t, f.s, 0, "ZRANGEBYSCORE arq:queue -inf 1")
	overdue := func(seconds, n float64) {
		t.Helper()
		want(t, &f.poll(seconds, "arq/").figures, figSchedulerOverdue, n)
	}
	overdue(60, 0)
	overdue(200, 0)
	f.s.Do(t, "DEL", "arq:in-progress:running")
	overdue(1, 1)
	f.s.Do(t, "SET", "arq:in-progress:running", "1")
	overdue(1, 0)
	overdue(60, 1)
}

// TestWorkersCommandsAreLookedFor: what a system's workers send is read from CLIENT LIST.
func TestWorkersCommandsAreLookedFor(t *testing.T) {
	t.Parallel()
	for _, cmds := range [][]string{hueyTakes, hueyWorks, arqLooks, rqWaits} {
		require.Subset(t, workerCommands, cmds)
	}
}
