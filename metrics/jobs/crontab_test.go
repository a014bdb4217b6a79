package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCrontab: next times as croniter 7.0 says them, of three thousand others too but
// those whose weekdays are 0-6 in place of a star.
func TestCrontab(t *testing.T) {
	t.Parallel()
	const layout = "2006-01-02 15:04:05"
	for _, tt := range []struct{ text, after, next string }{
		{"*/10 * * * * *", "2026-11-29 11:12:43", "2026-11-29 11:12:50"},
		{"*/5 * * * *", "2026-11-29 11:10:00", "2026-11-29 11:15:00"},
		{"7-59/20 * * * *", "2026-11-29 11:30:00", "2026-11-29 11:47:00"},
		{"5/20 * * * *", "2026-11-29 11:30:00", "2026-11-29 11:45:00"},
		{"0 3 * * *", "2026-11-29 03:00:00", "2026-11-30 03:00:00"},
		{"0 22-2 * * *", "2026-11-29 03:00:00", "2026-11-29 22:00:00"},
		{"0 22-2 * * *", "2026-11-29 23:30:00", "2026-11-30 00:00:00"},
		{"30 4 1,15 * 5", "2026-11-16 00:00:00", "2026-11-20 04:30:00"}, // one of the two is enough
		{"0 0 13 * ?", "2026-11-14 00:00:00", "2026-12-13 00:00:00"},
		{"0 0 l * *", "2026-02-01 00:00:00", "2026-02-28 00:00:00"},
		{"0 0 1,L * *", "2026-02-01 00:00:00", "2026-02-28 00:00:00"},
		{"0 0 29 2 *", "2026-03-01 00:00:00", "2028-02-29 00:00:00"},
		{"0 9 * jan-mar mon-fri", "2026-11-29 00:00:00", "2027-01-01 09:00:00"},
		{"0 9 * * 7", "2026-11-28 00:00:00", "2026-11-29 09:00:00"},
		{"0 9 * * 0", "2026-11-28 00:00:00", "2026-11-29 09:00:00"},
		{"0 9 * * sat-sun", "2026-11-27 00:00:00", "2026-11-28 09:00:00"},
		{"0 9 * * 6-7", "2026-11-28 10:00:00", "2026-11-29 09:00:00"},
		{"@hourly", "2026-11-29 11:10:00", "2026-11-29 12:00:00"},
		{" @daily ", "2026-11-29 11:10:00", "2026-11-30 00:00:00"},
		{"every 5 minutes", "2026-11-29 11:11:00", "2026-11-29 11:15:00"},
		{"Every 3 Hours", "2026-11-29 11:11:00", "2026-11-29 12:00:00"},
		{"0 3 * * * Europe/Berlin", "2026-11-29 03:00:00", "2026-11-30 02:00:00"},
		{"0 0 3 * * * Europe/Berlin", "2026-07-01 03:00:00", "2026-07-02 01:00:00"},
		{"0 9 * * mon#2", "2026-11-29 00:00:00", "2026-12-14 09:00:00"},
		{"0 9 * * 1#-1", "2026-11-29 00:00:00", "2026-11-30 09:00:00"},
		{"0 9 * * MON#Last", "2026-11-29 00:00:00", "2026-11-30 09:00:00"},
		{"0 9 * * 1#l", "2026-11-29 00:00:00", "2026-11-30 09:00:00"},
		{"0 9 * * 1#-1", "2026-11-30 09:00:00", "2026-12-28 09:00:00"},
		{"0 9 * * sun#5", "2026-11-29 10:00:00", "2027-01-31 09:00:00"}, // not each month has a fifth one
		{"0 9 * * 7#1,wed", "2026-12-03 00:00:00", "2026-12-06 09:00:00"},
		{"0 0 1 * mon#1", "2026-11-29 00:00:00", "2026-12-01 00:00:00"},
		{"0 0 -1 * *", "2026-02-01 00:00:00", "2026-02-28 00:00:00"},
		{"0 0 -2,-28 * *", "2026-02-02 00:00:00", "2026-02-27 00:00:00"},
		{"0 3 * * * +09:00", "2026-11-29 00:00:00", "2026-11-29 18:00:00"},
		{"0 0 3 * * * -0530", "2026-11-29 00:00:00", "2026-11-29 08:30:00"},
		// The clock is put forward: there is no half past two that day.
		{"30 2 * * * Europe/Berlin", "2026-03-28 12:00:00", "2026-03-30 00:30:00"},
	} {
		c, err := parseCrontab(tt.text, time.UTC)
		require.NoError(t, err, tt.text)
		after, err := time.Parse(layout, tt.after)
		require.NoError(t, err)
		next, err := c.next(float64(after.Unix()))
		require.NoError(t, err, tt.text)
		require.Equal(t, tt.next, time.Unix(int64(next), 0).UTC().Format(layout), "%s after %s", tt.text, tt.after)
		// Not the moment itself, but half a second before it.
		again, err := c.next(next - 0.5)
		require.NoError(t, err)
		require.InDelta(t, next, again, 0, tt.text)
	}
	for _, text := range []string{
		"", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
		"* * * * mon#6", "* * * * mon#0", "* * * * mon-fri#2", "* * * * mon#la", "* * * * mon#+1", "* * * * mon#", "* * * * mon%2", "* * * * tue%4+1",
		"0 0 -32 * *", "0 0 -3--1 * *", "0 0 * * * +15:00", "0 0 * * * +09:20", "0 0 * * 5L", "a * * * *", "+1 * * * *", "-1 * * * *", "0 0 * * * Nowhere/Else", "0 0 * * * Local", "@never",
		"every blue moon", "0 0 * * * %2", "1--2 * * * *", ", * * * *", "1,, * * * *",
	} {
		_, err := parseCrontab(text, time.UTC)
		require.ErrorIs(t, err, errCrontab, text)
	}
	c, err := parseCrontab("0 0 30 2 *", time.UTC)
	require.NoError(t, err)
	_, err = c.next(0)
	require.ErrorIs(t, err, errNoRun)
	for text, everywhere := range map[string]bool{
		"* * * * *": true, "*/10 * * * *": true, "0,30 * * * *": true, "0 * * * *": false, "*/20 * * * *": false,
		"* 3 * * *": false, "* * 1 * *": false, "* * * 1 *": false, "* * * * 1": false, "15 */10 * * * *": true,
	} {
		c, err := parseCrontab(text, time.UTC)
		require.NoError(t, err)
		if text == "15 */10 * * * *" {
			require.EqualValues(t, 1<<15, c.second)
		}
		require.Equal(t, everywhere, c.everywhere(), text)
	}
	require.Equal(t, []string{"every 1m", "every 1h", "every 1h30m", "every 10s", "every 1h0m5s", ""},
		[]string{everyText(60), everyText(3600), everyText(5400), everyText(10), everyText(3605), everyText(0)})
	for text, want := range map[string]float64{"10s": 10, "1h30m": 5400, "1w": 604800, "2d": 172800, "": 0, "5": 0, "1y": 0, "0s": 0} {
		got, err := parseRufus(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == 0, err != nil, text)
	}
}

// FuzzCrontab: whatever an application calls a schedule, the next time is later and
// soon found.
func FuzzCrontab(f *testing.F) {
	for _, text := range []string{"*/10 * * * * *", "0 22-2 1,L jan-mar mon-fri Europe/Berlin", "every 5 minutes", "@daily", "0 0 30 2 *", "0 9 -3 * mon#2,fri#last +05:30", "every mon, wed and fri at 8, noon or five pm"} {
		f.Add(text, int64(1795950763))
	}
	f.Fuzz(func(t *testing.T, text string, after int64) {
		after %= 4102444800
		if _, err := parseRufus(text); err == nil {
			resqueTick("every " + text)
		}
		c, err := parseCrontab(text, time.UTC)
		if err != nil {
			return
		}
		next, err := c.next(float64(after))
		if err == nil && next <= float64(after) {
			t.Fatalf("%q after %d: %v", text, after, next)
		}
	})
}

// FuzzSchedules: parsers of what schedulers keep take anything.
func FuzzSchedules(f *testing.F) {
	f.Add([]byte(`{"cron":["*/5 * * * *",{}],"queue":"low","enabled":false}`))
	f.Add([]byte(`{"last_run_at":{"__type__":"datetime","year":2026,"month":11,"day":29,"timezone":"UTC"},"total_run_count":63}`))
	f.Add([]byte(`[{"name":"a","interval":10,"next_enqueue_time":"2026-11-29T11:12:45.822112Z"}]`))
	f.Add([]byte("\x0a\x01a\x12\x04@1m\x1a\x01t\x32\x06\x08\x80\x80\x80\x80\x10"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parseSidekiqSchedule(text)
		if last, _ := parseRedbeatMeta(text); last != 0 && !isMoment(last) {
			t.Fatal(last)
		}
		if j, err := parseAsynqEntry(text); err == nil && (j.next != 0 && !isMoment(j.next)) {
			t.Fatal(j.next)
		}
		s := &scheduler{}
		rqCronJobs(s, bulkOf(string(text)), nil)
		for _, j := range s.jobs {
			if j.next != 0 && !isMoment(j.next) {
				t.Fatal(j.next)
			}
		}
	})
}
