package jobs

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

// shop is a Sidekiq whose queue, worker and counter a test moves.
type shop struct {
	t *testing.T
	s *redistest.Server
	d *teller
	m *item.Memory
	// next is the number of the next job.
	next int
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := redistest.Borrow(t)
	x := &shop{t: t, s: s, d: dial(t, s, "", 0), m: &item.Memory{}}
	x.d.at = 1795229000
	s.Do(t, "SADD", "queues", "a", "b")
	s.Do(t, "SET", "stat:processed", "100")
	s.Do(t, "SADD", "processes", "vm:1:a")
	s.Do(t, "HSET", "vm:1:a", "busy", "1", "concurrency", "2")
	return x
}

// add enqueues jobs.
func (x *shop) add(queue string, n int) {
	for range n {
		x.next++
		x.s.Do(x.t, "LPUSH", "queue:"+queue, fmt.Sprintf(`{"jid":"%d","enqueued_at":1795228990}`, x.next))
	}
}

// take has a worker do jobs.
func (x *shop) take(queue string, n int) {
	for range n {
		x.s.Do(x.t, "RPOP", "queue:"+queue)
	}
	x.s.Do(x.t, "INCRBY", "stat:processed", fmt.Sprint(n))
}

// poll moves the clock on and asks.
func (x *shop) poll(seconds float64) (r *reading, a, b *queue) {
	x.t.Helper()
	x.d.at += seconds
	result, err := readSystems(x.t.Context(), x.d, x.m, defaultOptions(), query{})
	require.NoError(x.t, err)
	r = result.Systems[0]
	return r, r.Queues[0], r.Queues[1]
}

func (x *shop) require(f *figures, name figure, want float64) {
	x.t.Helper()
	value, ok := f.Get(name)
	require.True(x.t, ok, "%s is not known: %v", name, f.Problems)
	require.InDelta(x.t, want, value, 1e-6, name.String())
}

func (x *shop) unknown(f *figures, names ...figure) {
	x.t.Helper()
	for _, name := range names {
		_, ok := f.Get(name)
		require.False(x.t, ok, name.String())
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	x := openShop(t)
	x.add("a", 40)
	r, a, b := x.poll(0)
	x.unknown(&r.figures, figGrowth, figArrival, figDrain, figTimeToEmpty)
	x.unknown(&a.figures, figGrowth, figTimeToEmpty)
	x.require(&b.figures, figTimeToEmpty, 0)

	x.add("a", 10)
	x.take("a", 20)
	r, a, _ = x.poll(29)
	x.unknown(&r.figures, figGrowth)
	x.unknown(&a.figures, figGrowth) // too short a time

	r, a, b = x.poll(11)
	x.require(&r.figures, figGrowth, -0.25)
	x.require(&r.figures, figDrain, 0.5)
	x.require(&r.figures, figArrival, 0.25)
	x.require(&r.figures, figTimeToEmpty, 120)
	x.require(&a.figures, figGrowth, -0.25)
	x.require(&a.figures, figTimeToEmpty, 120)
	x.unknown(&a.figures, figArrival, figDrain)
	x.require(&b.figures, figGrowth, 0)

	x.add("a", 5)
	_, a, _ = x.poll(5)
	x.require(&a.figures, figGrowth, -0.25) // as it was
	x.require(&a.figures, figTimeToEmpty, 140)

	x.poll(25)
	x.add("a", 30)
	x.s.Do(t, "SET", "stat:processed", "0")
	r, a, _ = x.poll(60)
	x.require(&r.figures, figGrowth, 0.5)
	x.unknown(&r.figures, figDrain, figArrival, figTimeToEmpty) // the counter was reset
	x.unknown(&a.figures, figTimeToEmpty)
}

// TestRatesOfASteadyDrain: 6 jobs are done each second and none is added. Processes of
// Sidekiq add to the counter with their heartbeats, every ten seconds; no poll at any moment
// may take that for jobs that come.
func TestRatesOfASteadyDrain(t *testing.T) {
	t.Parallel()
	const jobs, perSecond, beat = 3000, 6, 10
	for i, polls := range [][]float64{{11}, {17}, {17, 43}, {3, 57}, {60}, {31, 1}} {
		phases := [][]float64{{0}, {0, 3, 5}}[i%2] // of the processes
		t.Run(fmt.Sprint(polls), func(t *testing.T) {
			t.Parallel()
			x := &shop{t: t, s: redistest.Borrow(t), m: &item.Memory{}}
			x.d = dial(t, x.s, "", 0)
			x.d.at = 1795229000
			x.s.Do(t, "SADD", "queues", "a", "b")
			known, past := 0, 0.0
			for i := 0; past < 400; i++ {
				step := polls[i%len(polls)]
				past += step
				done := 0.0
				for p, phase := range phases {
					process := fmt.Sprintf("vm:%d:0123456789ab", p)
					since := math.Mod(past+phase, beat)
					done += perSecond * max(0, past-since) / float64(len(phases))
					x.s.Do(t, "SADD", "processes", process)
					x.s.Do(t, "HSET", process, "busy", "1", "concurrency", "2")
					x.s.Do(t, "PEXPIRE", process, fmt.Sprintf("%.0f", 1000*(sidekiqRecord-since)))
				}
				x.s.Do(t, "SET", "stat:processed", fmt.Sprintf("%.0f", done))
				x.s.Do(t, "EVAL", "redis.call('DEL', KEYS[1]) for i = 1, ARGV[1] do redis.call('RPUSH', KEYS[1], i) end", "1", "queue:a",
					fmt.Sprintf("%.0f", jobs-perSecond*past))
				r, _, _ := x.poll(step)
				if _, ok := r.Get(figDrain); !ok {
					continue
				}
				known++
				for name, rate := range map[figure]float64{figGrowth: -perSecond, figDrain: perSecond, figArrival: 0} {
					got, _ := r.Get(name)
					require.InDelta(t, rate, got, 0.3, "%s", name)
				}
			}
			require.Greater(t, known, 4)
		})
	}
}

func TestAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	x := openShop(t)
	x.add("a", 10)
	x.poll(0)
	_, a, _ := x.poll(60)
	x.require(&a.figures, figGrowth, 0)
	x.require(&a.figures, figStalled, 60)
	_, a, _ = x.poll(-3600)
	x.unknown(&a.figures, figGrowth)
	x.require(&a.figures, figStalled, 0)
	x.take("a", 5)
	r, a, _ := x.poll(40)
	x.require(&a.figures, figGrowth, -0.125)
	x.require(&r.figures, figDrain, 0.125)
	_, a, _ = x.poll(60)
	x.require(&a.figures, figStalled, 60)
	// Nothing is taken on either side of the step: it is counted by the new clock.
	_, a, _ = x.poll(-3600)
	x.require(&a.figures, figStalled, 0)
	_, a, _ = x.poll(60)
	x.require(&a.figures, figStalled, 60)
	x.require(&a.figures, figStuck, 1)
}

func TestStuck(t *testing.T) {
	t.Parallel()
	x := openShop(t)
	x.add("a", 2)
	x.add("b", 2)
	r, a, _ := x.poll(0)
	x.require(&a.figures, figStalled, 0)
	x.require(&r.figures, figQueuesStuck, 0)

	x.take("b", 1)
	x.add("a", 5)
	x.add("b", 5)
	r, a, b := x.poll(60)
	x.require(&a.figures, figStalled, 60)
	x.require(&a.figures, figStuck, 1)
	x.require(&b.figures, figStalled, 0) // it grew, but its first job is another one
	x.require(&b.figures, figStuck, 0)
	x.require(&r.figures, figQueuesStuck, 1)

	_, a, b = x.poll(30)
	x.require(&a.figures, figStalled, 90)
	x.require(&b.figures, figStalled, 30)
	x.require(&b.figures, figStuck, 0) // not yet

	// One queue asked for alone sees the same.
	x.d.at += 10
	result, err := readSystems(t.Context(), x.d, x.m, defaultOptions(), query{System: "sidekiq", Queue: "a"})
	require.NoError(t, err)
	x.require(&result.Systems[0].Queues[0].figures, figStalled, 100)
	x.require(&result.Systems[0].Queues[0].figures, figStuck, 1)

	x.s.Do(t, "SADD", "paused", "a")
	_, a, _ = x.poll(10)
	x.require(&a.figures, figStuck, 0)
	x.s.Do(t, "SREM", "paused", "a")
	x.s.Do(t, "DEL", "vm:1:a")
	_, a, _ = x.poll(10)
	x.require(&a.figures, figStalled, 120)
	x.require(&a.figures, figStuck, 0) // nobody lives who could take it

	x.s.Do(t, "DEL", "queue:a")
	_, a, _ = x.poll(10)
	x.require(&a.figures, figStalled, 0)
	x.add("a", 1)
	_, a, _ = x.poll(10)
	x.require(&a.figures, figStalled, 0) // it came since
}

// TestJobsThatLookAlike: Resque's jobs have no ids. Where an equal job follows,
// only that nothing was processed anywhere shows that none was taken.
func TestJobsThatLookAlike(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	x := &shop{t: t, s: s, d: dial(t, s, "", 0), m: &item.Memory{}}
	x.d.at = 1795229000
	s.Do(t, "SADD", "resque:queues", "a", "b")
	s.Do(t, "SET", "resque:stat:processed", "1")
	s.Do(t, "RPUSH", "resque:queue:a", "{}", "{}", "{}")
	s.Do(t, "RPUSH", "resque:queue:b", "{}")
	x.poll(0)
	_, a, _ := x.poll(60)
	x.require(&a.figures, figStalled, 60)
	s.Do(t, "RPUSH", "resque:queue:a", "{}")
	s.Do(t, "LPOP", "resque:queue:a")
	s.Do(t, "INCR", "resque:stat:processed")
	_, a, _ = x.poll(60)
	x.require(&a.figures, figStalled, 0)
}
