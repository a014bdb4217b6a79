package storm

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
)

// wireScan is a reply to SSCAN or HSCAN.
func wireScan(cursor string, members ...string) string {
	return "*2\r\n" + metrictest.Bulk(cursor) + metrictest.WireArray(members...)
}

// TestASetThatHasShrunkIsReadInSteps: its table is still large, and a step of SSCAN ends before all of it was seen.
func TestASetThatHasShrunkIsReadInSteps(t *testing.T) {
	t.Parallel()
	const first = "SSCAN storm:jobs 0 COUNT 2000"
	for _, tt := range []struct {
		name    string
		replies map[string]string
		names   string
		says    string
	}{
		{"two steps", map[string]string{first: wireScan("5", "a", "b"), "SSCAN storm:jobs 5 COUNT 2000": wireScan("0", "b", "c"), "SCARD storm:jobs": ":3\r\n"},
			"a b c", ""},
		{"an empty step", map[string]string{first: wireScan("5"), "SSCAN storm:jobs 5 COUNT 2000": wireScan("0", "c"), "SCARD storm:jobs": ":1\r\n"}, "c", ""},
		{"steps without an end", map[string]string{first: wireScan("5", "a"), "SSCAN storm:jobs 5 COUNT 2000": wireScan("5", "b"), "SCARD storm:jobs": ":3\r\n"},
			"a b", `the key "storm:jobs" could not be read whole`},
		{"too large", map[string]string{first: wireScan("5", "a"), "SCARD storm:jobs": ":2001\r\n"}, "a",
			`the key "storm:jobs" is too large: of its 2001 members about 2000 are read`},
		{"of unknown size", map[string]string{first: wireScan("5", "a"), "SSCAN storm:jobs 5 COUNT 2000": wireScan("5", "b"),
			"SCARD storm:jobs": "-NOPERM this user has no permissions to run the 'scard' command\r\n"}, "a",
			`the key "storm:jobs" is too large: it has more members than the 2000 that are read`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.replies["TIME"] = "*2\r\n$10\r\n1795227509\r\n$1\r\n0\r\n"
			tt.replies["TYPE storm:jobs"] = "+set\r\n"
			d := &metrictest.ScriptDoer{Replies: tt.replies}
			s, err := newStore(item.StormOptions{IndexKey: "storm:jobs"}, d, new(item.Memory))
			require.NoError(t, err)
			for range 2 { // the second time the type is known
				jobs, err := s.Jobs(t.Context())
				require.NoError(t, err)
				var names []string
				for _, j := range jobs.Jobs {
					names = append(names, j.Name)
				}
				require.Equal(t, tt.names, strings.Join(names, " "))
				if tt.says == "" {
					require.NoError(t, jobs.Incomplete)
					require.Empty(t, jobs.Unavailable)
					continue
				}
				require.ErrorContains(t, jobs.Incomplete, tt.says)
				require.Len(t, jobs.Unavailable, 1)
				require.Positive(t, jobs.Truncated)
			}
		})
	}
}

// TestAScanOfAnotherFormIsAnError: what a server replies is not to be relied on.
func TestAScanOfAnotherFormIsAnError(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{"*0\r\n", ":1\r\n", "*2\r\n:0\r\n:0\r\n", "*1\r\n$1\r\n0\r\n", "$-1\r\n", "*3\r\n$1\r\n0\r\n*0\r\n*0\r\n"} {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"TIME": "*2\r\n$10\r\n1795227509\r\n$1\r\n0\r\n", "TYPE storm:jobs": "+set\r\n", "SSCAN storm:jobs 0 COUNT 2000": wire,
		}}
		s, err := newStore(item.StormOptions{IndexKey: "storm:jobs"}, d, new(item.Memory))
		require.NoError(t, err)
		_, err = s.Jobs(t.Context())
		require.ErrorContains(t, err, `read "storm:jobs"`, "%q", wire)
		require.Error(t, errors.Unwrap(err))
	}
}
