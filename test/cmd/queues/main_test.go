package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQueuesAreRowsAndUnknownIsNoZero(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(strings.NewReader(`{"queues":[{"system":"asynq","queue":"slow","waiting":2,"latency":0.25}]}`), &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, []string{"system", "queue", "waiting", "active", "scheduled", "retry", "failed", "completed", "paused", "latency"},
		strings.Fields(lines[0]))
	require.Equal(t, []string{"asynq", "slow", "2", "-", "-", "-", "-", "-", "-", "0.25"}, strings.Fields(lines[1]))
	require.Error(t, run(strings.NewReader("oops"), &out))
}
