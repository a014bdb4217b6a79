package metrics

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// The tests below measure what the process allocates, so that they do not run
// beside others.

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// answerWith is redistest.Answer that allocates nothing while it answers.
func answerWith(text string) redistest.Step {
	raw := []byte(text)
	return func(p *redistest.Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		_, err := p.Write(raw)
		return err
	}
}

func TestAHundredThousandClientsOverAConnection(t *testing.T) {
	const n = 100_000
	list := manyClients(n)
	fake := redistest.NewFake(t, redistest.Script{answerWith(bulk(list))})
	target, _ := dialTarget(t, redisclient.Config{Address: fake.Addr})
	var text string
	used := allocated(func() {
		var err error
		text, err = collectFrom(t, clientsGetMetric, target)
		require.NoError(t, err)
	})
	t.Logf("%.1f MB of CLIENT LIST: %.1f MB allocated, answer of %d bytes", float64(len(list))/(1<<20), float64(used)/(1<<20), len(text))
	doc := decode(t, text)
	require.EqualValues(t, n, doc["total"])
	require.EqualValues(t, n-maxClientGroups, doc["truncated"].(map[string]any)["by_name"])
	require.Less(t, len(text), 64<<10)
	require.Less(t, used, uint64(5*len(list)), "the reply, its growing, and a little for each name")
}

func TestMoreClientsThanAReplyMayHold(t *testing.T) {
	list := manyClients(300_000)
	require.Greater(t, len(list), 64<<20)
	fake := redistest.NewFake(t, redistest.Script{answerWith(bulk(list))})
	target, _ := dialTarget(t, redisclient.Config{Address: fake.Addr})
	used := allocated(func() {
		text, err := collectFrom(t, clientsGetMetric, target)
		require.NoError(t, err)
		doc := decode(t, text)
		require.Equal(t, 1.0, doc["up"])
		require.NotContains(t, doc, "total")
		require.Contains(t, doc["unavailable"].(map[string]any)["clients"], "the limit is 67108864")
	})
	require.Less(t, used, uint64(1<<20), "it is not even read")
}

func TestThousandsOfRealClients(t *testing.T) {
	const n = 3000
	s := redistest.Start(t, redistest.Config{})
	for range n {
		conn, err := net.Dial("tcp", s.Addr)
		require.NoError(t, err)
		defer conn.Close()
	}
	target, _ := dialTarget(t, redisclient.Config{Address: s.Addr})
	require.Eventually(t, func() bool {
		text, err := collectFrom(t, clientsGetMetric, target)
		require.NoError(t, err)
		doc := decode(t, text)
		require.Less(t, len(text), 16<<10)
		return doc["total"] == n+2.0 // ours and the test's own
	}, 20*time.Second, 50*time.Millisecond)
}

// TestHugeKeysAreNotReadIntoMemory asks everything of values that are bigger
// than what a connection lets through.
func TestHugeKeysAreNotReadIntoMemory(t *testing.T) {
	const size = 200 << 20
	s := redistest.Start(t, redistest.Config{Lines: []string{"proto-max-bulk-len 1gb"}})
	s.Do(t, "SETRANGE", "string", "209715199", "x")
	s.Do(t, "HSET", "hash", "small", "1", "huge", strings.Repeat("x", 65<<20))
	target, wire := dialTarget(t, redisclient.Config{Address: s.Addr})
	used := allocated(func() {
		_, err := ofKey(t, keyValueMetric, target, "string", "")
		require.EqualError(t, err, "the value is longer than 65536 bytes")
		length, err := ofKey(t, keyLengthMetric, target, "string")
		require.NoError(t, err)
		require.Equal(t, "209715200", length)
		text, err := ofKey(t, keyGetMetric, target, "string")
		require.NoError(t, err)
		doc := decode(t, text)
		require.EqualValues(t, size, doc["length"])
		require.GreaterOrEqual(t, doc["memory"], float64(size))
		value, err := ofKey(t, keyValueMetric, target, "hash", "small")
		require.NoError(t, err)
		require.Equal(t, "1", value)

		doc = newKeyspaceRun(t, target).pass()
		require.Equal(t, "string", doc["biggest"].([]any)[0].(map[string]any)["key"])
		require.GreaterOrEqual(t, doc["memory"], float64(size+65<<20))

		_, err = ofKey(t, keyValueMetric, target, "hash", "huge")
		require.ErrorContains(t, err, "bulk string of 68157440 bytes, the limit is 67108864")
	})
	require.Less(t, used, uint64(4<<20))
	_, err := wire.DoAll(context.Background(), redisclient.Command{"PING"})
	require.NoError(t, err, "the huge value was read past")
}
