package jobs

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestOverdueIsWhatIsDueForLongerThanSystemsLook: of a queue that gets a job for later
// every few seconds, one is due at any moment, and nothing is wrong.
func TestOverdueIsWhatIsDueForLongerThanSystemsLook(t *testing.T) {
	t.Parallel()
	for id, commands := range map[string][]string{ // AT is the moment, BULL the same as BullMQ has it
		"sidekiq/":      {"SADD queues a", "ZADD schedule AT {}"},
		"resque/resque": {"SADD resque:queues a", "ZADD resque:delayed_queue_schedule AT AT", "RPUSH resque:delayed:AT {}"},
		"rq/rq":         {"SADD rq:queues rq:queue:a", "ZADD rq:scheduled:a AT j"},
		"asynq/":        {"SADD asynq:queues a", "ZADD asynq:{a}:scheduled AT j"},
		"huey/":         {"LPUSH huey.redis.a x", "ZADD huey.schedule.a AT j"},
		"bullmq/bull":   {"HSET bull:a:meta version bullmq:6.7.0", "ZADD bull:a:delayed BULL j"},
		"laravel/":      {`RPUSH laravel_database_queues:a {"uuid":"1","job":"X","id":"1"}`, "ZADD laravel_database_queues:a:delayed AT j"},
	} {
		for late, n := range map[int]float64{-1: 0, 1: 0, 29: 0, 31: 1} {
			t.Run(fmt.Sprint(id, late), func(t *testing.T) {
				t.Parallel()
				at := int(fieldAt) - late
				times := strings.NewReplacer("AT", strconv.Itoa(at), "BULL", strconv.Itoa(at*1000*4096))
				f := newField(t, strings.Split(times.Replace(strings.Join(commands, "\n")), "\n")...)
				r := pollOnce(t, f.d, f.m, f.o, query{})
				if len(r.Systems) != 1 {
					t.Fatal(ids(r))
				}
				want(t, &r.Systems[0].figures, figOverdue, n)
			})
		}
	}
}
