package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// provenByJobs are queues that are known by a job alone, with $BIG in it, as their
// libraries write them; with the key that has it.
var provenByJobs = map[string]struct {
	id, key  string
	commands []string
}{
	"laravel":         {"laravel/app_database_", "app_database_queues:big", []string{`RPUSH app_database_queues:big {"uuid":"u","displayName":"J","job":"J","data":{"x":"$BIG"},"id":"i","attempts":0}`}},
	"laravel delayed": {"laravel/app_database_", "app_database_queues:big:delayed", []string{`ZADD app_database_queues:big:delayed 1795950000 {"uuid":"u","job":"J","data":{"x":["$BIG"]},"id":"i","attempts":0}`}},
	"symfony": {"symfony/", "big", []string{
		"XGROUP CREATE big g 0 MKSTREAM", `XADD big * message s:9:"{"body":"$BIG","headers":{"type":"T"}}";`,
	}},
	"symfony delayed": {"symfony/", "big__queue", []string{`ZADD big__queue 1795950000000 {"body":"$BIG","headers":[],"uniqid":"x"}`}},
	"taskiq list":     {"taskiq/", "taskiq_big", []string{`LPUSH taskiq_big {"task_id":"1","task_name":"n","labels":{},"args":["$BIG"],"kwargs":{}}`}},
	"taskiq stream": {"taskiq/", "big", []string{
		"XGROUP CREATE big g 0 MKSTREAM", `XADD big * data {"task_id":"1","task_name":"n","labels":{},"args":["$BIG"],"kwargs":{}}`,
	}},
	"sidekiq": {"sidekiq/app", "app:queue:big", []string{"SADD app:queues big", `LPUSH app:queue:big {"class":"J","args":["$BIG"],"jid":"1","enqueued_at":1795950000}`}},
	"resque":  {"resque/app", "app:queue:big", []string{"SADD app:queues big", `RPUSH app:queue:big {"class":"J","args":["$BIG"]}`}},
	"celery": {"celery/app:", "app:mine", []string{
		"SADD app:_kombu.binding.celery celery\x06\x16\x06\x16celery",
		`HSET app:mine 1 [{"body":"$BIG","headers":{}},"","celery"]`, "ZADD app:mine_index 1795950000 1",
	}},
	"beequeue": {"beequeue/bq", "bq:big:jobs", []string{"SET bq:big:id 1", "LPUSH bq:big:waiting 1", `HSET bq:big:jobs 1 {"data":"$BIG","options":{},"status":"created"}`}},
	"djangoq":  {"djangoq/", "django_q:big:q", []string{"RPUSH django_q:big:q $BIG" + ":1wNI4L:ID3456789012345678901234567890"}},
}

// TestAQueueWhoseFirstJobIsLarge is found as any other. Where a job is too large even to
// be looked at, its key is named, by the first search and by those that come after it.
func TestAQueueWhoseFirstJobIsLarge(t *testing.T) {
	t.Parallel()
	for name, c := range provenByJobs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := func(f *field, size int) {
				for _, command := range c.commands {
					args := strings.Split(command, " ")
					for i := range args {
						args[i] = strings.ReplaceAll(args[i], "$BIG", strings.Repeat("x", size))
					}
					f.s.Do(t, args...)
				}
			}
			for _, size := range []int{10, 2_000_000} {
				f := newField(t)
				seed(f, size)
				r := pollOnce(t, f.d, f.m, f.o, query{})
				require.Equal(t, []string{c.id}, ids(r), size)
				require.Empty(t, r.Discovery.Unseen)
				if name == "celery" {
					want(t, &r.Systems[0].figures, figUnacked, 1)
				} else {
					require.Equal(t, "big", strings.TrimPrefix(r.Systems[0].Queues[0].Name, "taskiq_"))
				}

				// One that comes later is found by the next poll.
				f = newField(t)
				pollOnce(t, f.d, f.m, f.o, query{})
				seed(f, size)
				pollOnce(t, f.d, f.m, f.o, query{})
				require.Equal(t, []string{c.id}, ids(pollOnce(t, f.d, f.m, f.o, query{})), size)
			}
			if name == "beequeue" || name == "djangoq" { // their keys' names say enough
				return
			}
			for _, later := range []bool{false, true} {
				f := newField(t)
				if later {
					pollOnce(t, f.d, f.m, f.o, query{})
				}
				seed(f, maxShape+1)
				var text string
				for range 3 {
					r := pollOnce(t, f.d, f.m, f.o, query{})
					text = unseenText(r.Discovery.Unseen)
				}
				system, _, _ := strings.Cut(c.id, "/")
				require.Contains(t, text, fmt.Sprintf("%q (%s)", c.key, system))
			}
		})
	}
}

// TestAKeyThatCouldNotBeLookedAt is named in the answer, which does not say that there is
// nothing; a queue that is configured is read.
func TestAKeyThatCouldNotBeLookedAt(t *testing.T) {
	t.Parallel()
	f := newField(t)
	f.s.Do(t, "LPUSH", "taskiq_big", "task_id task_name"+strings.Repeat("x", maxShape))
	told := askJobs(t, get, metrictest.NewTarget(f.d))["unavailable"].(map[string]any)
	require.Contains(t, told["keys"], `a job in "taskiq_big" (taskiq) is too large to be looked at (more than 16 MiB)`)
	require.Contains(t, told["systems"], "so far: not all keys were searched")

	f.o.Queues = map[string][]string{"taskiq": {"taskiq_big"}}
	r := pollOnce(t, f.d, f.m, f.o, query{})
	require.Empty(t, r.Discovery.Unseen)
	want(t, &r.Systems[0].figures, figWaiting, 1)
	f.s.Do(t, "LPUSH", "taskiq", "task_id task_name")
	f.o.Queues, f.m = nil, &item.Memory{}
	r = pollOnce(t, f.d, f.m, f.o, query{})
	require.Equal(t, "taskiq", r.Systems[0].Queues[0].Name)
	require.Len(t, r.Discovery.Unseen, 1, "it is another queue")
}

// TestUnseenKeysAreBounded, and some of them named.
func TestUnseenKeysAreBounded(t *testing.T) {
	t.Parallel()
	var s search
	for i := range maxUnseen + 5 {
		s.leave(instance{"taskiq", ""}, &clue{Proof: []redisclient.Command{{"LINDEX", fmt.Sprintf("k%03d", i), "-1"}}})
	}
	require.Len(t, s.unseen, maxUnseen)
	require.Contains(t, unseenText(s.unseen), `"k000" (taskiq), "k001" (taskiq), "k002" (taskiq), "k003" (taskiq), "k004" (taskiq) and 95 others is too large`)
	require.Empty(t, unseenText(nil))
	require.True(t, tooLargeToSee(resp.Value{Elems: []resp.Value{{}, {Kind: resp.TooLarge}}}))
	require.False(t, tooLargeToSee(resp.Value{Str: make([]byte, maxShape)}))
}

func FuzzShapes(f *testing.F) {
	f.Add([]byte(`[{"body":"x"},"","celery"]`))
	f.Add([]byte(`{"body":"x","headers":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if isShallowMessage(text) {
			require.True(t, json.Valid(text))
			require.True(t, isCeleryMessage(text), "%q", text)
		}
		if hasShape(text, map[string]string{"body": `"`}) {
			require.True(t, json.Valid(text))
		}
	})
}
