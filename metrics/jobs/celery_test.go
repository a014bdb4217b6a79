package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
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

// celeryTransport is what kombu's bindings are under a separator, as Celery 5.2 and 5.7
// write them.
func celeryTransport(separator string) map[string][]string {
	bind := func(parts ...string) string { return strings.Join(parts, separator) }
	return map[string][]string{
		"a":  {bind("a", "", "a"), bind("a", "", "video"), bind("a", "", "x:y")},
		"dx": {bind("rk", "", "d|e")},
		"tx": {bind("x.#", `^x\..*?$`, "t-1"), bind("a_b.*", `^a\_b\..*?[^\.]$`, "t2"), bind("*.c", `^[^\.]+\.c$`, "t3")},
	}
}

// TestCelerysSeparator is found from the bindings, for priority lists as well, whatever
// else the names of queues have in them; also for a queue that is asked for alone, and one
// that is configured.
func TestCelerysSeparator(t *testing.T) {
	t.Parallel()
	for _, separator := range []string{celerySeparator, ":", "|", "-", "_", "::", "SEP", "#|#"} {
		for _, prefix := range []string{"", "pre:", "pre_"} {
			t.Run(separator+prefix, func(t *testing.T) {
				t.Parallel()
				f := newField(t)
				for exchange, members := range celeryTransport(separator) {
					f.s.Do(t, append([]string{"SADD", prefix + "_kombu.binding." + exchange}, members...)...)
				}
				queues := []string{"a", "d|e", "t-1", "t2", "t3", "video", "x:y"}
				for _, q := range append(queues, "own") {
					f.s.Do(t, "LPUSH", prefix+q, "{}")
					f.s.Do(t, "LPUSH", prefix+q+separator+"3", "{}")
					f.s.Do(t, "LPUSH", prefix+q+separator+"9", "{}")
				}
				id := instance{"celery", prefix}.ID()
				r := f.poll(0, id)
				got := map[string]float64{}
				for _, q := range r.Queues {
					got[q.Name], _ = q.Get(figWaiting)
				}
				require.Equal(t, map[string]float64{"a": 3, "d|e": 3, "t-1": 3, "t2": 3, "t3": 3, "video": 3, "x:y": 3}, got)
				want(t, &r.figures, figWaiting, 21)
				require.Empty(t, r.Skipped)
				one := pollOnce(t, f.d, f.m, f.o, query{System: "celery", Prefix: prefix, Queue: "video"}).Systems[0]
				want(t, &one.Queues[0].figures, figWaiting, 3)

				// A queue that nobody has bound has the lists of the others. Without any binding it
				// is not known which those are, but by a worker's.
				f.o.Queues = map[string][]string{"celery": {"own"}}
				want(t, &f.poll(0, id).figures, figWaiting, 24)
				if prefix != "" {
					return
				}
				ask := query{System: "celery", Queue: "own"}
				one = pollOnce(t, f.d, &item.Memory{}, f.o, ask).Systems[0]
				wantUnknown(t, &one.Queues[0].figures, figWaiting, "no binding was read that shows which separator")
				f.s.Do(t, "SADD", "_kombu.binding.celery.pidbox", separator+separator+"celery@h--1.celery.pidbox")
				one = pollOnce(t, f.d, &item.Memory{}, f.o, ask).Systems[0]
				want(t, &one.Queues[0].figures, figWaiting, 3)
			})
		}
	}
}

// TestASeparatorThatIsNotKnown: the sums are not either, and it is said how to help, which
// helps.
func TestASeparatorThatIsNotKnown(t *testing.T) {
	t.Parallel()
	f := newField(t, "SADD _kombu.binding.news k::a--b", "LPUSH a--b {} {}", "LPUSH a--b:3 {}")
	r := f.poll(0, "celery/")
	require.Empty(t, r.Queues)
	wantUnknown(t, &r.figures, figWaiting, `of 1 bindings, as "k::a--b" in _kombu.binding.news, it is not known where the name of the queue begins`)
	wantUnknown(t, &r.figures, figQueueCount, "Jobs.Queues=celery:")
	f.o.Queues = map[string][]string{"celery": {"a--b"}}
	want(t, &f.poll(0, "celery/").figures, figWaiting, 3)
}

func TestPartsOfCelerysBindings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		exchange string
		members  []string
		want     map[string][]string
		foreign  int
		unknown  bool
	}{
		{"x", []string{"celery\x06\x16\x06\x16celery"}, map[string][]string{"celery": {"\x06\x16"}}, 0, false},
		{"x", []string{"rk.#\x06\x16rk.#\x06\x16q"}, map[string][]string{"q": {"\x06\x16"}}, 0, false},
		{"x", []string{"video::video"}, map[string][]string{"video": {":"}}, 0, false},
		{"x", []string{"worker.#\x06\x16\x06\x16news"}, map[string][]string{"news": {"\x06\x16"}}, 0, false},
		{"x", []string{"mail::::mail"}, map[string][]string{"mail": {"::"}}, 0, false},
		{"x", []string{"q------q"}, map[string][]string{"q": {"---"}}, 0, false},
		{"x", []string{"q----------q"}, map[string][]string{"q": {"-----"}}, 0, false},
		{"x", []string{"a", "aa", "a:a", "ab:ab"}, map[string][]string{}, 4, false},
		{"x", []string{"::q"}, map[string][]string{"q": {":"}}, 0, false},
		{"x", []string{"rk::google"}, map[string][]string{"google": {":"}}, 0, false},
		{"a", []string{"a::my__q"}, map[string][]string{"my__q": {":"}}, 0, false},
		{"a", []string{"a::x--y", "a::b"}, map[string][]string{"x--y": {":"}, "b": {":"}}, 0, false},
		{"x", []string{"a::a", "k::x--y"}, map[string][]string{"a": {":"}, "x--y": {":"}}, 0, false},
		{"a", []string{"a::::b"}, map[string][]string{"b": {"::"}}, 0, false},
		{"a", []string{"a::b", "b\x06\x16\x06\x16b"}, map[string][]string{"b": {"\x06\x16", ":"}}, 0, false},
		{"x", []string{"a||a", "b||b", "c::c"}, map[string][]string{"a": {"|"}, "b": {"|"}, "c": {":"}}, 0, false},
		{"x", []string{"k::x--y"}, map[string][]string{}, 0, true},
		{"x", []string{"k:::y"}, map[string][]string{}, 0, true},
		{"x", []string{"a--b----a--b"}, map[string][]string{"a--b": {"--"}}, 0, false},
		{"x", []string{"video", "google", "::", "", "\x06\x16\x06\x16", strings.Repeat("x", 1000) + "::" + strings.Repeat("x", 1000)}, map[string][]string{}, 6, false},
	} {
		var b celeryBindings
		b.add(tt.exchange, tt.members)
		foreign, err := b.part()
		require.Equal(t, tt.want, b.separators, "%q", tt.members)
		require.Equal(t, tt.foreign, foreign, "%q", tt.members)
		require.Equal(t, tt.unknown, err != nil, "%q: %v", tt.members, err)
	}
}

func FuzzCeleryBindings(f *testing.F) {
	f.Add("celery\x06\x16\x06\x16celery", "a--b----a--b")
	f.Add(`x.#:^x\..*?$:t-1`, "a::a")
	f.Fuzz(func(t *testing.T, one, other string) {
		var b celeryBindings
		b.add("a", []string{one, other})
		b.addPidbox("celery.pidbox", []string{other})
		_, _ = b.part()
		for queue, separators := range b.separators {
			require.NotEmpty(t, queue)
			for _, s := range separators {
				require.NotEmpty(t, s)
				require.True(t, strings.HasSuffix(one, s+queue) || strings.HasSuffix(other, s+queue))
			}
		}
	})
}
