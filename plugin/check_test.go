package plugin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPanicOnTheCommandLineIsAnError(t *testing.T) {
	t.Parallel()
	value, err := withoutTrace(func() (string, error) {
		var none []string
		return none[1], nil
	})
	require.Empty(t, value)
	require.EqualError(t, err, "internal error: runtime error: index out of range [1] with length 0 (please report it, with the item key)")
}
