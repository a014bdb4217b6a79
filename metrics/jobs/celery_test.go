package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func celeryCases() []conformance {
	waiting := func(n float64) map[string]float64 { return map[string]float64{"waiting": n} }
	o := defaultOptions()
	o.Queues = map[string][]string{"celery": {"slow", "unserved"}} // lets the user read them
	short := o
	short.CeleryVisibility = time.Minute
	queues := map[string]map[string]float64{"celery": waiting(5), "slow": waiting(0), "unserved": waiting(6)}
	return []conformance{
		{
			// Channel._size of the run; celery inspect's four reserved, three scheduled and one
			// more are those unacked.
			name: "5.2", system: "celery", db: 3, at: 1795230800, options: &o,
			figures: map[string]float64{
				"waiting": 11, "unacked": 8, "unacked_expired": 0, "oldest_unacked": 1795230800 - 1795230718.8752587,
				"workers": 1, "workers_alive": 0, "queue_count": 3, "queues_stuck": 0,
			},
			queues: queues,
			many: func(n int) (out [][]string) {
				for i := range n {
					q := fmt.Sprintf("q%04d", i)
					out = append(out, []string{"SADD", "_kombu.binding.celery", q + "\x06\x16\x06\x16" + q},
						[]string{"LPUSH", q, "{}"})
				}
				return out
			},
		},
		{
			name: "5.2, when the time to hand out again has come", system: "celery", db: 3, at: 1795230718.8779 + 3600, options: &o,
			figures: map[string]float64{
				"waiting": 11, "unacked": 8, "unacked_expired": 4, "oldest_unacked": 3600 + 1795230718.8779 - 1795230718.8752587,
				"workers": 1, "workers_alive": 0, "queue_count": 3, "queues_stuck": 0,
			},
			queues: queues,
		},
		{
			name: "5.2, with a visibility_timeout of a minute", system: "celery", db: 3, at: 1795230718.8779 + 60, options: &short,
			figures: map[string]float64{
				"waiting": 11, "unacked": 8, "unacked_expired": 4, "oldest_unacked": 60 + 1795230718.8779 - 1795230718.8752587,
				"workers": 1, "workers_alive": 0, "queue_count": 3, "queues_stuck": 0,
			},
			queues: queues,
		},
		{
			// global_keyprefix "myapp:", sep ":" and priority_steps 0 to 9.
			name: "5.6 with options", system: "celery", prefix: "myapp:", db: 19, at: 1795230800,
			seed: [][]string{
				{"SADD", "myapp:_kombu.binding.celery", "celery::celery"},
				{"SADD", "myapp:_kombu.binding.video", "video::video"},
				{"SADD", "myapp:_kombu.binding.celery.pidbox", "::w1@vm.celery.pidbox", "::w2@vm.celery.pidbox"},
				{"SADD", "myapp:_kombu.binding.celeryev", "worker.#::celeryev.1134b2db"},
				{"LPUSH", "myapp:celery", "{}", "{}"},
				{"LPUSH", "myapp:celery:4", "{}"},
				{"LPUSH", "myapp:celery:9", "{}"},
			},
			figures: map[string]float64{
				"waiting": 4, "unacked": 0, "unacked_expired": 0, "oldest_unacked": 0, "workers": 2, "workers_alive": 0, "queue_count": 2, "queues_stuck": 0,
			},
			queues: map[string]map[string]float64{"celery": waiting(4), "video": waiting(0)},
		},
	}
}

func TestParseCeleryBinding(t *testing.T) {
	t.Parallel()
	for member, want := range map[string][2]string{
		"celery\x06\x16\x06\x16celery": {"celery", "\x06\x16"},
		"rk.#\x06\x16rk.#\x06\x16q":    {"q", "\x06\x16"},
		"video::video":                 {"video", ":"},
		"a--b----a--b":                 {}, // the name holds the separator
		"video":                        {},
		"\x06\x16\x06\x16":             {},
		"::":                           {},
		"":                             {},
	} {
		queue, separator, ok := parseCeleryBinding(member)
		require.Equal(t, want != [2]string{}, ok, "%q", member)
		if ok {
			require.Equal(t, want, [2]string{queue, separator}, "%q", member)
		}
	}
}

func FuzzCeleryBinding(f *testing.F) {
	f.Add("celery\x06\x16\x06\x16celery")
	f.Add("a--b----a--b")
	f.Fuzz(func(t *testing.T, member string) {
		queue, separator, ok := parseCeleryBinding(member)
		if ok {
			require.NotEmpty(t, queue)
			require.NotEmpty(t, separator)
			require.Contains(t, member, separator+queue)
		}
	})
}
