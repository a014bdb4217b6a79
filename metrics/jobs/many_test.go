package jobs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// manyMembers is more than anything reads, and enough to keep a server busy for
// more than 10 ms that is asked for all of them.
const manyMembers = 20_000

// bounded is a real connection that notes the longest reply to one command, in
// members.
type bounded struct {
	*teller
	most int
	what string
}

func (d *bounded) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	replies, err := d.teller.DoAll(ctx, cmds...)
	for i, v := range replies {
		if n := members(v); n > d.most {
			d.most, d.what = n, strings.Join(cmds[i], " ")
		}
	}
	return replies, err
}

func members(v resp.Value) int {
	n := len(v.Elems)
	for _, e := range v.Elems {
		n += members(e)
	}
	return n
}

// hugeLists are, by the system's id, keys of any length that its polls read, with
// what must be there for them to be read; and the figures that are unknown because
// of them, and some that are known all the same.
var hugeLists = []struct {
	id             string
	seed           []string
	sets, hashes   []string
	sorted         []string
	unknown, known []figure
}{
	{"sidekiq/", nil, []string{"queues", "processes", "paused"}, nil, nil,
		[]figure{figWaiting, figWorkersAlive}, []figure{figQueueCount, figWorkers, figFailed}},
	{"sidekiq/", []string{"SADD queues a", "SADD processes h:1:a", "HSET h:1:a busy 1 concurrency 5 quiet false info {}"}, nil,
		[]string{"h:1:a:work", "h:1:a:workers"}, nil, []figure{figActive, figOldestRunning}, []figure{figWaiting, figWorkersBusy, figWorkersAlive}},
	{"resque/resque", []string{"SADD resque:queues a", "SADD resque:workers h:1:a"}, []string{"resque:failed_queues"},
		[]string{"resque:workers:heartbeat"}, []string{"resque:delayed_queue_schedule"},
		[]figure{figFailed, figScheduled, figWorkersAlive}, []figure{figWaiting}},
	{"resque/resque", nil, []string{"resque:queues", "resque:workers"}, nil, nil, []figure{figWaiting, figWorkersBusy}, []figure{figQueueCount}},
	{"rq/rq", []string{"SADD rq:queues rq:queue:a"}, []string{"rq:workers", "rq:rl-keys"}, nil, nil, []figure{figRateLimited, figWorkersAlive}, []figure{figWaiting, figWorkers}},
	{"rq/rq", nil, []string{"rq:queues"}, nil, nil, nil, []figure{figWorkers}},
	{"celery/", []string{"SADD _kombu.binding.celery celery\x06\x16\x06\x16celery"}, []string{"_kombu.binding.video", "_kombu.binding.celery.pidbox"},
		[]string{"unacked"}, []string{"unacked_index"}, []figure{figWaiting, figQueueCount}, []figure{figWorkers, figUnacked}},
	{"asynq/", []string{"SADD asynq:queues default", "ZADD asynq:servers 4000000000 asynq:servers:{a}", "SET asynq:servers:{a} <server>"},
		[]string{"asynq:{default}:groups"}, []string{"asynq:workers:{a}"}, nil, []figure{figAggregating, figOldestRunning}, []figure{figWaiting, figWorkersBusy, figWorkersSlots}},
	{"asynq/", nil, []string{"asynq:queues"}, nil, []string{"asynq:servers"}, []figure{figWaiting}, []figure{figQueueCount, figWorkers}},
	{"horizon/laravel_horizon:", nil, nil, nil, []string{"laravel_horizon:supervisors"}, nil, []figure{figWorkers, figWorkersAlive}},
	{"arq/", nil, nil, nil, []string{"arq:queue"}, []figure{figLatency}, []figure{figWaiting, figActive}},
	{"dramatiq/dramatiq", nil, nil, []string{"dramatiq:q.msgs", "dramatiq:q.DQ.msgs"}, []string{"dramatiq:__heartbeats__", "dramatiq:q.XQ"}, []figure{figOrphaned},
		[]figure{figActive, figFailed, figScheduled, figWorkersAlive}},
	{"beequeue/bq", []string{`HSET bq:q:jobs 1 {"options":{},"status":"x"}`, "RPUSH bq:q:active 1"}, []string{"bq:q:failed", "bq:q:succeeded", "bq:q:stalling"},
		nil, []string{"bq:q:delayed"}, nil, []figure{figFailed, figCompleted, figScheduled, figOrphaned}},
	{"saq/", []string{"RPUSH saq:q:queued saq:job:q:1"}, nil, nil, []string{"saq:q:incomplete", "saq:q:stats"}, nil,
		[]figure{figWaiting, figScheduled, figWorkersAlive, figOrphaned}},
}

// TestListsOfAnyLength neither block the server nor cost the poll anything but the
// figures that would need them.
func TestListsOfAnyLength(t *testing.T) {
	t.Parallel()
	var alone sync.Mutex // the servers whose time is measured do not compete with each other
	for i, tt := range hugeLists {
		t.Run(fmt.Sprint(i, " ", tt.id), func(t *testing.T) {
			t.Parallel()
			s := seeded(t, tt.seed...)
			fill := func(script string, keys []string) {
				for _, key := range keys {
					s.Do(t, "EVAL", "for i=1,ARGV[1] do "+script+" end", "1", key, strconv.Itoa(manyMembers))
				}
			}
			fill("redis.call('SADD',KEYS[1],KEYS[1]:sub(1,2)=='rq' and 'rq:queue:u'..i or 'u'..i)", tt.sets)
			fill("redis.call('HSET',KEYS[1],'u'..i,'{}')", tt.hashes)
			fill("redis.call('ZADD',KEYS[1],i,i)", tt.sorted)
			require.Equal(t, "slowlog-log-slower-than\n10000", s.Do(t, "CONFIG", "GET", "slowlog-log-slower-than"))
			d, m := &bounded{teller: dial(t, s, "", 0)}, &item.Memory{}
			d.at = fieldAt
			// A command may have to wait for a processor, but not each time.
			var r *reading
			var always []string
			alone.Lock()
			defer alone.Unlock()
			for i := 0; i < 2 || i < 10 && len(always) > 0; i++ {
				s.Do(t, "SLOWLOG", "RESET")
				d.calls = 0
				result := pollOnce(t, d, m, defaultOptions(), query{})
				if i > 0 { // the first has a search
					require.LessOrEqual(t, d.calls, maxRounds)
				}
				r = find(t, result, tt.id)
				slow := slowlog(t, s)
				if i == 0 {
					always = slow
				}
				always = slices.DeleteFunc(always, func(command string) bool { return !slices.Contains(slow, command) })
			}
			require.LessOrEqual(t, d.most, 2*(maxListed+1000), "%s", d.what)
			require.Empty(t, always, "the server is kept busy")
			for _, f := range tt.unknown {
				wantUnknown(t, &r.figures, f, "")
				require.NotEmpty(t, reasonOf(&r.figures, f), f.String())
			}
			for _, f := range tt.known {
				_, ok := r.Get(f)
				require.True(t, ok, "%s: %v", f, r.Problems)
			}
			if len(tt.known) > 0 && tt.known[0] == figQueueCount {
				want(t, &r.figures, figQueueCount, manyMembers)
			}
		})
	}
}

func find(t *testing.T, result *result, id string) *reading {
	t.Helper()
	for _, r := range result.Systems {
		if r.ID() == id {
			return r
		}
	}
	require.Fail(t, "not found", id)
	return nil
}

// slowlog lists the commands that the server found slow, but the test's own.
func slowlog(t *testing.T, s *redistest.Server) []string {
	t.Helper()
	conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr})
	require.NoError(t, err)
	defer conn.Close()
	replies, err := conn.DoAll(t.Context(), redisclient.Command{"SLOWLOG", "GET", "1000"})
	require.NoError(t, err)
	var out []string
	for _, entry := range replies[0].Elems {
		args, err := entry.Elems[3].Strings()
		require.NoError(t, err)
		if args[0] != "SLOWLOG" && args[0] != "EVAL" {
			out = append(out, strings.Join(args[:min(len(args), 2)], " "))
		}
	}
	return out
}
