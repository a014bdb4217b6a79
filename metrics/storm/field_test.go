package storm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, raw string
		want      float64
		err       string
	}{
		{name: "seconds", raw: "1795228996", want: 1795228996},
		{name: "seconds with a fraction", raw: " 1795228996.068 ", want: 1795228996.068},
		{name: "seconds as a newer server prints a score", raw: "1.795228996068e+09", want: 1795228996.068},
		{name: "the last number that is seconds", raw: "100000000000", want: 1e11},
		{name: "milliseconds", raw: "1795228996068", want: 1795228996.068},
		{name: "the last number that is milliseconds", raw: "100000000000000", want: 1e11},
		{name: "microseconds", raw: "1795228996068123", want: 1795228996.068123},
		{name: "RFC 3339 in UTC", raw: "2026-11-21T09:16:40Z", want: 1795252600},
		{name: "RFC 3339 with an offset and a fraction", raw: "2026-11-21T11:16:40.25+02:00", want: 1795252600.25},
		{name: "date and time are UTC", raw: "2026-11-21 09:16:40", want: 1795252600},
		{name: "date and time with a fraction", raw: "2026-11-21 09:16:40.5", want: 1795252600.5},
		{name: "zero says never", raw: "0", err: `"0" is no time`},
		{name: "negative", raw: "-5", err: `"-5" is no time`},
		{name: "beyond the year 9999", raw: "1e30", err: `"1e30" is no time`},
		{name: "nanoseconds are no time", raw: "1795228996068123456", err: `"1795228996068123456" is no time`},
		{name: "a date before 1970", raw: "1969-12-31 23:59:59", err: `"1969-12-31 23:59:59" is no time`},
		{name: "a local time without its zone", raw: "2026-11-21T09:16:40", err: `"2026-11-21T09:16:40" is no time`},
		{name: "a word", raw: "never", err: `"never" is no time`},
		{name: "not a number", raw: "NaN", err: `"NaN" is no time`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseMoment(tt.raw)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestNumberIsDecimalAndFinite(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "abc", "0x10", "1_000", "inf", "-Infinity", "nan", "1e999", "1,5", "12 34", "--1"} {
		_, err := parseNumber(raw)
		require.Error(t, err, raw)
	}
	for raw, want := range map[string]float64{"7": 7, " -0.5\n": -0.5, "+3": 3, "1e3": 1000, "9007199254740992": 1 << 53} {
		got, err := parseNumber(raw)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestEveryStatusWordHasItsNumber(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]int{
		"UNKNOWN no-such-word true -1 99999999999":    0,
		"ACTIVE RUNNING STARTED BUSY UP OK":           1,
		"INACTIVE PAUSED DEACTIVATED SUSPENDED IDLE":  2,
		"REBALANCING STARTING INITIALIZING STOPPING":  3,
		"KILLED STOPPED CANCELLED ABORTED TERMINATED": 4,
		"FAILED ERROR DEAD CRASHED TIMEOUT":           5,
		"SUCCESS COMPLETED FINISHED DONE":             6,
		"QUEUED PENDING SCHEDULED WAITING RETRY":      7,
		"STALE 8":                                     8,
		"MISSING 9":                                   9,
		"17 017":                                      17,
		`"ACTIVE" 'active' Active`:                    1,
		"DRAINING draining":                           3,
		"PARKED":                                      2,
	} {
		extra := map[string]int{"DRAINING": 3, "parked": 2}
		for word := range strings.FieldsSeq(words) {
			text, err := statusText(word)
			require.NoError(t, err)
			require.Equal(t, Status(want), statusOf(text, extra), word)
		}
	}
}

func TestExtraWordsCountBeforeBuiltInOnes(t *testing.T) {
	t.Parallel()
	require.Equal(t, statusInactive, statusOf("idle", nil))
	require.Equal(t, statusActive, statusOf("idle", map[string]int{"IDLE": 1}))
}

func TestStatusText(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "  ", `""`, strings.Repeat("A", 65), "A\x00B", "\xff\xfe"} {
		_, err := statusText(raw)
		require.Error(t, err, "%q", raw)
	}
	got, err := statusText(" \"Active\"\r\n")
	require.NoError(t, err)
	require.Equal(t, "Active", got)
}

func TestStatusNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ACTIVE", statusActive.String())
	require.Equal(t, "MISSING", statusMissing.String())
	require.Equal(t, "42", Status(42).String())
	require.Len(t, Statuses(), 10)
}

func TestTextIsOneShortLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b? c", oneLine(" a\nb\xff\x00c\t"))
	require.Equal(t, strings.Repeat("ж", 254)+"…", oneLine(strings.Repeat("ж", 300)))
}
