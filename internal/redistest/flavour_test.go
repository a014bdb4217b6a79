package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheListOfServers(t *testing.T) {
	t.Parallel()
	got, err := parseServers("redis-6.2 6.2.14 /a b/redis-6.2\n\nvalkey-9.1 - unreachable: no network\n")
	require.NoError(t, err)
	require.Equal(t, []Flavour{
		{Name: "redis-6.2", Version: "6.2.14", Bin: "/a b/redis-6.2"},
		{Name: "valkey-9.1", Missing: "unreachable: no network"},
	}, got)
	require.True(t, got[0].Is("redis", 6, 2))
	require.True(t, got[0].Is("redis", 5, 9))
	require.False(t, got[0].Is("redis", 6, 3))
	require.False(t, got[0].Is("redis", 7, 0))
	require.False(t, got[0].Is("valkey", 6, 2))
	for _, wrong := range []string{"", "redis-6.2 6.2.14 here", "redis-6.2", "valkey-9.1 -"} {
		_, err := parseServers(wrong)
		require.Error(t, err, wrong)
	}
}
