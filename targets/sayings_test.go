package targets

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatSentinelsSaidFitsIntoAnError: whole entries, those that say the same together.
func TestWhatSentinelsSaidFitsIntoAnError(t *testing.T) {
	t.Parallel()
	none := errors.New("no master is known by this name")
	refused := func(addr string) error { return errors.New("connect: " + addr + ": connection refused") }
	long := errors.New(strings.Repeat("x", maxSaidBytes))
	for want, said := range map[string][]any{
		"":                                   nil,
		"sentinel a says m":                  {"a", "m"},
		"sentinels a, b, c say m":            {"a", "m", "b", "m", "c", "m"},
		"sentinels a, b, c and 2 more say m": {"a", "m", "b", "m", "c", "m", "d", "m", "e", "m"},
		"sentinels a, c say m; sentinel b: no master is known by this name": {"a", "m", "b", none, "c", "m"},
		"sentinels a, b: no master is known by this name":                   {"a", none, "b", none},
		"sentinels a:1, b:1: connect: connection refused":                   {"a:1", refused("a:1"), "b:1", refused("b:1")},
		"sentinel a: " + long.Error() + "; and 2 more":                      {"a", long, "b", "m", "c", none},
		"sentinel a says m; and 3 more":                                     {"a", "m", "b", long, "c", long, "d", "n"},
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
