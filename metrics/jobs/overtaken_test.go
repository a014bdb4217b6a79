package jobs

import (
	"fmt"
	"testing"
	"time"
)

// overtaking is a system in which a job can be put before others. add puts n jobs of the
// age 0 before those that wait, or behind them, and take has job "old" be taken.
type overtaking struct {
	id   string
	seed []string // job "old" of the age 5
	add  func(f *field, n int, before bool)
	take []string
}

func overtakings() []overtaking {
	count := 0
	bull := func(id, mark string) overtaking {
		return overtaking{id,
			[]string{mark, "LPUSH bull:slow:wait old", fmt.Sprintf("HSET bull:slow:old timestamp %d000", fieldAt-5)},
			func(f *field, n int, before bool) {
				for range n {
					count++
					push := "LPUSH"
					if before {
						push = "RPUSH"
					}
					f.s.Do(f.t, push, "bull:slow:wait", fmt.Sprint(count))
					f.s.Do(f.t, "HSET", fmt.Sprint("bull:slow:", count), "timestamp", fmt.Sprintf("%.0f", f.d.at*1000))
				}
			}, []string{"HSET", "bull:slow:old", "processedOn", fmt.Sprint(fieldAt * 1000), "ats", "1"}}
	}
	priorities := overtaking{"bullmq/bull",
		[]string{
			"HSET bull:slow:meta version bullmq:6.7.0", fmt.Sprintf("ZADD bull:slow:prioritized %d old", 5*bullPriority),
			fmt.Sprintf("HSET bull:slow:old timestamp %d000 opts {\"priority\":5}", fieldAt-5),
		},
		func(f *field, n int, before bool) {
			for range n {
				count++
				priority := 10
				if before {
					priority = 1
				}
				f.s.Do(f.t, "ZADD", "bull:slow:prioritized", fmt.Sprint(priority*bullPriority+count), fmt.Sprint(count))
				f.s.Do(f.t, "HSET", fmt.Sprint("bull:slow:", count), "timestamp", fmt.Sprintf("%.0f", f.d.at*1000))
			}
		}, []string{"DEL", "bull:slow:old"}}
	return []overtaking{
		bull("bullmq/bull", "HSET bull:slow:meta version bullmq:6.7.0"), bull("bull/bull", "SET bull:slow:id 2"), priorities,
		{"rq/rq",
			[]string{"SADD rq:queues rq:queue:slow", "RPUSH rq:queue:slow old", "HSET rq:job:old status queued enqueued_at 2026-11-29T10:59:55Z"},
			func(f *field, n int, before bool) {
				for range n {
					count++
					push := "RPUSH"
					if before {
						push = "LPUSH"
					}
					f.s.Do(f.t, push, "rq:queue:slow", fmt.Sprint(count))
					f.s.Do(f.t, "HSET", fmt.Sprint("rq:job:", count), "status", "queued", "enqueued_at",
						time.Unix(int64(f.d.at), 0).UTC().Format(time.RFC3339))
				}
			}, []string{"HSET", "rq:job:old", "status", "started"}},
	}
}

// TestAJobThatOthersOvertake is the oldest one as long as it waits, wherever it is.
func TestAJobThatOthersOvertake(t *testing.T) {
	t.Parallel()
	for _, o := range overtakings() {
		// At the first poll, few are beside it.
		f := newField(t, o.seed...)
		o.add(f, 1, false)
		o.add(f, 2, true)
		want(t, &slow(t, f.poll(1, o.id)).figures, figLatency, 6)
		want(t, &f.poll(20, o.id).figures, figLatency, 26)

		// It was seen before many came.
		f = newField(t, o.seed...)
		want(t, &slow(t, f.poll(0, o.id)).figures, figLatency, 5)
		o.add(f, 20, true)
		o.add(f, 20, false)
		want(t, &slow(t, f.poll(20, o.id)).figures, figLatency, 25)
		want(t, &slow(t, f.poll(20, o.id)).figures, figLatency, 45)
		f.s.Do(t, o.take...)
		want(t, &slow(t, f.poll(20, o.id)).figures, figLatency, 60) // the others
	}
}
