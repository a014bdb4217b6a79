package jobs

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// TestNoSystemIsTakenForAnother: each database of the real runs has the systems that were
// run there, and no others.
func TestNoSystemIsTakenForAnother(t *testing.T) {
	t.Parallel()
	mine := []string{"symfony/", "huey/", "arq/", "dramatiq/dramatiq"}
	for file, there := range map[string]map[int]string{
		"job-systems.rdb":   {},
		"job-systems-2.rdb": {0: "dramatiq/dramatiq", 1: "huey/", 2: "arq/", 7: "symfony/"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := startFixture(t, file)
			for db := range 16 {
				d := dial(t, s, "", db)
				d.at = 1795950770
				found := ids(pollOnce(t, d, &item.Memory{}, defaultOptions(), query{}))
				if want := there[db]; want != "" {
					require.Equal(t, []string{want}, found, strconv.Itoa(db))
				} else {
					require.False(t, slices.ContainsFunc(found, func(id string) bool { return slices.Contains(mine, id) }), "db%d: %v", db, found)
				}
			}
		})
	}
}

// TestExqWithoutProcesses is found by its queues; nobody lives.
func TestExqWithoutProcesses(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD exq:queues default", "LPUSH exq:queue:default {}", "SET exq:stat:processed 1", "SADD other:queues default", "SET other:stat:processed 1")
	r := f.poll(0, "sidekiq/exq")
	want(t, &r.figures, figWorkersAlive, 0)
	want(t, &r.figures, figWaiting, 1)
}

// TestAQueueThatIsNotThere has no figures; one that was seen before is empty.
func TestAQueueThatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newField(t, "ZADD mail 1795949999000 a", "LPUSH huey.redis.mail a", "HSET dramatiq:mail.XQ.msgs a 1", "ZADD dramatiq:mail.XQ 1 a",
		"XADD mails 1-1 message x", "XGROUP CREATE mails symfony 0")
	for system, key := range map[string]string{"arq": "mail", "huey": "huey.redis.mail", "dramatiq": "dramatiq:mail.XQ", "symfony": "mails"} {
		name := "mail"
		if system == "symfony" {
			name = key
		}
		one := func(queue string) *figures {
			r := pollOnce(t, f.d, f.m, f.o, query{System: system, Queue: queue})
			return &r.Systems[0].Queues[0].figures
		}
		for _, figure := range []figure{figWaiting, figScheduled, figLatency} {
			_, known := one("nail").Get(figure)
			require.False(t, known, "%s %s", system, figure)
		}
		_, known := one(name).Get(figWaiting)
		require.True(t, known, system)
		f.s.Do(t, "DEL", key)
		waiting, known := one(name).Get(figWaiting)
		require.Equal(t, system != "symfony", known, "%s: a stream without messages is still there", system)
		require.Zero(t, waiting)
		wantUnknown(t, one("nail"), figScheduled, "its key does not exist: it is empty, or there is no such queue; Jobs.Queues="+system+":nail says that there is one")
	}
}
