package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asynqOlderSeed are queues of v0.18.6 with two tasks that were taken then, and one that waits.
func asynqOlderSeed(began float64) []string {
	over := fmt.Sprint(int64(began) + 3600)
	return []string{
		"SADD asynq:queues default low alone",
		"LPUSH asynq:{default}:active a b", "ZADD asynq:{default}:deadlines " + over + " a " + over + " b",
		"HSET asynq:{default}:t:a msg x state active timeout 3600 deadline 0",
		"HSET asynq:{default}:t:b msg x state active timeout 3600 deadline 0",
		"LPUSH asynq:{alone}:pending c", "HSET asynq:{alone}:t:c msg x state pending timeout 1800 deadline 0",
	}
}

// TestAsynqBeforeLeases: v0.18.6 and v0.21.0 keep a deadline of an active task, and no
// lease. What a killed server ran is orphaned as soon as no server lives that lists it.
// The keys are those that the two versions write.
func TestAsynqBeforeLeases(t *testing.T) {
	t.Parallel()
	const server, workers = "asynq:servers:{vm:1:a}", "asynq:workers:{vm:1:a}"
	until := func(s float64) string { return fmt.Sprintf("ZADD asynq:servers %.0f %s", fieldAt+s, server) }
	for name, tt := range map[string]struct {
		seed   []string
		began  float64
		want   float64 // negative: unknown
		reason string
	}{
		"the server lives and lists both": {[]string{until(10), "SET " + server + " <server>", "HSET " + workers + " a <task> b <task>"}, 60, 0, ""},
		"the server was killed":           {[]string{until(-5)}, 60, 2, ""},
		"it was killed at once":           {[]string{until(-5)}, 1, 2, ""},
		"its registration is gone":        {nil, 60, 2, ""},
		"another one lives": {[]string{until(-5), fmt.Sprintf("ZADD asynq:servers %.0f asynq:servers:{vm:2:b}", float64(fieldAt+5)),
			"SET asynq:servers:{vm:2:b} <server>", "HSET asynq:workers:{vm:2:b} b <task>"}, 60, 1, ""},
		"they were just taken":   {[]string{until(10), "SET " + server + " <server>"}, 5, 0, ""},
		"when is not known":      {[]string{until(10), "SET " + server + " <server>", "HSET asynq:{default}:t:a timeout 0", "HSET " + workers + " b <task>"}, 60, -1, "of 1 it is not known"},
		"the list is broken":     {[]string{until(10), "SET " + server + " <server>", "SET " + workers + " x"}, 60, -1, "of 2 it is not known"},
		"who lives is not known": {[]string{"SET asynq:servers x"}, 60, -1, "keeps no lease of a task"},
		"one has ended":          {[]string{until(-5), "HSET asynq:{default}:t:a state completed"}, 60, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, append(asynqOlderSeed(fieldAt-tt.began), tt.seed...)...)
			r := f.poll(0, "asynq/")
			q := r.Queues[1]
			require.Equal(t, "default", q.Name)
			if tt.want < 0 {
				wantUnknown(t, &q.figures, figOrphaned, tt.reason)
				wantUnknown(t, &r.figures, figOrphaned, "")
				return
			}
			want(t, &q.figures, figOrphaned, tt.want)
			want(t, &r.figures, figOrphaned, tt.want)
		})
	}
}

// TestAsynqBeforeTotals: v0.18.6 keeps counters of single days and no total, where 0 would
// hide what was processed. v0.21.0 keeps both, and a queue of any version has none of
// them before its first task.
func TestAsynqBeforeTotals(t *testing.T) {
	t.Parallel()
	day := func(ago int) string {
		return time.Unix(fieldAt, 0).UTC().AddDate(0, 0, -ago).Format(time.DateOnly)
	}
	const unknown = -1
	for name, tt := range map[string]struct {
		seed              []string
		processed, failed float64
	}{
		"v0.18.6":                    {[]string{"SET asynq:{low}:processed:" + day(0) + " 2", "SET asynq:{low}:failed:" + day(0) + " 1"}, unknown, unknown},
		"v0.18.6, long ago":          {[]string{"SET asynq:{low}:processed:" + day(90) + " 2"}, unknown, unknown},
		"v0.21.0":                    {[]string{"SET asynq:{low}:processed:" + day(0) + " 2", "SET asynq:{low}:processed 2", "SET asynq:{low}:failed 1"}, 2, 1},
		"v0.21.0, none failed":       {[]string{"SET asynq:{low}:processed:" + day(0) + " 2", "SET asynq:{low}:processed 2"}, 2, 0},
		"nothing was processed":      {nil, 0, 0},
		"what is there is no number": {[]string{"HSET asynq:{low}:processed a 1", "SET asynq:{low}:failed 1"}, unknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, append([]string{"SADD asynq:queues low"}, tt.seed...)...)
			r := f.poll(0, "asynq/")
			for figure, value := range map[figure]float64{figProcessed: tt.processed, figFailedTotal: tt.failed} {
				switch {
				case value >= 0:
					want(t, &r.Queues[0].figures, figure, value)
					want(t, &r.figures, figure, value)
				case strings.HasPrefix(name, "v"):
					wantUnknown(t, &r.Queues[0].figures, figure, "this version of Asynq keeps counters of single days and no total")
					wantUnknown(t, &r.figures, figure, "")
				default:
					wantUnknown(t, &r.Queues[0].figures, figure, "GET: WRONGTYPE")
				}
			}
		})
	}
}

// TestAsynqBeforePendingSince: the reason tells what is missing.
func TestAsynqBeforePendingSince(t *testing.T) {
	t.Parallel()
	f := newField(t, asynqOlderSeed(fieldAt-60)...)
	q := f.poll(0, "asynq/").Queues[0]
	require.Equal(t, "alone", q.Name)
	wantUnknown(t, &q.figures, figLatency, "oldest job: its record does not tell since when it waits: a server put it back when it stopped, or Asynq is older than 0.19.1")
	f.s.Do(t, "DEL", "asynq:{alone}:t:c")
	wantUnknown(t, &f.poll(1, "asynq/").Queues[0].figures, figLatency, "oldest job: its record is gone")
}
