package jobs

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// classRows polls at 2026-11-21 07:08:30 UTC.
func classRows(t *testing.T, s *redistest.Server, user string) map[string]any {
	t.Helper()
	d := dial(t, s, user, 0)
	d.at = 1795244910
	result, err := readFailures(t.Context(), d, &item.Memory{}, defaultOptions(), query{})
	require.NoError(t, err)
	require.LessOrEqual(t, d.calls, maxFailureRounds+2, "and two for the search")
	for _, f := range result.Systems {
		require.Empty(t, f.problems)
	}
	w := jsondoc.New(0)
	w.BeginObject()
	var cut ask.Truncations
	writeClasses(w, result, &cut)
	cut.Write(w)
	w.EndObject()
	return metrictest.Decode(t, w.Document())
}

// flushed writes what a process of Sidekiq writes each ten seconds: runs, failures
// and times in milliseconds of a class, and how many runs were in which interval.
func flushed(t *testing.T, s *redistest.Server, minute, histogram, class string, runs, failures, ms int, buckets map[int]int) {
	t.Helper()
	for name, n := range map[string]int{"p": runs, "f": failures, "ms": ms} {
		if n > 0 {
			s.Do(t, "HINCRBY", minute, class+"|"+name, strconv.Itoa(n))
		}
	}
	for i, n := range buckets {
		s.Do(t, "BITFIELD", histogram, "OVERFLOW", "SAT", "INCRBY", "u16", fmt.Sprintf("#%d", i), strconv.Itoa(n))
	}
}

func TestJobClassesOfSidekiq(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version       string
		minutes, hist func(minute int) string
	}{
		{"7", func(m int) string { return fmt.Sprintf("j|20261121|7:%d", m) }, func(m int) string { return fmt.Sprintf("Mail::Job-21-07:%d", m) }},
		{"8", func(m int) string { return fmt.Sprintf("j|261121|7:%02d", m) }, func(m int) string { return fmt.Sprintf("h|Mail::Job-21-7:%d", m) }},
	} {
		t.Run(tt.version, func(t *testing.T) {
			t.Parallel()
			s := redistest.Borrow(t)
			s.Do(t, "SADD", "queues", "default")
			s.Do(t, "SADD", "processes", "p")
			user := failureUser(t, s, "sidekiq", "", 0)
			require.Empty(t, classRows(t, s, user)["classes"])

			flushed(t, s, tt.minutes(8), tt.hist(8), "Mail::Job", 1000, 0, 1, map[int]int{0: 1000}) // not over yet
			flushed(t, s, tt.minutes(2), tt.hist(2), "Mail::Job", 1000, 0, 1, map[int]int{0: 1000}) // too old
			flushed(t, s, tt.minutes(7), tt.hist(7), "Mail::Job", 50, 5, 5000, map[int]int{4: 43, 8: 2})
			flushed(t, s, tt.minutes(3), tt.hist(3), "Mail::Job", 10, 0, 500, map[int]int{4: 10})
			flushed(t, s, tt.minutes(3), tt.hist(3)+"x", "Broken", 3, 3, 0, nil)
			flushed(t, s, tt.minutes(5), strings.Replace(tt.hist(5), "Mail::Job", "Slow", 1), "Slow", 2, 0, 800_000, map[int]int{25: 2})
			doc := classRows(t, s, user)
			require.Equal(t, map[string]any{}, doc["truncated"])
			rows := metrictest.Rows(t, doc["classes"])
			require.Len(t, rows, 3)
			require.Equal(t, map[string]any{
				"id": "sidekiq//Mail::Job", "system_id": "sidekiq/", "system": "sidekiq", "prefix": "", "class": "Mail::Job",
				"runs": 60.0, "failures": 5.0, "rate": 0.2, "failed_share": 0.0833333, "mean": 0.1, "p95": 0.1,
			}, rows[0], "53 of 55 took less than 100 ms")
			require.Equal(t, map[string]any{
				"id": "sidekiq//Broken", "system_id": "sidekiq/", "system": "sidekiq", "prefix": "", "class": "Broken",
				"runs": 3.0, "failures": 3.0, "rate": 0.01, "failed_share": 1.0,
			}, rows[1], "of none that did not fail there is no time")
			require.Equal(t, map[string]any{
				"id": "sidekiq//Slow", "system_id": "sidekiq/", "system": "sidekiq", "prefix": "", "class": "Slow",
				"runs": 2.0, "failures": 0.0, "rate": 0.00666667, "failed_share": 0.0, "mean": 400.0,
			}, rows[2], "how long is not known beyond the last interval")

			var many []string
			for i := range maxClassRows + 30 {
				many = append(many, fmt.Sprintf("C%d|p", i), "1")
			}
			s.Do(t, append([]string{"HSET", tt.minutes(4)}, many...)...)
			doc = classRows(t, s, user)
			require.Len(t, doc["classes"], maxClassRows)
			require.Equal(t, map[string]any{"classes": 33.0}, doc["truncated"])
		})
	}
}
