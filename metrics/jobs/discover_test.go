package jobs

import (
	"context"
	"errors"
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

// ids are the systems that a poll reported.
func ids(r *result) []string {
	out := []string{}
	for _, s := range r.Systems {
		out = append(out, s.ID())
	}
	return out
}

func pollOnce(t *testing.T, d redisclient.Doer, m *item.Memory, o item.JobsOptions, q query) *result {
	t.Helper()
	result, err := readSystems(t.Context(), d, m, o, q)
	require.NoError(t, err)
	return result
}

func TestSeveralSystemsShareTheRoundTrips(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for _, c := range []string{
		"SADD queues a", "SADD resque:queues a", "SADD rq:queues rq:queue:a", "SADD asynq:queues a",
		"SADD myapp:queues a", "SADD myapp:processes vm:1:a", "SADD m2:_kombu.binding.video x::x",
		"HSET {app}:mail:meta version bullmq:5.81.5",
	} {
		s.Do(t, strings.Fields(c)...)
	}
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795229000
	want := []string{"sidekiq/", "sidekiq/myapp", "resque/resque", "rq/rq", "celery/m2:", "bullmq/{app}", "asynq/"}
	r := pollOnce(t, d, m, defaultOptions(), query{})
	require.Equal(t, want, ids(r))
	require.Equal(t, discovery{Complete: true, Scanned: 8, Rounds: 3}, withoutMaps(r.Discovery))
	require.LessOrEqual(t, d.calls, 3+maxRounds, "markers, SCAN and proofs go before the first poll")

	d.reset()
	require.Equal(t, want, ids(pollOnce(t, d, m, defaultOptions(), query{})))
	require.LessOrEqual(t, d.calls, maxRounds)
	require.Equal(t, []string{"sidekiq/", "sidekiq/myapp"}, ids(pollOnce(t, d, m, defaultOptions(), query{System: "sidekiq"})))
	require.Equal(t, []string{"sidekiq/myapp"}, ids(pollOnce(t, d, m, defaultOptions(), query{System: "sidekiq", Prefix: "myapp:"})))

	_, err := readSystems(t.Context(), d, m, defaultOptions(), query{System: "cron"})
	require.ErrorContains(t, err, `no job system is called "cron"; there are: sidekiq, `)
}

func withoutMaps(d discovery) discovery {
	d.Unmarked, d.AsOf = nil, time.Time{}
	return d
}

func TestASystemThatMovesInIsSeenByItsMarkers(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795229000
	o := defaultOptions()
	o.Prefixes = map[string][]string{"sidekiq": {"shop"}}
	require.Empty(t, ids(pollOnce(t, d, m, o, query{})))
	s.Do(t, "SET", "shop:stat:processed", "1")
	d.reset()
	pollOnce(t, d, m, o, query{})
	require.Equal(t, 1, d.calls)
	r := pollOnce(t, d, m, o, query{})
	require.Equal(t, []string{"sidekiq/shop"}, ids(r))
	require.True(t, r.Systems[0].Exists)

	// Its keys go: it is told as gone, and a day later no more.
	s.Do(t, "FLUSHALL")
	r = pollOnce(t, d, m, o, query{})
	require.Equal(t, []string{"sidekiq/shop"}, ids(r))
	require.False(t, r.Systems[0].Exists)
	state := stateOf(m)
	state.forget(time.Now().Add(keepNames + time.Minute))
	require.Empty(t, ids(pollOnce(t, d, m, o, query{})))
}

func TestAForeignKeyIsNoMarker(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for _, c := range []string{
		"SET queues x", "RPUSH stat:processed x", "HSET processes a b", "SET resque:workers x", "SADD resque:stat:processed x",
		"SET my:processes x", "SET my:queues x", "SADD other:workers:heartbeat x", "SET _kombu.binding.video x",
	} {
		s.Do(t, strings.Fields(c)...)
	}
	d := dial(t, s, "", 0)
	d.at = 1795229000
	r := pollOnce(t, d, &item.Memory{}, defaultOptions(), query{})
	require.Empty(t, ids(r))
	require.Empty(t, r.Discovery.Unmarked)
}

// TestALongSearchGoesOnWhereItEnded: the budget bounds one search, and the next
// one looks at other keys.
func TestALongSearchGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "shop:processes", "vm:1:a")
	s.Do(t, "SADD", "shop:queues", "a")
	for i := range 20 {
		var args []string
		for j := range 500 {
			args = append(args, fmt.Sprintf("key:%d:%d", i, j), "x")
		}
		s.Do(t, append([]string{"MSET"}, args...)...)
	}
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795229000
	o := item.JobsOptions{ScanBudget: 2000, Interval: time.Hour}
	r := pollOnce(t, d, m, o, query{})
	require.False(t, r.Discovery.Complete)
	require.Zero(t, r.Discovery.AsOf)
	require.InDelta(t, 2000, r.Discovery.Scanned, 200)
	d.reset()
	pollOnce(t, d, m, o, query{})
	require.LessOrEqual(t, d.calls, maxRounds, "there is no other search within the interval")

	o.Interval = 0
	began := stateOf(m).search.began
	for range 10 {
		if r = pollOnce(t, d, m, o, query{}); r.Discovery.Complete {
			break
		}
	}
	require.True(t, r.Discovery.Complete)
	require.Equal(t, began, r.Discovery.AsOf, "what came since the pass began may not have been seen")
	require.InDelta(t, 10_002, r.Discovery.Scanned, 500)

	// The next pass has begun: what the last one saw is known all the same, until
	// nothing of it can be relied on.
	r = pollOnce(t, d, m, o, query{})
	require.InDelta(t, 2000, r.Discovery.Scanned, 200)
	require.True(t, r.Discovery.Complete)
	require.Equal(t, began, r.Discovery.AsOf)
	stateOf(m).search.asOf = time.Now().Add(-keepNames)
	require.False(t, pollOnce(t, d, m, item.JobsOptions{ScanBudget: 2000, Interval: time.Hour}, query{}).Discovery.Complete)
	require.True(t, pollOnce(t, d, m, item.JobsOptions{}, query{}).Discovery.Complete, "nothing is looked for")
	require.Equal(t, []string{"sidekiq/shop"}, ids(pollOnce(t, d, m, o, query{})))

	// Without a search it must be named.
	o = item.JobsOptions{}
	require.Empty(t, ids(pollOnce(t, d, &item.Memory{}, o, query{})))
	require.Equal(t, []string{"sidekiq/shop"}, ids(pollOnce(t, d, &item.Memory{}, o, query{System: "sidekiq", Prefix: "shop"})))
}

// clustered is a server that says it has other masters beside it.
type clustered struct {
	*teller
	nodes []node
	err   error
}

func (c *clustered) Masters(context.Context) ([]node, error) { return c.nodes, c.err }

// errNoAnswer is why a node cannot be asked.
var errNoAnswer = errors.New("it does not answer")

// mute is a node that does not answer in time.
type mute struct{}

func (mute) DoAll(ctx context.Context, _ ...redisclient.Command) ([]resp.Value, error) {
	<-ctx.Done()
	return nil, &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: ctx.Err()}
}

// TestAMasterThatCannotBeSearched costs the search its completeness, and neither
// the other masters nor the poll.
func TestAMasterThatCannotBeSearched(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "HSET", "{app}:mail:meta", "version", "bullmq:5.81.5")
	other := redistest.Borrow(t)
	other.Do(t, "SET", "a", "b")
	s.Do(t, "ACL", "SETUSER", "noscan", "on", "nopass", "~*", "+@all", "-scan")
	d := dial(t, s, "", 0)
	d.at = 1795229000
	self, second := node{Addr: "a:1", Doer: d}, node{Addr: "c:1", Doer: dial(t, other, "", 0)}
	o := item.JobsOptions{ScanBudget: 5000}
	for _, tt := range []struct {
		name    string
		c       clustered
		masters int
		why     string
	}{
		{"mute", clustered{nodes: []node{{Addr: "0:1", Doer: mute{}}, self, second}}, 3, "node 0:1: read: context deadline exceeded"},
		{"no address", clustered{nodes: []node{self, {Addr: "", Err: errors.New("it has no address")}, second}}, 3, "node : it has no address"},
		{"SCAN refused", clustered{nodes: []node{self, {Addr: "b:1", Doer: dial(t, s, "noscan", 0)}, second}}, 3, "node b:1: NOPERM"},
		{"no list of masters", clustered{err: &resp.ServerError{Code: "NOPERM", Message: "NOPERM no"}}, 0, "NOPERM no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.teller = d
			m := &item.Memory{}
			for range 2 { // the next pass begins anew
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // for those that can be searched, on a busy machine
				defer cancel()
				r, err := readSystems(ctx, &tt.c, m, o, query{})
				require.NoError(t, err)
				require.Equal(t, []string{"bullmq/{app}"}, ids(r))
				require.False(t, r.Discovery.Complete)
				require.ErrorContains(t, r.Discovery.Err, tt.why)
				require.Equal(t, tt.masters, r.Discovery.Masters)
				require.Equal(t, 1+min(tt.masters, 1), r.Discovery.Scanned)
			}
			// When it can be searched, a whole pass is made.
			tt.c.nodes, tt.c.err = []node{self, second}, nil
			r := pollOnce(t, &tt.c, m, o, query{})
			require.True(t, r.Discovery.Complete)
			require.NoError(t, r.Discovery.Err)
			require.Equal(t, 2, r.Discovery.Masters)
		})
	}

	// The server as a whole is another matter.
	_, err := readSystems(t.Context(), &clustered{teller: d, err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP}}, &item.Memory{}, o, query{})
	require.Error(t, err)
}

func TestWhatMayNotBeReadIsNotTakenForNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "a")
	s.Do(t, "LPUSH", "queue:a", "x")
	s.Do(t, "ACL", "SETUSER", "poor", "on", "nopass", "resetkeys", "-@all", "+time", "+type", "+sscan", "+scard", "+llen", "%R~queues")
	d, m := dial(t, s, "poor", 0), &item.Memory{}
	d.at = 1795229000
	r := pollOnce(t, d, m, defaultOptions(), query{})
	require.Equal(t, []string{"sidekiq/"}, ids(r))
	require.Error(t, r.Discovery.Err, "SCAN is refused")
	require.Contains(t, r.Discovery.Unmarked, instance{"resque", "resque"})
	require.NotContains(t, r.Discovery.Unmarked, instance{System: "sidekiq"})
	q := r.Systems[0].Queues[0]
	require.Empty(t, knownOf(&q.figures))
	for _, f := range []figure{figWaiting, figLatency, figActive, figPaused} {
		require.True(t, q.missed(f), "%s", f)
	}

	s.Do(t, "ACL", "LOG", "RESET")
	again := pollOnce(t, d, m, defaultOptions(), query{})
	require.Equal(t, r.Systems[0].Problems, again.Systems[0].Problems)
	require.Equal(t, r.Discovery.Unmarked, again.Discovery.Unmarked)
	require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")), "what was refused is not asked again")
}

func TestAQueueThatNobodyKnows(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "a", "bad\x00name", strings.Repeat("q", 300))
	d, m := dial(t, s, "", 0), &item.Memory{}
	d.at = 1795229000
	r := pollOnce(t, d, m, defaultOptions(), query{System: "sidekiq", Queue: "b"}).Systems[0]
	require.Equal(t, maxRounds-1, d.calls, "no search")
	require.Len(t, r.Queues, 1)
	require.False(t, r.Queues[0].Listed)
	_, ok := r.Queues[0].Get(figWaiting)
	require.False(t, ok)

	o := defaultOptions()
	o.Queues = map[string][]string{"sidekiq": {"c"}}
	waiting, ok := pollOnce(t, d, m, o, query{System: "sidekiq", Queue: "c"}).Systems[0].Queues[0].Get(figWaiting)
	require.True(t, ok && waiting == 0, "who configures it says that it is one")
	r = pollOnce(t, d, m, o, query{}).Systems[0]
	require.Len(t, r.Queues, 2)
	require.True(t, r.Queues[0].Listed)
	require.Equal(t, "c", r.Queues[1].Name)
	require.Equal(t, map[misname]int{nameControl: 1, nameLong: 1}, r.Skipped)
}

func TestAServerThatCannotAnswer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	d, m := dial(t, s, "", 0), &item.Memory{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := readSystems(ctx, d, m, defaultOptions(), query{})
	require.ErrorIs(t, err, context.Canceled)
	d.at = 1795229000
	require.Empty(t, ids(pollOnce(t, d, m, defaultOptions(), query{})), "the search is made up for")
	require.True(t, stateOf(m).search.complete(time.Now()))

	// A replica without its master tells the time, and nothing of keys.
	_, err = readSystems(t.Context(), masterless{}, &item.Memory{}, defaultOptions(), query{System: "sidekiq", Queue: "a"})
	require.ErrorContains(t, err, "MASTERDOWN")

	loading := scripted{{Kind: resp.Error, Str: []byte("LOADING Redis is loading the dataset in memory")}}
	_, err = readSystems(t.Context(), loading, &item.Memory{}, defaultOptions(), query{})
	require.ErrorContains(t, err, "LOADING")
}

// scripted answers every command with the same value.
type scripted []resp.Value

func (s scripted) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	out := make([]resp.Value, len(cmds))
	for i := range out {
		out[i] = s[0]
	}
	return out, nil
}

// masterless is a replica that refuses to serve what may be stale.
type masterless struct{}

func (masterless) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	out, err := scripted{{Kind: resp.Error, Str: []byte("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")}}.DoAll(ctx, cmds...)
	for i, cmd := range cmds {
		if cmd[0] == "TIME" {
			out[i] = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Integer, Int: 1795229000}, {Kind: resp.Integer}}}
		}
	}
	return out, err
}
