package info

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsNoNumberIsNotImpossible: no server writes a number with a plus; it is a
// text like any other, and stays.
func TestWhatIsNoNumberIsNotImpossible(t *testing.T) {
	t.Parallel()
	_, id := serverOf(t, "redis", "")
	for _, value := range []string{"+1001", "/1001", ":1001", "never", " 1001", "+99999999999999999999"} {
		require.False(t, id.Impossible([]byte("x_seconds_ago"), []byte(value)), value)
		require.False(t, id.Impossible([]byte("keys"), []byte(value)), value)
	}
}
