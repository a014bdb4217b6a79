package keys

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// peers-08: the types of newer servers.
func TestLengthOfAVectorSet(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-8.0").Bin})
	for _, name := range []string{"el1", "el2", "el3"} {
		s.Do(t, "VADD", "vs", "VALUES", "2", "1", "2", name)
	}
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for range 2 {
		require.Equal(t, "3", metrictest.Must(metrictest.CollectFrom(t, Length, target, "", "", "", "vs")))
	}
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target, "", "", "", "vs")))
	require.Equal(t, []any{"vectorset", 3.0}, []any{doc["type"], doc["length"]})
	require.Empty(t, doc["unavailable"])
}

// An array has as many elements as are set, of Redis 8.8 by its documentation.
func TestLengthOfAnArray(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"TYPE a": "+array\r\n", "ARCOUNT a": ":7\r\n"}}
	require.Equal(t, "7", metrictest.Must(metrictest.Collect(t, Length, d, "", "", "", "a")))
}
