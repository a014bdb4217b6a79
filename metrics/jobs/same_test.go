package jobs

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// testSame holds job.queue.get to job.get: what the one says of a queue is what its row in
// the other one says, and what it says of the system is what the system's row says, at
// the first poll and later, with what job.get remembers and without it.
func (c *conformance) testSame(t *testing.T, d *teller) {
	t.Helper()
	shared := &item.Memory{}
	alone := make(map[string]*item.Memory)
	d.at = c.at
	for _, later := range []float64{0, 20, 50, 80} {
		d.at += later
		result, err := readSystems(t.Context(), d, shared, c.opts(), query{})
		require.NoError(t, err)
		r := c.find(t, result)
		for _, row := range r.Queues {
			latency, known := row.Get(figLatency)
			if stalled, ok := row.Get(figStalled); ok && known {
				require.LessOrEqual(t, stalled, latency+1e-6, "%s: no job has been waiting for longer than the oldest", row.Name)
			}
			if alone[row.Name] == nil {
				alone[row.Name] = &item.Memory{}
			}
			for what, m := range map[string]*item.Memory{"with the memory of job.get": shared, "with its own memory": alone[row.Name]} {
				result, err := readSystems(t.Context(), d, m, c.opts(), query{System: c.system, Prefix: c.prefix, Queue: row.Name})
				require.NoError(t, err)
				requireSame(t, r, row, result.Systems[0], m == shared, c.system+" "+row.Name+" "+what)
			}
		}
		for what, m := range map[string]*item.Memory{"with the memory of job.get": shared, "without memory": {}} {
			if !r.spec.Lists {
				continue // it does not know which queues there are
			}
			result, err := readSystems(t.Context(), d, m, c.opts(), query{System: c.system, Prefix: c.prefix, Queue: "no-such-queue"})
			require.NoError(t, err)
			q := result.Systems[0].Queues[0]
			for _, f := range append(slices.Clone(figuresOfQueues), figStuck, figAbandoned) {
				value, known := q.Get(f)
				require.False(t, known, "%s of a queue that is not there, %s: %s is %v", c.system, what, f, value)
				require.True(t, f == figStuck || f == figAbandoned || r.spec.lacks(f, true) || q.missed(f), "%s, %s: %s is missing without a reason", c.system, what, f)
			}
		}
	}
}

// TestSystemsThatKnowTheirQueues are all but those that have none, or take each key for one.
func TestSystemsThatKnowTheirQueues(t *testing.T) {
	t.Parallel()
	for _, system := range all {
		spec := system.Spec()
		require.Equal(t, !slices.Contains([]string{"redbeat", "horizon", "plain"}, spec.Name), spec.Lists, spec.Name)
	}
}

// TestLaravelUnderThePrefixOfTheApplication is found without naming it; with the prefix of
// nothing, too, which can be named as keys begin.
func TestLaravelUnderThePrefixOfTheApplication(t *testing.T) {
	t.Parallel()
	const job = `{"uuid":"1","displayName":"J","job":"C","data":{},"id":"a","attempts":0}`
	for _, prefix := range []string{"shop-database-", "shop_database_", ""} {
		f := newField(t, "RPUSH "+prefix+"queues:default "+job+" "+job)
		ask := func(q query) *reading {
			q.System = "laravel"
			return pollOnce(t, f.d, &item.Memory{}, f.o, q).Systems[0]
		}
		for _, r := range []*reading{ask(query{Queue: "default"}), ask(query{Queue: "default", Prefix: prefix + "queues:"}), ask(query{Prefix: prefix + "queues:"})} {
			require.Equal(t, "laravel/"+prefix, r.ID())
			want(t, &r.Queues[0].figures, figWaiting, 2)
		}
		wantUnknown(t, &ask(query{Queue: "nail"}).Queues[0].figures, figWaiting, fmt.Sprintf("its key does not exist under the prefix %q", prefix))
		wantUnknown(t, &ask(query{Queue: "default", Prefix: "laravel_database_"}).Queues[0].figures, figWaiting, `under the prefix "laravel_database_"`)
		f.s.Do(t, "RPUSH", "other-database-queues:default", job)
		wantUnknown(t, &ask(query{Queue: "default"}).Queues[0].figures, figWaiting, "name one of these in parameter 6 (Prefix)")
		f.s.Do(t, "RPUSH", "other-database-queues:mail", job)
		require.Equal(t, "laravel/other-database-", ask(query{Queue: "mail"}).ID())

		// What was seen is empty when its key is gone, and not unknown.
		seen := query{System: "laravel", Prefix: prefix + "queues:", Queue: "default"}
		pollOnce(t, f.d, f.m, f.o, seen)
		f.s.Do(t, "DEL", prefix+"queues:default")
		want(t, &pollOnce(t, f.d, f.m, f.o, seen).Systems[0].Queues[0].figures, figWaiting, 0)
	}
}

// requireSame compares what both say of a queue. all: the one knows what the other does,
// but the workers of other queues.
func requireSame(t *testing.T, r *reading, row *queue, one *reading, all bool, what string) {
	t.Helper()
	q := one.Queues[0]
	ofWorkers := func(f figure) bool { return f == figStuck || f == figSaturated || f == figAbandoned }
	q.Each(func(f figure, value float64) {
		of, known := row.Get(f)
		if !known && f == figLatency && all {
			return // it has been seen by now
		}
		require.True(t, known, "%s: %s is %v, and job.get does not know it: %v", what, f, value, row.Problems)
		require.InDelta(t, of, value, 1e-6, "%s: %s", what, f)
	})
	row.Each(func(f figure, value float64) {
		if _, known := q.Get(f); !known && !ofWorkers(f) {
			require.True(t, q.missed(f), "%s: %s is %v in job.get, and missing without a reason", what, f, value)
			require.False(t, all && !one.missed(figWorkersAlive), "%s: %s is %v in job.get, and not known: %v", what, f, value, q.Problems)
		}
	})
	alive, known := one.Get(figWorkersAlive)
	if known {
		of, known := r.Get(figWorkersAlive)
		require.True(t, known, "%s: workers_alive is %v, and job.get does not know it", what, alive)
		require.Equal(t, of, alive, "%s: workers_alive", what)
	}
	if listed, known := one.listed(q); known {
		of, known := r.listed(row)
		require.True(t, known && listed == of, "%s: listed", what)
	}
	one.tellAlive(q)
	require.True(t, known || q.missed(figWorkersAlive), "%s: workers_alive is missing without a reason", what)
	if _, known := q.Get(figAbandoned); !known {
		require.True(t, q.missed(figAbandoned), "%s: abandoned is missing without a reason", what)
	}
}

// TestWorkersOfAnotherQueue: of systems whose workers serve just one queue, one of queue
// busy lives, and none of queue slow, in which jobs wait.
func TestWorkersOfAnotherQueue(t *testing.T) {
	t.Parallel()
	for id, tt := range map[string]struct {
		seed, names []string
		alone       bool // which workers the system has is known without a search
	}{
		"bullmq/bull": {[]string{
			"HSET bull:slow:meta version bullmq:6.7.0", "HSET bull:busy:meta version bullmq:6.7.0", "LPUSH bull:slow:wait 1",
			fmt.Sprintf("HSET bull:slow:1 timestamp %d000", fieldAt-5),
		}, []string{"bull:YnVzeQ=="}, true},
		"bull/bull": {[]string{
			"SET bull:slow:id 2", "LPUSH bull:slow:wait 1", fmt.Sprintf("HSET bull:slow:1 timestamp %d000", fieldAt-5),
			"SET bull:busy:id 2", "ZADD bull:busy:completed 1 1",
		}, []string{"bull:YnVzeQ=="}, true},
		"saq/": {[]string{
			"RPUSH saq:slow:queued saq:job:slow:9", fmt.Sprintf(`SET saq:job:slow:9 {"key":"saq:job:slow:9","queued":%d000}`, fieldAt-5),
			fmt.Sprintf("ZADD saq:busy:stats %d000 saq:busy:worker_info:w", fieldAt+9999),
		}, nil, false},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newField(t, tt.seed...)
			f.named(tt.names...)
			own := &item.Memory{}
			for i, later := range []float64{0, 30, 45} {
				r := f.poll(later, id)
				want(t, &r.figures, figWorkersAlive, 1)
				row := slow(t, r)
				want(t, &row.figures, figAbandoned, 0)
				want(t, &row.figures, figStuck, max(0, float64(i-1)))
				ask := query{System: r.System, Prefix: r.Prefix, Queue: "slow"}
				one := pollOnce(t, f.d, f.m, f.o, ask).Systems[0]
				requireSame(t, r, row, one, true, id)
				want(t, &one.figures, figWorkersAlive, 1)
				want(t, &one.Queues[0].figures, figStuck, max(0, float64(i-1)))
				one = pollOnce(t, f.d, own, f.o, ask).Systems[0]
				requireSame(t, r, row, one, false, id)
				_, known := one.Get(figWorkersAlive)
				require.Equal(t, tt.alone, known)
			}
		})
	}
}

// TestOneQueueOfArq does not tell that no worker lives while one may be busy with jobs of
// another queue.
func TestOneQueueOfArq(t *testing.T) {
	t.Parallel()
	f := newField(t, fmt.Sprintf("ZADD arq:queue %d000 a", fieldAt-1), fmt.Sprintf("ZADD arq:other %d000 b", fieldAt-9), "SET arq:in-progress:b 1")
	connect(t, f.s, 0, "MULTI", "EXEC")
	r := f.poll(0, "arq/")
	wantUnknown(t, &r.figures, figWorkersAlive, "")
	one := pollOnce(t, f.d, f.m, f.o, query{System: "arq", Queue: "arq:queue"}).Systems[0]
	wantUnknown(t, &one.figures, figWorkersAlive, "workers do not register")
}
