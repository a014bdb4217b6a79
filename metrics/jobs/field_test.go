package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// fieldAt is the server's time in these tests.
const fieldAt = 1795950000

// seeded starts a server with what the commands write; a command is parted at
// blanks.
func seeded(t *testing.T, commands ...string) *redistest.Server {
	t.Helper()
	s := redistest.Borrow(t)
	for _, c := range commands {
		args := strings.Fields(c)
		for i, arg := range args {
			if binary, ok := asynqMessages[arg]; ok {
				args[i] = binary
			}
		}
		s.Do(t, args...)
	}
	return s
}

// asynqMessages stand in commands under these names: a server of two slots, and a
// task that runs.
var asynqMessages = map[string]string{"<server>": "\x10\x2a\x20\x02", "<task>": asynqTaskMessage(fieldAt - 5)}

// field is a target that a test polls with a clock of its own.
type field struct {
	t *testing.T
	s *redistest.Server
	d *teller
	m *item.Memory
	o item.JobsOptions
}

func newField(t *testing.T, commands ...string) *field {
	t.Helper()
	s := seeded(t, commands...)
	f := &field{t: t, s: s, d: dial(t, s, "", 0), m: &item.Memory{}, o: defaultOptions()}
	f.d.at = fieldAt
	return f
}

// poll moves the clock on and gives the one instance that is there.
func (f *field) poll(seconds float64, id string) *reading {
	f.t.Helper()
	f.d.at += seconds
	r := pollOnce(f.t, f.d, f.m, f.o, query{})
	require.Equal(f.t, []string{id}, ids(r))
	return r.Systems[0]
}

// want requires a known figure.
func want(t *testing.T, f *figures, name figure, value float64) {
	t.Helper()
	got, ok := f.Get(name)
	require.True(t, ok, "%s is not known: %v", name, f.Problems)
	require.InDelta(t, value, got, 1e-3, name.String())
}

// wantUnknown requires a figure that is missing for a reason.
func wantUnknown(t *testing.T, f *figures, name figure, reason string) {
	t.Helper()
	value, ok := f.Get(name)
	require.False(t, ok, "%s is %v", name, value)
	require.Contains(t, reasonOf(f, name), reason, name.String())
}

// TestBeeQueueIsNotBull whatever of its keys exist so far: it has some names in
// common with Bull, and others that Bull has not.
func TestBeeQueueIsNotBull(t *testing.T) {
	t.Parallel()
	for name, own := range map[string][]string{
		"waiting":   {"RPUSH bq:mail:waiting 3 2 1"},
		"succeeded": {"SADD bq:mail:succeeded 1"},
		"jobs":      {"HSET bq:mail:jobs 1 {}"},
		"all":       {"RPUSH bq:mail:waiting 3 2 1", "SADD bq:mail:succeeded 1", "HSET bq:mail:jobs 1 {}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, append(own, "SET bq:mail:id 5", "LPUSH bq:mail:active 4", "ZADD bq:mail:delayed 1995953593115 5")...)
			require.Empty(t, ids(pollOnce(t, f.d, f.m, f.o, query{})))
		})
	}
}

// TestResqueWithoutANamespaceIsNotSidekiq though it has its set of queues.
func TestResqueWithoutANamespaceIsNotSidekiq(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD queues mail", "SADD workers vm:1:mail", "HSET workers:heartbeat vm:1:mail 2026-11-29T11:00:00Z", "SET stat:processed 5")
	require.Empty(t, ids(pollOnce(t, f.d, f.m, f.o, query{})))
	f.s.Do(t, "SADD", "processes", "vm:2:a")
	pollOnce(t, f.d, f.m, f.o, query{})
	require.Equal(t, []string{"sidekiq/"}, ids(pollOnce(t, f.d, f.m, f.o, query{})), "both share a database")
}

// TestWorkersOfOtherDatabases: CLIENT LIST is of the whole server.
func TestWorkersOfOtherDatabases(t *testing.T) {
	t.Parallel()
	for system, meta := range map[string]string{
		"bullmq": "HSET bull:mail:meta version bullmq:6.7.0", "bull": "SET bull:mail:id 1",
	} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			f := newField(t, meta, "RPUSH bull:mail:wait 1", fmt.Sprintf("HSET bull:mail:1 timestamp %d000", fieldAt-5))
			client := func(db int) {
				d := dial(t, f.s, "", db)
				_, err := d.Conn.DoAll(t.Context(), redisclient.Command{"CLIENT", "SETNAME", "bull:bWFpbA=="})
				require.NoError(t, err)
			}
			client(9)
			want(t, &f.poll(0, system+"/bull").figures, figWorkersAlive, 0)
			client(0)
			want(t, &f.poll(60, system+"/bull").figures, figWorkersAlive, 1)
		})
	}
}

// TestWithoutOurOwnLineWorkersAreNotKnown: nobody tells which database is ours.
func TestWithoutOurOwnLineWorkersAreNotKnown(t *testing.T) {
	t.Parallel()
	list := "id=3 addr=a name=bull:bWFpbA== db=0 cmd=blpop\nid=4 addr=b name= db=1 cmd=client\n"
	d := &metrictest.ScriptDoer{Replies: map[string]string{"CLIENT ID": ":7\r\n", "CLIENT LIST": metrictest.Bulk(list)}}
	_, err := clientsOfNode(t.Context(), node{Doer: d}, unknownAddr)
	require.ErrorIs(t, err, errOwnDatabase)
	d.Replies["CLIENT ID"] = ":3\r\n"
	names, err := clientsOfNode(t.Context(), node{Doer: d}, unknownAddr)
	require.NoError(t, err)
	require.Equal(t, []client{{name: "bull:bWFpbA==", cmd: "blpop", addr: "a", idle: -1, age: -1}}, names)
	delete(d.Replies, "CLIENT ID") // before Redis 5.0
	_, err = clientsOfNode(t.Context(), node{Doer: d}, unknownAddr)
	require.ErrorContains(t, err, "CLIENT ID")
	d.Replies["CLIENT LIST"] = metrictest.Bulk(strings.ReplaceAll(list, "db=1", "db=0"))
	names, err = clientsOfNode(t.Context(), node{Doer: d}, unknownAddr)
	require.NoError(t, err)
	require.Equal(t, []client{{name: "bull:bWFpbA==", cmd: "blpop", addr: "a", idle: -1, age: -1}}, names, "there is one database only")
	d.Replies["CLIENT ID"] = "-NOPERM this user has no permissions to run the 'client|id' command\r\n"
	_, err = clientsOfNode(t.Context(), node{Doer: d}, unknownAddr)
	require.ErrorContains(t, err, "NOPERM")
}

// TestWorkersOfACluster are at the node that has the queue's slot, with idle
// connections to others: the node that has the most of a queue counts.
func TestWorkersOfACluster(t *testing.T) {
	t.Parallel()
	f := newField(t, "HSET {app}:mail:meta version bullmq:6.7.0", "HSET {app}:sms:meta version bullmq:6.7.0")
	other := seeded(t)
	connect := func(s *redistest.Server, names ...string) {
		for _, name := range names {
			d := dial(t, s, "", 0)
			_, err := d.Conn.DoAll(t.Context(), redisclient.Command{"CLIENT", "SETNAME", name})
			require.NoError(t, err)
		}
	}
	const mail, sms = "{app}:bWFpbA==", "{app}:c21z:w:one:two"
	connect(f.s, mail, sms)
	connect(other, mail, mail, mail)
	c := &clustered{teller: f.d, nodes: []node{{Addr: "a:1", Doer: f.d}, {Addr: "b:1", Doer: dial(t, other, "", 0)}}}
	r := pollOnce(t, c, f.m, f.o, query{System: "bullmq"}).Systems[0]
	want(t, &r.figures, figWorkersAlive, 4) // three of mail, one of sms
	r = pollOnce(t, c, f.m, f.o, query{System: "bullmq", Prefix: "{app}", Queue: "mail"}).Systems[0]
	want(t, &r.figures, figWorkersAlive, 4) // of the system, whichever queue is asked for

	c.nodes[1] = node{Addr: "b:1", Err: errNoAnswer}
	r = pollOnce(t, c, f.m, f.o, query{System: "bullmq"}).Systems[0]
	wantUnknown(t, &r.figures, figWorkersAlive, "node b:1: it does not answer")
	want(t, &r.figures, figWaiting, 0) // the rest stands
}

// TestHorizonOfAnyApplication: the prefix has the application's name in it.
func TestHorizonOfAnyApplication(t *testing.T) {
	t.Parallel()
	f := newField(t,
		fmt.Sprintf("ZADD shop_horizon:supervisors %d h-a:supervisor-1", fieldAt), fmt.Sprintf("ZADD shop_horizon:masters %d h-a", fieldAt),
		`HSET shop_horizon:supervisor:h-a:supervisor-1 status running processes {"redis:default":3}`,
		fmt.Sprintf("ZADD shop_horizon:failed_jobs -%d.1 a", fieldAt-9),
	)
	r := f.poll(0, "horizon/shop_horizon:")
	want(t, &r.figures, figWorkersAlive, 1)
	want(t, &r.figures, figWorkersSlots, 3)
	want(t, &r.figures, figFailed, 1)

	// All of it is dead.
	f.s.Do(t, "DEL", "shop_horizon:supervisors", "shop_horizon:masters")
	f.m = &item.Memory{}
	want(t, &f.poll(0, "horizon/shop_horizon:").figures, figWorkersAlive, 0)

	f = newField(t, "ZADD game:supervisors 1 a", "ZADD league:failed_jobs 1 a", "ZADD league:completed_jobs -1 a", "SET cup:failed_jobs x")
	require.Empty(t, ids(pollOnce(t, f.d, f.m, f.o, query{})), "others may use these words")
}

// TestExecutionsOfRQ3: it names what a worker runs in keys of their own.
func TestExecutionsOfRQ3(t *testing.T) {
	t.Parallel()
	f := newField(t,
		"SADD rq:queues rq:queue:default", "SADD rq:workers rq:worker:w1 rq:worker:w2",
		"HSET rq:worker:w1 state busy name w1 queues default,mail", "SADD rq:worker:w1:executions j1:e1",
		"HSET rq:worker:w2 state busy name w2", "SADD rq:worker:w2:executions j2:e2",
		fmt.Sprintf("HSET rq:execution:j1:e1 job_id j1 created_at %d.5", fieldAt-700),
		fmt.Sprintf("ZADD rq:wip:default %d j1:e1", fieldAt+90),
	)
	r := f.poll(0, "rq/rq")
	want(t, &r.figures, figOldestRunning, 699.5) // that of w2 has ended in the meantime
	want(t, &r.figures, figWorkersBusy, 2)
	require.Equal(t, []string{"default", "mail"}, r.Workers[0].Queues)
}

// TestCeleryUnderNamesOfTheApplication finds unacked_key by its shape, and the
// workers of another control_exchange.
func TestCeleryUnderNamesOfTheApplication(t *testing.T) {
	t.Parallel()
	const sep = "\x06\x16"
	f := newField(t,
		"SADD _kombu.binding.celery celery"+sep+sep+"celery",
		"SADD _kombu.binding.shop.pidbox "+sep+sep+"a@h.shop.pidbox "+sep+sep+"b@h.shop.pidbox",
		"SADD _kombu.binding.reply.shop.pidbox x"+sep+sep+"x.reply.shop.pidbox",
		`HSET myunacked tag1 [{},"celery","celery"]`, fmt.Sprintf("ZADD myunacked_index %d.5 tag1", fieldAt-7200),
		"HSET users 1 x", "ZADD users_index 1 1", "HSET app:users 1 [1,2,3]", "ZADD app:users_index 1 1",
	)
	r := f.poll(0, "celery/")
	want(t, &r.figures, figUnacked, 1)
	want(t, &r.figures, figOldestUnacked, 7199.5)
	want(t, &r.figures, figUnackedExpired, 1)
	want(t, &r.figures, figWorkers, 2)
	require.Len(t, r.Queues, 1)
}

// TestCeleryQueuesThatAreMadeAnew at each start are one.
func TestCeleryQueuesThatAreMadeAnew(t *testing.T) {
	t.Parallel()
	const a, b = "0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002"
	f := newField(t,
		"SADD _kombu.binding.celery celery::celery", "SADD _kombu.binding.news ::bcast."+a+" ::bcast."+b,
		"SADD _kombu.binding.signals worker.#::signals."+a, "LPUSH bcast."+a+" {} {}", "LPUSH bcast."+b+" {}",
	)
	r := f.poll(0, "celery/")
	got := map[string]float64{}
	for _, q := range r.Queues {
		got[q.Name], _ = q.Get(figWaiting)
	}
	require.Equal(t, map[string]float64{"bcast.*": 3, "celery": 0, "signals.*": 0}, got)

	f = newField(t,
		"SADD _kombu.binding.celery celery\x06\x16\x06\x16celery",
		"SADD _kombu.binding.news \x06\x16\x06\x16bcast."+a+" \x06\x16\x06\x16bcast."+b,
		"SADD _kombu.binding.signals worker.#\x06\x16\x06\x16signals."+a, "LPUSH bcast."+a+" {} {}", "LPUSH bcast."+b+" {}",
	)
	got = map[string]float64{}
	for _, q := range f.poll(0, "celery/").Queues {
		got[q.Name], _ = q.Get(figWaiting)
	}
	require.Equal(t, map[string]float64{"bcast.*": 3, "celery": 0, "signals.*": 0}, got)
}

// TestPrefixesWithColons: an application may give its environment a part of them.
func TestPrefixesWithColons(t *testing.T) {
	t.Parallel()
	f := newField(t, "SET shop:prod:mail:id 1", "RPUSH shop:prod:mail:wait 1", fmt.Sprintf("HSET shop:prod:mail:1 timestamp %d000", fieldAt-5))
	d := dial(t, f.s, "", 0)
	_, err := d.Conn.DoAll(t.Context(), redisclient.Command{"CLIENT", "SETNAME", "shop:prod:bWFpbA=="})
	require.NoError(t, err)
	r := f.poll(0, "bull/shop:prod")
	require.Equal(t, "mail", r.Queues[0].Name)
	want(t, &r.figures, figWorkersAlive, 1)
	want(t, &r.Queues[0].figures, figLatency, 5)

	// Where a name has colons, too, the option says where it begins.
	f.m, f.o.Prefixes = &item.Memory{}, map[string][]string{"bull": {"shop"}}
	r = f.poll(0, "bull/shop")
	require.Equal(t, "prod:mail", r.Queues[0].Name)
	want(t, &r.figures, figWorkersAlive, 1)
	f = newField(t, "SET bull:prod:mail:id 1", "RPUSH bull:prod:mail:wait 1")
	require.Equal(t, "prod:mail", f.poll(0, "bull/bull").Queues[0].Name, "Bull's own prefix has none")
}
