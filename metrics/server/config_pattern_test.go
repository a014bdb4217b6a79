package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestAConfigPatternThatBlocksAServerIsRefused: Redis 5 tries each star at each place of each name, for minutes.
func TestAConfigPatternThatBlocksAServerIsRefused(t *testing.T) {
	t.Parallel()
	const pattern = "*?*?*?*?*?*?*?*?*?*?*?*?~"
	old := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: old.Addr})
	_, err := metrictest.CollectFrom(t, Config, target, "", "", pattern)
	require.ErrorContains(t, err, "has 12 stars, which may block this server for seconds: it is redis 5.")
	got, err := metrictest.CollectFrom(t, Config, target, "", "", "*memory*")
	require.NoError(t, err)
	require.Contains(t, got, `"maxmemory":`)
	today := redistest.Borrow(t)
	target, _ = metrictest.DialTarget(t, redisclient.Config{Address: today.Addr})
	_, err = metrictest.CollectFrom(t, Config, target, "", "", pattern)
	require.ErrorContains(t, err, "no configuration parameter matches")
}
