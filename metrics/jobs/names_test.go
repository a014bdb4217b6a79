package jobs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
)

// TestAQueueWhoseNameIsNotShown has no row, and why is said; what waits in it is in the
// sums, or they are not known.
func TestAQueueWhoseNameIsNotShown(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("q", maxName+1)
	for _, tt := range []struct {
		names   []string
		waiting float64 // negative: not known
		why     string
	}{
		{[]string{"a"}, 1, ""},
		{[]string{"a", "b\tc", "d\n", "\xff"}, 4, "3 names have no row among the queues: 2 with control characters, such as tabs, 1 not UTF-8"},
		{[]string{"a", long}, -1, "1 names have no row among the queues: 1 longer than 255 bytes"},
		{[]string{"a", ""}, 1, "1 names have no row among the queues: 1 empty"},
	} {
		f := newField(t)
		for _, name := range tt.names {
			f.s.Do(t, "SADD", "rq:queues", "rq:queue:"+name)
			f.s.Do(t, "RPUSH", "rq:queue:"+name, "job")
		}
		r := f.poll(0, "rq/rq")
		require.Len(t, r.Queues, 1)
		require.Equal(t, tt.why, r.skipped())
		left := len(tt.names) - 1
		if tt.waiting < 0 {
			wantUnknown(t, &r.figures, figWaiting, "1 queues were not read")
		} else {
			want(t, &r.figures, figWaiting, tt.waiting)
		}
		told := askJobs(t, get, metrictest.NewTarget(f.d))
		if tt.names[left] == "" {
			left = 0
		}
		want(t, &r.figures, figQueueCount, float64(1+left))
		row := told["systems"].([]any)[0].(map[string]any)["unavailable"].(map[string]any)
		if left == 0 {
			require.Empty(t, told["truncated"])
			continue
		}
		require.EqualValues(t, left, told["truncated"].(map[string]any)["queues"])
		require.Equal(t, tt.why, row["names"])
	}

	// So it is in every system that reads what waits in queues without a row.
	f := newField(t)
	f.s.Do(t, "SADD", "queues", "a", "b\tc")
	f.s.Do(t, "LPUSH", "queue:b\tc", `{"class":"J","args":[],"jid":"1","enqueued_at":1795949990}`)
	want(t, &pollOnce(t, f.d, &item.Memory{}, f.o, query{}).Systems[0].figures, figWaiting, 1)
}
