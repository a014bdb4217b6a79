package targets

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatSentinelsSaidFitsIntoAnError: whole entries, those that say the same together.
func TestWhatSentinelsSaidFitsIntoAnError(t *testing.T) {
	t.Parallel()
	none := errors.New("no master is known by this name")
	for want, said := range map[string][]any{
		"":                                   nil,
		"sentinel a says m":                  {"a", "m"},
		"sentinels a, b, c say m":            {"a", "m", "b", "m", "c", "m"},
		"sentinels a, b, c and 2 more say m": {"a", "m", "b", "m", "c", "m", "d", "m", "e", "m"},
		"sentinels a, c say m; sentinel b: no master is known by this name":  {"a", "m", "b", none, "c", "m"},
		"sentinels a, b: no master is known by this name":                    {"a", none, "b", none},
		"sentinel a says m; sentinel b says n; sentinel c says o and 1 more": {"a", "m", "b", "n", "c", "o", "d", "p"},
	} {
		var s sayings
		for i := 0; i < len(said); i += 2 {
			addr, _ := said[i+1].(string)
			err, _ := said[i+1].(error)
			s.add(said[i].(string), addr, err)
		}
		require.Equal(t, want, s.String())
	}
}
