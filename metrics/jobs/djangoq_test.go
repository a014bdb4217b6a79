package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// djangoTasks are the signed ends of the tasks of a run, before them a short pickle.
var djangoTasks = []string{
	"gAWV2AAAAAAAAAB9lC4:1xXcoH:M2_AZ3ijs2PZmjsNg5tIW4NvNHzzgcV1M0SVLT7N9j8", "gAWV2wAAAAAAAAB9lC4:1xXcoI:bitpImMNT-fov-GRSBKmuXYrPltF7XxCPoAqpi2kgKA",
	".gAWV2QAAAAAAAAB9lC4:1xXcoI:if96SHJAPGzNYmv70QIR5ST6lAoHWTPto5LJB1RdQPw",
}

func djangoqCases() []conformance {
	return []conformance{
		{
			// queue_size() of the run: 3.
			name: "1.11", system: "djangoq", db: 20, at: 1795950700,
			seed: [][]string{
				append([]string{"RPUSH", "django_q:proj:q"}, djangoTasks...), {"RPUSH", "django_q:a:b:q", djangoTasks[1]},
				// What looks like a queue and is none.
				{"RPUSH", "django_q:x:q", "1:2:3"}, {"SET", "django_q:y:q", djangoTasks[0]}, {"SET", "django_q:proj:cluster:1", "x"},
			},
			figures: map[string]float64{"waiting": 4, "latency": 31, "workers_alive": 0, "queue_count": 2, "queues_stuck": 0},
			queues: map[string]map[string]float64{
				"proj": {"waiting": 3, "latency": 31}, "a:b": {"waiting": 1, "latency": 30},
			},
			many: func(n int) (out [][]string) {
				for i := range n {
					out = append(out, []string{"RPUSH", fmt.Sprintf("django_q:q%04d:q", i), djangoTasks[0]})
				}
				return out
			},
		},
	}
}

// TestTasksOfDjangoQ: a signature tells when it was made.
func TestTasksOfDjangoQ(t *testing.T) {
	t.Parallel()
	const signature = "M2_AZ3ijs2PZmjsNg5tIW4NvNHzzgcV1M0SVLT7N9j8"
	for text, at := range map[string]float64{djangoTasks[0]: 1795950669, djangoTasks[2]: 1795950670, "x:124Bxg:" + signature: moment2000} {
		job, err := parseDjangoTask([]byte(text))
		require.NoError(t, err, text)
		require.EqualValues(t, at, job.at, text)
		require.Equal(t, text[len(text)-43:], job.id)
	}
	for _, text := range []string{
		"", "1xXcoH", "1xXcoH:" + signature, "x:1xXcoH:short", "x:1xX-oH:" + signature, "x:1xXcoH:" + signature + "=", "x::" + signature,
		"x:124Bxf:" + signature, "x:zzzzzzzzzz:" + signature, "x:00001xXcoH1:" + signature, "x:1xXcoH:" + strings.Repeat("s", maxSignature),
		"x:1xXcoH:" + strings.Repeat("\xff", 43), "x:1xXcoH:" + strings.Repeat("é", 20),
	} {
		_, err := parseDjangoTask([]byte(text))
		require.Error(t, err, text)
	}
}

// TestDjangoQWithoutACluster is stuck; of a queue that is gone nobody knows whether it
// ever was.
func TestDjangoQWithoutACluster(t *testing.T) {
	t.Parallel()
	f := newField(t, "RPUSH django_q:slow:q "+djangoTasks[0])
	cluster := dial(t, f.s, "", 0)
	_, err := cluster.Conn.DoAll(t.Context(), []string{"BLPOP", "django_q:other:q", "0.01"})
	require.NoError(t, err)
	f.poll(0, "djangoq/")
	q := slow(t, f.poll(70, "djangoq/"))
	wantUnknown(t, &q.figures, figStuck, "workers are connected, and do not tell whether all are busy")
	require.NoError(t, cluster.Close())
	awaitGone(t, f.s, "blpop")
	want(t, &slow(t, f.poll(1, "djangoq/")).figures, figStuck, 1)

	f.s.Do(t, "DEL", "django_q:slow:q")
	q = slow(t, f.poll(1, "djangoq/"))
	want(t, &q.figures, figWaiting, 0)
	want(t, &q.figures, figStuck, 0)
	ask := func(name string) *figures {
		r := pollOnce(t, f.d, f.m, f.o, query{System: "djangoq", Queue: name}).Systems[0]
		return &r.Queues[0].figures
	}
	want(t, ask("slow"), figWaiting, 0)
	wantUnknown(t, ask("nope"), figWaiting, "it is empty, or there is no such queue; Jobs.Queues=djangoq:nope says that there is one")
	f.o.Queues = map[string][]string{"djangoq": {"nope"}}
	want(t, ask("nope"), figWaiting, 0)
}

func FuzzDjangoQ(f *testing.F) {
	f.Add([]byte(djangoTasks[0]))
	f.Add([]byte("x:zzzzzz:" + strings.Repeat("A", 43)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := parseDjangoTask(text); err == nil {
			requireMoment(t, job.at)
			require.LessOrEqual(t, len(job.id), maxSignature)
		}
	})
}
