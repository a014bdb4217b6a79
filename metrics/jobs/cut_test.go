package jobs

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

// cutWorkers are systems whose workers are read one by one, with a job that two living
// workers run and one that waits, and the key and the name of one more dead worker.
// unknown is what follows from all workers of a queue, and known what does not.
var cutWorkers = []struct {
	id, dead       string
	seed           [][]string
	unknown, known []figure
}{
	{"sidekiq/", "redis.call('SADD','processes','gone:'..i..':0123456789ab')", [][]string{
		{"SADD", "queues", "a"}, {"LPUSH", "queue:a", `{"class":"W","args":[],"jid":"1","enqueued_at":1795229000}`},
		{"SADD", "processes", "h:1:0123456789ab", "h:2:0123456789ab"},
		{"HSET", "h:1:0123456789ab", "busy", "1", "quiet", "false", "info", `{"concurrency":1,"queues":["a"]}`},
		{"HSET", "h:2:0123456789ab", "busy", "1", "quiet", "false", "info", `{"concurrency":1,"queues":["a"]}`},
		{"HSET", "h:1:0123456789ab:work", "t", `{"queue":"a","run_at":1795229000}`},
		{"HSET", "h:2:0123456789ab:work", "t", `{"queue":"a","run_at":1795229000}`},
	}, []figure{figActive}, []figure{figWaiting}},
	{"resque/resque", "redis.call('SADD','resque:workers','gone:'..i..':a')", [][]string{
		{"SADD", "resque:queues", "a"}, {"RPUSH", "resque:queue:a", `{"class":"W","args":[]}`}, {"SADD", "resque:workers", "h:1:a", "h:2:a"},
		{"HSET", "resque:workers:heartbeat", "h:1:a", "2026-11-21T02:43:20Z", "h:2:a", "2026-11-21T02:43:20Z"},
		{"SET", "resque:worker:h:1:a", `{"queue":"a","run_at":"2026-11-21T02:43:20Z"}`},
		{"SET", "resque:worker:h:2:a", `{"queue":"a","run_at":"2026-11-21T02:43:20Z"}`},
	}, []figure{figActive, figOrphaned}, []figure{figWaiting}},
	{"rq/rq", "redis.call('SADD','rq:workers','rq:worker:gone'..i)", [][]string{
		{"SADD", "rq:queues", "rq:queue:a"}, {"RPUSH", "rq:queue:a", "1"}, {"HSET", "rq:job:1", "enqueued_at", "2026-11-21T02:43:20Z"},
		{"SADD", "rq:workers", "rq:worker:w1", "rq:worker:w2"}, {"ZADD", "rq:wip:a", "4000000000", "2", "4000000000", "3"},
		{"RPUSH", "rq:queue:a:intermediate", "4"},
		{"HSET", "rq:worker:w1", "state", "busy", "current_job", "2", "queues", "a"},
		{"HSET", "rq:worker:w2", "state", "busy", "current_job", "3", "queues", "a"},
	}, []figure{figOrphaned}, []figure{figWaiting}},
	{"asynq/", "redis.call('ZADD','asynq:servers',4000000000+i,'asynq:servers:{gone'..i..'}')", [][]string{
		{"SADD", "asynq:queues", "a"}, {"LPUSH", "asynq:{a}:pending", "1"}, {"LPUSH", "asynq:{a}:active", "2", "3"},
		{"ZADD", "asynq:{a}:lease", "4000000000", "2", "4000000000", "3"},
	}, nil, []figure{figActive, figOrphaned, figWaiting}},
}

// TestFiguresOfAListThatWasCut: what is summed over the workers of a list of which just a
// part was read is unknown, of the system and of each queue, and so is what follows from
// that. Found with 24,000 processes that were gone and two that ran jobs.
func TestFiguresOfAListThatWasCut(t *testing.T) {
	t.Parallel()
	for _, tt := range cutWorkers {
		t.Run(tt.id, func(t *testing.T) {
			t.Parallel()
			s := redistest.Borrow(t)
			for _, cmd := range tt.seed {
				s.Do(t, cmd...)
			}
			s.Do(t, "EVAL", "for i=1,ARGV[1] do "+tt.dead+" end", "0", strconv.Itoa(manyMembers))
			d, m := dial(t, s, "", 0), &item.Memory{}
			for _, at := range []float64{1795229010, 1795229300, 1795229600} {
				d.at = at
				r := find(t, pollOnce(t, d, m, defaultOptions(), query{}), tt.id)
				require.Positive(t, r.CutWorkers)
				q := r.Queues[0]
				for _, f := range tt.unknown {
					_, known := r.Get(f)
					require.False(t, known, f.String())
					require.NotEmpty(t, reasonOf(&r.figures, f), f.String())
					_, known = q.Get(f)
					require.False(t, known, "%s of the queue", f)
				}
				if r.running != nil {
					require.Contains(t, reasonOf(&q.figures, figActive), "more than the 3000 that are read")
				}
				for _, f := range tt.known {
					_, known := r.Get(f)
					require.True(t, known, "%s: %v", f, r.Problems)
				}
				for _, f := range []figure{figWorkersAlive, figUtilisation, figAbandoned} {
					_, known := r.Get(f)
					require.False(t, known, f.String())
				}
				if saturated, known := q.Get(figSaturated); known && at > 1795229300 {
					require.EqualValues(t, 1, saturated, "its own jobs run")
				}
				stuck, known := q.Get(figStuck)
				require.False(t, known && stuck > 0)
			}
		})
	}
}

// TestJobsThatWereSeen hold a queue back, however many others there may be.
func TestJobsThatWereSeen(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "sidekiq")
	r.Queues = []*queue{{Name: "a"}, {Name: "b"}}
	newRunning(r, r.Queues).count("a")
	r.CutWorkers = 5
	r.missCut()
	for _, q := range r.Queues {
		wantUnknown(t, &q.figures, figActive, "running jobs: there are 5 workers")
	}
	wantUnknown(t, &r.figures, figActive, "running jobs: there are 5 workers")
	require.Equal(t, heldByWork, r.holds(r.Queues[0]))
	require.Equal(t, heldUnknown, r.holds(r.Queues[1]))
	r.Queues[0].Orphans = 1
	require.Equal(t, heldUnknown, r.holds(r.Queues[0]))
}

// TestWorkersOfBullBeyondTheLimit live as well: their connections show it.
func TestWorkersOfBullBeyondTheLimit(t *testing.T) {
	t.Parallel()
	r := readingOf(t, "bullmq")
	b := &bullReading{r: r}
	b.serve("a", maxWorkers-1)
	b.serve("b", 3)
	b.doubt()
	r.sumWorkers(pollAt(float64(time.Now().Unix())))
	want(t, &r.figures, figWorkers, maxWorkers+2)
	want(t, &r.figures, figWorkersAlive, maxWorkers+2)
	require.Len(t, r.Workers, maxWorkers)
	r.Queues = []*queue{{Name: "b"}}
	least, err := b.leastServing(r.Queues)
	require.NoError(t, err)
	require.EqualValues(t, 3, least, fmt.Sprint(b.serving))
}
