package jobs

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

func hueyCases() []conformance {
	return []conformance{{
		// pending_count, scheduled_count and so on of the run; its consumer was killed.
		name: "3.5", system: "huey", db: 1, second: true, at: 1795950760, shapes: hueyQueue,
		figures: map[string]float64{
			"waiting": 12, "scheduled": 1, "overdue": 0, "latency": 1795950760 - 1795949903.522102, "workers_alive": 0, "queue_count": 2, "queues_stuck": 0,
		},
		queues: map[string]map[string]float64{
			"myapp": {"waiting": 10, "scheduled": 1, "overdue": 0},
			"prio":  {"waiting": 2, "scheduled": 0, "overdue": 0, "latency": 1795950760 - 1795949903.522102},
		},
		unknown: map[string][]figure{"myapp": {figLatency}},
		many: func(n int) (out [][]string) {
			for i := range n {
				out = append(out, []string{"LPUSH", fmt.Sprintf("huey.redis.q%04d", i), "j"})
			}
			return out
		},
	}}
}

func hueyMessage(at float64, text string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(at*1e6))) + text
}

// TestPrioritiesOfHuey: the oldest message is the first one of its priority, of at most
// two.
func TestPrioritiesOfHuey(t *testing.T) {
	t.Parallel()
	f := newField(t)
	add := func(priority, at float64) {
		f.s.Do(t, "ZADD", "huey.redis.q", fmt.Sprint(-priority), hueyMessage(at, "message"))
	}
	latency := func() *figures { return &f.poll(0, "huey/").Queues[0].figures }
	add(5, fieldAt-10)
	add(5, fieldAt-20)
	want(t, latency(), figLatency, 20)
	add(0, fieldAt-300.5)
	add(0, fieldAt-30)
	want(t, latency(), figLatency, 300.5)
	add(5, fieldAt-1000)
	want(t, latency(), figLatency, 1000)
	add(1, fieldAt-5)
	wantUnknown(t, latency(), figLatency, "oldest job: 1 jobs have a third priority")
	want(t, latency(), figWaiting, 6)
	f.s.Do(t, "ZADD", "huey.redis.q", "-9", "short")
	wantUnknown(t, latency(), figLatency, "oldest job: "+errMoment.Error())
}

// TestHueyIsStuck when nothing is taken and no client is connected that takes anything.
func TestHueyIsStuck(t *testing.T) {
	t.Parallel()
	f := newField(t, "LPUSH huey.redis.q a", fmt.Sprint("ZADD huey.schedule.q ", fieldAt-1, " b ", fieldAt+90, " c"))
	f.poll(0, "huey/")
	f.forgetFirstLooks() // the test itself has just written
	q := &f.poll(70, "huey/").Queues[0].figures
	want(t, q, figStuck, 1)
	want(t, q, figOverdue, 1)
	want(t, q, figScheduled, 2)
	consumer := dial(t, f.s, "", 0)
	for _, command := range [][]string{{"RPOP", "other"}, {"EVALSHA", "x", "0"}} {
		_, err := consumer.DoAll(t.Context(), command)
		require.NoError(t, err)
		wantUnknown(t, &f.poll(10, "huey/").Queues[0].figures, figStuck, "workers are connected, and do not tell whether all are busy")
	}
	f.s.Do(t, "LPUSH", "huey.redis.q", "b")
	f.s.Do(t, "RPOP", "huey.redis.q")
	want(t, &f.poll(10, "huey/").Queues[0].figures, figStuck, 0)
}

func FuzzHueyTime(f *testing.F) {
	f.Add([]byte(hueyMessage(fieldAt, "message")))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if at, err := parseHueyTime(text); err == nil {
			requireMoment(t, at)
		}
		_, _ = hueyFirst(resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.BulkString, Str: text}, {Kind: resp.BulkString, Str: text}}}, nil)
	})
}
