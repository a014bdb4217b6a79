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

// told is a server that answers what a test says, the last of several answers again
// and again, and else what a server says of keys that are not there. It is for what
// a real server tells only for a moment, or never.
type told struct {
	answers map[string][]resp.Value
	sent    []string
}

func (d *told) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	out := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		text := strings.Join(cmd, " ")
		d.sent = append(d.sent, text)
		answers, ok := d.answers[text]
		switch {
		case ok:
			out[i] = answers[0]
			d.answers[text] = answers[min(1, len(answers)-1):]
		case cmd[0] == "TIME":
			out[i] = arrayOf(fmt.Sprint(fieldAt), "0")
		case cmd[0] == "SCAN" || cmd[0] == "SSCAN" || cmd[0] == "HSCAN":
			out[i] = scanOf("0")
		case strings.HasSuffix(cmd[0], "RANGE"):
			out[i] = arrayOf()
		case strings.HasSuffix(cmd[0], "LEN") || strings.HasSuffix(cmd[0], "CARD") || cmd[0] == "ZCOUNT" || cmd[0] == "EXISTS" || cmd[0] == "HEXISTS":
			out[i] = intOf(0)
		case cmd[0] == "PTTL":
			out[i] = intOf(-2)
		case cmd[0] == "CLIENT" && cmd[1] == "ID":
			out[i] = intOf(1)
		case cmd[0] == "CLIENT":
			out[i] = bulkOf("id=1 addr=a name= db=0 cmd=client\n")
		default:
			out[i] = null
		}
	}
	return out, nil
}

var (
	null      = resp.Value{Kind: resp.Null}
	wrongType = resp.Value{Kind: resp.Error, Str: []byte("WRONGTYPE no")}
)

func intOf(n int64) resp.Value { return resp.Value{Kind: resp.Integer, Int: n} }

func scanOf(cursor string, members ...string) resp.Value {
	return resp.Value{Kind: resp.Array, Elems: []resp.Value{bulkOf(cursor), arrayOf(members...)}}
}

// readTold reads a system from such answers; a command and its answers follow each
// other. prepare may change the poll and the reading before.
func readTold(t *testing.T, system string, prepare func(p *poll, r *reading), answers map[string][]resp.Value) *reading {
	t.Helper()
	p := &poll{doer: &told{answers: answers}, state: stateOf(&item.Memory{}), options: &item.JobsOptions{}}
	r := readingOf(t, system)
	if prepare != nil {
		prepare(p, r)
	}
	s, _ := lookup(system)
	s.Read(p, r)
	require.NoError(t, p.askClients(t.Context()))
	require.NoError(t, p.run(t.Context()))
	return r
}

type answers = map[string][]resp.Value

// one is the only answer to a command.
func one(v resp.Value) []resp.Value { return []resp.Value{v} }

// TestRateLimitsOfBull hold all back that wait, while a limit's time runs and it is
// used up.
func TestRateLimitsOfBull(t *testing.T) {
	t.Parallel()
	const limiter = "bull:q:limiter"
	found := func(_ *poll, r *reading) { r.Found = []string{"q"} }
	for _, tt := range []struct {
		name        string
		count, left resp.Value
		max         string
		want        float64
	}{
		{"no limiter", null, intOf(-2), "10", 0}, {"it has just ended", bulkOf("10"), intOf(0), "10", 0},
		{"some are left", bulkOf("9"), intOf(1), "10", 0}, {"used up", bulkOf("10"), intOf(1), "10", 7},
		{"more than used up", bulkOf("11"), intOf(1), "10", 7}, {"the greatest number is not told", bulkOf("1"), intOf(500), "", 7},
	} {
		a := answers{
			"GET " + limiter: one(tt.count), "PTTL " + limiter: one(tt.left), "LLEN bull:q:wait": one(intOf(4)), "LLEN bull:q:paused": one(intOf(2)),
			"ZCARD bull:q:prioritized": one(intOf(1)), "HMGET bull:q:meta version opts.maxLenEvents max": one(arrayOf("bullmq:5", "", tt.max)),
		}
		q := readTold(t, "bullmq", found, a).Queues[0]
		want(t, &q.figures, figRateLimited, tt.want)
		want(t, &q.figures, figWaiting, 7)
		require.True(t, q.Exists)
	}
	// Bull tells no such number, but which jobs it has delayed.
	const index = "HLEN bull:q:limiter:index"
	for _, tt := range []struct{ held, scheduled, waiting, left, want int64 }{
		{4, 4, 0, 500, 4}, {4, 9, 3, 500, 4}, {4, 3, 0, 500, 3}, {4, 4, 3, -2, 4}, {0, 2, 3, -2, 0}, {0, 2, 0, 500, 0}, {0, 0, 3, 500, -1},
	} {
		q := readTold(t, "bull", found, answers{
			index: one(intOf(tt.held)), "ZCARD bull:q:delayed": one(intOf(tt.scheduled)), "LLEN bull:q:wait": one(intOf(tt.waiting)),
			"PTTL " + limiter: one(intOf(tt.left)), "GET " + limiter: one(bulkOf("7")),
		}).Queues[0]
		if tt.want < 0 {
			wantUnknown(t, &q.figures, figRateLimited, "known to the workers alone")
		} else {
			want(t, &q.figures, figRateLimited, float64(tt.want))
		}
	}
	wantUnknown(t, &readTold(t, "bull", found, answers{index: one(wrongType)}).Queues[0].figures, figRateLimited, "limiter: WRONGTYPE")
	for name, a := range map[string]answers{
		"limiter: WRONGTYPE":                 {"GET " + limiter: one(wrongType), "PTTL " + limiter: one(intOf(1))},
		"limiter: ":                          {"PTTL " + limiter: one(wrongType)},
		"it is not known how many jobs wait": {"PTTL " + limiter: one(intOf(1)), "LLEN bull:q:wait": one(wrongType)},
	} {
		q := readTold(t, "bullmq", found, a).Queues[0]
		wantUnknown(t, &q.figures, figRateLimited, name)
		require.False(t, q.Exists)
	}
	q := readTold(t, "bullmq", found, answers{"ZCARD bull:q:prioritized": one(wrongType)}).Queues[0]
	wantUnknown(t, &q.figures, figWaiting, "ZCARD: WRONGTYPE")
	wantUnknown(t, &q.figures, figPrioritized, "ZCARD: WRONGTYPE")
	q = readTold(t, "bull", found, answers{"ZCARD bull:q:priority": one(intOf(2))}).Queues[0]
	wantUnknown(t, &q.figures, figLatency, "2 jobs have a priority, and the next one is not the oldest")
	q = readTold(t, "bull", found, answers{"GET bull:q:id": one(bulkOf("5"))}).Queues[0]
	require.True(t, q.Exists)
	require.True(t, q.hasAttempts)
	require.EqualValues(t, 5, q.attempts)
	wantNothing(t, &q.figures, figAdded)
	want(t, &q.figures, figLatency, 0)
}

// TestLocksOfBull: a job that runs and has none was left by a worker that died, when
// it still runs afterwards.
func TestLocksOfBull(t *testing.T) {
	t.Parallel()
	const active = "LRANGE bull:q:active -100 -1"
	ids := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("j", i))
		}
		return out
	}
	read := func(a answers) (*reading, *figures) {
		r := readTold(t, "bull", func(_ *poll, r *reading) { r.Found = []string{"q"} }, a)
		return r, &r.Queues[0].figures
	}
	locked := func(n int, more answers) answers {
		a := answers{active: one(arrayOf(ids(n)...))}
		for _, id := range ids(n) {
			a["PTTL bull:q:"+id+":lock"] = one(intOf(29_000))
		}
		for cmd, v := range more {
			a[cmd] = v
		}
		return a
	}
	_, f := read(nil)
	want(t, f, figOrphaned, 0)
	_, f = read(locked(bullActive-1, nil))
	want(t, f, figOrphaned, 0)
	_, f = read(locked(bullActive, nil))
	wantUnknown(t, f, figOrphaned, "100 jobs run or more, and not all were looked at")
	_, f = read(locked(bullActive, answers{"PTTL bull:q:j7:lock": one(intOf(-2)), "PTTL bull:q:j8:lock": one(intOf(-1))}))
	want(t, f, figOrphaned, 1) // a lock that does not end is one
	_, f = read(locked(3, answers{
		active: {arrayOf("j0", "j1", "j2"), arrayOf("j1", "new")}, "PTTL bull:q:j0:lock": one(intOf(-2)), "PTTL bull:q:j1:lock": one(intOf(-2)),
	}))
	want(t, f, figOrphaned, 1) // the other one has ended
	_, f = read(locked(2, answers{"PTTL bull:q:j1:lock": one(resp.Value{Kind: resp.Error, Str: []byte("NOPERM no")})}))
	wantUnknown(t, f, figOrphaned, "NOPERM")
	_, f = read(locked(2, answers{active: {arrayOf("j0"), wrongType}}))
	wantUnknown(t, f, figOrphaned, "WRONGTYPE")

	r, _ := read(locked(2, answers{"HGET bull:q:j1 processedOn": one(bulkOf(fmt.Sprint(fieldAt-40) + "000")), "HGET bull:q:j0 processedOn": one(bulkOf("1795000000000"))}))
	require.EqualValues(t, fieldAt-40, r.began, "that of the job at the end")
	require.Zero(t, r.runsUnknown)
	r, _ = read(locked(2, answers{"HGET bull:q:j1 processedOn": one(bulkOf("x"))}))
	require.Equal(t, 1, r.runsUnknown)
	require.Equal(t, "a running job: "+errMoment.Error(), r.runsWhy)
	r, _ = read(locked(2, nil)) // it has ended
	require.Zero(t, r.runsUnknown)
	r, f = read(answers{active: one(wrongType)})
	wantUnknown(t, f, figOrphaned, "WRONGTYPE")
	require.Equal(t, 1, r.runsUnknown)

	for _, tt := range []struct {
		completed, failed resp.Value
		processed, fails  float64
	}{{bulkOf("5"), bulkOf("2"), 7, 2}, {bulkOf("5"), null, 5, 0}, {null, bulkOf("2"), 2, 2}} {
		_, f = read(answers{"HGET bull:q:metrics:completed count": one(tt.completed), "HGET bull:q:metrics:failed count": one(tt.failed)})
		want(t, f, figProcessed, tt.processed)
		want(t, f, figFailedTotal, tt.fails)
	}
	_, f = read(nil)
	wantUnknown(t, f, figProcessed, "the workers keep no metrics")
	for _, key := range []string{"completed", "failed"} {
		for _, odd := range []resp.Value{wrongType, bulkOf("x")} {
			_, f = read(answers{"HGET bull:q:metrics:completed count": one(bulkOf("5")), "HGET bull:q:metrics:" + key + " count": one(odd)})
			require.True(t, f.missed(figProcessed) && f.missed(figFailedTotal), "%s %v", key, odd)
		}
	}
}

// TestOldestJobsOfBull: when a job began to wait follows from what it says, or is not
// known.
func TestOldestJobsOfBull(t *testing.T) {
	t.Parallel()
	const record = "HMGET bull:q:1 timestamp opts atm attemptsMade processedOn"
	ms := func(at float64) resp.Value { return bulkOf(fmt.Sprintf("%.0f", at*1000)) }
	fields := func(v ...resp.Value) []resp.Value { return one(resp.Value{Kind: resp.Array, Elems: v}) }
	read := func(job []resp.Value) *queue {
		return readTold(t, "bull", func(_ *poll, r *reading) { r.Found = []string{"q"} }, answers{"LINDEX bull:q:wait -1": one(bulkOf("1")), record: job}).Queues[0]
	}
	for name, tt := range map[string]struct {
		job       []resp.Value
		latency   float64
		firstSeen bool
	}{
		"waits":                            {fields(ms(fieldAt-10), null, null, null, null), 10, false},
		"was delayed":                      {fields(ms(fieldAt-10), bulkOf(`{"delay":4000}`), null, null, null), 6, false},
		"was tried no time":                {fields(ms(fieldAt-10), null, bulkOf("0"), bulkOf("0"), null), 10, false},
		"was tried":                        {fields(ms(fieldAt-10), null, bulkOf("1"), null, ms(fieldAt-5)), 0, true},
		"was tried, by an older version":   {fields(ms(fieldAt-10), null, null, bulkOf("1"), ms(fieldAt-5)), 0, true},
		"its clock goes a second ahead":    {fields(ms(fieldAt+1), null, null, null, null), 0, false},
		"was promoted, more than a second": {fields(ms(fieldAt+1.001), null, null, null, null), 0, true},
	} {
		q := read(tt.job)
		want(t, &q.figures, figLatency, tt.latency)
		require.Equal(t, tt.firstSeen, q.FirstSeen, name)
		require.Equal(t, "/1", q.Head)
	}
	for why, job := range map[string][]resp.Value{
		"somebody had it tried again, and it does not say when": fields(ms(fieldAt-10), null, bulkOf("1"), null, null),
		"expected 5 members":        fields(ms(fieldAt-10), null, null, null),
		"oldest job: it is no time": fields(bulkOf("x"), null, null, null, null),
		"its delay is none":         fields(ms(fieldAt-10), bulkOf(`{"delay":-1}`), null, null, null),
		"oldest job: WRONGTYPE":     one(wrongType),
	} {
		q := read(job)
		wantUnknown(t, &q.figures, figLatency, why)
	}
	// Of two heads the older one counts, whichever is asked first.
	for _, ages := range [][2]float64{{10, 30}, {30, 10}, {30, 30}} {
		q := readTold(t, "bull", func(_ *poll, r *reading) { r.Found = []string{"q"} }, answers{
			"LINDEX bull:q:wait -1": one(bulkOf("1")), record: fields(ms(fieldAt-ages[0]), null, null, null, null),
			"LINDEX bull:q:paused -1": one(bulkOf("2")), strings.Replace(record, ":1 ", ":2 ", 1): fields(ms(fieldAt-ages[1]), null, null, null, null),
		}).Queues[0]
		want(t, &q.figures, figLatency, 30)
		require.Equal(t, "/1/2", q.Head)
	}
	for client, want := range map[string]struct {
		prefix, queue string
		python        bool
	}{
		"bull:bWFpbA==": {"bull", "mail", false}, "a:b:bWFpbA==:w:x:y": {"a:b", "mail", false}, ":bWFpbA==": {"", "mail", false},
		"bWFpbA==": {"bull", "", false}, "bull:": {"bull", "", false}, "": {"bull", "", false}, "bull:bWFpbA==:qe": {"bull", "", false},
		"bull:py": {"bull", "py", true}, "bull:py:w:one": {"bull", "py", true}, "bull:mail": {"bull", "mail", true},
		// Another name may be both; one of a queue that is known counts.
		"bull:a25vd24=": {"bull", "known", false}, "bull:b3Ro": {"bull", "b3Ro", true}, "bull:bnRo": {"bull", "nth", false},
	} {
		queue, python := bullWorker(want.prefix, client, map[string]bool{"known": true, "b3Ro": true})
		require.Equal(t, want.queue, queue, client)
		require.Equal(t, want.python, python, client)
	}
}

// TestMoreListsThanAPollFollows cost the figures that need them, and no others.
func TestMoreListsThanAPollFollows(t *testing.T) {
	t.Parallel()
	const binding = "_kombu.binding.celery"
	uuid := "bcast.0a1b2c3d-0000-4000-8000-00000000000"
	for name, tt := range map[string]struct {
		system  string
		unknown []figure
		ofQueue bool
		lists   int
		a       answers
	}{
		"asynq": {"asynq", []figure{figAggregating}, true, 2, answers{
			"SSCAN asynq:queues 0 COUNT 3000": one(scanOf("0", "q")), "SSCAN asynq:{q}:groups 0 COUNT 1000": one(scanOf("0", "g", "h"))}},
		"resque": {"resque", []figure{figFailed}, false, 2, answers{"SSCAN resque:failed_queues 0 COUNT 1000": one(scanOf("0", "a", "b"))}},
		"resque-scheduler": {"resque", []figure{figScheduled, figOverdue}, false, 2, answers{
			"ZCARD resque:delayed_queue_schedule": one(intOf(2)), "ZRANGE resque:delayed_queue_schedule 0 4999": one(arrayOf("1", "2"))}},
		"rq":     {"rq", []figure{figRateLimited}, false, 2, answers{"SSCAN rq:rl-keys 0 COUNT 1000": one(scanOf("0", "a", "b"))}},
		"celery": {"celery", []figure{figWaiting}, true, 2, answers{"SSCAN " + binding + " 0 COUNT 3000": one(scanOf("0", uuid+"1\x06\x16\x06\x16"+uuid+"1", uuid+"2\x06\x16\x06\x16"+uuid+"2"))}},
	} {
		for _, left := range []int{tt.lists, tt.lists - 1} {
			a := answers{}
			for cmd, v := range tt.a {
				a[cmd] = v
			}
			r := readTold(t, tt.system, func(p *poll, _ *reading) { p.followUps = maxFollowUps - left }, a)
			f := &r.figures
			if tt.ofQueue {
				require.Len(t, r.Queues, 1, name)
				f = &r.Queues[0].figures
			}
			for _, unknown := range tt.unknown {
				_, ok := f.Get(unknown)
				require.Equal(t, left == tt.lists, ok, "%s with %d left: %v", name, left, f.Problems)
				require.Equal(t, left != tt.lists, f.missed(unknown), name)
			}
		}
	}
}

// TestMembersOfSets: how many there are is known though not all are read.
func TestMembersOfSets(t *testing.T) {
	t.Parallel()
	read := func(limit int, a answers) (names []string, size int, all []string, err, allErr error) {
		p := &poll{doer: &told{answers: a}, state: stateOf(&item.Memory{}), options: &item.JobsOptions{}}
		p.Members(limit, func(n []string, s int, e error) { names, size, err = n, s, e }, "s")
		p.AllMembers(limit, "names", func(n []string, e error) { all, allErr = n, e }, "s")
		require.NoError(t, p.run(t.Context()))
		return names, size, all, err, allErr
	}
	names, size, all, err, allErr := read(3, answers{"SCARD s": one(intOf(9)), "SSCAN s 0 COUNT 3": one(scanOf("0", "b", "a", "b", "c"))})
	require.NoError(t, errors.Join(err, allErr))
	require.Equal(t, []string{"a", "b", "c"}, names)
	require.Equal(t, 3, size, "all were read: others have gone since")
	require.Equal(t, names, all)
	names, size, all, err, allErr = read(3, answers{"SCARD s": one(intOf(9)), "SSCAN s 0 COUNT 3": one(scanOf("7", "a", "b"))})
	require.NoError(t, err)
	require.Len(t, names, 2)
	require.Equal(t, 9, size)
	require.Nil(t, all)
	require.EqualError(t, allErr, "there are 9 names, more than the 3 that are read")
	_, size, _, _, allErr = read(3, answers{"SCARD s": one(intOf(1)), "SSCAN s 0 COUNT 3": one(scanOf("7", "a", "b"))})
	require.Equal(t, 2, size)
	require.NoError(t, allErr)
	_, _, _, _, allErr = read(3, answers{"SSCAN s 0 COUNT 3": one(scanOf("0", "a", "b", "c", "d"))})
	require.EqualError(t, allErr, "there are 4 names, more than the 3 that are read")
	_, _, _, err, _ = read(3, answers{"SCARD s": one(wrongType), "SSCAN s 0 COUNT 3": one(scanOf("7", "a"))})
	require.ErrorContains(t, err, "SCARD: WRONGTYPE")
	_, _, _, err, _ = read(3, answers{"SCARD s": one(wrongType), "SSCAN s 0 COUNT 3": one(scanOf("0", "a"))})
	require.NoError(t, err, "it need not be known")
	_, _, _, err, _ = read(3, answers{"SSCAN s 0 COUNT 3": one(wrongType)})
	require.ErrorContains(t, err, "SSCAN: WRONGTYPE")

	fields := func(v resp.Value) (pairs []resp.Value, more bool, err error) {
		p := &poll{doer: &told{answers: answers{"HSCAN h 0 COUNT 3": one(v)}}, state: stateOf(&item.Memory{}), options: &item.JobsOptions{}}
		p.Fields(3, func(f []resp.Value, m bool, e error) { pairs, more, err = f, m, e }, "h")
		require.NoError(t, p.run(t.Context()))
		return pairs, more, err
	}
	pairs, more, err := fields(scanOf("0", "a", "1"))
	require.NoError(t, err)
	require.Len(t, pairs, 2)
	require.False(t, more)
	_, more, err = fields(scanOf("7", "a", "1"))
	require.NoError(t, err)
	require.True(t, more)
	_, _, err = fields(arrayOf("0"))
	require.EqualError(t, err, "HSCAN: expected a cursor and fields, got 1 parts")
	for _, odd := range []resp.Value{wrongType, arrayOf("0", "x"), {Kind: resp.Array, Elems: []resp.Value{arrayOf(), arrayOf()}}} {
		_, _, err = fields(odd)
		require.Error(t, err)
	}
}

// TestThirdOfTheTime is what asking other nodes may take.
func TestThirdOfTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		third, stop := thirdOf(ctx)
		defer stop()
		deadline, ok := third.Deadline()
		require.True(t, ok)
		require.Equal(t, 3*time.Second, time.Until(deadline))
		third, stop = thirdOf(context.WithoutCancel(ctx))
		defer stop()
		_, ok = third.Deadline()
		require.False(t, ok)
	})
}

// wantNothing requires figures that are neither known nor explained.
func wantNothing(t *testing.T, f *figures, names ...figure) {
	t.Helper()
	for _, name := range names {
		_, ok := f.Get(name)
		require.False(t, ok, "%s is known", name)
		require.False(t, f.missed(name), "%s: %v", name, f.Problems)
	}
}
