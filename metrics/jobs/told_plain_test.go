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

// TestScoresOfPlainQueues are times in seconds or milliseconds, or none.
func TestScoresOfPlainQueues(t *testing.T) {
	t.Parallel()
	read := func(score string, all, due int64, more answers) *queue {
		a := answers{"TYPE k": statusOf("zset"), "ZCARD k": one(intOf(all)), "ZRANGE k 0 0 WITHSCORES": one(arrayOf("m", score)),
			fmt.Sprintf("ZCOUNT k -inf %d", fieldAt): one(intOf(due)), fmt.Sprintf("ZCOUNT k -inf %d000", fieldAt): one(intOf(due + 1))}
		for cmd, v := range more {
			a[cmd] = v
		}
		return readTold(t, "plain", func(_ *poll, r *reading) { r.extra = []string{"k"} }, a).Queues[0]
	}
	for score, tt := range map[string][3]float64{ // latency, waiting, scheduled
		"946684800": {fieldAt - moment2000, 3, 7}, "7258118400": {0, 3, 7}, "1795949990": {10, 3, 7},
		"946684800000": {fieldAt - moment2000, 4, 6}, "7258118400000": {0, 4, 6}, "1795949990500": {9.5, 4, 6},
	} {
		q := read(score, 10, 3, nil)
		want(t, &q.figures, figLatency, tt[0])
		want(t, &q.figures, figWaiting, tt[1])
		want(t, &q.figures, figScheduled, tt[2])
		require.Equal(t, "m", q.Head)
	}
	for _, score := range []string{"946684799", "7258118401", "100000000000", "946684799999", "7258118401000", "-5", "inf"} {
		q := read(score, 10, 3, nil)
		want(t, &q.figures, figWaiting, 10)
		wantUnknown(t, &q.figures, figScheduled, "the scores are no times")
		wantUnknown(t, &q.figures, figLatency, "the scores are no times")
	}
	q := read("1795949990", 2, 3, nil) // one came in between
	want(t, &q.figures, figWaiting, 3)
	want(t, &q.figures, figScheduled, 0)
	q = read("1795949990", 2, 3, answers{"ZRANGE k 0 0 WITHSCORES": one(arrayOf())})
	for _, f := range []figure{figWaiting, figScheduled, figLatency} {
		want(t, &q.figures, f, 0)
	}
	for why, more := range map[string]answers{
		"a member without a score": {"ZRANGE k 0 0 WITHSCORES": one(arrayOf("m"))}, "WRONGTYPE": {"ZCARD k": one(wrongType)},
		"ZRANGE: WRONGTYPE": {"ZRANGE k 0 0 WITHSCORES": one(wrongType)},
	} {
		q = read("1795949990", 2, 3, more)
		for _, f := range []figure{figWaiting, figScheduled, figLatency} {
			wantUnknown(t, &q.figures, f, why)
		}
	}
	q = read("1795949990", 2, 3, answers{fmt.Sprintf("ZCOUNT k -inf %d", fieldAt): one(wrongType)})
	wantUnknown(t, &q.figures, figWaiting, "ZCOUNT: WRONGTYPE")
	want(t, &q.figures, figLatency, 10)
	name := strings.Repeat("n", maxName)
	require.Equal(t, name, read("", 1, 1, answers{"ZRANGE k 0 0 WITHSCORES": one(arrayOf(name+"x", "1"))}).Head)
	q = read("", 0, 0, answers{"TYPE k": statusOf("list"), "LLEN k": one(intOf(3)), "LINDEX k -1": one(bulkOf(name + "x"))})
	require.Equal(t, name, q.Head)
	require.True(t, q.HeadRepeats)
	for typ, why := range map[string]string{"hash": "TYPE: a key of type hash is no queue", "none": "there is no such key now"} {
		q = read("", 0, 0, answers{"TYPE k": statusOf(typ)})
		wantUnknown(t, &q.figures, figActive, why)
	}
	wantUnknown(t, &read("", 0, 0, answers{"TYPE k": one(wrongType)}).figures, figWaiting, "TYPE: WRONGTYPE")
}

// TestPlainStreams: the group that is furthest behind counts, and servers before 7.0
// tell less.
func TestPlainStreams(t *testing.T) {
	t.Parallel()
	group := func(pairs ...string) resp.Value { return arrayOf(pairs...) }
	groups := func(rows ...resp.Value) []resp.Value { return one(resp.Value{Kind: resp.Array, Elems: rows}) }
	entry := func(id string) []resp.Value { return groups(arrayOf(id)) }
	read := func(more answers) *queue {
		a := answers{"TYPE k": statusOf("stream"), "XLEN k": one(intOf(9)), "XINFO STREAM k": one(arrayOf("entries-added", "50")), "XINFO GROUPS k": groups()}
		for cmd, v := range more {
			a[cmd] = v
		}
		return readTold(t, "plain", func(_ *poll, r *reading) { r.extra = []string{"k"} }, a).Queues[0]
	}
	ms := fmt.Sprint(fieldAt-20) + "000-0"
	q := read(answers{"XRANGE k - + COUNT 1": entry(ms)})
	for f, v := range map[figure]float64{figWaiting: 9, figActive: 0, figAdded: 50, figLatency: 20} {
		want(t, &q.figures, f, v)
	}
	require.Equal(t, "-", q.Head)
	want(t, &read(nil).figures, figLatency, 0)
	for _, rows := range [][]resp.Value{
		{group("name", "a", "pending", "2", "last-delivered-id", "7-1", "lag", "3"), group("name", "b", "pending", "5", "last-delivered-id", "9-0", "lag", "1")},
		{group("name", "b", "pending", "5", "last-delivered-id", "9-0", "lag", "1"), group("name", "a", "pending", "2", "last-delivered-id", "7-1", "lag", "3")},
	} {
		q = read(answers{"XINFO GROUPS k": groups(rows...), "XRANGE k 7-2 + COUNT 1": entry(ms)})
		for f, v := range map[figure]float64{figWaiting: 3, figActive: 7, figLatency: 20} {
			want(t, &q.figures, f, v)
		}
		require.Equal(t, "7-2", q.Head)
	}
	q = read(answers{"XINFO GROUPS k": groups(group("name", "g", "pending", "0", "last-delivered-id", "7-1"), group("name", "b", "pending", "1", "last-delivered-id", "8-1", "lag", "1"))})
	for _, f := range []figure{figWaiting, figArrival, figDrain} {
		wantUnknown(t, &q.figures, f, `the server does not know how far group "g" is`)
	}
	want(t, &q.figures, figActive, 1)
	// An entry was deleted that the group had not had: there are 9, all after 7-1 or not.
	deleted := func(oldest string) *queue {
		stream := arrayOf("entries-added", "50", "max-deleted-entry-id", "8-0", "last-generated-id", "9-0", "first-entry", "")
		stream.Elems[7] = arrayOf(oldest)
		return read(answers{"XINFO STREAM k": one(stream),
			"XINFO GROUPS k": groups(group("name", "g", "pending", "0", "last-delivered-id", "7-1", "lag", "10"))})
	}
	wantUnknown(t, &deleted("7-0").figures, figWaiting, `the server does not know how far group "g" is`)
	want(t, &deleted("8-1").figures, figWaiting, 9)
	// A lag of nothing behind the last entry: the group was made with more entries read than there were.
	wantUnknown(t, &read(answers{"XINFO STREAM k": one(arrayOf("entries-added", "9", "last-generated-id", "9-0")),
		"XINFO GROUPS k": groups(group("name", "g", "pending", "0", "last-delivered-id", "7-1", "lag", "0"))}).figures, figWaiting, "does not know how far")
	for why, info := range map[string]resp.Value{"as Redis does from 7.0 on": arrayOf("length", "9"), "WRONGTYPE": wrongType} {
		q = read(answers{"XINFO STREAM k": one(info)})
		for _, f := range []figure{figAdded, figArrival, figDrain} {
			wantUnknown(t, &q.figures, f, why)
		}
		want(t, &q.figures, figWaiting, 9)
	}
	for _, more := range []answers{{"XLEN k": one(wrongType)}, {"XINFO GROUPS k": one(wrongType)}} {
		q = read(more)
		for _, f := range []figure{figWaiting, figActive, figLatency} {
			wantUnknown(t, &q.figures, f, "WRONGTYPE")
		}
	}
	wantUnknown(t, &read(answers{"XRANGE k - + COUNT 1": entry("5-0")}).figures, figLatency, "oldest entry: its id is no time")
}

// TestOneConversation: the server's time, refusals, and the rounds.
func TestOneConversation(t *testing.T) {
	t.Parallel()
	newPoll := func(a answers) (*poll, *told) {
		d := &told{answers: a}
		return &poll{doer: d, state: stateOf(&item.Memory{}), options: &item.JobsOptions{}}, d
	}
	p, d := newPoll(nil)
	require.NoError(t, p.run(t.Context()))
	require.Equal(t, []string{"TIME"}, d.sent)
	require.EqualValues(t, fieldAt, p.Now())
	require.EqualValues(t, 10, p.Age(fieldAt-10))
	require.Zero(t, p.Age(fieldAt+10))
	p.now = 1795950000.9996
	require.Equal(t, "1795950000", p.NowArg(1))
	require.Equal(t, "1795950000999", p.NowArg(1000))

	rounds := 0
	p, _ = newPoll(nil)
	var again func(resp.Value, error)
	again = func(resp.Value, error) {
		if rounds++; rounds < maxRounds {
			p.Ask(again, "GET", "x")
		}
	}
	p.Ask(again, "GET", "x")
	require.NoError(t, p.run(t.Context()))
	require.Equal(t, maxRounds, rounds)
	require.Panics(t, func() { p.Ask(again, "GET", "x") }, "nobody would answer")
	require.Panics(t, func() { (&poll{}).Now() })

	p, _ = newPoll(answers{"TIME": one(arrayOf("x"))})
	require.ErrorContains(t, p.run(t.Context()), "ask the server for its time")
	p, _ = newPoll(answers{"GET n": one(bulkOf("3")), "GET odd": one(bulkOf("x")), "GET wrong": one(wrongType)})
	var f, g figures
	p.Count(&f, figWaiting, "GET", "n")
	p.Count(&f, figWaiting, "GET", "n")
	p.Count(&f, figActive, "GET", "n")
	p.Subtract(&f, figActive, "GET", "n")
	p.Subtract(&f, figActive, "GET", "n")
	p.Count(&f, figAdded, "GET", "nothing")
	p.Count(&f, figFailed, "GET", "odd")
	p.Count(&g, figFailed, "GET", "wrong")
	require.NoError(t, p.run(t.Context()))
	want(t, &f, figWaiting, 6)
	want(t, &f, figActive, -3)
	want(t, &f, figAdded, 0)
	require.True(t, f.missed(figFailed))
	wantUnknown(t, &g, figFailed, "GET: WRONGTYPE")

	for _, tt := range []struct {
		v    resp.Value
		want string
	}{{null, ""}, {bulkOf("a"), "a"}, {arrayOf("a", "b"), "a"}, {arrayOf(), ""}} {
		text, err := firstText(tt.v, nil)
		require.NoError(t, err)
		require.Equal(t, tt.want, text)
	}
	for _, odd := range []resp.Value{wrongType, {Kind: resp.Array, Elems: []resp.Value{arrayOf()}}} {
		_, err := firstText(odd, nil)
		require.Error(t, err)
	}
	_, err := firstText(bulkOf("a"), errAsked)
	require.ErrorIs(t, err, errAsked)
}

// TestProofsAreBounded in a poll: some are left for the next one.
func TestProofsAreBounded(t *testing.T) {
	t.Parallel()
	var keys []string
	a := answers{}
	for i := range maxProofs + 1 {
		key := fmt.Sprintf("bull:q%03d:meta", i)
		keys = append(keys, key)
		a["HMGET "+key+" version opts.maxLenEvents"] = one(arrayOf("bullmq:5", "1"))
	}
	a["SCAN 0 COUNT 1000"] = one(scanOf("0", keys...))
	s := stateOf(&item.Memory{})
	o := &item.JobsOptions{ScanBudget: 5000}
	look := func(scanned int) {
		s.search.asOf, s.search.scanned = time.Now(), scanned
		p := &poll{doer: &told{answers: a}, state: s, options: o}
		p.lookAround(o)
		require.NoError(t, p.run(t.Context()))
	}
	bull := instance{"bullmq", "bull"}
	look(scanCount/2 + 1)
	require.Empty(t, s.names(bull), "there is too much to look at")
	look(scanCount / 2)
	require.Len(t, s.names(bull), maxProofs)
	look(0)
	require.Len(t, s.names(bull), maxProofs+1)

	// What cannot even be asked is proven neither way by its silence.
	s = stateOf(&item.Memory{})
	s.heavy.doubt = errAsked
	p := &poll{doer: &told{answers: a}, state: s, options: o}
	p.Ask(func(resp.Value, error) { p.prove([]clueOf{{"bullmq", clueFor(t, "bullmq", keys[0])}}) }, "GET", "x")
	require.NoError(t, p.run(t.Context()))
	require.Empty(t, s.names(bull))
	for _, change := range []func(s *search){
		func(s *search) { s.err = errAsked }, func(s *search) { s.masters = 1 }, func(s *search) { s.cursors = map[string]string{} }, func(s *search) { s.asOf = time.Time{} },
	} {
		s = stateOf(&item.Memory{})
		s.search.asOf = time.Now()
		change(&s.search)
		p = &poll{doer: &told{answers: a}, state: s, options: o}
		p.lookAround(o)
		require.Empty(t, p.asks)
	}
}

// TestSearchesAreSpaced by the interval, and one goes on at a time.
func TestSearchesAreSpaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &told{answers: answers{}}
		s := stateOf(&item.Memory{})
		o := &item.JobsOptions{ScanBudget: 1500, Interval: time.Minute}
		search := func() (scans []string) {
			d.sent = nil
			require.NoError(t, discover(t.Context(), d, s, o))
			for _, cmd := range d.sent {
				if strings.HasPrefix(cmd, "SCAN") && !strings.HasSuffix(cmd, "TYPE stream") {
					scans = append(scans, cmd)
				}
			}
			return scans
		}
		d.answers["SCAN 0 COUNT 1000"] = one(scanOf("7", "a", "b"))
		d.answers["SCAN 7 COUNT 500"] = one(scanOf("9", "c"))
		d.answers["SCAN 9 COUNT 1000"] = one(scanOf("0", "d"))
		began := time.Now()
		require.Equal(t, []string{"SCAN 0 COUNT 1000", "SCAN 7 COUNT 500"}, search())
		require.Equal(t, 3, s.search.scanned)
		require.Equal(t, 3, s.search.rounds, "with that of the markers")
		time.Sleep(time.Minute - 1)
		require.Empty(t, search())
		time.Sleep(time.Nanosecond)
		s.search.running = true
		require.Empty(t, search())
		s.search.running = false
		require.Equal(t, []string{"SCAN 9 COUNT 1000"}, search())
		require.NotContains(t, "\n"+strings.Join(d.sent, "\n"), "\nTYPE", "polls ask for markers themselves")
		require.Equal(t, 4, s.search.scanned)
		require.Equal(t, 1, s.search.rounds)
		require.Equal(t, began, s.search.asOf)
		require.Nil(t, s.search.cursors)
		o.ScanBudget = 0
		time.Sleep(time.Minute)
		require.Empty(t, search(), "nothing is looked for")

		d.answers["SCAN 0 COUNT 1000"] = one(bulkOf("x"))
		o.ScanBudget = 1000
		err := discover(t.Context(), d, s, o)
		require.ErrorContains(t, err, "search for job systems")
		require.False(t, s.search.running)
	})
	require.False(t, scans(&item.JobsOptions{}))
	require.True(t, scans(&item.JobsOptions{ScanBudget: 1}))
}

// slowNode takes some time for each command.
type slowNode struct {
	*told
	each time.Duration
}

func (d slowNode) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	select {
	case <-time.After(d.each):
		return d.told.DoAll(ctx, cmds...)
	case <-ctx.Done():
		return nil, &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: ctx.Err()}
	}
}

// TestASearchTakesAThirdOfTheTime, which the nodes share.
func TestASearchTakesAThirdOfTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endless := func(each time.Duration) slowNode {
			return slowNode{&told{answers: answers{"SCAN 0 COUNT 1000": one(scanOf("7", "a")), "SCAN 7 COUNT 1000": one(scanOf("7", "a"))}}, each}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		o := &item.JobsOptions{ScanBudget: 1_000_000}
		next := &search{}
		began := time.Now()
		_, err := scan(ctx, endless(7*time.Second), next, o)
		require.NoError(t, err)
		require.Equal(t, 35*time.Second, time.Since(began), "the step under way is ended")
		require.Equal(t, 5, next.scanned)
		require.Equal(t, map[string]string{"": "7"}, next.cursors)

		// Of three nodes each has what is left of a third, by their number.
		ctx, cancel = context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		c := &mastered{told: &told{}}
		for _, addr := range []string{"a:1", "b:1", "c:1"} {
			c.nodes = append(c.nodes, node{Addr: addr, Doer: endless(time.Hour)})
		}
		quick := slowNode{&told{answers: answers{}}, 2 * time.Second}
		c.nodes[1].Doer = quick
		next, began = &search{}, time.Now()
		_, err = scan(ctx, c, next, o)
		require.NoError(t, err)
		require.ErrorContains(t, next.err, "node a:1: ")
		require.Equal(t, 30*time.Second, time.Since(began), "10 of 30, 2 of 20, and all of 18")
		require.Nil(t, next.cursors, "the pass does not wait for them")
		require.True(t, next.asOf.IsZero())
		require.Equal(t, 3, next.masters)
	})
	_, err := scan(t.Context(), slowNode{&told{answers: answers{"SCAN 0 COUNT 1000": one(resp.Value{Kind: resp.Error, Str: []byte("LOADING x")})}}, 0}, &search{}, &item.JobsOptions{ScanBudget: 1000})
	require.Error(t, err)
	require.True(t, refusedScan(&resp.ServerError{Code: "NOPERM", Message: "NOPERM"}))
	require.False(t, refusedScan(errors.New("x")))
}
