package redisclient

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStreamIDs(t *testing.T) {
	t.Parallel()
	id, ok := ParseStreamID("5-18446744073709551615")
	require.True(t, ok)
	require.Equal(t, "6-0", id.Next().String())
	require.Equal(t, "5-8", StreamID{5, 7}.Next().String())
	for _, text := range []string{"", "5", "-", "5-", "-5-1", "5-1-1", "x-1", "5-18446744073709551616"} {
		_, ok := ParseStreamID(text)
		require.False(t, ok, text)
	}
	require.True(t, StreamID{5, 7}.Less(StreamID{5, 8}))
	require.True(t, StreamID{5, 7}.Less(StreamID{6, 0}))
	require.False(t, StreamID{5, 7}.Less(StreamID{5, 7}))
}
