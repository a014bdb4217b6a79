package info

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// TestAServerThatDoesNotSayWhatItIsGetsNoCostlyPattern: whatever the reason is, it
// stands in the answer.
func TestAServerThatDoesNotSayWhatItIsGetsNoCostlyPattern(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		metrictest.Bulk("hello"):                            "INFO cannot be read",
		":1\r\n":                                            "INFO cannot be read",
		metrictest.Bulk("# Server\r\nos:x\r\n"):             "INFO does not say what it is",
		metrictest.Bulk("# Server\r\nfoo_version:1\r\n"):    "it is foo 1",
		metrictest.Bulk("# Server\r\nredis_version:-1.0"):   "it is redis -1.0",
		metrictest.Bulk("# Server\r\nredis_version:7.-1"):   "it is redis 7.-1",
		metrictest.Bulk("# Server\r\nredis_version:6.1.9"):  "it is redis 6.1.9",
		metrictest.Bulk("# Server\r\nredis_version:5.2.11"): "it is redis 5.2.11",
		metrictest.Bulk("# Server\r\nredis_version:5.0.18"): "it is redis 5.0.18",
		metrictest.Bulk("# Server\r\nredis_version:6.3.18"): "it is redis 6.3.18",
	} {
		doer := &metrictest.ScriptDoer{Replies: map[string]string{"INFO server": reply}}
		problem, err := CheckPattern(t.Context(), metrictest.NewTarget(doer), "*a*b*c")
		require.NoError(t, err, reply)
		require.ErrorContains(t, problem, want, reply)
	}
	broken := errors.New("broken off")
	_, err := CheckPattern(t.Context(), metrictest.NewTarget(&metrictest.ScriptDoer{Err: broken}), "*a*b*c")
	require.ErrorIs(t, err, broken)
	for _, version := range []string{"6.2.11", "6.0.18", "7.0.9", "7.0.9.1", "7.1.0", "8.0.0", "10.0.0", "7.0.10-x"} {
		doer := &metrictest.ScriptDoer{Replies: map[string]string{"INFO server": metrictest.Bulk("# Server\r\nredis_version:" + version)}}
		problem, err := CheckPattern(t.Context(), metrictest.NewTarget(doer), "*a*b*c")
		require.NoError(t, err)
		require.NoError(t, problem, version)
	}
}
