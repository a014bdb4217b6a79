package clients

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

func TestAHundredThousandClientsOverAConnection(t *testing.T) {
	const n = 100_000
	list := manyClients(n)
	fake := redistest.NewFake(t, redistest.Script{metrictest.AnswerWith(metrictest.Bulk(list)), metrictest.AnswerWith(metrictest.Bulk(redisServer))})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: fake.Addr})
	var text string
	used := metrictest.Allocated(func() {
		var err error
		text, err = metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
	})
	t.Logf("%.1f MB of CLIENT LIST: %.1f MB allocated, answer of %d bytes", float64(len(list))/(1<<20), float64(used)/(1<<20), len(text))
	doc := metrictest.Decode(t, text)
	require.EqualValues(t, n, doc["total"])
	require.EqualValues(t, n-maxGroups, doc["truncated"].(map[string]any)["by_name"])
	require.Less(t, len(text), 64<<10)
	require.Less(t, used, uint64(5*len(list)), "the reply, its growing, and a little for each name")
}

// TestMoreClientsThanAReplyMayHold are counted all the same: the lines are read as
// they arrive.
func TestMoreClientsThanAReplyMayHold(t *testing.T) {
	list := manyClients(200_000)
	require.Greater(t, len(list), 64<<20)
	fake := redistest.NewFake(t, redistest.Script{metrictest.AnswerWith(metrictest.Bulk(list)), metrictest.AnswerWith(metrictest.Bulk(redisServer))})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: fake.Addr})
	used := metrictest.Allocated(func() {
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		doc := metrictest.Decode(t, text)
		require.Equal(t, 1.0, doc["up"])
		require.Equal(t, 200_000.0, doc["total"])
		require.Empty(t, doc["unavailable"])
		require.Equal(t, 199_900.0, doc["others"].(map[string]any)["by_name"])
	})
	require.Less(t, used, uint64(len(list)*3/4), "the texts that are counted by, and nothing of the reply")
}

func TestThousandsOfRealClients(t *testing.T) {
	const n = 3000
	s := redistest.Borrow(t)
	for range n {
		conn, err := net.Dial("tcp", s.Addr)
		require.NoError(t, err)
		defer conn.Close()
	}
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	require.Eventually(t, func() bool {
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		doc := metrictest.Decode(t, text)
		require.Less(t, len(text), 16<<10)
		return doc["total"] == n+2.0 // ours and the test's own
	}, 20*time.Second, 50*time.Millisecond)
}
