package jobs

import (
	"fmt"
	"testing"
)

// TestACounterOfAttemptsIsNoCounterOfJobs: Bull and BullMQ count each attempt to add a job,
// also one that is refused because there is a job of that id, or because it is too early.
// Rates are known as long as the jobs that there are account for it.
func TestACounterOfAttemptsIsNoCounterOfJobs(t *testing.T) {
	t.Parallel()
	for id, mark := range map[string]string{"bullmq/bull": "HSET bull:slow:meta version bullmq:6.7.0", "bull/bull": "SADD bull:slow:stalled-check x"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newField(t, mark, "SET bull:slow:id 1", "LPUSH bull:slow:wait 1", fmt.Sprintf("HSET bull:slow:1 timestamp %d000", fieldAt-5))
			poll := func() (*reading, *queue) {
				r := f.poll(40, id)
				return r, slow(t, r)
			}
			r, _ := poll()
			wantUnknown(t, &r.figures, figAdded, "")
			// Nothing is taken: 50 times a second a job is refused.
			f.s.Do(t, "SET", "bull:slow:id", "2001")
			_, q := poll()
			for _, name := range []figure{figArrival, figDrain} {
				wantUnknown(t, &q.figures, name, "has grown by jobs that were refused")
			}
			// Two come.
			f.s.Do(t, "SET", "bull:slow:id", "2003")
			f.s.Do(t, "LPUSH", "bull:slow:wait", "2", "3")
			r, q = poll()
			for _, figures := range []*figures{&q.figures, &r.figures} {
				want(t, figures, figArrival, 0.05)
				want(t, figures, figDrain, 0)
			}
			// One of them ends.
			f.s.Do(t, "RPOP", "bull:slow:wait")
			f.s.Do(t, "ZADD", "bull:slow:completed", "1", "1")
			_, q = poll()
			want(t, &q.figures, figArrival, 0)
			want(t, &q.figures, figDrain, 0.025)
			// Another one comes, and ends, and is deleted.
			f.s.Do(t, "SET", "bull:slow:id", "2004")
			_, q = poll()
			wantUnknown(t, &q.figures, figDrain, "jobs were deleted when they were done")
			// With metrics it is known what was taken.
			f.s.Do(t, "HSET", "bull:slow:metrics:completed", "count", "5")
			poll()
			f.s.Do(t, "HSET", "bull:slow:metrics:completed", "count", "9")
			f.s.Do(t, "SET", "bull:slow:id", "4000")
			_, q = poll()
			want(t, &q.figures, figDrain, 0.1)
			want(t, &q.figures, figArrival, 0.1)
		})
	}
}
