//go:build redisjobs_testkeys

package metrics

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

func TestTheTestKeysDoWhatTheySay(t *testing.T) {
	t.Parallel()
	ask := func(ctx context.Context, key string, raw ...string) (string, error) {
		m, ok := Lookup(key)
		require.True(t, ok)
		args, err := m.ParseArgs(raw)
		if err != nil {
			return "", err
		}
		return m.Answer(ctx, &item.Request{Args: args})
	}
	require.Panics(t, func() { _, _ = ask(t.Context(), "redis.test.panic") })

	got, err := ask(t.Context(), "redis.test.sleep", "0.01")
	require.NoError(t, err)
	require.Equal(t, "0.01", got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ask(ctx, "redis.test.sleep", "60")
	require.ErrorIs(t, err, context.Canceled)

	got, err = ask(t.Context(), "redis.test.big", "100000")
	require.NoError(t, err)
	require.Len(t, got, 100000)
	_, err = ask(t.Context(), "redis.test.error", "3000")
	require.Len(t, err.Error(), 3000)

	_, err = ask(t.Context(), "redis.test.sleep")
	require.EqualError(t, err, "parameter 1 (Seconds) is required")
	_, err = ask(t.Context(), "redis.test.big", "-1")
	require.ErrorContains(t, err, "is no number from 0 to")
}
