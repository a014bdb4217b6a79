package jobs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// interrupted does something before a round trip of that number, counted from 1.
type interrupted struct {
	*teller
	at int
	do func()
}

func (d *interrupted) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if d.at--; d.at == 0 {
		d.do()
	}
	return d.teller.DoAll(ctx, cmds...)
}

// TestABullJobThatEndsBetweenTwoLooksIsNoOrphan: it has no lock any more, because
// its worker is through with it.
func TestABullJobThatEndsBetweenTwoLooksIsNoOrphan(t *testing.T) {
	t.Parallel()
	s := startEmpty(t)
	for _, c := range []string{
		"HSET bull:mail:meta version bullmq:6.7.0", "RPUSH bull:mail:active ends runs dead", "HSET bull:mail:dead processedOn 1795230000000",
		"SET bull:mail:ends:lock token", "SET bull:mail:runs:lock token",
	} {
		s.Do(t, strings.Fields(c)...)
	}
	d := dial(t, s, "", 0)
	d.at = 1795230010
	between := &interrupted{teller: d, at: 2, do: func() {
		s.Do(t, "LREM", "bull:mail:active", "1", "ends")
		s.Do(t, "DEL", "bull:mail:ends:lock")
	}}
	r, err := readSystems(t.Context(), between, &item.Memory{}, defaultOptions(), query{System: "bullmq", Queue: "mail"})
	require.NoError(t, err)
	require.EqualValues(t, 1, knownOf(&r.Systems[0].Queues[0].figures)["orphaned"], "the dead worker's")
}

// TestTooManyWorkers: sums over a part of them would be wrong.
func TestTooManyWorkers(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	args := []string{"SADD", "processes"}
	for i := range maxWorkers + 1 {
		args = append(args, fmt.Sprint("vm:", i, ":a"))
	}
	s.Do(t, args...)
	s.Do(t, "SADD", "queues", "a")
	d := dial(t, s, "", 0)
	d.at = 1795229000
	r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{System: "sidekiq"}).Systems[0]
	workers, ok := r.Get(figWorkers)
	require.True(t, ok)
	require.EqualValues(t, maxWorkers+1, workers, "their number is known")
	require.Equal(t, 1, r.CutWorkers)
	for _, f := range []figure{figWorkersAlive, figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figOldestRunning, figUtilisation, figActive} {
		_, known := r.Get(f)
		require.False(t, known, f.String())
		require.Contains(t, reasonOf(&r.figures, f), "there are 3001 workers, more than the 3000 that are read", f.String())
	}
	wantUnknown(t, &r.Queues[0].figures, figActive, "there are 3001 workers, more than the 3000 that are read")
}

// reasonOf says why a figure is missing, "" when it is not.
func reasonOf(f *figures, name figure) string {
	for _, p := range f.Problems {
		if p.Figure == name {
			return p.Reason
		}
	}
	return ""
}

// TestAScoreThatIsNoTime is no age of anything.
func TestAScoreThatIsNoTime(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
	for _, score := range []string{"1e300", "-1e300", "0", "1e13"} {
		s.Do(t, "DEL", "unacked_index")
		s.Do(t, "ZADD", "unacked_index", score, "tag")
		d := dial(t, s, "", 0)
		d.at = 1795229000
		r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{System: "celery"}).Systems[0]
		_, known := r.Get(figOldestUnacked)
		require.False(t, known, score)
		require.Equal(t, "unacked_index: it is no time", reasonOf(&r.figures, figOldestUnacked), score)
	}
}

// TestFoundNamesAreBounded: an application may make a queue for each of its users.
func TestFoundNamesAreBounded(t *testing.T) {
	t.Parallel()
	s := stateOf(&item.Memory{})
	i, now := instance{"bullmq", "bull"}, time.Now()
	var names []string
	for n := range 3 * maxQueues {
		names = append(names, fmt.Sprint("q", n))
	}
	s.see(i, names, now)
	require.Equal(t, maxNames, len(s.names(i)))
	s.see(i, []string{"one more"}, now)
	require.Equal(t, maxNames, len(s.names(i)))
	s.forget(now.Add(keepNames + time.Second))
	s.see(i, []string{"one more"}, now)
	require.Equal(t, []string{"one more"}, s.names(i), "what has gone makes room")
}

// TestASidekiqProcessWithoutItsCountersLives: what it says of itself is there, and
// what it runs is not known.
func TestASidekiqProcessWithoutItsCountersLives(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "a")
	s.Do(t, "SADD", "processes", "vm:1:a", "vm:2:b")
	s.Do(t, "HSET", "vm:1:a", "info", `{"concurrency":3}`)
	d := dial(t, s, "", 0)
	d.at = 1795229000
	r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{System: "sidekiq"}).Systems[0]
	got := knownOf(&r.figures)
	require.EqualValues(t, 1, got["workers_alive"])
	require.EqualValues(t, 1, got["workers_dead"])
	require.EqualValues(t, 3, got["workers_slots"])
	require.NotContains(t, got, "workers_busy")
	require.Equal(t, "a worker does not tell it", reasonOf(&r.figures, figWorkersBusy))
}
