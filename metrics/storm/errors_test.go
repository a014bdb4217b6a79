package storm

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// The page of a whole topology says nothing of errors in Storm 2.0 to 2.2: that is not
// the same as none. A null is.
// source: STORM-3652
func TestErrorsThatTheUIDoesNotSay(t *testing.T) {
	t.Parallel()
	lastError := regexp.MustCompile(`("lastError"\s*:\s*)"(?:[^"\\]|\\.)*"`)
	for name, c := range map[string]struct {
		lastError string
		want      []unreadable
	}{
		"Storm 2.2":      {`"elsewhere":""`, []unreadable{{Name: "last_error", Reason: noErrors}}},
		"without errors": {`"lastError":null`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := recordedUI(t)
			page := recorded(t, "topology")
			require.True(t, lastError.MatchString(page))
			web.answers[ordersPage] = lastError.ReplaceAllString(page, c.lastError)
			j, err := newUI(web, &item.Memory{}, 0).Job(t.Context(), query{Name: "orders", Details: true})
			require.NoError(t, err)
			require.Equal(t, c.want, j.Unavailable)
			require.Empty(t, j.Topology.ErrorComponent)
		})
	}
}
