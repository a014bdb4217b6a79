package keys

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/metrics/keyspace"
	"redisjobs/redisclient"
)

// TestHugeKeysAreNotReadIntoMemory asks everything of values that are bigger
// than what a connection lets through.
func TestHugeKeysAreNotReadIntoMemory(t *testing.T) {
	const size = 200 << 20
	s := redistest.Start(t, redistest.Config{Lines: []string{"proto-max-bulk-len 1gb"}})
	s.Do(t, "SETRANGE", "string", "209715199", "x")
	s.Do(t, "HSET", "hash", "small", "1", "huge", strings.Repeat("x", 65<<20))
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	used := metrictest.Allocated(func() {
		_, err := metrictest.OfKey(t, Value, target, "string", "")
		require.EqualError(t, err, "the value is longer than 65536 bytes")
		length, err := metrictest.OfKey(t, Length, target, "string")
		require.NoError(t, err)
		require.Equal(t, "209715200", length)
		text, err := metrictest.OfKey(t, Get, target, "string")
		require.NoError(t, err)
		doc := metrictest.Decode(t, text)
		require.EqualValues(t, size, doc["length"])
		require.GreaterOrEqual(t, doc["memory"], float64(size))
		value, err := metrictest.OfKey(t, Value, target, "hash", "small")
		require.NoError(t, err)
		require.Equal(t, "1", value)

		text, err = keyspace.Sample.Answer(t.Context(), &item.Request{Target: target, Env: &item.Env{Keyspace: item.KeyspaceOptions{Top: 3}}})
		require.NoError(t, err)
		doc = metrictest.Decode(t, text)
		require.Equal(t, "string", doc["biggest"].([]any)[0].(map[string]any)["key"])
		require.GreaterOrEqual(t, doc["memory"], float64(size+65<<20))

		_, err = metrictest.OfKey(t, Value, target, "hash", "huge")
		require.ErrorContains(t, err, "bulk string of 68157440 bytes, the limit is 67108864")
	})
	require.Less(t, used, uint64(4<<20))
	_, err := wire.DoAll(context.Background(), redisclient.Command{"PING"})
	require.NoError(t, err, "the huge value was read past")
}
